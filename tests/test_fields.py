"""Fields of JSON answers: what counts as right, wrong, unwanted or missing, and what micro-F1 makes of it."""

import numpy as np
import pytest

from jangin.evals.fields import (
    Count,
    Truth,
    all_right,
    commonest,
    count_fields,
    field_right,
    field_table,
    trivial_score,
)
from jangin.evals.scorers import score

GOLD = {"brand": "Acme", "size": "10", "colour": "n/a"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"brand": "Acme"}, Count(1, 1, 0)),
        ({"brand": "  Acme "}, Count(1, 1, 0)),
        ({"brand": "acme"}, Count(1, 0, 1)),  # case counts
        ({"brand": "Other"}, Count(1, 0, 1)),
        ({"brand": "N/A"}, Count(1, 0, 0)),
        ({"brand": ""}, Count(1, 0, 0)),
        ({"brand": None}, Count(1, 0, 0)),
        ({}, Count(1, 0, 0)),
        (None, Count(1, 0, 0)),
    ],
)
def test_a_value_is_right_wrong_or_missing(given, expected):
    assert count_fields(given, Truth(GOLD))["brand"] == expected


def test_without_alternatives_every_unwanted_field_is_a_wrong_value():
    counts = count_fields({"colour": "red", "weight": 5, "size": 10}, Truth(GOLD))
    assert counts["colour"] == counts["weight"] == Count(0, 0, 1)
    assert counts["size"] == Count(1, 1, 0)  # 10 and "10" are one text


def test_with_alternatives_any_of_them_is_right_and_no_other_field_counts():
    truth = Truth(GOLD, {"brand": ["Acme", "ACME Inc."], "colour": ["n/a"], "size": []})
    assert count_fields({"brand": "ACME Inc.", "weight": 5}, truth) == {
        "brand": Count(1, 1, 0),
        "colour": Count(0, 0, 0),
        "size": Count(0, 0, 0),
    }
    assert count_fields({"colour": "red"}, truth)["colour"] == Count(0, 0, 1)
    assert all_right({"brand": "Acme", "weight": 5}, truth)
    assert not all_right({"brand": "Acme", "size": "10"}, truth)


def test_texts_are_compared_in_their_composed_form():
    assert all_right({"a": "환불"}, Truth({"a": "환불"}))


def test_lists_compare_as_multisets_and_nested_objects_by_path():
    gold = {"intent": "play", "slots": {"artist": ["Kim", "Lee", "Kim"], "year": 1999}}
    given = {"intent": "play", "slots": {"artist": ["Kim", "Lee", "Park"], "year": 1999.0}}
    assert count_fields(given, Truth(gold)) == {
        "intent": Count(1, 1, 0),
        "slots.artist": Count(3, 2, 1),
        "slots.year": Count(1, 1, 0),
    }
    assert all_right({"slots": {"year": 1999, "artist": ["Lee", "Kim", "Kim"]}, "intent": "play"}, Truth(gold))
    assert field_right(given, Truth(gold)) == {"intent": True, "slots": False}


def test_a_list_with_alternatives_is_right_as_a_whole():
    truth = Truth({}, {"artist": [["Kim", "Lee"], "Kim & Lee"]})
    assert count_fields({"artist": ["Lee", "Kim"]}, truth)["artist"] == Count(1, 1, 0)
    assert count_fields({"artist": "Kim & Lee"}, truth)["artist"] == Count(1, 1, 0)
    assert count_fields({"artist": ["Kim"]}, truth)["artist"] == Count(1, 0, 1)


def test_an_answer_that_could_not_be_read_is_never_wholly_right():
    assert not all_right(None, Truth({}))
    assert all_right({}, Truth({"a": None}))


def test_the_tables_give_precision_recall_and_f1_of_the_counts():
    truths = [Truth({"a": "1", "b": ["x", "y"]}), Truth({"a": "2"}), Truth({"c": "3"})]
    ours = [{"a": "1", "b": ["x", "z", "w"]}, {"a": "9", "odd": 1, "odder": 2}, None]
    table = field_table(truths, ours, [{"b": "y"}, {}, {"c": "3"}])
    assert table.names == ["a", "b", "c", "(other fields)"]
    # expected 1 + 2 + 1 + 1; right a, x; given a, x, z, w, 9, odd, odder
    assert (table.gold & table.known).sum() == 5
    assert score("micro_f1", table.gold, table.ours, known=table.known) == pytest.approx(2 * 2 / (5 + 7))
    assert score("micro_f1", table.gold, table.theirs, known=table.known) == pytest.approx(2 * 2 / (5 + 2))
    assert not (table.gold & ~table.known).any()
    assert not ((table.ours | table.theirs) & ~table.known).any()


def test_the_worst_that_an_unscored_answer_could_be_is_wrong_in_every_field():
    truths = [Truth({}, {"a": ["1"]}), Truth({}, {"a": ["1"], "b": ["2"]})]
    table = field_table(truths, [{}, {}], None)
    wrong = ~table.gold
    assert (wrong & table.known).sum() == 3 and (table.gold & table.known).sum() == 3
    assert score("micro_f1", table.gold, wrong, known=table.known) == 0


def test_the_trivial_answer_gives_each_field_its_commonest_value_everywhere():
    truths = [Truth({"a": "x", "b": "1"}), Truth({"a": "x"}), Truth({"a": "y"})]
    assert commonest(truths) == {"a": "x", "b": "1"}
    # right: x, x, 1 of 6 given and 4 expected
    assert trivial_score(truths) == pytest.approx(2 * 3 / (4 + 6))
    with_choice = [Truth({}, {"a": ["x", "y"]}), Truth({}, {"a": ["y"]}), Truth({}, {"a": ["n/a"]})]
    assert trivial_score(with_choice) == pytest.approx(2 * 2 / (2 + 3))
    assert np.isclose(trivial_score([Truth({})]), 0)
