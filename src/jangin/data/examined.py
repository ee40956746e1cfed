"""What `check` has found out so far: the readable rows, which of them should go and why, and the findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from jangin.data.findings import SHOWN, Duplicates, Finding, Leaks
from jangin.types import Example

Bool = NDArray[np.bool_]


class Examined(msgspec.Struct):
    """Grows while `check` runs.

    splits: the readable rows; those of the test keep their answers here, which are checked for form and copied only.
    drops: split -> reason -> mask of rows that a mended copy leaves out (reason 'leaks': loading leaves them out too).
    instead: label -> the spelling to use.
    unreadable: file of the task ('train', ... or 'file') -> rows that are in no split.
    """

    splits: dict[str, list[Example]] = {}
    drops: dict[str, dict[str, Bool]] = {}
    instead: dict[str, str] = {}
    unreadable: dict[str, int] = {}
    findings: list[Finding] = []
    leaks: Leaks = Leaks()
    duplicates: Duplicates = Duplicates()
    conflicts: int = 0

    def add(self, code: str, message: str, hint: str, count: int, rows: list[str] | None = None) -> None:
        """A warning."""
        self.findings.append(Finding(code, "warning", message, hint, count, rows or []))

    def drop(self, split: str, reason: str, mask: Bool) -> None:
        masks = self.drops.setdefault(split, {})
        masks[reason] = masks[reason] | mask if reason in masks else mask

    def left(self, split: str, *reasons: str) -> Bool:
        """Mask of the rows of a split that none of the reasons drops."""
        gone = np.zeros(len(self.splits[split]), bool)
        for reason in reasons:
            gone |= self.drops.get(split, {}).get(reason, False)
        return ~gone

    def without_leaks(self, split: str) -> list[Example]:
        """The rows of a split that loading keeps."""
        return [example for example, keep in zip(self.splits[split], self.left(split, "leaks")) if keep]


def first_ids(examples: Sequence[Example], mask: Bool) -> list[str]:
    return [examples[position].id for position in np.flatnonzero(mask)[:SHOWN]]


def labels_of(example: Example, true_only: bool = False) -> tuple[str, ...]:
    """The labels that a row names; of a label -> true or false mapping perhaps the true ones only."""
    output = example.output
    if isinstance(output, str):
        return (output,)
    if isinstance(output, dict):
        return tuple(label for label, true in output.items() if true or not true_only)
    return tuple(output)


def class_counts(examples: Sequence[Example]) -> dict[str, int]:
    """Label (of `extract` each filled field) -> rows that have it, the commonest first."""
    counts: Counter[str] = Counter()
    for example in examples:
        counts.update(labels_of(example, true_only=True))
    return dict(counts.most_common())
