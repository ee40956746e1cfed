"""Published and recorded references: found, matched to the test, read leniently, refused with a reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from jangin.errors import DataError, InputError
from jangin.evals.references import Matched, load, match, published
from jangin.task import Task, load_task
from jangin.types import Example

LABELS = ["Card Lost", "refund", "opening_hours"]
TEST = [
    Example("a", "I lost my card", "Card Lost"),
    Example("b", "money back", "refund"),
    Example("c", "open?", "refund"),
]


@pytest.fixture
def task(tmp_path) -> Task:
    (tmp_path / "task.yaml").write_text("name: desk\nkind: classify\ndata: all.jsonl\n")
    return load_task(tmp_path)


def record(task: Task, rows: list[dict], name: str = "gpt.jsonl") -> str:
    content = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    (task.folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    return name


def answers(task: Task, rows: list[dict], name: str = "gpt.jsonl", test: list[Example] = TEST) -> list[Matched]:
    return match(load(record(task, rows, name), task), test, "classify", LABELS)


def refused(task: Task, rows: list[dict]) -> str:
    with pytest.raises(DataError) as caught:
        answers(task, rows)
    return str(caught.value)


def test_every_published_figure_is_whole():
    assert len(published()) == 26
    for each in published().values():
        assert 0 < each.score < 1
        assert each.source
        assert each.setting
        assert each.test_published


def test_the_published_figure_that_the_banking_task_names(task):
    found = load("gpt-4/banking77-rag20", task)
    assert (found.score, found.n, found.model, found.date) == (0.877, 3080, "GPT-4", "2023-11")
    assert found.usd_per_query == pytest.approx(270 / 3080)
    assert found.claimed() == {
        "id": "gpt-4/banking77-rag20", "kind": "published", "score": 0.877, "n": 3080, "sha256": None,
    }  # fmt: skip


def test_an_unknown_id_names_near_ones(task):
    with pytest.raises(InputError) as caught:
        load("gpt-4/banking77-rag2", task)
    assert caught.value.message == "no published reference 'gpt-4/banking77-rag2'"
    assert caught.value.hint.startswith("did you mean 'gpt-4/banking77-rag20'")


def test_a_reference_in_another_metric_is_refused(task):
    with pytest.raises(InputError) as caught:
        load("koelectra-base/beep", task)
    assert str(caught.value) == (
        "reference 'koelectra-base/beep' is published as macro_f1; the task's metric is accuracy\n"
        "  try: write 'metric: macro_f1' in the task file, or name another reference"
    )


def test_of_a_single_tag_the_f1_of_flagged_is_its_micro_f1(tmp_path):
    text = "name: moderation\nkind: tag\ndata: all.jsonl\nlabels: [flagged]\n"
    (tmp_path / "task.yaml").write_text(text)
    assert load("gpt-4/openai-moderation", load_task(tmp_path)).score == 0.705
    (tmp_path / "task.yaml").write_text(text.replace("flagged", "hate, violence"))
    with pytest.raises(
        InputError, match="'gpt-4/openai-moderation' is published as flagged_f1; the task's metric is micro_f1"
    ):
        load("gpt-4/openai-moderation", load_task(tmp_path))


@pytest.mark.parametrize("name", ["gpt.jsonl", "gpt.jsonl.gz"])
def test_answers_are_matched_by_id_in_any_order(task, name):
    rows = [{"id": "c", "output": "opening_hours"}, {"id": "a", "output": "Card Lost"}, {"id": "b", "output": "refund"}]
    assert [each.answer for each in answers(task, rows, name)] == ["Card Lost", "refund", "opening_hours"]


def test_answers_without_ids_are_matched_by_what_was_asked(task):
    rows = [
        {"input": "open?", "output": "opening_hours"},
        {"input": [{"role": "user", "content": "I lost my card"}], "output": "Card Lost"},
        {"input": "money back", "output": "refund"},
    ]
    assert [each.answer for each in answers(task, rows)] == ["Card Lost", "refund", "opening_hours"]


def test_the_same_question_twice_in_the_test_takes_its_answers_in_order(task):
    test = [Example("a", "hi", "refund"), Example("b", "hi", "refund")]
    rows = [{"input": "hi", "output": "refund"}, {"input": "hi", "output": "opening_hours"}]
    assert [each.answer for each in answers(task, rows, test=test)] == ["refund", "opening_hours"]
    assert [each.answer for each in answers(task, rows[:1], test=test)] == ["refund", "refund"]


def test_case_quotes_and_a_full_stop_do_not_matter(task):
    rows = [
        {"id": "a", "output": '"card lost."'},
        {"id": "b", "output": " Refund\n"},
        {"id": "c", "output": "Opening hours"},
    ]
    assert [each.answer for each in answers(task, rows)] == ["Card Lost", "refund", "opening_hours"]


def test_refused_and_unparsable_answers_are_none_and_transport_failures_unscored(task):
    rows = [
        {"id": "a", "output": None},
        {"id": "b", "output": "I think it is about money"},
        {"id": "c", "unscored": "HTTP 503"},
    ]
    assert answers(task, rows) == [Matched(None), Matched(None), Matched(None, "HTTP 503")]


def test_tags_come_as_lists_mappings_json_or_text(task):
    rows = [
        {"id": "a", "output": ["refund", "nonsense"]},
        {"id": "b", "output": {"refund": True, "Card Lost": 0}},
        {"id": "c", "output": '["refund", "card lost"]'},
        {"id": "d", "output": "refund, opening_hours"},
        {"id": "e", "output": ""},
        {"id": "f", "output": '["refund"'},
    ]
    test = [Example(row["id"], row["id"], {}) for row in rows]
    found = match(load(record(task, rows), task), test, "tag", LABELS)
    given = [["refund"], ["refund"], ["Card Lost", "refund"], ["opening_hours", "refund"], [], None]
    assert [each.answer for each in found] == given


def test_a_header_says_who_answered_and_on_what_terms(task):
    header = {"model": "gpt-4-0613", "setting": "3-shot", "terms": "own account", "cutoff": "2021-09"}
    rows = [header, *({"id": id, "output": "refund", "cost_usd": 0.02, "prompt_tokens": 600} for id in "abc")]
    found = load(record(task, rows), task)
    assert (found.model, found.setting, found.terms, found.cutoff) == ("gpt-4-0613", "3-shot", "own account", "2021-09")
    assert found.usd_per_query == pytest.approx(0.02)
    assert found.prompt_tokens == 600
    assert len(found.rows) == 3


def test_a_missing_answer_is_refused(task):
    assert refused(task, [{"id": "a", "output": "refund"}, {"id": "c", "output": "refund"}]) == (
        "gpt.jsonl: 1 of 3 test examples have no answer (matched by id; first: 'b')\n"
        "  try: record the missing rows, each with the id of its test example"
    )


def test_an_answer_that_stands_twice_is_refused(task):
    rows = [{"id": id, "output": "refund"} for id in "abca"]
    assert refused(task, rows) == "gpt.jsonl: rows 1 and 4 answer the same example\n  try: keep one of them"


def test_an_answer_to_no_test_example_is_refused(task):
    rows = [{"id": id, "output": "refund"} for id in "abcd"]
    assert refused(task, rows) == (
        "gpt.jsonl: 1 rows answer no test example (first: row 4)\n  try: is this the reference of another test?"
    )


def test_a_reference_without_any_answer_is_refused(task):
    rows = [{"id": id, "unscored": "timeout"} for id in "abc"]
    assert refused(task, rows) == (
        "gpt.jsonl: all of its answers are unscored; expected at least one answer\n  try: record it again"
    )


def test_a_row_without_id_or_input_is_refused(task):
    rows = [{"id": "a", "output": "refund"}, {"output": "refund"}]
    assert refused(task, rows) == "gpt.jsonl, row 1: neither 'id' nor 'input'\n  try: give every row the test's id"


def test_a_row_without_an_answer_is_refused(task):
    assert refused(task, [{"id": "a", "text": "refund"}]) == (
        "gpt.jsonl, row 1: neither 'output' nor 'unscored'\n"
        "  try: write 'output': null for a refusal, 'unscored': \"timeout\" for a transport failure"
    )


def test_a_line_that_is_not_json_is_refused_without_its_text(task):
    (task.folder / "gpt.jsonl").write_text('{"id": "a", "output": "refund"}\nI lost my card\n')
    with pytest.raises(DataError) as caught:
        load("gpt.jsonl", task)
    assert str(caught.value) == "gpt.jsonl, row 2: not a JSON object\n  try: write one object a line"


def test_an_empty_file_is_refused(task):
    (task.folder / "gpt.jsonl").write_text("\n")
    with pytest.raises(DataError, match=r"^gpt\.jsonl: no answers\n"):
        load("gpt.jsonl", task)


def test_a_file_that_is_not_there_is_refused(task):
    with pytest.raises(DataError, match=r"^no recorded reference 'missing\.jsonl'\n"):
        load("missing.jsonl", task)


def test_a_truncated_gzip_is_refused(task):
    name = record(task, [{"id": id, "output": "refund"} for id in "abc"], "gpt.jsonl.gz")
    path: Path = task.folder / name
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError) as caught:
        load(name, task)
    assert str(caught.value) == (
        f"'{path}' cannot be read: EOFError\n  try: check the path, its permissions and that it is whole"
    )
