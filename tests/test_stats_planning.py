"""Levels of looks, rows needed, and the climb's chance of passing."""

import numpy as np
import pytest
from scipy.stats import norm

from jangin.evals import stats
from jangin.evals.chance import chance_of_passing
from jangin.evals.comparison import Comparison, Published, Recorded
from jangin.evals.planning import (
    alpha_at,
    assurance,
    rows_needed,
    rows_needed_published,
    smallest_margin,
)


def validation(right=940, n=1000, **given):
    gold = np.arange(n) % 4
    ours = np.where(np.arange(n) < n - right, (gold + 1) % 4, gold)
    return Comparison(**{"metric": "accuracy", "gold": gold, "ours": ours, "labels": 4, **given})


def test_all_looks_together_never_exceed_alpha():
    assert [alpha_at(0.95, look) for look in (1, 2, 3)] == [0.025, 0.0125, 0.00625]
    assert sum(alpha_at(0.95, look) for look in range(1, 60)) <= 0.05


def test_rows_needed_is_lius_formula():
    z = norm.isf(0.025) + norm.ppf(0.8)
    assert rows_needed(0.1, 0.0, 0.03, 0.025) == int(np.ceil(z**2 * 0.1 / 0.03**2)) == 873
    assert rows_needed(0.1 - 0.01**2, 0.01, 0.03, 0.025) == 491
    assert rows_needed(0.1, -0.03, 0.03, 0.025) is None
    assert rows_needed(0.0, 0.1, 0.0, 0.025) == 1


def test_no_number_of_rows_settles_a_margin_below_the_published_figures_own_error():
    assert rows_needed_published(0.877, 0.877 * 0.123, 0.877, 3080, 0.03, 0.025) == 1355
    assert rows_needed_published(0.877, 0.877 * 0.123, 0.877, 3080, 0.0165, 0.025) is None
    assert rows_needed_published(0.84, 0.84 * 0.16, 0.877, 3080, 0.03, 0.025) is None


@pytest.mark.parametrize(("n", "alpha"), [(50, 0.025), (491, 0.0125), (3080, 0.025)])
def test_the_smallest_margin_is_what_tango_reaches_when_nothing_differs(n, alpha):
    assert smallest_margin(n, alpha) == pytest.approx(-stats.tango_limits(0, 0, n, alpha).lower, abs=1e-12)


def test_assurance_is_the_formula_and_knows_its_edges():
    assert assurance(0.01, 0.02, 0.025, 0.01, 0.01) == pytest.approx(
        norm.cdf((0.03 - 1.959964 * 0.01) / np.hypot(0.01, 0.01)), abs=1e-6
    )
    assert assurance(norm.isf(0.025) * 0.01, 0.0, 0.025, 0.01, 0.02) == pytest.approx(0.5)
    assert (assurance(0.01, 0.0, 0.025, 0.0, 0.0), assurance(-0.01, 0.0, 0.025, 0.0, 0.0)) == (1.0, 0.0)


def test_assurance_is_the_share_of_simulated_tests_that_pass():
    rng = np.random.default_rng(0)
    true = 0.01 + 0.012 * rng.standard_normal(200_000)  # what validation leaves possible, with a flat prior
    seen = true + 0.008 * rng.standard_normal(200_000)
    passed = (seen - norm.isf(0.025) * 0.008 > -0.02).mean()
    assert assurance(0.01, 0.02, 0.025, 0.008, 0.012) == pytest.approx(passed, abs=0.004)


def test_the_climbs_chance_against_an_absolute_bar():
    se = np.sqrt(0.94 * 0.06)
    chance = chance_of_passing(validation(at_least=0.92), 3080)
    assert chance == pytest.approx(assurance(0.02, 0.0, 0.025, se / np.sqrt(3080), se / np.sqrt(1000)))
    assert chance_of_passing(validation(at_least=0.92, look=3), 3080) < chance
    assert chance_of_passing(validation(at_least=0.96), 3080) < 0.05


def test_the_climbs_chance_against_a_published_score_counts_its_own_error():
    spec = validation(reference=Published(0.93, 3080), margin=0.02)
    se_test = np.sqrt(0.94 * 0.06 / 3080 + 0.93 * 0.07 / 3080)
    expected = assurance(0.01, 0.02, 0.025, se_test, np.sqrt(0.94 * 0.06 / 1000))
    assert chance_of_passing(spec, 3080) == pytest.approx(expected)
    assert chance_of_passing(validation(reference=Published(0.93), margin=0.02), 3080) > expected


def test_the_climbs_chance_against_recorded_answers_is_paired():
    gold = np.arange(1000) % 4
    theirs = np.where((np.arange(1000) >= 20) & (np.arange(1000) < 90), (gold + 1) % 4, gold)
    spec = validation(reference=Recorded(theirs), margin=0.02)
    variance = 0.05 - 0.01**2
    expected = assurance(0.01, 0.02, 0.025, np.sqrt(variance / 500), np.sqrt(variance / 1000))
    assert chance_of_passing(spec, 500) == pytest.approx(expected)


def test_with_two_bars_the_harder_one_counts():
    easy, hard = validation(at_least=0.9), validation(reference=Published(0.938, 3080), margin=0.01)
    both = validation(at_least=0.9, reference=Published(0.938, 3080), margin=0.01)
    assert chance_of_passing(both, 3080) == chance_of_passing(hard, 3080) < chance_of_passing(easy, 3080)


def test_a_margin_that_may_not_be_claimed_does_not_raise_the_chance():
    allowed = validation(reference=Published(0.94, 3080), margin=0.03)
    forbidden = validation(reference=Published(0.94, 3080), margin=0.03, baseline=0.9)
    assert chance_of_passing(forbidden, 3080) < 0.5 < chance_of_passing(allowed, 3080)


def test_the_climbs_chance_for_macro_f1_uses_the_jackknife():
    chance = chance_of_passing(validation(metric="macro_f1", at_least=0.92), 3080)
    assert chance == pytest.approx(chance_of_passing(validation(at_least=0.92), 3080), abs=0.02)
