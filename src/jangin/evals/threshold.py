"""The confidence from which answers are given locally, with a guarantee: Learn then Test, fixed sequence.

Source: Angelopoulos, Bates, Candès, Jordan and Lei (2021), "Learn then Test", arXiv 2110.01052. Answers that are right
or wrong are tested exactly (binomial); losses in between, such as the share of a document's fields that is wrong, by
the Hoeffding-Bentkus inequality (Bates et al. 2021, "Distribution-free, risk-controlling prediction sets", arXiv
2101.02703).
"""

from __future__ import annotations

import math
from itertools import pairwise

import msgspec
import numpy as np
from scipy.stats import binom

from jangin.errors import ShapeError
from jangin.evals.scorers import Array

MOST = 50  # thresholds in one sequence


class Threshold(msgspec.Struct, frozen=True):
    """The promise: of answers with confidence >= `threshold` at least `target` are right, with confidence 1 - delta.

    It holds on average over traffic like the calibration rows, out-of-scope messages included. threshold: None when
    none could be shown to keep the promise; `message` says so. accepted, errors (the sum of their losses), p_value: on
    calibration, at the chosen threshold, or at the first one tried when none was chosen. coverage: accepted share of
    calibration. tried: how many of the sequence were tested.
    """

    threshold: float | None
    target: float
    delta: float
    n: int
    accepted: int
    errors: float
    p_value: float
    coverage: float
    tried: int
    message: str


def answers_needed(target: float, delta: float) -> int:
    """Error-free answers that alone would prove the target: ln δ / ln target, rounded up (59 at 0.95, 99 at 0.97)."""
    return math.ceil(math.log(delta) / math.log(target))


def rows_needed(target: float, delta: float) -> int:
    """Calibration rows below which no threshold is tested, 2 ln δ / ln target: 117 at 0.95, 197 at 0.97."""
    return math.ceil(2 * math.log(delta) / math.log(target))


def freeze_thresholds(validation: Array, n_calibration: int, target: float = 0.95, delta: float = 0.05) -> list[float]:
    """At most 50 thresholds from strict to lax, chosen on validation, before calibration is looked at.

    The strictest is the one at which 2 ln δ / ln target of the calibration rows are expected to be accepted; the laxest
    accepts all of validation.

    Args: validation: confidence of each validation answer, shape (n,); n_calibration: rows of calibration.
    Returns: distinct thresholds, descending; empty when calibration is too small for the strictest.
    """
    confidence = np.sort(np.asarray(validation, float))[::-1]
    strictest = 2 * math.log(delta) / math.log(target) / n_calibration if n_calibration else math.inf
    if strictest > 1 or not confidence.size:
        return []
    shares = np.linspace(strictest, 1.0, MOST)
    at = np.ceil(shares * len(confidence) - 1e-9).astype(int) - 1
    return [float(value) for value in dict.fromkeys(confidence[np.maximum(at, 0)])]


def learn_then_test(
    thresholds: list[float],
    confidence: Array,
    loss: Array,
    target: float = 0.95,
    delta: float = 0.05,
    shares: str | None = None,
) -> Threshold:
    """The laxest threshold before the first one whose p-value exceeds delta.

    The sequence is fixed beforehand, so each test runs at the full delta (fixed-sequence testing).

    Args:
        thresholds: from `freeze_thresholds`, strict to lax.
        confidence, loss: of the calibration answers, shape (n,), no row of which chose the model or the thresholds;
            loss 0: right, 1: wrong (an accepted out-of-scope message is wrong), in between: partly.
        shares: what a loss is a share of ("fields"), also where every loss met here is 0 or 1; None: it may be either.
    Raises: ShapeError if the lengths differ, a loss is not in [0, 1] or the thresholds do not descend.
    """
    confidence, loss = np.asarray(confidence, float), np.asarray(loss, float)
    if confidence.shape != loss.shape:
        raise ShapeError(f"{len(confidence)} confidences have {len(loss)} outcomes; expected one each")
    if not ((loss >= 0) & (loss <= 1)).all():
        raise ShapeError("a loss lies outside [0, 1]")
    if any(after >= before for before, after in pairwise(thresholds)):
        raise ShapeError("the thresholds do not descend; expected them from strict to lax")
    binary = shares is None and bool(((loss == 0) | (loss == 1)).all())
    chosen: tuple[float | None, int, float, float] = (None, 0, 0.0, 1.0)
    tried = 0
    for tried, threshold in enumerate(thresholds, 1):  # noqa: B007
        taken = confidence >= threshold
        accepted, errors = int(taken.sum()), float(loss[taken].sum())
        if binary:
            p_value = float(binom.cdf(errors, accepted, 1 - target))
        else:
            p_value = hoeffding_bentkus(errors / max(accepted, 1), accepted, 1 - target)
        if p_value > delta:
            chosen = chosen if chosen[0] is not None else (None, accepted, errors, p_value)
            break
        chosen = (threshold, accepted, errors, p_value)
    value, accepted, errors, p_value = chosen
    n = len(confidence)
    message = _message(value, target, delta, accepted, n, bool(thresholds), shares)
    return Threshold(value, target, delta, n, accepted, errors, p_value, accepted / max(n, 1), tried, message)


def hoeffding_bentkus(mean: float, n: int, allowed: float) -> float:
    """p-value of "the expected loss is above `allowed`", from the mean of n losses in [0, 1]."""
    if n == 0 or mean >= allowed:
        return 1.0
    a, b = mean, allowed
    divergence = (a * math.log(a / b) if a else 0.0) + (1 - a) * math.log((1 - a) / (1 - b))
    bentkus = math.e * float(binom.cdf(math.ceil(n * mean - 1e-9), n, allowed))
    return min(1.0, math.exp(-n * divergence), bentkus)


def _message(
    value: float | None, target: float, delta: float, accepted: int, n: int, tested: bool, shares: str | None
) -> str:
    of = "of the answers given locally" if shares is None else f"of the {shares} of an answer given locally, on average"
    promise = f"{of} at least {percent(target)} are right"
    if value is not None:
        share = f"{accepted / n:.0%} of the calibration rows are answered locally"
        return f"{promise}, with {percent(1 - delta)} confidence; {share}"
    if not tested:
        needed = rows_needed(target, delta)
        return f"no threshold could be tested: calibration has {n} rows and at least {needed} are needed"
    return f"no threshold reaches it: on {n} calibration rows it could not be shown that {promise}"


def percent(share: float) -> str:
    """0.975 -> '97.5%': a promise is never rounded up."""
    return f"{round(100 * share, 10):g}%"
