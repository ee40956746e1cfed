"""From limits to a verdict. `certify` calls `compare`; `certify --verify` calls it again on the recorded answers."""

from __future__ import annotations

from typing import Literal

import msgspec

from jangin.errors import InputError
from jangin.evals import planning
from jangin.evals.comparison import (
    Comparison,
    Observed,
    Published,
    difference_interval,
    is_share,
    observe,
    score_interval,
)
from jangin.evals.scorers import trivial_baseline
from jangin.types import Interval

Verdict = Literal["superior", "non-inferior", "inferior", "inconclusive"]

WEAKEST_FIRST: tuple[Verdict, ...] = ("inferior", "inconclusive", "non-inferior", "superior")
PASSES: tuple[Verdict, ...] = ("non-inferior", "superior")


class Bar(msgspec.Struct, frozen=True):
    """One bar's own verdict. `lower` and `upper` are limits for `difference`: our score minus the bar's.

    n_needed: fresh units that would settle it if the true difference is the one seen; n_needed_if_equal: if it is 0.
        Given for an inconclusive bar; None there means that no number suffices, or, without limits, that none is known.
    """

    kind: Literal["reference", "at_least"]
    verdict: Verdict
    difference: float
    lower: float | None
    upper: float | None
    method: str
    notes: list[str]
    n_needed: int | None = None
    n_needed_if_equal: int | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict and everything that it rests on, in the metric's unit.

    n: rows; units: sampling units; alpha: one-sided level of this look; confidence: of the displayed two-sided limits,
    1 - 2·alpha. difference, lower, upper, method, n_needed_if_equal: of the reference's bar, or of `at_least` when that
    is the only one; `bars` has each with its own verdict. n_needed: settles every inconclusive bar. paired: None when
    there is no reference.
    """

    metric: str
    verdict: Verdict
    score: float
    score_lower: float | None
    score_upper: float | None
    score_method: str
    reference_score: float | None
    baseline: float
    difference: float
    lower: float | None
    upper: float | None
    confidence: float
    alpha: float
    look: int
    method: str
    paired: bool | None
    measurably_worse: bool
    unscored: int
    n: int
    units: int
    n_needed: int | None
    n_needed_if_equal: int | None
    bars: list[Bar]
    notes: list[str]


def compare(spec: Comparison) -> Result:
    """The verdict on one registered comparison. The same spec gives the same result, bit for bit.

    Two bars must both hold, each at the look's level (Berger 1982, Technometrics 24:295), so the weaker verdict is the
    overall one.
    Raises: InputError when the spec has neither a reference nor `at_least`; ShapeError when arrays do not match.
    """
    if spec.reference is None and spec.at_least is None:
        raise InputError("there is no bar; expected a reference, `at_least`, or both", "set `bar:` in the task file")
    seen, own = observe(spec), score_interval(spec)
    bars = []
    if spec.reference is not None:
        bars.append(_reference_bar(spec, seen, own))
    if spec.at_least is not None:
        bars.append(_absolute_bar(spec, spec.at_least, seen.score, own))
    first = bars[0]
    worse = first.kind == "reference" and first.upper is not None and first.upper < 0
    return Result(
        metric=spec.metric,
        verdict=min((bar.verdict for bar in bars), key=WEAKEST_FIRST.index),
        score=seen.score,
        score_lower=own.lower,
        score_upper=own.upper,
        score_method=own.method,
        reference_score=seen.reference_score if spec.reference is not None else None,
        baseline=baseline_of(spec),
        difference=first.difference,
        lower=first.lower,
        upper=first.upper,
        confidence=own.confidence,
        alpha=spec.alpha,
        look=spec.look,
        method=first.method,
        paired=None if spec.reference is None else not isinstance(spec.reference, Published),
        measurably_worse=worse,
        unscored=seen.unscored,
        n=len(spec.gold),
        units=spec.groups,
        n_needed=_most([bar.n_needed for bar in bars if bar.verdict == "inconclusive"]),
        n_needed_if_equal=first.n_needed_if_equal,
        bars=bars,
        notes=list(dict.fromkeys(note for bar in bars for note in bar.notes)),
    )


def _most(needed: list[int | None]) -> int | None:
    """What settles every open bar; None where one cannot be settled, or none is open."""
    known = [n for n in needed if n is not None]
    return max(known, default=None) if len(known) == len(needed) else None


def decide(lower: float | None, upper: float | None, margin: float) -> Verdict:
    """Superior: lower > 0; non-inferior: lower > -margin; inferior: upper < -margin; else inconclusive.

    One interval serves both tests without a penalty (closed testing).
    Source: Morikawa and Yoshida (1995), Journal of Biopharmaceutical Statistics 5:297.
    """
    if lower is not None and lower > 0:
        return "superior"
    if lower is not None and lower > -margin:
        return "non-inferior"
    if upper is not None and upper < -margin:
        return "inferior"
    return "inconclusive"


def decide_absolute(lower: float | None, upper: float | None, at_least: float) -> Verdict:
    """The bar is met when lower >= at_least; told in the same four words.

    Superior: the lower limit is above the bar; non-inferior: it stands exactly on it; inferior: the upper limit is
    below it; else inconclusive.
    """
    if lower is not None and lower >= at_least:
        return "superior" if lower > at_least else "non-inferior"
    return "inferior" if upper is not None and upper < at_least else "inconclusive"


def baseline_of(spec: Comparison) -> float:
    """The task's floor, or what the majority class scores on these rows."""
    if spec.baseline is not None:
        return spec.baseline
    return trivial_baseline(spec.metric, spec.gold, spec.labels, spec.known)


def usable_margin(spec: Comparison, reference_score: float) -> tuple[float, str | None]:
    """The margin if it is at most half of the reference's lead over the baseline; else 0 and why.

    Source: FDA (2016), Non-Inferiority Clinical Trials to Establish Effectiveness: keep half of the control's effect.
    """
    lead = reference_score - baseline_of(spec)
    if not spec.margin or spec.margin <= lead / 2 + 1e-12:
        return spec.margin, None
    return 0.0, (
        f"the margin {spec.margin:g} is more than half of the reference's lead over the trivial baseline "
        f"({max(lead, 0.0):.3f}): non-inferiority cannot be claimed, only superiority"
    )


def _reference_bar(spec: Comparison, seen: Observed, own: Interval) -> Bar:
    limits = difference_interval(spec)
    notes = _reference_notes(spec, seen, limits)
    verdict = decide(limits.lower, limits.upper, spec.margin)
    baseline = baseline_of(spec)
    above = own.lower is not None and own.lower > baseline
    margin, why = usable_margin(spec, seen.reference_score)
    if why:
        notes.append(why)
    if not above:
        notes.append(f"the specialist's score is not shown to be above the trivial baseline ({baseline:.3f})")
    if verdict == "non-inferior" and (why or not above):
        verdict = "inconclusive"
    bar = Bar("reference", verdict, seen.difference, limits.lower, limits.upper, limits.method, notes)
    if verdict != "inconclusive":
        return bar
    needed, if_equal = _rows_to_settle(spec, seen, margin)
    if not above:
        alone = observe(msgspec.structs.replace(spec, reference=None))
        to_baseline = planning.rows_needed(
            alone.variance, alone.score - baseline, 0.0, planning.alpha_at(spec.confidence, 1)
        )
        needed, if_equal = _most([needed, to_baseline]), _most([if_equal, to_baseline])
    return msgspec.structs.replace(bar, n_needed=needed, n_needed_if_equal=if_equal)


def _reference_notes(spec: Comparison, seen: Observed, limits: Interval) -> list[str]:
    notes = []
    if seen.unscored:
        notes.append(
            f"{seen.unscored:,} of the reference's {len(spec.gold):,} answers are unscored (transport failures): the "
            "lower limit takes them as right, the upper as wrong; the difference leaves them out"
        )
    if limits.lower is None:
        notes.append(limits.method)
    if limits.upper is not None and limits.upper < 0:
        notes.append("measurably worse: the upper limit of the difference is below 0")
    return notes


def _rows_to_settle(spec: Comparison, seen: Observed, margin: float) -> tuple[int | None, int | None]:
    """For the difference seen and for none, on fresh units, whose first look is a first look again."""
    alpha = planning.alpha_at(spec.confidence, 1)
    if isinstance(spec.reference, Published) and spec.reference.n and spec.metric == "accuracy":
        figure, n = spec.reference.score, spec.reference.n
        return (
            planning.rows_needed_published(seen.score, seen.variance, figure, n, margin, alpha),
            planning.rows_needed_published(figure, figure * (1 - figure), figure, n, margin, alpha),
        )
    # psi - d² was seen; without a difference the variance is psi, the share that differs.
    variances = (seen.variance, seen.difference), (seen.variance + seen.difference**2, 0.0)
    needed, if_equal = (
        _at_least_possible(
            spec, difference + margin, variance, planning.rows_needed(variance, difference, margin, alpha)
        )
        for variance, difference in variances
    )
    return needed, if_equal


def _at_least_possible(spec: Comparison, reach: float, variance: float, needed: int | None) -> int | None:
    """The formula is a normal one: where next to nothing differs it names fewer rows than could ever prove it."""
    if needed is None or isinstance(spec.reference, Published):
        return needed
    if is_share(spec):
        return _most([needed, planning.fewest_pairs(reach, planning.alpha_at(spec.confidence, 1))])
    return needed if variance > 0 else None  # the bootstrap gives no limits where nothing differs


def _absolute_bar(spec: Comparison, at_least: float, score: float, own: Interval) -> Bar:
    lower, upper = (None if limit is None else limit - at_least for limit in (own.lower, own.upper))
    verdict = decide_absolute(own.lower, own.upper, at_least)
    notes = [own.method] if own.lower is None else []
    method = f"our score against the bar {at_least:g}: {own.method}"
    bar = Bar("at_least", verdict, score - at_least, lower, upper, method, notes)
    if verdict != "inconclusive":
        return bar
    alone = observe(msgspec.structs.replace(spec, reference=None))
    alpha = planning.alpha_at(spec.confidence, 1)
    needed = planning.rows_needed(alone.variance, score - at_least, 0.0, alpha)
    if needed is not None and is_share(spec):
        needed = _most([needed, planning.fewest_rows(at_least, alpha)])
    elif alone.variance == 0:
        needed = None  # the bootstrap gives no limits where no answer is wrong
    return msgspec.structs.replace(bar, n_needed=needed)
