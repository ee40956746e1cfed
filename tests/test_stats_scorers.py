"""The metrics agree with scikit-learn, count what is missing as wrong, and leave unknown cells out."""

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from jangin.errors import InputError, ShapeError
from jangin.evals.scorers import best_and_worst, measure, score, trivial_baseline

GOLD = np.array([0, 0, 1, 2, 2, 2])
OURS = np.array([0, 1, 1, 2, -1, 0])


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_labels_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    gold, ours = rng.integers(0, 9, (2, 200))
    assert score("accuracy", gold, ours) == accuracy_score(gold, ours)
    expected = f1_score(gold, ours, labels=range(12), average="macro", zero_division=0)
    assert score("macro_f1", gold, ours, 12) == pytest.approx(expected, abs=1e-15)
    assert score("micro_f1", gold, ours) == pytest.approx(f1_score(gold, ours, average="micro"), abs=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_tags_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    gold, ours = rng.random((2, 100, 6)) < 0.3
    for metric, average in (("micro_f1", "micro"), ("macro_f1", "macro")):
        expected = f1_score(gold, ours, average=average, zero_division=0)
        assert score(metric, gold, ours) == pytest.approx(expected, abs=1e-15)
    scores = np.round(rng.random((100, 6)), 1)  # rounded, so that there are ties
    assert score("auprc", gold, scores) == average_precision_score(gold.ravel(), scores.ravel())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_weighted_average_precision_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    gold, scores = rng.random((40, 1)) < 0.4, np.round(rng.random((40, 1)), 1)
    weights = rng.poisson(0.7, (40, 5)).astype(float)
    seen = measure("auprc", gold, scores).weighted(weights)
    for column, value in zip(weights.T, seen):
        if column[gold[:, 0]].any():
            expected = average_precision_score(gold[:, 0], scores[:, 0], sample_weight=column)
        else:
            expected = 0.0
        assert value == pytest.approx(expected, abs=1e-12)


def test_no_answer_is_wrong_but_no_false_alarm():
    assert score("accuracy", GOLD, OURS) == 3 / 6
    assert score("micro_f1", GOLD, OURS) == 2 * 3 / (6 + 5)
    assert score("macro_f1", GOLD, OURS, 3) == pytest.approx(np.mean([2 / 4, 2 / 3, 2 / 4]))


def test_a_gold_label_outside_the_label_set_is_never_right():
    assert score("accuracy", np.array([-1, 0]), np.array([-1, 0])) == 0.5
    assert score("macro_f1", np.array([-1, 0]), np.array([-1, 0]), 2) == 0.5


def test_unknown_tag_cells_are_left_out():
    gold = np.array([[True, False], [False, True]])
    ours = np.array([[True, True], [False, False]])
    known = np.array([[True, False], [True, True]])
    assert score("micro_f1", gold, ours) == 2 * 1 / (2 + 2)
    assert score("micro_f1", gold, ours, known=known) == 2 * 1 / (2 + 1)
    assert score("macro_f1", gold, ours, known=known) == 0.5
    scores = np.array([[0.9, 0.99], [0.1, 0.5]])
    assert score("auprc", gold, scores, known=known) == 1.0


def test_a_label_that_nobody_has_and_nobody_answers_counts_as_zero():
    assert score("macro_f1", np.array([0, 0]), np.array([0, 0]), 4) == 0.25


def test_a_metric_of_another_kind_is_refused():
    with pytest.raises(InputError) as caught:
        score("auprc", GOLD, OURS)
    assert caught.value.message == "metric 'auprc' is not one of classify's: accuracy, macro_f1, micro_f1"


def test_arrays_that_do_not_match_are_refused():
    with pytest.raises(ShapeError) as caught:
        score("accuracy", GOLD, OURS[:3])
    assert caught.value.message == "gold has shape (6,) and the answers have (3,); they must be equal"
    with pytest.raises(ShapeError) as caught:
        score("macro_f1", GOLD, OURS, 2)
    assert caught.value.message == "macro-F1 needs the size of the label set and every label below it; got labels=2"


def test_the_trivial_baseline_answers_the_commonest_label_or_every_tag():
    assert trivial_baseline("accuracy", GOLD) == 0.5
    assert trivial_baseline("macro_f1", GOLD, 3) == pytest.approx((2 * 3 / (3 + 6)) / 3)
    gold = np.array([[True, False], [False, False]])
    assert trivial_baseline("micro_f1", gold) == pytest.approx(2 * 1 / (1 + 4))
    assert trivial_baseline("auprc", gold) == 0.25


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["accuracy", "micro_f1", "macro_f1"]))
@example(1213, "macro_f1")  # filling row by row misses the worst case here
def test_the_best_and_worst_case_of_unscored_labels_are_the_extremes_of_all_answers(seed, metric):
    rng = np.random.default_rng(seed)
    gold, theirs = rng.integers(0, 3, (2, 8))
    unscored = np.arange(8) < 3
    right, wrong = best_and_worst(metric, gold, theirs, 3, unscored)
    values = []
    for filled in product(range(3), repeat=3):
        answers = theirs.copy()
        answers[unscored] = filled
        all_wrong = (answers[unscored] != gold[unscored]).all()
        values.append((score(metric, gold, answers, 3), all_wrong))
    assert score(metric, gold, right, 3) == max(value for value, _ in values)
    assert score(metric, gold, wrong, 3) == pytest.approx(min(value for value, bad in values if bad), abs=1e-12)


def test_the_best_and_worst_case_of_unscored_tags_flip_every_cell():
    gold = np.array([[True, False], [False, True]])
    right, wrong = best_and_worst("micro_f1", gold, np.zeros_like(gold), 2, np.array([True, False]))
    assert right.tolist() == [[True, False], [False, False]]
    assert wrong.tolist() == [[False, True], [False, False]]
    scores = np.array([[0.2, 0.3], [0.4, 0.5]])
    right, wrong = best_and_worst("auprc", gold, scores, 2, np.array([True, False]))
    assert score("auprc", gold, right) > score("auprc", gold, scores) > score("auprc", gold, wrong)
