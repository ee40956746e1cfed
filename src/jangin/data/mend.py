"""`check --fix`: a mended copy of a task in a new folder, with the report of what was changed. The original stays."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from jangin.data.check import Progress, examine, make_report
from jangin.data.examined import Examined
from jangin.data.findings import CheckReport, report_markdown
from jangin.data.load import data_files
from jangin.errors import DataError
from jangin.files import storage_error
from jangin.task import RECORDED_SUFFIXES, Task
from jangin.types import Example

REASONS = ("leaks", "near_leaks", "contradictions", "duplicates")  # a row is counted under the first that holds

Changes = dict[str, Counter[str]]


def mend(task: Task, folder: Path | str, progress: Progress | None = None) -> CheckReport:
    """Write train.jsonl, test.jsonl, ..., task.yaml, report.json and report.md into a new folder.

    Left out: rows that cannot be read; of train also those that stand, or nearly stand, in a split that judges it,
    contradictions and repetitions. The test loses only rows that cannot be read. Texts and labels are written in their
    normal form, labels in their commonest spelling, and a repeated id gets a number behind it.

    Returns: the report on the original, with `mended` (split -> change -> rows) and `mended_task`.
    Raises: DataError when the folder is the original's or is not empty, or when nothing can be read; StorageError.
    """
    folder = Path(folder).resolve()
    _refuse_folder(task, folder)
    start = time.perf_counter()
    examined = examine(task, progress)
    if "train" not in examined.splits:
        raise DataError(f"nothing to mend: {examined.findings[0].message}", examined.findings[0].hint)
    if progress:
        progress("writing the mended copy")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        changes = _write_splits(examined, temporary)
        report = msgspec.structs.replace(
            make_report(task, examined, time.perf_counter() - start),
            mended={name: dict(counts) for name, counts in changes.items()},
            mended_task=str(folder / "task.yaml"),
        )
        (temporary / "task.yaml").write_text(_task_yaml(task, examined, folder), encoding="utf-8")
        (temporary / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
        (temporary / "report.md").write_text(report_markdown(report), encoding="utf-8")
        os.replace(temporary, folder)  # onto nothing, or onto an empty folder
    except OSError as error:
        raise storage_error(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return report


def _refuse_folder(task: Task, folder: Path) -> None:
    homes = {task.folder, *(path.resolve().parent for path in data_files(task).values())}
    if folder in homes:
        raise DataError(f"'{folder}' holds the original, which is never touched", "name a new folder after --fix")
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise DataError(f"'{folder}' is not an empty folder", "name a new folder after --fix")


def _write_splits(examined: Examined, folder: Path) -> Changes:
    changes: Changes = {name: Counter(unreadable=count) for name, count in examined.unreadable.items() if count}
    encode = msgspec.json.Encoder().encode
    for name in examined.splits:
        counts = changes.setdefault(name, Counter())
        with (folder / f"{name}.jsonl").open("wb") as stream:
            for row in _rows(examined, name, counts):
                stream.write(encode(row) + b"\n")
    return changes


def _rows(examined: Examined, name: str, counts: Counter[str]) -> Iterator[dict[str, Any]]:
    """The rows that stay, mended; counts what was done."""
    drops = [(reason, mask) for reason in REASONS if (mask := examined.drops.get(name, {}).get(reason)) is not None]
    taken: set[str] = set()
    for position, example in enumerate(examined.splits[name]):
        reason = next((reason for reason, mask in drops if mask[position]), None)
        if reason:
            counts[f"dropped_{reason}"] += 1
            continue
        identity = _free_id(example.id, taken)
        taken.add(identity)
        output = _output(example, examined.instead)
        done = {"renamed_ids": identity != example.id, "relabelled": output != _output(example, {}), "written": True}
        counts.update(what for what, happened in done.items() if happened)
        unit = {} if example.unit is None else {"unit": example.unit}
        gold = {} if example.gold is None else {"gold": example.gold}
        more = {**example.runs_on, **unit, **gold}
        yield {**example.extra, "id": identity, "input": example.input, "output": output, **more}


def _free_id(wanted: str, taken: set[str]) -> str:
    identity, number = wanted, 1
    while identity in taken:
        number += 1
        identity = f"{wanted}~{number}"
    return identity


def _output(example: Example, instead: dict[str, str]) -> Any:
    output = example.output
    if isinstance(output, dict):
        marks: dict[str, bool] = {}
        for label, true in output.items():
            spelling: str = instead.get(label) or label
            marks[spelling] = marks.get(spelling, False) or true
        return marks
    if isinstance(output, tuple):
        return list(dict.fromkeys(instead.get(label, label) for label in output))
    return instead.get(output, output)


def _task_yaml(task: Task, examined: Examined, folder: Path) -> str:
    """The same job, with the mended files in Jangin's own form."""
    document = task.document()
    document["data"] = {name: f"{name}.jsonl" for name in examined.splits}
    document.pop("fields", None)
    if task.fields.gold:
        document["fields"] = {"gold": "gold"}
    if task.code is not None:
        document["code"] = {name: name for name in document["code"]}
    if task.execution is not None:
        document["execution"]["database"] = os.path.relpath(task.folder / task.execution.database, folder)
        document["execution"] |= {"column": "database"} if task.execution.column else {}
    if task.sql is not None and task.sql.schema:
        document["sql"] = {"schema": "schema"}
    if task.unit_column:
        document["unit"] = "unit"
    reference = task.bar.reference if task.bar else None
    if reference and reference.endswith(RECORDED_SUFFIXES):
        document["bar"]["reference"] = os.path.relpath(task.folder / reference, folder)
    head = "# A mended copy, written by `jangin check --fix`; report.md says what was changed.\n"
    return head + yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=110)
