"""bench/speed: what counts as a peer's best, the ratios, the page, batches of what waits, how llama.cpp is asked."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
BENCH = ROOT / "bench"


@pytest.fixture(autouse=True)
def bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.syspath_prepend(str(BENCH / "speed" / "peers"))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("speed", "rounds", "waiting", "load_client"):
            del sys.modules[name]


def parts() -> tuple[ModuleType, ModuleType]:
    from speed import page, summary

    return summary, page


def side(name: str, peer: str, setting: str, rates: list[float], lost: int = 0, same: float = 1.0) -> dict[str, Any]:
    rounds = [
        {
            "round": number,
            "busy": {
                "by_status": {"200": 100} | ({"500": lost} if lost else {}),
                "per_s": rate,
                "p50_ms": 32e3 / rate,
                "p99_ms": 64e3 / rate,
                "cpu_ms_per_request": 2e3 / rate,
            },
            "alone": {"by_status": {"200": 9}, "p50_ms": 5.0, "p99_ms": 7.0, "cpu_ms_per_request": 6.0},
            "memory_mb": 200.0,
            "startup_s": 1.5,
            "accuracy": 0.93,
            "served_accuracy": 0.92,
            "served_as_bulk": same,
            "bulk_texts_per_s": rate,
        }
        for number, rate in enumerate(rates)
    ]
    return {"name": name, "peer": peer, "setting": setting, "about": name, "sample": None, "rounds": rounds}


SIDES = [
    side("jangin-minilm-l6", "Jangin", "defaults", [400, 300, 410]),
    side("slow", "A", "defaults", [100, 120, 110]),
    side("loses", "A", "defaults", [900, 900, 900], lost=3),
    side("garbles", "A", "fastest", [900, 900, 900], same=0.4),
    side("quick-int8", "A", "fastest", [500, 480, 500]),
    side("quick", "B", "fastest", [200, 200, 205]),
    side("llama-bare", "llama.cpp", "fastest", [20, 20, 20]),
]


def test_a_peer_that_loses_requests_or_answers_otherwise_than_from_a_file_is_not_its_best() -> None:
    summary, _ = parts()
    found = summary.summary(SIDES)
    assert {name: each["theirs"] for name, each in found.items()} == {
        "best_at_defaults": "slow",
        "best_at_fastest": "quick-int8",
        "best_at_fastest_float32": "quick",
        "llama": "llama-bare",
        "llama_float32": "llama-bare",
    }


def test_what_computes_in_fewer_bits_is_held_against_the_rung_in_integers() -> None:
    summary, _ = parts()
    whole = side("jangin-minilm-l6-q8", "Jangin", "fastest", [750, 720, 750])
    found = summary.summary([*SIDES, whole, side("st-openvino", "C", "fastest", [450, 450, 450])])
    assert {name: (each["ours"], each["theirs"]) for name, each in found.items()} == {
        "best_at_defaults": ("jangin-minilm-l6", "slow"),
        "best_at_fastest": ("jangin-minilm-l6-q8", "quick-int8"),
        "best_at_fastest_float32": ("jangin-minilm-l6", "quick"),
        "llama": ("jangin-minilm-l6-q8", "llama-bare"),
        "llama_float32": ("jangin-minilm-l6", "llama-bare"),
    }
    assert found["best_at_fastest"]["of_rounds"] == [1.5, 1.5, 1.5]


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    summary, _ = parts()
    found = summary.summary(SIDES)["best_at_defaults"]
    assert found["of_rounds"] == [4.0, 2.5, 3.73]
    assert found["requests_per_s"] == 3.73  # of the medians it would be 400 / 110 = 3.64


def test_what_was_not_measured_is_compared_with_nothing() -> None:
    summary, _ = parts()
    assert set(summary.summary(SIDES[1:]).values()) == {None}
    assert summary.summary(SIDES[:2])["llama"] is None


def test_the_page_keeps_its_text_and_says_what_is_missed(tmp_path: Path) -> None:
    summary, page = parts()
    path = tmp_path / "speed.md"
    path.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    document = {
        "machine": {"processor": "a processor", "cores": 2},
        "clients": 32,
        "seconds": 8.0,
        "texts": 3080,
        "environments": {"jangin": {"python": "3.11"}},
        "sides": SIDES,
        "compared": summary.summary(SIDES),
        "absent": {"odd": "answers 500: no"},
    }
    page.write(document, path)
    once = path.read_text()
    page.write(document, path)
    assert path.read_text() == once
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert "old" not in once
    assert "| the best peer at its defaults | slow | 3.73 times | 4, 2.5, 3.73 | 3 times | met in the median |" in once
    assert "| the best peer at its fastest | quick-int8 | 0.8 times | 0.8, 0.62, 0.82 | 1 times | **missed** |" in once
    assert "loses **(9 requests failed)**" in once
    assert "- not measured: `odd`, which answers 500: no" in once


def test_the_tables_of_the_page_are_those_of_the_kept_result() -> None:
    _, page = parts()
    kept = ROOT / "docs" / "results" / "speed-classify.json"
    text = page.PAGE.read_text(encoding="utf-8")
    between = text.partition(page.BEGIN)[2].partition(page.END)[0]
    assert between.strip() == (page.made(json.loads(kept.read_text("utf-8"))).strip() if kept.is_file() else "")


def test_every_side_has_a_name_of_its_own_and_an_environment_that_is_made() -> None:
    from speed import sides, venvs

    found = sides.sides(["a", "b"], [" x", " y"], ("tuned.gguf", [" x", " y"]))
    names = [each.name for each in found]
    assert len(set(names)) == len(names)
    assert {each.environment for each in found} == {None, *venvs.REQUIREMENTS}
    for each in found:
        filled = each.filled(work="W", environment="E", port=1, gguf="G", python="P")
        assert not re.search(r"[{}]", " ".join([*filled.command, filled.bulk or ""]))


def test_what_waits_is_answered_together_and_a_failure_stays_with_its_batch() -> None:
    from waiting import Waiting

    seen: list[list[str]] = []
    first = threading.Event()

    def classify(texts: list[str]) -> list[tuple[str, float]]:
        seen.append(list(texts))
        first.wait(10)
        if "bad" in texts:
            raise ValueError("no")
        return [(text.upper(), 1.0) for text in texts]

    async def crowd() -> list[Any]:
        waiting = Waiting(classify, 3)
        asked = [asyncio.create_task(waiting.ask(text)) for text in ("a", "b", "c", "bad", "d", "e")]
        await asyncio.sleep(0)
        first.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        return [*found, await waiting.ask("later")]

    found = asyncio.run(crowd())
    assert [texts for batch in seen for texts in batch] == ["a", "b", "c", "bad", "d", "e", "later"]
    assert max(map(len, seen)) == 3
    failed = next(batch for batch in seen if "bad" in batch)
    for text, answer in zip(("a", "b", "c", "bad", "d", "e", "later"), found):
        assert isinstance(answer, ValueError) if text in failed else answer == (text.upper(), 1.0)


def test_llama_is_asked_under_a_grammar_and_what_it_writes_is_a_label() -> None:
    from speed import grammar

    labels = ["card_arrival", 'the_"odd"_one']
    body = grammar.listed(labels)("where is my card")
    assert body["grammar"] == 'root ::= " card arrival" | " the \\"odd\\" one"'
    assert body["prompt"].endswith("Message: where is my card\nAbout:")
    assert body["prompt"].partition("Message:")[0] == grammar.listed(labels)("else")["prompt"].partition("Message:")[0]
    read = grammar.read([" card arrival", ' the "odd" one'], labels)
    assert read({"content": " card arrival"}) == "card_arrival"
    assert read({"content": " card arr"}) == ""  # cut short: an answer, and a wrong one


def test_rounds_that_are_kept_are_not_measured_again_and_a_side_that_refuses_is_left_out(tmp_path):
    import rounds

    calls = []

    def measure(side, number):
        calls.append((side.name, number))
        if side.name == "deaf" and number == 1:
            raise rounds.Refused("answers 500")
        return {"rate": 10 * number}

    two = [SimpleNamespace(name="quick"), SimpleNamespace(name="deaf")]
    args = SimpleNamespace(again=None, kept=False, rounds=3)
    absent: dict[str, str] = {}
    rounds.take(tmp_path, two, args, absent, measure, str)
    assert calls == [("quick", 0), ("deaf", 0), ("deaf", 1), ("quick", 1), ("quick", 2)]
    assert absent == {"deaf": "answers 500"}
    assert rounds.kept(tmp_path, "deaf", 3) == [{"round": 0, "rate": 0}]
    calls.clear()
    rounds.take(tmp_path, two, SimpleNamespace(again="quick", kept=False, rounds=1), {}, measure, str)
    assert calls == [("quick", 0)]


def test_ratios_are_made_of_the_rounds_that_both_have():
    from speed.summary import ratio

    ours, theirs = side("jangin", "jangin", "defaults", [100, 200]), side("peer", "peer", "defaults", [10, 50])
    del ours["rounds"][0]
    assert ratio(ours, theirs)["of_rounds"] == [4.0]
