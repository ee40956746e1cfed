"""Executes queries, read-only and bounded; run as a script in a process of its own by `sql_scorer.py`.

One JSON object a line on standard input: {path, sql, seconds, rows, size_bytes}; one a line on standard output: {rows},
or {failed: why}, with nothing of the query's text in it. It opens what it is told and needs nothing but Python.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sqlite3
import sys
import time
from typing import Any
from urllib.parse import quote

_HEAP = 256 << 20  # bytes that SQLite may hold
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_REASONS = (
    "no such column",
    "no such table",
    "no such function",
    "ambiguous column name",
    "syntax error",
    "misuse of aggregate",
    "wrong number of arguments",
    "incomplete input",
    "unrecognized token",
)


class TooMuch(Exception):
    pass


def main() -> None:
    _bound()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply: dict[str, Any] = {"rows": execute(**request)}
        except (sqlite3.Error, sqlite3.Warning, MemoryError, TooMuch, ValueError) as error:
            reply = {"failed": _reason(error)}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


def execute(path: str, sql: str, seconds: float, rows: int, size_bytes: int) -> list[list[Any]]:
    """All rows of one query; a blob comes as {"blob": hexadecimal}."""
    connection = _connect(path)
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 1000)
    cursor = connection.cursor()
    try:
        cursor.execute(sql)
        if cursor.description is None:
            raise ValueError("not a query")
        found: list[list[Any]] = []
        size = 0
        for row in cursor:
            found.append([{"blob": cell.hex()} if isinstance(cell, bytes) else cell for cell in row])
            size += sum(len(cell) if hasattr(cell, "__len__") else 8 for cell in row)
            if len(found) > rows or size > size_bytes:
                raise TooMuch
        return found
    finally:
        cursor.close()


@functools.lru_cache(maxsize=16)
def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True, isolation_level=None)
    connection.text_factory = lambda text: text.decode(errors="surrogateescape")
    for pragma in ("query_only=1", "temp_store=memory", f"hard_heap_limit={_HEAP}", "trusted_schema=0"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_authorizer(_authorise)
    return connection


def _authorise(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """A function is named by `second`. Its names are compared as SQLite does, without regard to case."""
    forbidden = action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in ("load_extension", "fts3_tokenizer")
    return sqlite3.SQLITE_OK if action in _ALLOWED and not forbidden else sqlite3.SQLITE_DENY


def _reason(error: BaseException) -> str:
    said = str(error)
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, TooMuch):
        return "too many rows"
    if any(word in said for word in ("authoriz", "prohibited", "readonly", "attached databases")):
        return "forbidden"
    if said == "interrupted":
        return "timeout"
    if "one statement" in said:
        return "more than one statement"
    return next(
        (reason for reason in _REASONS if reason in said), "not a query" if said == "not a query" else "invalid"
    )


def _bound() -> None:
    """The process as a whole, for what SQLite does not count. Not every system knows or takes each of these limits."""
    if os.name == "posix":
        import resource

        for limit, value in ((resource.RLIMIT_AS, 2 << 30), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    main()
