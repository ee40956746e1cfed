"""From which probability a copied value is given, and what each source weighs: decided on unseen rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jangin.evals.fields import Truth, all_right, count_fields
from jangin.models.copier import Read, decide
from jangin.models.form import Leaf, assemble
from jangin.train.copying import Aligned, Plan
from jangin.train.cue_chain import Chain
from jangin.types import Example

THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Scored(NamedTuple):
    """A text that no model has seen, and what they say of it, split by source: of the chain, and of the encoder."""

    example: Example
    aligned: Aligned
    context: str | None
    cue_scores: Any
    token_scores: Any
    chosen: dict[int, Any]


def settle(
    unseen: Sequence[Scored], fitted: Chain, plan: Plan, schema: Mapping[str, Any], metric: str, two: bool
) -> tuple[tuple[float, float], list[float], float]:
    """(weights of the two sources, a threshold a field, the metric's score with them), best on unseen rows.

    One threshold for all fields that hold a value, one for all that hold lists: more would be fitted to noise.
    """
    grid = [(cue, token) for cue in (0.5, 0.75, 1.0) for token in (0.3, 0.6, 1.0)] if two else [(1.0, 0.0)]
    best: tuple[float, tuple[float, float], list[float]] | None = None
    for weights in grid:
        read = [reading(each, fitted, plan, weights) for each in unseen]
        thresholds = [0.5] * len(plan.form)
        score = -1.0
        for many in (False, True):
            places = [at for at, leaf in enumerate(plan.form) if leaf.copied and leaf.many == many]
            if not places:
                continue
            found = []
            for value in THRESHOLDS:
                for at in places:
                    thresholds[at] = value
                found.append((score_of(unseen, read, plan.form, thresholds, schema, metric), -abs(value - 0.3), value))
            score, _, value = max(found)
            for at in places:
                thresholds[at] = value
        if best is None or score > best[0]:
            best = score, weights, list(thresholds)
    assert best is not None
    return best[1], best[2], best[0]


def reading(each: Scored, fitted: Chain, plan: Plan, weights: tuple[float, float]) -> Read:
    """As `Copier.read` gives it, from scores that are there already."""
    from jangin.models.chain import allowed, spans

    copied = [number for number, leaf in enumerate(plan.form) if leaf.copied]
    scores = weights[0] * each.cue_scores
    if each.token_scores is not None:
        scores = scores + weights[1] * each.token_scores
    move = weights[0] * fitted.weights.move.astype(np.float64)
    moves = np.where(allowed(len(copied)), np.exp(move), 0.0)
    found = [span._replace(field=copied[span.field]) for span in spans(scores, moves, plan.longest)]
    return Read(each.aligned.text, each.aligned.pieces, found, each.chosen)


def score_of(
    unseen: Sequence[Scored],
    read: Sequence[Read],
    form: Sequence[Leaf],
    thresholds: Sequence[float],
    schema: Mapping[str, Any],
    metric: str,
) -> float:
    """Field micro-F1, or the share of whole objects that are right."""
    right = size = whole = 0
    for each, one in zip(unseen, read):
        found = decide(form, one, thresholds)
        given = {
            number: [value for value, _ in part.values] if form[number].many else part.values[0][0]
            for number, part in found.items()
            if part.values
        }
        output = assemble(form, given, schema)
        gold = each.example.gold
        truth = Truth(each.example.output, gold if isinstance(gold, dict) else None)
        if metric == "exact_match":
            whole += all_right(output, truth)
            continue
        for count in count_fields(output, truth).values():
            right += count.right
            size += count.expected + count.right + count.wrong
    return whole / max(1, len(unseen)) if metric == "exact_match" else 2 * right / max(1, size)
