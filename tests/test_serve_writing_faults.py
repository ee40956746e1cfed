"""Answers that are given up, an engine that dies while it writes, too many requests, specialists that come and go."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from jangin.ledger.book import Ledger
from jangin.models.decoder import PARALLEL
from jangin.serve.client import SLOWEST_PREFILL_TOK_S
from jangin.serve.fleet import Fleet
from jangin.serve.following import Gone
from jangin.serve.frames import Write
from jangin.serve.run import start
from serving import drive, eventually
from test_serve_process import wait_until
from writers import CONTEXT, base, writer

pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
pytest.importorskip("gguf", reason="the package gguf is not installed")

LONG = {"type": "string", "pattern": "^[a-z]{3900}$"}  # only the bundle's limit of tokens ends it
SHORT = {"type": "string", "pattern": "^[a-z]{30}$"}


@pytest.fixture
def folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    home = tmp_path_factory.mktemp("writers")
    monkeypatch.setenv("JANGIN_HOME", str(home))
    sha256 = base(home)
    return [writer(home / name, sha256, name, seed=seed) for seed, name in enumerate(("one", "two", "three"))]


def body(model: str, schema: dict[str, Any] = LONG, **more: Any) -> dict[str, Any]:
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    messages = [{"role": "user", "content": "where is it"}]
    return {"model": model, "messages": messages, "response_format": form, **more}


def order(fleet: Fleet, name: str, schema: dict[str, Any] = LONG) -> Write:
    return Write(0, fleet.entries[name].handle, "where is it", schema=schema, stream=True)


def writing(url: str) -> int:
    engines = httpx.get(f"{url}/healthz").json()["engines"]
    return sum(each["writing"] for each in engines.values())


class Stream:
    """A streamed answer, read on a thread of its own."""

    def __init__(self, url: str, model: str, schema: dict[str, Any] = LONG):
        self.begun = threading.Event()
        self.close = threading.Event()
        self.events: list[str] = []
        self.status = 0
        self._url, self._body = url, body(model, schema, stream=True)
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        with httpx.stream("POST", f"{self._url}/v1/chat/completions", json=self._body, timeout=60) as answer:
            self.status = answer.status_code
            for line in answer.iter_lines():
                if line:
                    self.events.append(line.removeprefix("data: "))
                    self.begun.set()
                if self.close.is_set():
                    return

    def text(self) -> str:
        found = [json.loads(event) for event in self.events if event.startswith('{"id"')]
        return "".join(c["delta"].get("content", "") for each in found for c in each["choices"])


@pytest.fixture
def served(folders: list[Path]) -> Iterator[tuple[int, str]]:
    with start(folders[:2]) as (process, url):
        yield process.pid, url


def test_the_engine_stops_writing_for_a_client_that_went_away_and_for_no_other(served: tuple[int, str]) -> None:
    _, url = served
    kept = Stream(url, "one")
    assert kept.begun.wait(30)
    gone = Stream(url, "one")
    assert gone.begun.wait(30)
    assert writing(url) == 2
    gone.close.set()
    wait_until(lambda: writing(url) == 1)  # the later one ended before the earlier one of the same length
    assert kept.thread.is_alive()
    assert '"finish_reason":"length"' not in "".join(gone.events)
    with pytest.raises(httpx.ReadTimeout):  # not streamed, and not waited for
        httpx.post(f"{url}/v1/chat/completions", json=body("one"), timeout=httpx.Timeout(30, read=0.3))
    wait_until(lambda: writing(url) <= 1)
    kept.close.set()
    kept.thread.join(30)
    wait_until(lambda: writing(url) == 0)


def test_what_was_written_for_a_client_that_went_away_counts(folders: list[Path], tmp_path: Path) -> None:
    with start(folders[:1], state=str(tmp_path / "state")) as (_, url):
        stream = Stream(url, "one")
        assert stream.begun.wait(30)
        stream.close.set()
        stream.thread.join(30)
        with Ledger.open(tmp_path / "state" / "ledger.sqlite", read_only=True) as ledger:
            wait_until(lambda: ledger.totals().requests == 1)
            (row,) = ledger.query().rows
    assert (row.status, row.error_code) == (499, "client_closed")
    assert row.prompt_tokens > 0 and row.completion_tokens > 0


def test_an_answer_cancelled_while_it_waits_is_never_begun(folders: list[Path]) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        entry = fleet.entries["one"]
        opened = [fleet.write(entry, order(fleet, "one")) for _ in range(PARALLEL)]
        running = [each.__enter__() for each in opened]
        for each in running:
            assert await anext(aiter(each))
        with fleet.write(entry, order(fleet, "one")) as waiting:
            await asyncio.sleep(0)
        with pytest.raises(Gone):
            await anext(aiter(waiting))
        await eventually(lambda: waiting.finished is not None)
        assert waiting.finished is not None
        assert (waiting.finished.finish, waiting.finished.completion_tokens) == ("cancelled", 0)
        assert not any(each.over for each in running)
        for each in opened:
            each.__exit__(None, None, None)
        await eventually(lambda: entry.engine.writing == 0)
        for each in running:
            assert each.finished is not None and each.finished.finish == "cancelled"

    drive(folders[:1], work)


def test_a_killed_engine_ends_a_stream_with_an_error_event_and_others_with_a_503(served: tuple[int, str]) -> None:
    pid, url = served
    engine = psutil.Process(pid).children()[0].pid
    begun = [Stream(url, "one") for _ in range(PARALLEL)]
    assert all(each.begun.wait(30) for each in begun)
    waiting: list[httpx.Response] = []
    other = threading.Thread(
        target=lambda: waiting.append(httpx.post(f"{url}/v1/chat/completions", json=body("two", SHORT), timeout=60))
    )
    other.start()
    wait_until(lambda: writing(url) == PARALLEL + 1)
    os.kill(engine, signal.SIGKILL)
    other.join(30)
    assert waiting[0].status_code == 503 and waiting[0].headers["retry-after"] == "1"
    for each in begun:
        each.thread.join(30)
        assert each.status == 200
        assert json.loads(each.events[-1])["error"] == {
            "message": "the engine died while it worked on this request (try: send the request again)",
            "type": "server_error",
            "param": None,
            "code": "engine",
        }
    wait_until(lambda: httpx.get(f"{url}/healthz").json()["status"] == "ok")
    for name in ("one", "two"):
        answer = httpx.post(f"{url}/v1/chat/completions", json=body(name, SHORT), timeout=60)
        assert len(json.loads(answer.json()["choices"][0]["message"]["content"])) == 30


def test_two_adapters_asked_at_once_do_not_mix(served: tuple[int, str]) -> None:
    _, url = served

    def ask(model: str) -> str:
        answer = httpx.post(f"{url}/v1/chat/completions", json=body(model, SHORT), timeout=60)
        return answer.json()["choices"][0]["message"]["content"]

    alone = {name: ask(name) for name in ("one", "two")}
    assert alone["one"] != alone["two"]
    streams = [Stream(url, name, SHORT) for name in ("one", "two") * 4]
    for name, stream in zip(("one", "two") * 4, streams):
        stream.thread.join(60)
        assert stream.text() == alone[name]


def test_beyond_max_waiting_a_request_is_told_to_come_back(folders: list[Path]) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        first = asyncio.create_task(client.post("/v1/chat/completions", json=body("one")))
        second = asyncio.create_task(client.post("/v1/chat/completions", json=body("one")))
        await eventually(lambda: fleet.entries["one"].engine.writing == 2)
        for stream in (False, True):
            answer = await client.post("/v1/chat/completions", json=body("one", stream=stream))
            assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["type"] == "rate_limit_error"
            assert answer.json()["error"]["message"] == (
                "2 answers are being written or wait; this server holds at most 2"
            )
        first.cancel()
        second.cancel()
        await eventually(lambda: fleet.entries["one"].engine.writing == 0)
        answer = await client.post("/v1/chat/completions", json=body("one", SHORT))
        assert answer.status_code == 200

    drive(folders[:1], work, max_waiting=2)


def test_specialists_come_and_go_while_another_writes(served: tuple[int, str], folders: list[Path]) -> None:
    _, url = served
    wanted = httpx.post(f"{url}/v1/chat/completions", json=body("one", SHORT), timeout=60).json()
    stream = Stream(url, "one")
    assert stream.begun.wait(30)

    def admin(verb: str, **about: str) -> dict[str, Any]:
        answer = httpx.post(f"{url}/v1/admin/{verb}", json=about, timeout=60)
        assert answer.status_code == 200
        return answer.json()

    before = len(stream.events)
    assert admin("load", path=str(folders[2]))["jangin"]["kind"] == "generate"
    assert admin("reload", model="two")["status"] == "reloaded"
    assert admin("unload", model="two")["status"] == "unloaded"
    wait_until(lambda: len(stream.events) > before)
    assert stream.thread.is_alive()
    again = httpx.post(f"{url}/v1/chat/completions", json=body("one", SHORT), timeout=60).json()
    assert again["choices"][0]["message"] == wanted["choices"][0]["message"]
    assert [each["id"] for each in httpx.get(f"{url}/v1/models").json()["data"]] == ["one", "three"]
    stream.close.set()
    stream.thread.join(30)
    answer = httpx.post(f"{url}/v1/chat/completions", json=body("three", SHORT), timeout=60)
    assert answer.status_code == 200


def test_an_engine_that_may_read_a_long_prompt_has_time_to_do_so(folders: list[Path]) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        engine = fleet.entries["one"].engine
        assert engine.patience_s == 30
        with fleet.write(fleet.entries["one"], order(fleet, "one")):
            assert engine.patience_s == 30 + CONTEXT / SLOWEST_PREFILL_TOK_S
        await eventually(lambda: engine.writing == 0)
        assert engine.patience_s == 30

    drive(folders[:1], work)


def test_a_server_that_is_told_to_stop_ends_and_leaves_no_engine(folders: list[Path]) -> None:
    with start(folders[:1]) as (process, url):
        engines = psutil.Process(process.pid).children()
        stream = Stream(url, "one")
        assert stream.begun.wait(30)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        stream.thread.join(30)
        assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in engines)
