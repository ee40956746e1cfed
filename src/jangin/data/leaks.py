"""The same text in two splits: which rows must go so that a score is honest. The test always keeps its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from jangin.data.text import bare_key, plain_text, verbatim_key
from jangin.types import Example

PRECEDENCE = ("test", "calibration", "validation", "train")  # a text is kept in the first split that has it

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


class Keys(msgspec.Struct, frozen=True):
    """Hashes of one split's texts, shape (n,) each; equal within this process for texts that count as the same."""

    verbatim: Int
    bare: Int
    units: Int | None


class Leak(msgspec.Struct, frozen=True):
    """Rows of `split` that stand in `kept_in`: masks over the rows of `split`, and the ids met in `kept_in`."""

    split: str
    kept_in: str
    dropped: Bool
    verbatim: Bool
    bare: Bool
    units: Bool
    met_verbatim: Bool
    met_bare: Bool
    met_units: Bool


def keys_of(examples: Sequence[Example]) -> Keys:
    texts = [plain_text(example.input) for example in examples]
    count = len(texts)
    units = None
    if any(example.unit is not None for example in examples):
        named = (hash(example.unit) if example.unit is not None else -1 - i for i, example in enumerate(examples))
        units = np.fromiter(named, np.int64, count)
    return Keys(
        np.fromiter((hash(verbatim_key(text)) for text in texts), np.int64, count),
        np.fromiter((hash(bare_key(text)) for text in texts), np.int64, count),
        units,
    )


def find_leaks(keys: Mapping[str, Keys]) -> list[Leak]:
    """For each pair of splits the rows of the later one in `PRECEDENCE` that also stand in the earlier one."""
    present = [name for name in PRECEDENCE if name in keys]
    return [
        _leak(split, keys[split], kept_in, keys[kept_in])
        for position, kept_in in enumerate(present)
        for split in present[position + 1 :]
    ]


def _leak(split: str, here: Keys, kept_in: str, there: Keys) -> Leak:
    verbatim, bare = np.isin(here.verbatim, there.verbatim), np.isin(here.bare, there.bare)
    if here.units is not None and there.units is not None:
        units, met_units = np.isin(here.units, there.units), np.isin(there.units, here.units)
    else:
        units, met_units = np.zeros_like(bare), np.zeros(len(there.bare), bool)
    return Leak(
        split=split,
        kept_in=kept_in,
        dropped=verbatim | bare | units,
        verbatim=verbatim,
        bare=bare,
        units=units,
        met_verbatim=np.isin(there.verbatim, here.verbatim),
        met_bare=np.isin(there.bare, here.bare),
        met_units=met_units,
    )


def drop_leaks(splits: Mapping[str, list[Example]]) -> dict[str, list[Example]]:
    """The splits without the rows that another split, earlier in `PRECEDENCE`, also holds."""
    leaks = find_leaks({name: keys_of(examples) for name, examples in splits.items()})
    clean = dict(splits)
    for name, examples in splits.items():
        masks = [leak.dropped for leak in leaks if leak.split == name]
        if masks and (gone := np.logical_or.reduce(masks)).any():
            clean[name] = [example for example, drop in zip(examples, gone) if not drop]
    return clean
