"""The checks of labels and of single texts: classes, spellings, encoding traps, personal data, languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from jangin.data.findings import SHOWN, Finding, plural
from jangin.data.pii import KINDS as PII_KINDS
from jangin.data.pii import pii_kinds
from jangin.data.rows import Notes
from jangin.data.text import plain_text, script_of, verbatim_key
from jangin.task import Task
from jangin.types import Example

FEW = 10  # examples of a label below which its score is chance
MANY_LABELS = 1_000
SAMPLE = 20_000  # rows whose script is looked at


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
            f"{plural(len(single), 'label')} {_has(single)} a single example (first: {single[0]!r}); "
            "it stays in train, so nothing can judge it",
            "add examples of the label",
            len(single),
        )
    few = sorted((count, label) for label, count in classes.items() if 1 < count < FEW)
    if few:
        yield Finding(
            "few_examples",
            "warning",
            f"{plural(len(few), 'label')} {_has(few)} fewer than {FEW} examples in train "
            f"(fewest: {few[0][1]!r}, {few[0][0]})",
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
    instead: dict[str, str] = {}
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
            f"{plural(len(instead), 'label')} {'differs' if len(instead) == 1 else 'differ'} from another by case "
            f"or white space only (first: {odd!r} and {good!r})",
            "jangin check TASK --fix DIR writes the commonest spelling everywhere",
            len(instead),
        )
    spellings = {raw: label for each in notes for raw, label in each.spellings.items() if raw != label}
    if spellings:
        yield Finding(
            "label_spellings",
            "warning",
            f"{plural(len(spellings), 'spelling')} of labels had outer white space, control characters or another "
            f"Unicode form (first read as: {min(spellings.values())!r}); mended while reading",
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


def _has(things: Sequence) -> str:
    return "has" if len(things) == 1 else "have"
