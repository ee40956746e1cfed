"""What the live model is asked: an instruction made from the task or the user's own, examples of train, the input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin.errors import DataError, InputError
from jangin.files import hash_json
from jangin.prompt import render
from jangin.record.redact import Redaction
from jangin.task import Task
from jangin.types import Example, Input, Message

_SYSTEM = ("system", "developer")
MAX_BYTES = 1 << 20


class Shot(msgspec.Struct, frozen=True):
    """An example of train as the model sees it: what was asked, and the answer in the form that is wanted."""

    input: Input
    answer: str


class Prompt(msgspec.Struct, frozen=True):
    """One instruction for all inputs. `own`: the user's file; an instruction with `{input}` holds the input in it."""

    instruction: str
    shots: list[Shot] = []
    own: bool = False

    @property
    def sha256(self) -> str:
        return hash_json(msgspec.to_builtins(self))

    @property
    def setting(self) -> str:
        """As the certificate names it."""
        count = len(self.shots)
        shots = f"{count} example{'s' if count != 1 else ''} of train" if count else "no examples"
        return f"{'own' if self.own else 'default'} prompt {self.sha256[:12]}, {shots}"

    def messages(self, value: Input) -> list[Message]:
        """The chat for one input.

        An input with a system message of its own keeps it in place of the default instruction: that is how the model
        was called. The user's own prompt takes its place.
        """
        if self.own and "{input}" in self.instruction:
            chat = []
            for shot in self.shots:
                chat += [*self._filled(shot.input), _turn("assistant", shot.answer)]
            return chat + self._filled(value)
        said, turns = _divided(value)
        if self.own or not said:
            said = [_turn("system", self.instruction)] if self.instruction else []
        chat = said
        for shot in self.shots:
            chat = [*chat, *_divided(shot.input)[1], _turn("assistant", shot.answer)]
        return chat + turns

    def _filled(self, value: Input) -> list[Message]:
        return [_turn("user", self.instruction.replace("{input}", render(value)))]


def build(
    task: Task,
    labels: Sequence[str],
    train: Sequence[Example],
    *,
    file: Path | None = None,
    shots: int = 0,
    hook: Redaction | None = None,
) -> Prompt:
    """The prompt of a task: the user's file, else one made from kind, description, and labels or schema.

    `{labels}` and `{schema}` in the file are filled in; the examples pass the `hook`.

    Raises: InputError for a file that cannot be read or is empty, or more examples than train has; DataError for an
    extract task without a schema.
    """
    text = default(task, labels) if file is None else _read(file)
    text = text.replace("{labels}", _listed(labels))
    if task.schema is not None:
        text = text.replace("{schema}", json.dumps(task.schema, ensure_ascii=False))
    examples = spread(task, train, shots)
    if hook is not None:  # labels are no texts
        examples = [hook.example(each, outputs=task.kind in ("extract", "generate"))[0] for each in examples]
    chosen = [Shot(each.input, answer_text(task, each.output)) for each in examples]
    return Prompt(text, chosen, own=file is not None)


def default(task: Task, labels: Sequence[str]) -> str:
    """The instruction that the task's own words and labels give."""
    about = [task.description] if task.description else []
    if task.kind == "classify":
        about.append("Answer with exactly one label of this list, spelt as it stands here, and nothing else:\n{labels}")
        if task.out_of_scope:
            about.append(f"If none of the others fits, answer: {task.out_of_scope}")
    elif task.kind == "tag":
        about.append(
            "Answer with a JSON list of all labels of this list that apply, spelt as they stand here, and nothing "
            "else. If none applies, answer: []\n{labels}"
        )
    elif task.kind == "extract":
        if task.schema is None:
            raise DataError("an extract task without a schema gives no prompt", "add 'schema', or name a --prompt FILE")
        about.append(
            "Answer with one JSON object that satisfies this JSON schema, and nothing else: no explanation, no code "
            "fence.\n{schema}"
        )
    return "\n\n".join(about)


def answer_text(task: Task, output: Any) -> str:
    """An example's answer in the form that the instruction asks for."""
    if task.kind == "tag":
        given = [label for label, state in output.items() if state] if isinstance(output, dict) else list(output)
        return json.dumps(sorted(given), ensure_ascii=False)
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


def spread(task: Task, train: Sequence[Example], count: int) -> list[Example]:
    """`count` examples of train, chosen by the task's seed; labels take turns, so that rare ones are seen too."""
    if count > len(train):
        raise InputError(f"--shots {count:,}: train has {len(train):,} examples", "ask for fewer")
    rng = np.random.default_rng(task.seed)
    groups: dict[str, list[Example]] = {}
    for position in rng.permutation(len(train)).tolist():
        key = answer_text(task, train[position].output) if task.kind in ("classify", "tag") else ""
        groups.setdefault(key, []).append(train[position])
    chosen: list[Example] = []
    while len(chosen) < count:
        for group in groups.values():
            if group and len(chosen) < count:
                chosen.append(group.pop())
    return chosen


def _listed(labels: Sequence[str]) -> str:
    return "\n".join(f"- {label}" for label in labels)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1).decode("utf-8").strip()
    except OSError as error:
        raise InputError(f"the prompt '{file}' cannot be read: {error.strerror}", "check --prompt") from None
    except UnicodeDecodeError:
        raise InputError(f"the prompt '{file}' is not valid UTF-8", "save it as UTF-8") from None
    if not text or len(text) > MAX_BYTES:
        raise InputError(f"the prompt '{file}' is {'too long' if text else 'empty'}", "check --prompt")
    return text


def _divided(value: Input) -> tuple[list[Message], list[Message]]:
    """(system and developer turns, the others)."""
    if isinstance(value, str):
        return [], [_turn("user", value)]
    said = [turn for turn in value if turn["role"] in _SYSTEM]
    return said, [turn for turn in value if turn["role"] not in _SYSTEM]


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}
