"""The single checks on readable rows: each takes examples and gives findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from jangin.data.findings import SHOWN, Finding, plural
from jangin.data.leaks import Leak
from jangin.data.pii import KINDS as PII_KINDS
from jangin.data.pii import pii_kinds
from jangin.data.rows import Notes
from jangin.data.text import plain_text, script_of, verbatim_key
from jangin.task import Task
from jangin.types import Example

FEW = 10  # examples of a label below which its score is chance
MANY_LABELS = 1_000
SAMPLE = 20_000  # rows whose script is looked at
FIX = "jangin check TASK --fix DIR writes a copy without them"

Bool = NDArray[np.bool_]


def first_ids(examples: Sequence[Example], mask: Bool) -> list[str]:
    return [examples[position].id for position in np.flatnonzero(mask)[:SHOWN]]


def class_findings(task: Task, classes: dict[str, int]) -> Iterator[Finding]:
    """Labels with too few examples to learn or to judge."""
    missing = [label for label in task.labels or () if label not in classes]
    if missing:
        yield Finding(
            "label_without_examples",
            "warning",
            f"{plural(len(missing), 'label')} of the task {_has(missing)} no example in train (first: {missing[0]!r})",
            "add examples, or take the label out of 'labels': it can never be answered",
            len(missing),
        )
    single = sorted(label for label, count in classes.items() if count == 1)
    if single:
        yield Finding(
            "single_example",
            "warning",
            f"{plural(len(single), 'label')} {_has(single)} a single example (first: {single[0]!r}); it stays in train, "
            "so nothing can judge it",
            "add examples of the label",
            len(single),
        )
    few = sorted((count, label) for label, count in classes.items() if 1 < count < FEW)
    if few:
        yield Finding(
            "few_examples",
            "warning",
            f"{plural(len(few), 'label')} {_has(few)} fewer than {FEW} examples in train (fewest: {few[0][1]!r}, {few[0][0]})",
            "add examples of these labels, or merge them into others",
            len(few),
        )
    if len(classes) > MANY_LABELS:
        yield Finding(
            "many_labels",
            "warning",
            f"train has {len(classes):,} labels; training time and model size grow with their number",
            "is the right column named as output?",
            len(classes),
        )


def label_variants(classes: dict[str, int]) -> dict[str, str]:
    """Label -> the spelling to use instead, where labels differ only by case or white space: the commonest."""
    by_key: dict[str, list[str]] = {}
    for label in classes:
        by_key.setdefault(verbatim_key(label), []).append(label)
    instead = {}
    for variants in by_key.values():
        best = max(variants, key=lambda label: (classes[label], label))
        instead |= {label: best for label in variants if label != best}
    return instead


def variant_findings(instead: dict[str, str], notes: Iterable[Notes]) -> Iterator[Finding]:
    if instead:
        odd, good = min(instead.items())
        yield Finding(
            "label_variants",
            "warning",
            f"{plural(len(instead), 'label')} {'differs' if len(instead) == 1 else 'differ'} from another by case or white "
            f"space only (first: {odd!r} and {good!r})",
            "jangin check TASK --fix DIR writes the commonest spelling everywhere",
            len(instead),
        )
    spellings = {raw: label for each in notes for raw, label in each.spellings.items() if raw != label}
    if spellings:
        yield Finding(
            "label_spellings",
            "warning",
            f"{plural(len(spellings), 'spelling')} of labels had outer white space, control characters or another Unicode "
            f"form (first read as: {min(spellings.values())!r}); mended while reading",
            "jangin check TASK --fix DIR writes them mended",
            len(spellings),
        )


def trap_findings(file: str, notes: Notes) -> Iterator[Finding]:
    """Encoding traps; reading mends them."""
    what = {
        "not_nfc": "in another Unicode form than NFC (Korean text from a Mac is often NFD)",
        "controls": "with control characters or a byte order mark inside",
        "separators": "with U+2028 or U+2029, which some programs take for line ends",
    }
    for code, words in what.items():
        count = notes.trap_counts.get(code, 0)
        if count:
            yield Finding(
                code,
                "warning",
                f"{file}: {plural(count, 'text')} {words}; mended while reading",
                "jangin check TASK --fix DIR writes them mended",
                count,
                notes.trap_ids[code],
            )


def leak_finding(leak: Leak, kept: Sequence[Example]) -> Finding | None:
    """One pair of splits; `kept` are the examples of the split that keeps its rows."""
    dropped, units = int(leak.dropped.sum()), int((leak.met_units & ~leak.met_bare).sum())
    if not dropped:
        return None
    bare, verbatim = int(leak.met_bare.sum()), int(leak.met_verbatim.sum())
    parts = []
    if bare:
        parts.append(f"{verbatim:,} word for word, {bare - verbatim:,} but for punctuation")
    if units:
        parts.append(f"{units:,} by a shared unit only")
    first = first_ids(kept, leak.met_bare | leak.met_units)
    left_out = f"{plural(dropped, 'row')} of {leak.split} {'is' if dropped == 1 else 'are'} left out"
    return Finding(
        "leak",
        "warning",
        f"{bare + units:,} of {len(kept):,} {leak.kept_in} examples also stand in {leak.split} (first: '{first[0]}'): "
        f"{', '.join(parts)}; {left_out}, or scores would be inflated",
        FIX,
        bare + units,
        first,
    )


def contradictions(examples: Sequence[Example], bare: NDArray[np.int64], instead: dict[str, str]) -> tuple[int, Bool]:
    """(texts with several answers, mask of the rows to drop: all but the majority's; all of them when tied)."""
    drop = np.zeros(len(examples), bool)
    texts = 0
    for rows in equal_groups(bare):
        answers = Counter(_answer(examples[row].output, instead) for row in rows)
        if len(answers) > 1 and _contradict(list(answers)):
            texts += 1
            (best, most), (_, second) = answers.most_common(2)
            keep = best if most > second else None
            drop[[row for row in rows if _answer(examples[row].output, instead) != keep]] = True
    return texts, drop


def equal_groups(keys: NDArray[np.int64]) -> Iterator[list[int]]:
    """Positions with equal keys, for each key that stands more than once."""
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])) if len(keys) else np.empty(0, np.int64)
    ends = np.append(starts[1:], len(keys))
    for number in np.flatnonzero(ends - starts > 1):
        yield order[starts[number] : ends[number]].tolist()


def repeats(keys: NDArray[np.int64]) -> int:
    """How many keys are not the first of their kind."""
    ranked = np.sort(keys)
    return int((ranked[1:] == ranked[:-1]).sum())


def pii_findings(train: Sequence[Example]) -> Iterator[Finding]:
    counts: Counter[str] = Counter()
    rows: dict[str, list[str]] = {kind: [] for kind in PII_KINDS}
    for example in train:
        for kind in pii_kinds(plain_text(example.input)):
            counts[kind] += 1
            if len(rows[kind]) < SHOWN:
                rows[kind].append(example.id)
    for kind in PII_KINDS:
        if counts[kind]:
            yield Finding(
                "pii",
                "warning",
                f"{plural(counts[kind], 'row')} of train {'seems' if counts[kind] == 1 else 'seem'} to hold "
                f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}",
                "replace them by placeholders unless the task needs them: a model can repeat what it was trained on",
                counts[kind],
                rows[kind],
            )


def languages(train: Sequence[Example]) -> dict[str, float]:
    """Share of rows by script, of an even sample of train."""
    sample = train[:: max(1, len(train) // SAMPLE)]
    counts = Counter(script_of(plain_text(example.input)) for example in sample)
    return {script: round(count / len(sample), 3) for script, count in counts.most_common()}


def _answer(output: object, instead: dict[str, str]) -> object:
    if isinstance(output, dict):
        return tuple(sorted((instead.get(label, label), true) for label, true in output.items()))
    if isinstance(output, tuple):
        return tuple(sorted(instead.get(label, label) for label in output))
    return instead.get(output, output) if isinstance(output, str) else output


def _contradict(answers: list) -> bool:
    """Two answers cannot both hold; a label that is unknown in one of them contradicts nothing."""
    if not all(isinstance(answer, tuple) and answer and isinstance(answer[0], tuple) for answer in answers):
        return True
    seen: dict[str, bool] = {}
    return any(seen.setdefault(label, true) != true for answer in answers for label, true in answer)


def _has(things: Sequence) -> str:
    return "has" if len(things) == 1 else "have"
