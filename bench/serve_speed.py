"""How much of the engine's speed survives HTTP: texts/s at 32 clients and the latency of one request at a time.

    python bench/serve_speed.py SPECIALIST DATA [--seconds 10] [--clients 32]

The engine alone (one process, batches of as many texts as there are clients) and the server are measured in the same
run, in alternating rounds, on the same texts. One request carries one text. The load comes from `wrk` when it is
installed; its own work is part of the measurement, since it shares the machine's cores.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from jangin.models.specialist import Specialist, load
from jangin.serve.run import background
from load_client import texts_of

LUA = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local at = math.random(#bodies)
request = function()
  at = at %% #bodies + 1
  return wrk.format("POST", "/v1/classify", {["content-type"] = "application/json"}, bodies[at])
end
done = function(summary, latency, requests)
  io.write(string.format(
    "JSON {\\"requests\\": %%d, \\"us\\": %%d, \\"errors\\": %%d, \\"p50_us\\": %%d, \\"p99_us\\": %%d}\\n",
    summary.requests, summary.duration, summary.errors.status + summary.errors.read + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specialist", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=10, help="of each round of each side")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--top-k", type=int, default=None)
    args = parser.parse_args()
    texts = texts_of(args.data)
    specialist = load(args.specialist)
    bodies = [request(specialist.name, text, args.top_k) for text in texts]
    rounds = []
    with background([args.specialist]) as url:
        single_http(url, bodies[:50])
        for _ in range(args.rounds):
            rounds.append(one_round(specialist, texts, url, bodies, args))
    print(json.dumps(summary(specialist, args, rounds), indent=2))


def request(model: str, text: str, top_k: int | None) -> str:
    body: dict[str, Any] = {"model": model, "input": text}
    return json.dumps(body if top_k is None else body | {"top_k": top_k})


def one_round(
    specialist: Specialist, texts: list[str], url: str, bodies: list[str], args: argparse.Namespace
) -> dict[str, float]:
    engine_single = single_engine(specialist, texts[:300])
    http_single = single_http(url, bodies[:300])
    engine = engine_alone(specialist, texts, args.clients, args.seconds)
    load_found = (wrk if shutil.which("wrk") else threads)(url, bodies, args.clients, args.seconds)
    return {
        "engine_texts_per_s": engine,
        "http_texts_per_s": load_found["requests"] / load_found["us"] * 1e6,
        "http_errors": load_found["errors"],
        "http_p50_ms": load_found["p50_us"] / 1e3,
        "http_p99_ms": load_found["p99_us"] / 1e3,
        "engine_single_p50_ms": engine_single,
        "http_single_p50_ms": http_single,
    }


def engine_alone(specialist: Specialist, texts: list[str], batch: int, seconds: float) -> float:
    done, at, started = 0, 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        part = texts[at : at + batch]
        specialist.probabilities(part)
        done += len(part)
        at = (at + batch) % len(texts)
    return done / passed


def single_engine(specialist: Specialist, texts: list[str]) -> float:
    """Median milliseconds of one text at a time."""
    return statistics.median(timed(lambda text=text: specialist.probabilities([text])) for text in texts)


def single_http(url: str, bodies: list[str]) -> float:
    """Median milliseconds of one request at a time over one connection that is kept open."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))

    def ask(body: str) -> None:
        connection.request("POST", "/v1/classify", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        answer.read()

    return statistics.median(timed(lambda body=body: ask(body)) for body in bodies)


def timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def wrk(url: str, bodies: list[str], clients: int, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        lines, script = Path(folder, "bodies"), Path(folder, "load.lua")
        lines.write_text("\n".join(bodies) + "\n")
        script.write_text(LUA % lines)
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(script), url]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^JSON (.*)$", output, re.MULTILINE)
    if found is None:
        sys.exit(output)
    return json.loads(found[1])


def threads(url: str, bodies: list[str], clients: int, seconds: float) -> dict[str, float]:
    """Without `wrk`: threads of this process, which cost the server more of the machine."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    def client(first: int) -> None:
        at = first
        while time.perf_counter() < end:
            times.append(single_http(url, bodies[at : at + 16]) * 1e3)
            times.extend([times[-1]] * (len(bodies[at : at + 16]) - 1))
            at = (at + 16) % len(bodies)

    started = time.perf_counter()
    workers = [threading.Thread(target=client, args=(n * 16 % len(bodies),)) for n in range(clients)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    us = (time.perf_counter() - started) * 1e6
    times.sort()
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    return {"requests": len(times), "us": us, "errors": 0, "p50_us": p50, "p99_us": p99}


def summary(specialist: Specialist, args: argparse.Namespace, rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Medians over the rounds, and the two ratios that must hold."""
    found: dict[str, Any] = {name: round(statistics.median(r[name] for r in rounds), 3) for name in rounds[0]}
    return {
        "specialist": specialist.name,
        "labels": len(specialist.labels),
        "clients": args.clients,
        "load": "wrk" if shutil.which("wrk") else "threads",
        **found,
        "http_over_engine": round(found["http_texts_per_s"] / found["engine_texts_per_s"], 3),
        "single_http_over_engine": round(found["http_single_p50_ms"] / found["engine_single_p50_ms"], 3),
    }


if __name__ == "__main__":
    main()
