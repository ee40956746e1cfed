"""The log: a line a request where that is asked for, never a text or a key, and never a reason to wait."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from bundles import ngram_bundle
from jangin.access.keys import Keys
from jangin.ledger.row import Row
from jangin.serve import log
from jangin.serve.door import Door
from serving import drive

SECRET_TEXT = "my card number is 4111 1111 1111 1111"
ROW = Row(id="r-1", at=1, task="desk", endpoint="classify", route="local", status=200, prompt_tokens=8, confidence=0.5)


@pytest.fixture
def current() -> Iterator[Any]:
    """The log of this process, put back at the end."""
    before, levels = log.current, {name: logging.getLogger(name).handlers for name in ("uvicorn", "asyncio")}

    def use(style: log.Style) -> io.StringIO:
        found = log.use(style)
        found._stream = io.StringIO()
        return found._stream

    yield use
    log.current.close()
    log.current = before
    for name, handlers in levels.items():
        logging.getLogger(name).handlers = handlers


def test_each_request_is_a_line_with_its_id_key_task_route_status_and_time(current: Any, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    key, secret = keys.add("app")
    stream = current("json")

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        client.headers["authorization"] = f"Bearer {secret}"
        asked = {"model": "desk", "input": SECRET_TEXT}
        await client.post("/v1/classify", json=asked, headers={"x-request-id": "mine-1"})
        await client.post("/v1/classify", json={**asked, "model": SECRET_TEXT})
        chat = {"model": "desk", "messages": [{"role": "user", "content": SECRET_TEXT}], "stream": True}
        await client.post("/v1/chat/completions", json=chat)
        await client.post("/v1/classify", json=asked, headers={"authorization": "Bearer jk-wrong"})

    drive([ngram_bundle(tmp_path / "desk")], work, door=Door(keys))
    log.current.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["endpoint"], line["status"], line["key"]) for line in lines] == [
        ("classify", 200, key.id),
        ("classify", 404, key.id),
        ("chat/completions", 200, key.id),
        ("classify", 401, ""),
    ]
    first = lines[0]
    assert (first["event"], first["level"], first["id"], first["task"]) == ("request", "info", "mine-1", "desk")
    assert (first["route"], first["prompt_tokens"], first["completion_tokens"]) == ("local", 8, 1)
    assert first["ms"] > 0 and 0 < first["confidence"] <= 1 and re.fullmatch(r"20\d\d-.*Z", first["at"])
    assert [line.get("error") for line in lines] == [None, "model_not_found", None, None]
    assert "4111" not in stream.getvalue() and "jk-" not in stream.getvalue()


def test_the_styles_say_as_much_as_they_promise() -> None:
    def told(style: log.Style) -> str:
        found = log.Log(style, io.StringIO())
        found.request("classify", "r-1", "key_1", 200, 3.14159, ROW, None)
        found.request("classify", "r-2", "", 503, 1.0, None, "engine")
        found.warn("engine.gone", "engine abc is gone; starting it again", engine="abc")
        found.close()
        assert isinstance(found._stream, io.StringIO)
        return re.sub(r"20\d\d-\S+Z", "TIME", found._stream.getvalue())

    warned = "jangin: engine abc is gone; starting it again\n"
    failed = "TIME error id=r-2 endpoint=classify status=503 ms=1.0 error=engine\n"
    assert told("off") == warned
    assert told("errors") == failed + warned
    answered = "TIME info id=r-1 key=key_1 endpoint=classify status=200 ms=3.1 task=desk route=local "
    assert told("text") == f"{answered}prompt_tokens=8 completion_tokens=0 confidence=0.5\n" + failed + warned
    assert [json.loads(line)["event"] for line in told("json").splitlines()] == ["request", "request", "engine.gone"]


def test_a_reader_that_stops_reading_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST_WAITING", 10)
    monkeypatch.setattr(log, "CLOSE_S", 0.05)
    reads = threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            reads.wait(20)
            return super().write(text)

    found = log.Log("text", Stuck())
    for number in range(100):
        found.warn("w", f"line {number}")
    found.close()  # comes back, though nothing was read
    assert found.dropped >= 80
    reads.set()
    assert found._thread is not None
    found._thread.join(20)
    assert isinstance(found._stream, Stuck) and found._stream.getvalue().startswith("jangin: line 0\n")


def test_libraries_speak_through_it_without_the_words_of_an_exception(current: Any) -> None:
    stream = current("json")
    try:
        raise ValueError(SECRET_TEXT)
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    log.current.close()
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert line["message"].startswith("Exception in ASGI application ValueError ") and line["exception"] == "ValueError"
    assert "4111" not in stream.getvalue()


def test_a_server_writes_json_only_and_a_broken_request_is_no_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jangin", "serve", "--open", str(ngram_bundle(tmp_path / "desk")), "--port", "0"]
    command += ["--json", "--log", "json", "--state", str(tmp_path / "state")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ})
    assert process.stdout is not None
    try:
        url = json.loads(process.stdout.readline())["address"]
        with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)) as broken:
            broken.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
            broken.recv(1000)
        answered = httpx.post(f"{url}/v1/classify", json={"model": "desk", "input": SECRET_TEXT})
    finally:
        process.terminate()
        _, said = process.communicate(timeout=20)
    (line,) = [json.loads(line) for line in said.decode().splitlines()]
    assert (line["id"], line["status"], line["task"]) == (answered.headers["x-request-id"], 200, "desk")
