"""The ledger in an SQLite file: WAL, one writer a process, several processes on one machine.

`durability: process` (synchronous = NORMAL): what was committed survives the death of every process, kill -9 included,
because the system holds it; a power cut may lose the last commits, and never damages the file. `power` (synchronous =
FULL) waits for fsync at each commit, so that a power cut loses nothing that was acknowledged, on a disk that tells the
truth. A network file system is no place for it: WAL needs memory that its processes share.

The file is never opened by other means than SQLite while a connection lives: closing such a handle would drop the locks
that SQLite holds on it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jangin.errors import LedgerError, RowRefused, StorageError
from jangin.ledger import schema
from jangin.ledger.checkpoints import Checkpointer
from jangin.ledger.row import COLUMNS, now_us
from jangin.ledger.store import ADD_DAILY, INSERT_ROW, INSERT_TEXT, Durability, Group, Tuple, damaged, full

APPLICATION_ID = 0x4A4E474C  # "JNGL": which program's file this is, where SQLite keeps that
BUSY_S = 10.0
STRICT = " STRICT" if sqlite3.sqlite_version_info >= (3, 37) else ""
SPELLING = {
    "big": "INTEGER",
    "real": "REAL",
    "bytes": "BLOB",
    "row_number": "INTEGER PRIMARY KEY AUTOINCREMENT",  # a number is not used again when the newest row is pruned
    "strict": STRICT,
}
_BAD_VALUES = (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError, ValueError)


class SqliteStore:
    """One file. Raises: StorageError, LedgerError from every method."""

    part = 0

    def __init__(self, path: Path, durability: Durability):
        self.path, self.durability = path.absolute(), durability
        self.where = str(path)

    def prepare(self, *, create: bool, migrate: bool) -> None:
        try:
            if create:
                self._create()
            elif not self.path.exists():
                raise LedgerError(f"{self.where}: there is no ledger", "name the file that the server writes")
            mode = "rw" if migrate else "ro"
            with self.faults(), closing(self.connect(mode)) as connection:
                if migrate:
                    self._migrate(connection)
                else:
                    self._check(connection)
                for table in ("ledger_requests", "ledger_texts"):  # the newest pages: what a cut-off file lacks
                    connection.execute(f"SELECT * FROM {table} ORDER BY seq DESC LIMIT 1").fetchall()
                    connection.execute(f"SELECT id FROM {table} ORDER BY at DESC LIMIT 1").fetchall()
                connection.execute("SELECT max(day) FROM ledger_daily").fetchall()
        except OSError as error:
            raise StorageError(f"{self.where}: cannot be opened ({error.strerror})", "check the path") from error

    def _create(self) -> None:
        """An empty file that only its owner may read, before SQLite makes one that everybody may."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            if os.name == "posix":  # the name must survive a power cut too
                folder = os.open(self.path.parent, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

    def connect(self, mode: str) -> sqlite3.Connection:
        """A connection without autocheckpoint: see checkpoints.py. mode: "ro" or "rw"."""
        uri = f"file:{quote(str(self.path))}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self.durability == 'power' else 'NORMAL'}")
            connection.execute("PRAGMA fullfsync = ON")  # macOS: flush the disk's own cache as well
            connection.execute("PRAGMA secure_delete = ON")  # what was pruned is overwritten
            connection.execute("PRAGMA journal_size_limit = 67108864")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        if owner != APPLICATION_ID or "ledger_schema" not in tables:
            raise LedgerError(f"{self.where}: this SQLite file is not a ledger", "name the file that the server writes")
        done = {number for (number,) in connection.execute("SELECT number FROM ledger_schema")}
        schema.refuse_newer(done, self.where)
        if len(done) < len(schema.MIGRATIONS):
            raise LedgerError(
                f"{self.where}: the ledger has schema {max(done, default=0)}, an older one",
                "start the server once, which brings it up to date",
            )

    def _migrate(self, connection: sqlite3.Connection) -> None:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        if owner != APPLICATION_ID and tables:
            raise LedgerError(f"{self.where}: this SQLite file belongs to another program", "name a file of its own")
        _wal(connection, self.where)

        @contextmanager
        def transaction() -> Iterator[None]:
            with _transaction(connection):
                if owner != APPLICATION_ID:
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                yield

        def ask(sql: str, values: Sequence[Any] = ()) -> list[Tuple]:
            return connection.execute(sql, values).fetchall()

        schema.migrate(ask, transaction, SPELLING, self.where, now_us())

    @contextmanager
    def reader(self) -> Iterator[SqliteReader]:
        with self.faults(), closing(self.connect("ro")) as connection:
            connection.execute("BEGIN")
            yield SqliteReader(connection)

    def writer(self) -> SqliteWriter:
        with self.faults():
            return SqliteWriter(self)

    def examine(self) -> list[str]:
        with self.reader() as reader:
            return [found for (found,) in reader.ask("PRAGMA integrity_check(20)") if found != "ok"]

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turns SQLite's errors into ones that a user can act on."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def _fault(self, error: sqlite3.Error) -> StorageError:
        name = getattr(error, "sqlite_errorname", "") or type(error).__name__
        if name == "SQLITE_FULL":
            return full(self.where, name)
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return damaged(self.where, name)
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            why = f"another process has kept the ledger locked for {BUSY_S:g} s"
            fault = LedgerError(f"{self.where}: {why}", "find the process that writes to it; a fleet needs PostgreSQL")
            fault.retryable = True
            return fault
        hint = "check the path, its permissions, quotas and the disk"
        return StorageError(f"{self.where}: the ledger cannot be used ({name}: {error})", hint)


class SqliteReader:
    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[Tuple]:
        return self._connection.execute(sql, values).fetchall()

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Tuple]:
        yield from self._connection.execute(sql, values)


class SqliteWriter:
    """The connection that writes, one that never waits to write, and the thread that moves what they wrote from the WAL
    into the file."""

    def __init__(self, store: SqliteStore):
        self._store = store
        self._connection = store.connect("rw")
        self._most_rows = self._connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(COLUMNS)
        _wal(self._connection, store.where)
        self.prompt = store.durability == "process"
        self._hasty = store.connect("rw") if self.prompt else None  # patient until it is open: others may start too
        if self._hasty is not None:
            self._hasty.execute("PRAGMA busy_timeout = 0")
        self._file = os.stat(store.path)
        self._checkpointer = Checkpointer(store.path, lambda: store.connect("rw"))

    def commit(self, group: Group) -> None:
        self._same_file()
        try:
            self._write(self._connection, group)
        except _BAD_VALUES as error:
            raise RowRefused(_rule(error)) from None
        except sqlite3.Error as error:
            raise self._store._fault(error) from error
        self._checkpointer.committed()

    def commit_now(self, group: Group) -> bool:
        self._same_file()
        if self._hasty is None:
            return False
        try:
            self._write(self._hasty, group)
        except (*_BAD_VALUES, sqlite3.Error):
            return False
        self._checkpointer.committed()
        return True

    def _write(self, connection: sqlite3.Connection, group: Group) -> None:
        with _transaction(connection):
            for rows in _in_powers_of_two(group.rows, self._most_rows):
                connection.execute(_insert_rows(len(rows)), [value for row in rows for value in row])
            if group.texts:
                connection.executemany(INSERT_TEXT, group.texts)
            connection.executemany(ADD_DAILY, group.daily)

    def work(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[int]:
        self._same_file()
        with self._store.faults(), _transaction(self._connection):
            changed = [self._connection.execute(sql, values).rowcount for sql, values in statements]
        self._checkpointer.committed()
        return changed

    def _same_file(self) -> None:
        """Rows that go into a file without a name would be lost at the end of the process."""
        try:
            now = os.stat(self._store.path)
        except OSError:
            now = None
        if now is None or (now.st_ino, now.st_dev) != (self._file.st_ino, self._file.st_dev):
            raise LedgerError(
                f"{self._store.where}: the ledger's file was moved, removed or replaced while it was open",
                "put it back, or start the server again",
            )

    def close(self) -> None:
        self._checkpointer.close()
        if self._hasty is not None:
            self._hasty.close()
        self._connection.close()


@cache
def _insert_rows(count: int) -> str:
    """One statement for all: at the end of each the thread waits for the interpreter's lock, while others answer."""
    return INSERT_ROW + f", ({', '.join('?' * len(COLUMNS))})" * (count - 1)


def _in_powers_of_two(rows: list[Tuple], most: int) -> Iterator[list[Tuple]]:
    """So that a handful of prepared statements serves groups of every size."""
    at = 0
    while at < len(rows):
        size = 1 << (min(len(rows) - at, most).bit_length() - 1)
        yield rows[at : at + size]
        at += size


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """IMMEDIATE: the lock is taken at once, so that nothing read inside can have changed when it is written."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back when the disk is full
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def _wal(connection: sqlite3.Connection, where: str) -> None:
    """Switches the file to WAL. SQLite answers at once, without its usual patience, when two processes do so."""
    end = time.monotonic() + BUSY_S
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorname", "") != "SQLITE_BUSY" or time.monotonic() > end:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise LedgerError(
            f"{where}: SQLite cannot keep a write-ahead log there (journal mode '{mode}')",
            "put the ledger on a local disk",
        )


def _rule(error: Exception) -> str:
    """The rule that was broken, without the value. SQLite's own texts name the rule or the column."""
    if isinstance(error, sqlite3.IntegrityError):
        return str(error)
    return f"a value cannot be stored ({type(error).__name__})"
