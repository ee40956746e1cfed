"""Rows set apart to test the promise: nothing that is fitted, calibrated or chosen may look at them.

Probabilities, the thresholds of tags and the end of a training are decided on rows held out of train. A threshold of
the cascade tested on those same rows would be too good: they were made to look right there. So those rows are halved by
chance: one half decides as before, the other is answered once, by what was packed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from jangin.evals.threshold import rows_needed
from jangin.policy import Policy
from jangin.routing.trust import asked_of
from jangin.types import Example

SALT = 0x70726F6D  # another stream of chance than folds and divisions of the same seed


def spared(units: Sequence[Hashable], policy: Policy, seed: int) -> NDArray[np.bool_]:
    """(n,) which rows test the promise: half of the units, by chance, never through one.

    No row does where that half would be too small to test the task's promise: then all rows decide, and it stays
    untested.
    """
    target, confidence, _ = asked_of(policy)
    number = unit_numbers(units)
    count = int(number.max(initial=-1)) + 1
    if count // 2 < rows_needed(target, 1 - confidence):
        return np.zeros(len(units), bool)
    chosen = np.random.default_rng([seed, SALT]).permutation(count)[: count // 2]
    return np.isin(number, chosen)


def halve(examples: list[Example], policy: Policy, seed: int) -> tuple[list[Example], list[Example]]:
    """(rows that decide, rows that test the promise), in their order."""
    mask = spared(units_of(examples), policy, seed).tolist()
    return [row for row, apart in zip(examples, mask) if not apart], [
        row for row, apart in zip(examples, mask) if apart
    ]


def unit_numbers(units: Sequence[Hashable]) -> NDArray[np.int64]:
    """0, 1, ... in the order in which the units first come."""
    place = {unit: at for at, unit in enumerate(dict.fromkeys(units))}
    return np.array([place[unit] for unit in units], np.int64)


def units_of(examples: Sequence[Example]) -> list[tuple[bool, str]]:
    """What rows must stay together by: their unit, or each its own id."""
    return [(False, row.id) if row.unit is None else (True, row.unit) for row in examples]


def one_a_unit(units: Sequence[Hashable], seed: int) -> NDArray[np.intp]:
    """One row of each unit, by chance: the tests count rows that know nothing of each other."""
    order = np.random.default_rng([seed, SALT + 1]).permutation(len(units))
    first: dict[Hashable, int] = {}
    for row in order.tolist():
        first.setdefault(units[row], row)
    return np.sort(np.fromiter(first.values(), np.intp, len(first)))


def a_third(count: int, seed: int) -> NDArray[np.bool_]:
    """(count,) by chance: the answers that freeze thresholds for the rest."""
    return np.random.default_rng([seed, SALT + 2]).permutation(count) < count // 3
