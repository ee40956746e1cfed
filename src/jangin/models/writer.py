"""A bundle of kind `extract` or `generate`, loaded: inputs in, written answers out, with what the model thought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from jangin import bundle
from jangin.errors import BundleError, RequestError
from jangin.models.confidence import field_confidence
from jangin.models.decoder import Decoder
from jangin.models.generation import Generation, OnText, OnToken
from jangin.models.llama import too_long
from jangin.models.specialist import Readers
from jangin.prompt import render
from jangin.tools import Talk, bound, grammar
from jangin.types import Input, Kind


class Written(msgspec.Struct, frozen=True):
    """One answer.

    output: the JSON object of `extract` (None when it was cut before its end), the text of `generate`.
    finish: "stop", "length" or "cancelled". confidence: the probability of the whole answer's tokens, geometric mean;
    None unless asked for. fields: of `extract`, each field's own, by its name.
    """

    output: Any
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    ttft_s: float | None
    seconds: float
    confidence: float | None = None
    fields: dict[str, float] | None = None
    generation: Generation | None = None


class Writer:
    """`sha256` is the identity. Safe to call from several threads; `close` it to give its place on the base up."""

    labels: tuple[str, ...] = ()

    def __init__(self, folder: Path, readers: Readers):
        """Raises: BundleError, BaseModelError, MissingExtraError."""
        self.manifest = bundle.verify(folder)
        self.folder = Path(folder)
        self.sha256 = bundle.identity(self.manifest)
        self.name = self.manifest.name
        self.kind: Kind = self.manifest.kind
        decoder = self.manifest.decoder
        if decoder is None or decoder.writing is None:
            raise BundleError(f"{folder}: a specialist of kind {self.kind} without a decoder", "train it again")
        self.template, self.writing = decoder.template, decoder.writing
        self._shots = None
        if self.writing.shots:
            from jangin.models.shots import Shots

            self._shots = Shots.read(self.folder / bundle.SHOTS)
        self._held = readers.decoder(self.folder, self.manifest)

    @property
    def place(self) -> tuple[int, str | None]:
        """Which decoder it stands on, and with which adapter."""
        return self._held.place

    def open(self) -> None:
        """Needed only after `Readers.together`. Raises: as loading does."""
        self._held.open()

    def close(self) -> None:
        self._held.release()

    def write(
        self,
        inputs: Sequence[Input],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        schema: Mapping[str, Any] | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        confidence: bool = False,
        top: int = 0,
        on_text: OnText | None = None,
        on_token: OnToken | None = None,
    ) -> list[Written]:
        """One answer per input, in order.

        Args:
            max_tokens: at most the bundle's own, which is the default. stop: more stop strings. schema: for `generate`.
            temperature, top_p, seed, top, on_text, on_token: as `Decoder.generate` says.
            confidence: also what the model thought of each token.
        Raises: RequestError for a prompt longer than the context or a schema that cannot be met; EngineError.
        """
        texts = [render(value) for value in inputs]
        with self._held.engine() as engine:
            prompts = [self.template.tokens(text, engine.tokenize, self._near(text)) for text in texts]
            found = engine.generate(
                prompts,
                [self._most(prompt, max_tokens) for prompt in prompts],
                stop=[*self.template.stop, *stop],
                schema=self.writing.schema if self.kind == "extract" else schema,
                temperature=temperature,
                top_p=top_p,
                seed=seed,
                adapter=self._held.adapter,
                logprobs=confidence,
                top=top,
                on_text=on_text,
                on_token=on_token,
            )
        return [self._written(each) for each in found]

    def reply(
        self,
        talk: Talk,
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        confidence: bool = False,
        on_text: OnText | None = None,
    ) -> Written:
        """The next turn of a conversation with functions: its text as the model writes it, calls in it included (see
        `tools.Reading`). Examples are those nearest to the first thing that the user said.

        Args: as `write`. Raises: RequestError as `write`, and for a function whose arguments nothing can meet.
        """
        asked = next((turn.content for turn in talk.turns if turn.role == "user"), "")
        with self._held.engine() as engine:
            self._check(engine, talk)
            prompt = self.template.talk_tokens(talk, engine.tokenize, self._near(asked))
            found = engine.generate(
                [prompt],
                self._most(prompt, max_tokens),
                stop=self.template.stop,
                grammar=grammar(talk) if talk.tools else None,
                temperature=temperature,
                top_p=top_p,
                seed=seed,
                adapter=self._held.adapter,
                logprobs=confidence,
                loose=True,
                on_text=on_text,
            )
        return self._written(found[0])

    def _check(self, engine: Decoder, talk: Talk) -> None:
        for tool in talk.tools:
            try:
                engine.check_schema(bound(tool), self._held.adapter)
            except RequestError as error:
                if error.code != "invalid_schema":
                    raise
                message = f"function '{tool.name}': {error.message}"
                raise RequestError(message, param="tools", code=error.code) from error

    def _near(self, text: str) -> list[tuple[str, str]]:
        return self._shots.nearest(text, self.writing.shots) if self._shots else []

    def _most(self, prompt: list[int], wanted: int | None) -> int:
        """Tokens that an answer may have: the engine may hold more than this specialist was certified with."""
        room = self.writing.context - len(prompt)
        if room < 1:
            raise too_long(len(prompt), self.writing.context)
        return min(room, self.writing.max_tokens, wanted or self.writing.max_tokens)

    def _written(self, found: Generation) -> Written:
        output: Any = found.text.strip()
        fields = None
        if self.kind == "extract":
            output = as_object(found.text)
            if output is not None and found.tokens is not None:
                fields = field_confidence(found.text, found.tokens)
        return Written(
            output=output,
            text=found.text,
            finish=found.finish,
            prompt_tokens=found.prompt_tokens or 0,
            completion_tokens=found.completion_tokens,
            ttft_s=found.ttft_s,
            seconds=found.seconds,
            confidence=found.mean_probability(),
            fields=fields,
            generation=found,
        )


def as_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is; None when it is none."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
