"""A fast part of bench/simulations.py: the limits keep their level, and the test can tell when something does not."""

import importlib.util
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

SOURCE = Path(__file__).parents[1] / "bench" / "simulations.py"
spec = importlib.util.spec_from_file_location("simulations", SOURCE)
simulations = importlib.util.module_from_spec(spec)
spec.loader.exec_module(simulations)


@pytest.mark.parametrize("ratio", [1, 1.05, 1.5, 2, 5])
@pytest.mark.parametrize(("n", "margin"), [(50, 0.1), (100, 0.05), (300, 0.02)])
def test_tangos_size_by_exact_enumeration_stays_within_a_tenth_of_its_level(n, margin, ratio):
    for alpha in (0.025, 0.0125):
        assert simulations.tango_size(n, margin, ratio, alpha) <= 1.1 * alpha


def test_the_enumeration_can_tell_a_liberal_test(monkeypatch):
    def wald(b, c, n, difference):
        with np.errstate(divide="ignore", invalid="ignore"):
            return ((b - c) - n * difference) / np.sqrt(b + c - (b - c) ** 2 / n)

    assert simulations.tango_size(50, 0.1, 2, 0.025) <= 1.1 * 0.025
    monkeypatch.setattr(simulations.stats, "tango_score", wald)
    assert simulations.tango_size(50, 0.1, 2, 0.025) > 1.1 * 0.025


def test_registered_looks_keep_the_level_and_unadjusted_looks_do_not():
    adjusted, unadjusted, at_alpha = simulations.looks(1500)
    assert adjusted.seen <= adjusted.bound
    assert unadjusted.seen > unadjusted.bound
    assert at_alpha.seen > at_alpha.bound
    assert all(row.holds for row in (adjusted, unadjusted, at_alpha))


def test_the_unpaired_limits_keep_their_level():
    for row in simulations.newcombe(400):
        assert row.seen <= row.bound


def test_the_bootstrap_keeps_one_and_a_half_times_its_level():
    for row in simulations.micro_f1(150):
        assert row.seen <= row.bound
    (row,) = simulations.macro_f1(40, ((20, 300),))
    assert row.seen <= row.bound
    for row in simulations.auprc(40, (100,)):
        assert row.seen <= row.bound


def test_the_shortcut_of_the_simulation_says_what_the_limits_say():
    rng = np.random.default_rng(0)
    said = set()
    for seed in range(30):
        values = rng.normal(0.19, 0.5, 80)
        statistic = lambda w, v=values: v @ w / w.sum(axis=0)  # noqa: E731
        limits = simulations.stats.resampled_limits(statistic, 80, simulations.ALPHA, (-9.0, 9.0))
        said.add(limits.lower > 0.1)
        assert simulations.rejects(statistic, 80, 80, 0.1) == (limits.lower > 0.1), seed
    assert said == {True, False}


def test_the_power_is_within_three_points_of_the_formula():
    for row in islice(simulations.power(4000), 3):
        assert row.seen <= row.bound


def test_the_threshold_breaks_its_promise_no_more_often_than_delta():
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    images, digits = load_digits(return_X_y=True)
    model = LogisticRegression(max_iter=200).fit(images[:150] / 16, digits[:150])
    probabilities = model.predict_proba(images[150:] / 16)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == digits[150:]
    rows = list(simulations.threshold(confidence, right, "digits", 300))
    assert all(row.seen <= row.bound for row in rows)
    coin = np.random.default_rng(0).random(len(right)) < 0.949  # just below the target, however confident
    (row, _) = simulations.threshold(confidence, coin, "a coin", 300)
    assert 0 < row.seen <= row.bound


def test_a_row_is_told_in_bold_when_it_is_not_as_it_should_be():
    row = simulations.Row("a", "b", 1000, 41, 40)
    assert (row.holds, row.line()) == (False, "| a | b | 1,000 | 41 | 40 | **fails** |")
    row = simulations.Row("a", "b", 1000, 41, 40, must_fail=True)
    assert (row.holds, row.line()) == (True, "| a | b | 1,000 | 41 | 40 | fails, as it must |")
    row = simulations.Row("a", "b", None, 0.024, 0.0275)
    assert (row.holds, row.line()) == (True, "| a | b | exact | 0.0240 | 0.0275 | passes |")
    assert norm.isf(simulations.ALPHA) == pytest.approx(1.96, abs=0.001)
