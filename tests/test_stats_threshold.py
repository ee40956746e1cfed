"""The threshold that keeps a promise, or the honest message that none does."""

import numpy as np
import pytest
from scipy.stats import binom

from jangin.errors import ShapeError
from jangin.evals.threshold import (
    answers_needed,
    freeze_thresholds,
    hoeffding_bentkus,
    learn_then_test,
    rows_needed,
)


def test_fifty_nine_error_free_answers_prove_95_percent_and_99_prove_97():
    assert (answers_needed(0.95, 0.05), answers_needed(0.97, 0.05)) == (59, 99)
    for n, found in ((58, None), (59, 0.5)):
        assert learn_then_test([0.5], np.ones(n), np.zeros(n)).threshold == found


def test_the_sequence_starts_where_twice_the_needed_answers_are_expected():
    validation = np.linspace(0, 1, 500)
    thresholds = freeze_thresholds(validation, 1000)
    assert len(thresholds) == 50
    assert thresholds == sorted(thresholds, reverse=True)
    assert (validation >= thresholds[0]).mean() * 1000 >= 2 * np.log(0.05) / np.log(0.95)
    assert (validation >= thresholds[1]).mean() > (validation >= thresholds[0]).mean()
    assert thresholds[-1] == validation.min()


def test_equal_confidences_give_one_threshold():
    assert freeze_thresholds(np.full(300, 0.7), 300) == [0.7]


def test_a_calibration_set_that_is_too_small_says_how_many_rows_are_needed():
    assert freeze_thresholds(np.linspace(0, 1, 300), 116) == []
    found = learn_then_test([], np.ones(116), np.zeros(116))
    assert (found.threshold, found.tried) == (None, 0)
    assert found.message == ("no threshold could be tested: calibration has 116 rows and at least 117 are needed")
    assert freeze_thresholds(np.linspace(0, 1, 300), 117) != []
    assert freeze_thresholds(np.array([]), 500) == []


def test_the_laxest_threshold_before_the_first_failure_is_chosen():
    confidence = np.repeat([0.9, 0.8, 0.7, 0.6], 100)
    right = np.ones(400, bool)
    right[[0, 1, 100, 101, 200, 201, 202]] = False  # then the next hundred is worse than the target
    right[300:330] = False
    found = learn_then_test([0.9, 0.8, 0.7, 0.6], confidence, ~right)
    assert (found.threshold, found.accepted, found.errors, found.tried) == (None, 100, 2, 1)  # p = 0.118
    right[[0, 1]] = True
    found = learn_then_test([0.9, 0.8, 0.7, 0.6], confidence, ~right)
    assert (found.threshold, found.accepted, found.errors, found.tried) == (0.7, 300, 5, 4)
    assert found.p_value == pytest.approx(binom.cdf(5, 300, 0.05))
    assert found.coverage == 0.75
    assert found.message == (
        "of the answers given locally at least 95% are right, with 95% confidence; 75% of the calibration rows are "
        "answered locally"
    )


def test_a_failure_ends_the_sequence_even_if_a_laxer_threshold_would_pass():
    confidence = np.repeat([0.9, 0.8], [100, 900])
    right = np.ones(1000, bool)
    right[:4] = False
    assert binom.cdf(4, 1000, 0.05) < 0.05 < binom.cdf(4, 100, 0.05)
    found = learn_then_test([0.9, 0.8], confidence, ~right)
    assert found.threshold is None
    assert found.message == (
        "no threshold reaches it: on 1000 calibration rows it could not be shown that of the answers given locally at "
        "least 95% are right"
    )


def test_thresholds_out_of_order_and_uneven_arrays_are_refused():
    with pytest.raises(ShapeError) as caught:
        learn_then_test([0.8, 0.9], np.ones(3), np.zeros(3))
    assert caught.value.message == "the thresholds do not descend; expected them from strict to lax"
    with pytest.raises(ShapeError) as caught:
        learn_then_test([0.8], np.ones(3), np.zeros(2))
    assert caught.value.message == "3 confidences have 2 outcomes; expected one each"


def test_losses_between_right_and_wrong_are_tested_by_hoeffding_and_bentkus():
    confidence = np.repeat([0.9, 0.5], [400, 400])
    loss = np.repeat([0.01, 0.2], [400, 400])
    found = learn_then_test([0.9, 0.5], confidence, loss, target=0.95)
    assert (found.threshold, found.accepted, found.tried) == (0.9, 400, 2)
    assert found.errors == pytest.approx(4.0)
    assert found.p_value == pytest.approx(hoeffding_bentkus(0.01, 400, 0.05))
    with pytest.raises(ShapeError, match="outside"):
        learn_then_test([0.9], confidence, loss * 6)


def test_shares_are_tested_as_shares_also_where_each_happens_to_be_whole():
    confidence, loss = np.ones(200), np.zeros(200)
    loss[:4] = 1.0
    of_fields = learn_then_test([0.5], confidence, loss, shares="fields")
    assert of_fields.p_value == pytest.approx(hoeffding_bentkus(0.02, 200, 0.05)) and of_fields.threshold is None
    assert learn_then_test([0.5], confidence, loss).threshold == 0.5
    assert of_fields.message == (
        "no threshold reaches it: on 200 calibration rows it could not be shown that of the fields of an answer given "
        "locally, on average at least 95% are right"
    )


def test_a_promise_is_never_rounded_up():
    found = learn_then_test([0.5], np.ones(400), np.zeros(400), target=0.975, delta=0.025)
    assert "at least 97.5% are right, with 97.5% confidence" in found.message
    assert (rows_needed(0.95, 0.05), rows_needed(0.97, 0.05), rows_needed(0.99, 0.05)) == (117, 197, 597)


def test_the_promise_is_broken_as_seldom_as_it_says_and_a_threshold_that_only_looks_good_is_not():
    """Calibration drawn 150 times from a pool, which is the truth; `bench/cascade.py` does it with real answers."""
    rng = np.random.default_rng(5)
    confidence = rng.beta(6, 1, 4_000)
    right = rng.random(4_000) < confidence
    broken = naive = 0
    for _ in range(150):
        validation, calibration = rng.integers(0, 4_000, (2, 1_000))
        frozen = freeze_thresholds(confidence[validation], 1_000)
        found = learn_then_test(frozen, confidence[calibration], ~right[calibration])
        broken += found.threshold is not None and right[confidence >= found.threshold].mean() < 0.95
        good = [each for each in frozen if right[calibration][confidence[calibration] >= each].mean() >= 0.95]
        naive += bool(good) and right[confidence >= good[-1]].mean() < 0.95
    bound = binom.ppf(0.999, 150, 0.05)
    assert broken <= bound < naive


@pytest.mark.parametrize(("n", "allowed"), [(50, 0.1), (200, 0.05), (1000, 0.03)])
def test_the_bound_never_rejects_a_broken_promise_too_often(n, allowed):
    """Losses of 0 and 1 are the worst case; there the size can be enumerated."""
    sums = np.arange(n + 1)
    rejected = [hoeffding_bentkus(k / n, n, allowed) <= 0.05 for k in sums]
    assert binom.pmf(sums, n, allowed)[rejected].sum() <= 0.05
    assert any(rejected)


def test_the_bound_knows_its_ends():
    assert hoeffding_bentkus(0.05, 100, 0.05) == 1.0
    assert hoeffding_bentkus(0.0, 0, 0.05) == 1.0
    assert hoeffding_bentkus(0.0, 100, 0.05) == pytest.approx(0.95**100)
