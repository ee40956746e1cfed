"""Appending to the audit log: under a lock, durable before it returns, or AuditError.

Several processes may append to one log (a server, and a command line that changes its keys): each takes the lock for
each line, reads what the others added, and goes on from there, so that the chain cannot fork. fsync comes after the
lock is released, and one fsync serves all threads whose lines it covers. A system that reported a failed fsync may have
forgotten what it did not write, and would report the next one as done: so after one such failure nothing is accepted.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import filelock

from jangin.audit import files
from jangin.audit.chain import GENESIS, Entry, Head, Signer, entry
from jangin.errors import AuditError, StorageError
from jangin.files import storage_error

FILE_BYTES = 64 << 20  # a file that has reached this is followed by a new one
LOCK_S = 10.0


class AuditLog:
    """Open with `AuditLog.open`. Safe in several threads and processes. Blocking: call it from a thread."""

    def __init__(self, folder: Path, signer: Signer | None, file_bytes: int):
        self.folder = folder
        self._signer, self._file_bytes = signer, file_bytes
        self._mutex, self._syncing = threading.Lock(), threading.Lock()  # the second is taken first
        self._lock = filelock.FileLock(folder / "lock", timeout=LOCK_S, poll_interval=0.002, thread_local=False)
        self._handle: int | None = None  # of the last file
        self._path: Path | None = None
        self._size = 0  # of that file, after `_last`
        self._last: Entry | None = None
        self._synced = 0  # number of the last entry that is on the disk for certain
        self._lost = False

    @classmethod
    def open(cls, folder: str | Path, key: str | Path | None = None, *, file_bytes: int = FILE_BYTES) -> AuditLog:
        """Opens the log in a folder, or begins one there.

        key: PEM file of an Ed25519 private key that signs the heads. A line that a crash cut off is set aside, and that
        is recorded. The chain is not verified: that is `verify`.
        Raises: AuditError (cannot be written, locked, last line damaged); InputError, MissingExtraError for the key.
        """
        signer = None if key is None else Signer(Path(key))
        path = Path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _fault(storage_error(path, error)) from error
        log = cls(path, signer, file_bytes)
        try:
            log.head()
        except BaseException:
            log.close()
            raise
        return log

    def append(self, kind: str, fields: dict[str, Any]) -> Head:
        """Adds one entry and returns the new head (signed, when the log has a key) once it is on the disk.

        kind: like policy.changed. fields: JSON; names, counts and hashes, never a text, a key or a secret.
        Raises: AuditError: the entry is not in the log, or may not last; what it would have recorded must not be done.
            InputError for a kind or fields that do not fit.
        """
        return self.append_all([(kind, fields)])

    def append_all(self, entries: Sequence[tuple[str, dict[str, Any]]]) -> Head:
        """Adds (kind, fields) of each in their order, with one fsync for all, and returns the head after the last.

        Raises: as `append`; then none of them counts, though some may be in the log.
        """
        with self._alone():
            self._catch_up()
            added = self._write(entries)
        self._sync(added)
        return self._head(added)

    def head(self) -> Head:
        """The newest head, signed when the log has a key. Raises: AuditError."""
        with self._alone():
            self._catch_up()
            last = self._last
        assert last is not None  # catching up begins a log that is empty
        self._sync(last)
        return self._head(last)

    def close(self) -> None:
        with self._mutex:
            self._close_file()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _head(self, last: Entry) -> Head:
        head = Head(seq=last.seq, hash=last.hash, at=last.at)
        return head if self._signer is None else self._signer.sign(head)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One thread of one process; every trouble with files becomes an AuditError."""
        try:
            with self._mutex, self._lock:
                self._refuse_lost()
                yield
        except filelock.Timeout:
            raise AuditError(
                f"{self.folder}: another process has kept the audit log locked for {LOCK_S:g} s",
                "find the process that holds the file 'lock' there",
            ) from None
        except OSError as error:
            raise _fault(storage_error(self.folder, error)) from error

    def _catch_up(self) -> None:
        """Brings `_last` to the end of the log, whoever wrote it; sets a torn line aside; begins an empty log."""
        present = files.log_files(self.folder)
        newest = present[-1] if present else None
        if newest is None or newest != self._path or newest.stat().st_size != self._size or not self._is_open(newest):
            self._read_end(present)
        for torn in files.pending(self.folder):
            content = torn.read_bytes()
            kept = torn.with_name(torn.name.removesuffix(files.PENDING))
            told = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "kept_as": kept.name}
            self._write([("audit.recovered", told)])
            self._flush(self._opened())
            os.replace(torn, kept)

    def _is_open(self, newest: Path) -> bool:
        """False when the open file is no longer the one that has this name."""
        if self._handle is None:
            return False
        ours, named = os.fstat(self._handle), newest.stat()
        return (ours.st_ino, ours.st_dev) == (named.st_ino, named.st_dev)

    def _read_end(self, present: list[Path]) -> None:
        before = self._last
        self._close_file()
        self._last, self._path = None, None
        for path in reversed(present):  # the newest file may hold no whole line yet
            last, whole = files.last_entry(path)
            if path.stat().st_size > whole:
                files.set_aside(path, whole)
            if self._path is None:
                self._path, self._size = path, whole
            if last is not None:
                self._last = last
                break
        if before is not None and (self._last is None or self._last.seq < before.seq):
            raise AuditError(
                f"{self.folder}: the log ends before entry {before.seq}, which was there: it was cut or replaced",
                "keep the folder and begin a new log in another one",
            )
        if self._last is None:
            self._write([("audit.begun", {"format": 1, "chain": secrets.token_hex(16)})])
            self._flush(self._opened())

    def _write(self, entries: Sequence[tuple[str, dict[str, Any]]]) -> Entry:
        """Appends a line each, without fsync; the last one. What could be written in part only is taken back."""
        last = added = self._last
        lines: list[bytes] = []
        for kind, fields in entries:
            seq, previous = (1, GENESIS) if added is None else (added.seq + 1, added.hash)
            added = entry(seq, kind, fields, previous)
            lines.append(added.line())
        assert added is not None, "there is something to write"
        if self._path is None or (self._size >= self._file_bytes and last is not None):
            self._close_file()
            self._path = self.folder / files.name(1 if self._path is None else files.number_of(self._path) + 1)
            self._size = 0
        handle, line = self._opened(), b"".join(lines)
        try:
            written = 0
            while written < len(line):
                written += os.write(handle, line[written:])
        except OSError:
            with suppress(OSError):  # else the next one who appends sets it aside
                os.ftruncate(handle, self._size)
            raise
        self._size += len(line)
        self._last = added
        return added

    def _opened(self) -> int:
        if self._handle is None:
            assert self._path is not None
            new = not self._path.exists()
            self._handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            if new:
                files.sync_folder(self.folder)
        return self._handle

    def _sync(self, wanted: Entry) -> None:
        """Returns when the entry is on the disk, and all before it. Raises: AuditError: it may not last."""
        with self._syncing:
            with self._mutex:
                self._refuse_lost()
                if self._synced >= wanted.seq:
                    return
                assert self._last is not None
                handle, reach = os.dup(self._opened()), self._last.seq
            try:
                self._flush(handle)
                self._synced = max(self._synced, reach)
            except OSError as error:
                raise _fault(storage_error(self.folder, error)) from error
            finally:
                os.close(handle)

    def _flush(self, handle: int) -> None:
        try:
            os.fsync(handle)
        except OSError:
            self._lost = True
            raise

    def _refuse_lost(self) -> None:
        if self._lost:
            raise AuditError(
                f"{self.folder}: the disk failed to keep an entry of the audit log",
                "see to the disk, then start again; `jangin audit verify` shows what is left",
            )

    def _close_file(self) -> None:
        """What a file holds is on the disk before the next one is begun."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            try:
                self._flush(handle)
                self._synced = self._synced if self._last is None else max(self._synced, self._last.seq)
            finally:
                os.close(handle)


def _fault(error: StorageError) -> AuditError:
    return AuditError(f"the audit log cannot be written: {error.message}", error.hint)
