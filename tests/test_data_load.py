"""Splits: leak-free, sealed, stratified, deterministic; and the data that loading refuses."""

import random
from collections import Counter

import pytest

from data_files import jsonl, refused, rows, task_in
from jangin.data.load import label_set, load_splits, split_hashes
from jangin.data.split import calibration_rows, divide, held_out_rows, rows_for_test
from jangin.errors import DataError
from jangin.task import load_task
from jangin.types import Example


def refusal(task):
    with pytest.raises(DataError) as error:
        load_splits(task)
    return refused(error)


def ids(examples):
    return [example.id for example in examples]


def single_file(folder, lines, text="", kind="classify"):
    jsonl(folder / "all.jsonl", lines)
    (folder / "task.yaml").write_text(f"name: a\nkind: {kind}\ndata: all.jsonl\n{text}\n", encoding="utf-8")
    return load_task(folder)


def named(count, labels=2, **extra):
    return [{"id": f"r{n}", **row, **extra} for n, row in enumerate(rows(count, labels))]


def test_test_answers_and_extra_fields_do_not_leave_load_unless_asked_for(tmp_path):
    lines = [{**row, "also": row["output"]} for row in rows(20, start=900)]
    task = task_in(tmp_path, test=lines)
    sealed = load_splits(task).test
    assert {(example.output, len(example.extra)) for example in sealed} == {(None, 0)}
    opened = load_splits(task, open_test_outputs=True).test
    assert [example.output for example in opened] == [line["output"] for line in lines]
    assert [example.input for example in sealed] == [line["input"] for line in lines]


def test_train_rows_that_stand_in_the_test_are_dropped_from_train_and_never_from_the_test(tmp_path):
    test = rows(20, start=900)
    leaked = [
        {"input": test[0]["input"].upper() + "  ", "output": "label-0"},
        {"input": test[1]["input"].replace(" ", ", ") + "?!", "output": "label-1"},
    ]
    splits = load_splits(task_in(tmp_path, train=leaked + rows(20), test=test))
    assert len(splits.test) == 20
    assert "train-1" not in ids(splits.train) + ids(splits.validation)
    assert "train-2" not in ids(splits.train) + ids(splits.validation)
    assert len(splits.train) + len(splits.validation) == 20


def test_a_text_is_kept_in_the_split_that_judges_latest(tmp_path):
    shared = rows(4, start=900)
    task = task_in(
        tmp_path,
        train=rows(20) + shared,
        validation=rows(10, start=100) + shared[:3],
        calibration=rows(10, start=200) + shared[:2],
        test=rows(20, start=300) + shared[:1],
    )
    splits = load_splits(task)
    kept = {name: {example.input for example in getattr(splits, name)} for name in splits.__struct_fields__}
    texts = [row["input"] for row in shared]
    assert [[name for name in kept if text in kept[name]] for text in texts] == [
        ["test"],
        ["calibration"],
        ["validation"],
        ["train"],
    ]


def test_rows_that_share_a_unit_with_the_test_are_dropped(tmp_path):
    train = [{**row, "customer": f"c{n}"} for n, row in enumerate(rows(20))]
    test = [{**row, "customer": f"c{n + 18}"} for n, row in enumerate(rows(20, start=900))]
    splits = load_splits(task_in(tmp_path, "unit: customer", train=train, test=test))
    units = {example.unit for example in splits.train + splits.validation}
    assert units == {f"c{n}" for n in range(18)}


def test_sizes_follow_the_number_of_rows():
    assert [held_out_rows(n) for n in (50, 999, 1_000, 5_000, 100_000)] == [5, 100, 200, 500, 2_000]
    assert [calibration_rows(n) for n in (19_999, 20_000, 80_000)] == [0, 2_000, 2_000]
    assert [rows_for_test(n) for n in (100, 10_000, 1_000_000)] == [20, 2_000, 5_000]


def test_missing_splits_come_from_train_stratified_by_label(tmp_path):
    splits = load_splits(task_in(tmp_path, train=named(22_000, labels=30), test=rows(20, start=90_000)))
    assert [len(splits.train), len(splits.validation), len(splits.calibration)] == [18_000, 2_000, 2_000]
    for part in (splits.validation, splits.calibration):
        counts = Counter(example.output for example in part)
        assert len(counts) == 30
        assert max(counts.values()) - min(counts.values()) <= 2
    assert len(set(ids(splits.train + splits.validation + splits.calibration))) == 22_000


def test_named_validation_and_calibration_are_left_as_they_are(tmp_path):
    files = {"validation": rows(30, start=100), "calibration": rows(40, start=200)}
    splits = load_splits(task_in(tmp_path, train=rows(60), **files))
    assert [len(splits.train), len(splits.validation), len(splits.calibration)] == [60, 30, 40]


def test_a_single_file_gives_a_test_too(tmp_path):
    splits = load_splits(single_file(tmp_path, rows(3_000, labels=3)))
    assert len(splits.test) == 600
    assert [len(splits.train), len(splits.validation), len(splits.calibration)] == [2_160, 240, 0]
    assert set(ids(splits.test)) & set(ids(splits.train)) == set()
    assert splits.test[0].id.startswith("row-")


def test_the_division_depends_on_seed_and_ids_and_not_on_the_order_of_rows(tmp_path):
    lines = named(1_000, labels=7)
    first = load_splits(single_file(tmp_path, lines))
    random.Random(1).shuffle(lines)
    shuffled = load_splits(single_file(tmp_path, lines))
    for name in first.__struct_fields__:
        assert set(ids(getattr(first, name))) == set(ids(getattr(shuffled, name)))
    assert set(ids(load_splits(single_file(tmp_path, lines, "seed: 1")).test)) != set(ids(first.test))


def test_a_unit_is_never_divided_and_parts_still_have_about_their_size(tmp_path):
    generator = random.Random(2)
    lines = [{**row, "doc": f"d{generator.randrange(300)}"} for row in named(3_000, labels=5)]
    splits = load_splits(single_file(tmp_path, lines, "unit: doc"))
    units = [{example.unit for example in getattr(splits, name)} for name in splits.__struct_fields__]
    assert sum(map(len, units)) == len(set.union(*units))
    assert 540 <= len(splits.test) <= 660
    assert 200 <= len(splits.validation) <= 280


def test_equal_texts_stay_in_one_part_so_that_no_row_is_lost(tmp_path):
    lines = [
        {"input": f"{row['input']}{mark}", "output": row["output"]} for row in rows(300) for mark in ("", "!", "?")
    ]
    splits = load_splits(single_file(tmp_path, lines))
    assert sum(len(getattr(splits, name)) for name in splits.__struct_fields__) == 900
    assert all(count == 3 for count in Counter(example.input.rstrip("!?") for example in splits.test).values())


def test_a_label_with_one_example_stays_in_train(tmp_path):
    lines = rows(500) + [{"input": f"rare thing number {n} of {n * n}", "output": f"rare-{n}"} for n in range(50)]
    splits = load_splits(single_file(tmp_path, lines))
    held = splits.validation + splits.calibration
    assert {label for label in label_set(load_task(tmp_path), splits.train) if label.startswith("rare")} == {
        f"rare-{n}" for n in range(50)
    }
    assert not [example for example in held if example.output.startswith("rare")]


def test_labels_that_can_give_no_row_do_not_empty_the_others():
    """The share of a thousand single-example labels must not be taken from the one label that has more."""
    examples = [Example(f"s{n}", f"single {n}", f"a{n}") for n in range(1_000)]
    examples += [Example(f"m{n}", f"many {n}", "z") for n in range(100)]
    rest, part = divide(examples, [110], seed=0)
    assert len(part) <= 20
    assert len(rest) + len(part) == 1_100


def test_five_thousand_labels_load(tmp_path):
    splits = load_splits(single_file(tmp_path, named(15_000, labels=5_000)))
    assert len(label_set(load_task(tmp_path), splits.train)) == 5_000
    assert len(splits.test) == 3_000


def test_tags_are_completed_over_the_label_set_and_unknown_ones_stay_unknown(tmp_path):
    train = [{"input": f"text number {n} with {n * n}", "output": ["a"] if n % 2 else ["b", "c"]} for n in range(40)]
    train[0]["output"] = {"a": 1, "b": 0}
    train[1]["output"] = []
    splits = load_splits(task_in(tmp_path, "kind: tag", train=train, test=train[:0] + rows(5, start=900)))
    by_id = {example.id: example.output for example in splits.train + splits.validation}
    assert by_id["train-1"] == {"a": True, "b": False}
    assert by_id["train-2"] == {"a": False, "b": False, "c": False}
    assert by_id["train-3"] == {"a": False, "b": True, "c": True}


def test_the_label_set_is_the_lists_in_its_order_or_that_of_train(tmp_path):
    task = task_in(tmp_path, "labels: [label-1, label-0, spare]")
    assert label_set(task, load_splits(task).train) == ["label-1", "label-0", "spare"]
    task = task_in(tmp_path)
    assert label_set(task, load_splits(task).train) == ["label-0", "label-1"]


def test_hashes_name_files_and_test_rows_and_not_their_order(tmp_path):
    lines = named(50)
    task = task_in(tmp_path, test=lines)
    first = split_hashes(task)
    assert set(first) == {"files", "test", "test_inputs"} and set(first["files"]) == {"train", "test"}
    again = split_hashes(task_in(tmp_path, test=lines[::-1]))
    assert (again["test"], again["test_inputs"]) == (first["test"], first["test_inputs"])
    assert again["files"]["test"] != first["files"]["test"]
    other_answer = split_hashes(task_in(tmp_path, test=[{**lines[0], "output": "label-1"}, *lines[1:]]))
    assert other_answer["test_inputs"] == first["test_inputs"] and other_answer["test"] != first["test"]
    other_text = split_hashes(task_in(tmp_path, test=[{**lines[0], "input": "other"}, *lines[1:]]))
    assert other_text["test_inputs"] != first["test_inputs"]


def test_the_hash_of_a_test_does_not_depend_on_train(tmp_path):
    lines = [{"id": f"r{n}", "input": f"text {n}", "output": ["a"]} for n in range(9)]
    first = split_hashes(task_in(tmp_path, "kind: tag", train=lines[:3], test=lines[3:]))
    wider = [*lines[:3], {"input": "more", "output": ["a", "new"]}]
    assert split_hashes(task_in(tmp_path, "kind: tag", train=wider, test=lines[3:]))["test"] == first["test"]


def test_an_empty_file_is_refused(tmp_path):
    task = task_in(tmp_path, train=[])
    assert refusal(task) == ("train.jsonl: no rows", "give at least one example for each label")


def test_one_label_is_refused(tmp_path):
    message = "train has only one label, 'label-0': there is nothing to learn"
    assert refusal(task_in(tmp_path, train=rows(20, labels=1))) == (message, "add examples of the other labels")


def test_train_that_stands_in_the_test_as_a_whole_is_refused(tmp_path):
    message, hint = refusal(task_in(tmp_path, train=rows(20), test=rows(30)))
    assert message == "no rows are left in train: every one also stands in another split"
    assert hint == "name different files for train and test, or write 'data: FILE' to have a test split off"


def test_the_same_id_twice_is_refused(tmp_path):
    message, hint = refusal(task_in(tmp_path, train=[*named(9), {"id": "r3", "input": "new", "output": "label-0"}]))
    assert message == "train.jsonl: id 'r3' stands on rows 4 and 10"
    assert hint == "make ids unique; where the column names a document or a customer, write 'unit: id' in task.yaml"


def test_a_row_with_a_missing_field_far_inside_is_named(tmp_path):
    lines = rows(20_000)
    del lines[12_344]["output"]
    message, hint = refusal(task_in(tmp_path, train=lines))
    assert message == "train.jsonl, row 12345: no field 'output' (fields: input)"
    assert hint == "jangin check TASK names every such row; --fix DIR writes a copy without them"


def test_a_data_file_that_is_not_there_is_named(tmp_path):
    task = task_in(tmp_path)
    (tmp_path / "test.jsonl").unlink()
    missing = (f"no data file '{tmp_path / 'test.jsonl'}'", "paths in task.yaml count from its folder")
    assert refusal(task) == missing


def test_a_scope_that_is_no_label_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        load_splits(task_in(tmp_path, "out_of_scope: zzz"))
    message = "out_of_scope is 'zzz'; no row of train has this label"
    assert refused(error) == (message, "name a label of train, or take 'out_of_scope' out")
