"""The metrics, each as a function of counts, so that a bootstrap can recompute it on thousands of resamples.

Answers come as arrays. `classify`: integers, shape (n,), -1 for no answer (abstained, refused, not parsed), which is
wrong. `tag`: booleans, shape (n, labels), and `known`, the same shape, False where the true label is unknown: such a
cell is left out. `auprc` takes scores, shape (n, labels), instead of booleans. Written answers (`evals/written.py`)
come as one of these two, or as marks: floats in [0, 1], shape (n,), beside a gold of ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jangin.errors import InputError, ShapeError

Array = np.ndarray

METRICS = {
    "classify": ("accuracy", "macro_f1", "micro_f1"),
    "tag": ("micro_f1", "macro_f1", "auprc"),
    "marks": ("mean",),
}


class Counts(NamedTuple):
    """A score as `finish(totals)`, where totals are the column sums of a sparse 0/1 matrix with one row per example.

    rows, columns: where the ones stand; width: the number of columns.
    finish: totals of shape (width, b) -> b scores.
    values: what stands there instead of ones; None: ones.
    """

    rows: Array
    columns: Array
    width: int
    finish: Callable[[Array], Array]
    values: Array | None = None

    def score(self) -> float:
        totals = np.bincount(self.columns, self.values, minlength=self.width)
        return float(self.finish(totals[:, None])[0])


class Ranking(NamedTuple):
    """Average precision, which depends on the order of `scores`: one entry per known cell, `rows` its example."""

    rows: Array
    gold: Array
    scores: Array

    def score(self) -> float:
        """`sklearn.metrics.average_precision_score`; 0 without a positive."""
        from sklearn.metrics import average_precision_score

        return float(average_precision_score(self.gold, self.scores)) if self.gold.any() else 0.0

    def weighted(self, weights: Array) -> Array:
        """The same with a weight on each cell, for b columns of weights at once: (cells, b) -> (b,).

        scikit-learn's function takes 2 ms a column, which is 20 s for a bootstrap; a test holds the two together.
        """
        order = np.argsort(-self.scores, kind="stable")
        sorted_scores = self.scores[order]
        last = np.append(np.nonzero(np.diff(sorted_scores))[0], len(order) - 1)  # equal scores are one step
        positive = np.cumsum(weights[order] * self.gold[order, None], axis=0)[last]
        answered = np.cumsum(weights[order], axis=0)[last]
        precision = np.divide(positive, answered, out=np.zeros(positive.shape), where=answered > 0)
        gained = np.diff(positive, axis=0, prepend=0.0)
        return (gained * precision).sum(axis=0) / np.maximum(positive[-1], 1)


Measure = Counts | Ranking


def score(metric: str, gold: Array, answers: Array, labels: int | None = None, known: Array | None = None) -> float:
    """The metric's value on all rows. Arguments as for `measure`."""
    return measure(metric, gold, answers, labels, known).score()


def measure(metric: str, gold: Array, answers: Array, labels: int | None = None, known: Array | None = None) -> Measure:
    """The metric in the form that can be resampled.

    Args:
        metric: one of METRICS.
        gold, answers: see the top of this file; a gold label of -1 stands outside the label set: nothing is right.
        labels: size of the fixed label set; needed for a classifier's macro-F1.
        known: `tag` only; None when every cell is known.
    Raises: InputError for a metric that the kind does not have; ShapeError if shapes differ.
    Source: macro-F1 is the mean over the fixed label set of 2tp / (gold + predicted) with 0/0 = 0 (Opitz and Burst
        2019, arXiv 1911.03347, "averaged F1"); auprc is the average precision over all known cells pooled.
    """
    gold, answers = np.asarray(gold), np.asarray(answers)
    kind = "tag" if gold.ndim == 2 else "marks" if gold.dtype.kind == "f" else "classify"
    if metric not in METRICS[kind]:
        raise InputError(f"metric '{metric}' is not one of {kind}'s: {', '.join(METRICS[kind])}", "mend `metric:`")
    if gold.shape != answers.shape:
        raise ShapeError(f"gold has shape {gold.shape} and the answers have {answers.shape}; they must be equal")
    if kind == "marks":
        rows, columns = np.tile(np.arange(len(gold)), 2), np.repeat([0, 1], len(gold))
        return Counts(rows, columns, 2, _share, np.concatenate([answers, gold]))
    if kind == "classify":
        return _of_labels(metric, gold, answers, labels)
    known = np.ones(gold.shape, bool) if known is None else np.asarray(known, bool)
    if known.shape != gold.shape:
        raise ShapeError(f"gold has shape {gold.shape} and `known` has {known.shape}; they must be equal")
    if metric == "auprc":
        rows, columns = np.nonzero(known)
        return Ranking(rows, gold[rows, columns].astype(bool), answers[rows, columns].astype(float))
    return _of_tags(metric, gold.astype(bool) & known, answers.astype(bool) & known)


def trivial_baseline(metric: str, gold: Array, labels: int | None = None, known: Array | None = None) -> float:
    """What an answer that never reads its input scores: the commonest label; for `tag`, every label on every row.

    For auprc it is the share of positives, which a constant score has.
    """
    gold = np.asarray(gold)
    if gold.ndim == 2:
        return score(metric, gold, np.ones(gold.shape, bool), labels, known)
    inside = gold[gold >= 0]
    commonest = np.bincount(inside).argmax() if inside.size else -1
    return score(metric, gold, np.full(gold.shape, commonest), labels)


def best_and_worst(metric: str, gold: Array, answers: Array, labels: int, unscored: Array) -> tuple[Array, Array]:
    """The answers with the unscored rows filled in as right, and as wrong in the way that costs most.

    Source: Manski (1990), American Economic Review 80:319: bounds without assumptions about what is missing.
    """
    gold, answers = np.asarray(gold), np.asarray(answers)
    right, wrong = answers.copy(), answers.copy()
    if metric == "auprc":
        low, high = answers.min() - 1.0, answers.max() + 1.0
        right[unscored] = np.where(gold[unscored], high, low)
        wrong[unscored] = np.where(gold[unscored], low, high)
    elif metric == "mean":
        right[unscored], wrong[unscored] = 1.0, 0.0
    elif gold.ndim == 2:
        right[unscored], wrong[unscored] = gold[unscored], ~gold[unscored].astype(bool)
    else:
        right[unscored] = gold[unscored]
        wrong[unscored] = _costliest(gold, answers, labels, unscored)
    return right, wrong


def _of_labels(metric: str, gold: Array, answers: Array, labels: int | None) -> Counts:
    n = len(gold)
    rows = np.arange(n)
    right = (gold == answers) & (gold >= 0)
    answered = answers >= 0
    if metric == "accuracy":
        return _stack([rows[right], rows], [np.zeros(right.sum(), int), np.ones(n, int)], 2, _share)
    if metric == "micro_f1":
        columns = [np.full(part.sum(), i) for i, part in enumerate((right, rows >= 0, answered))]
        return _stack([rows[right], rows, rows[answered]], columns, 3, _mean_f1)
    if labels is None or max(gold.max(initial=-1), answers.max(initial=-1)) >= labels:
        raise ShapeError(f"macro-F1 needs the size of the label set and every label below it; got labels={labels}")
    inside = gold >= 0
    columns = [gold[right], labels + gold[inside], 2 * labels + answers[answered]]
    return _stack([rows[right], rows[inside], rows[answered]], columns, 3 * labels, _mean_f1)


def _of_tags(metric: str, gold: Array, answers: Array) -> Counts:
    labels = gold.shape[1]
    parts = [np.nonzero(cells) for cells in (gold & answers, gold, answers)]
    width = labels if metric == "macro_f1" else 1
    columns = [i * width + (label if width > 1 else np.zeros_like(label)) for i, (_, label) in enumerate(parts)]
    return _stack([rows for rows, _ in parts], columns, 3 * width, _mean_f1)


def _stack(rows: list[Array], columns: list[Array], width: int, finish: Callable[[Array], Array]) -> Counts:
    return Counts(np.concatenate(rows), np.concatenate(columns).astype(int), width, finish)


def _share(totals: Array) -> Array:
    return totals[0] / np.maximum(totals[1], 1)


def _mean_f1(totals: Array) -> Array:
    """Totals (3·L, b), blocks of right, gold and predicted counts -> the mean over L of F1, with 0/0 = 0."""
    right, gold, predicted = totals.reshape(3, -1, totals.shape[1])
    size = gold + predicted
    return np.divide(2.0 * right, size, out=np.zeros(size.shape), where=size > 0).mean(axis=0)


def _costliest(gold: Array, answers: Array, labels: int, unscored: Array) -> Array:
    """Wrong labels for the unscored rows that lower macro-F1 most; for accuracy and micro-F1 all cost the same.

    A further false alarm costs a label less than the one before, so taking the dearest label each time is best. A label
    can take no more false alarms than there are unscored rows of other labels.
    """
    scored, truth = ~unscored, gold[unscored]
    right = np.bincount(gold[scored & (gold == answers) & (gold >= 0)], minlength=labels).astype(float)
    size = np.bincount(gold[gold >= 0], minlength=labels)
    size += np.bincount(answers[scored & (answers >= 0)], minlength=labels)
    room = len(truth) - np.bincount(truth[truth >= 0], minlength=labels)
    alarms = np.zeros(labels, int)
    while alarms.sum() < len(truth) and (alarms < room).any():
        cost = np.divide(right, size, out=np.zeros(labels), where=size > 0) - right / (size + 1)
        dearest = np.where(alarms < room, cost, -1.0).argmax()
        alarms[dearest] += 1
        size[dearest] += 1
    return _apart(truth, np.append(alarms, len(truth) - alarms.sum()))


def _apart(truth: Array, counts: Array) -> Array:
    """Hand out `counts[l]` answers l so that no row gets its own label; the last count is of no answer, -1.

    Rows and answers are laid out by label on two rings; turning one by the largest overlap parts every label's two
    stretches, as none of them exceeds the ring together.
    """
    labels = len(counts) - 1
    rows_end = np.cumsum(np.bincount(truth + 1, minlength=labels + 2))  # from label -1 on
    answers_start = np.concatenate([[0, 0], np.cumsum(counts)[:-1]])
    chosen = np.empty(len(truth), int)
    laid_out = np.repeat(np.append(np.arange(labels), -1), counts)
    chosen[np.argsort(truth, kind="stable")] = np.roll(laid_out, int((rows_end - answers_start).max()))
    return chosen
