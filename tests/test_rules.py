"""Thresholds of the answer, on hand-made probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from jangin.models.base import Rule
from jangin.train.rules import IN_SCOPE_COST, make_rule
from jangin.train.targets import Rows

LABELS = ["a", "b", "none"]
NOTHING = (np.zeros((0, 3), np.float32), Rows([], np.zeros(0, np.int64), None, None))


def classified(gold: list[int]) -> Rows:
    return Rows([""] * len(gold), np.array(gold, np.int64), None, None)


def tagged(gold: list[list[int]], known: list[list[int]] | None = None) -> Rows:
    marks = np.array(gold, bool)
    return Rows([""] * len(gold), marks, np.array(known, bool) if known else np.ones_like(marks), None)


def test_a_task_without_a_scope_has_no_threshold() -> None:
    answers = (np.array([[0.9, 0.1, 0.0]], np.float32), classified([0]))
    assert make_rule(None, LABELS, NOTHING, answers) == Rule()
    assert make_rule("elsewhere", LABELS, NOTHING, answers) == Rule()


def test_the_scope_s_threshold_costs_one_right_answer_in_a_hundred() -> None:
    confidence = np.linspace(0.4, 0.99, 300, dtype=np.float32)
    inside = np.stack([confidence, (1 - confidence) / 2, (1 - confidence) / 2], 1)
    outside = np.tile(np.array([[0.3, 0.3, 0.4]], np.float32), (50, 1))
    probabilities = np.concatenate((inside, outside))
    rows = classified([0] * 300 + [2] * 50)
    rule = make_rule("none", LABELS, NOTHING, (probabilities, rows))
    answers = rule.decide("classify", LABELS, probabilities)
    assert rule.out_of_scope == "none" and rule.threshold == float(confidence[int(IN_SCOPE_COST * 300)])
    assert answers[:300].count("none") == 3 and answers[300:] == ["none"] * 50


def test_a_model_that_is_never_right_gets_no_threshold() -> None:
    rows = classified([1, 1, 2])
    wrong = np.tile(np.array([[0.8, 0.1, 0.1]], np.float32), (3, 1))
    assert make_rule("none", LABELS, NOTHING, (wrong, rows)) == Rule("none", 0.0)


def test_rows_of_labels_that_train_lacks_do_not_move_the_threshold() -> None:
    sure = np.array([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1]], np.float32)
    odd = np.array([[0.1, 0.05, 0.85]], np.float32)
    without = make_rule("none", LABELS, NOTHING, (sure, classified([0, 0])))
    assert make_rule("none", LABELS, NOTHING, (np.concatenate((sure, odd)), classified([0, 0, -1]))) == without


def test_a_tag_s_threshold_is_where_its_f1_is_best() -> None:
    score = np.array([[0.9], [0.8], [0.7], [0.3], [0.2]], np.float32)
    rows = tagged([[1], [1], [1], [0], [0]])
    rule = make_rule(None, ["x"], (score, rows), (score, rows))
    assert rule.tag_thresholds == [pytest.approx(0.5)]
    assert rule.decide("tag", ["x"], score) == [["x"], ["x"], ["x"], [], []]


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_has_a_better_f1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score = np.round(rng.random((40, 1)), 1).astype(np.float32)  # with ties
    gold = rng.random((40, 1)) < score * 0.6 + 0.1
    rows = Rows([""] * 40, gold, np.ones_like(gold), None)
    found = make_rule(None, ["x"], (score, rows), (score, rows)).tag_thresholds[0]

    def f1(threshold: float) -> float:
        given = score >= np.float32(threshold)
        return 2 * (given & gold).sum() / (given.sum() + gold.sum())

    assert f1(found) == max(f1(t) for t in [*np.unique(score), 1.1])


def test_unknown_cells_have_no_say() -> None:
    score = np.array([[0.9], [0.8], [0.7], [0.99], [0.2]], np.float32)
    rows = tagged([[1], [1], [1], [0], [0]], [[1], [1], [1], [0], [1]])
    assert make_rule(None, ["x"], (score, rows), (score, rows)).tag_thresholds == [pytest.approx(0.45)]


@pytest.mark.parametrize("positives", [0, 1, 2])
def test_a_tag_with_hardly_any_positive_row_keeps_one_half(positives: int) -> None:
    score = np.linspace(0.4, 0.01, 20, dtype=np.float32)[:, None]
    gold = np.zeros((20, 1), bool)
    gold[-1 - positives : -1] = True  # ranked last: the best F1 would be to give the tag to every row
    rows = Rows([""] * 20, gold, np.ones_like(gold), None)
    assert make_rule(None, ["x"], (score, rows), (score, rows)).tag_thresholds == [0.5]
