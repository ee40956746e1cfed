"""The server as processes: the address line, a clean end, no orphans, addresses that are refused."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from bundles import encoder_bundle, ngram_bundle
from jangin.errors import EngineError, InputError
from jangin.serve.run import background, serve, start


def wait_until(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [ngram_bundle(tmp_path / "desk"), encoder_bundle(tmp_path / "tiny")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_what_is_in_flight_and_ends_with_0_and_no_orphans(two: list[Path], number: int) -> None:
    with start(two) as (process, url):
        engines = psutil.Process(process.pid).children(recursive=True)
        assert len(engines) == 2
        found: list[int] = []
        inputs = ["lost refund open " * 1_000] * 200

        def ask() -> None:
            answer = httpx.post(f"{url}/v1/classify", json={"model": "desk", "input": inputs}, timeout=60)
            found.append(answer.status_code)

        client = threading.Thread(target=ask)
        client.start()
        before = sum(engines[0].cpu_times()[:2]) + sum(engines[1].cpu_times()[:2])
        wait_until(lambda: sum(sum(e.cpu_times()[:2]) for e in engines) > before + 0.05)
        process.send_signal(number)
        assert process.wait(20) == 0
        client.join()
        assert found == [200]
        assert gone(engines)


def test_engines_end_when_the_server_is_killed(two: list[Path]) -> None:
    with start(two) as (process, _):
        engines = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        wait_until(lambda: gone(engines))


def test_the_address_line_is_for_people_or_with_json_for_programs(two: list[Path]) -> None:
    with start(two, json_output=True) as (_, url):
        assert httpx.get(f"{url}/healthz").json()["status"] == "ok"
    arguments = json.dumps({"folders": [str(two[0])], "port": 0})
    process = subprocess.Popen([sys.executable, "-m", "jangin.serve.run", arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()
    assert line.startswith("jangin serving 1 specialist on http://127.0.0.1:")


def test_the_http_process_holds_no_numerical_library(two: list[Path]) -> None:
    with background(two) as url:
        port = int(url.rsplit(":", 1)[1])
        server = next(p for p in psutil.Process().children() if any(c.laddr.port == port for c in p.net_connections()))
        maps = Path(f"/proc/{server.pid}/maps").read_text()
        assert "/uvloop/" in maps
        assert not [name for name in ("numpy", "onnxruntime", "scipy", "sklearn") if f"/{name}/" in maps]
        for engine in server.children():
            maps = Path(f"/proc/{engine.pid}/maps").read_text()
            assert "/numpy/" in maps
            assert not [name for name in ("scipy", "sklearn", "uvloop") if f"/{name}/" in maps]


def test_a_bundle_that_cannot_be_served_ends_the_start(
    tmp_path: Path, two: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(EngineError, match=r"^the server did not start; its message stands above"),
        background([tmp_path]),
    ):
        pass
    assert "not a specialist (no readable manifest.json)" in capfd.readouterr().err
    with pytest.raises(EngineError), background([two[0], two[0]]):
        pass
    assert "a specialist named 'desk' is already loaded; reload or unload it" in capfd.readouterr().err


def test_a_port_that_is_taken_or_impossible_is_one_clear_message(two: list[Path]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError) as caught:
            serve(two, "127.0.0.1", port)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: {os.strerror(98)}\n  try: choose another --port (0: any free one)"
    )
    with pytest.raises(InputError, match=r"^cannot listen on 127.0.0.1:99999: "):
        serve(two, "127.0.0.1", 99_999)


def test_a_background_server_ends_when_the_process_that_started_it_is_killed(two: list[Path]) -> None:
    code = (
        "import sys\nfrom jangin.serve.run import start\n"
        "with start([sys.argv[1]]) as (server, url):\n    print(server.pid, flush=True)\n    sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(two[0])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))
    left = [server, *server.children(recursive=True)]
    parent.kill()
    parent.wait()
    wait_until(lambda: gone(left))
