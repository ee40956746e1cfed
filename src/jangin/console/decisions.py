"""What a review holds, and what a form decides of a row: a label, labels, an object of the schema, a text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from jangin.data.schema import fault, in_order
from jangin.errors import RequestError
from jangin.task import LABELLED
from jangin.types import Kind

MOST_TEXT = 100_000


class Item(msgspec.Struct):
    """One row. answer: a label, labels, an object, a text, as the specialist gave it; None: none came.

    confidence: None where nothing is known of it. chances: label or field, and its probability.
    other: what somebody else said of it (the captured model, or the truth of validation).
    decided: what a reader gave it; skipped: a reader left it out.
    """

    input: str
    answer: Any
    confidence: float | None
    chances: list[tuple[str, float]] = []
    other: Any = None
    decided: Any = None
    skipped: bool = False

    @property
    def contested(self) -> bool:
        if self.other is None:
            return False
        if isinstance(self.other, list) and isinstance(self.answer, list):
            return set(self.other) != set(self.answer)
        return self.other != self.answer

    @property
    def shown(self) -> Any:
        """What stands in the form: what was decided, else the answer."""
        return self.answer if self.decided is None else self.decided


class Field(msgspec.Struct):
    """One property of an object. text: it is written as it is; else as JSON. choices: of an enumeration of texts."""

    name: str
    text: bool
    required: bool
    choices: list[str] = []


class Review(msgspec.Struct):
    """labels: of classify and tag. schema: of extract."""

    model: str
    sha256: str
    source: str
    labels: list[str]
    made: float
    items: list[Item]
    kind: Kind = "classify"
    schema: dict[str, Any] | None = None

    @property
    def done(self) -> int:
        return sum(item.decided is not None or item.skipped for item in self.items)

    @property
    def fields(self) -> list[Field]:
        return fields_of(self.schema or {})


def fields_of(schema: Mapping[str, Any]) -> list[Field]:
    """The properties of the schema's object, in its order."""
    required = set(schema.get("required") or ())
    found = []
    for name, about in (schema.get("properties") or {}).items():
        about = about if isinstance(about, dict) else {}
        choices = about.get("enum") or []
        text = all(isinstance(each, str) for each in choices) if choices else about.get("type") == "string"
        found.append(Field(name, text, name in required, list(choices) if text else []))
    return found


def written(item: Item, field: Field) -> str:
    """A field of the shown object as the form holds it; empty where it has none."""
    shown = item.shown
    if not isinstance(shown, dict) or field.name not in shown:
        return ""
    value = shown[field.name]
    return value if field.text and isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def told(answer: Any) -> str:
    """An answer in one line, for people."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list):
        return ", ".join(map(str, answer)) or "–"
    return "–" if answer is None else json.dumps(answer, ensure_ascii=False)


def decided(review: Review, form: Mapping[str, str]) -> Any:
    """What the form says of a row. Raises: RequestError for what is no answer of this task."""
    if review.kind == "classify":
        if (chosen := form.get("label", "")) not in review.labels:
            raise RequestError(f"'{chosen[:80]}' is no label of this task", param="label")
        return chosen
    if review.kind == "tag":
        given = set(form.get("labels", "").split("\n")) - {""}  # of several fields with one name the values by line
        if unknown := sorted(given - set(review.labels)):
            raise RequestError(f"'{unknown[0][:80]}' is no label of this task", param="labels")
        return [label for label in review.labels if label in given]
    if review.kind == "extract":
        return _object(review, form)
    text = form.get("text", "").replace("\r\n", "\n")
    if not text.strip() or len(text) > MOST_TEXT:
        raise RequestError(f"the text has {len(text):,} characters; expected 1 to {MOST_TEXT:,}", param="text")
    return text


def _object(review: Review, form: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for at, field in enumerate(review.fields):
        value = form.get(f"field{at}", "").replace("\r\n", "\n")
        if not value and not (field.text and field.required):
            if field.required:
                raise RequestError(f"the field '{field.name}' is empty", param=f"field{at}")
            continue
        try:
            found[field.name] = value if field.text else json.loads(value)
        except (ValueError, RecursionError):
            raise RequestError(f"the field '{field.name}' is no JSON: write 12, true, null or [1, 2]") from None
    if (wrong := fault(found, review.schema or {})) is not None:
        raise RequestError(f"this does not fit the task's schema: {wrong}", param="fields")
    return in_order(found, review.schema or {})


def as_answer(kind: Kind, labels: list[str], text: str) -> Any:
    """What another model wrote, as an answer of this kind; None where it is none."""
    bare = text.strip()
    if kind == "classify":
        bare = bare.strip("\"'`.").strip().casefold()
        return next((label for label in labels if label.casefold() == bare), None)
    if kind == "generate":
        return text
    try:
        found = json.loads(bare)
    except (ValueError, RecursionError):
        found = [each.strip() for each in bare.split(",")] if kind in LABELLED else None
    if kind == "extract":
        return found if isinstance(found, dict) else None
    fits = isinstance(found, list) and all(each in labels for each in found if isinstance(each, str))
    return [label for label in labels if label in found] if fits else None
