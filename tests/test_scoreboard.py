"""The page of evidence is what the kept results say, its claims are tasks, and its runner goes on where it stopped."""

from __future__ import annotations

import gzip
import importlib
import json
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

import small_tasks
from jangin.cli import main
from jangin.evals.register import Claim as Registered
from jangin.evals.register import Register
from jangin.task import load_task

ROOT = Path(__file__).parent.parent
DOCS, BENCH = ROOT / "docs", ROOT / "bench"
WITH_TRAIN = {  # every public data set that has a train split, and the recorded ones
    *("banking77", "beep_korean_hate", "bitext_customer_support_intent", "clinc150", "davidson_hate_offensive"),
    *(
        "ko_nsmc_raw",
        "ko_sae4k_argument",
        "mbpp",
        "medquad",
        "pubmedqa",
        "sentfin",
        "snips_nlu",
        "wikisql_tabfact_exec",
    ),
    *("oa_mine", "spider_dev", "gsm8k"),
}


@pytest.fixture(autouse=True)
def bench_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(BENCH))
    yield
    for name in ("quality", "scoreboard", "scoreboard_charts", "results_read", "earlier_looks", "claims", "energy"):
        sys.modules.pop(name, None)


def bench(name: str) -> Any:
    return importlib.import_module(name)


def test_the_pages_are_what_the_kept_results_say(tmp_path: Path) -> None:
    bench("scoreboard").write_pages(docs=tmp_path)
    for path in sorted(tmp_path.iterdir()):
        assert (DOCS / path.name).read_text("utf-8") == path.read_text("utf-8"), (
            f"python bench/scoreboard.py: {path.name}"
        )
    assert {path.name for path in tmp_path.iterdir()} == {
        "results.md",
        "energy.md",
        "results-bars.svg",
        "results-cost.svg",
    }


def test_the_readme_opens_with_figures_that_the_results_hold() -> None:
    found = json.loads((DOCS / "results" / "banking77-gpt4.json").read_text("utf-8"))
    opening = " ".join((ROOT / "README.md").read_text("utf-8").split("장인")[0].split())
    own, reference, cheap = (found["cost"][name]["value"] for name in ("own", "reference", "cheap_tier"))
    assert f"score {found['certified']['score']:.3f} on the sealed test" in opening
    assert f"published at {found['certified']['reference_score']:.3f}" in opening
    assert f"says *{found['certified']['verdict']}*, unpaired" in opening
    assert (
        f"{found['trained']['params'] / 1e6:.1f} million parameters trained in {found['trained']['seconds']:.0f} s"
        in opening
    )
    assert f"cost {own:.7f} US dollars" in opening
    assert f"cost {reference:.2f}, and today's cheap tier would cost {cheap:.2f}," in opening


def test_every_data_set_with_a_train_split_has_a_claim() -> None:
    assert {claim.test for claim in bench("claims").CLAIMS.values()} >= WITH_TRAIN


def test_wins_and_losses_are_drawn_alike() -> None:
    found = bench("results_read").results()
    judged = [each for each in found if each.verdict]
    assert {each.verdict for each in judged} >= {"superior", "inferior", "inconclusive"}
    charts = bench("scoreboard_charts")
    drawing = ElementTree.fromstring(charts.against_bars(found))
    space = "{http://www.w3.org/2000/svg}"
    dots = [each for each in drawing.iter(space + "circle") if float(each.attrib["cy"]) > charts.TOP]
    assert len(dots) == len(judged)
    assert len({each.attrib["r"] for each in dots}) == 1
    words = [each.text or "" for each in drawing.iter(space + "text")]
    for each in judged:
        assert each.name in words
        assert any(word.startswith(f"{each.verdict} ") for word in words)
    dots = [*ElementTree.fromstring(charts.against_cost(found)).iter(space + "circle")]
    assert len([each for each in dots if float(each.attrib["cy"]) >= charts.TOP]) == len(found)


def test_a_loss_is_told_with_what_was_tried() -> None:
    found = [each for each in bench("results_read").results() if each.verdict in ("inferior", "inconclusive")]
    told = bench("scoreboard").losses(found)
    for each in found:
        assert f"**{each.name}, {each.verdict}.** {each.certified['sentence']}" in told
        for rung in each.trained["rungs"]:
            assert rung["status"] != "tried" or f"{rung['rung']} {rung['score']:.3f}" in told


def test_energy_is_shown_with_its_method_and_boundary_or_said_to_be_missing() -> None:
    energy, found = bench("energy"), bench("results_read").results()
    told = energy.document(found)
    page = energy.page(told)
    assert told["boundary"] in page
    for each in told["tasks"]:
        if each["joules_per_1k"] is None:
            assert each["task"] in page.split("without one: ")[1].splitlines()[0]
        else:
            assert each["method"] in page


def test_numbers_are_written_in_one_way() -> None:
    number = bench("tasks_written").number
    assert [number(text) for text in ("18", "18.00", "1,800", "$5.50", "0.5.", "none")] == [
        *("18", "18", "1800", "5.5", "0.5", "none")
    ]


ROWS: dict[str, list[dict[str, Any]]] = {
    "": [{"input": "one text", "output": "a"}, {"input": "another text", "output": "b"}],
    "mbpp": [
        {
            "input": f"problem {n}",
            "output": "def f(): pass",
            "test_list": [],
            "test_setup_code": "",
            "in_sanitized": n > 1,
        }
        for n in range(4)
    ],
    "snips_nlu": [{"input": "play it", "output": '{"intent": "PlayMusic", "slots": {}}'}],
    "json": [{"id": "1", "input": "SpiceJet up, MMTC down", "output": '{"SpiceJet": "positive", "MMTC": "negative"}'}],
    "openai_moderation": [{"input": "a text", "output": "safe", "labels": {"hate": 0}}],
    "oa_mine": [
        {"id": "1", "category": "Tea", "title": "Green tea", "output": '{"Brand": "n/a"}', "gold": {"Brand": []}}
    ],
    "spider_dev": [{"id": f"q{n}", "db_id": "d", "input": "q", "output": f"SELECT {n}"} for n in range(3)],
    "gsm8k": [{"id": f"g{n}", "input": "q", "output": f"{n}.00"} for n in range(3)],
}


def data_sets(folder: Path) -> Path:
    """Every data set that a claim reads, with rows of its own form."""
    for test in {claim.test for claim in bench("claims").CLAIMS.values()}:
        recorded = test in ("oa_mine", "spider_dev", "gsm8k")
        home = folder / ("recorded" if recorded else "datasets") / test
        home.mkdir(parents=True, exist_ok=True)
        forms = {"": test, **({"json_": "json"} if test == "sentfin" else {})}
        for (prefix, form), name in product(
            forms.items(), ("train", "validation", "test", *(("reference.gpt-4",) if recorded else ()))
        ):
            with gzip.open(home / f"{prefix}{name}.jsonl.gz", "wt", encoding="utf-8") as out:
                out.writelines(json.dumps(row) + "\n" for row in ROWS.get(form, ROWS[""]))
    return folder / "datasets"


def test_every_claim_is_a_task_with_a_bar(tmp_path: Path) -> None:
    claims, data = bench("claims"), data_sets(tmp_path)
    for name, claim in claims.CLAIMS.items():
        folder = tmp_path / "work" / name
        folder.mkdir(parents=True)
        (folder / "task.yaml").write_text(
            yaml.safe_dump({"name": name, **claim.make(data, folder)}, allow_unicode=True)
        )
        task = load_task(folder)
        assert task.bar is not None, name
        assert bool(task.bar.at_least) == bool(claim.bar), f"{name}: an absolute bar says where it comes from"
    gsm8k = (tmp_path / "work" / "gsm8k" / "gpt-4.jsonl").read_text().splitlines()
    assert [json.loads(line)["output"] for line in gsm8k[1:]] == ["0", "1", "2"]
    mbpp = (tmp_path / "work" / "mbpp" / "test.jsonl").read_text().splitlines()
    assert [json.loads(line)["input"] for line in mbpp] == ["problem 2", "problem 3"]
    lists = json.loads((tmp_path / "work" / "sentfin_json" / "test.jsonl").read_text().splitlines()[0])["output"]
    assert lists == {"positive": ["SpiceJet"], "neutral": [], "negative": ["MMTC"]}


@pytest.mark.parametrize("name", ["spider", "gsm8k"])
def test_recorded_answers_are_those_of_the_sampled_test(name: str, tmp_path: Path) -> None:
    tasks = bench("tasks_written")
    data_sets(tmp_path)
    getattr(tasks, name)(tmp_path / "recorded", tmp_path, {"test": 2})
    rows = [json.loads(line)["id"] for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    answers = [json.loads(line) for line in (tmp_path / "gpt-4.jsonl").read_text().splitlines()]
    assert answers[0]["model"].startswith("gpt-4")
    assert [each["id"] for each in answers[1:]] == rows
    assert len(rows) == 2


def desk_claim(rows: int, at_least: float) -> Any:
    def make(data: Path, folder: Path) -> dict[str, Any]:
        small_tasks.write(folder / "train.jsonl", small_tasks.messages(rows, 1))
        small_tasks.write(folder / "test.jsonl", small_tasks.messages(90, 2))
        named = {"train": "train.jsonl", "test": "test.jsonl"}
        return {"kind": "classify", "data": named, "bar": {"at_least": at_least}}

    return bench("claims").Claim(make, "desk", "English", "desk", bar="a test's own", options=("--rungs", "ngrams"))


def test_a_look_told_by_a_kept_result_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, kept = bench("earlier_looks"), tmp_path / "results"
    kept.mkdir()
    claim = desk_claim(120, 0.6)
    monkeypatch.setattr(looks, "RESULTS", kept)
    monkeypatch.setattr(looks, "CLAIMS", {"desk": claim})
    small_tasks.classify_task(tmp_path / "desk")
    register = looks.carry(tmp_path / "desk", "desk")
    assert register.looks() == []
    told = {"metric": "accuracy", "reference": None, "verdict": None, "score": 0.91, "n": 90}
    (kept / "desk.json").write_text(json.dumps({"look": {"registered": "2026-11-23"}, "certified": told}))
    for _ in range(2):
        register = looks.carry(tmp_path / "desk", "desk")
        assert [(look.k, look.date) for look in register.looks()] == [(1, "2026-11-23")]
    own = Registered(specialist="s", metric="accuracy", reference=None, margin=0.0, at_least=0.6, confidence=0.95)
    assert Register(tmp_path / "desk", register.test).open(own, "2026-11-26").k == 2


def test_the_runner_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quality, kept, asked = bench("quality"), tmp_path / "results", []
    modules = (quality, bench("earlier_looks"))

    def in_this_process(*given: object) -> Any:  # a start of the program takes longer than what it does here
        asked.append(given[0])
        capsys.readouterr()
        assert main([*map(str, given), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    monkeypatch.setattr(quality, "jangin", in_this_process)
    for module in modules:
        monkeypatch.setattr(module, "RESULTS", kept)
        monkeypatch.setattr(module, "CLAIMS", {"desk": desk_claim(120, 0.6)})

    def run(again: bool = False) -> list[object]:
        asked.clear()
        quality.run("desk", tmp_path, tmp_path / "work", [], again)
        return list(asked)

    assert run() == ["train", "certify"]
    found = json.loads((kept / "desk.json").read_text())
    assert found["certified"]["verdict"] == "superior"
    assert found["task"]["bar"] == {"at_least": 0.6}
    assert found["look"]["number"] == len(found["looks"]) == 1
    assert found["trained"]["energy_wh"] > 0
    assert set(found["speed"]["latency_ms"]) == {"p50", "p95", "p99"}
    assert str(tmp_path) not in json.dumps(found)
    assert run() == []
    assert "desk: kept" in capsys.readouterr().out
    assert run(again=True) == ["certify"], "the finished training is used again"
    assert json.loads((kept / "desk.json").read_text())["look"]["number"] == 1, "the same claim is the same look"

    folder, bundle = tmp_path / "work" / "desk", tmp_path / "work" / "desk" / "runs" / "desk"
    assert quality._whole(bundle, load_task(folder))
    weights = next(bundle.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert not quality._whole(bundle, load_task(folder))

    for module in modules:
        monkeypatch.setattr(module, "CLAIMS", {"desk": desk_claim(120, 0.5)})
    assert run() == ["train", "certify"], "another bar is another claim"
    found = json.loads((kept / "desk.json").read_text())
    assert found["look"]["number"] == len(found["looks"]) == 2


def test_a_verb_that_fails_is_told_and_not_taken_for_an_answer(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="jangin check ended with 2"):
        bench("quality").jangin("check", tmp_path / "nowhere")


def test_an_older_result_counts_if_it_had_a_bar() -> None:
    finished, document = bench("quality").finished, {"name": "a", "data": {"test": "/somewhere/test.jsonl"}, "bar": {}}
    assert not finished(None, document)
    assert finished({"certified": {"verdict": "inferior"}}, document)
    assert not finished({"certified": {"verdict": None}}, document)
    assert finished({"task": {"name": "a", "data": {"test": "test.jsonl"}, "bar": {}}}, document)
    assert not finished({"task": {"name": "a", "data": {"test": "test.jsonl"}, "bar": {"at_least": 0.5}}}, document)
