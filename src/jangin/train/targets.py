"""Examples -> the arrays that fitting and scoring work on."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from jangin.prompt import render
from jangin.types import Example, Kind


class Rows(msgspec.Struct, frozen=True, eq=False):
    """n rows of one split.

    gold: `classify`: label index, int64 (n,), -1 for a label outside the set; `tag`: bool (n, labels).
    known: `tag`: bool (n, labels), False where the label is unknown; `classify`: None.
    groups: index of each row's sampling unit, int64 (n,), or None when every row is its own.
    """

    texts: list[str]
    gold: NDArray
    known: NDArray[np.bool_] | None
    groups: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.texts)


def rows_of(examples: Sequence[Example], labels: Sequence[str], kind: Kind) -> Rows:
    """Renders the inputs and looks the labels up."""
    texts = [render(example.input) for example in examples]
    index = {label: number for number, label in enumerate(labels)}
    units = [example.unit for example in examples]
    groups = None
    if any(unit is not None for unit in units):
        names = [unit if unit is not None else f"row {i}" for i, unit in enumerate(units)]
        groups = np.unique(names, return_inverse=True)[1].astype(np.int64)
    if kind == "classify":
        return Rows(texts, np.array([index.get(example.output, -1) for example in examples], np.int64), None, groups)
    gold, known = np.zeros((2, len(examples), len(labels)), bool)
    for row, example in enumerate(examples):
        for label, value in example.output.items():
            if label in index and value is not None:
                known[row, index[label]] = True
                gold[row, index[label]] = bool(value)
    return Rows(texts, gold, known, groups)


def join(first: Rows, second: Rows) -> Rows:
    """Both, one after the other. Units keep their rows together within each part; parts never share one."""
    if not len(second):
        return first
    groups = None
    if first.groups is not None or second.groups is not None:
        a = np.arange(len(first)) if first.groups is None else first.groups
        b = np.arange(len(second)) if second.groups is None else second.groups
        groups = np.concatenate((a, b + a.max(initial=-1) + 1))
    known = None
    if first.known is not None and second.known is not None:
        known = np.concatenate((first.known, second.known))
    return Rows(first.texts + second.texts, np.concatenate((first.gold, second.gold)), known, groups)
