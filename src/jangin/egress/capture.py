"""Exchanges kept as they pass, redacted, for as long as the task says: FOLDER/TASK/DAY.N.jsonl.gz.

Each record is a gzip member of its own, appended with one write: a kill -9 can tear only the last, and every process
begins files of its own, so that nothing is written behind a torn one. A file holds one UTC day; it is removed whole.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from jangin.egress.captured import FORMAT, HEAD, Exchange, head_of
from jangin.egress.seams import Redaction, Vault
from jangin.errors import InputError, JanginError, StorageError
from jangin.files import storage_error

MAX_FILE_BYTES = 64 << 20
_TASK = re.compile(r"\w[\w.\-]{0,63}")
_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.\d{4,}\.jsonl\.gz")


class _File:
    """The file that one task's records go to. It is known how long it is, so that half a record can be cut off."""

    def __init__(self, path: Path, day: date, keep_days: int, descriptor: int):
        self.path, self.day, self.keep_days = path, day, keep_days
        self.size, self._descriptor = 0, descriptor

    def append(self, value: Any) -> None:
        """Whole, or not at all, and in the system's hands when this returns. Raises: StorageError."""
        member = gzip.compress(msgspec.json.encode(value) + b"\n", 6, mtime=0)
        try:
            written = os.write(self._descriptor, member)
            if written < len(member):
                os.ftruncate(self._descriptor, self.size)
                raise StorageError(f"{self.path}: the disk is full", "free some space; capture goes on by itself")
        except OSError as error:
            raise storage_error(self.path, error) from error
        self.size += written

    def close(self) -> None:
        os.close(self._descriptor)


class Capture:
    """One for a process. `recorded` and `failed` count; `last_error` says why the last failed.

    redaction: what is kept is redacted, also where a task sends its texts as they are.
    """

    def __init__(self, folder: Path, redaction: Redaction, now: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self.folder, self.redaction, self._now = folder, redaction, now
        self.recorded = self.failed = 0
        self.last_error: str | None = None
        self._files: dict[str, _File] = {}
        self._pruned: date | None = None
        self._writer = ThreadPoolExecutor(1, "egress-capture")

    async def record(self, keep_days: int, exchange: Exchange, vault: Vault | None) -> bool:
        """Whether it was kept. It never raises: a client's answer does not depend on it.

        exchange: messages as they were sent, the answer, or the refusal, with its originals put back. vault: that of
        the messages; None: they were not redacted, and are now.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writer, self._record, keep_days, exchange, vault)
        except Exception as error:  # noqa: BLE001  # the redactor may raise anything; then nothing is kept
            self.failed += 1
            self.last_error = error.message if isinstance(error, JanginError) else type(error).__name__
            return False
        self.recorded += 1
        return True

    def _record(self, keep_days: int, exchange: Exchange, vault: Vault | None) -> None:
        kept = _redacted(exchange, self.redaction, vault)
        today = self._now().astimezone(UTC).date()
        if self._pruned != today:
            self.prune()
            self._pruned = today
        self._file(exchange.task, today, keep_days).append(kept)

    def _file(self, task: str, today: date, keep_days: int) -> _File:
        file = self._files.get(task)
        if file is not None:
            if (file.day, file.keep_days) == (today, keep_days) and file.size < MAX_FILE_BYTES:
                return file
            del self._files[task]
            file.close()
        if not _TASK.fullmatch(task):
            raise InputError("the task's name is no name of a folder")
        folder = self.folder / task
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path, descriptor = _created(folder, today)
        except OSError as error:
            raise storage_error(folder, error) from error
        file = _File(path, today, keep_days, descriptor)
        try:
            file.append({HEAD: FORMAT, "task": task, "day": str(today), "keep_days": keep_days})
        except BaseException:
            file.close()
            path.unlink(missing_ok=True)
            raise
        self._files[task] = file
        return file

    def prune(self) -> int:
        """Removes the files of all tasks whose time is over; how many. To be called at least once a day.

        A task's new, shorter time holds for what was captured before, too, once this process captures for it.
        Raises: StorageError for what cannot be removed, when all the rest has been.
        """
        today = self._now().astimezone(UTC).date()
        removed, stays = 0, None
        for path in self.folder.glob("*/*.jsonl.gz"):
            day = _day_of(path.name)
            head = head_of(path) if day else None
            if day is None or head is None:
                continue
            current = self._files.get(path.parent.name)
            days = min(head["keep_days"], current.keep_days) if current else head["keep_days"]
            if day + timedelta(days=days) <= today:
                try:
                    path.unlink(missing_ok=True)
                    removed += 1
                except OSError as error:
                    stays = storage_error(path, error)
        if stays is not None:
            raise stays
        return removed

    def close(self) -> None:
        self._writer.shutdown()
        for file in self._files.values():
            file.close()
        self._files.clear()


def _day_of(name: str) -> date | None:
    named = _NAME.fullmatch(name)
    try:
        return None if named is None else date.fromisoformat(named[1])
    except ValueError:
        return None


def _created(folder: Path, today: date) -> tuple[Path, int]:
    number = 0
    while True:
        path = folder / f"{today}.{number:04d}.jsonl.gz"
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except FileExistsError:
            number += 1


def _redacted(exchange: Exchange, redaction: Redaction, vault: Vault | None) -> Exchange:
    """The same originals have the same placeholders in the answer as in the messages. All that the API said is
    redacted, names too: it may have put the question there."""
    redactor = redaction(vault)
    messages = exchange.messages
    if vault is None:
        messages = [{**message, "content": redactor.redact(message["content"]).text} for message in messages]
    said = {name: getattr(exchange, name) for name in ("answer", "refusal", "finish_reason", "answered_by")}
    kept = {name: None if text is None else redactor.redact(text).text for name, text in said.items()}
    return msgspec.structs.replace(exchange, messages=messages, **kept)
