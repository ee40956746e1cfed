"""Ten times what a model can do, for a minute: do accepted requests keep their latency, and the rest get a 429?

    python bench/overload.py SPECIALIST [DATA] [--seconds 60] [--per-s 50] [--times 10] [--max-wait 0.03]

The server is the real one, with keys, ledger and audit log. So is its engine, but for one thing: a text takes it at
least 1 / --per-s seconds (it sleeps for what is left of that), so that the model is held to so many requests/s and the
load client finds the cores free. The open loop is first well below that, at --calm of it: the unloaded latency. Then it
is at --times of it, over so many connections that no request waits in the client.

`--max-wait` of `jangin serve` bounds the work that an accepted request finds before it, here to one text and a half.
Memory is the summed PSS of the server's processes: at the start of the overload, each sixth of it, and its end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jangin.access.keys import Keys
from jangin.ledger import Ledger
from jangin.serve import client, engine, run
from jangin.serve.fleet import read_key
from jangin.serve.frames import Ask
from jangin.state import KEYS, LEDGER
from load_client import Load, by_status, children, figures, load_client, machine, pss_mb, texts_of, write_bodies

TEXT_S = "BENCH_SECONDS_PER_TEXT"
PARTS = 6


class Held(engine.Engine):
    """Answers no more than so many texts a second."""

    def _answer(self, batch: list[Ask]) -> list[tuple[bytes, bytes, bytes]]:
        end = time.perf_counter() + float(os.environ[TEXT_S]) * sum(len(ask.texts) for ask in batch)
        found = super()._answer(batch)
        time.sleep(max(0.0, end - time.perf_counter()))
        return found


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        client.ENGINE = (__file__, "engine")
        sys.exit(run.serve(**json.loads(sys.argv[2])))
    if sys.argv[1:2] == ["engine"]:
        engine.run(engine.opened(), make=Held)
        os._exit(0)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specialist", type=Path)
    parser.add_argument("data", type=Path, nargs="?", help="its texts are asked (default: a few of this file's own)")
    parser.add_argument("--seconds", type=float, default=60, help="of the overload")
    parser.add_argument("--calm-seconds", type=float, default=20)
    parser.add_argument("--per-s", type=float, default=50, help="what the model can do")
    parser.add_argument("--times", type=float, default=10, help="of that are asked")
    parser.add_argument("--calm", type=float, default=0.2, help="of that are asked for the unloaded latency")
    parser.add_argument("--max-wait", type=float, default=0.03, metavar="S")
    parser.add_argument("--connections", type=int, default=256)
    args = parser.parse_args()
    about = machine()
    texts = texts_of(args.data) if args.data else ["where is my parcel", "I was charged twice", "계정 지워주세요"]
    name, _ = read_key(args.specialist)
    with tempfile.TemporaryDirectory() as folder, load_client() as asker:
        state = Path(folder) / "state"
        _, secret = Keys(state / KEYS).add("bench")
        bodies = write_bodies(Path(folder) / "bodies", [{"model": name, "input": text} for text in texts])
        with served(args.specialist, state, args.max_wait, 1 / args.per_s) as (server, url):
            key = f"authorization: Bearer {secret}"
            load = Load(url, "/v1/classify", bodies, args.connections, args.per_s * args.calm, (key,))
            asker.run(load, 2)  # warm: the engine's seconds a text are known
            calm = asker.run(load, args.calm_seconds)
            say(f"unloaded: {figures(calm)}")
            memory = []
            asking = asker.start(load._replace(rate=args.per_s * args.times), args.seconds)
            for _ in range(PARTS):
                memory.append(pss_mb([server, *children(server)]))
                time.sleep(args.seconds / PARTS)
            asked = asker.finish(asking)
            memory.append(pss_mb([server, *children(server)]))
        with Ledger.open(state / LEDGER, read_only=True) as ledger:
            rows = ledger.totals().requests
    refused = sorted(each.took_ms for each in asked if each.status == 429)
    unexpected = [each for each in asked if each.status not in (200, 429)]
    untold = sum(each.status == 429 and not each.retry_after for each in asked)
    before, under = figures(calm), figures(asked)
    ratio = under["p99_ms"] / before["p99_ms"]
    document: dict[str, Any] = {
        "machine": about,
        "specialist": name,
        "model_per_s": args.per_s,
        "asked_per_s": args.per_s * args.times,
        "seconds": args.seconds,
        "max_wait_s": args.max_wait,
        "unloaded": before,
        "overloaded": under,
        "p99_ratio": round(ratio, 2),
        "refused_p99_ms": round(refused[int(len(refused) * 0.99)], 3) if refused else None,
        "neither_200_nor_429": by_status(unexpected),
        "429_without_retry_after": untold,
        "memory_mb": memory,
        "memory_growth": round(memory[-1] / memory[0] - 1, 4),
        "ledger_rows": rows,
    }
    print(json.dumps(document, indent=2))
    sys.exit(1 if unexpected or untold or ratio > 3 else 0)


@contextmanager
def served(specialist: Path, state: Path, max_wait_s: float, text_s: float) -> Iterator[tuple[int, str]]:
    """(process id, URL) of a server on the held engine."""
    options = {"folders": [str(specialist)], "port": 0, "json_output": True, "state": str(state), "open_to_all": False}
    command = [sys.executable, __file__, "serve", json.dumps({**options, "max_wait_s": max_wait_s})]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, TEXT_S: str(text_s)})
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line:
            sys.exit("the server did not start; its message stands above")
        yield server.pid, json.loads(line)["address"]
    finally:
        server.terminate()
        server.wait(30)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
