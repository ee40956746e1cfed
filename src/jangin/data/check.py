"""`check`: every fault of a task's data that would make training fail, or a score dishonest, each with its mend."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from jangin.data import contents
from jangin.data.examined import Examined, class_counts, first_ids, labels_of
from jangin.data.findings import SHOWN, CheckReport, Finding, plural
from jangin.data.leaks import PRECEDENCE, keys_of
from jangin.data.load import (
    REPEATED_ID_HINT,
    data_files,
    first_division,
    label_set,
    prefix_of,
    refuse_unknown_scope,
    refuse_untrainable,
    repeated_id,
    schema_of,
)
from jangin.data.overlap import look_for_leaks, look_for_near_duplicates, look_for_repetitions
from jangin.data.read import Fault
from jangin.data.rows import Notes, read_examples
from jangin.data.schema import fault
from jangin.errors import DataError, InputError
from jangin.task import LABELLED, RECORDED_SUFFIXES, Task
from jangin.types import Example

Progress = Callable[[str], None]  # told the name of each stage as it starts


def check(task: Task, progress: Progress | None = None) -> CheckReport:
    """Examine a task's data. Nothing is written.

    Raises: MissingExtraError. Faults of the data are findings instead.
    """
    start = time.perf_counter()
    return make_report(task, examine(task, progress), time.perf_counter() - start)


def make_report(task: Task, examined: Examined, seconds: float) -> CheckReport:
    severity = Counter(finding.severity for finding in examined.findings)
    train = examined.without_leaks("train") if "train" in examined.splits else []
    return CheckReport(
        task=task.name,
        task_hash=task.hash,
        kind=task.kind,
        rows={name: len(examined.splits[name]) for name in reversed(PRECEDENCE) if name in examined.splits},
        classes=class_counts(train) if task.kind != "generate" else {},
        errors=severity["error"],
        warnings=severity["warning"],
        leaks=examined.leaks,
        duplicates=examined.duplicates,
        conflicts=examined.conflicts,
        languages=contents.languages(train),
        smallest_margin=_smallest_margin(task, _test_units(examined)),
        findings=sorted(examined.findings, key=lambda finding: finding.severity),
        seconds=round(seconds, 2),
    )


def examine(task: Task, progress: Progress | None = None) -> Examined:
    """All checks; what they found, for the report and for a mended copy."""
    tell = progress or (lambda stage: None)
    examined = Examined()
    examined.findings += _reference(task)
    tell("reading")
    notes = _read(task, examined)
    if "train" not in examined.splits:
        return examined
    tell("looking for leaks and repetitions")
    keys = {name: keys_of(examples) for name, examples in examined.splits.items()}
    look_for_leaks(examined, keys)
    _labels(task, examined, notes)
    look_for_repetitions(examined, keys, task.kind)
    tell("looking for near-duplicates")
    look_for_near_duplicates(examined, keys)
    tell("looking for personal data")
    examined.findings += contents.pii_findings(examined.without_leaks("train"))
    examined.findings += _test_size(task, _test_units(examined))
    return examined


def _read(task: Task, examined: Examined) -> dict[str, Notes]:
    files, notes = {}, {}
    for name, path in data_files(task).items():
        notes[name] = Notes()
        try:
            examples, faults = _read_file(path, task, name, notes[name])
        except DataError as error:
            examined.findings.append(Finding("unreadable_file", "error", error.message, error.hint or ""))
            continue
        examined.unreadable[name] = sum(map(len, faults.values()))
        examined.findings += _fault_findings(path.name, faults)
        examined.findings += contents.trap_findings(path.name, notes[name])
        if examples:
            files[name] = examples
            examined.findings += _repeated_ids(path.name, examples)
        else:
            hint = "give at least one example for each label"
            examined.findings.append(Finding("no_rows", "error", f"{path.name}: no usable rows", hint))
    examined.splits = first_division(task, files)
    return notes


def _read_file(path: Path, task: Task, name: str, notes: Notes) -> tuple[list[Example], dict[str, list[Fault]]]:
    examples: list[Example] = []
    faults: dict[str, list[Fault]] = {}
    for row in read_examples(path, task, prefix_of(name), notes):
        if isinstance(row, Fault):
            faults.setdefault(row.code, []).append(row)
        else:
            examples.append(row)
    return examples, faults


def _fault_findings(file: str, faults: dict[str, list[Fault]]) -> Iterator[Finding]:
    for code, found in faults.items():
        more = f" (and {plural(len(found) - 1, 'more row')} like it)" if len(found) > 1 else ""
        rows = [f"{file}, row {fault.number}" for fault in found[:SHOWN]]
        yield Finding(code, "error", f"{rows[0]}: {found[0].message}{more}", found[0].hint, len(found), rows)


def _repeated_ids(file: str, examples: list[Example]) -> Iterator[Finding]:
    twice = repeated_id(examples)
    if twice:
        count = len(examples) - len({example.id for example in examples})
        yield Finding("repeated_id", "error", f"{file}: {twice}", REPEATED_ID_HINT, count)


def _labels(task: Task, examined: Examined, notes: dict[str, Notes]) -> None:
    train = examined.without_leaks("train")
    try:
        refuse_untrainable(task, train)
    except DataError as error:
        examined.findings.append(Finding("untrainable", "error", error.message, error.hint or ""))
    else:
        examined.findings += _scope(task, train)
    if task.kind not in LABELLED:
        examined.findings += _beyond_schema(task, examined, train)
        return
    open_rows = [example for name, examples in examined.splits.items() if name != "test" for example in examples]
    examined.instead = {} if task.labels else contents.label_variants(class_counts(open_rows))
    examined.findings += contents.variant_findings(examined.instead, [notes[name] for name in notes if name != "test"])
    examined.findings += contents.class_findings(task, class_counts(train))
    known = {*label_set(task, train), *examined.instead}
    for name, examples in examined.splits.items():
        if name != "train":
            examined.findings += _strange_labels(name, examples, known)


def _reference(task: Task) -> Iterator[Finding]:
    """A published reference must be known before the climb; a recorded one may be recorded later."""
    if task.bar is None or task.bar.reference is None or task.bar.reference.endswith(RECORDED_SUFFIXES):
        return
    from jangin.evals.references import load

    try:
        load(task.bar.reference, task)
    except InputError as error:
        yield Finding("unknown_reference", "error", error.message, error.hint or "")


def _scope(task: Task, train: list[Example]) -> Iterator[Finding]:
    try:
        refuse_unknown_scope(task, train)
    except DataError as error:
        yield Finding("unknown_out_of_scope", "error", error.message, error.hint or "")


def _strange_labels(split: str, examples: list[Example], known: set[str]) -> Iterator[Finding]:
    """Rows whose answer no model of this task can give; of the test only their number is told."""
    strange = np.array([not known.issuperset(labels_of(example)) for example in examples], bool)
    count = int(strange.sum())
    if count:
        yield Finding(
            "label_not_in_train",
            "warning",
            f"{plural(count, 'row')} of {split} {'has' if count == 1 else 'have'} a label that train lacks; "
            "every answer to them will be wrong",
            "add examples of the label to train",
            count,
            [] if split == "test" else first_ids(examples, strange),
        )


def _beyond_schema(task: Task, examined: Examined, train: list[Example]) -> Iterator[Finding]:
    """Rows whose answer the schema of train's answers does not allow; of the test only their number is told."""
    if task.kind != "extract" or task.schema is not None or not train:
        return  # with a schema of the task's own such a row was refused when it was read
    known = schema_of(task, train)
    assert known is not None
    for name, examples in examined.splits.items():
        strange = np.array([fault(example.output, known) is not None for example in examples], bool)
        if count := int(strange.sum()):
            yield Finding(
                "answer_beyond_schema",
                "warning",
                f"{plural(count, 'row')} of {name} {'has' if count == 1 else 'have'} an answer that the schema of "
                "train's answers does not allow; none will be wholly right",
                "add such answers to train, or write 'schema' in task.yaml",
                count,
                [] if name == "test" else first_ids(examples, strange),
            )


def _test_units(examined: Examined) -> int:
    """Independent draws in the test: rows, or units where the task names them."""
    return len({example.unit or (example.id,) for example in examined.splits.get("test", ())})


def _smallest_margin(task: Task, count: int) -> float | None:
    from jangin.evals.planning import alpha_at, smallest_margin

    confidence = task.bar.confidence if task.bar else 0.95
    return round(smallest_margin(count, alpha_at(confidence, 1)), 5) if count else None


def _test_size(task: Task, count: int) -> Iterator[Finding]:
    margin = _smallest_margin(task, count)
    if margin is None or not task.bar or not task.bar.reference or margin <= task.bar.margin:
        return
    asked = task.bar.margin
    z_squared = margin / (1 - margin) * count
    what = "unit" if task.unit_column else "row"
    yield Finding(
        "small_test",
        "warning",
        f"a test of {plural(count, what)} can prove no margin below {margin:.4f}; the bar asks for {asked:g}",
        f"use at least {math.ceil(z_squared * (1 - asked) / asked):,} test {what}s, or a wider margin",
    )
