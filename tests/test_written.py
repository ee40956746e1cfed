"""Written answers in the forms that are compared: shares, marks and tables; and answers that are scored by running."""

import sqlite3

import numpy as np
import pytest

from jangin.errors import DataError
from jangin.evals.arithmetic import Answer, arithmetic
from jangin.evals.register import Claim
from jangin.evals.scorers import best_and_worst, score
from jangin.evals.texts import chrf
from jangin.evals.written import grade, right_of
from jangin.task import Code, Data, Execution, Task
from jangin.types import Example


def texts(*pairs, **more):
    return [Answer(str(n), gold, answer, **more) for n, (gold, answer) in enumerate(pairs)]


def claim(metric, reference=None):
    return Claim(specialist="x", metric=metric, reference=reference, margin=0.1, at_least=None, confidence=0.95)


def test_exact_match_is_the_accuracy_of_ones_and_its_floor_the_commonest_truth():
    rows = texts(("a", " a"), ("b", "x"), ("b", None), ("c", "b"))
    graded = grade(rows, "generate", "exact_match", paired=False)
    assert (graded.metric, graded.ours.tolist(), graded.baseline) == ("accuracy", [1, 0, 0, 0], 0.5)
    assert score("accuracy", graded.gold, graded.ours, 2) == 0.25
    assert [right_of(row, "generate", "exact_match") for row in rows] == [True, False, False, False]


def test_marks_are_averaged_and_their_bounds_are_0_and_1():
    rows = texts(("abc", "ab"), ("abc", "abc"))
    graded = grade(rows, "generate", "chrf", paired=False)
    assert score("mean", graded.gold, graded.ours) == pytest.approx((chrf("ab", ["abc"]) + 1) / 2)
    assert graded.baseline == 1
    best, worst = best_and_worst("mean", graded.gold, graded.ours, 1, np.array([True, False]))
    assert (best.tolist(), worst.tolist()) == ([1, 1], [0, 1])
    assert right_of(rows[0], "generate", "chrf") is None


def test_marks_get_paired_limits_from_whole_units():
    rng = np.random.default_rng(0)
    rows = [
        Answer(str(n), "abcdefgh", "abcdefgh"[: 2 + rng.integers(7)], reference="abcdefgh"[: 1 + rng.integers(7)])
        for n in range(200)
    ]
    reference = {"id": "r", "kind": "recorded", "score": None, "n": None, "sha256": "0"}
    result = arithmetic(claim("chrf", reference), 1, "generate", [], None, rows)["result"]
    ours = np.mean([chrf(row.answer, ["abcdefgh"]) for row in rows])
    theirs = np.mean([chrf(row.reference, ["abcdefgh"]) for row in rows])
    assert result["score"] == pytest.approx(ours) and result["difference"] == pytest.approx(ours - theirs)
    assert result["lower"] < ours - theirs < result["upper"]
    assert result["method"].startswith("paired, bootstrap of whole units")
    spread = np.std([chrf(row.answer, ["abcdefgh"]) for row in rows], ddof=1) / np.sqrt(200)
    assert result["score_upper"] - result["score_lower"] == pytest.approx(2 * 1.97 * spread, rel=0.1)


def test_answers_that_were_run_are_compared_by_their_recorded_outcomes_alone():
    rows = [Answer(str(n), "SELECT 1", None, right=n < 30, reference_right=n < 20) for n in range(40)]
    reference = {"id": "r", "kind": "recorded", "score": None, "n": None, "sha256": "0"}
    found = arithmetic(claim("execution", reference), 1, "generate", [], None, rows)
    assert (found["result"]["score"], found["result"]["reference_score"]) == (0.75, 0.5)
    assert (found["result"]["method"], found["result"]["baseline"]) == ("paired, Tango's score interval", 0)
    assert found["per_class"] == []


def test_whole_objects_are_compared_and_their_fields_told():
    rows = [Answer(str(n), {"a": "1", "b": str(n % 2)}, {"a": "1", "b": "0"}) for n in range(10)]
    found = arithmetic(claim("exact_match"), 1, "extract", [], None, rows)
    assert (found["result"]["score"], found["result"]["baseline"]) == (0.5, 0.5)
    assert [(each["label"], each["n"], each["recall"]) for each in found["per_class"]] == [("a", 10, 1), ("b", 10, 0.5)]


def test_the_order_of_fields_changes_nothing():
    rows = [Answer(str(n), {"b": "1", "a": str(n % 3)}, {"a": "1"}) for n in range(60)]
    turned = [Answer(row.id, dict(sorted(row.gold.items())), row.answer) for row in rows]
    assert arithmetic(claim("field_f1"), 1, "extract", [], None, rows) == arithmetic(
        claim("field_f1"), 1, "extract", [], None, turned
    )


def task(folder, **more):
    return Task(name="t", kind="generate", data=Data(file="t.jsonl"), folder=folder, **more)


def test_queries_are_run_on_the_tasks_database(tmp_path):
    pytest.importorskip("jangin.evals.sql_scorer")
    from jangin.evals.running import passed

    with sqlite3.connect(tmp_path / "shop.sqlite") as shop:
        shop.execute("CREATE TABLE goods (name TEXT, price INTEGER)")
        shop.executemany("INSERT INTO goods VALUES (?, ?)", [("a", 1), ("b", 2)])
    job = task(tmp_path, metric="execution", execution=Execution("shop.sqlite"))
    asked = Example(
        "1", "q", "SELECT name FROM goods WHERE price > 1", gold=["SELECT price FROM goods WHERE price > 1"]
    )
    answers = ["SELECT name FROM goods WHERE name = 'b'", "SELECT 2", "SELECT 1", "DROP TABLE goods", None, " "]
    assert passed(job, [asked] * 6, answers) == [True, True, False, False, False, False]
    assert passed(job, [asked] * 2, [f"So:\n```sql\n{answer}\n```\nDone." for answer in answers[1:3]]) == [True, False]


ZOO = "keeper(ID [pk], Name, Age) | animal(ID [pk], Weight, Keeper_ID) | FK: animal.Keeper_ID=keeper.ID"


def test_queries_are_matched_under_the_schema_of_their_own_row(tmp_path):
    from jangin.evals.running import passed

    job = task(tmp_path, metric="sql_match")
    gold = "SELECT name FROM keeper WHERE age > 3"
    inside = Example("1", f"Database: zoo\nSchema: {ZOO}\nQuestion: who?", gold, gold=["SELECT id FROM keeper"])
    beside = Example("2", "who?", gold, runs_on={"schema": ZOO})
    answers = [
        "select NAME from keeper where AGE > 99;",
        "```sql\nSELECT T1.name FROM keeper AS T1 WHERE T1.age > 1\n```",
        "SELECT name FROM keeper",
        "SELECT keeper_id FROM animal",
        "no idea",
        None,
    ]
    assert passed(job, [inside] * 6, answers) == [True, True, False, False, False, False]
    assert passed(job, [inside, beside], ["SELECT id FROM keeper"] * 2) == [True, False]
    assert passed(job, [beside] * 2, answers[:2]) == [True, True]


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (Example("7", "who?", "SELECT name FROM keeper"), "example '7': no table could be read from the schema"),
        (
            Example("8", f"Schema: {ZOO}", "SELECT colour FROM keeper"),
            "example '8': the gold query is not of Spider's grammar (unknown column)",
        ),
    ],
)
def test_a_row_that_no_answer_can_match_is_refused_by_its_id(tmp_path, example, message):
    from jangin.evals.running import passed

    with pytest.raises(DataError) as error:
        passed(task(tmp_path, metric="sql_match"), [example], ["SELECT name FROM keeper"])
    assert error.value.message == message


def test_code_is_run_against_its_tests(tmp_path):
    pytest.importorskip("jangin.evals.code_scorer")
    from jangin.evals.running import passed

    job = task(tmp_path, metric="pass_at_1", code=Code("tests"))
    plain = Example("1", "q", "x", runs_on={"tests": ["assert double(2) == 4", "assert double(0) == 0"]})
    started = {"setup": "def half(x):\n", "tests": "def check(f):\n    assert f(4) == 2\n", "entry_point": "half"}
    continued = Example("2", "q", "x", runs_on=started)
    answers = ["def double(x):\n    return 2 * x", "    return x / 2\n", "    return x\n"]
    assert passed(job, [plain, continued, continued], answers) == [True, True, False]
