"""What is compared with what, and which routine of `stats.py` gives the limits."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from jangin.errors import InputError, ShapeError
from jangin.evals import stats
from jangin.evals.planning import alpha_at
from jangin.evals.scorers import Array, Measure, best_and_worst, measure
from jangin.types import Interval


class Recorded(msgspec.Struct, frozen=True, eq=False):
    """The reference's answers to the same rows; `unscored` marks transport failures, whose answers are not read."""

    answers: Array
    unscored: Array | None = None


class Published(msgspec.Struct, frozen=True):
    """A figure from the literature; `n` is the number of rows that it was measured on, None when not stated."""

    score: float
    n: int | None = None


class Comparison(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Everything that a verdict depends on. Arrays as `scorers.py` describes them.

    metric: one of scorers.METRICS. gold, ours: true and our answers, one row an example; ours -1 (or no cell) where
        the specialist abstained or failed.
    labels: size of the label set. known: `tag` only, False where the true label is unknown.
    reference, margin: what must be matched, and the non-inferiority margin (0: it must be beaten).
    at_least: an absolute bar. confidence, look: the k-th look tests at (1 - confidence) / 2^k, one-sided.
    units: sampling unit of each row (any values; equal values are one unit); None: every row is one.
    baseline: the score of a trivial answer; None: `scorers.trivial_baseline` on these rows.
    seed: of the bootstrap.
    """

    metric: str
    gold: Array
    ours: Array
    labels: int
    known: Array | None = None
    reference: Recorded | Published | None = None
    margin: float = 0.0
    at_least: float | None = None
    confidence: float = 0.95
    look: int = 1
    units: Array | None = None
    baseline: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.5 < self.confidence < 1:
            raise InputError(f"confidence is {self.confidence}; expected a number above 0.5 and below 1", "use 0.95")
        if self.look < 1:
            raise InputError(f"look is {self.look}; expected a count from 1", "count this test's registered looks")
        if self.margin < 0:
            raise InputError(f"margin is {self.margin}; expected a number of at least 0", "use 0.02")
        if len(self.gold) == 0:
            raise InputError("there is no row to compare on; expected at least 1", "check the test file")
        if self.units is not None and len(self.units) != len(self.gold):
            raise ShapeError(f"{len(self.gold)} rows have {len(self.units)} units; expected one each")

    @property
    def alpha(self) -> float:
        return alpha_at(self.confidence, self.look)

    @property
    def groups(self) -> int:
        """The number of sampling units."""
        return len(self.gold) if self.units is None else len(np.unique(self.units))


class Observed(NamedTuple):
    """What the rows show, without limits. `difference` and `reference_score` are over the scored rows.

    variance: of one unit's difference from the reference; from a published figure or without a reference, of one
        unit's own score. For planning.
    """

    score: float
    difference: float
    reference_score: float
    variance: float
    unscored: int


def observe(spec: Comparison) -> Observed:
    """Scores, difference and variance; quick, as no bootstrap runs. Without a reference the difference is the score."""
    score = _measure(spec, spec.ours).score()
    if not isinstance(spec.reference, Recorded):
        reference_score = 0.0 if spec.reference is None else spec.reference.score
        return Observed(score, score - reference_score, reference_score, _variance(spec, None), 0)
    theirs, unscored = _recorded(spec, spec.reference)
    part = _rows(spec, ~unscored)
    reference_score = _measure(part, theirs[~unscored]).score()
    difference = _measure(part, part.ours).score() - reference_score
    return Observed(score, difference, reference_score, _variance(part, theirs[~unscored]), int(unscored.sum()))


def score_interval(spec: Comparison) -> Interval:
    """Limits for our own score."""
    n = len(spec.gold)
    seen = _measure(spec, spec.ours)
    if is_share(spec):
        return stats.exact_limits(round(seen.score() * n), n, spec.alpha)
    units = _units(spec)
    errors = None if spec.metric == "auprc" else _differing(spec, units, spec.ours, spec.gold)
    reason = stats.too_few(spec.groups, errors, _positives(spec), "have an error")
    if reason:
        return stats.interval(None, None, spec.alpha, f"no limits: {reason}")
    return stats.resampled_limits(stats.on_units(seen, units), spec.groups, spec.alpha, (0.0, 1.0), spec.seed)


def difference_interval(spec: Comparison) -> Interval:
    """Limits for our score minus the reference's. Raises: InputError without a reference."""
    if isinstance(spec.reference, Published):
        return _published_limits(spec, spec.reference)
    if spec.reference is None:
        raise InputError("no reference was given; expected recorded answers or a published score", "name one in `bar:`")
    theirs, unscored = _recorded(spec, spec.reference)
    if not unscored.any():
        return _paired_limits(spec, theirs)
    right, wrong = best_and_worst(spec.metric, spec.gold, theirs, spec.labels, unscored)
    low, high = _paired_limits(spec, right), _paired_limits(spec, wrong)
    return msgspec.structs.replace(low, upper=high.upper)


def _published_limits(spec: Comparison, reference: Published) -> Interval:
    n = len(spec.gold)
    if spec.metric != "accuracy" or not reference.n:
        ours = score_interval(spec)
        lower, upper = (None if limit is None else limit - reference.score for limit in (ours.lower, ours.upper))
        return stats.interval(lower, upper, spec.alpha, f"compared with the figure, not with the model: {ours.method}")
    if is_share(spec):
        limits = stats.newcombe_limits(int(_right(spec, spec.ours).sum()), n, reference.score, reference.n, spec.alpha)
    else:
        score = _measure(spec, spec.ours).score()
        limits = stats.square_and_add(score, score_interval(spec), reference.score, reference.n, spec.alpha)
    method = f"{limits.method}; the reference's n ({reference.n:,}) is the published one"
    return msgspec.structs.replace(limits, method=method)


def _recorded(spec: Comparison, reference: Recorded) -> tuple[Array, Array]:
    """The reference's answers and which of them are unscored, checked."""
    theirs = np.asarray(reference.answers)
    unscored = np.zeros(len(spec.gold), bool) if reference.unscored is None else np.asarray(reference.unscored, bool)
    if theirs.shape != spec.gold.shape or len(unscored) != len(spec.gold):
        raise ShapeError(f"gold has shape {spec.gold.shape} and the reference's answers {theirs.shape}; expected equal")
    if unscored.all():
        raise InputError("all of the reference's answers are unscored; expected at least one", "record it again")
    if spec.metric == "auprc" and theirs.dtype.kind != "f":
        raise InputError("a hard-label reference has no auprc; expected a score for each label", "use micro_f1")
    return theirs, unscored


def _paired_limits(spec: Comparison, theirs: Array) -> Interval:
    if is_share(spec):
        return stats.tango_limits(*_discordant(spec, theirs), len(spec.gold), spec.alpha)
    units = _units(spec)
    reason = stats.too_few(spec.groups, _differing(spec, units, spec.ours, theirs), _positives(spec), "differ")
    if reason:
        return stats.interval(None, None, spec.alpha, f"paired, no limits: {reason}")
    limits = stats.resampled_limits(_difference(spec, theirs, units), spec.groups, spec.alpha, (-1.0, 1.0), spec.seed)
    return msgspec.structs.replace(limits, method=f"paired, {limits.method}")


def _variance(spec: Comparison, theirs: Array | None) -> float:
    """Of one unit's score, or difference: s(1 - s) or psi - d² for 0/1 scores (psi: the share that differs), else by
    the jackknife."""
    n = len(spec.gold)
    if not is_share(spec):
        units = _units(spec)
        statistic = (
            stats.on_units(_measure(spec, spec.ours), units) if theirs is None else _difference(spec, theirs, units)
        )
        return spec.groups * stats.jackknife_error(statistic, spec.groups) ** 2
    if theirs is None:
        share = _right(spec, spec.ours).mean()
        return float(share * (1 - share))
    ours_only, theirs_only = _discordant(spec, theirs)
    return (ours_only + theirs_only) / n - ((ours_only - theirs_only) / n) ** 2


def _difference(spec: Comparison, theirs: Array, units: Array) -> stats.Statistic:
    one, other = (stats.on_units(_measure(spec, answers), units) for answers in (spec.ours, theirs))
    return lambda weights: one(weights) - other(weights)


def _measure(spec: Comparison, answers: Array) -> Measure:
    return measure(spec.metric, spec.gold, answers, spec.labels, spec.known)


def is_share(spec: Comparison) -> bool:
    """One 0/1 score per independent unit."""
    return spec.metric == "accuracy" and spec.groups == len(spec.gold)


def _right(spec: Comparison, answers: Array) -> Array:
    return (answers == spec.gold) & (spec.gold >= 0)


def _discordant(spec: Comparison, theirs: Array) -> tuple[int, int]:
    ours_right, theirs_right = _right(spec, spec.ours), _right(spec, theirs)
    return int((ours_right & ~theirs_right).sum()), int((theirs_right & ~ours_right).sum())


def _units(spec: Comparison) -> Array:
    if spec.units is None:
        return np.arange(len(spec.gold))
    return np.unique(spec.units, return_inverse=True)[1]


def _differing(spec: Comparison, units: Array, one: Array, other: Array) -> int:
    unequal = one != other
    if unequal.ndim == 2:
        unequal = (unequal & (True if spec.known is None else spec.known)).any(axis=1)
    return len(np.unique(units[unequal]))


def _positives(spec: Comparison) -> int | None:
    if spec.metric != "auprc":
        return None
    return int((spec.gold.astype(bool) & (True if spec.known is None else spec.known)).sum())


def _rows(spec: Comparison, keep: Array) -> Comparison:
    """The same comparison on a part of the rows."""
    part = {name: None if (array := getattr(spec, name)) is None else array[keep] for name in ("known", "units")}
    return msgspec.structs.replace(spec, gold=spec.gold[keep], ours=spec.ours[keep], **part)
