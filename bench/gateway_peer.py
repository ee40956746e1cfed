"""Passing chat requests on to another API: requests/s and added latency, next to LiteLLM's proxy on the same upstream.

    python -m venv peer && peer/bin/pip install 'litellm[proxy]==VERSION'
    python bench/gateway_peer.py --peer-python peer/bin/python [--seconds 10] [--rounds 3] [--clients 32]

The upstream is a program of this file that answers every chat request at once with the same completion, on loopback.
Jangin passes through (`/tasks/TASK/v1/chat/completions`) as a user would have it: a key, a policy that names the API
and the fields, the audit log on the disk before a byte leaves, a row of the ledger before the answer's last byte;
`redact: none`, since the peer redacts nothing here. The peer has a master key and the settings that its documentation
names for production without a database: one worker a core, logs at ERROR as JSON, LITELLM_MODE=PRODUCTION, no retries
to blur the figures. It writes nothing down. Without --peer-python only Jangin is measured.

First requests/s of `--clients` clients in a closed loop, in alternating rounds. Then an open loop at half of the slower
one's capacity: the upstream alone, and either of them in front of it; what they add is the difference of the medians.
The load client is compiled (load_client.c). Everything shares the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from jangin.access.keys import Keys
from jangin.audit import verify
from jangin.ledger import Ledger
from jangin.serve.run import start
from jangin.state import AUDIT, KEYS, LEDGER
from load_client import Load, LoadClient, children, cpu_s, figures, load_client, machine, pss_mb, write_bodies
from process_group import free_port, process_group

MODEL, TASK, PEER_KEY = "gpt-4o", "chat", "sk-bench-of-this-machine"
TEXTS = [
    f"Sum up order {number}: two frames, one lamp, paid by card, late by {number % 9} days." for number in range(256)
]
ANSWER = {
    "id": "chatcmpl-upstream",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Two frames and a lamp, paid; the parcel is late.",
                "refusal": None,
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 31, "completion_tokens": 12, "total_tokens": 43},
}


def main() -> None:
    if sys.argv[1:2] == ["upstream"]:
        upstream_main(int(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, help="the interpreter of an environment with litellm[proxy]")
    parser.add_argument("--seconds", type=float, default=10, help="of each round of each side")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--state", type=Path, help="where Jangin keeps its state (default: a temporary folder)")
    args = parser.parse_args()
    about = machine()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        state = args.state or folder / "state"
        client = stack.enter_context(load_client())
        port = free_port()
        upstream = stack.enter_context(process_group([sys.executable, __file__, "upstream", str(port)], sys.stderr))
        wait_until_open(port, upstream)
        bodies = [{"model": MODEL, "messages": [{"role": "user", "content": text}], "max_tokens": 64} for text in TEXTS]
        asked = write_bodies(folder / "bodies", bodies)
        direct = Load(f"http://127.0.0.1:{port}", "/v1/chat/completions", asked, args.clients)
        sides = {"jangin": stack.enter_context(jangin(folder, state, port, direct))}
        if args.peer_python:
            sides["litellm"] = stack.enter_context(litellm(args.peer_python, folder, port, direct))
        for name, side in sides.items():
            say(f"{name} warm: {figures(client.run(side[1], 2))}")
        closed = throughput(client, sides, args)
        rate = round(min(medians(rounds)["per_s"] for rounds in closed.values()) / 2)
        latency = latencies(client, {"upstream": (upstream.pid, direct), **sides}, rate, args)
        memory = {name: pss_mb([pid, *children(pid)]) for name, (pid, _) in sides.items()}
        version = peer_version(args.peer_python) if args.peer_python else None
        with Ledger.open(state / LEDGER, read_only=True) as ledger:
            rows, damaged = ledger.totals().requests, ledger.check()
        audit = verify(state / AUDIT)
    document: dict[str, Any] = {
        "machine": about,
        "litellm": version,
        "clients": args.clients,
        "seconds": args.seconds,
        "rounds": args.rounds,
        "closed_loop": {name: medians(rounds) for name, rounds in closed.items()},
        "open_loop_per_s": rate,
        "open_loop": {name: medians(rounds) for name, rounds in latency.items()},
        "added_p50_ms": added(latency, "p50_ms"),
        "added_p99_ms": added(latency, "p99_ms"),
        "memory_mb": memory,
        "ledger_rows": rows,
        "ledger_damaged": damaged,
        "audit_entries": audit.entries,
        "audit_valid": audit.valid,
    }
    if args.peer_python:
        ours, theirs = (document["closed_loop"][name]["per_s"] for name in ("jangin", "litellm"))
        document["requests_per_s_over_litellm"] = round(ours / theirs, 2)
    print(json.dumps(document, indent=2))


def throughput(client: LoadClient, sides: dict[str, tuple[int, Load]], args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {name: [] for name in sides}
    for number in range(args.rounds):
        for name, (pid, load) in list(sides.items())[:: 1 if number % 2 == 0 else -1]:
            found[name].append(measured(client, pid, load, args.seconds))
            say(f"closed loop, round {number + 1}, {name}: {found[name][-1]}")
    return found


def latencies(
    client: LoadClient, sides: dict[str, tuple[int, Load]], rate: float, args: argparse.Namespace
) -> dict[str, Any]:
    found: dict[str, Any] = {name: [] for name in sides}
    for number in range(args.rounds):
        for name, (pid, load) in list(sides.items())[:: 1 if number % 2 == 0 else -1]:
            found[name].append(measured(client, pid, load._replace(rate=rate, connections=64), args.seconds))
            say(f"open loop, round {number + 1}, {name}: {found[name][-1]}")
    return found


def measured(client: LoadClient, pid: int, load: Load, seconds: float) -> dict[str, Any]:
    """With the CPU of the process and all that it started."""
    pids = [pid, *children(pid)]
    before = sum(map(cpu_s, pids))
    asked = client.run(load, seconds)
    found = figures(asked)
    found["cpu_us_per_request"] = round((sum(map(cpu_s, pids)) - before) / len(asked) * 1e6, 1)
    return found


def medians(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("per_s", "p50_ms", "p99_ms", "cpu_us_per_request")
    found: dict[str, Any] = {name: round(statistics.median(each[name] for each in rounds), 3) for name in names}
    found["per_s_of_rounds"] = [each["per_s"] for each in rounds]
    found["not_200"] = sum(n for each in rounds for status, n in each["by_status"].items() if status != "200")
    return found


def added(latency: dict[str, Any], name: str) -> dict[str, float]:
    alone = medians(latency["upstream"])[name]
    return {side: round(medians(rounds)[name] - alone, 3) for side, rounds in latency.items() if side != "upstream"}


@contextlib.contextmanager
def jangin(folder: Path, state: Path, port: int, direct: Load) -> Iterator[tuple[int, Load]]:
    """A server that only passes through: (process, its load)."""
    task, config = folder / "task", folder / "server.yaml"
    task.mkdir()
    policy = {
        "egress": "allow",
        "endpoints": [{"url": direct.url, "models": [MODEL]}],
        "fields": {"roles": ["system", "user", "assistant"]},
        "redact": "none",
    }
    about = {"name": TASK, "kind": "generate", "data": "examples.jsonl", "policy": policy}
    (task / "task.yaml").write_text(json.dumps(about))
    upstream = {"url": f"{direct.url}/v1", "at_once": 64, "prices": {MODEL: [2.5, 10]}}
    config.write_text(json.dumps({"egress": {"egress": "allow", "upstreams": [upstream]}}))
    _, secret = Keys(state / KEYS).add("bench")
    options = {"state": str(state), "open_to_all": False, "config": str(config), "tasks": [str(task)]}
    with start([], **options) as (server, url):
        path = f"/tasks/{TASK}/v1/chat/completions"
        yield server.pid, direct._replace(url=url, path=path, headers=(f"authorization: Bearer {secret}",))


@contextlib.contextmanager
def litellm(python: Path, folder: Path, upstream: int, direct: Load) -> Iterator[tuple[int, Load]]:
    """LiteLLM's proxy in its own environment: (process, its load)."""
    config, port = folder / "litellm.yaml", free_port()
    about = {"model": f"openai/{MODEL}", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "sk-upstream"}
    settings = {
        "model_list": [{"model_name": MODEL, "litellm_params": about}],
        "litellm_settings": {"request_timeout": 600, "set_verbose": False, "json_logs": True, "num_retries": 0},
        "general_settings": {"master_key": PEER_KEY},
    }
    config.write_text(json.dumps(settings))
    command = [str(python.parent / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    workers = str(len(os.sched_getaffinity(0)))
    with process_group([*command, "--num_workers", workers], sys.stderr, environment) as server:
        wait_until_open(port, server, 120)
        load = direct._replace(
            url=f"http://127.0.0.1:{port}", headers=(f"authorization: Bearer {PEER_KEY}",), grace_s=30.0
        )
        body = load.bodies.read_text().partition("\n")[0]
        headers = {"authorization": f"Bearer {PEER_KEY}", "content-type": "application/json"}
        answer = httpx.post(load.url + load.path, content=body, headers=headers, timeout=60)
        if answer.status_code != 200:
            sys.exit(f"litellm answers {answer.status_code}: {answer.text[:300]}")
        yield server.pid, load


def peer_version(python: Path) -> str:
    code = "import importlib.metadata as m; print(m.version('litellm'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def wait_until_open(port: int, server: subprocess.Popen[bytes], within_s: float = 20) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    sys.exit(f"nothing listens on port {port}; see the messages above")


class Upstream(asyncio.Protocol):
    """Reads requests with content-length, answers each with the same bytes."""

    body = json.dumps(ANSWER).encode()
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            _, found, rest = head.partition(b"content-length:")
            whole = end + 4 + (int(rest.partition(b"\r\n")[0]) if found else 0)
            if len(self._data) < whole:
                return
            self._data = self._data[whole:]
            self._transport.write(self.answer)


def upstream_main(port: int) -> None:
    import uvloop

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=1024)
        await server.serve_forever()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
