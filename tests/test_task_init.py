"""`init`: the guesses, the comments that explain them, and that the result is a task file that works."""

import json

import pytest

from data_files import jsonl, refused, rows
from jangin.data.load import load_splits
from jangin.errors import DataError
from jangin.init import write_task
from jangin.task import Data, Fields, load_task


def write(folder, text, name="tickets.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return write_task(path, folder / "task")


def test_a_csv_becomes_a_commented_task_file_that_loads(tmp_path):
    body = "\n".join(f"T{n},{row['input']},{row['output']}" for n, row in enumerate(rows(50)))
    target = write(tmp_path, f"ticket,Message,Intent\n{body}\n")
    assert target == tmp_path / "task" / "task.yaml"
    assert target.read_text() == (
        "# Written by `jangin init` after a look at 50 rows. Guesses are marked: mend what is wrong.\n"
        'name: "tickets"\n'
        "# description: What the task is, in one sentence.\n"
        "kind: classify  # guess: answers are 2 different short texts\n"
        'data: "../tickets.csv"  # a fifth becomes the test, drawn with the seed below\n'
        '# guess: column "Message" is the input by its name; column "Intent" is the answer by its name\n'
        'fields: {input: "Message", output: "Intent"}\n'
        "labels: auto  # those of train; or a list\n"
        "metric: accuracy  # or macro_f1, micro_f1\n"
        "# bar:  # what the model must reach before it may replace another\n"
        "#   at_least: 0.90\n"
        "#   reference: gpt-4/banking77-rag20  # a published score, or the path of recorded answers\n"
        "#   margin: 0.02\n"
        "#   confidence: 0.95\n"
        "policy: {egress: deny, unsure: abstain}\n"
        "seed: 0\n"
    )
    task = load_task(tmp_path / "task")
    assert task.fields == Fields(input="Message", output="Intent")
    assert len(load_splits(task).test) == 10


def test_the_commented_bar_is_valid_when_the_marks_are_taken_off(tmp_path):
    target = write(tmp_path, "input,output\na,x\nb,y\n")
    target.write_text(target.read_text().replace("# bar:", "bar:").replace("#   ", "  "))
    bar = load_task(target).bar
    assert (bar.at_least, bar.reference, bar.margin) == (0.9, "gpt-4/banking77-rag20", 0.02)


def test_files_beside_train_are_taken_as_the_other_splits(tmp_path):
    folder = tmp_path / "bank intents"
    folder.mkdir()
    for name in ("train", "test", "dev"):
        jsonl(folder / f"{name}.jsonl.gz", rows(10))
    task = load_task(write_task(folder / "train.jsonl.gz", folder))
    assert task.data == Data(train="train.jsonl.gz", test="test.jsonl.gz", validation="dev.jsonl.gz")
    assert task.name == "bank-intents"


def test_columns_are_guessed_by_what_they_hold_where_names_say_nothing(tmp_path):
    target = write(
        tmp_path, "a,b,c\n" + "\n".join(f"k{n},{row['input']},{row['output']}" for n, row in enumerate(rows(9)))
    )
    why = (
        '# guess: column "b" is the input because its texts are the longest; '
        'column "c" is the answer because it has the fewest different values, 2\n'
    )
    assert why in target.read_text()
    assert load_task(target).fields == Fields(input="b", output="c")


def test_an_id_that_repeats_is_taken_for_the_unit(tmp_path):
    lines = [{"id": f"doc-{n // 2}", **row} for n, row in enumerate(rows(40))]
    task = load_task(write_task(jsonl(tmp_path / "all.jsonl", lines), tmp_path))
    assert task.unit_column == "id"
    load_splits(task)


def test_openai_chat_files_need_no_columns(tmp_path):
    lines = [
        {"messages": [{"role": "user", "content": row["input"]}, {"role": "assistant", "content": row["output"]}]}
        for row in rows(40)
    ]
    task = load_task(write_task(jsonl(tmp_path / "chat.jsonl", lines), tmp_path))
    assert (task.kind, task.fields) == ("classify", Fields())
    assert len(load_splits(task).test) == 8


@pytest.mark.parametrize(
    ("outputs", "kind", "why"),
    [
        (["a", "b"] * 20, "classify", "answers are 2 different short texts"),
        ([f"label_{n}" for n in range(40)], "classify", "answers are 40 different short texts"),
        ([["a"], ["a", "b"]] * 20, "tag", "answers are lists of labels"),
        (['["a"]', "[]"] * 20, "tag", "answers are lists of labels"),
        ([{"a": 1, "b": None}] * 40, "tag", "answers say 0 or 1 for each label"),
        (["a", "b", "a, b", "b,c", "a,c", "a,b,c"] * 9, "tag", "answers combine 3 labels, separated by commas"),
        ([{"name": "x"}] * 40, "extract", "answers are JSON objects"),
        ([f"The answer to number {n} is a long sentence." for n in range(40)], "generate", "answers are free text"),
    ],
)
def test_the_kind_is_guessed_from_the_answers(tmp_path, outputs, kind, why):
    lines = [{"input": f"text {n}", "output": output} for n, output in enumerate(outputs)]
    target = write_task(jsonl(tmp_path / "all.jsonl", lines), tmp_path)
    assert f"kind: {kind}  # guess: {why}\n" in target.read_text()
    assert load_task(target).kind == kind


def test_a_task_of_objects_says_where_its_schema_comes_from(tmp_path):
    target = write_task(jsonl(tmp_path / "a.jsonl", [{"input": "a", "output": {"x": "y"}}]), tmp_path)
    assert "schema: auto  # what the answers of train have; or a JSON schema\n" in target.read_text()
    assert "labels:" not in target.read_text()
    assert load_task(target).schema is None


def test_column_names_cannot_break_the_file(tmp_path):
    lines = [{"text: #\n'\"": row["input"], "label": row["output"]} for row in rows(9)]
    task = load_task(write_task(jsonl(tmp_path / "a.jsonl", lines), tmp_path))
    assert task.fields == Fields(input="text: #\n'\"", output="label")


def test_an_existing_task_file_is_kept(tmp_path):
    target = write(tmp_path, "input,output\na,x\n")
    with pytest.raises(DataError) as error:
        write(tmp_path, "input,output\na,x\n")
    assert refused(error) == (f"'{target}' is there already", "remove it, or name another folder with -o")


def test_a_file_without_answers_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        write(tmp_path, "text\na\nb\n")
    message = "tickets.csv: no column for the answer (other columns: none)"
    assert refused(error) == (message, "name it 'output' or 'label'")
    assert not (tmp_path / "task").exists()


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        write(tmp_path, "")
    assert refused(error) == ("tickets.csv: no readable rows", "give at least one example for each label")


def test_a_few_bad_rows_do_not_stop_it(tmp_path):
    lines = ["{", *rows(20), b"\xff"]
    task = load_task(write_task(jsonl(tmp_path / "a.jsonl", lines), tmp_path))
    assert task.kind == "classify"
    assert json.loads((tmp_path / "a.jsonl").read_bytes().split(b"\n")[1])["output"] == "label-0"
