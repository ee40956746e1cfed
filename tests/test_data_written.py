"""Tasks whose answers are written: objects and texts are read, checked, divided, sealed and hashed."""

import msgspec
import pytest

from data_files import jsonl, refused
from jangin.data.check import check
from jangin.data.load import load_splits, schema_of, split_hashes
from jangin.data.mend import mend
from jangin.errors import DataError, TaskError
from jangin.task import Code, Execution, Sql, load_task

FILES = "data: {train: train.jsonl, test: test.jsonl}\n"
WORDS = ["river", "stone", "maple", "cloud", "ember", "frost", "pearl", "raven", "cedar", "bloom"]


def titles(count, start=0, **extra):
    """Titles of goods, each with the object that stands in it."""
    return [
        {
            "id": f"t{start + n}",
            "input": f"{WORDS[n % 10]} {WORDS[n // 10 % 10]} lamp number {start + n}",
            "output": {"size": f"{n}", "brand": WORDS[n % 10]} if n % 2 else {"brand": WORDS[n % 10]},
            **extra,
        }
        for n in range(count)
    ]


def task_of(folder, kind, train, test, more=""):
    jsonl(folder / "train.jsonl", train)
    jsonl(folder / "test.jsonl", test)
    (folder / "task.yaml").write_text(f"name: goods\nkind: {kind}\n{FILES}{more}", encoding="utf-8")
    return load_task(folder)


def refusal(task):
    with pytest.raises(DataError) as error:
        load_splits(task)
    return refused(error)


def test_objects_come_as_text_or_as_objects_and_take_the_order_of_the_schema(tmp_path):
    as_text = [{**row, "output": msgspec.json.encode(row["output"]).decode()} for row in titles(4, 50)]
    task = task_of(tmp_path, "extract", [*titles(20), *as_text], titles(10, 900))
    splits = load_splits(task)
    outputs = [example.output for example in (*splits.train, *splits.validation)]
    assert len(outputs) == 24 and all(isinstance(output, dict) for output in outputs)
    assert {tuple(output) for output in outputs} == {("size", "brand"), ("brand",)}
    schema = schema_of(task, [*splits.train, *splits.validation])
    assert (list(schema["properties"]), schema["required"]) == (["size", "brand"], ["brand"])


def test_a_schema_of_the_task_orders_fields_and_refuses_what_it_does_not_allow(tmp_path):
    given = "schema: {type: object, properties: {brand: {type: string}, size: {type: string}}, required: [brand]}\n"
    task = task_of(tmp_path, "extract", titles(20), titles(10, 900), given)
    assert {tuple(each.output) for each in load_splits(task).train} == {("brand",), ("brand", "size")}
    assert schema_of(task, []) == task.schema
    wrong = [*titles(20), {"input": "a lamp", "output": {"size": "3"}}]
    task = task_of(tmp_path, "extract", wrong, titles(10, 900), given)
    message = "train.jsonl, row 21: field 'brand' is missing"
    assert refusal(task) == (message, "mend the row, or 'schema' in task.yaml")


@pytest.mark.parametrize(
    ("kind", "output", "message"),
    [
        ("extract", "blue", "field 'output' is text; expected a JSON object"),
        ("extract", ["blue"], "field 'output' is a list; expected a JSON object"),
        ("extract", '{"brand": ', "an answer starts as JSON but is not valid JSON"),
        ("extract", None, "the answer is empty"),
        ("generate", " \n", "the answer is empty"),
        ("generate", {"a": 1}, "field 'output' is an object; expected text"),
    ],
)
def test_an_answer_of_another_shape_is_refused(tmp_path, kind, output, message):
    good = {"extract": {"brand": "x"}, "generate": "SELECT 1"}[kind]
    rows = [{"input": "one", "output": output}, *({"input": f"n {n}", "output": good} for n in range(9))]
    assert refusal(task_of(tmp_path, kind, rows, titles(3, 900)))[0] == f"train.jsonl, row 1: {message}"


def test_code_keeps_its_lines_and_indentation(tmp_path):
    code = "    for each in items:\n        print(each)\n"
    rows = [{"input": f"task {n}", "output": f"{code}{n}\n"} for n in range(20)]
    splits = load_splits(task_of(tmp_path, "generate", rows, [{"input": "other", "output": "e\u0301"}]))
    assert len(splits.train) == 18 and len(splits.validation) == 2
    assert splits.train[0].output == f"{code}{splits.train[0].row - 1}"


def test_answers_that_are_all_equal_or_empty_are_refused(tmp_path):
    same = [{"input": f"task {n}", "output": {"brand": "x", "size": 1}} for n in range(9)]
    test = titles(3, 900)
    expected = ("all answers of train are equal: there is nothing to learn", "add examples with other answers")
    assert refusal(task_of(tmp_path, "extract", same, test)) == expected
    empty = [{"input": "only one", "output": {}}]
    expected = ("all answers of train are empty: there is nothing to learn", "add examples with answers")
    assert refusal(task_of(tmp_path, "extract", empty, test)) == expected


def test_accepted_answers_are_sealed_with_the_test_and_bound_by_its_hash(tmp_path):
    test = titles(10, 900, gold={"brand": ["river", "River"]})
    task = task_of(tmp_path, "extract", titles(20), test, "fields: {gold: gold}\n")
    assert {(each.gold, each.output) for each in load_splits(task).test} == {(None, None)}
    opened = load_splits(task, open_test_outputs=True).test
    assert opened[0].gold == {"brand": ["river", "River"]} and "gold" not in opened[0].extra
    before = split_hashes(task)
    test[0]["gold"] = {"brand": ["other"]}
    after = split_hashes(task_of(tmp_path, "extract", titles(20), test, "fields: {gold: gold}\n"))
    assert before["test"] != after["test"] and before["test_inputs"] == after["test_inputs"]


def test_accepted_answers_of_another_shape_are_refused(tmp_path):
    train = [{"input": f"q {n}", "output": f"a {n}", "other": {"a": 1}} for n in range(9)]
    task = task_of(tmp_path, "generate", train, titles(3, 900), "fields: {gold: other}\n")
    assert refusal(task)[0] == "train.jsonl, row 1: field 'other' is an object; expected a list of texts"


def test_what_runs_an_answer_comes_from_the_columns_that_the_task_names(tmp_path):
    rows = [{"input": f"q {n}", "output": f"SELECT {n}", "db_id": "shop", "check": f"assert {n}"} for n in range(9)]
    other = [{**row, "input": f"t {n}"} for n, row in enumerate(rows)]
    runs = "metric: execution\nexecution: {database: dbs, column: db_id, frozen_time: 2026-01-31 12:00:00}\n"
    task = task_of(tmp_path, "generate", rows, other, runs)
    assert task.execution == Execution("dbs", "db_id", "2026-01-31 12:00:00")
    assert load_splits(task, open_test_outputs=True).test[0].runs_on == {"database": "shop"}
    assert load_splits(task).test[0].runs_on == {}
    task = task_of(tmp_path, "generate", rows, other, "metric: pass_at_1\ncode: {tests: check}\n")
    assert task.code == Code("check")
    assert load_splits(task).train[0].runs_on["tests"].startswith("assert ")
    task = task_of(tmp_path, "generate", rows, other, "metric: sql_match\nsql: {schema: db_id}\n")
    assert task.sql == Sql("db_id") and task.document()["sql"] == {"schema": "db_id"}
    assert load_splits(task).train[0].runs_on == {"schema": "shop"}
    task = task_of(tmp_path, "generate", rows, other, "metric: sql_match\n")
    assert (task.sql, load_splits(task).train[0].runs_on) == (None, {})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("metric: execution\n", "metric execution needs 'execution'"),
        ("execution: {database: a.sqlite}\n", "'execution' belongs to metric execution"),
        ("metric: execution\nexecution: {column: a}\n", "'execution.database' is missing; expected a file or a folder"),
        ("metric: pass_at_1\ncode: {setup: a}\n", "'code.tests' is missing; expected the name of a column"),
        ("sql: {schema: a}\n", "'sql' belongs to metric sql_match"),
        ("metric: sql_match\nsql: {column: a}\n", "unknown key 'sql.column'"),
        ("labels: [a, b]\n", "'labels' belongs to kinds classify and tag; kind is generate"),
        ("schema: {type: object}\n", "'schema' belongs to kind extract; kind is generate"),
    ],
)
def test_keys_that_do_not_suit_the_kind_or_metric_are_refused(tmp_path, more, message):
    with pytest.raises(TaskError) as error:
        task_of(tmp_path, "generate", [], [], more)
    assert refused(error)[0] == f"task.yaml: {message}"


def test_a_schema_that_is_not_of_an_object_is_refused(tmp_path):
    with pytest.raises(TaskError) as error:
        task_of(tmp_path, "extract", [], [], "schema: {type: array}\n")
    assert refused(error)[0] == (
        "task.yaml: schema is {'type': 'array'}; expected 'auto' or a JSON schema of type object"
    )
    assert task_of(tmp_path, "extract", [], [], "schema: auto\n").schema is None


def test_check_counts_fields_and_tells_answers_that_the_schema_of_train_lacks(tmp_path):
    odd = {"id": "odd", "input": "something else", "output": {"brand": "x", "colour": "red"}}
    report = check(task_of(tmp_path, "extract", titles(40), [*titles(9, 900), odd]))
    assert report.classes == {"brand": 40, "size": 20}
    found = {finding.code: finding for finding in report.findings}
    assert found["answer_beyond_schema"].count == 1 and found["answer_beyond_schema"].rows == []
    assert "label_not_in_train" not in found and report.errors == 0


def test_different_answers_to_one_text_are_told_and_kept_where_texts_are_written(tmp_path):
    rows = [{"id": f"r{n}", "input": f"question {n // 2}", "output": f"answer {n % 4}"} for n in range(20)]
    rows.append({**rows[0], "id": "again"})
    task = task_of(tmp_path, "generate", rows, [{"input": "other thing", "output": "x"}])
    report = check(task)
    codes = {finding.code: finding for finding in report.findings}
    assert codes["different_answers"].count == 10 and codes["different_answers"].severity == "warning"
    assert (report.errors, report.classes) == (0, {})
    mended = mend(task, tmp_path / "mended")
    assert mended.mended["train"]["written"] == 20


def test_a_mended_copy_is_the_same_task(tmp_path):
    gold = {"brand": ["river"]}
    test = titles(9, 900, gold=gold)
    task = task_of(tmp_path, "extract", titles(20, gold=gold), test, "fields: {gold: gold}\n")
    mend(task, tmp_path / "mended")
    again = load_task(tmp_path / "mended")
    assert split_hashes(again)["test"] == split_hashes(task)["test"]
    rows = [{"input": f"q {n}", "output": f"SELECT {n}", "db_id": "shop"} for n in range(9)]
    more = "metric: execution\nexecution: {database: dbs, column: db_id}\n"
    mend(task_of(tmp_path, "generate", rows, [{**rows[0], "input": "t"}], more), tmp_path / "other")
    again = load_task(tmp_path / "other")
    assert again.execution == Execution("../dbs", "database")
    assert load_splits(again, open_test_outputs=True).test[0].runs_on == {"database": "shop"}
    more = "metric: sql_match\nsql: {schema: db_id}\n"
    mend(task_of(tmp_path, "generate", rows, [{**rows[0], "input": "t"}], more), tmp_path / "third")
    again = load_task(tmp_path / "third")
    assert (again.sql, load_splits(again).train[0].runs_on) == (Sql("schema"), {"schema": "shop"})
