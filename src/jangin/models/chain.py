"""A linear-chain conditional random field over pieces: what is likely, from scores of pieces and of neighbours.

Labels: 0 is outside; of field f (from 0) 1 + 2f begins a value and 2 + 2f goes on with it, which may follow only those
two. Everything is computed with probabilities scaled piece by piece, so that each step of many rows is one matrix
product. Source: Lafferty, McCallum and Pereira (2001); the scaling is Rabiner's (1989).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def begins(field: int) -> int:
    return 1 + 2 * field


def allowed(fields: int) -> NDArray[np.bool_]:
    """(labels, labels): may the second follow the first?"""
    labels = 1 + 2 * fields
    may = np.ones((labels, labels), bool)
    inside = np.arange(2, labels, 2)
    may[:, inside] = False
    may[inside - 1, inside] = may[inside, inside] = True
    return may


def first_allowed(fields: int) -> NDArray[np.bool_]:
    """(labels,): may a text begin so?"""
    may = np.ones(1 + 2 * fields, bool)
    may[2::2] = False
    return may


class Chained(NamedTuple):
    """n rows of at most t pieces, padded. forward and backward (t, n, labels), scaled so that their product is the
    marginal; emission (t, n, labels) as it was used; scale (t, n); log_z (n,)."""

    forward: Array
    backward: Array
    emission: Array
    scale: Array
    log_z: Array


def chain(scores: Array, lengths: NDArray[np.int64], moves: Array) -> Chained:
    """Forward and backward passes.

    Args: scores (n, t, labels), log-linear, of each piece; lengths (n,); moves (labels, labels): exp of the
        transitions' scores, 0 where one is not allowed.
    """
    n, size, labels = scores.shape
    top = scores.max(axis=2, keepdims=True)
    emission = np.exp(np.maximum(scores - top, -60.0)).transpose(1, 0, 2).copy()
    emission[0] *= first_allowed((labels - 1) // 2)
    live = np.arange(size)[:, None] < lengths[None, :]
    forward, backward = np.zeros((2, size, n, labels))
    scale = np.ones((size, n))
    state = emission[0]
    for at in range(size):
        if at:
            state = (forward[at - 1] @ moves) * emission[at]
        total = state.sum(axis=1)
        scale[at] = np.where(live[at], total, 1.0)
        forward[at] = np.where(live[at][:, None], state / np.maximum(total, 1e-300)[:, None], forward[at - 1])
    backward[size - 1] = 1.0
    for at in range(size - 2, -1, -1):
        back = (backward[at + 1] * emission[at + 1] / scale[at + 1][:, None]) @ moves.T
        backward[at] = np.where(live[at + 1][:, None], back, 1.0)
    log_z = (np.log(np.maximum(scale, 1e-300)) + np.where(live, top[:, :, 0].T, 0.0)).sum(axis=0)
    return Chained(forward, backward, emission, scale, log_z)


class Span(NamedTuple):
    """pieces[start:end] as a value of `field`, with the probability that exactly these are one."""

    field: int
    start: int
    end: int
    probability: float


def spans(scores: Array, moves: Array, longest: int, floor: float = 0.01) -> list[Span]:
    """Every span of one text at least as probable as `floor`, of at most `longest` pieces; the likeliest first.

    Args: scores (t, labels) of one text's pieces.
    """
    size, labels = scores.shape
    if not size:
        return []
    passed = chain(scores[None].astype(np.float64), np.array([size]), moves)
    forward, backward, emission, scale = (part[:, 0] for part in passed[:4])
    first, inside = np.arange(1, labels, 2), np.arange(2, labels, 2)
    step_in, stay = moves[first, inside], moves[inside, inside]
    # What follows a value that ends at a piece: anything but more of the same value.
    onward = backward * emission / scale[:, None]  # at piece t: mass from t on, given the label before
    outside = moves.copy()
    outside[first, inside] = outside[inside, inside] = 0.0
    leave = np.ones((size, labels))
    leave[:-1] = onward[1:] @ outside.T
    found = []
    marginal = forward * backward
    for start in range(size):
        mass = forward[start, first]  # P(prefix, label begins here), scaled
        live = marginal[start, first] >= floor
        if not live.any():
            continue
        label = first
        for end in range(start + 1, min(size, start + longest) + 1):
            chance = mass * leave[end - 1, label]
            for field in np.flatnonzero((chance >= floor) & live):
                found.append(Span(int(field), start, end, float(min(chance[field], 1.0))))
            if end == size:
                break
            mass = mass * (step_in if label is first else stay) * emission[end, inside] / scale[end]
            label = inside
            if not (mass >= floor * 1e-3).any():
                break
    return sorted(found, key=lambda each: (-each.probability, each))
