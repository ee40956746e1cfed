"""The limits agree with published worked examples, and degenerate data never crash them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from jangin.errors import ShapeError
from jangin.evals import stats
from jangin.evals.scorers import measure
from jangin.types import Interval

# Efron and Tibshirani (1993), table 14.1, A; theta is the variance with divisor n.
SPATIAL = np.array(
    [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]
)


def variance(weights):
    mean = SPATIAL @ weights / weights.sum(axis=0)
    return ((SPATIAL[:, None] - mean) ** 2 * weights).sum(axis=0) / weights.sum(axis=0)


@pytest.mark.parametrize(
    ("ours_only", "theirs_only", "n", "alpha", "lower", "upper"),
    [
        pytest.param(9, 3, 32, 0.025, -0.027, 0.390, id="Tango 1998, first example"),
        pytest.param(0, 1, 44, 0.05, -0.096, 0.037, id="Tango 1998, crossover trial with an empty cell, 90 %"),
        pytest.param(16, 8, 86, 0.025, -0.020, 0.207, id="Agresti and Min 2005"),
        pytest.param(1, 7, 21, 0.025, -0.517, -0.026, id="Fagerland, Lydersen and Laake 2014"),
        pytest.param(3, 1, 14, 0.025, -0.167, 0.433, id="Tang et al. 2010"),
        pytest.param(25, 2, 102, 0.025, 0.139, 0.321, id="Chang 2024"),
    ],
)
def test_tango_gives_the_published_limits(ours_only, theirs_only, n, alpha, lower, upper):
    limits = stats.tango_limits(ours_only, theirs_only, n, alpha)
    assert (round(limits.lower, 3), round(limits.upper, 3)) == (lower, upper)
    assert limits.confidence == 1 - 2 * alpha
    assert limits.method == "paired, Tango's score interval"


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200), st.sampled_from([0.025, 0.0125, 0.001]))
def test_tangos_lower_limit_passes_a_margin_exactly_when_the_score_test_rejects(b, c, same, alpha):
    n = b + c + same
    if n == 0:
        return
    limits = stats.tango_limits(b, c, n, alpha)
    assert -1 <= limits.lower <= (b - c) / n <= limits.upper <= 1
    mirrored = stats.tango_limits(c, b, n, alpha)
    assert limits.lower == pytest.approx(-mirrored.upper, abs=1e-9)
    for margin in (0.01, 0.05, 0.3):
        if abs(limits.lower + margin) > 1e-9:
            rejected = float(stats.tango_score(b, c, n, -margin)) > norm.isf(alpha)
            assert (limits.lower > -margin) == rejected


def test_tango_has_limits_when_no_pair_differs_and_when_all_do():
    z2 = norm.isf(0.025) ** 2
    assert stats.tango_limits(0, 0, 50, 0.025).lower == pytest.approx(-z2 / (50 + z2))
    assert stats.tango_limits(0, 0, 50, 0.025).upper == pytest.approx(z2 / (50 + z2))
    assert stats.tango_limits(5, 0, 5, 0.025).upper == 1.0
    assert stats.tango_limits(0, 5, 5, 0.025).lower == -1.0
    assert stats.tango_limits(0, 0, 0, 0.025) == Interval(None, None, 0.95, "paired, Tango's score interval")
    with pytest.raises(ShapeError) as caught:
        stats.tango_limits(4, 4, 7, 0.025)
    assert caught.value.message == "4 + 4 differing pairs do not fit into 7"


@pytest.mark.parametrize(
    ("right", "n", "published", "published_n", "lower", "upper"),
    [
        pytest.param(56, 70, 48 / 80, 80, 0.0524, 0.3339, id="Newcombe 1998, table II (a)"),
        pytest.param(5, 56, 0.0, 29, -0.0381, 0.1926, id="Newcombe 1998, table II (d)"),
    ],
)
def test_newcombe_gives_the_published_limits(right, n, published, published_n, lower, upper):
    limits = stats.newcombe_limits(right, n, published, published_n, 0.025)
    assert (round(limits.lower, 4), round(limits.upper, 4)) == (lower, upper)


def test_the_published_count_is_rounded_up_against_us():
    assert stats.published_count(0.877, 3080) == 2702
    assert stats.published_count(0.07, 100) == 7  # 0.07 · 100 is 7.000000000000001 in floating point
    assert stats.published_count(0.9996, 1000) == 1000


@pytest.mark.parametrize(
    ("right", "n", "lower", "upper"),
    [(15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_the_exact_interval_gives_newcombes_published_figures(right, n, lower, upper):
    limits = stats.exact_limits(right, n, 0.025)
    assert (round(limits.lower, 4), round(limits.upper, 4)) == (lower, upper)


def test_square_and_add_with_wilsons_limits_is_newcombe():
    low, high = proportion_confint(56, 70, 0.05, method="wilson")
    limits = stats.square_and_add(56 / 70, Interval(low, high, 0.95, "Wilson"), 48 / 80, 80, 0.025)
    assert (round(limits.lower, 4), round(limits.upper, 4)) == (0.0524, 0.3339)


def test_bca_gives_efron_and_tibshiranis_limits_of_a_variance():
    assert variance(np.ones((26, 1)))[0] == pytest.approx(171.5, abs=0.05)
    lower, upper = stats.bca_limits(variance, 26, 0.05, 20_000)
    # Table 14.2, from 2,000 resamples: limits from as few have standard deviations of 1.9 and 3.4.
    assert lower == pytest.approx(115.8, abs=2 * 1.9)
    assert upper == pytest.approx(259.6, abs=2 * 3.4)


def test_the_jackknifes_error_of_a_mean_is_the_textbook_one():
    values = np.array([0.0, 1.0, 1.0, 4.0, 2.0])
    error = stats.jackknife_error(lambda weights: values @ weights / weights.sum(axis=0), 5)
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(5))


def test_each_limit_is_the_wider_of_bca_and_jackknife():
    lower, upper = stats.jackknife_limits(variance, 26, 0.025)
    bca = stats.bca_limits(variance, 26, 0.025, stats.resamples(0.025))
    limits = stats.resampled_limits(variance, 26, 0.025, (0.0, 500.0))
    assert limits.lower == min(lower, bca[0]) == lower
    assert limits.upper == max(upper, bca[1]) == bca[1]
    assert stats.resampled_limits(variance, 26, 0.025, (100.0, 200.0)).upper == 200.0


def test_the_number_of_resamples_leaves_a_hundred_beyond_each_limit():
    assert stats.resamples(0.025) == 10_000
    assert stats.resamples(0.003125) == 32_000


def test_resampling_units_equals_repeating_their_rows():
    rng = np.random.default_rng(0)
    gold, ours = rng.integers(0, 5, (2, 60))
    units = rng.integers(0, 12, 60)
    units[:12] = np.arange(12)
    drawn = rng.integers(0, 12, (4, 12))
    weights = np.stack([np.bincount(row, minlength=12) for row in drawn], axis=1).astype(float)
    for metric in ("accuracy", "macro_f1", "micro_f1"):
        seen = stats.on_units(measure(metric, gold, ours, 5), units)(weights)
        for row, value in zip(drawn, seen):
            rows = np.concatenate([np.nonzero(units == unit)[0] for unit in row])
            assert value == pytest.approx(measure(metric, gold[rows], ours[rows], 5).score(), abs=1e-12)
    truth, scores = rng.random((60, 2)) < 0.4, np.round(rng.random((60, 2)), 1)
    seen = stats.on_units(measure("auprc", truth, scores), units)(weights)
    for row, value in zip(drawn, seen):
        rows = np.concatenate([np.nonzero(units == unit)[0] for unit in row])
        assert value == pytest.approx(measure("auprc", truth[rows], scores[rows]).score(), abs=1e-12)


def test_resampled_limits_are_the_same_bit_for_bit():
    rng = np.random.default_rng(1)
    gold = rng.integers(0, 7, 300)
    ours = np.where(rng.random(300) < 0.8, gold, rng.integers(0, 7, 300))
    first, second = (
        stats.resampled_limits(stats.on_units(measure("macro_f1", gold, ours, 7), np.arange(300)), 300, 0.025, (0, 1))
        for _ in range(2)
    )
    assert first == second
    assert first.method == (
        "bootstrap of whole units (BCa, 10,000 resamples) or the jackknife's t, the wider for each limit"
    )


@pytest.mark.parametrize("groups", [1, 2, 60])
def test_data_that_do_not_vary_have_no_limits(groups):
    gold = np.zeros(groups, int)
    statistic = stats.on_units(measure("macro_f1", gold, gold, 1), np.arange(groups))
    limits = stats.resampled_limits(statistic, groups, 0.025, (0.0, 1.0))
    assert limits == Interval(None, None, 0.95, "no limits: the score is the same whichever unit is left out")


def test_where_bca_fails_the_jackknife_stands_alone():
    def of_those_drawn(weights):  # every resample misses some unit, so all lie below the estimate
        return np.where(weights > 0, np.arange(1.0, 61)[:, None] / 3000, 0.0).sum(axis=0)

    assert stats.bca_limits(of_those_drawn, 60, 0.025, 500) is None
    limits = stats.resampled_limits(of_those_drawn, 60, 0.025, (-1.0, 1.0))
    assert limits.method == "the jackknife's t over units (the bootstrap's BCa could not be computed)"
    assert (limits.lower, limits.upper) == stats.jackknife_limits(of_those_drawn, 60, 0.025)


def test_too_few_units_or_differences_or_positives_are_named():
    assert stats.too_few(49, 30, None, "differ") == "only 49 units; resampling needs at least 50"
    assert stats.too_few(50, 19, None, "differ") == "only 19 units differ; resampling needs at least 20"
    assert stats.too_few(50, 20, 29, "differ") == "only 29 positives; average precision needs at least 30"
    assert stats.too_few(50, 20, 30, "differ") is None
