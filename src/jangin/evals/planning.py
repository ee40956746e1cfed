"""Before the seal is broken: at which level a look tests, how many rows are needed, how likely a rung is to pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
from scipy.stats import norm

if TYPE_CHECKING:
    from jangin.evals.comparison import Comparison

POWER = 0.8
ENOUGH = 0.8  # the climb takes the first rung whose chance of passing is at least this


def alpha_at(confidence: float, look: int) -> float:
    """One-sided level of the k-th registered look: (1 - confidence) / 2^k, so that all looks sum to 1 - confidence.

    `look` counts from 1; of a 95 % certificate the first is at 0.025.
    """
    return round(1 - confidence, 12) / 2**look


def rows_needed(variance: float, difference: float, margin: float, alpha: float, power: float = POWER) -> int | None:
    """Fresh units with which the lower limit passes -margin with the given power; None when no number does.

    Args: variance: of one unit's difference; for pairs of 0/1 scores psi - difference², psi the share that differs.
        difference: the true one, assumed. For an absolute bar: s(1 - s), s - bar and margin 0.
    Source: Liu et al. (2002), Statistics in Medicine 21:231.
    """
    reach = difference + margin
    if reach <= 0:
        return None
    return max(1, math.ceil(_z(alpha, power) ** 2 * variance / reach**2))


def rows_needed_published(
    score: float, variance: float, reference: float, reference_n: int, margin: float, alpha: float, power: float = POWER
) -> int | None:
    """Fresh units needed against a published share; None when no number suffices: then record the reference.

    Args: score: our true score, assumed; variance: of one unit's score, s(1 - s) for a share.
    """
    reach = score - reference + margin
    room = (reach / _z(alpha, power)) ** 2 - reference * (1 - reference) / reference_n
    if reach <= 0 or room <= 0:
        return None
    return max(1, math.ceil(variance / room))


def smallest_margin(n: int, alpha: float) -> float:
    """The smallest margin that n pairs can prove, when specialist and reference never differ: z²/(n + z²).

    Source: Tango's lower limit with no differing pair.
    """
    z = float(norm.isf(alpha))
    return z * z / (n + z * z)


def assurance(difference: float, margin: float, alpha: float, se_test: float, se_validation: float) -> float:
    """The chance that the test will show non-inferiority, given the difference on validation.

    Φ((d + m - z·se_test) / √(se_test² + se_validation²)); margin 0 for superiority; for an absolute bar the
    difference is score - bar.
    Source: O'Hagan, Stevens and Campbell (2005), Pharmaceutical Statistics 4:187, with a flat prior.
    """
    ahead = difference + margin - float(norm.isf(alpha)) * se_test
    spread = math.hypot(se_test, se_validation)
    if spread == 0:
        return 1.0 if ahead > 0 else 0.0
    return float(norm.cdf(ahead / spread))


def chance_of_passing(spec: Comparison, test_units: int) -> float:
    """The assurance of one rung: the chance that `compare` on the sealed test will say that every bar is met.

    Args:
        spec: the comparison on validation rows: recorded answers to those rows, or, when the reference has none
            there, its score as Published with the n that it was or will be measured on (the errors are then taken as
            independent). `look` is the look that the test will be.
        test_units: sampling units in the sealed test.
    Returns: the smaller of the bars' chances (both bars ride on the same score, so they pass or fail together); 0.0
        when the spec has no bar that can be met.
    """
    from jangin.evals.comparison import Published, observe
    from jangin.evals.verdict import usable_margin

    chances = []
    if spec.at_least is not None:
        alone = observe(msgspec.structs.replace(spec, reference=None))
        se_test, se_validation = math.sqrt(alone.variance / test_units), math.sqrt(alone.variance / spec.groups)
        chances.append(assurance(alone.score - spec.at_least, 0.0, spec.alpha, se_test, se_validation))
    if spec.reference is not None:
        seen = observe(spec)
        theirs = 0.0
        if isinstance(spec.reference, Published) and spec.reference.n:
            theirs = seen.reference_score * (1 - seen.reference_score) / spec.reference.n
        se_test = math.sqrt(seen.variance / test_units + theirs)
        margin, _ = usable_margin(spec, seen.reference_score)
        chances.append(assurance(seen.difference, margin, spec.alpha, se_test, math.sqrt(seen.variance / spec.groups)))
    return min(chances, default=0.0)


def _z(alpha: float, power: float) -> float:
    return float(norm.isf(alpha) + norm.ppf(power))
