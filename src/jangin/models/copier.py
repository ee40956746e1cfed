"""A specialist of kind `extract` that writes no token: it marks values in the input and copies them into the schema.

Each field's value is the text whose spans are together most probable, given when that reaches the threshold; a list
takes every value that does. Fields whose values do not stand in inputs are chosen by a linear model each. One input is
answered at a time, so that an answer does not depend on its neighbours.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from jangin import bundle
from jangin.data.schema import fault
from jangin.errors import BundleError, RequestError
from jangin.models import linear
from jangin.models.base import Floats, softmax
from jangin.models.chain import Span, allowed, spans
from jangin.models.cues import Known, cues
from jangin.models.encoder import prefix_of
from jangin.models.form import Leaf, assemble, leaves, value_of, why_no_form
from jangin.models.generation import OnText, OnToken
from jangin.models.pieces import Piece, pieces
from jangin.models.specialist import Readers
from jangin.models.token_scores import TokenFiles, TokenScores
from jangin.models.writer import Writer, Written
from jangin.prompt import render
from jangin.types import Input, Kind

LONGEST_INPUT = 4_096  # pieces: time grows with them, and with fields
LONGEST_ANSWER = 8_192
LONGEST_VALUE = 64  # pieces


class Lexicon(msgspec.Struct, frozen=True):
    """What CUES holds: every cue, in the order of the weights' rows, and the known values."""

    cues: list[str]
    known: Known


class Tagger(NamedTuple):
    """cue (v, labels) float32 and moves (labels, labels), exp of the transitions' scores."""

    row_of: dict[str, int]
    known: Known
    cue: Floats
    moves: Any

    def scores(self, parts: Sequence[Piece], context: str | None) -> Floats:
        """(pieces, labels)."""
        found = np.zeros((len(parts), self.cue.shape[1]), np.float32)
        row_of = self.row_of
        for at, names in enumerate(cues(parts, self.known, context)):
            rows = sorted({row_of[name] for name in names if name in row_of})
            found[at] = self.cue[rows].sum(axis=0)
        return found


class Found(NamedTuple):
    """Of one field: the values given, each with its probability, and the chance that this is all that is right."""

    values: list[tuple[Any, float]]
    chance: float


class Copier(Writer):
    """`sha256` is the identity. Safe to call from several threads."""

    def __init__(self, folder: Path, readers: Readers):
        """Raises: BundleError."""
        self.manifest = bundle.verify(folder)
        self.folder = Path(folder)
        self.sha256 = bundle.identity(self.manifest)
        self.name = self.manifest.name
        self.kind: Kind = self.manifest.kind
        spec = self.manifest.spans
        if spec is None or self.kind != "extract":
            raise BundleError(f"{folder}: no specialist that copies", "train it again")
        self.spec = spec
        self.writing = bundle.WritingSpec(LONGEST_ANSWER, LONGEST_INPUT, spec.schema)
        check_spec(spec, self.folder)
        self._form = spec.form
        self._copied = [number for number, leaf in enumerate(self._form) if leaf.copied]
        self._tagger = read_tagger(self.folder, len(self._copied))
        self._chooser = {
            number: linear.load(self.folder / chooser_file(number))
            for number, leaf in enumerate(self._form)
            if leaf.chosen
        }
        self._tokens: TokenScores | None = None
        encoder = self.manifest.encoder
        if encoder is not None:
            if encoder.file is None or encoder.tokenizer is None:
                raise BundleError(f"{folder}: its tagger has no file of its own", "train it again")
            files = TokenFiles(self.folder / encoder.file, self.folder / encoder.tokenizer, prefix_of(encoder.base))
            self._tokens = TokenScores(files, readers.threads)

    @property
    def place(self) -> tuple[int, str | None]:
        """No decoder's: those that copy wait for each other only."""
        return -1, None

    def open(self) -> None:
        """Nothing is left to open."""

    def close(self) -> None:
        """Nothing is held."""

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
        """One answer per input, in order. A token is a piece of the text (`pieces`), in usage and in `max_tokens`.

        Nothing is drawn: temperature, top_p and seed change nothing, the likeliest answer is given. No token is told.
        Raises: RequestError for an input of more than LONGEST_INPUT pieces.
        """
        texts = [render(value) for value in inputs]
        for text in texts:
            refuse_long(text)
        return [self._write(at, text, max_tokens, on_text) for at, text in enumerate(texts)]

    def _write(self, at: int, text: str, max_tokens: int | None, on_text: OnText | None) -> Written:
        start = time.perf_counter()
        read = self.read(text)
        found = decide(self._form, read, self.spec.thresholds)
        given = {number: one.values for number, one in found.items() if one.values}
        values = {
            number: [value for value, _ in pairs] if self._form[number].many else pairs[0][0]
            for number, pairs in given.items()
        }
        output: dict[str, Any] | None = assemble(self._form, values, self.spec.schema)
        answer = msgspec.json.encode(output).decode()
        parts = pieces(answer)
        most = LONGEST_ANSWER if max_tokens is None else min(max_tokens, LONGEST_ANSWER)
        finish = "stop"
        if len(parts) > most:
            answer, output, finish = answer[: parts[most - 1].end], None, "length"
        ttft_s = time.perf_counter() - start
        if on_text is not None and on_text(at, answer):
            finish = "cancelled"
        return Written(
            output=output,
            text=answer,
            finish=finish,
            prompt_tokens=len(pieces(text)),
            completion_tokens=min(len(parts), most),
            ttft_s=ttft_s,
            seconds=time.perf_counter() - start,
            confidence=float(np.prod([one.chance for one in found.values()])),
            fields=None if output is None else _by_name(self._form, given),
        )

    def read(self, text: str) -> Read:
        """What the models say of one text."""
        text = unicodedata.normalize("NFC", text)
        parts = pieces(text)
        chosen = {number: softmax(head.logits([text], None))[0] for number, head in self._chooser.items()}
        context = context_of(text, self.spec.contexts)
        if context is None and self.spec.context_field is not None:
            number = self.spec.context_field
            context = str(int(np.argmax(chosen[number]))) if number in chosen else None
        scores = self._tagger.scores(parts, context)
        if self._tokens is not None:
            tokens, _ = self._tokens.scores(text, parts)
            scores = self.spec.weights[0] * scores + self.spec.weights[1] * tokens
        marked = spans(scores.astype(np.float64), self._tagger.moves ** self.spec.weights[0], self.spec.longest)
        numbered = [each._replace(field=self._copied[each.field]) for each in marked]
        return Read(text, parts, numbered, chosen)


class Read(NamedTuple):
    """Of one text: its pieces, the probable spans (field: the leaf's number), and of chosen fields each value's
    probability, by the leaf's number."""

    text: str
    pieces: list[Piece]
    spans: list[Span]
    chosen: dict[int, Floats]


def decide(form: Sequence[Leaf], read: Read, thresholds: Sequence[float]) -> dict[int, Found]:
    """Each field's values, by the leaf's number. thresholds: one a leaf."""
    found = {}
    for number, leaf in enumerate(form):
        if not leaf.copied:
            found[number] = _choose(leaf, read.chosen.get(number))
        elif leaf.many:
            found[number] = _several(leaf, number, read, thresholds[number])
        else:
            found[number] = _one(leaf, number, read, thresholds[number])
    return found


def _choose(leaf: Leaf, probabilities: Floats | None) -> Found:
    """The likeliest value; without probabilities there is only one."""
    at = 0 if probabilities is None else int(np.argmax(probabilities))
    chance = 1.0 if probabilities is None else float(probabilities[at])
    value = leaf.values[at]
    return Found([] if value == ABSENT else [(value, chance)], chance)


ABSENT = {"absent": True}
"""Among a chosen field's values: none. No value is an object, so it is none of them."""


def _one(leaf: Leaf, number: int, read: Read, threshold: float) -> Found:
    """The text whose spans are together most probable."""
    chances: dict[str, float] = {}
    for span in read.spans:
        if span.field == number:
            text = _text(read, span)
            chances[text] = chances.get(text, 0.0) + span.probability
    for text in sorted(chances, key=lambda each: (-chances[each], each)):
        value = value_of(text, leaf)
        if value is None:
            continue
        chance = min(chances[text], 1.0)
        if chance < threshold:
            return Found([], 1 - chance)
        return Found([(value, chance)], chance)
    return Found([], 1.0)


def _several(leaf: Leaf, number: int, read: Read, threshold: float) -> Found:
    """Every span that reaches the threshold and overlaps no likelier one, in the order of the text."""
    taken: list[tuple[int, Any, float]] = []
    busy = np.zeros(len(read.pieces), bool)
    doubt = 1.0
    for span in read.spans:
        if span.field != number or busy[span.start : span.end].any():
            continue
        value = value_of(_text(read, span), leaf)
        if value is None or span.probability < threshold:
            doubt *= 1.0 if value is None else 1 - span.probability
            continue
        busy[span.start : span.end] = True
        taken.append((span.start, value, span.probability))
    taken.sort(key=lambda each: each[0])
    chance = float(np.prod([probability for *_, probability in taken])) * doubt
    return Found([(value, probability) for _, value, probability in taken], chance)


def _text(read: Read, span: Span) -> str:
    return read.text[read.pieces[span.start].start : read.pieces[span.end - 1].end]


def _by_name(form: Sequence[Leaf], given: Mapping[int, list[tuple[Any, float]]]) -> dict[str, float]:
    """The confidence of the outermost fields that hold something: of all that stands in them."""
    found: dict[str, float] = {}
    for number, pairs in given.items():
        name = form[number].path[0]
        found[name] = found.get(name, 1.0) * float(np.prod([chance for _, chance in pairs]))
    return found


def context_of(text: str, contexts: Sequence[str]) -> str | None:
    """What stands before the first colon, where it is one of a known few."""
    if not contexts:
        return None
    head, colon, _ = text.partition(":")
    head = head.strip().casefold()
    return head if colon and head in contexts else None


def refuse_long(text: str) -> None:
    """Raises: RequestError. A piece has a character at least, so a short text need not be split to be let through."""
    if len(text) > LONGEST_INPUT and (count := len(pieces(text))) > LONGEST_INPUT:
        raise RequestError(
            f"the input has {count:,} tokens; this specialist reads {LONGEST_INPUT:,}",
            param="messages",
            code="context_length_exceeded",
        )


def check_spec(spec: bundle.SpansSpec, folder: Path) -> None:
    """Raises: BundleError when a manifest's form could fill its schema wrongly."""
    form, schema = spec.form, spec.schema
    wrong = why_no_form(schema)
    if wrong is None and [leaf.path for leaf in form] != [leaf.path for leaf in leaves(schema)]:
        wrong = "its form has other fields than its schema"
    if wrong is None and (len(spec.thresholds) != len(form) or not 1 <= spec.longest <= LONGEST_VALUE):
        wrong = f"its form has no threshold for each field, or values of {spec.longest} pieces"
    for leaf in form if wrong is None else []:
        values = [value for value in leaf.values if value != ABSENT]
        if any(fault(value, leaf.schema) for value in values) or (not leaf.copied and (leaf.many or not leaf.values)):
            wrong = f"field '{leaf.name}' may hold values that its schema does not allow"
    if wrong is None and (found := fault(assemble(form, {}, schema), schema)):
        wrong = found
    if wrong is not None:
        raise BundleError(f"{folder}: {wrong}", "train again, or copy the bundle again")


def read_tagger(folder: Path, fields: int) -> Tagger:
    """Raises: BundleError for files that do not go together."""
    from safetensors.numpy import load_file

    path = folder / bundle.CUES
    try:
        lexicon = msgspec.json.decode(path.read_bytes(), type=Lexicon)
        tensors = load_file(folder / bundle.TAGGER)
        weight = tensors["cue.weight"].astype(np.float32) * tensors["cue.scale"][:, None]
        move = tensors["move"].astype(np.float64)
    except Exception as error:
        raise BundleError(
            f"{folder}: not a tagger that Jangin wrote", "train again, or copy the bundle again"
        ) from error
    labels = 1 + 2 * fields
    if weight.shape != (len(lexicon.cues), labels) or move.shape != (labels, labels):
        raise BundleError(
            f"{folder}: its tagger is not one of {fields} fields", "train again, or copy the bundle again"
        )
    row_of = {cue: number for number, cue in enumerate(lexicon.cues)}
    return Tagger(row_of, lexicon.known, weight, np.where(allowed(fields), np.exp(move), 0.0))


def chooser_file(number: int) -> str:
    return f"choice-{number}.safetensors"
