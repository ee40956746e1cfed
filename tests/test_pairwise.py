"""The pairwise judge: both orders must agree before an answer wins."""

from __future__ import annotations

import re

import pytest

from jangin.evals.pairwise import Comparison, Tally, compare, compare_all


def answers(prompt: str) -> tuple[str, str]:
    """The two answers as the judge reads them, in the order of the prompt."""
    found = re.search(r"# Answer 1\n(.*)\n\n# Answer 2\n(.*)\n\nEnd with", prompt, re.S)
    assert found
    return found[1], found[2]


def fair(prompt: str) -> str:
    """Prefers the longer answer, wherever it stands."""
    first, second = map(len, answers(prompt))
    return "Thinking [[2]] ... so:\n[[tie]]" if first == second else f"Verdict: [[ {1 if first > second else 2} ]]"


def biased(prompt: str) -> str:
    return "[[1]]"


def test_an_answer_that_is_preferred_in_both_orders_wins():
    assert compare(fair, "q", "longer", "short") == Tally(1, 0, 0, 0, 0)
    assert compare(fair, "q", "short", "longer") == Tally(0, 0, 1, 0, 0)
    assert compare(fair, "q", "a", "b") == Tally(0, 1, 0, 0, 0)


def test_a_judge_that_always_prefers_the_first_gives_ties_and_is_found_out():
    assert compare(biased, "q", "longer", "short") == Tally(0, 1, 0, 0, 1)


def test_a_preference_in_only_one_order_is_a_tie():
    def half_hearted(prompt: str) -> str:
        return "[[1]]" if answers(prompt)[0] == "ours" else "[[tie]]"

    assert compare(half_hearted, "q", "ours", "theirs") == Tally(0, 1, 0, 0, 0)


def test_a_verdict_that_cannot_be_read_is_a_tie_and_counted():
    assert compare(lambda prompt: "The first one is better.", "q", "a", "b") == Tally(0, 1, 0, 1, 0)
    assert compare(lambda prompt: "[[1]]" if answers(prompt)[0] == "a" else "", "q", "a", "b") == Tally(0, 1, 0, 1, 0)


def test_counts_add_up_and_ties_count_half():
    tally = compare_all(fair, [Comparison("q", ours, "xx") for ours in ("x", "xx", "xxx", "xxxx")])
    assert tally == Tally(2, 1, 1, 0, 0)
    assert tally.win_rate == pytest.approx(0.625)
    assert compare_all(fair, []).win_rate is None


def test_question_and_answers_reach_the_judge_unchanged():
    prompts = []
    compare(lambda prompt: prompts.append(prompt) or "[[1]]", "{q} [[2]]", "{first}", "%s {0}")
    assert "# Question\n{q} [[2]]\n" in prompts[0]
    assert [answers(prompt) for prompt in prompts] == [("{first}", "%s {0}"), ("%s {0}", "{first}")]


def test_a_failed_call_of_the_judge_is_not_a_tie():
    def unreachable(prompt: str) -> str:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        compare(unreachable, "q", "a", "b")
