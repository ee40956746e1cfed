"""`report`: one page of every specialist, with what was tried and what was proven, also when there is nothing yet."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

import certified
from jangin import charts
from jangin.bundle import identity, read_manifest
from jangin.errors import InputError
from jangin.evals.certify import certify
from jangin.page import number, small, table
from jangin.report import look_at, report
from jangin.routing.trust import Evidence, settle, write_trust

RUNGS = [
    {"rung": "ngrams", "base": None, "params": 30_000, "status": "tried", "metric": "accuracy", "score": 0.91,
     "lower": 0.89, "upper": 0.93, "chance": 0.98, "seconds": 4.0, "energy_wh": 0.01, "cost_per_1k_usd": 0.00001},
    {"rung": "frozen", "base": "minilm-l6", "params": 22_000_000, "status": "tried", "metric": "accuracy",
     "score": 0.93, "lower": 0.91, "upper": 0.95, "chance": 1.0,
     "seconds": 20.0, "energy_wh": 0.05, "cost_per_1k_usd": 0.0004},
    {"rung": "lora-7b", "base": "mistral-7b", "params": 7_000_000_000, "status": "skipped", "metric": "accuracy",
     "why": "needs 15 GB of memory; <4> are free"},
]  # fmt: skip


@pytest.fixture(autouse=True)
def _home_of_each_test(tmp_path, monkeypatch):
    monkeypatch.setenv("JANGIN_HOME", str(tmp_path / "home"))


def climbed(folder: Path, **more: object) -> Path:
    """A certified-to-be specialist with the record of a climb."""
    desk = certified.make(folder)
    record = {
        "task_path": str(folder / "task.yaml"),
        "seed": 7,
        "budget_s": 1800,
        "metric": "accuracy",
        "bar": {"at_least": 0.9, "reference": "gpt-4/banking77-rag20"},
        "rungs": RUNGS,
        "chosen": "ngrams",
        "seconds": 24.0,
        "energy_wh": 0.06,
        "energy_method": "modelled",
        "validation": {"n": 4, "gold": [0, 1, 2, 2], "answer": [0, 1, 1, 2], "confidence": [0.9, 0.8, 0.4, 0.7]},
        "parity": {"disagreements": 0},
        **more,
    }
    (desk / "record.json").write_text(json.dumps(record), "utf-8")
    return desk


def page_of(folder: Path) -> str:
    path = report(folder)
    assert path == folder / "report.html"
    return path.read_text("utf-8")


def test_an_empty_folder_says_how_to_begin(tmp_path):
    text = "No specialist in this folder yet. <code>jangin train TASK</code> makes one."
    assert text in page_of(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        report(tmp_path / "missing")
    assert caught.value.message == f"'{tmp_path / 'missing'}' is not a folder"


def test_the_promise_is_one_line_and_that_of_another_specialist_is_called_stale(tmp_path):
    desk = climbed(tmp_path / "task")
    sha256 = identity(read_manifest(desk))
    sure, frozen = [0.9] * 300 + [0.4] * 100, [0.9] * 30 + [0.4] * 10
    evidence = Evidence(frozen, sure, [0.0] * 300 + [1.0] * 100, "out of fold")
    write_trust(desk, settle(sha256, evidence, 0.97, 0.95))
    line = "target 0.97, confidence 0.95: 75.0% answered locally, from a confidence of 0.9000 on"
    assert f"<h3>Answered locally</h3><p>{line} (400 rows, out of fold)</p>" in page_of(tmp_path)
    write_trust(desk, settle(sha256, evidence, 0.999, 0.95, "default"))
    assert "nothing is answered locally under it: no threshold could be tested" in page_of(tmp_path)
    assert "(the default: the task asks for no promise)" in page_of(tmp_path)
    write_trust(desk, settle("0" * 64, evidence, 0.97, 0.95))
    page = page_of(tmp_path)
    assert "trust.json was gathered for another specialist: its promise is stale" in page
    assert "Answered locally" not in page


def test_everything_that_was_tried_is_told_also_what_lost(tmp_path):
    climbed(tmp_path / "task")
    page = page_of(tmp_path)
    for text in ("frozen (minilm-l6)", "lora-7b (mistral-7b)", "needs 15 GB of memory; &lt;4&gt; are free", "seed 7"):
        assert text in page
    assert "Not certified." in page
    assert "gpt-4/banking77-rag20 0.877" in page
    assert "bar 0.9" in page


def test_before_the_certificate_mistakes_and_calibration_come_from_validation(tmp_path):
    climbed(tmp_path / "task")
    page = page_of(tmp_path)
    assert "On validation." in page
    assert "<td>카드 분실</td><td>refund|&lt;b&gt;</td><td class=num>1</td><td class=num>50%</td>" in page


def test_with_a_certificate_they_come_from_the_sealed_test(tmp_path):
    desk = climbed(tmp_path / "task")
    found = certify(desk, today=date(2026, 11, 23))
    page = page_of(tmp_path)
    assert "On the sealed test." in page
    assert found.sentence in page
    assert 'href="task/desk/certificate.html"' in page


def test_a_certificate_that_was_touched_is_told(tmp_path):
    desk = climbed(tmp_path / "task")
    certify(desk, today=date(2026, 11, 23))
    path = desk / "certificate.json"
    path.write_text(path.read_text("utf-8").replace('"renew_by": "2027', '"renew_by": "2030'), "utf-8")
    assert "the certificate is not valid: id: the certificate was changed after it was written" in page_of(tmp_path)


def test_the_table_says_that_a_certificate_is_not_valid_instead_of_its_score_and_verdict(tmp_path):
    desk = climbed(tmp_path / "task")
    verdict = certify(desk, today=date(2026, 11, 23)).result["verdict"]
    path = desk / "certificate.json"
    sound = path.read_text("utf-8")
    for broken in (sound.replace('"renew_by": "2027', '"renew_by": "2030'), "{"):
        path.write_text(broken, "utf-8")
        page = page_of(tmp_path)
        assert "<td class=num>–</td><td>certificate not valid</td>" in page
        assert f"<td>{verdict}</td>" not in page and f">{verdict}</span>" not in page
    path.write_text(sound, "utf-8")
    assert f"<td>{verdict}</td>" in page_of(tmp_path)


def test_a_climb_without_a_specialist_says_that_the_test_stayed_sealed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "record.json").write_text(json.dumps({"rungs": RUNGS}), "utf-8")
    assert "no rung was likely enough to pass, so the test stays sealed" in page_of(tmp_path)


def test_a_broken_record_does_not_hide_the_other_specialists(tmp_path):
    climbed(tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "record.json").write_text("{", "utf-8")
    page = page_of(tmp_path)
    assert "record.json cannot be read" in page
    assert "<h2>desk</h2>" in page


def test_the_page_asks_the_network_for_nothing_and_escapes_names(tmp_path):
    climbed(tmp_path / "task")
    page = page_of(tmp_path)
    for word in ("http://", "https://", "<script", "src=", "@import", "url("):
        assert word not in page


def test_the_chosen_rung_is_marked(tmp_path):
    desk = climbed(tmp_path / "task")
    assert look_at(desk).chosen == 0


def test_labels_of_the_ladder_never_cover_one_another():
    points = [charts.Point(f"rung {i}", 0.0001, 0.9 + i / 10_000) for i in range(6)]
    import re

    heights = [
        float(y) for y in re.findall(r'y="([\d.]+)" text-anchor="start">rung', charts.ladder(points, "accuracy"))
    ]
    assert len(heights) == 6
    gaps = [b - a for a, b in zip(sorted(heights), sorted(heights)[1:])]
    assert min(gaps) >= 15


def test_a_chart_of_nothing_is_nothing():
    assert charts.ladder([], "accuracy") == ""
    assert charts.calibration([]) == ""


def test_mistakes_are_counted_by_truth_and_answer():
    found = charts.confusions(["a", "a", "a", "b"], ["b", "b", "a", None])
    assert found == [("a", "b", 2, pytest.approx(2 / 3)), ("b", "no answer", 1, 1.0)]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((None, "not known"), (0, "0"), (0.0000029325, "0.00000293"), (0.08, "0.08"), (58.4, "58.4")),
        *((87.66, "87.7"), (295.214, "295.21"), (1234.5, "1,234"), (7578.0, "7,578"), (100.0, "100.00")),
    ],
)
def test_small_numbers_are_shown_without_powers_of_ten(value, shown):
    assert small(value) == shown


def test_an_unknown_score_is_a_dash():
    assert (number(None), number(0.91449)) == ("–", "0.914")


def test_cells_are_escaped():
    assert "<td>&lt;b&gt;&amp;</td>" in table(["x"], [["<b>&"]])
