"""`check`: every fault of a task's data that would make training fail, or a score dishonest, each with its mend."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from jangin.data import inspect
from jangin.data.duplicates import THRESHOLD, near_pairs
from jangin.data.findings import SHOWN, CheckReport, Duplicates, Finding, Leaks, plural
from jangin.data.leaks import PRECEDENCE, Keys, Leak, find_leaks, keys_of
from jangin.data.load import (
    REPEATED_ID_HINT,
    data_files,
    first_division,
    label_set,
    prefix_of,
    refuse_untrainable,
    repeated_id,
)
from jangin.data.read import Fault
from jangin.data.rows import Notes, read_examples
from jangin.data.text import bare_key, plain_text
from jangin.errors import DataError
from jangin.task import Task, require_available
from jangin.types import Example

Bool = NDArray[np.bool_]


class Examined(msgspec.Struct):
    """What `check` found out, for the mended copy.

    splits: the readable rows; those of the test keep their answers here, which are checked for form and copied only.
    drops: split -> reason -> mask of rows that the mended copy leaves out.
    instead: label -> the spelling to use.
    """

    splits: dict[str, list[Example]] = {}
    drops: dict[str, dict[str, Bool]] = {}
    instead: dict[str, str] = {}
    unreadable: dict[str, int] = {}
    findings: list[Finding] = []
    leaks: Leaks = Leaks()
    duplicates: Duplicates = Duplicates()
    conflicts: int = 0

    def drop(self, split: str, reason: str, mask: Bool) -> None:
        masks = self.drops.setdefault(split, {})
        masks[reason] = masks[reason] | mask if reason in masks else mask

    def left(self, split: str, *reasons: str) -> Bool:
        """Mask of the rows of a split that none of the reasons drops."""
        gone = np.zeros(len(self.splits[split]), bool)
        for reason in reasons:
            gone |= self.drops.get(split, {}).get(reason, False)
        return ~gone


def check(task: Task, progress: Callable[[str], None] | None = None) -> CheckReport:
    """Examine a task's data. Nothing is written.

    Args: progress: told the name of each stage as it starts.
    Raises: TaskError for a kind of a later version; MissingExtraError. Faults of the data are findings instead.
    """
    start = time.perf_counter()
    return make_report(task, examine(task, progress), time.perf_counter() - start)


def make_report(task: Task, examined: Examined, seconds: float) -> CheckReport:
    severity = Counter(finding.severity for finding in examined.findings)
    train = _kept(examined, "train", "leaks") if "train" in examined.splits else []
    return CheckReport(
        task=task.name,
        task_hash=task.hash,
        kind=task.kind,
        rows={name: len(examined.splits[name]) for name in reversed(PRECEDENCE) if name in examined.splits},
        classes=_classes(train),
        errors=severity["error"],
        warnings=severity["warning"],
        leaks=examined.leaks,
        duplicates=examined.duplicates,
        conflicts=examined.conflicts,
        languages=inspect.languages(train),
        smallest_margin=_smallest_margin(task, len(examined.splits.get("test", ()))),
        findings=sorted(examined.findings, key=lambda finding: finding.severity),
        seconds=round(seconds, 2),
    )


def examine(task: Task, progress: Callable[[str], None] | None = None) -> Examined:
    """All checks, in the order of the report."""
    require_available(task)
    tell = progress or (lambda stage: None)
    examined = Examined()
    tell("reading")
    notes = _read(task, examined)
    if "train" not in examined.splits:
        return examined
    tell("looking for leaks and duplicates")
    keys = {name: keys_of(examples) for name, examples in examined.splits.items()}
    _leaks(examined, keys)
    _labels(task, examined, notes)
    _equal_texts(examined, keys)
    tell("looking for near-duplicates")
    _near_duplicates(examined, keys)
    tell("looking for personal data")
    examined.findings += inspect.pii_findings(_kept(examined, "train", "leaks"))
    examined.findings += _test_size(task, len(examined.splits.get("test", ())))
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
        examined.findings += inspect.trap_findings(path.name, notes[name])
        if not examples:
            hint = "give at least one example for each label"
            examined.findings.append(Finding("no_rows", "error", f"{path.name}: no usable rows", hint))
            continue
        twice = repeated_id(examples)
        if twice:
            count = len(examples) - len({example.id for example in examples})
            found = Finding("repeated_id", "error", f"{path.name}: {twice}", REPEATED_ID_HINT, count)
            examined.findings.append(found)
        files[name] = examples
    examined.splits = first_division(task, files)
    return notes


def _read_file(path: Path, task: Task, name: str, notes: Notes) -> tuple[list[Example], dict[str, list[Fault]]]:
    examples, faults = [], {}
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


def _leaks(examined: Examined, keys: dict[str, Keys]) -> None:
    other = 0
    for leak in find_leaks(keys):
        examined.drop(leak.split, "leaks", leak.dropped)
        found = inspect.leak_finding(leak, examined.splits[leak.kept_in])
        examined.findings += [found] if found else []
        if (leak.split, leak.kept_in) == ("train", "test"):
            examined.leaks = _test_leaks(leak)
        else:
            other += int(leak.dropped.sum())
    examined.leaks = msgspec.structs.replace(examined.leaks, other_rows=other)


def _test_leaks(leak: Leak) -> Leaks:
    return Leaks(
        test_rows=int(leak.met_bare.sum()),
        test_rows_verbatim=int(leak.met_verbatim.sum()),
        test_units=int((leak.met_units & ~leak.met_bare).sum()),
        train_rows=int(leak.dropped.sum()),
    )


def _labels(task: Task, examined: Examined, notes: dict[str, Notes]) -> None:
    train = _kept(examined, "train", "leaks")
    open_splits = [name for name in examined.splits if name != "test"]
    seen = Counter(_classes([example for name in open_splits for example in examined.splits[name]]))
    examined.instead = {} if task.labels else inspect.label_variants(seen)
    try:
        refuse_untrainable(task, train)
    except DataError as error:
        examined.findings.append(Finding("untrainable", "error", error.message, error.hint or ""))
    examined.findings += inspect.variant_findings(examined.instead, [notes[name] for name in notes if name != "test"])
    examined.findings += inspect.class_findings(task, _classes(train))
    known = {*label_set(task, train), *examined.instead}
    for name, examples in examined.splits.items():
        if name != "train":
            examined.findings += _strange_labels(name, examples, known)


def _strange_labels(split: str, examples: list[Example], known: set[str]) -> Iterator[Finding]:
    """Rows whose answer no model of this task can give; of the test only their number is told."""
    strange = np.array([not known.issuperset(_labels_of(example)) for example in examples], bool)
    count = int(strange.sum())
    if count:
        yield Finding(
            "label_not_in_train",
            "warning",
            f"{plural(count, 'row')} of {split} {'has' if count == 1 else 'have'} a label that train lacks; "
            "every answer to them will be wrong",
            "add examples of the label to train",
            count,
            [] if split == "test" else inspect.first_ids(examples, strange),
        )


def _equal_texts(examined: Examined, keys: dict[str, Keys]) -> None:
    """Duplicates within each split, and texts of train with contradicting labels."""
    train = examined.splits["train"]
    examined.conflicts, contradicting = inspect.contradictions(train, keys["train"].bare, examined.instead)
    examined.drop("train", "contradictions", contradicting)
    if examined.conflicts:
        texts = plural(examined.conflicts, "text")
        found = f"{texts} of train {'stands' if examined.conflicts == 1 else 'stand'} there with different labels"
        hint = "jangin check TASK --fix DIR keeps the majority's label, and drops the text when tied"
        ids = inspect.first_ids(train, contradicting)
        examined.findings.append(Finding("conflicting_labels", "warning", found, hint, examined.conflicts, ids))
    exact = {name: inspect.repeats(keys[name].bare) for name in keys}
    examined.duplicates = Duplicates(exact=exact)
    repeated = np.zeros(len(train), bool)
    for rows in inspect.equal_groups(keys["train"].verbatim):
        repeated[rows[1:]] = True
    examined.drop("train", "duplicates", repeated)
    for name, count in exact.items():
        if count:
            rows = plural(count, "row")
            found = f"{rows} of {name} {'repeats' if count == 1 else 'repeat'} another but for case and punctuation"
            hint = "jangin check TASK --fix DIR drops repetitions from train; a test keeps its rows"
            examined.findings.append(Finding("duplicates", "warning", found, hint, count))


def _near_duplicates(examined: Examined, keys: dict[str, Keys]) -> None:
    """Among the texts that are left after leaks, each once."""
    names = [name for name in PRECEDENCE if name in keys]
    rows, owners = [], []
    for number, name in enumerate(names):
        left = np.flatnonzero(examined.left(name, "leaks"))
        rows.append(left[np.unique(keys[name].bare[left], return_index=True)[1]])
        owners.append(np.full(len(rows[-1]), number))
    owner, row = np.concatenate(owners), np.concatenate(rows)
    texts = [bare_key(plain_text(examined.splits[names[o]][r].input)) for o, r in zip(owner.tolist(), row.tolist())]
    pairs = near_pairs(texts, owner != names.index("train"))
    near = {}
    for number, name in enumerate(names):
        mine = pairs.cluster[owner == number]
        near[name] = len(mine) - len(np.unique(mine))
    examined.duplicates = Duplicates(exact=examined.duplicates.exact, near=near)
    if near["train"]:
        found = f"{plural(near['train'], 'text')} of train nearly repeat{'s' if near['train'] == 1 else ''} another"
        hint = "worth a look when the number is large: they teach little and make validation look better than it is"
        examined.findings.append(Finding("near_duplicates", "warning", found, hint, near["train"]))
    _near_leaks(examined, keys, names, owner, row, pairs.a, pairs.b)


def _near_leaks(
    examined: Examined,
    keys: dict[str, Keys],
    names: list[str],
    owner: NDArray[np.int64],
    row: NDArray[np.int64],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
) -> None:
    """Texts of train that nearly stand in a split that judges it; only a mended copy leaves them out."""
    train = names.index("train")
    for number, name in enumerate(names):
        if name == "train":
            continue
        ours = np.concatenate([a[(owner[a] == train) & (owner[b] == number)], b[(owner[b] == train) & (owner[a] == number)]])
        theirs = np.concatenate([b[(owner[a] == train) & (owner[b] == number)], a[(owner[b] == train) & (owner[a] == number)]])
        dropped = np.isin(keys["train"].bare, keys["train"].bare[row[ours]])
        met = np.isin(keys[name].bare, keys[name].bare[row[theirs]])
        examined.drop("train", "near_leaks", dropped)
        if name == "test":
            counts = {"near_test_rows": int(met.sum()), "near_train_rows": int(dropped.sum())}
            examined.leaks = msgspec.structs.replace(examined.leaks, **counts)
        if met.any():
            examples = examined.splits[name]
            first = inspect.first_ids(examples, met)
            verb = "nearly stands" if met.sum() == 1 else "nearly stand"
            found = (
                f"{int(met.sum()):,} of {len(examples):,} {name} examples {verb} in train (first: '{first[0]}'): they share "
                f"{THRESHOLD:.0%} or more of their three-character pieces with a row of train; scores may be a little high"
            )
            hint = f"jangin check TASK --fix DIR leaves out the {plural(int(dropped.sum()), 'row')} of train"
            examined.findings.append(Finding("near_leak", "warning", found, hint, int(met.sum()), first))


def _smallest_margin(task: Task, count: int) -> float | None:
    from jangin.evals.planning import alpha_at, smallest_margin

    confidence = task.bar.confidence if task.bar else 0.95
    return round(smallest_margin(count, alpha_at(confidence, 1)), 5) if count else None


def _test_size(task: Task, count: int) -> Iterator[Finding]:
    margin = _smallest_margin(task, count)
    if task.bar and task.bar.reference and margin and margin > task.bar.margin:
        odds = margin / (1 - margin) * count  # z squared
        needed = int(np.ceil(odds * (1 - task.bar.margin) / task.bar.margin))
        yield Finding(
            "small_test",
            "warning",
            f"a test of {plural(count, 'row')} can prove no margin below {margin:.4f}; the bar asks for {task.bar.margin:g}",
            f"use at least {needed:,} test rows, or a wider margin",
        )


def _kept(examined: Examined, split: str, *reasons: str) -> list[Example]:
    left = examined.left(split, *reasons)
    return [example for example, keep in zip(examined.splits[split], left) if keep]


def _classes(examples: list[Example]) -> dict[str, int]:
    """Label -> rows that have it, the commonest first."""
    counts: Counter[str] = Counter()
    for example in examples:
        counts.update(_labels_of(example, true_only=True))
    return dict(counts.most_common())


def _labels_of(example: Example, true_only: bool = False) -> tuple[str, ...]:
    output = example.output
    if isinstance(output, str):
        return (output,)
    if isinstance(output, dict):
        return tuple(label for label, true in output.items() if true or not true_only)
    return tuple(output)
