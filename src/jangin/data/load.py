"""Task -> Splits: read, leak-free, divided where the task names no file, and the test without its answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from jangin.data.leaks import drop_leaks
from jangin.data.read import Fault
from jangin.data.rows import Notes, read_examples
from jangin.data.split import calibration_rows, divide, held_out_rows, rows_for_test
from jangin.errors import DataError
from jangin.files import hash_file
from jangin.task import Task, did_you_mean, require_available
from jangin.types import Example, Splits


def load_splits(task: Task, *, open_test_outputs: bool = False) -> Splits:
    """Four disjoint, leak-free splits of a task.

    Rows of train that also stand in the test (but for case, white space and punctuation, or by their unit) are left
    out; `check` reports them. Validation and calibration are split off train where the task names no file for them.
    Unless `open_test_outputs`, test examples hold neither output nor extra fields: only `certify` passes it.

    Raises: DataError at the first row that cannot be used; TaskError for a kind of a later version.
    """
    require_available(task)
    files = {name: _without_faults(path, task, name) for name, path in data_files(task).items()}
    splits = drop_leaks(first_division(task, files))
    train = splits["train"]
    refuse_untrainable(task, train)
    refuse_unknown_scope(task, train)
    validation, calibration = splits.get("validation"), splits.get("calibration")
    sizes = [
        held_out_rows(len(train)) if validation is None else 0,
        calibration_rows(len(train)) if calibration is None else 0,
    ]
    train, new_validation, new_calibration = divide(train, sizes, task.seed)
    labels = label_set(task, splits["train"])
    test = splits.get("test", [])
    return Splits(
        train=complete(train, labels),
        validation=complete(new_validation if validation is None else validation, labels),
        calibration=complete(new_calibration if calibration is None else calibration, labels),
        test=complete(test, labels) if open_test_outputs else [seal(example) for example in test],
    )


def data_files(task: Task) -> dict[str, Path]:
    """Split name -> path; a single file is named 'file'."""
    return {name: task.folder / path for name, path in task.data.named().items()}


def first_division(task: Task, files: dict[str, list[Example]]) -> dict[str, list[Example]]:
    """A single file becomes train and test; named splits stay as they are."""
    if "file" not in files:
        return files
    rows = files["file"]
    train, test = divide(rows, [rows_for_test(len(rows))], task.seed)
    return {"train": train, "test": test}


def _without_faults(path: Path, task: Task, split: str) -> list[Example]:
    examples: list[Example] = []
    for row in read_examples(path, task, prefix_of(split), Notes()):
        if isinstance(row, Fault):
            raise DataError(f"{path.name}, row {row.number}: {row.message}", row.hint)
        examples.append(row)
    if not examples:
        raise DataError(f"{path.name}: no rows", "give at least one example for each label")
    twice = repeated_id(examples)
    if twice:
        raise DataError(f"{path.name}: {twice}", REPEATED_ID_HINT)
    return examples


REPEATED_ID_HINT = "make ids unique; where the column names a document or a customer, write 'unit: id' in task.yaml"


def prefix_of(split: str) -> str:
    """What generated ids begin with: rows of a single file belong to no split yet."""
    return "row" if split == "file" else split


def repeated_id(examples: Iterable[Example]) -> str | None:
    """A sentence about the first id that stands twice, or None."""
    seen: dict[str, int] = {}
    for example in examples:
        if example.id in seen:
            return f"id '{example.id}' stands on rows {seen[example.id]} and {example.row}"
        seen[example.id] = example.row
    return None


def refuse_untrainable(task: Task, train: Sequence[Example]) -> None:
    """Raises: DataError when nothing is left to train on, or nothing to tell apart."""
    if not train:
        raise DataError(
            "no rows are left in train: every one also stands in another split",
            "name different files for train and test, or write 'data: FILE' to have a test split off",
        )
    labels = label_set(task, train)
    seen = {example.output for example in train} if task.kind == "classify" else labels
    if len(seen) < (2 if task.kind == "classify" else 1):
        known = f"one label, {next(iter(seen))!r}" if seen else "no label"
        raise DataError(f"train has only {known}: there is nothing to learn", "add examples of the other labels")


def refuse_unknown_scope(task: Task, train: Sequence[Example]) -> None:
    """Raises: DataError when `out_of_scope` is no label: it would be ignored, and nothing would be out of scope."""
    labels = label_set(task, train)
    if task.out_of_scope is not None and task.out_of_scope not in labels:
        raise DataError(
            f"out_of_scope is {task.out_of_scope!r}; no row of train has this label",
            did_you_mean(task.out_of_scope, labels) or "name a label of train, or take 'out_of_scope' out",
        )


def label_set(task: Task, train: Iterable[Example]) -> list[str]:
    """The fixed set of labels: the task's list in its order, else those of train, sorted."""
    if task.labels is not None:
        return list(task.labels)
    found: set[str] = set()
    for example in train:
        found.update((example.output,) if isinstance(example.output, str) else example.output)
    return sorted(found)


def complete(examples: list[Example], labels: Sequence[str]) -> list[Example]:
    """`tag` outputs that came as a plain list, as label -> True/False over the whole set; other rows as they are."""
    known: dict[tuple[str, ...], dict[str, bool]] = {}
    completed = []
    for example in examples:
        if isinstance(example.output, tuple):
            tags = example.output
            if tags not in known:
                known[tags] = {label: label in tags for label in (*labels, *(t for t in tags if t not in labels))}
            example = msgspec.structs.replace(example, output=known[tags])
        completed.append(example)
    return completed


def seal(example: Example) -> Example:
    """A test example without its answer; extra fields go too, since they may repeat it."""
    return Example(example.id, example.input, None, example.unit, example.row)


def split_hashes(task: Task) -> dict[str, Any]:
    """sha256 of each data file, of the test's rows, and of the test's inputs alone.

    Rows are hashed in the order of their ids as canonical JSON of (id, normalised input, output), so the figure does
    not depend on the file's format or order, nor on train. Returns {"files": {name: hex}, "test": hex,
    "test_inputs": hex}; only digests of the answers leave this function.
    """
    require_available(task)
    paths = data_files(task)
    rows = {name: _without_faults(path, task, name) for name, path in paths.items() if name in ("test", "file")}
    test = first_division(task, rows)["test"]
    return {
        "files": {name: _sha256(path) for name, path in paths.items()},
        "test": hash_rows(test),
        "test_inputs": hash_rows(seal(example) for example in test),
    }


def hash_rows(examples: Iterable[Example]) -> str:
    """sha256 over rows sorted by id; a sealed example counts with output null."""
    digest = hashlib.sha256()
    encode = msgspec.json.Encoder(order="sorted").encode
    for example in sorted(examples, key=lambda example: example.id):
        digest.update(encode([example.id, example.input, example.output]) + b"\n")
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    try:
        return hash_file(path)
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}", "check the path and its permissions") from None
