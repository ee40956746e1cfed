"""Task -> Splits: read, leak-free, divided where the task names no file, and the test without its answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from jangin.data import schema
from jangin.data.leaks import drop_leaks
from jangin.data.read import Fault
from jangin.data.rows import Notes, read_examples
from jangin.data.split import calibration_rows, divide, held_out_rows, rows_for_test
from jangin.errors import DataError
from jangin.files import hash_file
from jangin.task import LABELLED, Task, did_you_mean
from jangin.types import Example, Splits


def load_splits(task: Task, *, open_test_outputs: bool = False) -> Splits:
    """Four disjoint, leak-free splits of a task.

    Rows of train that also stand in the test (but for case, white space and punctuation, or by their unit) are left
    out; `check` reports them. Validation and calibration are split off train where the task names no file for them.
    Unless `open_test_outputs`, test examples hold neither output nor extra fields: only `certify` passes it.
    Objects of `extract` have their fields in the order of `schema_of`.

    Raises: DataError at the first row that cannot be used.
    """
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
    train, new_validation, new_calibration = divide(train, sizes, task.seed, task.kind in LABELLED)
    labels, test = label_set(task, splits["train"]), splits.get("test", [])
    ordered = schema_of(task, splits["train"])

    def whole(examples: list[Example]) -> list[Example]:
        return complete(examples, labels) if ordered is None else _in_order(examples, ordered)

    return Splits(
        train=whole(train),
        validation=whole(new_validation if validation is None else validation),
        calibration=whole(new_calibration if calibration is None else calibration),
        test=whole(test) if open_test_outputs else [seal(example) for example in test],
    )


def data_files(task: Task) -> dict[str, Path]:
    """Split name -> path; a single file is named 'file'."""
    return {name: task.folder / path for name, path in task.data.named().items()}


def first_division(task: Task, files: dict[str, list[Example]]) -> dict[str, list[Example]]:
    """A single file becomes train and test; named splits stay as they are."""
    if "file" not in files:
        return files
    rows = files["file"]
    train, test = divide(rows, [rows_for_test(len(rows))], task.seed, task.kind in LABELLED)
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
    if task.kind not in LABELLED:
        _refuse_unteachable(train)
        return
    labels = label_set(task, train)
    seen = {example.output for example in train} if task.kind == "classify" else labels
    if len(seen) < (2 if task.kind == "classify" else 1):
        known = f"one label, {next(iter(seen))!r}" if seen else "no label"
        raise DataError(f"train has only {known}: there is nothing to learn", "add examples of the other labels")


def _refuse_unteachable(train: Sequence[Example]) -> None:
    """Answers that are written teach nothing when they say nothing, or all say the same."""
    answers = {hash_answer(example.output) for example in train}
    if len(answers) == 1 and len(train) > 1:
        raise DataError("all answers of train are equal: there is nothing to learn", "add examples with other answers")
    if not any(example.output for example in train):
        raise DataError("all answers of train are empty: there is nothing to learn", "add examples with answers")


def hash_answer(output: Any) -> bytes:
    """Equal for equal answers, whatever the order of an object's fields."""
    return hashlib.sha256(msgspec.json.encode(output, order="sorted")).digest()


def schema_of(task: Task, examples: Iterable[Example]) -> schema.Schema | None:
    """Of `extract`: the task's schema, else the one that the answers of these examples have; None for other kinds."""
    if task.kind != "extract":
        return None
    return task.schema if task.schema is not None else schema.infer_schema(example.output for example in examples)


def _in_order(examples: list[Example], ordered: schema.Schema) -> list[Example]:
    return [msgspec.structs.replace(each, output=schema.in_order(each.output, ordered)) for each in examples]


def refuse_unknown_scope(task: Task, train: Sequence[Example]) -> None:
    """Raises: DataError when `out_of_scope` is no label: it would be ignored, and nothing would be out of scope."""
    labels = label_set(task, train)
    if task.out_of_scope is not None and task.out_of_scope not in labels:
        raise DataError(
            f"out_of_scope is {task.out_of_scope!r}; no row of train has this label",
            did_you_mean(task.out_of_scope, labels) or "name a label of train, or take 'out_of_scope' out",
        )


def label_set(task: Task, train: Iterable[Example]) -> list[str]:
    """The fixed set of labels: the task's list in its order, else those of train, sorted; none where answers are
    written."""
    if task.kind not in LABELLED:
        return []
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

    Rows are hashed in the order of their ids as canonical JSON of (id, normalised input, output and, where a row has
    them, its further accepted answers and what they run on), so the figure does not depend on the file's format or
    order, nor on train. Returns {"files": {name: hex}, "test": hex,
    "test_inputs": hex}; only digests of the answers leave this function.
    """
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
        row = [example.id, example.input, example.output]
        row += [example.gold, example.runs_on] if example.gold is not None or example.runs_on else []
        digest.update(encode(row) + b"\n")
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    try:
        return hash_file(path)
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}", "check the path and its permissions") from None
