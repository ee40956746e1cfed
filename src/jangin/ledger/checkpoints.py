"""Moves committed rows from SQLite's write-ahead log into the file, in a thread of its own.

SQLite would do so inside a commit, each 1,000 pages, and that commit's answers would wait for the disk. Two rules make
a second connection safe also before SQLite 3.51.3, where a checkpoint that begins on a log that is wholly copied, while
another connection's commit starts the log anew, can leave the file damaged (sqlite.org/wal.html, "the WAL-reset bug"):

- one thread at a time makes checkpoints: the holder of a lock beside the file. All connections have autocheckpoint off.
- who takes that lock, or has copied everything, waits until a commit of its own process has ended. From then on the log
  holds something that was not copied, and does so until this thread copies it: no commit can start the log anew.

The last connection that closes copies the rest, alone, under SQLite's exclusive lock.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import filelock

log = logging.getLogger(__name__)

EVERY_S = 1.0
PAGES = 4_000  # of 4 KiB that commits wrote before a checkpoint is due sooner than that; a guess from their number
PAGES_PER_COMMIT = 8
PATIENCE_MS = 20  # a checkpoint that starts the log anew keeps commits waiting while it waits for readers
LOG_PAGES = 32_000  # 128 MiB: from here on commits wait a moment, so that the log starts anew and does not grow
REST_PAGES, ROUNDS = 500, 6  # that moment ends with the disk: so first what is left to copy is made small


class Checkpointer:
    """A thread; `committed()` after each commit. connect: a new connection to the same file."""

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]):
        self._connect = connect
        self._role = filelock.FileLock(f"{path}-checkpoints", blocking=False, thread_local=False)
        self._commits = self._tried = self._copied = 0  # commits so far, at the last try, when all was copied
        self._wake, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-checkpoints", daemon=True)
        self._thread.start()

    def committed(self) -> None:
        self._commits += 1
        if (self._commits - self._tried) * PAGES_PER_COMMIT >= PAGES:
            self._wake.set()

    def close(self) -> None:
        self._ended.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        connection = self._connect()
        connection.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
        try:
            while not self._ended.is_set():
                self._wake.wait(EVERY_S)
                self._wake.clear()
                if self._commits > self._copied and not self._ended.is_set():
                    self._turn(connection)
        finally:
            connection.close()
            self._role.release()

    def _turn(self, connection: sqlite3.Connection) -> None:
        self._tried = self._commits
        if not self._role.is_locked:
            try:
                self._role.acquire()
            except (filelock.Timeout, OSError):  # another process does it, or nobody may write there
                return
            self._copied = self._commits  # that process may have copied everything: wait for a commit of ours
        elif self._checkpoint(connection):
            self._copied = self._commits
            self._role.release()

    def _checkpoint(self, connection: sqlite3.Connection) -> bool:
        """True when everything was copied that the log held at some moment in here."""
        try:
            for _ in range(ROUNDS):
                _, pages, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if pages < LOG_PAGES or pages - copied < REST_PAGES:
                    break
            if copied < pages and pages >= LOG_PAGES:  # not wholly copied, so the second rule holds for this one too
                _, pages, copied = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        except sqlite3.Error as error:  # a full disk, say: the rows stay in the log, and the next try is soon
            log.warning("the ledger's log could not be copied into its file: %s", error)
            return False
        return bool(copied >= pages)
