"""The task file: defaults, every key's wrong values, and files made to harm."""

from pathlib import Path

import pytest

from data_files import refused
from jangin.errors import TaskError
from jangin.evals.scorers import METRICS as SCORED
from jangin.task import LABELLED, METRICS, Bar, Data, Fields, Policy, load_task

MINIMAL = "name: bank-intents\nkind: classify\ndata: {train: train.jsonl, test: test.jsonl}\n"


def load(folder: Path, text: str):
    (folder / "task.yaml").write_text(text, encoding="utf-8")
    return load_task(folder)


def refusal(folder: Path, text: str) -> tuple[str, str | None]:
    with pytest.raises(TaskError) as error:
        load(folder, text)
    return refused(error)


def test_defaults_are_filled_in(tmp_path):
    task = load(tmp_path, MINIMAL)
    assert (task.name, task.kind, task.metric, task.seed) == ("bank-intents", "classify", "accuracy", 0)
    assert task.data == Data(train="train.jsonl", test="test.jsonl")
    assert (task.fields, task.labels, task.bar, task.policy) == (Fields(), None, None, Policy("deny", "abstain"))
    assert task.folder == tmp_path.resolve()


def test_the_example_of_the_design_is_read(tmp_path):
    text = """
name: bank-intents
description: Route a bank customer's message to one of 77 intents.
kind: classify              # classify | tag | extract | generate
data: {train: train.jsonl, test: test.jsonl}
labels: auto
metric: accuracy
bar:
  reference: gpt-4/banking77-rag20
  margin: 0.02
  confidence: 0.95
policy: {egress: deny, unsure: abstain}
"""
    task = load(tmp_path, text)
    assert task.bar == Bar(reference="gpt-4/banking77-rag20", at_least=None, margin=0.02, confidence=0.95)


def test_every_key_is_read(tmp_path):
    text = """
name: 문의-분류
kind: classify
data: {train: a.csv, validation: b.csv, calibration: c.csv, test: d.csv}
fields: {input: text, output: intent, id: ticket}
labels: [refund, 7, oos]
out_of_scope: oos
metric: macro_f1
bar: {at_least: 0.9}
unit: customer
policy: {unsure: refuse}
seed: 3
languages: [en, ko]
"""
    task = load(tmp_path, text)
    assert task.name == "문의-분류"
    assert task.data.named() == {"train": "a.csv", "test": "d.csv", "validation": "b.csv", "calibration": "c.csv"}
    assert task.fields == Fields(input="text", output="intent", id="ticket")
    assert (task.labels, task.out_of_scope, task.metric) == (("refund", "7", "oos"), "oos", "macro_f1")
    assert (task.unit_column, task.seed, task.languages) == ("customer", 3, ("en", "ko"))
    assert (task.bar, task.policy) == (Bar(at_least=0.9), Policy("deny", "refuse"))


def test_a_single_file_and_the_yaml_itself_are_accepted(tmp_path):
    load(tmp_path, "name: a\nkind: tag\ndata: all.csv\n")
    task = load_task(tmp_path / "task.yaml")
    assert (task.data, task.metric) == (Data(file="all.csv"), "micro_f1")


def test_the_metrics_of_a_task_are_those_that_can_be_scored():
    # flagged_f1 is scored as the micro-F1 of "is any tag given?", which evals/arithmetic.py makes of the tags.
    scored = {"classify": set(SCORED["classify"]), "tag": {*SCORED["tag"], "flagged_f1"}}
    assert {kind: set(METRICS[kind]) for kind in LABELLED} == scored


def test_the_hash_is_that_of_the_meaning(tmp_path):
    first = load(tmp_path, MINIMAL).hash
    same = "# a comment\ndescription: Words.\nmetric: accuracy\nseed: 0\nlabels: auto\n" + MINIMAL
    assert load(tmp_path, same).hash == first
    assert len(first) == 64
    changed = [
        "seed: 1",
        "bar: {at_least: 0.9}",
        "metric: macro_f1",
        "labels: [a, b]",
        "unit: customer",
        "out_of_scope: x",
    ]
    hashes = {load(tmp_path, MINIMAL + line).hash for line in changed}
    assert len(hashes | {first}) == len(changed) + 1


def test_the_document_reads_back_as_the_same_task(tmp_path):
    import yaml

    task = load(tmp_path, MINIMAL + "bar: {reference: ./gpt.jsonl}\nlabels: [a, b]\nunit: c\nlanguages: [ko]\n")
    again = load(tmp_path, yaml.safe_dump(task.document()))
    assert again == task


@pytest.mark.parametrize(
    ("lines", "message", "hint"),
    [
        ("bar: {at_least: 0.9, margn: 0.1}", "unknown key 'bar.margn'", "did you mean 'margin'?"),
        ("metrics: accuracy", "unknown key 'metrics'", "did you mean 'metric'?"),
        ("policy: {egres: deny}", "unknown key 'policy.egres'", "did you mean 'egress'?"),
        ("folder: x", "unknown key 'folder'", None),
        (
            "metric: acuracy",
            "metric is 'acuracy'; expected one of accuracy, macro_f1, micro_f1",
            "did you mean 'accuracy'?",
        ),
        ("seed: 1.5", "seed is 1.5; expected a whole number from 0 to 2^32 - 1", None),
        ("seed: -1", "seed is -1; expected a whole number from 0 to 2^32 - 1", None),
        ("seed: true", "seed is True; expected a whole number from 0 to 2^32 - 1", None),
        ("bar: 0.9", "bar is 0.9; expected keys out of reference, at_least, margin, confidence", None),
        ("bar: {margin: 0.1}", "bar names neither 'reference' nor 'at_least'", "add 'at_least: 0.9', say"),
        ("bar: {at_least: 90}", "bar.at_least is 90; expected a number above 0, at most 1", None),
        ("bar: {at_least: .nan}", "bar.at_least is nan; expected a number above 0, at most 1", None),
        (
            "bar: {at_least: 0.9, margin: 0}",
            "bar.margin is 0; expected a number above 0 and below 1",
            None,
        ),
        (
            "bar: {at_least: 0.9, confidence: 95}",
            "bar.confidence is 95; expected a number above 0.5 and below 1",
            None,
        ),
        (
            "bar: {reference: gpt-4}",
            "bar.reference is 'gpt-4'; expected a published reference such as gpt-4/banking77-rag20, "
            "or the path of a recorded .jsonl file",
            None,
        ),
        ("labels: refund", "labels is 'refund'; expected 'auto' or a list of labels", None),
        ("labels: [only]", "labels is ['only']; expected at least two labels", None),
        ("labels: [a, b, a]", "labels names 'a' 2 times", "keep one of them"),
        ("labels: [yes, no]", "labels[0] is True; expected text", "write the label in quotes"),
        ("labels: [a, '  ']", "labels[1] is '  '; expected text", None),
        ("labels: [aa, bb]\nout_of_scope: ab", "out_of_scope is 'ab'; expected one of the labels", None),
        ("unit: [a]", "unit is ['a']; expected the name of a column", None),
        (
            "unit: a\nfields: {unit: b}",
            "fields.unit is 'b'; expected 'a', the column that 'unit' names",
            "keep one of them",
        ),
        ("languages: english", "languages is 'english'; expected a list of language codes such as [en, ko]", None),
        ("policy: {unsure: maybe}", "policy.unsure is 'maybe'; expected one of escalate, abstain, refuse", None),
        ("schema: {type: object}", "'schema' belongs to kind extract; kind is classify", "remove it"),
        ("description: 3", "description is 3; expected text", None),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(tmp_path, lines, message, hint):
    found, mend = refusal(tmp_path, MINIMAL + lines)
    assert found == f"task.yaml: {message}"
    assert hint is None or mend == hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("kind: classify\ndata: a.csv", "'name' is missing; expected a short name", "add a line 'name: ...'"),
        (
            "name: a\ndata: a.csv",
            "'kind' is missing; expected one of classify, tag, extract, generate",
            "add a line 'kind: ...'",
        ),
        ("name: a\nkind: tag\ndata:", "'data' is missing; expected data files", "add a line 'data: ...'"),
        (
            "name: a\nkind: tag\ndata: {train: a.csv}",
            "'data.test' is missing; expected the path of a file",
            "or write 'data: FILE' to have a test split off",
        ),
        (
            "name: a\nkind: clasify\ndata: a.csv",
            "kind is 'clasify'; expected one of classify, tag, extract, generate",
            "did you mean 'classify'?",
        ),
        (
            "name: a/b\nkind: tag\ndata: a.csv",
            "name is 'a/b'; expected letters, digits, '.', '_' and '-', at most 64, without spaces",
            None,
        ),
        (
            "name: a\nkind: tag\ndata: a.csv\nout_of_scope: x",
            "out_of_scope is 'x'; expected no such key for kind tag",
            None,
        ),
        ("- a\n- b", "expected keys and values such as 'kind: classify'", "jangin init DATA writes one"),
        ("", "expected keys and values such as 'kind: classify'", "jangin init DATA writes one"),
    ],
)
def test_a_missing_or_wrong_part_is_named(tmp_path, text, message, hint):
    assert refusal(tmp_path, text) == (f"task.yaml: {message}", hint)


def test_a_long_value_is_cut_in_the_message(tmp_path):
    message, _ = refusal(tmp_path, MINIMAL + f"metric: {'x' * 500}")
    assert message == f"task.yaml: metric is '{'x' * 56}...; expected one of accuracy, macro_f1, micro_f1"


def test_a_missing_task_file_names_the_command_that_writes_one(tmp_path):
    with pytest.raises(TaskError) as error:
        load_task(tmp_path)
    expected = (f"no task file '{tmp_path / 'task.yaml'}'", "jangin init DATA writes one from a data file")
    assert refused(error) == expected


def test_yaml_that_is_not_yaml_names_the_line(tmp_path):
    message, hint = refusal(tmp_path, "name: a\nkind: [classify\n")
    assert message.startswith("task.yaml, line 3: not valid YAML: ")
    assert hint == "check indentation and quotes"


def test_a_key_that_stands_twice_is_refused(tmp_path):
    expected = ("task.yaml, line 5: key 'margin' stands twice", "keep one of the two")
    assert refusal(tmp_path, MINIMAL + "bar: {at_least: 0.9, margin: 0.1,\n  margin: 0.2}") == expected


def test_an_alias_bomb_is_refused(tmp_path):
    bomb = "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    assert refusal(tmp_path, bomb) == ("task.yaml, line 2: YAML aliases (*name) are not allowed", "write the value out")


def test_a_deep_file_is_refused(tmp_path):
    expected = ("task.yaml, line 1: nested deeper than 8 levels", "flatten the file")
    assert refusal(tmp_path, "[" * 100_000) == expected


def test_a_huge_file_is_refused(tmp_path):
    expected = ("task.yaml: larger than 1,048,576 bytes", "keep examples in data files, not in the task file")
    assert refusal(tmp_path, "#" * (1 << 20) + "\n") == expected


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "task.yaml").write_bytes("name: 은행\n".encode("cp949"))
    with pytest.raises(TaskError) as error:
        load_task(tmp_path)
    assert refused(error) == ("task.yaml: not valid UTF-8 at byte 6", "save the file as UTF-8")


def test_python_objects_in_yaml_are_refused(tmp_path):
    message, _ = refusal(tmp_path, "name: !!python/object/apply:os.getcwd []\nkind: tag\ndata: a.csv\n")
    assert message.startswith("task.yaml, line 1: not valid YAML: could not determine a constructor")


def test_an_impossible_date_is_no_traceback(tmp_path):
    message, _ = refusal(tmp_path, MINIMAL + "unit: 2026-99-99\n")
    assert message == "task.yaml: not valid YAML: ValueError"


def test_a_key_that_is_not_text_is_refused(tmp_path):
    message, _ = refusal(tmp_path, MINIMAL + "? [a, b]\n: c\n")
    assert message == "task.yaml, line 4: not valid YAML: found unhashable key"


def test_five_thousand_labels_are_read(tmp_path):
    labels = "\n".join(f"  - label-{n}" for n in range(5_000))
    assert len(load(tmp_path, MINIMAL + "labels:\n" + labels).labels) == 5_000


def test_names_in_nfd_are_composed(tmp_path):
    import unicodedata

    task = load(tmp_path, MINIMAL + unicodedata.normalize("NFD", "labels: [환불, 배송]\n"))
    assert task.labels == ("환불", "배송")
