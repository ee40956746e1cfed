"""The log's folder: audit-000001.jsonl, audit-000002.jsonl, ... A new file goes on with the chain of the one before.

A line that a crash cut off is never acknowledged and never dropped: its bytes move into a file torn-....bin beside the
log, and an entry of kind audit.recovered says so.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from jangin.audit.chain import MOST_BYTES, Entry, read_line
from jangin.errors import AuditError

_NAME = re.compile(r"audit-(\d{6,})\.jsonl")
PENDING = ".pending"  # a torn line that no entry tells of yet


def name(number: int) -> str:
    return f"audit-{number:06d}.jsonl"


def number_in(name: str) -> int | None:
    """The number in a file's name; None: it is not named as a log's file."""
    found = _NAME.fullmatch(name)
    return None if found is None else int(found[1])


def number_of(path: Path) -> int:
    number = number_in(path.name)
    assert number is not None
    return number


def log_files(folder: Path) -> list[Path]:
    """The log's files, first to last."""
    return sorted((path for path in folder.iterdir() if number_in(path.name) is not None), key=number_of)


def last_entry(path: Path) -> tuple[Entry | None, int]:
    """The last whole line of a file (None: there is none), and where the bytes after it begin.

    Raises: AuditError when that line is not one of an audit log, or was changed.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = max(0, size - 2 * MOST_BYTES)
        file.seek(start)
        tail = file.read()
    end = tail.rfind(b"\n") + 1
    if end == 0:
        if start:
            raise AuditError(f"{path}: its last {len(tail):,} bytes hold no line", "see `jangin audit verify`")
        return None, 0
    begin = tail.rfind(b"\n", 0, end - 1) + 1
    found = read_line(tail[begin : end - 1])
    if isinstance(found, str):
        raise AuditError(
            f"{path}: the log cannot be continued after its last line: {found}",
            "find the first bad line with `jangin audit verify`, keep the folder, and begin a new log in another one",
        )
    return found, start + end


def set_aside(path: Path, whole: int) -> None:
    """Moves the bytes after the last whole line into a file of their own; crash-safe: they are never in neither."""
    with open(path, "rb") as file:
        file.seek(whole)
        torn = file.read()
    kept = path.with_name(f"torn-{path.stem}-{whole}-{hashlib.sha256(torn).hexdigest()[:8]}.bin{PENDING}")
    with open(kept, "wb") as file:
        file.write(torn)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)
    with open(path, "r+b") as file:
        file.truncate(whole)
        os.fsync(file.fileno())


def pending(folder: Path) -> list[Path]:
    """Torn lines that no entry tells of yet."""
    return sorted(folder.glob(f"torn-*{PENDING}"))


def sync_folder(folder: Path) -> None:
    """Makes new names in a folder survive a power cut, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
