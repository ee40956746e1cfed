"""Thresholds of the answer: when a message is out of scope, and which tags are given. Set before the test is opened."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jangin.models.base import Floats, Rule
from jangin.train.targets import Rows

# What telling out-of-scope messages apart may cost: this share of the in-scope answers that were right.
IN_SCOPE_COST = 0.01
# A tag with fewer positive rows than this keeps the threshold 0.5: one tuned on a row or two is noise.
FEWEST_POSITIVES = 3


def make_rule(
    out_of_scope: str | None, labels: Sequence[str], calibration: tuple[Floats, Rows], validation: tuple[Floats, Rows]
) -> Rule:
    """`calibration`, `validation`: (probabilities, rows) that the model never saw."""
    if validation[1].known is not None:
        return Rule(tag_thresholds=tag_thresholds(*calibration))
    if out_of_scope is None or out_of_scope not in labels:
        return Rule()
    return Rule(out_of_scope, _out_of_scope_threshold(labels.index(out_of_scope), *validation))


def _out_of_scope_threshold(none: int, probabilities: Floats, rows: Rows) -> float:
    """The highest threshold that takes no more than IN_SCOPE_COST of the in-scope rows from right to wrong."""
    inside = (rows.gold >= 0) & (rows.gold != none)
    others = probabilities[inside].copy()
    right = others.argmax(axis=1) == rows.gold[inside]
    others[:, none] = -1
    confidence = np.sort(others.max(axis=1)[right])
    if not len(confidence):
        return 0.0
    lost = int(IN_SCOPE_COST * inside.sum())
    return float(confidence[min(lost, len(confidence) - 1)])


def tag_thresholds(probabilities: Floats, rows: Rows) -> list[float]:
    """For each label the threshold with the best F1 on its known calibration rows; 0.5 where few are positive."""
    assert rows.known is not None
    return [_best_f1(probabilities[k, j], rows.gold[k, j]) for j, k in enumerate(rows.known.T)]


def _best_f1(score: Floats, gold: np.ndarray) -> float:
    if gold.sum() < FEWEST_POSITIVES:
        return 0.5
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    hits = np.cumsum(gold[order])
    f1 = 2 * hits / (np.arange(1, len(score) + 1) + gold.sum())
    ends = np.append(ranked[1:] != ranked[:-1], True)  # equal scores are given or withheld together
    best = int(np.flatnonzero(ends)[f1[ends].argmax()])
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)
