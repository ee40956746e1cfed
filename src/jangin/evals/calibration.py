"""Are the probabilities true? Their errors; `train/head.py` fits the calibration itself, inside the head."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from jangin.errors import DataError, ShapeError
from jangin.evals.scorers import Array

BINS = 15


class Bin(msgspec.Struct, frozen=True):
    """Answers of similar confidence: how many, how sure on average, and what share is right."""

    n: int
    confidence: float
    right: float


class Calibration(msgspec.Struct, frozen=True):
    """Errors of probabilities; smaller is better. `tag` has no top label: there `top_label_error` is None."""

    n: int
    brier: float
    log_loss: float
    top_label_error: float | None
    marginal_error: float
    bins: list[Bin]


def calibration_of(probabilities: Array, gold: Array, known: Array | None = None) -> Calibration:
    """All errors at once. `bins`: top-label confidence, or for `tag` all known cells pooled.

    Args:
        probabilities: (n, labels). gold: `classify` labels (n,), or `tag` booleans (n, labels) with `known` alike.
    Raises: ShapeError when the shapes do not fit; DataError when there is no row.
    """
    probabilities, gold, known = _checked(probabilities, gold, known)
    if gold.ndim == 1:
        top = probabilities.argmax(axis=1)
        confidence, right = probabilities.max(axis=1), top == gold
    else:
        confidence, right = probabilities[known], gold[known]
    return Calibration(
        n=len(gold),
        brier=brier(probabilities, gold, known),
        log_loss=log_loss(probabilities, gold, known),
        top_label_error=calibration_error(confidence, right) if gold.ndim == 1 else None,
        marginal_error=marginal_error(probabilities, gold, known),
        bins=reliability(confidence, right),
    )


def brier(probabilities: Array, gold: Array, known: Array | None = None) -> float:
    """`classify`: mean over rows of the sum of (p - y)², in [0, 2]; `tag`: mean of (p - y)² over known cells.

    Source: Brier (1950), Monthly Weather Review 78:1.
    """
    probabilities, gold, known = _checked(probabilities, gold, known)
    squares = (probabilities - _one_hot(gold, probabilities.shape[1])) ** 2
    return float(squares.sum(axis=1).mean() if gold.ndim == 1 else squares[known].mean())


def log_loss(probabilities: Array, gold: Array, known: Array | None = None) -> float:
    """Mean of -ln p(truth) over rows, for `tag` over known cells; p is cut off at 1e-12."""
    probabilities, gold, known = _checked(probabilities, gold, known)
    if gold.ndim == 1:
        inside = gold >= 0
        truth = probabilities[inside, gold[inside]]
    else:
        truth = np.where(gold, probabilities, 1 - probabilities)[known]
    return float(-np.log(np.clip(truth, 1e-12, 1)).mean()) if truth.size else 0.0


def calibration_error(confidence: Array, right: Array, bins: int = BINS) -> float:
    """Root of the debiased squared calibration error, 0 where the debiased square is negative.

    Bins hold equally many answers; from each bin's squared gap the variance of its mean, which the plain estimate
    mistakes for miscalibration, is taken off: right(1 - right) / (n - 1).

    Args: confidence: (n,) in [0, 1]; right: (n,) booleans.
    Source: Kumar, Liang and Ma (2019), "Verified Uncertainty Calibration", arXiv 1909.10155, section 5.
    """
    return math.sqrt(max(_squared_error(confidence, right, bins), 0.0))


def marginal_error(probabilities: Array, gold: Array, known: Array | None = None, bins: int = BINS) -> float:
    """The same for every label's own probability: the root of the mean square over labels, each weighing the same.

    Source: Kumar, Liang and Ma (2019), the marginal calibration error.
    """
    probabilities, gold, known = _checked(probabilities, gold, known)
    true = _one_hot(gold, probabilities.shape[1])
    squares = [
        _squared_error(probabilities[known[:, k], k], true[known[:, k], k], bins)
        for k in range(probabilities.shape[1])
        if known[:, k].any()
    ]
    return math.sqrt(max(float(np.mean(squares)), 0.0)) if squares else 0.0


def reliability(confidence: Array, right: Array, bins: int = BINS) -> list[Bin]:
    """The calibration curve: at most `bins` bins of about equally many answers, equal confidences never parted."""
    order = np.argsort(confidence, kind="stable")
    confidence, right = np.asarray(confidence, float)[order], np.asarray(right, float)[order]
    starts = np.linspace(0, len(confidence), min(bins, len(confidence)), endpoint=False).astype(int)
    starts = np.unique(np.searchsorted(confidence, confidence[starts]))  # the first of equal confidences opens the bin
    return [
        Bin(n=len(part), confidence=float(part.mean()), right=float(share.mean()))
        for part, share in zip(np.split(confidence, starts[1:]), np.split(right, starts[1:]))
        if len(part)
    ]


def _squared_error(confidence: Array, right: Array, bins: int) -> float:
    """Of bins with at least two answers; negative where the gaps are smaller than chance makes them."""
    parts = [part for part in reliability(confidence, right, bins) if part.n > 1]
    gaps = [
        part.n * ((part.confidence - part.right) ** 2 - part.right * (1 - part.right) / (part.n - 1)) for part in parts
    ]
    return sum(gaps) / max(len(confidence), 1)


def _one_hot(gold: Array, labels: int) -> Array:
    return gold if gold.ndim == 2 else gold[:, None] == np.arange(labels)


def _checked(probabilities: Array, gold: Array, known: Array | None) -> tuple[Array, Array, Array]:
    probabilities, gold = np.asarray(probabilities, float), np.asarray(gold)
    known = np.ones(probabilities.shape, bool) if known is None else np.asarray(known, bool)
    expected = probabilities.shape if gold.ndim == 2 else probabilities.shape[:1]
    if probabilities.ndim != 2 or gold.shape != expected or known.shape != probabilities.shape:
        raise ShapeError(f"probabilities {probabilities.shape}, gold {gold.shape}, known {known.shape} do not fit")
    if not len(gold):
        raise DataError("there is no row to measure calibration on; expected at least 1", "give calibration more rows")
    return probabilities, gold.astype(bool) if gold.ndim == 2 else gold, known
