"""Fits the chain of `models/chain.py`: a few passes over train, AdaGrad, only the cues of a batch touched at a time.

The objective is the likelihood of the tags with an L2 penalty, spread over the batches that a cue stands in; the
weights are the mean of those after each pass of the second half, which costs nothing and steadies them. Sources: Duchi,
Hazan and Singer (2011) for the update, Polyak and Juditsky (1992) for the mean.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from jangin.models.base import Floats
from jangin.models.chain import allowed, chain


class Recipe(msgspec.Struct, frozen=True):
    """passes over train; rows of a batch; step: AdaGrad's; penalty: L2; drop: share of cues left out of each piece."""

    passes: int = 12
    batch_rows: int = 16
    step: float = 0.2
    penalty: float = 0.3
    drop: float = 0.1


class Tagged(msgspec.Struct, frozen=True, eq=False):
    """n texts, one after the other. cues: CSR of 0/1, (pieces, v); start (n + 1,); tags (pieces,); extra: (pieces,
    labels) scores that are given, or None."""

    cues: Any
    start: NDArray[np.int64]
    tags: NDArray[np.int64]
    extra: Floats | None = None


class Weights(msgspec.Struct, frozen=True, eq=False):
    """cue (v, labels), move (labels, labels) scores."""

    cue: Floats
    move: Floats


def fit(rows: Tagged, fields: int, recipe: Recipe, seed: int, progress: Any = None) -> Weights:
    """The same weights for the same rows and seed."""
    rng = np.random.default_rng(seed)
    labels, size = 1 + 2 * fields, rows.cues.shape[1]
    may = allowed(fields)
    weight, move = np.zeros((size, labels), np.float32), np.zeros((labels, labels))
    weight_sum, move_sum = np.full((size, labels), 1e-2, np.float32), np.full((labels, labels), 1e-2)
    lengths = np.diff(rows.start)
    number = len(lengths)
    batches = max(1, -(-number // recipe.batch_rows))
    appear = np.zeros(size)
    for row in range(number):
        appear[np.unique(rows.cues[rows.start[row] : rows.start[row + 1]].indices)] += 1
    spread = (recipe.penalty / np.maximum(1.0, np.minimum(appear, batches))).astype(np.float32)
    first = recipe.passes // 2
    mean_weight, mean_move = np.zeros_like(weight), np.zeros_like(move)
    for turn in range(recipe.passes):
        order = rng.permutation(number)
        # Batches of like length waste little on padding.
        order = order[np.argsort(lengths[order] // 4, kind="stable")]
        parts = [order[at : at + recipe.batch_rows] for at in range(0, number, recipe.batch_rows)]
        for part in (parts[at] for at in rng.permutation(len(parts))):
            part = part[lengths[part] > 0]
            if not len(part):
                continue
            _step(rows, part, lengths, may, weight, move, weight_sum, move_sum, spread, batches, recipe, rng)
        if turn >= first:
            mean_weight += weight / (recipe.passes - first)
            mean_move += move / (recipe.passes - first)
        if progress is not None:
            progress.update(number)
    return Weights(mean_weight, np.where(may, mean_move, 0.0).astype(np.float32))


def _step(
    rows: Tagged,
    part: NDArray,
    lengths: NDArray,
    may: NDArray,
    weight: Floats,
    move: NDArray,
    weight_sum: Floats,
    move_sum: NDArray,
    spread: Floats,
    batches: int,
    recipe: Recipe,
    rng: np.random.Generator,
) -> None:
    from scipy.sparse import csr_matrix

    pieces = np.concatenate([np.arange(rows.start[row], rows.start[row + 1]) for row in part])
    own = rows.cues[pieces]
    columns, place = np.unique(own.indices, return_inverse=True)
    kept = (rng.random(len(place)) >= recipe.drop).astype(np.float32) / (1 - recipe.drop)
    small = csr_matrix((kept, place, own.indptr), shape=(len(pieces), len(columns)))
    used = weight[columns]
    flat = small @ used
    if rows.extra is not None:
        flat = flat + rows.extra[pieces]
    long = lengths[part]
    row_of, at_of = np.repeat(np.arange(len(part)), long), np.concatenate([np.arange(size) for size in long])
    scores = np.zeros((len(part), long.max(), weight.shape[1]))
    scores[row_of, at_of] = flat
    moves = np.where(may, np.exp(move), 0.0)
    passed = chain(scores, long, moves)
    tags = rows.tags[pieces]
    slope = (passed.forward * passed.backward)[at_of, row_of]
    slope[np.arange(len(pieces)), tags] -= 1.0
    follows = at_of > 0
    later, row = at_of[follows], row_of[follows]
    ahead = (passed.backward * passed.emission / passed.scale[:, :, None])[later, row]
    move_slope = (passed.forward[later - 1, row].T @ ahead) * moves
    inner = np.flatnonzero(follows)
    np.subtract.at(move_slope, (tags[inner - 1], tags[inner]), 1.0)
    move_slope += recipe.penalty / batches * move
    down = small.T @ slope.astype(np.float32) + spread[columns, None] * used
    sums = weight_sum[columns] + down * down
    weight_sum[columns] = sums
    weight[columns] = used - recipe.step * down / np.sqrt(sums)
    move_sum += move_slope**2
    move -= recipe.step * move_slope / np.sqrt(move_sum) * may
