"""Group commit: what waits is written in one transaction, then everybody who waited is told.

Where a commit waits for no disk (SQLite, `durability: process`) the event loop makes it itself, with all rows of one of
its turns: a tenth of a millisecond, which is less than it takes to wake a thread and to share the interpreter with it.
Everything else is a thread's: commits that wait for a disk or a network, for another process's lock, and whatever
failed. While one of them is on its way the next group gathers, so that more load makes larger groups, not more commits.
A row that breaks a rule fails alone: its group is tried again, row by row.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
from typing import Any

from jangin.errors import LedgerError, RowRefused, StorageError
from jangin.ledger.row import Row, Texts
from jangin.ledger.store import Entry, Writer, group_of

MOST = 512  # rows of one group


class _Waiting:
    """A row, the future that whoever waits for it holds, and that future's event loop (None: a thread waits)."""

    __slots__ = ("entry", "error", "future", "loop")

    def __init__(self, entry: Entry, future: Any, loop: asyncio.AbstractEventLoop | None):
        self.entry, self.future, self.loop = entry, future, loop
        self.error: Exception | None = None


class GroupCommit:
    """Owns a thread and its writer. part: see Store."""

    def __init__(self, writer: Writer, part: int, where: str):
        self._writer, self._part, self._where = writer, part, where
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._alone = threading.Lock()  # one commit at a time
        self._loop: asyncio.AbstractEventLoop | None = None  # the one that makes commits itself
        self._fresh: list[_Waiting] = []  # rows of its turn
        self._closing = threading.Lock()  # no row may come in after the end mark
        self._closed = False
        self.rows = self.commits = 0
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def append(self, row: Row, texts: Texts | None) -> asyncio.Future[None]:
        """In the event loop. The future ends when the row is committed, or with the error that kept it out."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        waiting = _Waiting((row, texts), future, loop)
        if self._writer.prompt and self._is_mine(loop):
            if self._closed:
                raise self._is_closed()
            if not self._fresh:
                loop.call_soon(self._commit_fresh)
            self._fresh.append(waiting)
        else:
            self._put(waiting)
        return future

    def _is_mine(self, loop: asyncio.AbstractEventLoop) -> bool:
        if self._loop is None or (self._loop is not loop and self._loop.is_closed()):
            self._loop = loop
        return self._loop is loop

    def _commit_fresh(self) -> None:
        with self._closing:
            group, self._fresh = self._fresh, []
        if not group:  # closed meanwhile: the thread has them
            return
        if len(group) <= MOST and self._queue.empty() and self._alone.acquire(blocking=False):
            try:
                if self._commit_at_once(group):
                    _tell_all(group)
                    return
            finally:
                self._alone.release()
        for each in group:
            try:
                self._put(each)
            except LedgerError as error:
                each.error = error
                _tell_all([each])

    def _commit_at_once(self, group: list[_Waiting]) -> bool:
        """False: nothing was written, and the thread is to see to it."""
        try:
            done = self._writer.commit_now(group_of([each.entry for each in group], self._part))
        except Exception:  # noqa: BLE001 - the thread meets it again, and says what it is
            return False
        if done:
            self.rows += len(group)
            self.commits += 1
        return done

    def append_and_wait(self, row: Row, texts: Texts | None) -> None:
        """From any other thread."""
        future: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._put(_Waiting((row, texts), future, None))
        future.result()

    def _put(self, waiting: _Waiting) -> None:
        with self._closing:
            if self._closed:
                raise self._is_closed()
            self._queue.put(waiting)

    def _is_closed(self) -> LedgerError:
        return LedgerError(f"{self._where}: the ledger is closed", "open it again")

    def close(self) -> None:
        """Commits what waits, then ends the thread."""
        with self._closing:
            if not self._closed:
                self._closed = True
                fresh, self._fresh = self._fresh, []
                for each in fresh:
                    self._queue.put(each)
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        try:
            while not ended:
                group, ended = self._gather()
                if group:
                    with self._alone:
                        self._commit(group)
                    self._tell(group)
        finally:
            self._writer.close()

    def _gather(self) -> tuple[list[_Waiting], bool]:
        """What waits, at least one; True when nothing comes after it."""
        group: list[_Waiting] = []
        waiting = self._queue.get()
        while waiting is not None:
            group.append(waiting)
            if len(group) >= MOST:
                return group, False
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit(self, group: list[_Waiting]) -> None:
        """Sets each one's error, or leaves None where the row is committed."""
        try:
            self._writer.commit(group_of([each.entry for each in group], self._part))
            self.rows += len(group)
            self.commits += 1
        except (RowRefused, TypeError, ValueError, AttributeError, OverflowError) as error:
            if len(group) == 1:
                group[0].error = (
                    error if isinstance(error, RowRefused) else RowRefused(f"{type(error).__name__} in a column")
                )
                return
            for each in group:
                self._commit([each])
        except StorageError as error:
            for each in group:
                each.error = error
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, and the thread must live on
            fault = LedgerError(f"{self._where}: the ledger could not write ({type(error).__name__})", "report this")
            fault.__cause__ = error
            for each in group:
                each.error = fault

    @staticmethod
    def _tell(group: list[_Waiting]) -> None:
        """One call into each event loop for all of a group."""
        loops: dict[Any, list[_Waiting]] = {}
        for each in group:
            loops.setdefault(each.loop, []).append(each)
        for loop, members in loops.items():
            if loop is None:
                _tell_all(members)
            else:
                try:
                    loop.call_soon_threadsafe(_tell_all, members)
                except RuntimeError:  # the loop is closed: nobody waits any more
                    continue


def _tell_all(members: list[_Waiting]) -> None:
    for each in members:
        if each.future.done():  # whoever waited has gone; the row stays
            continue
        if each.error is None:
            each.future.set_result(None)
        else:
            each.future.set_exception(each.error)
