"""Schemas of `extract`: inferred from answers, checked, and the order that they give an answer's fields."""

import itertools

import pytest

from jangin.data.schema import fault, in_order, infer_schema, malformed, merged_order, walk

TICKET = {
    "type": "object",
    "properties": {
        "intent": {"type": "string", "enum": ["refund", "lost_card"]},
        "amount": {"type": "number"},
        "items": {"type": "array", "items": {"type": "string"}},
        "who": {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]},
    },
    "required": ["intent"],
    "additionalProperties": False,
}


def test_each_type_is_inferred_from_the_answers():
    rows = [
        {"name": "a", "age": 3, "price": 1, "paid": True, "tags": [], "of": {"city": "Seoul", "zip": "1"}},
        {"name": "b", "age": 4, "price": 2.5, "paid": False, "tags": ["x"], "of": {"city": "Oslo"}},
    ]
    assert infer_schema(rows) == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "price": {"type": "number"},
            "paid": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "of": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
        "required": ["name", "age", "price", "paid", "tags", "of"],
        "additionalProperties": False,
    }


def test_every_answer_satisfies_the_schema_that_was_inferred_from_it():
    rows = [{"a": None, "b": [1, "x"]}, {"a": "x", "c": {"d": [{"e": 1}]}}, {"c": "text"}, {}]
    schema = infer_schema(rows)
    assert [fault(row, schema) for row in rows] == [None] * 4
    assert schema["required"] == []
    assert schema["properties"]["a"] == {"type": ["string", "null"]}


def test_fields_stand_in_an_order_that_agrees_with_all_rows_where_one_exists():
    rows = [["brand", "size"], ["model", "size", "sport"], ["brand", "model"]]
    for order in itertools.permutations(rows):
        assert merged_order(order) == ["brand", "model", "size", "sport"]


def test_rows_that_contradict_each_other_still_give_every_field_once():
    assert merged_order([["a", "b", "c"], ["a", "b", "c"], ["c", "a"]]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"amount": 3}, "field 'intent' is missing"),
        ({"intent": "other"}, "field 'intent' is none of the schema's 2 values"),
        ({"intent": "refund", "amount": "3"}, "field 'amount' is string; the schema says number"),
        ({"intent": "refund", "amount": True}, "field 'amount' is boolean; the schema says number"),
        ({"intent": "refund", "items": ["a", 1]}, "field 'items[1]' is integer; the schema says string"),
        ({"intent": "refund", "who": {"age": 2.5}}, "field 'who.age' is number; the schema says integer"),
        ({"intent": "refund", "who": {}}, "field 'who.age' is missing"),
        ({"intent": "refund", "extra": 1}, "field 'extra' is not in the schema"),
        (["refund"], "the answer is array; the schema says object"),
        ({"intent": "refund", "amount": 3, "items": [], "who": {"age": 2, "name": "x"}}, None),
    ],
)
def test_what_does_not_satisfy_a_schema_is_named_by_its_field(answer, why):
    assert fault(answer, TICKET) == why


def test_an_answer_takes_the_order_of_the_schema_and_keeps_what_the_schema_lacks_at_the_end():
    answer = {"zzz": 1, "who": {"b": 1, "age": 2}, "amount": 1, "intent": "refund"}
    assert list(in_order(answer, TICKET)) == ["intent", "amount", "who", "zzz"]
    assert list(in_order(answer, TICKET)["who"]) == ["age", "b"]


def test_a_schema_that_is_none_is_named():
    assert malformed(TICKET) is None
    assert malformed({"type": "text"}) == (
        "schema.type is 'text'; expected one of string, boolean, integer, number, null, array, object"
    )
    assert malformed({"properties": {"a": {"items": []}}}) == (
        "schema.properties.a.items is []; expected the schema of each item"
    )
    assert malformed({"properties": {"a": "text"}}) == "schema.properties.a is 'text'; expected a schema"


def test_the_fields_that_hold_values_are_named_by_dotted_path():
    assert list(walk(TICKET)) == ["intent", "amount", "items", "who.age"]
