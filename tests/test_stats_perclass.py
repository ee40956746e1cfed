"""Class by class: exact McNemar, adjusted by Holm."""

import numpy as np
import pytest
from scipy.stats import binomtest

from jangin.evals.perclass import per_class


def test_each_class_has_its_recall_precision_and_f1():
    gold, ours = np.array([0, 0, 1, 2]), np.array([0, 1, 1, -1])
    zero, one, two = per_class(gold, ours, 3)
    assert (zero.n, zero.recall, zero.precision, zero.f1) == (2, 0.5, 1.0, pytest.approx(2 / 3))
    assert (one.n, one.recall, one.precision, one.f1) == (1, 1.0, 0.5, pytest.approx(2 / 3))
    assert (two.n, two.recall, two.precision, two.f1) == (1, 0.0, 0.0, 0.0)
    assert two.p_value is None and two.finding is None


def test_differences_are_told_only_where_holm_still_shows_them():
    gold = np.repeat([0, 1, 2], 100)
    ours, theirs = gold.copy(), gold.copy()
    theirs[:20] = 2  # class 0: only we have 20 right
    ours[100:107] = 0  # class 1: only they have 7 right
    first, second, third = per_class(gold, ours, 3, theirs)
    assert (first.ours_only, first.theirs_only, first.finding) == (20, 0, "better")
    assert first.p_value == pytest.approx(binomtest(0, 20).pvalue)
    assert (second.ours_only, second.theirs_only, second.finding) == (0, 7, "worse")
    assert second.p_value == pytest.approx(2 / 2**7)
    assert second.p_adjusted == pytest.approx(2 * 2 / 2**7)
    assert (third.ours_only, third.theirs_only, third.p_value, third.finding) == (0, 0, 1.0, "no difference shown")
    ours[106] = 1  # six: p = 0.031 alone, 0.0625 after Holm
    assert [result.finding for result in per_class(gold, ours, 3, theirs)] == [
        "better",
        "no difference shown",
        "no difference shown",
    ]


def test_unscored_rows_and_unknown_cells_are_left_out():
    gold = np.zeros(10, int)
    theirs = np.ones(10, int)
    (only,) = per_class(gold, gold, 1, theirs, unscored=np.arange(10) < 4)
    assert (only.n, only.ours_only) == (10, 6)
    tags = np.ones((10, 1), bool)
    (only,) = per_class(tags, tags, 1, ~tags, known=np.arange(10)[:, None] < 3)
    assert (only.n, only.ours_only, only.theirs_only) == (3, 3, 0)


def test_a_false_alarm_on_a_tag_is_a_difference():
    gold = np.zeros((10, 1), bool)
    ours = np.arange(10)[:, None] < 4
    (only,) = per_class(gold, ours, 1, gold)
    assert (only.n, only.precision, only.ours_only, only.theirs_only) == (0, 0.0, 0, 4)
