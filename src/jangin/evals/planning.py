"""Before the seal is broken: at which level a look tests, how many rows are needed, how likely a pass is."""

from __future__ import annotations

import math
from statistics import NormalDist  # scipy takes a second to import, and `check` needs only this

POWER = 0.8
_NORMAL = NormalDist()


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
    z = -_NORMAL.inv_cdf(alpha)
    return z * z / (n + z * z)


def fewest_pairs(margin: float, alpha: float) -> int | None:
    """The fewest pairs that can prove a margin, when specialist and reference never differ; None for no margin."""
    if margin <= 0:
        return None
    z = _NORMAL.inv_cdf(alpha)
    return math.floor(z * z * (1 - margin) / margin) + 1


def fewest_rows(at_least: float, alpha: float) -> int | None:
    """The fewest rows that can prove an absolute bar, when every answer is right; None for a bar of 1.

    Source: the exact lower limit of n out of n is alpha^(1/n).
    """
    return math.ceil(math.log(alpha) / math.log(at_least)) if at_least < 1 else None


def assurance(difference: float, margin: float, alpha: float, se_test: float, se_validation: float) -> float:
    """The chance that the test will show non-inferiority, given the difference on validation.

    Φ((d + m - z·se_test) / √(se_test² + se_validation²)); margin 0 for superiority; for an absolute bar the
    difference is score - bar.
    Source: O'Hagan, Stevens and Campbell (2005), Pharmaceutical Statistics 4:187, with a flat prior.
    """
    ahead = difference + margin + _NORMAL.inv_cdf(alpha) * se_test
    spread = math.hypot(se_test, se_validation)
    if spread == 0:
        return 1.0 if ahead > 0 else 0.0
    return _NORMAL.cdf(ahead / spread)


def _z(alpha: float, power: float) -> float:
    return _NORMAL.inv_cdf(power) - _NORMAL.inv_cdf(alpha)
