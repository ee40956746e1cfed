"""One narrow job as a frozen noun, with its defaults and its hash; `task_file.py` reads it from task.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from jangin.errors import TaskError
from jangin.files import hash_json
from jangin.policy import Policy
from jangin.types import Kind

KINDS = ("classify", "tag", "extract", "generate")
LABELLED, WRITTEN = ("classify", "tag"), ("extract", "generate")
METRICS: dict[str, tuple[str, ...]] = {  # the first is the kind's default
    "classify": ("accuracy", "macro_f1", "micro_f1"),
    "tag": ("micro_f1", "macro_f1", "flagged_f1", "auprc"),
    "extract": ("field_f1", "exact_match"),
    "generate": ("exact_match", "chrf", "rouge_l", "execution", "pass_at_1", "sql_match"),
}
MAX_BYTES = 1 << 20  # room for tens of thousands of labels
RECORDED_SUFFIXES = (".jsonl", ".jsonl.gz", ".json")


class Data(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the examples are, relative to the task's folder: `file` alone, or `train` and `test` with others."""

    train: str | None = None
    test: str | None = None
    validation: str | None = None
    calibration: str | None = None
    file: str | None = None

    def named(self) -> dict[str, str]:
        """Split name -> path as written; the single file is named 'file'."""
        return {name: path for name in self.__struct_fields__ if (path := getattr(self, name)) is not None}


class Fields(msgspec.Struct, frozen=True, omit_defaults=True):
    """Column names. `None`: the defaults `input`, `output`, `id`, or the chat format's `messages`.

    gold: further accepted answers, of `extract` and `generate`.
    """

    input: str | None = None
    output: str | None = None
    id: str | None = None
    unit: str | None = None
    gold: str | None = None


class Execution(msgspec.Struct, frozen=True, omit_defaults=True):
    """What metric `execution` runs queries on: an SQLite file or a folder of them, relative to the task's folder.

    column: names each row's database; not needed with a single one. frozen_time: stands in for the clock.
    """

    database: str
    column: str | None = None
    frozen_time: str | None = None


class Code(msgspec.Struct, frozen=True, omit_defaults=True):
    """Columns of metric `pass_at_1`: what stands before an answer, what tests it, and the function that is tested."""

    tests: str
    setup: str | None = None
    entry_point: str | None = None


class Sql(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of metric `sql_match`. schema: the column with a row's schema; None: it stands in the input, as one line."""

    schema: str | None = None


class Bar(msgspec.Struct, frozen=True, omit_defaults=True):
    """What must be reached: match a reference within `margin`, or `at_least` an absolute score, or both."""

    reference: str | None = None
    at_least: float | None = None
    margin: float = 0.02
    confidence: float = 0.95


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One narrow job. `labels` and `schema` are `None` for `auto` (those of train); `unit` is the column of the
    sampling unit."""

    name: str
    kind: Kind
    data: Data
    metric: str
    folder: Path
    file: str = "task.yaml"
    description: str = ""
    fields: Fields = Fields()
    labels: tuple[str, ...] | None = None
    out_of_scope: str | None = None
    bar: Bar | None = None
    unit: str | None = None
    policy: Policy = Policy()
    seed: int = 0
    languages: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    execution: Execution | None = None
    code: Code | None = None
    sql: Sql | None = None

    @property
    def hash(self) -> str:
        """sha256 of the canonical JSON of all that changes the job: not its folder, description or layout, nor
        where a question may be sent and for how much."""
        meaning = {key: value for key, value in self.document().items() if key != "description"}
        return hash_json({**meaning, "policy": self.policy.promise()})

    @property
    def unit_column(self) -> str | None:
        return self.fields.unit or self.unit

    def document(self) -> dict[str, Any]:
        """The task file's content with the defaults filled in, as plain JSON values in the order of the docs."""
        document: dict[str, Any] = {"name": self.name, "description": self.description, "kind": self.kind}
        document["data"] = self.data.file or self.data.named()
        document["fields"] = msgspec.to_builtins(self.fields)
        if self.kind in LABELLED:
            document["labels"] = "auto" if self.labels is None else list(self.labels)
        document["metric"] = self.metric
        if self.bar:
            bar = {"margin": self.bar.margin, "confidence": self.bar.confidence}
            document["bar"] = {**msgspec.to_builtins(self.bar), **bar}
        document["policy"] = self.policy.document()
        document["seed"] = self.seed
        optional = {"out_of_scope": self.out_of_scope, "unit": self.unit, "schema": self.schema}
        optional |= {"execution": msgspec.to_builtins(self.execution), "code": msgspec.to_builtins(self.code)}
        optional["sql"] = msgspec.to_builtins(self.sql)
        document |= {key: value for key, value in optional.items() if value is not None}
        if self.languages:
            document["languages"] = list(self.languages)
        return {key: value for key, value in document.items() if value not in ({}, "")}


def load_task(path: Path | str) -> Task:
    """Read a task folder or its YAML file. Data files are not opened.

    Raises: TaskError naming the file, the key, the value and what was expected.
    """
    from jangin.task_file import parsed  # the nouns are read everywhere, YAML only here

    path = Path(path)
    file = path / "task.yaml" if path.is_dir() else path
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise TaskError(f"no task file '{file}'", "jangin init DATA writes one from a data file") from None
    except OSError as error:
        raise TaskError(f"'{file}' cannot be read: {error.strerror}", "check the path and its permissions") from None
    return parsed(raw, file.name, file.parent.resolve())


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The nearest known word as a hint, or None."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else None
