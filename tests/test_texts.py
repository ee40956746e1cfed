"""Scores of single texts against worked examples."""

import pytest

from jangin.evals.texts import chrf, rouge_l, same_text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("police kill the gunman", 3 / 4), ("the gunman kill police", 2 / 4), ("the gunman police killed", 2 / 4)],
)
def test_rouge_l_agrees_with_the_worked_example_of_its_paper(answer, expected):
    # Lin (2004), section 3.1: candidates against "police killed the gunman"
    assert rouge_l(answer, ["police killed the gunman"]) == expected


def test_rouge_l_takes_the_best_of_several_texts_and_ignores_case_and_marks():
    assert rouge_l("Testing, one!", ["nothing", "testing one two"]) == pytest.approx(2 * 2 / (2 + 3))
    assert rouge_l("", ["a"]) == rouge_l(None, ["a"]) == rouge_l("a", ["!"]) == 0


def test_chrf_agrees_with_a_worked_example():
    # Orders 1 and 2 only: precision 1 and 1, recall 2/3 and 1/2; F2 of their means. sacrebleu gives 63.6364.
    recall = (2 / 3 + 1 / 2) / 2
    assert chrf("ab", ["abc"]) == pytest.approx(5 * recall / (4 + recall))
    assert chrf("ab", ["abc"]) == pytest.approx(0.636364, abs=1e-6)


def test_chrf_ignores_white_space_takes_the_best_text_and_is_0_without_anything_in_common():
    assert chrf("a b c", ["abc"]) == chrf("abc", ["zzz", "abc"]) == 1
    assert chrf("abc", ["xyz"]) == chrf(None, ["abc"]) == chrf("abc", []) == 0


def test_equal_texts_may_differ_in_form_and_outer_space_only():
    assert same_text(" 환불\n", ["x", "환불"])
    assert not same_text("a  b", ["a b"])
    assert not same_text(None, [""])
