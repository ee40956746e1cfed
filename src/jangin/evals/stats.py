"""Limits for a score and for the difference of two scores: the front door for a statistician.

| data | routine | source |
|---|---|---|
| paired, one 0/1 score a unit | `tango_limits` | Tango (1998) |
| published accuracy with its n | `newcombe_limits` | Newcombe (1998), method 10 |
| one proportion against a bar | `exact_limits` | Clopper and Pearson (1934) |
| anything else, and units of several rows | `resampled_limits` | Efron (1987), and the jackknife's t |

`alpha` is always one-sided: each limit alone errs with probability `alpha`, and an Interval's `confidence` is the
two-sided 1 - 2·alpha. `comparison.py` chooses the routine, `verdict.py` reads the limits. The sizes that these limits
really have are in docs/simulations.md.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from scipy.optimize import brentq
from scipy.sparse import csr_array
from scipy.stats import DegenerateDataWarning, binomtest, bootstrap, norm, t
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from jangin.errors import ShapeError
from jangin.evals.scorers import Array, Counts, Measure
from jangin.types import Interval

MIN_UNITS, MIN_DIFFERING, MIN_POSITIVES = 50, 20, 30
CHUNK = 2_000_000  # index entries handled at once: bounds the memory at tens of MB

Number = Array | float
Statistic = Callable[[Array], Array]
"""Weights of shape (units, b), one column a resample -> b values."""


def interval(lower: float | None, upper: float | None, alpha: float, method: str) -> Interval:
    return Interval(lower=lower, upper=upper, confidence=round(1 - 2 * alpha, 12), method=method)


# Paired proportions ---------------------------------------------------------------------------------------------------


def tango_score(ours_only: Number, theirs_only: Number, n: Number, difference: Number) -> Array:
    """Tango's score statistic for H0: true difference = `difference`; standard normal under H0. Arrays broadcast.

    Args: ours_only, theirs_only: pairs that only we, only they, have right; n: pairs; difference in (-1, 1).
    Source: Tango (1998), Statistics in Medicine 17:891.
    """
    observed, variance = _tango_parts(ours_only, theirs_only, n, difference)
    with np.errstate(divide="ignore", invalid="ignore"):
        return observed / np.sqrt(variance)


def tango_limits(ours_only: int, theirs_only: int, n: int, alpha: float) -> Interval:
    """Limits for share right (ours) - share right (theirs) on the same n units, one 0/1 score each.

    Args: ours_only, theirs_only: units that only we, only they, have right; n: all units; alpha: one-sided.
    Returns: limits in score units; None when n == 0.
    Raises: ShapeError when the counts are negative or exceed n.
    Source: Tango (1998), Statistics in Medicine 17:891. The limits are where the score statistic is +z and -z.
    """
    method = "paired, Tango's score interval"
    if min(ours_only, theirs_only) < 0 or ours_only + theirs_only > n:
        raise ShapeError(f"{ours_only} + {theirs_only} differing pairs do not fit into {n}")
    if n == 0:
        return interval(None, None, alpha, method)
    z = float(norm.isf(alpha))
    seen = (ours_only - theirs_only) / n

    def gap(difference: float, sign: int) -> float:
        observed, variance = _tango_parts(ours_only, theirs_only, n, difference)
        return float(observed - sign * z * np.sqrt(variance))

    # With no differing pair the variance vanishes at `seen` itself, a root that is not the limit: stay clear of it.
    aside = 1e-12
    lower = -1.0 if seen == -1 else brentq(gap, -1.0, seen - aside, args=(1,), xtol=1e-14)
    upper = 1.0 if seen == 1 else brentq(gap, seen + aside, 1.0, args=(-1,), xtol=1e-14)
    return interval(float(lower), float(upper), alpha, method)


def _tango_parts(b: Number, c: Number, n: Number, d: Number) -> tuple[Number, Array]:
    """Observed minus expected number of pairs in our favour, and its variance at the constrained estimate."""
    linear = -b - c + (2 * n - b + c) * d
    root = np.sqrt(np.maximum(linear**2 + 8 * n * c * d * (1 - d), 0))
    theirs_share = (root - linear) / (4 * n)
    return b - c - n * d, np.maximum(n * (2 * theirs_share + d * (1 - d)), 0)


# Proportions that are not paired --------------------------------------------------------------------------------------


def newcombe_limits(right: int, n: int, published: float, published_n: int, alpha: float) -> Interval:
    """Limits for right/n - published accuracy, the published one being a share of `published_n` other draws.

    The published count is rounded up, against us.
    Source: Newcombe (1998), Statistics in Medicine 17:873, method 10; statsmodels `confint_proportions_2indep`.
    """
    lower, upper = confint_proportions_2indep(
        right,
        n,
        published_count(published, published_n),
        published_n,
        method="newcomb",
        compare="diff",
        alpha=2 * alpha,
    )
    return interval(float(lower), float(upper), alpha, "unpaired, Newcombe's hybrid score interval")


def published_count(score: float, n: int) -> int:
    """The count of right answers behind a published share, rounded up; a float's last digits do not count."""
    return min(n, math.ceil(round(score * n, 6)))


def exact_limits(right: int, n: int, alpha: float) -> Interval:
    """Limits for a share of n independent units.

    Source: Clopper and Pearson (1934), Biometrika 26:404; `scipy.stats.binomtest(...).proportion_ci(..., "exact")`.
    """
    method = "exact binomial interval (Clopper and Pearson)"
    if n == 0:
        return interval(None, None, alpha, method)
    limits = binomtest(right, n).proportion_ci(1 - 2 * alpha, "exact")
    return interval(float(limits.low), float(limits.high), alpha, method)


def square_and_add(score: float, ours: Interval, published: float, published_n: int, alpha: float) -> Interval:
    """Newcombe's hybrid when our rows are not independent: our limits come from whole units, theirs from Wilson.

    Source: Zou and Donner (2008), Statistics in Medicine 27:1693; with Wilson's limits on both sides it is method 10.
    """
    method = f"unpaired, limits squared and added (Zou and Donner): ours by {ours.method}, the reference's by Wilson"
    if ours.lower is None or ours.upper is None:
        return interval(None, None, alpha, ours.method)
    count = published_count(published, published_n)
    low, high = proportion_confint(count, published_n, 2 * alpha, method="wilson")
    share = count / published_n
    lower = score - share - math.hypot(score - ours.lower, high - share)
    upper = score - share + math.hypot(ours.upper - score, share - low)
    return interval(float(lower), float(upper), alpha, method)


# Resampling of whole units --------------------------------------------------------------------------------------------


def on_units(measure: Measure, units: Array) -> Statistic:
    """The measure as a function of weights on units. `units`: unit of each example, integers from 0."""
    groups = int(units.max(initial=-1)) + 1
    if isinstance(measure, Counts):
        ones = np.ones(len(measure.rows)) if measure.values is None else measure.values
        # Duplicates are added up: entry (k, g) is how often column k occurs in unit g. Sums of integers are exact.
        totals = csr_array((ones, (measure.columns, units[measure.rows])), shape=(measure.width, groups))
        return lambda weights: measure.finish(totals @ weights)
    cell_units = units[measure.rows]
    at_once = max(1, CHUNK // len(cell_units))

    def ranked(weights: Array) -> Array:
        parts = np.array_split(weights, range(at_once, weights.shape[1], at_once), axis=1)
        return np.concatenate([measure.weighted(part[cell_units]) for part in parts])

    return ranked


def resamples(alpha: float) -> int:
    """B = max(10⁴, 100/α): at least 100 resamples lie beyond each limit."""
    return max(10_000, math.ceil(100 / alpha))


def resampled_limits(
    statistic: Statistic, groups: int, alpha: float, span: tuple[float, float], seed: int = 0
) -> Interval:
    """Each limit the wider of the bootstrap's BCa and the jackknife's t, whole units being drawn.

    Args:
        statistic: see `on_units`; groups: number of units.
        alpha: one-sided; span: the values that the statistic can take: limits are clipped to it.
    Returns: limits; None where nothing varies.
    Source: Efron (1987), JASA 82:171, by `scipy.stats.bootstrap`; Efron and Tibshirani (1993), chapter 11.
    """
    lower, upper = jackknife_limits(statistic, groups, alpha)
    if lower is None or upper is None:
        return interval(None, None, alpha, "no limits: the score is the same whichever unit is left out")
    drawn = resamples(alpha)
    method = f"bootstrap of whole units (BCa, {drawn:,} resamples) or the jackknife's t, the wider for each limit"
    bca = bca_limits(statistic, groups, alpha, drawn, seed)
    if bca is None:
        method = "the jackknife's t over units (the bootstrap's BCa could not be computed)"
    else:
        lower, upper = min(lower, bca[0]), max(upper, bca[1])
    return interval(max(lower, span[0]), min(upper, span[1]), alpha, method)


def jackknife_limits(statistic: Statistic, groups: int, alpha: float) -> tuple[float, float] | tuple[None, None]:
    """Estimate ± t with groups - 1 degrees of freedom times the jackknife's standard error; None if that is 0."""
    error = jackknife_error(statistic, groups)
    if not error:
        return None, None
    seen = float(statistic(np.ones((groups, 1)))[0])
    reach = float(t.isf(alpha, groups - 1)) * error
    return seen - reach, seen + reach


def jackknife_error(statistic: Statistic, groups: int) -> float:
    """The jackknife's standard error over units; 0.0 where the values agree to rounding, or with fewer than two."""
    if groups < 2:
        return 0.0
    values = np.concatenate([statistic(weights) for weights in _leave_one_out(groups)])
    error = math.sqrt((groups - 1) / groups * float(((values - values.mean()) ** 2).sum()))
    return error if error > 1e-12 else 0.0


def bca_limits(
    statistic: Statistic, groups: int, alpha: float, drawn: int, seed: int = 0
) -> tuple[float, float] | None:
    """BCa limits by `scipy.stats.bootstrap` over unit indices; None where they cannot be computed."""

    def of_indices(indices: Array, axis: int = -1) -> Array:
        rows = np.asarray(indices, np.intp).reshape(-1, indices.shape[-1])
        return statistic(_weights(rows, groups)).reshape(indices.shape[:-1])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        limits = bootstrap(
            (np.arange(groups),),
            of_indices,
            n_resamples=drawn,
            batch=max(1, CHUNK // groups),
            vectorized=True,
            confidence_level=1 - 2 * alpha,
            method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    if not (math.isfinite(limits.low) and math.isfinite(limits.high)):
        return None
    return float(limits.low), float(limits.high)


def too_few(units: int, differing: int | None, positives: int | None, what: str) -> str | None:
    """Why resampling would not give trustworthy limits, or None. Arguments that do not apply are None.

    `what` says in words what the differing units do: "differ" from the reference's, or "have an error".
    """
    if units < MIN_UNITS:
        return f"only {units} units; resampling needs at least {MIN_UNITS}"
    if differing is not None and differing < MIN_DIFFERING:
        return f"only {differing} units {what}; resampling needs at least {MIN_DIFFERING}"
    if positives is not None and positives < MIN_POSITIVES:
        return f"only {positives} positives; average precision needs at least {MIN_POSITIVES}"
    return None


def _weights(indices: Array, groups: int) -> Array:
    """Index rows (b, k) -> how often each unit was drawn, (groups, b)."""
    b = len(indices)
    keys = indices * b + np.arange(b)[:, None]
    return np.bincount(keys.ravel(), minlength=groups * b).reshape(groups, b).astype(float)


def _leave_one_out(groups: int) -> Iterator[Array]:
    step = max(1, CHUNK // groups)
    for start in range(0, groups, step):
        left_out = np.arange(start, min(start + step, groups))
        weights = np.ones((groups, len(left_out)))
        weights[left_out, np.arange(len(left_out))] = 0.0
        yield weights
