"""Certificates of written answers: against recorded objects and texts, verified, rerun; eval and predict too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import written_tasks as tasks
from jangin.errors import InputError
from jangin.evals import certificate as files
from jangin.evals.certify import certify
from jangin.evals.run import evaluate
from jangin.predict import predict


def recorded(folder: Path, rows: list, wrong: int = 5) -> Path:
    """A reference with the truth, the first `wrong` answers swapped, one in a fence, one no JSON, one unscored."""
    lines = []
    for number, row in enumerate(rows):
        answer = rows[(number + 1) % len(rows)]["output"] if number < wrong else row["output"]
        text = json.dumps(answer) if isinstance(answer, dict) else answer
        lines.append({"id": row["id"], "output": text, "model": "gpt-4-0613"})
    lines[10]["output"] = f"Here it is:\n```json\n{lines[10]['output']}\n```"
    lines[11]["output"] = "{no JSON"
    lines[12] = {"id": rows[12]["id"], "unscored": "timeout"}
    path = folder / "gpt.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def test_a_specialist_that_extracts_is_certified_against_recorded_answers_end_to_end(tmp_path, tiny_decoder):
    folder = tasks.extract_task(tmp_path / "task", bar="{reference: gpt.jsonl, margin: 0.02}")
    recorded(folder, tasks.goods(60, 2))
    made = tasks.specialist(folder, tiny_decoder)
    found = certify(made)
    result = found.result
    assert (result["verdict"], result["metric"], result["paired"], result["unscored"]) == (
        "inferior",
        "field_f1",
        True,
        1,
    )
    assert 0 < result["score"] < 0.6 and 0.85 < result["reference_score"] < 0.99
    assert result["lower"] < result["difference"] < result["upper"] < -0.02
    assert 0.2 < result["baseline"] < 0.6
    assert found.reference["unparsed"] == 1
    assert {each["label"] for each in found.per_class} == {"brand", "size"}
    assert all(each["finding"] == "worse" for each in found.per_class)
    assert found.calibration["n"] >= 30 and found.calibration["top_label_error"] is None
    assert found.speed.requests == 30 and found.speed.ttft_ms["p50"] > 0 and found.speed.tok_per_s.value > 0
    rows = files.read_answers(made)
    brand = rows[0].gold["brand"]
    assert rows[0].accepted == {"brand": [brand, brand.upper()], "size": ["n/a"]}
    assert any(isinstance(row.answer, dict) for row in rows) and all(0 < row.confidence <= 1 for row in rows)
    page = (made / "certificate.html").read_text("utf-8")
    assert "Field by field" in page and "Commonest mistakes" not in page
    assert "micro-F1 over fields" in found.sentence
    verified = files.verify(made)
    assert (verified.valid, verified.differs) == (True, [])
    again = files.rerun(made)
    assert (again.valid, again.differs) == (True, [])


def test_a_changed_answer_is_found_by_verifying_what_was_written(tmp_path, tiny_decoder):
    folder = tasks.extract_task(tmp_path / "task", bar="{at_least: 0.5}")
    made = tasks.specialist(folder, tiny_decoder)
    certify(made)
    lines = (made / "answers.jsonl").read_text("utf-8").splitlines()
    row = json.loads(lines[0])
    row["answer"] = row["gold"] if row["answer"] != row["gold"] else {"brand": "Other"}
    (made / "answers.jsonl").write_text("\n".join([json.dumps(row), *lines[1:]]) + "\n", "utf-8")
    found = files.verify(made)
    assert not found.valid
    assert any(text.startswith("result.score: recorded") for text in found.differs)


def texts(count: int, seed: int) -> list[dict[str, object]]:
    return [
        {
            "id": f"t{seed}-{n}",
            "input": f"say {seed}{n:03d} please",
            "output": f"number {seed}{n:03d}",
            "gold": [f"{seed}{n}"],
        }
        for n in range(count)
    ]


@pytest.mark.parametrize("metric", ["exact_match", "chrf", "rouge_l"])
def test_a_specialist_that_writes_texts_is_certified_by_each_metric(tmp_path, tiny_decoder, metric, monkeypatch):
    monkeypatch.setattr("jangin.evals.predicting.WRITTEN_SECONDS", 0.0)
    more = f"metric: {metric}\nfields: {{gold: gold}}\nbar: {{reference: gpt.jsonl}}\n"
    folder = tasks.task(tmp_path / "task", "generate", texts(30, 1), texts(60, 2), more)
    recorded(folder, texts(60, 2))
    made = tasks.specialist(folder, tiny_decoder, max_tokens=12)
    found = certify(made)
    assert (found.result["verdict"], found.result["metric"]) == ("inferior", metric)
    assert found.result["reference_score"] > found.result["baseline"] and found.per_class == []
    assert found.speed.requests == 10  # the fewest: no time was given
    assert bool(found.calibration) == (metric == "exact_match")
    assert files.verify(made).differs == []
    page = (made / "certificate.md").read_text("utf-8")
    assert "Class by class" not in page and "labels" not in page.split("## What it was built from")[1].split("##")[0]


ZOO = "Schema: keeper(ID [pk], Name, Age) | animal(ID [pk], Weight, Keeper_ID) | FK: animal.Keeper_ID=keeper.ID"
COLUMNS = ["name", "age", "id"]


def questions(count: int, seed: int) -> list[dict[str, object]]:
    """Two questions to each query."""
    return [
        {
            "id": f"q{seed}-{n}",
            "input": f"{ZOO}\nQuestion: {seed}{n}?",
            "output": f"SELECT {COLUMNS[n // 2 % 3]} FROM keeper WHERE age > {seed}{n // 2}",
            "query": f"{seed}-{n // 2}",
        }
        for n in range(count)
    ]


def test_sql_without_a_database_is_certified_by_its_parts_against_recorded_answers(tmp_path, tiny_decoder):
    more = "metric: sql_match\nunit: query\nbar: {reference: gpt.jsonl}\n"
    folder = tasks.task(tmp_path / "task", "generate", questions(30, 1), questions(104, 2), more)
    rows = questions(104, 2)
    lines = [{"model": "gpt-4", "score": 0.9}]
    for n, row in enumerate(rows):
        same = row["output"].lower().replace("keeper where age", "keeper AS k WHERE k.age") + ";"
        lines.append({"id": row["id"], "output": same if n % 10 else "SELECT max(age) FROM keeper"})
    (folder / "gpt.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    made = tasks.specialist(folder, tiny_decoder, max_tokens=4)
    found = certify(made)
    result = found.result
    assert (result["verdict"], result["metric"], result["units"]) == ("inferior", "sql_match", 52)
    assert (result["score"], result["reference_score"]) == (0.0, pytest.approx(93 / 104))
    assert "exact set match of SQL" in found.sentence
    answers = files.read_answers(made)
    assert [row.reference_right for row in answers] == [n % 10 > 0 for n in range(104)]
    assert {row.right for row in answers} == {False}
    assert files.verify(made).differs == []
    again = files.rerun(made)
    assert (again.valid, again.differs) == (True, [])


def test_a_base_is_asked_for_sql_in_a_block_and_its_answers_stand_in_the_order_of_the_file(
    tmp_path, tiny_decoder, monkeypatch
):
    from contextlib import closing

    from jangin import bundle
    from jangin.evals.predicting import predictions
    from jangin.evals.run import _by_beginning, write_bare_base
    from jangin.models.specialist import Readers
    from jangin.models.writer import Writer
    from jangin.task import load_task

    monkeypatch.setattr("jangin.evals.run.ANSWER_TOKENS", 12)
    rows = questions(12, 3)
    rows = [
        {**row, "input": row["input"].replace("animal", "beast") if n % 3 else row["input"]}
        for n, row in enumerate(rows)
    ]
    folder = tasks.task(tmp_path / "task", "generate", questions(20, 1), rows, "metric: sql_match\n")
    (tmp_path / "bare").mkdir()
    write_bare_base(tmp_path / "bare", "tiny-llama", load_task(folder))
    template = bundle.read_manifest(tmp_path / "bare").decoder.template
    assert template.after.endswith("<|im_start|>assistant\n```sql\n") and template.stop == ["```"]
    inputs = [row["input"] for row in rows]
    with closing(Writer(tmp_path / "bare", Readers())) as plain:
        straight = predictions(plain, inputs)
    with closing(Writer(tmp_path / "bare", Readers(prefix_cache=True))) as cached:
        sorted_first = _by_beginning(cached, inputs, None)
    assert len(set(straight.answers)) > 3
    same = [one == other for one, other in zip(straight.answers, sorted_first.answers)]
    assert sum(same) >= len(same) - 2  # the cache changes no more than a neighbour does
    found = evaluate("tiny-llama", folder / "test.jsonl", task=folder)
    assert (found["metric"], found["n"], found["score"]) == ("sql_match", 12, 0.0)


def test_eval_scores_a_bundle_or_a_bare_base_on_open_rows(tmp_path, tiny_decoder):
    folder = tasks.extract_task(tmp_path / "task", test_rows=12)
    made = tasks.specialist(folder, tiny_decoder)
    found = evaluate(made, folder / "test.jsonl", task=folder)
    assert (found["specialist"], found["metric"], found["n"]) == ("made", "field_f1", 12)
    exact = evaluate(made, folder / "test.jsonl", "exact_match", task=folder)
    assert exact["lower"] <= exact["score"] <= exact["upper"]
    bare = evaluate("tiny-llama", folder / "test.jsonl", task=folder)
    assert bare["specialist"] == "tiny-llama" and 0 <= bare["score"] <= 1
    with pytest.raises(InputError) as error:
        evaluate(made, folder / "test.jsonl", "chrf", task=folder)
    assert error.value.message == "no metric 'chrf' for extract"


def test_predict_writes_an_object_or_a_text_a_line_and_a_prompt_that_is_too_long_is_one_error(tmp_path, tiny_decoder):
    folder = tasks.extract_task(tmp_path / "task")
    made = tasks.specialist(folder, tiny_decoder)
    rows = [{"input": "Acme shoe"}, {"input": "long " * 100}, {"id": "b", "input": "Birch shoe"}, {"other": 1}]
    data = folder / "in.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = predict(made, data, tmp_path / "out.jsonl", quiet=True)
    assert (found.rows, found.errors) == (4, 2)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [sorted(line) for line in lines] == [
        ["confidence", "finish", "id", "output"],
        ["error", "id"],
        ["confidence", "finish", "id", "output"],
        ["error", "id"],
    ]
    assert list(lines[2]["output"]) == ["brand", "size"] and lines[2]["finish"] == "stop" and lines[2]["id"] == "b"
    assert lines[1]["error"].startswith("the prompt is ")
    with pytest.raises(InputError) as error:
        predict(made, data, probabilities=True)
    assert error.value.message == "a specialist of kind extract has no probabilities of labels"
