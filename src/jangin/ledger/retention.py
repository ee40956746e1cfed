"""Forgetting by age, in small steps, so that requests are recorded meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from jangin.errors import InputError
from jangin.ledger.row import DAY_US
from jangin.ledger.store import Writer

STEP = 1_000  # rows of one transaction


class Pruned(msgspec.Struct, frozen=True):
    """What was removed."""

    rows: int = 0
    texts: int = 0
    totals: int = 0


Job = Callable[[Writer], Pruned]


def prune(writer: Writer, before: int) -> Pruned:
    """Removes rows that arrived before, and their texts. The totals of their days stay."""
    if before < 0:
        raise InputError("nothing is older than 1970", "give a later time")
    writer.work([("UPDATE ledger_pruned SET before = ? WHERE before < ?", (before, before))])
    texts = _steps(writer, "ledger_texts", "at < ?", [before])
    return Pruned(rows=_steps(writer, "ledger_requests", "at < ?", [before]), texts=texts)


def prune_texts(writer: Writer, before: int, task: str | None = None) -> Pruned:
    """Removes stored texts of before, of one task or of all; their rows stay."""
    if task is None:
        return Pruned(texts=_steps(writer, "ledger_texts", "at < ?", [before]))
    return Pruned(texts=_steps(writer, "ledger_texts", "at < ? AND task = ?", [before, task]))


def prune_totals(writer: Writer, before: int) -> Pruned:
    """Removes rows and texts of before, and the totals of the days that ended before."""
    gone = prune(writer, before)
    (totals,) = writer.work([("DELETE FROM ledger_daily WHERE day < ?", (before // DAY_US,))])
    return msgspec.structs.replace(gone, totals=totals)


def _steps(writer: Writer, table: str, condition: str, values: Sequence[Any]) -> int:
    removed = 0
    sql = f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM {table} WHERE {condition} ORDER BY at LIMIT {STEP})"
    while True:
        begun = time.monotonic()
        (gone,) = writer.work([(sql, values)])
        removed += gone
        if gone < STEP:
            return removed
        time.sleep(time.monotonic() - begun)  # as long as it held the others up
