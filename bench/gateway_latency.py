"""What keys, limits, policy and ledger add to bare serving: latency at half of its capacity, and CPU a request.

    python bench/gateway_latency.py SPECIALIST DATA [--seconds 10] [--rounds 5] [--state DIR] [--serve JSON]

Two servers run side by side on copies of one specialist. The bare one is as `jangin serve --open` without anything to
keep. The other wants a key with rates, concurrency and budgets, holds a policy with a promise (a threshold drawn from
DATA's labelled rows, one answer in a hundred to be audited), and writes every request into its ledger before the last
byte of the answer. First the bare server's capacity: requests/s of `--clients` clients in a closed loop. Then rounds in
turn, each an open loop at half of that; latency counts from when a request was due. The load client is compiled (see
load_client.c) and shares the machine's cores.

Told are medians over the rounds; what is added is the median of the differences, round by round. CPU is that of the
HTTP process, all its threads, the ledger's included; the engine has its own. `--model auto` has the gateway's requests
routed; `--serve` adds options of jangin.serve.run.serve to the gateway's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from jangin.access.keys import Keys, Limits
from jangin.data.read import Row, read_rows
from jangin.ledger import Ledger
from jangin.models.specialist import load
from jangin.policy import read_policy
from jangin.predict import decide
from jangin.routing.trust import Evidence, settle, write_trust
from jangin.serve.run import start
from jangin.state import KEYS, LEDGER
from jangin.terms import Terms, write_terms
from load_client import Load, LoadClient, cpu_s, figures, load_client, machine, texts_of, write_bodies

TARGET, CONFIDENCE = 0.7, 0.95
LIMITS = Limits(
    requests_per_minute=10**8, tokens_per_minute=10**10, concurrent=10**4, usd_per_day=10**6, usd_per_month=10**7
)


class Side:
    """One of the two servers: its process, its load, and what each round found."""

    def __init__(self, process: subprocess.Popen[bytes], load: Load):
        self.process, self.load = process, load
        self.rounds: list[dict[str, Any]] = []

    def measure(self, client: LoadClient, seconds: float, rate: float) -> dict[str, Any]:
        before = cpu_s(self.process.pid)
        asked = client.run(self.load._replace(rate=rate), seconds)
        found = figures(asked)
        found["http_cpu_us_per_request"] = round((cpu_s(self.process.pid) - before) / len(asked) * 1e6, 1)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specialist", type=Path)
    parser.add_argument("data", type=Path, help="rows with input and output")
    parser.add_argument("--seconds", type=float, default=10, help="of each round of each side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=32, help="whose closed loop tells the capacity")
    parser.add_argument("--connections", type=int, default=64, help="of the open loop")
    parser.add_argument("--share", type=float, default=0.5, help="of the bare capacity")
    parser.add_argument("--state", type=Path, help="where the gateway keeps its state (default: a temporary folder)")
    parser.add_argument("--model", help="what the gateway is asked for (default: the specialist; auto: its router)")
    parser.add_argument("--serve", type=json.loads, default={}, metavar="JSON", help="further options of the gateway")
    args = parser.parse_args()
    about = machine()
    texts = texts_of(args.data)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        client = stack.enter_context(load_client())
        bare, threshold, name = bundles(args.specialist, args.data, folder)
        state = args.state or folder / "state"
        _, secret = Keys(state / KEYS).add("bench", limits=LIMITS)
        sides = {"bare": side(stack, bare, name, texts, args, folder)}
        sides["gateway"] = side(stack, folder / "kept", name, texts, args, folder, state, secret)
        for each in sides.values():
            each.measure(client, 1, 0.0)  # warm
        capacity = figures(client.run(sides["bare"].load._replace(connections=args.clients), args.seconds))
        rate = round(capacity["per_s"] * args.share)
        say(f"bare capacity {capacity['per_s']:,.0f} requests/s; open loops at {rate:,}")
        for number in range(args.rounds):
            for called, each in list(sides.items())[:: 1 if number % 2 == 0 else -1]:
                each.rounds.append(each.measure(client, args.seconds, rate))
                say(f"round {number + 1} {called}: {each.rounds[-1]}")
        gateway_capacity = figures(client.run(sides["gateway"].load._replace(connections=args.clients), args.seconds))
        with Ledger.open(state / LEDGER, read_only=True) as ledger:
            rows = {total.group["route"]: total.requests for total in ledger.totals_by(("route",))}
    found = {name: medians(each.rounds) for name, each in sides.items()}
    document = {
        "machine": about,
        "specialist": name,
        "model": args.model or name,
        "rung": json.loads((args.specialist / "manifest.json").read_bytes())["rung"],
        "promise": {"target": TARGET, "confidence": CONFIDENCE, "threshold": threshold},
        "clients": args.clients,
        "bare_capacity_per_s": capacity["per_s"],
        "gateway_capacity_per_s": gateway_capacity["per_s"],
        "rate_per_s": rate,
        "seconds": args.seconds,
        "rounds": args.rounds,
        **found,
        "added": {
            name: {"median": round(statistics.median(each), 3), "by_round": each}
            for name in ("p50_ms", "p99_ms", "http_cpu_us_per_request")
            if (each := differences(sides, name))
        },
        "ledger_rows_by_route": rows,
    }
    print(json.dumps(document, indent=2))


def side(
    stack: contextlib.ExitStack,
    bundle: Path,
    name: str,
    texts: list[str],
    args: argparse.Namespace,
    folder: Path,
    state: Path | None = None,
    secret: str | None = None,
) -> Side:
    kept = {} if state is None else {"state": str(state), "open_to_all": False, **args.serve}
    process, url = stack.enter_context(start([bundle], **kept))
    model = name if state is None else args.model or name
    bodies = write_bodies(folder / f"bodies-{bundle.name}", [{"model": model, "input": text} for text in texts])
    headers = () if secret is None else (f"authorization: Bearer {secret}",)
    return Side(process, Load(url, "/v1/classify", bodies, args.connections, headers=headers))


def bundles(specialist: Path, data: Path, folder: Path) -> tuple[Path, float | None, str]:
    """Two copies of the bundle, without and with a promise; and the threshold that keeps it."""
    for name in ("bare", "kept"):
        shutil.copytree(specialist, folder / name)
        (folder / name / "trust.json").unlink(missing_ok=True)
    write_terms(folder / "bare", Terms())
    held = load(folder / "kept")
    evidence = evidence_of(held, data)
    policy = {"target": TARGET, "confidence": CONFIDENCE, "unsure": "abstain", "audit": 0.01}
    write_terms(folder / "kept", Terms(read_policy(policy, "bench")))
    trust = settle(held.sha256, evidence, TARGET, CONFIDENCE)
    write_trust(folder / "kept", trust)
    return folder / "bare", trust.threshold.threshold, held.name


def evidence_of(specialist: Any, data: Path) -> Evidence:
    """Every other labelled row validates, the rest calibrate."""
    rows = [row.fields for row in read_rows(data) if isinstance(row, Row)]
    rows = [row for row in rows if isinstance(row.get("input"), str) and row.get("output") in specialist.labels]
    if len(rows) < 20:
        sys.exit(f"{data}: {len(rows)} rows with an input and a label of this specialist; at least 20 are needed")
    given, confidence = decide(specialist, specialist.probabilities([row["input"] for row in rows]))
    right = [specialist.labels[int(np.argmax(each))] == row["output"] for each, row in zip(given, rows)]
    found = confidence.astype(float).tolist()
    return Evidence(found[::2], found[1::2], [float(not each) for each in right[1::2]])


def medians(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("per_s", "p50_ms", "p90_ms", "p99_ms", "p99.9_ms", "max_ms", "http_cpu_us_per_request")
    found: dict[str, Any] = {name: round(statistics.median(each[name] for each in rounds), 3) for name in names}
    bad = sum(count for each in rounds for status, count in each["by_status"].items() if status != "200")
    return found | {"requests": sum(each["requests"] for each in rounds), "not_200": bad}


def differences(sides: dict[str, Side], name: str) -> list[float]:
    pairs = zip(sides["gateway"].rounds, sides["bare"].rounds)
    return [round(gateway[name] - bare[name], 3) for gateway, bare in pairs]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
