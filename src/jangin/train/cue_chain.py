"""The chain over hand-made cues: its cues and weights from aligned rows, and the files that they become."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from jangin import bundle
from jangin.files import write_atomic
from jangin.models import linear
from jangin.models.copier import Lexicon
from jangin.models.cues import cues, know
from jangin.train import chain
from jangin.train.copying import Aligned, Plan

if TYPE_CHECKING:
    from jangin.train.written import WritingShop

FEWEST_SEEN = 2  # a cue of one piece teaches nothing about others
MOST_WEIGHTS = 40_000_000


class Chain(NamedTuple):
    lexicon: Lexicon
    row_of: dict[str, int]
    weights: chain.Weights


def fit_chain(rows: Sequence[Aligned], contexts: Sequence[str | None], plan: Plan, shop: WritingShop) -> Chain:
    """Cues, known values and weights of these rows."""
    from tqdm import tqdm

    known = know([(row.pieces, row.own) for row in rows])
    seen: Counter[str] = Counter()
    told = []
    for row, context in zip(rows, contexts):
        told.append(cues(row.pieces, known, context, frozenset(row.own)))
        for each in told[-1]:
            seen.update(set(each))
    labels = 1 + 2 * sum(leaf.copied for leaf in plan.form)
    kept = sorted((-count, cue) for cue, count in seen.items() if count >= FEWEST_SEEN)[: MOST_WEIGHTS // labels]
    names = sorted(cue for _, cue in kept)
    index = {cue: number for number, cue in enumerate(names)}
    tagged = chain.Tagged(
        csr([sorted({index[cue] for cue in each if cue in index}) for row in told for each in row], len(names)),
        np.cumsum([0, *(len(row.pieces) for row in rows)]),
        np.array([tag for row in rows for tag in row.tags], np.int64),
    )
    recipe = chain.Recipe()
    total = len(rows) * recipe.passes
    with tqdm(total=total, desc="learning to copy", unit=" rows", disable=shop.quiet, leave=False) as bar:
        weights = chain.fit(tagged, (labels - 1) // 2, recipe, shop.seed, bar)
    return Chain(Lexicon(names, known), index, weights)


def csr(columns: Sequence[Sequence[int]], width: int) -> Any:
    from scipy.sparse import csr_matrix

    start = np.cumsum([0, *map(len, columns)])
    flat = np.array([column for row in columns for column in row], np.int32)
    return csr_matrix((np.ones(len(flat), np.float32), flat, start), shape=(len(columns), width))


def save_chain(folder: Path, fitted: Chain) -> None:
    """Weights to int8 with one scale a cue; the transitions as they are."""
    from safetensors.numpy import save

    weight, scale = linear.quantise(fitted.weights.cue)
    tensors = {"cue.weight": weight, "cue.scale": scale, "move": fitted.weights.move}
    write_atomic(folder / bundle.TAGGER, save({name: np.ascontiguousarray(value) for name, value in tensors.items()}))
    write_atomic(folder / bundle.CUES, msgspec.json.encode(fitted.lexicon))
