"""kill -9 of the HTTP process at a random moment under load: is an answered request missing from the ledger?

    python bench/serve_kill.py SPECIALIST [DATA] [--times 100] [--rate 300] [--seed N]

Each round starts the server on the same state (keys, ledger, audit log), as `jangin serve` does, puts an open loop on
it, and kills it 0.1 to 0.8 s later. Whatever the load client had whole with status 200 must be a row of the ledger.
After each round the ledger is checked (the database, and the totals of its days against its rows), the audit log is
verified, and the engine of the dead server must have ended. Restart is from the start of the process until the first
answer with 200. One store takes all rounds, so that damage would show in later ones as well.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from jangin.access.keys import Keys
from jangin.audit import verify
from jangin.ledger import Filter, Ledger
from jangin.serve.fleet import read_key
from jangin.state import AUDIT, KEYS, LEDGER
from load_client import Asked, Load, LoadClient, by_status, children, load_client, machine, texts_of, write_bodies

ENGINE_GONE_S = 5.0


class Found:
    """Over all rounds."""

    def __init__(self) -> None:
        self.answered = self.missing = self.engines_left = 0
        self.damaged: list[str] = []
        self.restart_s: list[float] = []
        self.statuses: dict[str, int] = {}

    def add(self, asked: list[Asked]) -> None:
        for name, count in by_status(asked).items():
            self.statuses[name] = self.statuses.get(name, 0) + count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specialist", type=Path)
    parser.add_argument("data", type=Path, nargs="?", help="its texts are asked (default: a few of this file's own)")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--rate", type=float, default=300, help="requests/s")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    about, found, chance = machine(), Found(), random.Random(args.seed)
    texts = texts_of(args.data) if args.data else ["where is my parcel", "I was charged twice", "계정 지워주세요"]
    name, _ = read_key(args.specialist)
    with tempfile.TemporaryDirectory() as folder, load_client() as client:
        state = Path(folder) / "state"
        _, secret = Keys(state / KEYS).add("bench")
        bodies = write_bodies(Path(folder) / "bodies", [{"model": name, "input": text} for text in texts])
        key = f"authorization: Bearer {secret}"
        load = Load("", "/v1/classify", bodies, 16, args.rate, (key,), grace_s=1.0)
        for number in range(args.times):
            one_round(args.specialist, state, load, client, chance, number, found)
            say(
                f"round {number + 1}: {found.answered:,} answered, {found.missing} missing, {found.restart_s[-1]:.2f} s"
            )
        with Ledger.open(state / LEDGER, read_only=True) as ledger:
            rows = ledger.totals().requests
        entries = verify(state / AUDIT, None).entries
    document = {
        "machine": about,
        "specialist": name,
        "times": args.times,
        "rate_per_s": args.rate,
        "by_status": found.statuses,
        "answered": found.answered,
        "answered_missing_from_ledger": found.missing,
        "corrupt_stores": found.damaged,
        "engines_left_behind": found.engines_left,
        "ledger_rows": rows,
        "audit_entries": entries,
        "restart_s": {
            "median": round(statistics.median(found.restart_s), 3),
            "max": round(max(found.restart_s), 3),
        },
    }
    print(json.dumps(document, indent=2))
    sys.exit(1 if found.missing or found.damaged or found.engines_left else 0)


def one_round(
    specialist: Path, state: Path, load: Load, client: LoadClient, chance: random.Random, number: int, found: Found
) -> None:
    begun = time.monotonic()
    command = [sys.executable, "-m", "jangin", "serve", str(specialist), "--state", str(state), "--port", "0", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line:
            sys.exit("the server did not start again; its message stands above")
        load = load._replace(url=json.loads(line)["address"])
        first_answer(load)
        found.restart_s.append(time.monotonic() - begun)
        engines = children(server.pid)
        asking = client.start(load, 1.0, f"round{number}")
        time.sleep(chance.uniform(0.1, 0.8))
        server.kill()
        asked = client.finish(asking)
    finally:
        server.kill()
        server.wait()
    found.add(asked)
    check(state, asked, number, found)
    found.engines_left += not all_gone(engines)


def first_answer(load: Load) -> None:
    body = load.bodies.read_text().partition("\n")[0]
    headers = {"content-type": "application/json", "authorization": load.headers[0].partition(": ")[2]}
    answer = httpx.post(load.url + load.path, content=body, headers=headers, timeout=10)
    if answer.status_code != 200:
        sys.exit(f"the server's first answer has status {answer.status_code}: {answer.text[:200]}")


def check(state: Path, asked: list[Asked], number: int, found: Found) -> None:
    told = {f"round{number}-{each.number}" for each in asked if each.status == 200}
    since = int((time.time() - 60) * 1e6)
    with Ledger.open(state / LEDGER, read_only=True) as ledger:
        kept: set[str] = set()
        after = None
        while True:
            page = ledger.query(Filter(since=since), limit=10_000, after=after)
            kept |= {row.id for row in page.rows}
            after = page.next
            if after is None:
                break
        found.damaged += [f"round {number}: ledger: {each}" for each in ledger.check()]
    verified = verify(state / AUDIT, None)
    if verified.why:
        found.damaged.append(f"round {number}: audit: {verified.why}")
    found.answered += len(told)
    found.missing += len(told - kept)


def all_gone(pids: list[int]) -> bool:
    end = time.monotonic() + ENGINE_GONE_S
    while any(map(running, pids)):
        if time.monotonic() > end:
            for pid in filter(running, pids):
                os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.02)
    return True


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
