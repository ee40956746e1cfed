"""bench/generation: how a stream is counted, what a level tells, the ratios, the page."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
LEVELS = ["1", "8"]


@pytest.fixture(autouse=True)
def bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("generation", "speed", "rounds", "load_client", "streamed", "random_specialist"):
            del sys.modules[name]


def side(name: str, rates: dict[int, float], **more: Any) -> dict[str, Any]:
    """rates: tokens/s at 8 under way in each round that was measured."""

    def level(rate: float) -> dict[str, Any]:
        found = {"answers": 16, "asked": 16, "short": 0, "tokens": 1024, "prompt_tokens": 960, "tok_per_s": rate}
        return found | {"ttft_p50_s": 0.25, "ttft_p90_s": 0.5, "cpu_ms_per_token": 12.0} | more

    rounds = [
        {"round": n, "startup_s": 1.5, "memory_mb": 400.0, "levels": {"1": level(rate / 2), "8": level(rate)}}
        for n, rate in rates.items()
    ]
    return {"name": name, "peer": name, "about": f"about {name}", "rounds": rounds}


def document(*sides: dict[str, Any]) -> dict[str, Any]:
    from generation.summary import summary

    about = {"machine": {"cores": 2, "processor": "a processor"}, "base": "a-base", "tokens": 64, "levels": LEVELS}
    environments = {"jangin": {"python": "3.11"}}
    compared = summary(sides, LEVELS)
    return {**about, "environments": environments, "absent": {}, "sides": list(sides), "compared": compared}


async def served(lines: list[str], status: str = "200 OK") -> Any:
    """What the client makes of one answer of a server that sends these lines."""
    from streamed import ask

    asked = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length is not None
        asked.append(json.loads(await reader.readexactly(int(length[1]))))
        writer.write(
            f"HTTP/1.1 {status}\r\nConnection: close\r\n\r\n".encode()
            + b"".join(line.encode() + b"\n\n" for line in lines)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await ask(f"http://127.0.0.1:{port}", "/v1/completions", {"prompt": "p"})
    assert asked == [{"prompt": "p", "stream": True, "stream_options": {"include_usage": True}}]
    return found


def piece(**choice: Any) -> str:
    return "data: " + json.dumps({"choices": [choice]})


LAST = "data: " + json.dumps({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})


@pytest.mark.parametrize(
    "pieces", [[piece(text=""), piece(text="a")], [piece(delta={"role": "r"}), piece(delta={"content": "a"})]]
)
def test_a_stream_is_counted_by_its_last_line_and_begins_with_its_first_text(pieces: list[str]) -> None:
    found = asyncio.run(served([*pieces, LAST, "data: [DONE]"]))
    assert (found.tokens, found.prompt_tokens) == (3, 7)
    assert found.begun_s < found.first_s <= found.ended_s


def test_a_stream_without_text_has_no_first_token() -> None:
    assert asyncio.run(served([piece(text=""), LAST])).first_s is None


def test_a_stream_that_does_not_say_its_tokens_is_no_answer() -> None:
    from streamed import NotAnswered

    with pytest.raises(NotAnswered, match="ended without the number of tokens"):
        asyncio.run(served([piece(text="a")]))


def test_another_status_is_no_answer_and_is_told() -> None:
    from streamed import NotAnswered

    with pytest.raises(NotAnswered, match="answers 400: too long"):
        asyncio.run(served(["too long"], "400 Bad Request"))


def test_a_level_tells_tokens_over_the_whole_time_and_what_ended_early() -> None:
    from generation.measure import figures
    from streamed import Answer

    answers = [Answer(0.0, 0.5, 2.0, 64, 60), Answer(1.0, 1.25, 4.0, 30, 60), Answer(1.0, None, 3.0, 2, 60)]
    found = figures(answers, 64)
    assert (found["tokens"], found["tok_per_s"], found["seconds"]) == (96, 24.0, 4.0)
    assert (found["short"], found["without_text"], found["prompt_tokens"]) == (2, 1, 180)
    assert (found["ttft_p50_s"], found["ttft_p90_s"]) == (0.5, 0.5)


def test_no_prompt_of_a_run_is_asked_twice() -> None:
    from generation.measure import LEVELS, prompts

    found = [text for n, level in enumerate(LEVELS) for text in prompts(3 * level, 1_000 * n)]
    assert len(set(found)) == len(found)


def test_every_side_is_asked_with_the_text_that_jangin_renders() -> None:
    from generation import preparing, sides
    from jangin.prompt import chatml

    def tokenize(text: str, *, control: bool = False, start: bool = False) -> list[int]:
        return list(text.encode())

    ours = bytes(chatml("").tokens("Say so.", tokenize)).decode()
    found = sides.sides()
    assert len({each.name for each in found}) == len(found)
    assert {each.environment for each in found} == {None, *preparing.REQUIREMENTS}
    for each in found:
        body = each.body("Say so.", 5)
        assert body.get("prompt", ours) == ours
        values = {name: name for name in ("work", "made", "environment", "gguf", "python", "path")}
        filled = each.filled(port=1, **values)
        assert not re.search(r"[{}]", " ".join([*filled.command, *filled.variables.values()]))


def test_a_ratio_is_made_of_the_rounds_that_both_sides_have() -> None:
    from generation.summary import summary

    ours = side("jangin", {0: 100.0, 1: 120.0, 2: 90.0})
    found = summary([ours, side("llama", {1: 100.0, 2: 100.0}), side("vllm", {})], LEVELS)
    assert found == {
        "llama": {
            "1": {"tok_per_s": 1.05, "of_rounds": [1.2, 0.9]},
            "8": {"tok_per_s": 1.05, "of_rounds": [1.2, 0.9]},
        }
    }
    assert summary([side("llama", {0: 1.0})], LEVELS) == {}
    assert summary([ours, side("vllm", {3: 9.0})], LEVELS)["vllm"] == {"1": None, "8": None}


def test_the_page_keeps_its_text_and_says_where_the_sides_differ(tmp_path: Path) -> None:
    from generation import page

    path = tmp_path / "speed.md"
    path.write_text(f"<!-- begin: other -->\nkept\n{page.END}\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    sides = side("jangin", {0: 100.0, 1: 120.0}, short=3), side("llama", {0: 125.0, 1: 120.0}, asked=20)
    told = document(*sides) | {"absent": {"vllm": "answers 500: no"}}
    page.write(told, path)
    once = path.read_text()
    page.write(told, path)
    assert path.read_text() == once
    assert once.startswith(f"<!-- begin: other -->\nkept\n{page.END}\n{page.BEGIN}\n")
    assert once.endswith(f"{page.END}\nafter\n")
    assert "old" not in once
    assert "`a-base` on 2 core(s) of a processor, 2 round(s), medians; 64 tokens asked for." in once
    assert "| jangin: about jangin | 55 (50, 60) | 110 (100, 120) | 1.5 | 400 |" in once
    assert "| jangin | 0.25 (0.5) | 0.25 (0.5) | 12 / 12 |" in once
    assert "| llama | 0.90 (0.80, 1.00) | 0.90 (0.80, 1.00) |" in once
    assert "- `jangin`: 12 of 64 answers ended before the tokens asked for" in once
    assert "- `llama`: 16 of 80 requests did not begin within the time" in once
    assert "- tokens of a prompt, as each side counts them: jangin 60, llama 60" in once
    assert "- not measured: `vllm`, which answers 500: no" in once


def test_a_page_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    from generation import page

    path = tmp_path / "speed.md"
    path.write_text("nothing here")
    with pytest.raises(ValueError, match="were expected"):
        page.write(document(side("jangin", {0: 1.0})), path)
    assert path.read_text() == "nothing here"


def test_the_tables_of_the_page_are_those_of_the_kept_result() -> None:
    from generation import page

    kept = ROOT / "docs" / "results" / "speed-generate.json"
    between = page.PAGE.read_text(encoding="utf-8").partition(page.BEGIN)[2].partition(page.END)[0]
    assert between.strip() == (page.made(json.loads(kept.read_text("utf-8"))).strip() if kept.is_file() else "")
