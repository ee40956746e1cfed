"""The confidence from which answers are given locally, with a guarantee: Learn then Test, fixed sequence.

Source: Angelopoulos, Bates, Candès, Jordan and Lei (2021), "Learn then Test", arXiv 2110.01052.
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
    none could be shown to keep the promise; `message` says so. accepted, errors, p_value: on calibration, at the chosen
    threshold, or at the first one tried when none was chosen. coverage: accepted share of calibration. tried: how many
    of the sequence were tested.
    """

    threshold: float | None
    target: float
    delta: float
    n: int
    accepted: int
    errors: int
    p_value: float
    coverage: float
    tried: int
    message: str


def answers_needed(target: float, delta: float) -> int:
    """Error-free answers that alone would prove the target: ln δ / ln target, rounded up (59 at 0.95, 99 at 0.97)."""
    return math.ceil(math.log(delta) / math.log(target))


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
    thresholds: list[float], confidence: Array, right: Array, target: float = 0.95, delta: float = 0.05
) -> Threshold:
    """The laxest threshold before the first one whose p-value exceeds delta.

    The sequence is fixed beforehand, so each test runs at the full delta (fixed-sequence testing).

    Args:
        thresholds: from `freeze_thresholds`, strict to lax.
        confidence, right: of the calibration answers, shape (n,), no row of which chose the model or the thresholds;
            an accepted out-of-scope message is an error.
    Raises: ShapeError if the lengths differ or the thresholds do not descend.
    """
    confidence, right = np.asarray(confidence, float), np.asarray(right, bool)
    if confidence.shape != right.shape:
        raise ShapeError(f"{len(confidence)} confidences have {len(right)} outcomes; expected one each")
    if any(after >= before for before, after in pairwise(thresholds)):
        raise ShapeError("the thresholds do not descend; expected them from strict to lax")
    chosen: tuple[float | None, int, int, float] = (None, 0, 0, 1.0)
    tried = 0
    for tried, threshold in enumerate(thresholds, 1):  # noqa: B007
        taken = confidence >= threshold
        accepted, errors = int(taken.sum()), int((taken & ~right).sum())
        p_value = float(binom.cdf(errors, accepted, 1 - target))
        if p_value > delta:
            chosen = chosen if chosen[0] is not None else (None, accepted, errors, p_value)
            break
        chosen = (threshold, accepted, errors, p_value)
    value, accepted, errors, p_value = chosen
    n = len(confidence)
    message = _message(value, target, delta, accepted, n, bool(thresholds))
    return Threshold(value, target, delta, n, accepted, errors, p_value, accepted / max(n, 1), tried, message)


def _message(value: float | None, target: float, delta: float, accepted: int, n: int, tested: bool) -> str:
    promise = f"of the answers given locally at least {target:.0%} are right"
    if value is not None:
        share = f"{accepted / n:.0%} of the calibration rows are answered locally"
        return f"{promise}, with {1 - delta:.0%} confidence; {share}"
    if not tested:
        needed = math.ceil(2 * math.log(delta) / math.log(target))
        return f"no threshold could be tested: calibration has {n} rows and at least {needed} are needed"
    return f"no threshold reaches it: on {n} calibration rows it could not be shown that {promise}"
