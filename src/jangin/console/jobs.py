"""Files that are answered in the background, a few rows at a time, so that a page can show how far they are.

They live in this process and are forgotten an hour after their end, or with the server; `jangin predict` is for what
must outlast that.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import msgspec

from jangin.errors import JanginError, RequestError

KEPT_S = 3_600.0
MOST = 20  # at a time, of all who ask
TOLD_S = 0.4
BEAT_S = 15.0


class Job:
    """One file. owner: the id of the key that began it; rows: what came out so far."""

    def __init__(self, owner: str, total: int, about: dict[str, Any]):
        self.id = os.urandom(8).hex()
        self.owner, self.total, self.about = owner, total, about
        self.done, self.faults = 0, 0
        self.error: str | None = None
        self.rows: list[list[Any]] = []
        self.ended_at: float | None = None
        self.task: asyncio.Task[None] | None = None

    def state(self) -> dict[str, Any]:
        told = f"{self.done:,} / {self.total:,}"
        return {"done": self.done, "total": self.total, "told": told, "error": self.error or ""}


class Jobs:
    def __init__(self) -> None:
        self._found: dict[str, Job] = {}

    def begin(self, job: Job, work: Callable[[Job], Coroutine[Any, Any, None]]) -> Job:
        """Raises: RequestError 429 when too many run."""
        now = time.monotonic()
        self._found = {
            name: each for name, each in self._found.items() if each.ended_at is None or now - each.ended_at < KEPT_S
        }
        if sum(each.ended_at is None for each in self._found.values()) >= MOST:
            raise RequestError(f"{MOST} files are being answered already; wait for one of them", status=429)
        self._found[job.id] = job
        job.task = asyncio.create_task(self._run(job, work))
        return job

    async def _run(self, job: Job, work: Callable[[Job], Coroutine[Any, Any, None]]) -> None:
        try:
            await work(job)
        except JanginError as error:
            job.error = error.message
        finally:
            job.ended_at = time.monotonic()

    def get(self, name: str, owner: str) -> Job:
        """Raises: RequestError 404, also for somebody else's."""
        job = self._found.get(name)
        if job is None or job.owner != owner:
            raise RequestError("there is no such file any more: send it again", status=404)
        return job


async def stream(
    state: Callable[[], dict[str, Any]], over: Callable[[], dict[str, Any] | None], stopping: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Server-sent events: `state` whenever it changes, and `done` with what `over` gives, at the end.

    A server that is stopping ends the stream; the browser asks again by itself.
    """
    before, beat = None, time.monotonic()
    while True:
        end, now = over(), state()
        if now != before:
            yield event("state", now)
            before, beat = now, time.monotonic()
        if end is not None:
            yield event("done", end)
            return
        if stopping():
            return
        if time.monotonic() - beat > BEAT_S:
            yield b": still here\n\n"
            beat = time.monotonic()
        await asyncio.sleep(TOLD_S)


def event(name: str, content: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(content))
