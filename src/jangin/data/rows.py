"""Rows -> Examples: columns found, texts normalised, labels and chat messages parsed; an unfit row is a Fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from jangin.data import schema
from jangin.data.read import FIX, Fault, Row, json_kind, read_rows
from jangin.data.text import MAX_CHARS, normalise_text, plain_text, traps
from jangin.task import Task, did_you_mean
from jangin.types import Example, Input, Message

ROLES = ("system", "developer", "user", "assistant", "tool")
SHOWN = 5  # how many ids are kept


class Notes(msgspec.Struct):
    """What reading changed without a fault: encoding traps (how many inputs, first ids) and spellings of labels."""

    trap_counts: dict[str, int] = {}
    trap_ids: dict[str, list[str]] = {}
    spellings: dict[str, str] = {}

    def trapped(self, raw: str, identity: str) -> None:
        for trap in traps(raw):
            self.trap_counts[trap] = self.trap_counts.get(trap, 0) + 1
            ids = self.trap_ids.setdefault(trap, [])
            if len(ids) < SHOWN and identity not in ids:
                ids.append(identity)


class _Unfit(Exception):
    def __init__(self, code: str, message: str, hint: str = FIX):
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


def read_examples(path: Path, task: Task, split: str, notes: Notes | None = None) -> Iterator[Example | Fault]:
    """Stream a data file as Examples. For `tag`, lists and strings come as a tuple of labels: all others are absent.

    Args:
        split: makes the ids of rows that bring none: 'train-1' is the first data row.
        notes: filled with what reading mended on its way.
    Raises: DataError when the file as a whole cannot be read.
    """
    parser = _Parser(task, split, notes or Notes())
    for row in read_rows(path):
        if isinstance(row, Fault):
            yield row
            continue
        try:
            yield parser.example(row)
        except _Unfit as unfit:
            yield Fault(row.number, unfit.code, unfit.message, unfit.hint)


class _Parser:
    """Holds what is the same for all rows of a file, and one copy of each label."""

    def __init__(self, task: Task, split: str, notes: Notes):
        self.split, self.notes = split, notes
        self.input, self.output = task.fields.input or "input", task.fields.output or "output"
        self.chat = task.fields.input is None and task.fields.output is None
        self.unit, self.id_stated = task.unit_column, task.fields.id is not None
        self.id = task.fields.id or ("id" if self.unit != "id" else None)
        self.gold, self.schema = task.fields.gold, task.schema
        self.runs_on = _columns_to_run(task)
        self.known = frozenset(task.labels or ())
        self.to_output = _TO_OUTPUT[task.kind]
        self.labels: dict[str, str] = {}

    def example(self, row: Row) -> Example:
        fields = dict(row.fields)
        identity = self.identity(fields, row.number)
        if self.chat and self.input not in fields and "messages" in fields:
            given, output = _split_chat(fields.pop("messages"))
        else:
            given, output = self.take(fields, self.input, row), self.take(fields, self.output, row)
        unit = fields.get(self.unit) if self.unit else None
        gold = fields.pop(self.gold, None) if self.gold else None
        runs_on = {name: self.take(fields, column, row) for name, column in self.runs_on.items()}
        cleaned = self.to_output(self, output)
        return Example(
            id=identity,
            input=self.clean(given, identity),
            output=cleaned,
            unit=None if unit is None or unit == "" else str(unit),
            row=row.number,
            extra=fields,
            gold=None if gold is None or gold == "" else self.accepted(gold, isinstance(cleaned, dict)),
            runs_on=runs_on,
        )

    def identity(self, fields: dict[str, Any], number: int) -> str:
        given = fields.pop(self.id, None) if self.id else None
        if isinstance(given, str | int) and not isinstance(given, bool) and str(given).strip():
            return normalise_text(str(given)).strip()
        if given is not None and given != "":
            raise _Unfit("bad_id", f"field '{self.id}' is {json_kind(given)}; expected text or a whole number")
        if self.id_stated:
            raise _Unfit("missing_field", f"no id in field '{self.id}'", "give each row an id, or remove 'fields.id'")
        return f"{self.split}-{number}"

    def take(self, fields: dict[str, Any], column: str, row: Row) -> Any:
        if column in fields:
            return fields.pop(column)
        has = ", ".join(row.fields) or "none"
        hint = "name the columns in task.yaml: fields: {input: ..., output: ...}" if row.number == 1 else FIX
        raise _Unfit("missing_field", f"no field '{column}' (fields: {has})", hint)

    def clean(self, given: Any, identity: str) -> Input:
        if isinstance(given, str):
            cleaned: Input = self.normal(given, identity)
        elif isinstance(given, list):
            cleaned = [{**message, "content": self.normal(message["content"], identity)} for message in _chat(given)]
        else:
            expected = f"field '{self.input}' is {json_kind(given)}; expected text or chat messages"
            raise _Unfit("empty_input" if given is None else "bad_input", expected)
        text = plain_text(cleaned)
        if not text or text.isspace():
            raise _Unfit("empty_input", "the input is empty")
        if len(text) > MAX_CHARS:
            counts = f"the input has {len(text):,} characters; the limit is {MAX_CHARS:,}"
            raise _Unfit("too_long", counts, "shorten or split it, or drop the row")
        return cleaned

    def normal(self, text: str, identity: str) -> str:
        normal = normalise_text(text)
        if normal is not text:
            self.notes.trapped(text, identity)
        return normal

    def label(self, value: Any) -> str:
        if isinstance(value, bool):
            value = "true" if value else "false"
        if value is None or (isinstance(value, str) and not value.strip()):
            raise _Unfit("empty_label", "the label is empty")
        if not isinstance(value, str | int):
            raise _Unfit("bad_label", f"field '{self.output}' is {json_kind(value)}; expected a label")
        raw = str(value)
        return self.notes.spellings.get(raw) or self.new_spelling(raw)

    def new_spelling(self, raw: str) -> str:
        """The one copy of a label, which must be in the task's list where it has one."""
        label = normalise_text(raw).strip()
        if self.known and label not in self.known:
            hint = did_you_mean(label, self.known) or "add it to 'labels' in task.yaml, or mend the row"
            raise _Unfit("unknown_label", f"label {label[:40]!r} is not among the task's labels", hint)
        label = self.labels.setdefault(label, label)
        self.notes.spellings[raw] = label
        return label

    def tags(self, value: Any) -> tuple[str, ...] | dict[str, bool]:
        if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
            try:
                value = msgspec.json.decode(value)
            except (msgspec.DecodeError, RecursionError):
                raise _Unfit("bad_label", f"field '{self.output}' starts as JSON but is not valid JSON") from None
        if isinstance(value, str):
            value = [label for label in value.split(",") if label.strip()]
        if isinstance(value, list):
            return tuple(sorted({self.label(label) for label in value}))
        if isinstance(value, dict):
            states = {self.label(label): _state(label, mark) for label, mark in value.items()}
            return {label: state for label, state in states.items() if state is not None}
        raise _Unfit("bad_label", f"field '{self.output}' is {json_kind(value)}; expected labels")

    def object(self, value: Any) -> dict[str, Any]:
        """The answer of `extract`; with a schema in the task file also checked, and its fields put in order."""
        value = self.parsed(value)
        if value is None or value == "":
            raise _Unfit("empty_answer", "the answer is empty")
        if not isinstance(value, dict):
            raise _Unfit("bad_answer", f"field '{self.output}' is {json_kind(value)}; expected a JSON object")
        try:
            value = _normal(value)
            wrong = schema.fault(value, self.schema) if self.schema else None
            found: dict[str, Any] = schema.in_order(value, self.schema) if self.schema else value
        except RecursionError:
            raise _Unfit("bad_answer", f"field '{self.output}' is nested too deep") from None
        if wrong:
            raise _Unfit("schema_not_met", wrong, "mend the row, or 'schema' in task.yaml")
        return found

    def text(self, value: Any) -> str:
        """The answer of `generate`, as it came but for its normal form and the line end it closes with."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if value is None or (isinstance(value, str) and not value.strip()):
            raise _Unfit("empty_answer", "the answer is empty")
        if not isinstance(value, str):
            raise _Unfit("bad_answer", f"field '{self.output}' is {json_kind(value)}; expected text")
        return normalise_text(value).removesuffix("\n").removesuffix("\r")

    def accepted(self, value: Any, by_field: bool) -> dict[str, list[Any]] | list[str]:
        """What else is right: of `extract` a list of values for each field, of `generate` a list of texts."""
        value = self.parsed(value)
        if by_field and isinstance(value, dict):
            return {normalise_text(name): _normal(v if isinstance(v, list) else [v]) for name, v in value.items()}
        texts = [value] if isinstance(value, str) else value
        if not by_field and isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
            return [self.text(text) for text in texts]
        expected = "field names, each with a list of values" if by_field else "a list of texts"
        raise _Unfit("bad_gold", f"field '{self.gold}' is {json_kind(value)}; expected {expected}")

    def parsed(self, value: Any) -> Any:
        if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
            return value
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            if self.to_output is _Parser.text:
                return value
            raise _Unfit("bad_answer", "an answer starts as JSON but is not valid JSON") from None


def _columns_to_run(task: Task) -> dict[str, str]:
    """What `Example.runs_on` holds -> the column that it comes from."""
    if task.code is not None:
        return {name: column for name in ("tests", "setup", "entry_point") if (column := getattr(task.code, name))}
    if task.sql is not None and task.sql.schema:
        return {"schema": task.sql.schema}
    return {"database": task.execution.column} if task.execution is not None and task.execution.column else {}


def _normal(value: Any) -> Any:
    """The same JSON value with every text in its normal form."""
    if isinstance(value, str):
        return normalise_text(value)
    if isinstance(value, list):
        return [_normal(item) for item in value]
    return {normalise_text(k): _normal(v) for k, v in value.items()} if isinstance(value, dict) else value


def _state(label: str, mark: Any) -> bool | None:
    """True, False, or None for unknown."""
    if mark is None or (not isinstance(mark, str) and mark in (0, 1)):
        return None if mark is None else bool(mark)
    raise _Unfit("bad_label", f"label {label[:40]!r} has a value that is not one of 0, 1, true, false, null")


def _chat(messages: list[Any]) -> list[Message]:
    """OpenAI's messages as role and text; text parts are joined."""
    found = []
    for position, message in enumerate(messages):
        where = f"messages[{position}]"
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise _Unfit("bad_messages", f"{where} has no role out of {', '.join(ROLES)}")
        content = message.get("content")
        if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
            content = "".join(str(part.get("text", "")) for part in content)
        if not isinstance(content, str):
            raise _Unfit("bad_messages", f"{where}.content is {json_kind(content)}; expected text")
        found.append({"role": message["role"], "content": content})
    return found


def _split_chat(messages: Any) -> tuple[list[Message], str]:
    """(what was asked, the last answer) of a row in OpenAI's fine-tuning format."""
    chat = _chat(messages) if isinstance(messages, list) else []
    if len(chat) < 2 or chat[-1]["role"] != "assistant":
        raise _Unfit("bad_messages", "'messages' does not end with a question and its assistant message")
    return chat[:-1], chat[-1]["content"]


_TO_OUTPUT: dict[str, Callable[[_Parser, Any], Any]] = {
    "classify": _Parser.label,
    "tag": _Parser.tags,
    "extract": _Parser.object,
    "generate": _Parser.text,
}
