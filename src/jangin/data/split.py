"""Dividing rows: stratified by label, never through a unit or between equal texts, the same for a seed and ids."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jangin.data.leaks import keys_of
from jangin.types import Example

Int = NDArray[np.int64]


def rows_for_test(count: int) -> int:
    """Size of a test split off a single file."""
    return min(5_000, round(0.2 * count))


def held_out_rows(count: int) -> int:
    """Size of a validation or calibration split off `count` rows of train."""
    return min(2_000, max(round(0.1 * count), 200 if count >= 1_000 else 0))


def calibration_rows(count: int) -> int:
    """Below 20,000 rows of train, calibration comes from out-of-fold predictions instead: every row then trains."""
    return held_out_rows(count) if count >= 20_000 else 0


def divide(examples: Sequence[Example], sizes: Sequence[int], seed: int, by_label: bool = True) -> list[list[Example]]:
    """[the rest, one part for each of `sizes`]: about that many rows each, every label in its share.

    Rows of one unit, and rows whose texts are equal but for case and punctuation, stay together. The last such group
    of a label stays in the rest, so that no label is lost from it. Rows keep their order. Without `by_label` (answers
    that are written) all rows are one stratum.
    """
    rank = _ranks([example.id for example in examples], seed)
    groups, strata = _groups(examples), _strata(examples) if by_label else [""] * len(examples)
    part = [0] * len(examples)
    carried = [0.0] * len(sizes)
    shares = [size / max(len(examples), 1) for size in sizes]
    for members in _ordered(rank, groups, strata):
        rows = sum(map(len, members))
        taken = [0] * len(sizes)
        wanted = [share * rows for share in shares]
        carried = [left + more for left, more in zip(carried, wanted)]
        for group in members[:-1]:
            for number, left in enumerate(carried):
                most = max(1, int(np.ceil(2 * wanted[number])))  # one label does not pay for what others could not give
                if left >= len(group) / 2 and (not taken[number] or taken[number] + len(group) <= most):
                    for row in group:
                        part[row] = number + 1
                    carried[number] -= len(group)
                    taken[number] += len(group)
                    break
    parts: list[list[Example]] = [[] for _ in range(len(sizes) + 1)]
    for example, number in zip(examples, part):
        parts[number].append(example)
    return parts


def _ranks(ids: Sequence[str], seed: int) -> Int:
    """A random order that depends on the seed and the ids alone."""
    salt = str(seed).encode()
    digests = [hashlib.blake2b(name.encode(), digest_size=8, salt=salt).digest() for name in ids]
    return np.frombuffer(b"".join(digests), ">i8").astype(np.int64)


def _groups(examples: Sequence[Example]) -> Int:
    """A number for each row, the same for rows that must stay together."""
    keys = keys_of(examples)
    texts = np.unique(keys.bare, return_inverse=True)[1]
    if keys.units is None:
        return texts
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    units = np.unique(keys.units, return_inverse=True)[1] + len(examples)
    edges = coo_array((np.ones(len(texts), bool), (texts, units)), shape=(2 * len(texts), 2 * len(texts)))
    return connected_components(edges, directed=False)[1][texts]


def _strata(examples: Sequence[Example]) -> list[str]:
    """Each row's label; for `tag` its rarest true label, which would else go missing from small parts."""
    tags = [_true_tags(example.output) for example in examples]
    frequency = Counter(label for labels in tags for label in labels)
    return [min(labels, key=lambda label: (frequency[label], label), default="") for labels in tags]


def _true_tags(output: object) -> tuple[str, ...]:
    if isinstance(output, str):
        return (output,)
    if isinstance(output, dict):
        return tuple(label for label, true in output.items() if true)
    return output if isinstance(output, tuple) else ()


def _ordered(rank: Int, groups: Int, strata: list[str]) -> list[list[list[int]]]:
    """For each stratum, in the order of labels, its groups in random order; a group belongs to its first row's."""
    order = np.argsort(rank, kind="stable")
    by_group = order[np.argsort(groups[order], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[by_group], prepend=-1))
    ends = np.append(starts[1:], len(by_group))
    turn = np.argsort(rank[by_group[starts]], kind="stable")  # a group's first row is its first in rank
    rows = by_group.tolist()
    by_stratum: dict[str, list[list[int]]] = {}
    for start, end in zip(starts[turn].tolist(), ends[turn].tolist()):
        by_stratum.setdefault(strata[rows[start]], []).append(rows[start:end])
    return [by_stratum[label] for label in sorted(by_stratum)]
