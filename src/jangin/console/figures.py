"""What the ledger and the bundles' folders say of each specialist, gathered for a page. All of it blocks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from jangin.errors import JanginError
from jangin.evals.record import RECORD, read_record
from jangin.ledger.book import Ledger
from jangin.ledger.row import Filter, Totals
from jangin.task import Task, load_task

LOOKED_AT = 1_000  # newest rows of a task, for its latencies


class Used(msgspec.Struct):
    """Of one task, as far as its rows go back. local: share of the requests that were answered here."""

    requests: int = 0
    local: float | None = None
    errors: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    saved_usd: float | None = None
    energy_wh: float | None = None
    egress_bytes: int = 0


def used(ledger: Ledger | None, names: Sequence[str]) -> dict[str, Used]:
    """By task; latencies are those of the newest requests."""
    found = {name: Used() for name in names}
    if ledger is None:
        return found
    routes: dict[str, dict[str, Totals]] = {}
    for each in ledger.totals_by(("task", "route")):
        routes.setdefault(each.group["task"], {})[each.group["route"]] = each
    for name in names:
        if name in routes:
            found[name] = _of(list(routes[name].values()), routes[name].get("local"))
            rows = ledger.query(Filter(task=name), limit=LOOKED_AT).rows
            taken = sorted(row.duration_us / 1e3 for row in rows if row.status < 400)
            found[name].p50_ms, found[name].p99_ms = percentile(taken, 0.5), percentile(taken, 0.99)
    return found


def _of(parts: list[Totals], local: Totals | None) -> Used:
    requests = sum(each.requests for each in parts)
    compared, known = sum(each.compared for each in parts), sum(each.energy_known for each in parts)
    return Used(
        requests=requests,
        local=(local.requests if local else 0) / requests if requests else None,
        errors=sum(each.errors for each in parts),
        saved_usd=sum(each.reference_cost_usd - each.compared_cost_usd for each in parts) if compared else None,
        energy_wh=sum(each.energy_wh for each in parts) if known else None,
        egress_bytes=sum(each.egress_bytes for each in parts),
    )


def percentile(values: Sequence[float], share: float) -> float | None:
    """Of sorted values, the smallest that at least this share does not exceed; None of nothing."""
    if not values:
        return None
    return values[min(len(values) - 1, max(0, -(-int(share * 1_000) * len(values) // 1_000) - 1))]


def task_of(folder: Path) -> Task | None:
    """The task that a bundle was trained on, where its record names one that can still be read."""
    try:
        named = read_record(folder).get("task_path")
        return load_task(named) if named else None
    except JanginError:
        return None


def marks(folder: Path, *more: str) -> tuple[tuple[str, int, int], ...]:
    """What changes when one of a bundle's files does."""
    names = ("manifest.json", "certificate.json", "answers.jsonl", "trust.json", RECORD, *more)
    found = []
    for name in names:
        try:
            about = (folder / name).stat()
        except OSError:
            continue
        found.append((name, about.st_mtime_ns, about.st_size))
    return tuple(found)
