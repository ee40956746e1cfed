"""Exact set match in Spider's sense: what is the same, what is not, and what is outside its grammar."""

from __future__ import annotations

import pytest

from jangin.errors import DataError
from jangin.evals.spider_match import exact_set_match, read_schema

SCHEMA = read_schema(
    "Database: zoo\nSchema: keeper(ID [pk], Name, Age, City) | animal(ID [pk], Name, Weight, Keeper_ID) | "
    "FK: animal.Keeper_ID=keeper.ID\nQuestion: ?"
)


def match(answer: str, gold: str) -> bool:
    return exact_set_match(answer, gold, SCHEMA)


def test_a_schema_is_read_from_one_line():
    keeper, animal = ("id", "name", "age", "city"), ("id", "name", "weight", "keeper_id")
    assert {"keeper": keeper, "animal": animal} == SCHEMA.tables
    assert SCHEMA.links == (("animal.keeper_id", "keeper.id"),)
    with pytest.raises(DataError, match="no table could be read"):
        read_schema("Question: how many?")


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("select NAME from KEEPER;", "SELECT name FROM keeper"),
        ("SELECT age, name FROM keeper", "SELECT name, age FROM keeper"),
        ("SELECT DISTINCT name FROM keeper", "SELECT name FROM keeper"),
        ("SELECT count(DISTINCT name) FROM keeper", "SELECT count(name) FROM keeper"),
        (
            "SELECT name FROM keeper WHERE age > 3 AND city = 'a'",
            'SELECT name FROM keeper WHERE city = "b" AND age > 9',
        ),
        ("SELECT T1.name FROM keeper AS T1", "SELECT keeper.name FROM keeper"),
        (
            "SELECT a.name FROM animal AS a JOIN keeper AS k ON k.id = a.keeper_id",
            "SELECT T2.name FROM keeper AS T1 JOIN animal AS T2 ON T1.id = T2.keeper_id",
        ),
        (
            "SELECT count(*) FROM animal AS a JOIN keeper AS k ON k.id = a.keeper_id GROUP BY a.keeper_id",
            "SELECT count(*) FROM animal AS a JOIN keeper AS k ON k.id = a.keeper_id GROUP BY k.id",
        ),
        ("SELECT name FROM keeper ORDER BY age ASC LIMIT 3", "SELECT name FROM keeper ORDER BY age LIMIT 1"),
        (
            "SELECT city FROM keeper GROUP BY city HAVING count(*) >= 2",
            "SELECT city FROM keeper GROUP BY city HAVING count(*) >= 5",
        ),
        (
            "SELECT name FROM keeper EXCEPT SELECT name FROM animal WHERE weight < 2",
            "SELECT DISTINCT name FROM keeper EXCEPT SELECT name FROM animal WHERE weight < 1",
        ),
        (
            "SELECT name FROM keeper WHERE age > (SELECT avg(age) FROM keeper)",
            "SELECT name FROM keeper WHERE age > ( SELECT AVG(age) FROM keeper )",
        ),
        ("SELECT max(weight - id) FROM animal", "SELECT MAX(weight - id) FROM animal"),
        (
            "SELECT name FROM animal WHERE weight BETWEEN 1 AND 2",
            "SELECT name FROM animal WHERE weight BETWEEN 3 AND 4",
        ),
    ],
)
def test_the_same_parts_in_another_order_or_writing_match(answer, gold):
    assert match(answer, gold) and match(gold, answer)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("SELECT name FROM keeper", "SELECT name FROM animal"),
        ("SELECT name FROM keeper", "SELECT name, age FROM keeper"),
        ("SELECT max(age) FROM keeper", "SELECT min(age) FROM keeper"),
        ("SELECT name FROM keeper WHERE age > 3", "SELECT name FROM keeper WHERE age >= 3"),
        ("SELECT name FROM keeper WHERE age > 3 OR age < 1", "SELECT name FROM keeper WHERE age > 3 AND age < 1"),
        ("SELECT name FROM keeper WHERE city NOT LIKE 'a'", "SELECT name FROM keeper WHERE city LIKE 'a'"),
        ("SELECT name FROM keeper ORDER BY age", "SELECT name FROM keeper ORDER BY age DESC"),
        ("SELECT name FROM keeper ORDER BY age", "SELECT name FROM keeper ORDER BY age LIMIT 1"),
        ("SELECT name FROM keeper ORDER BY age, name", "SELECT name FROM keeper ORDER BY name, age"),
        ("SELECT city FROM keeper GROUP BY city", "SELECT city FROM keeper GROUP BY city HAVING count(*) > 1"),
        ("SELECT city FROM keeper GROUP BY city, age", "SELECT city FROM keeper GROUP BY age, city"),
        ("SELECT name FROM keeper UNION SELECT name FROM animal", "SELECT name FROM keeper"),
        (
            "SELECT name FROM keeper UNION SELECT name FROM animal",
            "SELECT name FROM keeper INTERSECT SELECT name FROM animal",
        ),
        (
            "SELECT name FROM keeper WHERE id IN (SELECT keeper_id FROM animal)",
            "SELECT name FROM keeper WHERE id IN (SELECT DISTINCT keeper_id FROM animal)",
        ),
        ("SELECT name FROM keeper WHERE id = 1", "SELECT name FROM keeper WHERE id = (SELECT max(id) FROM keeper)"),
    ],
)
def test_another_part_does_not_match(answer, gold):
    assert not match(answer, gold) and not match(gold, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I do not know",
        "SELECT name",
        "SELECT nothing FROM keeper",
        "SELECT name AS n FROM keeper",
        "SELECT name FROM keeper k",
        "SELECT name FROM keeper, animal",
        "SELECT name FROM keeper LEFT JOIN animal ON keeper.id = animal.keeper_id",
        "SELECT name FROM keeper WHERE city IN ('a', 'b')",
        "SELECT name FROM keeper WHERE city IS NULL",
        "SELECT name FROM keeper WHERE NOT age > 3",
        "SELECT max(age) - min(age) FROM keeper",
        "SELECT name FROM keeper UNION ALL SELECT name FROM keeper",
        "SELECT name FROM (SELECT name FROM keeper",
        "SELECT ((((",
        "FROM",
    ],
)
def test_an_answer_outside_the_grammar_does_not_match(answer):
    assert not match(answer, "SELECT name FROM keeper")


def test_a_gold_query_outside_the_grammar_is_the_datas_fault():
    with pytest.raises(DataError) as error:
        match("SELECT name FROM keeper", "SELECT nothing FROM keeper")
    assert str(error.value) == (
        "the gold query is not of Spider's grammar (unknown column)\n  try: mend or drop this example"
    )


def test_deeply_nested_brackets_do_not_overwhelm_it():
    nested = "SELECT name FROM keeper WHERE id IN (" * 5000
    assert not match(nested, "SELECT name FROM keeper")
