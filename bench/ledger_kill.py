"""kill -9 of a process that writes the ledger or the audit log, at random moments: is anything missing that it told of?

    python bench/ledger_kill.py [--rounds 100] [--what ledger,audit] [--url URL] [--seed N]

Each round starts a writer, a fork of this process, which tells of every row that was acknowledged through a pipe, and
kills it 5 to 80 ms after the first. Then the store is opened again, and what it holds is compared with what was told.
One store takes all rounds, so that damage would show in later ones as well. A test runs 20 rounds of each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jangin.audit import AuditLog, verify
from jangin.audit.verify import read
from jangin.ledger import Ledger, Row, Texts
from jangin.ledger.row import now_us

APPENDERS = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--what", default="ledger,audit")
    parser.add_argument("--url", help="of the ledger (default: a temporary file)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if "ledger" in args.what:
            found["ledger"] = ledger_rounds(args.url or str(Path(folder) / "ledger.sqlite"), args.rounds, args.seed)
        if "audit" in args.what:
            found["audit"] = audit_rounds(Path(folder) / "audit", args.rounds, args.seed)
    print(json.dumps(found))


def ledger_rounds(url: str, rounds: int, seed: int) -> dict[str, Any]:
    """Figures of all rounds; `missing` and `damaged` must be 0 and empty."""
    chance = random.Random(seed)
    told: set[str] = set()
    slowest = 0.0
    for number in range(rounds):
        told |= set(killed(lambda tell, number=number: append_rows(url, number, tell), chance))
        begun = time.perf_counter()
        with Ledger.open(url) as ledger:  # as a server that starts again
            slowest = max(slowest, time.perf_counter() - begun)
            ledger.append_and_wait(row(f"after-{number}"))
    with Ledger.open(url, read_only=True) as ledger:
        kept, page = set[str](), ledger.query(limit=10_000)
        while True:
            kept |= {each.id for each in page.rows}
            if page.next is None:
                break
            page = ledger.query(limit=10_000, after=page.next)
        damaged = ledger.check()
    after = {f"after-{number}" for number in range(rounds)}
    return {
        "rounds": rounds,
        "acknowledged": len(told),
        "missing": len(told - kept) + len(after - kept),
        "damaged": damaged,
        "slowest_open_s": round(slowest, 3),
    }


def row(id: str) -> Row:
    return Row(id=id, at=now_us(), task="shop", endpoint="chat", route="local", status=200, key_id="k", cost_usd=1e-6)


def append_rows(url: str, number: int, tell: Callable[[str], None]) -> None:
    async def appender(ledger: Ledger, name: str) -> None:
        for count in range(1_000_000):
            id = f"{number}-{name}-{count}"
            await ledger.append(row(id), Texts("what was asked", "what was answered") if count % 3 == 0 else None)
            tell(id)

    async def all_of_them() -> None:
        ledger = Ledger.open(url)
        await asyncio.gather(*(appender(ledger, str(name)) for name in range(APPENDERS)))

    asyncio.run(all_of_them())


def audit_rounds(folder: Path, rounds: int, seed: int) -> dict[str, Any]:
    """The same for the audit log; here the writer is also made to die within a line, every fourth round."""
    chance = random.Random(seed)
    told: list[str] = []
    slowest, recovered, head = 0.0, 0, None
    for number in range(rounds):
        told += killed(lambda tell, number=number: append_entries(folder, number, tell), chance)
        if number % 4 == 3:  # a kill hardly ever falls within a write: cut a line as a full page or a power cut would
            newest = sorted(folder.glob("audit-*.jsonl"))[-1]
            with open(newest, "ab") as file:
                file.write(b'{"at":"2026-11-29T08:00:00.000000Z","fields":{"n":'[: chance.randrange(1, 50)])
            recovered += 1
        begun = time.perf_counter()
        with AuditLog.open(folder) as log:
            slowest = max(slowest, time.perf_counter() - begun)
            head = log.head()
    entries, unreadable = read(folder)
    kept = {each.fields["id"] for each in entries if each.kind == "egress.sent"}
    found = verify(folder, head)
    return {
        "rounds": rounds,
        "acknowledged": len(told),
        "missing": len(set(told) - kept),
        "damaged": [each for each in (unreadable, found.why) if each],
        "cut_lines": recovered,
        "recovered": sum(each.kind == "audit.recovered" for each in entries),
        "slowest_open_s": round(slowest, 3),
    }


def append_entries(folder: Path, number: int, tell: Callable[[str], None]) -> None:
    with AuditLog.open(folder, file_bytes=20_000) as log:
        for count in range(1_000_000):
            log.append("egress.sent", {"id": f"{number}-{count}", "to": "api.example", "bytes": count})
            tell(f"{number}-{count}")


def killed(work: Callable[[Callable[[str], None]], None], chance: random.Random) -> list[str]:
    """Runs `work(tell)` in a fork and kills it; returns all that it told of."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        try:
            work(lambda text: _write(into, text))
        finally:
            os._exit(1)  # never reached by a writer that was killed
    os.close(into)
    told = os.read(out, 1 << 16)
    time.sleep(chance.uniform(0.005, 0.08))
    os.kill(child, signal.SIGKILL)
    while chunk := os.read(out, 1 << 16):
        told += chunk
    os.close(out)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the writer ended before it was killed"
    whole = told[: told.rfind(b"\n") + 1]
    return whole.decode().split()


def _write(pipe: int, text: str) -> None:
    os.write(pipe, text.encode() + b"\n")


if __name__ == "__main__":
    main()
