"""The engine process killed or hung under load: is every request answered, or told when to come back?

    python bench/engine_kill.py SPECIALIST [DATA] [--times 50] [--rate 200] [--engine-timeout 1] [--seed N]

One server for all of it, with keys and ledger, under an open loop that never pauses. Every few seconds its engine is
killed (SIGKILL) or made to hang (SIGSTOP), in turn, and the next one falls when the engine has answered again for a
random while. Every request must end with 200, or with 503 or 429 and a Retry-After. Recovery is from the signal until
the next 200 of a request that was sent after it. The server itself must live through all of it.

The engine comes back after a pause that grows with each death (0.05 to 5 s) until it has lived for 30 s: an engine that
dies every few seconds is what that pause is for, so recoveries here are slower than after a single death. `--rest` is
the least time between recovery and the next fault; 30 shows single deaths.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from jangin.access.keys import Keys
from jangin.serve.fleet import read_key
from jangin.serve.run import start
from jangin.state import KEYS
from load_client import Asked, Load, by_status, children, load_client, machine, texts_of, write_bodies

BACK_WITHIN_S = 60.0
EXPECTED = (200, 503, 429)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specialist", type=Path)
    parser.add_argument("data", type=Path, nargs="?", help="its texts are asked (default: a few of this file's own)")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--rate", type=float, default=200, help="requests/s")
    parser.add_argument("--engine-timeout", type=float, default=1.0, metavar="S")
    parser.add_argument("--rest", type=float, default=0.3, metavar="S")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    about, chance = machine(), random.Random(args.seed)
    texts = texts_of(args.data) if args.data else ["where is my parcel", "I was charged twice", "계정 지워주세요"]
    name, _ = read_key(args.specialist)
    faults: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory() as folder, load_client() as client:
        state = Path(folder) / "state"
        _, secret = Keys(state / KEYS).add("bench")
        bodies = write_bodies(Path(folder) / "bodies", [{"model": name, "input": text} for text in texts])
        options: dict[str, Any] = {"state": str(state), "open_to_all": False, "engine_timeout_s": args.engine_timeout}
        with start([args.specialist], **options) as (server, url):
            load = Load(url, "/v1/classify", bodies, 512, args.rate, (f"authorization: Bearer {secret}",))
            asked: list[Asked] = []
            for number in range(args.times):  # one load a fault; the next begins as the last one ends
                asking = client.start(load, 3600, f"fault{number}")
                try:
                    faults.append(fault(server.pid, load, number, chance, args.rest))
                finally:
                    asking.send_signal(signal.SIGTERM)
                asked += client.finish(asking)
                say(f"fault {number + 1} ({faults[-1][0]}): {by_status(asked)}")
            lived = server.poll() is None
            health = httpx.get(f"{url}/healthz", timeout=10).json()
    told = [each for each in asked if each.status in (503, 429)]
    bad = [each for each in asked if each.status not in EXPECTED or (each.status != 200 and not each.retry_after)]
    recovery = recoveries(faults, asked)
    document = {
        "machine": about,
        "specialist": name,
        "times": args.times,
        "rate_per_s": args.rate,
        "engine_timeout_s": args.engine_timeout,
        "rest_s": args.rest,
        "requests": len(asked),
        "by_status": by_status(asked),
        "told_to_come_back": len(told),
        "neither_answered_nor_told": len(bad),
        "recovery_s": {kind: spread(times) for kind, times in recovery.items()},
        "slowest_answer_s": round(max(each.took_ms for each in asked) / 1e3, 3),
        "server_lived": lived,
        "health_after": health,
    }
    print(json.dumps(document, indent=2))
    recovered = sum(map(len, recovery.values())) == args.times
    sys.exit(1 if bad or not lived or not recovered else 0)


def fault(server: int, load: Load, number: int, chance: random.Random, rest_s: float) -> tuple[str, float]:
    """(kind, when) of one fault; returns when the engine has answered again."""
    time.sleep(rest_s + chance.uniform(0.1, 0.7))
    kind = "killed" if number % 2 == 0 else "hung"
    engines = children(server)
    if len(engines) != 1:
        sys.exit(f"the server has {len(engines)} engine processes; this bench wants one (give one specialist)")
    at = time.monotonic()
    os.kill(engines[0], signal.SIGKILL if kind == "killed" else signal.SIGSTOP)
    wait_until_back(load, at)
    return kind, at


def wait_until_back(load: Load, since: float) -> None:
    """Asks like the load until it is answered; the load's own requests tell when that was."""
    body = load.bodies.read_text().partition("\n")[0]
    headers = {"content-type": "application/json", "authorization": load.headers[0].partition(": ")[2]}
    with httpx.Client(timeout=BACK_WITHIN_S) as client:
        while time.monotonic() - since < BACK_WITHIN_S:
            if client.post(load.url + load.path, content=body, headers=headers).status_code == 200:
                time.sleep(0.2)  # so that the load sees it too
                return
            time.sleep(0.05)
    sys.exit(f"the engine did not answer again within {BACK_WITHIN_S:g} s")


def recoveries(faults: list[tuple[str, float]], asked: list[Asked]) -> dict[str, list[float]]:
    """Seconds from each fault until the first 200 of a request sent after it."""
    good = sorted((each for each in asked if each.status == 200), key=lambda each: each.sent_s)
    found: dict[str, list[float]] = {}
    for kind, at in faults:
        ended = [each.ended_s for each in good if each.sent_s > at]
        if ended:
            found.setdefault(kind, []).append(min(ended) - at)
    return found


def spread(times: list[float]) -> dict[str, float]:
    return {"n": len(times), "median": round(statistics.median(times), 3), "max": round(max(times), 3)}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
