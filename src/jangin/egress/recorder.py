"""Entries of the audit log for requests that wait to leave: all that wait are written together, with one fsync.

While a group is on its way to the disk the next one gathers, so that more load makes larger groups, not more fsyncs.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jangin.egress.seams import Audit

KIND = "egress"


class Recorder:
    """In one event loop. One thread calls the log, one group at a time."""

    def __init__(self, audit: Audit):
        self._audit = audit
        self._thread = ThreadPoolExecutor(1, "egress-audit")
        self._waiting: list[tuple[dict[str, Any], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def record(self, fields: dict[str, Any]) -> None:
        """Returns when the entry is on the disk. Raises what the log raised; then the entry counts as not written, and
        so do those of its group. An await that is cancelled does not take the entry back."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((fields, future))
        if self._writing is None:
            self._writing = loop.create_task(self._write())
        await future

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                entries = [(KIND, fields) for fields, _ in group]
                error: Exception | None = None
                try:
                    await loop.run_in_executor(self._thread, self._audit.append_all, entries)
                except Exception as raised:  # noqa: BLE001 - whatever it was, each of them hears of it
                    error = raised
                for _, future in group:
                    if future.done():  # whoever waited has gone
                        continue
                    if error is None:
                        future.set_result(None)
                    else:
                        future.set_exception(error)
        finally:
            self._writing = None

    def close(self) -> None:
        self._thread.shutdown(wait=False)
