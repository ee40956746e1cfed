"""The one renderer: training, evaluation and serving all turn an input into model text here, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from jangin.data.text import normalise_text
from jangin.errors import InputError
from jangin.tools import Convention, Talk, spoken, system_text
from jangin.types import Input


def render(value: Input) -> str:
    """The text a model reads for one input, normalised; several chat turns become `role: content` lines.

    System and developer turns are left out: a specialist has its instructions in its weights, and a client that still
    sends the giant model's prompt gets the same answer as one that sends the message alone. So does a bare string.
    """
    if isinstance(value, str):
        return normalise_text(value).strip()
    turns = [turn for turn in value if turn.get("role") not in ("system", "developer")] or value
    if len(turns) == 1:
        return normalise_text(turns[0].get("content") or "").strip()
    return normalise_text("\n".join(f"{turn['role']}: {turn.get('content') or ''}" for turn in turns)).strip()


class Tokenize(Protocol):
    """A base's own tokenizer, such as `Decoder.tokenize`.

    control: the base's control tokens are read as such. start: begin with the token that it begins every prompt with.
    """

    def __call__(self, text: str, *, control: bool = False, start: bool = False) -> list[int]: ...


class PromptTemplate(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a decoder reads around an input: start, then (before input after) and the answer.

    Examples stand between, each as (before input after answer end). The template's own parts may hold the base's
    control tokens; an input or an answer never does: there they are plain text. stop: strings that end an answer,
    beside the base's own end. tools: how the base calls functions, of a ChatML template; None: it was not taught to.
    """

    start: str = ""
    before: str = ""
    after: str = "\n\n"
    end: str = "\n\n"
    stop: list[str] = []
    tools: Convention | None = None

    def tokens(
        self, text: str, tokenize: Tokenize, shots: Sequence[tuple[str, str]] = (), room: int | None = None
    ) -> list[int]:
        """The prompt of one rendered input, as the base's token numbers.

        Args: shots: (input, answer) pairs. room: the input is cut at its end so that the prompt has no more tokens;
            None never cuts.
        Raises: InputError when the template alone takes more than `room`.
        """
        ids = tokenize(self.start + self.before if not shots else self.start, control=True, start=True)
        for asked, answer in shots:
            ids = [*ids, *tokenize(self.before, control=True), *tokenize(asked), *tokenize(self.after, control=True)]
            ids = [*ids, *tokenize(answer), *tokenize(self.end, control=True)]
        if shots:
            ids += tokenize(self.before, control=True)
        body, tail = tokenize(text), tokenize(self.after, control=True)
        if room is not None and len(ids) + len(body) + len(tail) > room:
            left = room - len(ids) - len(tail)
            if left < 1:
                raise InputError(f"the prompt alone takes {len(ids) + len(tail)} of {room} tokens", "shorten it")
            body = body[:left]
        return [*ids, *body, *tail]

    def talk_tokens(self, talk: Talk, tokenize: Tokenize, shots: Sequence[tuple[str, str]] = ()) -> list[int]:
        """The prompt of a conversation with functions, as the base's token numbers."""
        parts = self.talk_parts(talk, shots)
        return [
            token
            for at, (text, control) in enumerate(parts)
            for token in tokenize(text, control=control, start=at == 0)
        ]

    def talk_parts(self, talk: Talk, shots: Sequence[tuple[str, str]] = ()) -> list[tuple[str, bool]]:
        """(text, whether control tokens in it are read as such): turns in ChatML, after the template's instructions
        those of the conversation's system turns, examples before the conversation."""
        own = self.start.removeprefix(_role("system") + "\n").removesuffix(self.end)
        given = [turn.content for turn in talk.turns if turn.role == "system"]
        system = system_text("\n\n".join(filter(None, [own, *given])), talk.tools).lstrip()
        examples = [turn for asked, answer in shots for turn in (("user", f"\n{asked}"), ("assistant", f"\n{answer}"))]
        turns = [("system", f"\n{system}")] if system else []
        parts: list[tuple[str, bool]] = []
        for role, text in [*turns, *examples, *spoken(talk.turns)]:
            parts += [(_role(role), True), (text, False), (self.end, True)]
        return [*parts, (_role("assistant") + "\n", True)]


def _role(name: str) -> str:
    return f"<|im_start|>{name}"


CHATML = PromptTemplate(
    before=_role("user") + "\n",
    after="<|im_end|>\n" + _role("assistant") + "\n",
    end="<|im_end|>\n",
)


def chatml(instructions: str, tools: Convention | None = None) -> PromptTemplate:
    """ChatML (SmolLM2, Qwen) with a system turn; its own control tokens in `instructions` would be read as such."""
    start = f"{_role('system')}\n{instructions}{CHATML.end}" if instructions else ""
    return msgspec.structs.replace(CHATML, start=start, tools=tools)
