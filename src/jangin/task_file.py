"""task.yaml -> Task: defaults filled in; unknown keys and wrong values are refused by name."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from jangin.errors import TaskError
from jangin.policy import Policy, read_policy
from jangin.task import (
    KINDS,
    LABELLED,
    MAX_BYTES,
    METRICS,
    RECORDED_SUFFIXES,
    WRITTEN,
    Bar,
    Code,
    Data,
    Execution,
    Fields,
    Sql,
    Task,
    did_you_mean,
)

MAX_DEPTH = 8
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NAME = re.compile(r"\w[\w.\-]{0,63}")
_PUBLISHED = re.compile(r"[\w.\-]+/[\w.\-]+")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_BOTH = "kinds classify and tag"
_JUDGED_BY = {"execution": "execution", "code": "pass_at_1", "sql": "sql_match"}  # key -> the metric that reads it
_NEEDED = {"execution": "{database: shop.sqlite}", "code": "{tests: test}"}  # keys without which it cannot


def parsed(raw: bytes, file: str, folder: Path) -> Task:
    """The task that a file's bytes describe. `folder`: what its paths count from. Raises: TaskError."""
    return _Reader(file).task(_parse_yaml(raw, file), folder)


def _parse_yaml(raw: bytes, file: str) -> dict[str, Any]:
    """A mapping of plain values, built only after size, depth, aliases and repeated keys were checked."""
    if len(raw) > MAX_BYTES:
        raise TaskError(f"{file}: larger than {MAX_BYTES:,} bytes", "keep examples in data files, not in the task file")
    try:
        text = unicodedata.normalize("NFC", raw.decode("utf-8-sig"))
        _refuse_bombs(text, file)
        node = yaml.compose(text, Loader=_LOADER)
        _refuse_repeated_keys(node, file)
        document = yaml.load(text, Loader=_LOADER)
    except UnicodeDecodeError as error:
        raise TaskError(f"{file}: not valid UTF-8 at byte {error.start}", "save the file as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        if "nesting depth" in (error.problem or ""):  # newer parsers have a limit of their own, and meet it first
            raise _too_deep(file, line) from None
        raise TaskError(f"{file}{line}: not valid YAML: {error.problem}", "check indentation and quotes") from None
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "reason", None) or type(error).__name__
        raise TaskError(f"{file}: not valid YAML: {problem}", "remove odd characters and impossible dates") from None
    if not isinstance(document, dict):
        raise TaskError(f"{file}: expected keys and values such as 'kind: classify'", "jangin init DATA writes one")
    return document


def _refuse_bombs(text: str, file: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1
            raise TaskError(f"{file}, line {line}: YAML aliases (*name) are not allowed", "write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _too_deep(file, f", line {event.start_mark.line + 1}")


def _too_deep(file: str, line: str) -> TaskError:
    return TaskError(f"{file}{line}: nested deeper than {MAX_DEPTH} levels", "flatten the file")


def _refuse_repeated_keys(node: yaml.Node | None, file: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                line = key.start_mark.line + 1
                raise TaskError(f"{file}, line {line}: key '{name}' stands twice", "keep one of the two")
            seen.add(name)
            _refuse_repeated_keys(value, file)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_repeated_keys(value, file)


class _Reader:
    """Checks one document, key by key; every refusal starts with the file's name."""

    def __init__(self, file: str):
        self.file = file

    def wrong(self, key: str, value: Any, expected: str, hint: str | None = None) -> TaskError:
        shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
        return TaskError(f"{self.file}: {key} is {shown}; expected {expected}", hint)

    def known(self, document: dict[str, Any], allowed: Iterable[str], prefix: str = "") -> None:
        allowed = tuple(allowed)
        for key in document:
            if key not in allowed:
                hint = did_you_mean(str(key), allowed) or f"the keys here are: {', '.join(allowed)}"
                raise TaskError(f"{self.file}: unknown key '{prefix}{key}'", hint)

    def text(self, key: str, value: Any, expected: str = "text") -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, value, expected)
        return value.strip()

    def choice(self, key: str, value: Any, choices: tuple[str, ...]) -> str:
        if value not in choices:
            raise self.wrong(key, value, f"one of {', '.join(choices)}", did_you_mean(str(value), choices))
        return value

    def number(self, key: str, value: Any, test: Callable[[float], bool], expected: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not test(value):
            raise self.wrong(key, value, expected)
        return float(value)

    def mapping(self, key: str, value: Any, allowed: Iterable[str]) -> dict[str, Any]:
        allowed = tuple(allowed)
        if not isinstance(value, dict):
            raise self.wrong(key, value, f"keys out of {', '.join(allowed)}")
        self.known(value, allowed, key + ".")
        return value

    def task(self, document: dict[str, Any], folder: Path) -> Task:
        allowed = [name for name in Task.__struct_fields__ if name not in ("folder", "file")]
        self.known(document, allowed)
        for key, expected in (("name", "a short name"), ("kind", f"one of {', '.join(KINDS)}"), ("data", "data files")):
            if document.get(key) is None:
                raise TaskError(f"{self.file}: '{key}' is missing; expected {expected}", f"add a line '{key}: ...'")
        given = {key: value for key, value in document.items() if value is not None}
        kind = self.choice("kind", given["kind"], KINDS)
        found: dict[str, Any] = {"kind": kind, "metric": METRICS[kind][0]}
        for key, value in given.items():
            if key not in ("kind", "metric"):
                found[key] = getattr(self, "_" + key)(value)
        if "metric" in given:
            found["metric"] = self.choice("metric", given["metric"], METRICS[kind])
        self._agree(found)
        self._runs(found)
        return Task(folder=folder, file=self.file, **found)

    def _agree(self, found: dict[str, Any]) -> None:
        """What one key says must suit the others."""
        labels, scope = found.get("labels"), found.get("out_of_scope")
        if scope and found["kind"] != "classify":
            raise self.wrong("out_of_scope", scope, "no such key for kind " + found["kind"])
        if labels and scope and scope not in labels:
            raise self.wrong("out_of_scope", scope, "one of the labels", did_you_mean(scope, labels))
        if labels and found["kind"] == "classify" and len(labels) < 2:
            raise self.wrong("labels", list(labels), "at least two labels")
        if labels and found["kind"] in WRITTEN:
            raise TaskError(f"{self.file}: 'labels' belongs to {_BOTH}; kind is {found['kind']}", "remove it")
        if found.get("schema") and found["kind"] != "extract":
            raise TaskError(f"{self.file}: 'schema' belongs to kind extract; kind is {found['kind']}", "remove it")
        if found.get("fields", Fields()).gold and found["kind"] in LABELLED:
            raise TaskError(f"{self.file}: 'fields.gold' belongs to extract and generate", "remove it")
        both = found.get("unit"), found.get("fields", Fields()).unit
        if all(both) and both[0] != both[1]:
            raise self.wrong("fields.unit", both[1], f"{both[0]!r}, the column that 'unit' names", "keep one of them")

    def _runs(self, found: dict[str, Any]) -> None:
        """A metric that runs answers needs to know on what; no other metric does."""
        for key, metric in _JUDGED_BY.items():
            if found["metric"] == metric and key not in found and key in _NEEDED:
                raise TaskError(f"{self.file}: metric {metric} needs '{key}'", f"add a line '{key}: {_NEEDED[key]}'")
            if found["metric"] != metric and key in found:
                raise TaskError(f"{self.file}: '{key}' belongs to metric {metric}", f"write 'metric: {metric}'")

    def _name(self, value: Any) -> str:
        name = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise self.wrong("name", value, "letters, digits, '.', '_' and '-', at most 64, without spaces")
        if name == "auto":
            raise self.wrong("name", value, "another name: a server's router is asked as 'auto'")
        return name

    def _description(self, value: Any) -> str:
        return self.text("description", value)

    def _data(self, value: Any) -> Data:
        if isinstance(value, str) and value.strip():
            return Data(file=value.strip())
        files = self.mapping("data", value, ("train", "test", "validation", "calibration"))
        paths = {key: self.text(f"data.{key}", path, "the path of a file") for key, path in files.items() if path}
        for key in ("train", "test"):
            if key not in paths:
                raise TaskError(
                    f"{self.file}: 'data.{key}' is missing; expected the path of a file",
                    "or write 'data: FILE' to have a test split off",
                )
        return Data(**paths)

    def _fields(self, value: Any) -> Fields:
        columns = self.mapping("fields", value, Fields.__struct_fields__)
        found = {key: self.text(f"fields.{key}", name, "the name of a column") for key, name in columns.items() if name}
        return Fields(**found)

    def _labels(self, value: Any) -> tuple[str, ...] | None:
        if value == "auto":
            return None
        if not isinstance(value, list) or not value:
            raise self.wrong("labels", value, "'auto' or a list of labels")
        labels = [self._label(f"labels[{position}]", label) for position, label in enumerate(value)]
        for label, times in Counter(labels).items():
            if times > 1:
                raise TaskError(f"{self.file}: labels names {label!r} {times} times", "keep one of them")
        return tuple(labels)

    def _label(self, key: str, value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):  # YAML reads yes, no, on, off, null and dates as other things
            raise self.wrong(key, value, "text", "write the label in quotes")
        return self.text(key, value)

    def _out_of_scope(self, value: Any) -> str:
        return self._label("out_of_scope", value)

    def _bar(self, value: Any) -> Bar:
        given = {key: v for key, v in self.mapping("bar", value, Bar.__struct_fields__).items() if v is not None}
        if "reference" not in given and "at_least" not in given:
            raise TaskError(f"{self.file}: bar names neither 'reference' nor 'at_least'", "add 'at_least: 0.9', say")
        if "reference" in given:
            given["reference"] = self._reference(given["reference"])
        limits: dict[str, tuple[Callable[[float], bool], str]] = {
            "at_least": (lambda x: 0 < x <= 1, "a number above 0, at most 1"),
            "margin": (lambda x: 0 < x < 1, "a number above 0 and below 1"),
            "confidence": (lambda x: 0.5 < x < 1, "a number above 0.5 and below 1"),
        }
        for key, (test, expected) in limits.items():
            if key in given:
                given[key] = self.number(f"bar.{key}", given[key], test, expected)
        return Bar(**given)

    def _reference(self, value: Any) -> str:
        expected = "a published reference such as gpt-4/banking77-rag20, or the path of a recorded .jsonl file"
        reference = self.text("bar.reference", value, expected)
        if not reference.endswith(RECORDED_SUFFIXES) and not _PUBLISHED.fullmatch(reference):
            raise self.wrong("bar.reference", value, expected)
        return reference

    def _unit(self, value: Any) -> str:
        return self.text("unit", value, "the name of a column")

    def _policy(self, value: Any) -> Policy:
        return read_policy(value, self.file)

    def _seed(self, value: Any) -> int:
        whole = isinstance(value, int)
        return int(self.number("seed", value, lambda x: whole and 0 <= x < 2**32, "a whole number from 0 to 2^32 - 1"))

    def _languages(self, value: Any) -> tuple[str, ...]:
        good = isinstance(value, list) and value and all(re.fullmatch("[a-z]{2,3}", str(code)) for code in value)
        if not good:
            raise self.wrong("languages", value, "a list of language codes such as [en, ko]")
        return tuple(str(code) for code in value)

    def _schema(self, value: Any) -> dict[str, Any] | None:
        from jangin.data.schema import malformed

        if value == "auto":
            return None
        if not isinstance(value, dict) or value.get("type", "object") != "object":
            raise self.wrong("schema", value, "'auto' or a JSON schema of type object")
        if found := malformed(value):
            raise TaskError(f"{self.file}: {found}", "docs/task-file.md shows one")
        return value

    def _execution(self, value: Any) -> Execution:
        given = self.mapping("execution", value, Execution.__struct_fields__)
        given = {key: self.text(f"execution.{key}", str(v), "text") for key, v in given.items() if v is not None}
        if "database" not in given:
            raise TaskError(f"{self.file}: 'execution.database' is missing; expected a file or a folder")
        time = given.get("frozen_time")
        if time is not None and not _TIME.fullmatch(time):
            raise self.wrong("execution.frozen_time", time, "a time such as '2026-01-31 12:00:00'")
        return Execution(**given)

    def _sql(self, value: Any) -> Sql:
        given = self.mapping("sql", value, Sql.__struct_fields__)
        return Sql(
            **{key: self.text(f"sql.{key}", v, "the name of a column") for key, v in given.items() if v is not None}
        )

    def _code(self, value: Any) -> Code:
        given = self.mapping("code", value, Code.__struct_fields__)
        given = {key: self.text(f"code.{key}", v, "the name of a column") for key, v in given.items() if v is not None}
        if "tests" not in given:
            raise TaskError(f"{self.file}: 'code.tests' is missing; expected the name of a column")
        return Code(**given)
