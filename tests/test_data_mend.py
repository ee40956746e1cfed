"""`check --fix`: the copy is mended, the original untouched, and nothing is written half."""

import hashlib
import json
import resource
import unicodedata

import pytest

from data_files import jsonl, refused, rows, task_in
from jangin.data.check import check
from jangin.data.load import load_splits
from jangin.data.mend import mend
from jangin.errors import DataError, StorageError
from jangin.task import load_task

LONG = "please tell me when exactly the parcel with my new winter coat will arrive at the office in the north"


def spoilt(folder, text=""):
    """A task with one of everything that can be mended."""
    train, test = rows(40), rows(20, start=5_000)
    extra = [
        {"input": test[0]["input"].upper(), "output": "label-0"},  # leak: row 41
        {"input": LONG, "output": "label-0"},  # near leak
        {"input": train[0]["input"] + "!", "output": "label-0"},  # repetition
        {"input": train[1]["input"], "output": "label-0"},  # tied contradiction
        {"input": "unique words about nothing else", "output": "Label-0"},  # a variant of label-0
        {"input": unicodedata.normalize("NFD", "카드를 잃어버렸어요"), "output": " label-1"},
        {"input": "no label here"},
        "{",
    ]
    test = [*test, {"input": LONG.replace("coat", "cost"), "output": "Label-0"}, test[3], {"input": "", "output": "x"}]
    return task_in(folder, text, train=[*train, *extra], test=test)


def contents(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_the_copy_is_mended_and_the_original_is_untouched(tmp_path):
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    task = spoilt(original)
    before = contents(original)
    report = mend(task, copy)
    assert contents(original) == before
    assert sorted(path.name for path in copy.iterdir()) == [
        "report.json",
        "report.md",
        "task.yaml",
        "test.jsonl",
        "train.jsonl",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "original"]
    assert report.mended["train"] == {
        "unreadable": 2,
        "dropped_leaks": 1,
        "dropped_near_leaks": 1,
        "dropped_duplicates": 1,
        "dropped_contradictions": 2,
        "relabelled": 1,
        "written": 41,
    }
    assert report.mended["test"] == {"unreadable": 1, "relabelled": 1, "written": 22}
    again = check(load_task(copy))
    codes = {finding.code for finding in again.findings}
    assert codes == {"duplicates"}  # the test keeps its repetition
    assert again.exit_code == 0
    assert again.classes == {"label-0": 21, "label-1": 20}
    assert "카드를 잃어버렸어요" in [row["input"] for row in lines(copy / "train.jsonl")]


def test_mending_a_mended_copy_changes_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    mend(spoilt(tmp_path / "a"), tmp_path / "b")
    mend(load_task(tmp_path / "b"), tmp_path / "c")
    for name in ("train.jsonl", "test.jsonl"):
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "c" / name).read_bytes()


def test_the_report_is_written_with_what_was_changed(tmp_path):
    (tmp_path / "a").mkdir()
    mend(spoilt(tmp_path / "a"), tmp_path / "b")
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    assert report["mended"]["train"]["dropped_leaks"] == 1
    assert report["mended_task"] == str(tmp_path / "b" / "task.yaml")
    page = (tmp_path / "b" / "report.md").read_text()
    assert "| train | dropped leaks | 1 |" in page
    assert "winter" not in page


def test_the_majoritys_label_is_kept(tmp_path):
    (tmp_path / "a").mkdir()
    train = rows(40) + [{"input": "disputed words here", "output": f"label-{n}"} for n in (1, 0, 0)]
    mend(task_in(tmp_path / "a", train=train), tmp_path / "b")
    kept = [row for row in lines(tmp_path / "b" / "train.jsonl") if row["input"] == "disputed words here"]
    assert [(row["id"], row["output"]) for row in kept] == [("train-42", "label-0")]


def test_columns_units_and_other_fields_are_carried_over(tmp_path):
    (tmp_path / "a").mkdir()
    text = "fields: {input: text, output: intent}\nunit: id\nbar: {reference: answers/gpt.jsonl}\nmetric: macro_f1"
    train = [
        {"id": f"doc-{n // 2}", "text": row["input"], "intent": row["output"], "n": n} for n, row in enumerate(rows(40))
    ]
    test = [
        {"id": f"t-{n}", "text": row["input"], "intent": row["output"]} for n, row in enumerate(rows(20, start=5_000))
    ]
    task = task_in(tmp_path / "a", text, train=train, test=test)
    mend(task, tmp_path / "b")
    first = lines(tmp_path / "b" / "train.jsonl")[0]
    assert first == {"id": "train-1", "n": 0, "input": train[0]["text"], "output": "label-0", "unit": "doc-0"}
    copy = load_task(tmp_path / "b")
    assert (copy.unit_column, copy.metric, copy.bar.reference) == ("unit", "macro_f1", "../a/answers/gpt.jsonl")
    assert load_splits(copy).train[0].unit.startswith("doc-")


def test_repeated_ids_get_a_number(tmp_path):
    (tmp_path / "a").mkdir()
    train = [{"id": "same" if n < 3 else f"r{n}", **row} for n, row in enumerate(rows(40))]
    report = mend(task_in(tmp_path / "a", train=train), tmp_path / "b")
    assert [row["id"] for row in lines(tmp_path / "b" / "train.jsonl")[:4]] == ["same", "same~2", "same~3", "r3"]
    assert report.mended["train"]["renamed_ids"] == 2
    assert check(load_task(tmp_path / "b")).errors == 0


def test_a_single_file_is_written_as_train_and_test_with_the_same_test_rows(tmp_path):
    (tmp_path / "a").mkdir()
    jsonl(tmp_path / "a" / "all.jsonl", rows(100))
    (tmp_path / "a" / "task.yaml").write_text("name: a\nkind: classify\ndata: all.jsonl\nseed: 4\n")
    task = load_task(tmp_path / "a")
    mend(task, tmp_path / "b")
    expected = {example.id for example in load_splits(task).test}
    assert {example.id for example in load_splits(load_task(tmp_path / "b")).test} == expected


def test_tags_are_written_as_lists_or_marks(tmp_path):
    (tmp_path / "a").mkdir()
    train = [{"input": f"text {n} of {n * n}", "output": ["a"] if n % 2 else ["b", "c"]} for n in range(20)]
    train += [{"input": "another thing", "output": {"a": 0, "A": 1, "b": None}}]
    task = task_in(tmp_path / "a", "kind: tag", train=train, test=[{"input": "yet more of it", "output": "a,b"}])
    mend(task, tmp_path / "b")
    written = lines(tmp_path / "b" / "train.jsonl")
    assert written[0]["output"] == ["b", "c"]
    assert written[-1]["output"] == {"a": True}
    assert lines(tmp_path / "b" / "test.jsonl")[0]["output"] == ["a", "b"]


def test_the_originals_folder_is_refused(tmp_path):
    task = task_in(tmp_path)
    with pytest.raises(DataError) as error:
        mend(task, tmp_path)
    expected = (f"'{tmp_path}' holds the original, which is never touched", "name a new folder after --fix")
    assert refused(error) == expected


def test_the_folder_of_the_data_is_refused_too(tmp_path):
    (tmp_path / "task").mkdir()
    (tmp_path / "data").mkdir()
    jsonl(tmp_path / "data" / "all.jsonl", rows(50))
    (tmp_path / "task" / "task.yaml").write_text("name: a\nkind: classify\ndata: ../data/all.jsonl\n")
    with pytest.raises(DataError) as error:
        mend(load_task(tmp_path / "task"), tmp_path / "data")
    assert error.value.message == f"'{tmp_path / 'data'}' holds the original, which is never touched"


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    task = task_in(tmp_path / "a")
    (tmp_path / "b").mkdir()
    mend(task, tmp_path / "b")  # empty: taken
    with pytest.raises(DataError) as error:
        mend(task, tmp_path / "b")
    assert refused(error) == (f"'{tmp_path / 'b'}' is not an empty folder", "name a new folder after --fix")


def test_without_a_readable_train_nothing_is_written(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError) as error:
        mend(task_in(tmp_path / "a", train=["{"]), tmp_path / "b")
    assert error.value.message == "nothing to mend: train.jsonl, row 1: not valid JSON: Input data was truncated"
    assert not (tmp_path / "b").exists()


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    (tmp_path / "a").mkdir()
    task = task_in(tmp_path / "a")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))  # no file may grow beyond, as on a full disk
    try:
        with pytest.raises(StorageError) as error:
            mend(task, tmp_path / "b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.message == f"{tmp_path / 'b'}: the disk is full (File too large)"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    task = task_in(tmp_path / "a")
    with pytest.raises(StorageError) as error:
        mend(task, tmp_path / "a" / "task.yaml" / "b")
    path = tmp_path / "a" / "task.yaml" / "b"
    assert error.value.message == f"{path}: cannot be written (Not a directory)"
