"""`certify` on a small real specialist: the verdict, what is written, what is refused."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import certified
from jangin.errors import BundleError, DataError, InputError
from jangin.evals import certificate as files
from jangin.evals.arithmetic import Answer, columns
from jangin.evals.certify import certify
from jangin.models.base import Rule

TODAY = date(2026, 11, 23)


@pytest.fixture(autouse=True)
def _home_of_each_test(tmp_path, monkeypatch):
    monkeypatch.setenv("JANGIN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("JANGIN_USD_PER_HOUR", raising=False)


@pytest.fixture
def desk(tmp_path):
    return certified.make(tmp_path / "task")


def recorded(folder: Path, name: str = "gpt.jsonl", wrong: int = 12, **extra: object) -> Path:
    """A reference that answers all of the test, the first `wrong` of it wrongly."""
    rows = []
    for number, row in enumerate(certified.rows(120, 2)):
        output = row["output"] if number >= wrong else certified.LABELS[(certified.LABELS.index(row["output"]) + 1) % 3]
        rows.append({"id": row["id"], "output": output, "model": "gpt-4-0613", **extra})
    path = folder / name
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return path


def test_an_absolute_bar_that_is_reached_is_superior_and_says_so_first(desk):
    found = certify(desk, today=TODAY)
    assert found.result["verdict"] == "superior"
    assert found.sentence.startswith("Superior: desk reaches the bar of 0.6. It scores accuracy 0.9")
    assert found.date == "2026-11-23"
    assert found.renew_by == "2027-05-22"
    assert found.looks == 1
    assert found.egress_bytes.value == 0
    assert found.exposure.base == "clean"


def test_the_certificate_holds_what_the_command_line_promises(desk):
    summary = certify(desk, today=TODAY).summary()
    promised = {
        *("verdict", "metric", "score", "reference", "reference_score"),
        *("difference", "lower", "upper", "n", "paired", "looks", "certificate"),
    }
    assert promised <= summary.keys()


def test_the_four_files_are_written_and_the_json_reads_back_equal(desk):
    found = certify(desk, today=TODAY)
    assert {path.name for path in desk.iterdir()} == {
        *("manifest.json", "head.safetensors", "record.json"),
        *("certificate.json", "certificate.md", "certificate.html", "answers.jsonl"),
    }
    assert files.read(desk) == found
    assert len((desk / "answers.jsonl").read_text("utf-8").splitlines()) == found.result["n"] == 120


def test_no_text_of_an_example_reaches_a_certificate(desk):
    certify(desk, today=TODAY)
    for name in ("certificate.json", "certificate.md", "certificate.html", "answers.jsonl"):
        assert "case 2" not in (desk / name).read_text("utf-8")


def test_texts_of_users_are_escaped_on_the_page(desk):
    certify(desk, today=TODAY)
    page = (desk / "certificate.html").read_text("utf-8")
    assert "<script>" not in page
    assert "refund|<b>" not in page
    assert "refund|&lt;b&gt;" in page
    assert "refund\\|\\<b\\>" in (desk / "certificate.md").read_text("utf-8")


def test_the_page_asks_the_network_for_nothing(desk):
    certify(desk, today=TODAY)
    page = (desk / "certificate.html").read_text("utf-8")
    for word in ("http://", "https://", "<script", "src=", "@import", "url("):
        assert word not in page


def test_a_specialist_of_another_task_is_refused(desk):
    text = (desk.parent / "task.yaml").read_text("utf-8")
    (desk.parent / "task.yaml").write_text(text.replace("0.6", "0.7"), "utf-8")
    with pytest.raises(BundleError, match="specialist 'desk' was trained for task") as caught:
        certify(desk)
    assert caught.value.hint == "train again with this task file, or name the one it was trained with by --task"
    assert not (desk.parent / ".jangin").exists()


def test_a_bundle_without_a_record_asks_for_the_task(desk):
    (desk / "record.json").unlink()
    with pytest.raises(BundleError) as caught:
        certify(desk)
    assert str(caught.value) == (
        f"{desk}: record.json names no task\n  try: name it: jangin certify SPECIALIST --task TASK"
    )


def test_without_a_bar_there_is_a_score_with_limits_and_no_verdict(tmp_path):
    found = certify(certified.make(tmp_path / "task", bar=None), today=TODAY)
    assert found.result["verdict"] is None
    assert found.sentence.startswith("No bar was set, so there is no verdict. desk scores accuracy 0.9")
    assert found.result["score_lower"] < found.result["score"] < found.result["score_upper"]
    assert found.looks == 1


def test_a_published_reference_is_compared_unpaired_and_said_so(tmp_path):
    bar = "{reference: gpt-4/banking77-rag20, margin: 0.02}"
    found = certify(certified.make(tmp_path / "task", bar=bar), today=TODAY)
    assert found.result["paired"] is False
    assert found.result["reference_score"] == 0.877
    assert "the published figure 0.877 of GPT-4 (20 retrieved examples)" in found.sentence
    assert "compared unpaired, with a published figure." in found.sentence
    assert found.exposure.reference == "exposed"
    assert found.exposure.public_test
    assert found.not_said[2].startswith("On a public test: ")
    assert "finding" not in found.per_class[0]


def test_recorded_answers_are_compared_answer_by_answer(desk):
    recorded(desk.parent)
    found = certify(desk, reference="gpt.jsonl", today=TODAY)
    assert found.result["paired"] is True
    assert found.result["reference_score"] == pytest.approx(108 / 120)
    assert "answer by answer on the same examples" in found.sentence
    assert {each["finding"] for each in found.per_class} == {"no difference shown"}
    assert found.reference["model"] == "gpt-4-0613"


def test_a_transport_failure_is_unscored_and_a_refusal_is_wrong(desk):
    path = recorded(desk.parent, wrong=0)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows[0] = {"id": rows[0]["id"], "unscored": "timeout"}
    rows[1]["output"] = None
    rows[2]["output"] = "I cannot help with that."
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    found = certify(desk, reference="gpt.jsonl", today=TODAY)
    assert found.result["unscored"] == 1
    assert found.reference["unparsed"] == 2
    assert found.result["reference_score"] == pytest.approx(117 / 119)


def test_out_of_scope_is_reported_on_both_sides(tmp_path):
    found = certify(certified.make(tmp_path / "task", extra="out_of_scope: opening_hours\n"), today=TODAY)
    assert found.scope["in_scope_accuracy"]["n"] == 80
    assert found.scope["out_of_scope_recall"]["n"] == 40
    for part in found.scope.values():
        assert part["lower"] < part["score"] < part["upper"]


def test_the_answers_are_those_of_the_packed_artefact(desk):
    from jangin.models.specialist import load

    found = certify(desk, today=TODAY)
    specialist = load(desk)
    texts = [row["input"] for row in certified.rows(120, 2)]
    served = specialist.rule.decide("classify", specialist.labels, specialist.probabilities(texts))
    assert [row.answer for row in files.read_answers(desk)] == served
    right = np.mean([answer == row["output"] for answer, row in zip(served, certified.rows(120, 2))])
    assert found.result["score"] == pytest.approx(right)


def test_macro_f1_is_judged_by_the_bootstrap(tmp_path):
    found = certify(certified.make(tmp_path / "task", bar=None, metric="macro_f1", test_rows=600), today=TODAY)
    assert found.result["metric"] == "macro_f1"
    assert found.result["score_lower"] < found.result["score"] < found.result["score_upper"]
    assert found.result["score_method"].startswith("bootstrap of whole units (BCa, 10,000 resamples)")


def tag_task(folder: Path, metric: str, rows: int = 200) -> Path:
    """Two tags, of which the second is unknown on every fifth row of the test."""
    folder.mkdir()
    for name, seed in (("train", 1), ("test", 2)):
        lines = []
        for number, row in enumerate(certified.rows(rows, seed)):
            labels = {"card": row["output"] == "카드 분실", "refund": row["output"].startswith("refund")}
            if name == "test" and number % 5 == 0:
                labels["refund"] = None
            lines.append(json.dumps({**row, "output": labels}, ensure_ascii=False))
        (folder / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    data = "data: {train: train.jsonl, test: test.jsonl}"
    text = f"name: desk\nkind: tag\n{data}\nlabels: [card, refund]\nmetric: {metric}\n"
    (folder / "task.yaml").write_text(text, "utf-8")
    return certified.train(folder, kind="tag")


@pytest.mark.parametrize("metric", ["micro_f1", "macro_f1", "auprc"])
def test_a_tag_task_is_certified_with_unknown_labels_masked(tmp_path, metric):
    desk = tag_task(tmp_path / "task", metric)
    found = certify(desk, today=TODAY)
    assert found.result["metric"] == metric
    assert 0.7 < found.result["score"] < 1
    assert files.verify(desk).valid
    assert [each["n"] for each in found.per_class] == [66, 54]
    assert found.calibration["top_label_error"] is None


def test_flagged_is_any_label_and_an_unknown_one_counts_as_not_given():
    answers = [
        Answer("a", {"x": True}, ["x"]),
        Answer("b", {"x": False}, ["y"]),
        Answer("c", {"x": False, "y": True}, []),
    ]
    from jangin.evals.arithmetic import arithmetic
    from jangin.evals.register import Claim

    claim = Claim(specialist="s", metric="flagged_f1", reference=None, margin=0.0, at_least=None, confidence=0.95)
    found = arithmetic(claim, 1, "tag", ["x", "y"], None, answers)
    assert found["result"]["score"] == pytest.approx(0.5)  # one hit, one false alarm, one miss
    assert columns(answers, ["x", "y"], "tag", False).known.tolist() == [[True, False], [True, False], [True, True]]


def test_units_make_the_rows_of_one_customer_one_unit(tmp_path):
    desk = certified.make(tmp_path / "task", bar=None, extra="unit: customer\n", test_rows=900)
    for name, seed, count in (("train", 1, 240), ("test", 2, 900)):
        rows = [{**row, "customer": f"{name}{i // 3}"} for i, row in enumerate(certified.rows(count, seed))]
        (desk.parent / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    found = certify(desk, today=TODAY)
    assert (found.result["n"], found.result["units"]) == (900, 300)
    assert "bootstrap of whole units" in found.result["score_method"]


def test_money_is_told_against_the_reference_and_the_cheap_tier(tmp_path):
    desk = certified.make(tmp_path / "task", bar="{reference: gpt-4/banking77-rag20}")
    found = certify(desk, today=TODAY, monthly_requests=100, usd_per_hour=0.08)
    assert found.cost.machine.value == 0.08
    assert found.cost.reference.value == pytest.approx(270 / 3080 * 1000)
    assert found.cost.reference.method == "published cost of the reference's own run"
    assert found.cost.cheap_tier.date == "2026-11-23"
    assert [each.monthly_requests for each in found.cost.break_even] == [100, 100]
    assert all("replacing is NOT worth it on price alone" in each.says for each in found.cost.break_even)


def test_a_monthly_volume_below_one_is_refused(desk):
    with pytest.raises(InputError) as caught:
        certify(desk, monthly_requests=0)
    assert str(caught.value) == "monthly requests are 0; expected a count of at least 1\n  try: use 100000, say"


def test_a_reference_that_misses_a_row_is_refused_before_the_test_is_opened(desk):
    path = recorded(desk.parent)
    lines = path.read_text("utf-8").splitlines()
    (desk.parent / "short.jsonl.gz").write_bytes(gzip.compress("\n".join(lines[:-1]).encode()))
    with pytest.raises(DataError) as caught:
        certify(desk, reference="short.jsonl.gz")
    assert caught.value.message == (
        "short.jsonl.gz: 1 of 120 test examples have no answer (matched by id; first: 'r2-119')"
    )
    assert not (desk.parent / ".jangin").exists()


def test_a_wrong_price_of_the_machine_costs_no_look(desk, monkeypatch):
    monkeypatch.setenv("JANGIN_USD_PER_HOUR", "free")
    with pytest.raises(InputError, match="the price of an hour is free"):
        certify(desk)
    assert not (desk.parent / ".jangin").exists()


def test_labels_are_no_scores_for_auprc(tmp_path):
    desk = tag_task(tmp_path / "task", "auprc")
    recorded(desk.parent)
    with pytest.raises(InputError) as caught:
        certify(desk, reference="gpt.jsonl")
    assert str(caught.value) == (
        "'gpt.jsonl' holds labels; auprc needs a score for each label\n  try: compare by micro_f1 instead"
    )
    assert not (desk.parent / ".jangin").exists()


def test_the_rule_of_the_bundle_decides_what_is_out_of_scope(tmp_path):
    folder = tmp_path / "task"
    certified.make(folder, bar=None, extra="out_of_scope: opening_hours\n")
    import shutil

    shutil.rmtree(folder / "desk")
    desk = certified.train(folder, Rule(out_of_scope="opening_hours", threshold=1.1))
    found = certify(desk, today=TODAY)
    assert found.scope["in_scope_accuracy"]["score"] == 0
    assert found.scope["out_of_scope_recall"]["score"] == 1
