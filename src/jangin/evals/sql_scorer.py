"""SQL scored by execution: an answer is right when its result equals that of any accepted query.

    with Databases(Path("databases")) as databases:
        databases.same_result("shop", "SELECT ...", ["SELECT ...", ...])     # SqlScore(right, reason)

Queries are executed by worker processes (`sql_worker.py`) that open the databases read-only, allow nothing but SELECT,
and are bounded in time, memory and rows; a worker that dies or hangs is replaced.
"""

from __future__ import annotations

import gzip
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from jangin.errors import DataError, InputError
from jangin.evals.sql_compare import same_rows
from jangin.evals.sql_text import freeze_time, has_outer_order

_WORKER = Path(__file__).with_name("sql_worker.py")
_SUFFIXES = (".sqlite", ".sqlite3", ".db")
_GRACE = 3.0  # seconds that a worker has to notice its own limit before it is killed


class SqlScore(NamedTuple):
    """reason: None when right; otherwise "another result", or why the answer could not be executed."""

    right: bool
    reason: str | None


class SqlCase(NamedTuple):
    """database: its file's name without suffix, or None when only one is held; golds: any of them will do."""

    database: str | None
    answer: str
    golds: Sequence[str]


class Databases:
    """One SQLite file, or a folder of them (also one folder down), gzipped or not.

    now: "YYYY-MM-DD HH:MM:SS", put in place of the clock in every query; None leaves the clock.
    seconds, rows, size_bytes: bounds of one query's time and result. parallel: worker processes, default one a core.
    Raises: InputError when there is no database; DataError for a file that is not one.
    """

    def __init__(
        self,
        path: Path,
        *,
        now: str | None = None,
        seconds: float = 5.0,
        rows: int = 100_000,
        size_bytes: int = 10_000_000,
        parallel: int | None = None,
    ):
        self._now = now
        self._bounds = {"seconds": seconds, "rows": rows, "size_bytes": size_bytes}
        self._private = tempfile.TemporaryDirectory(prefix="jangin-sql-")
        self._parallel = parallel or os.cpu_count() or 1
        self._workers: queue.Queue[_Worker] = queue.Queue()
        try:
            self._files = {stem: self._plain(file) for stem, file in _find(path).items()}
        except BaseException:
            self._private.cleanup()
            raise
        for _ in range(self._parallel):
            self._workers.put(_Worker())

    @property
    def names(self) -> list[str]:
        return sorted(self._files)

    def same_result(self, database: str | None, answer: str, golds: Sequence[str]) -> SqlScore:
        """Rows compare as a multiset; in order when the accepted query has an outer ORDER BY.

        Raises: DataError when no accepted query can be executed: the fault is not the answer's.
        """
        path = self._path(database)
        ours = self._execute(path, answer)
        if isinstance(ours, str):
            return SqlScore(False, ours)
        broken = "there is none"
        ran = False
        for gold in golds:
            theirs = self._execute(path, gold)
            if isinstance(theirs, str):
                broken = theirs
                continue
            ran = True
            if same_rows(ours, theirs, has_outer_order(gold)):
                return SqlScore(True, None)
        if not ran:
            name = database or self.names[0]
            raise DataError(f"no accepted query runs on database '{name}' ({broken})", "mend or drop this example")
        return SqlScore(False, "another result")

    def same_results(self, cases: Iterable[SqlCase]) -> Iterator[SqlScore]:
        """One score per case, in order, as they come; as many at a time as there are workers."""
        with ThreadPoolExecutor(self._parallel) as pool:
            yield from pool.map(lambda case: self.same_result(*case), cases)

    def close(self) -> None:
        """Ends the workers and removes what was unpacked."""
        for _ in range(self._parallel):
            self._workers.get().close()
        self._private.cleanup()

    def __enter__(self) -> Databases:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _path(self, database: str | None) -> Path:
        if database is None and len(self._files) == 1:
            return next(iter(self._files.values()))
        if database not in self._files:
            held = ", ".join(self.names[:5]) + (", ..." if len(self.names) > 5 else "")
            raise InputError(f"no database '{database}'; there is {held}", "give the file's name without suffix")
        return self._files[database]

    def _execute(self, path: Path, sql: str) -> list[Any] | str:
        """The rows, or why there are none."""
        request = {"path": str(path), "sql": sql if self._now is None else freeze_time(sql, self._now), **self._bounds}
        worker = self._workers.get()
        try:
            reply = worker.ask(request, self._bounds["seconds"] + _GRACE)
        finally:
            self._workers.put(worker)
        rows: list[Any] | str = reply["rows"] if "rows" in reply else reply["failed"]
        return rows

    def _plain(self, file: Path) -> Path:
        """The file itself, or its unpacked copy; both absolute."""
        plain = file
        if file.suffix == ".gz":
            plain = Path(self._private.name, f"{len(os.listdir(self._private.name))}.sqlite")
            try:
                with gzip.open(file, "rb") as packed, open(plain, "wb") as copy:
                    shutil.copyfileobj(packed, copy)
            except (OSError, EOFError, zlib.error) as error:
                raise DataError(f"{file}: cannot be unpacked ({error})", "check the file") from error
        with open(plain, "rb") as opened:
            if opened.read(16) != b"SQLite format 3\0":
                raise DataError(f"{file} is not an SQLite database", "give a .sqlite file, gzipped or not")
        return plain.absolute()


class _Worker:
    """One process, started when it is first needed and again after it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        process = self._process or self._start()
        assert process.stdin and process.stdout
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(timeout_s, expire)
        timer.start()
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            timer.cancel()
        if line.endswith(b"\n"):
            reply: dict[str, Any] = json.loads(line)
            return reply
        self.close()
        return {"failed": "timeout" if expired.is_set() else "the process that executed it died"}

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _start(self) -> subprocess.Popen[bytes]:
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept,
        )
        return self._process


def _find(path: Path) -> dict[str, Path]:
    if path.is_file():
        return {_stem(path): path}
    inside = sorted([*path.glob("*"), *path.glob("*/*")])
    files = [file for file in inside if file.is_file() and file.name.removesuffix(".gz").endswith(_SUFFIXES)]
    if not files:
        raise InputError(f"{path}: no database there", f"give a file or folder with {', '.join(_SUFFIXES)} (or .gz)")
    named = {_stem(file): file for file in files}
    for file in files:
        if (other := named[_stem(file)]) != file:
            raise InputError(f"{path}: {file.name} and {other.name} have the same name", "rename or remove one")
    return named


def _stem(file: Path) -> str:
    name = file.name.removesuffix(".gz")
    return name.removesuffix(Path(name).suffix)
