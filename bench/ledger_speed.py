"""The ledger's speed: rows a second while 32 wait for their commits, and questions to 5 million rows.

    python bench/ledger_speed.py [--rows 5000000] [--seconds 5] [--durability process] [--url URL] [--folder DIR]

The rows are spread over 30 days, 20 tasks and 100 keys, of which one asks once a day. The database itself makes them,
by a statement, and the totals of their days with them; `check` then says that the two agree. Appending is measured
on the ledger that holds them: each of 32 tasks of one event loop appends a row, waits for its commit, and goes on.
A question is asked three times, each over a connection of its own; the slowest is told. The file stays in the system's
cache where it fits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from jangin.ledger import Filter, Ledger, Row, asking
from jangin.ledger.row import DAY_US, SUMS, now_us
from jangin.ledger.store import KEYS as KEYS_OF_A_DAY

DAYS, TASKS, KEYS, WAITING, BATCH = 30, 20, 99, 32, 250_000
FIRST = 20_000 * DAY_US


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--durability", choices=("process", "power"), default="process")
    parser.add_argument("--url", help="an empty ledger (default: a temporary file)")
    parser.add_argument("--folder", type=Path, help="of the temporary file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        url = args.url or str(Path(folder) / "ledger.sqlite")
        begun = time.perf_counter()
        load(url, args.rows)
        found: dict[str, Any] = {"rows": args.rows, "sqlite": sqlite3.sqlite_version, "cores": os.cpu_count()}
        found["loaded_rows_per_s"] = round(args.rows / (time.perf_counter() - begun))
        begun = time.perf_counter()
        Ledger.open(url).close()
        found["open_s"] = round(time.perf_counter() - begun, 3)
        if args.url is None:
            found["file_mb"] = round(Path(url).stat().st_size / 1e6)
        found["questions_s"] = questions(url)
        found["append"] = append(url, args.durability, args.seconds)
    print(json.dumps(found, indent=2))


def load(url: str, rows: int) -> None:
    """In the order of their time, as a server writes them; spread by a linear congruential generator."""
    draw = "(i * 48271 % 2147483647 * 16807 % 2147483647)"
    columns = {
        "id": "'req-0123456789abcdef0123' || (100000000 + i)",
        "at": f"{FIRST} + i * {DAYS * DAY_US // rows}",
        "task": f"'task-' || ({draw} % {TASKS} * ({draw} % 1000) / 1000)",
        "endpoint": "'chat'",
        "route": f"CASE WHEN i % 10007 = 5 THEN 'failed' WHEN {draw} % 20 = 0 THEN 'escalated' ELSE 'local' END",
        "status": "CASE WHEN i % 10007 = 5 THEN 503 ELSE 200 END",
        "key_id": f"CASE WHEN i % {rows // DAYS} = 17 THEN 'key-rare' ELSE 'key-' || ({draw} % {KEYS}) END",
        "specialist": "'a22d6beb8aff0011'",
        "prompt_tokens": "120",
        "completion_tokens": "3",
        "duration_us": "4000",
        "confidence": f"{draw} % 1000 / 1000.0",
        "cost_usd": "0.000001",
        "energy_wh": "0.0003",
        "energy_method": "'modelled'",
        "egress_bytes": "0",
        "reference_cost_usd": "0.002",
        "certificate": f"'{'3fd7645c' * 8}'",
    }
    # In inner queries, so that PostgreSQL counts in 64 bits.
    numbers = "WITH RECURSIVE n(i) AS (SELECT CAST(? AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?) "
    insert = f"INSERT INTO ledger_requests ({', '.join(columns)}) {numbers} SELECT {', '.join(columns.values())} FROM n"
    day = f"at / {DAY_US}, task, key_id, specialist, route"
    sums = asking._OF_A_ROW.split(", ", 1)[1]
    names = [name for name in SUMS if name != "requests"]
    daily = (
        f"INSERT INTO ledger_daily ({', '.join(KEYS_OF_A_DAY)}, requests, {', '.join(names)}) "
        f"SELECT day, task, key_id, specialist, route, 0, COUNT(*), {', '.join(f'SUM({name})' for name in names)} FROM "
        f"(SELECT {day.replace(',', ' AS day,', 1)}, {named(sums, names)} FROM ledger_requests) AS r "
        "GROUP BY day, task, key_id, specialist, route"
    )
    with Ledger.open(url) as ledger:
        writer = ledger._store.writer()
        for start in range(0, rows, BATCH):
            writer.work([(insert, (start, min(start + BATCH, rows)))])
            print(f"{start + BATCH:,} rows", file=sys.stderr, flush=True)
        writer.work([(daily, ())])
        writer.close()
        assert (wrong := ledger.check()) == [], wrong


def named(sums: str, names: list[str]) -> str:
    """`asking._OF_A_ROW` without its first, each expression under its name. No comma of it stands outside COALESCE."""
    parts = re.split(r", (?![0\d])", sums)
    return ", ".join(f"{part} AS {name}" for part, name in zip(parts, names, strict=True))


def one(number: int) -> Row:
    return Row(
        id=f"req-{number:032x}",
        at=now_us(),
        task=f"task-{number % TASKS}",
        endpoint="chat",
        route="local",
        status=200,
        key_id=f"key-{number % KEYS}",
        specialist="a22d6beb8aff0011",
        prompt_tokens=120,
        completion_tokens=3,
        duration_us=4_000,
        confidence=0.93,
        cost_usd=1e-6,
        energy_wh=0.0003,
        energy_method="modelled",
        reference_cost_usd=0.002,
        certificate="3fd7645c" * 8,
    )


def questions(url: str) -> dict[str, float]:
    """Seconds of each; the slowest of three."""
    day, end = FIRST + 12 * DAY_US, FIRST + DAYS * DAY_US
    with Ledger.open(url, read_only=True) as ledger:
        asked: dict[str, Callable[[], object]] = {
            "newest 100 rows": lambda: ledger.query(),
            "100 rows of one hour": lambda: ledger.query(Filter(since=day, until=day + DAY_US // 24)),
            "100 rows of a task": lambda: ledger.query(Filter(task="task-7")),
            "100 rows of a key": lambda: ledger.query(Filter(key_id="key-7")),
            "all rows of a rare key": lambda: ledger.query(Filter(key_id="key-rare")),
            "a rare key in a task": lambda: ledger.query(Filter(key_id="key-rare", task="task-7")),
            "100 rows of a task and a key, in a day": lambda: ledger.query(
                Filter(task="task-7", key_id="key-7", since=day, until=day + DAY_US)
            ),
            "failed rows": lambda: ledger.query(Filter(route="failed")),
            "rows with errors": lambda: ledger.query(Filter(errors=True)),
            "rows of a key that is not there": lambda: ledger.query(Filter(key_id="nobody")),
            "totals of everything": lambda: ledger.totals(),
            "totals by task": lambda: ledger.totals_by(("task",)),
            "totals by day and task": lambda: ledger.totals_by(("day", "task")),
            "totals by key": lambda: ledger.totals_by(("key_id",)),
            "a key's budget of a month": lambda: ledger.totals("key-7", FIRST),
            "totals by task of 3.5 days": lambda: ledger.totals_by(("task",), Filter(since=end - 7 * DAY_US // 2)),
            "one request id, no time given": lambda: ledger.query(Filter(id="req-none")),
        }
        return {name: round(max(timed(ask) for _ in range(3)), 4) for name, ask in asked.items()}


def timed(ask: Callable[[], object]) -> float:
    begun = time.perf_counter()
    ask()
    return time.perf_counter() - begun


def append(url: str, durability: Any, seconds: float) -> dict[str, Any]:
    """Rows a second and how long one waited for its commit, in milliseconds."""
    waits: list[float] = []

    async def appender(ledger: Ledger, end: float, name: int) -> None:
        sample = one(name)
        while (begun := time.perf_counter()) < end:
            await ledger.append(msgspec.structs.replace(sample, at=now_us()))
            waits.append(time.perf_counter() - begun)

    async def all_of_them() -> None:
        end = time.perf_counter() + seconds
        await asyncio.gather(*(appender(ledger, end, name) for name in range(WAITING)))

    with Ledger.open(url, durability) as ledger:
        cpu = time.process_time()
        begun = time.perf_counter()
        asyncio.run(all_of_them())
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        assert ledger._groups is not None
        waits.sort()
        return {
            "durability": durability,
            "waiting": WAITING,
            "rows_per_s": round(len(waits) / wall),
            "rows_per_commit": round(ledger._groups.rows / ledger._groups.commits, 1),
            "wait_ms_p50": round(waits[len(waits) // 2] * 1000, 2),
            "wait_ms_p99": round(waits[len(waits) * 99 // 100] * 1000, 2),
            "cpu_us_per_row": round(cpu / len(waits) * 1e6, 1),
        }


if __name__ == "__main__":
    main()
