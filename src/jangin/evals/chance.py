"""The climb's stopping rule: how likely a rung is to pass the sealed test, judged on validation alone."""

from __future__ import annotations

import math

import msgspec

from jangin.evals.comparison import Comparison, Published, observe
from jangin.evals.planning import assurance
from jangin.evals.verdict import usable_margin

ENOUGH = 0.8
"""The climb takes the first rung whose chance of passing is at least this."""


def chance_of_passing(spec: Comparison, test_units: int) -> float:
    """The assurance of one rung: the chance that `compare` on the sealed test will say that every bar is met.

    Args:
        spec: the comparison on validation rows: recorded answers to those rows, or, when the reference has none
            there, its score as Published with the n that it was or will be measured on (the errors are then taken as
            independent). `look` is the look that the test will be.
        test_units: sampling units in the sealed test.
    Returns: the smaller of the bars' chances (both bars ride on the same score, so they pass or fail together); 0.0
        when the spec has no bar.
    """
    chances = []
    if spec.at_least is not None:
        alone = observe(msgspec.structs.replace(spec, reference=None))
        chances.append(_chance(spec, alone.score - spec.at_least, 0.0, alone.variance, 0.0, test_units))
    if spec.reference is not None:
        seen = observe(spec)
        margin, _ = usable_margin(spec, seen.reference_score)
        fixed = 0.0
        if isinstance(spec.reference, Published) and spec.reference.n:
            fixed = seen.reference_score * (1 - seen.reference_score) / spec.reference.n
        chances.append(_chance(spec, seen.difference, margin, seen.variance, fixed, test_units))
    return min(chances, default=0.0)


def _chance(
    spec: Comparison, difference: float, margin: float, variance: float, fixed: float, test_units: int
) -> float:
    """`variance` is one unit's, to be spread over the units; `fixed` is the published score's own, whatever n."""
    se_test, se_validation = math.sqrt(variance / test_units + fixed), math.sqrt(variance / spec.groups)
    return assurance(difference, margin, spec.alpha, se_test, se_validation)
