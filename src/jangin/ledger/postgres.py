"""The ledger in PostgreSQL, for several servers: the same tables, through psycopg 3.

`durability: process` leaves the server's own settings alone; its default waits for fsync at each commit. `power`
demands it: synchronous_commit = on for this connection, and a server that runs with fsync = off is refused. A password
belongs into ~/.pgpass or PGPASSWORD; it is never shown, also where it stands in the URL.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from jangin.errors import LedgerError, MissingExtraError, RowRefused, StorageError
from jangin.ledger import schema
from jangin.ledger.row import now_us
from jangin.ledger.store import ADD_DAILY, INSERT_ROW, INSERT_TEXT, Durability, Group, Tuple, damaged, full

LOCK = 0x4A4E474C  # the advisory lock of the migrations
PARTS = 64
SETTINGS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
STATEMENT_MS, LOCK_MS = 30_000, 10_000
SPELLING = {
    "big": "BIGINT",
    "real": "DOUBLE PRECISION",
    "bytes": "BYTEA",
    "row_number": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "strict": "",
}


def _marked(sql: str) -> str:
    """psycopg's spelling of a statement with values."""
    return sql.replace("%", "%%").replace("?", "%s")


class PostgresStore:
    """One database. Raises: StorageError, LedgerError; MissingExtraError without psycopg."""

    def __init__(self, url: str, durability: Durability):
        try:
            import psycopg
        except ImportError:
            raise MissingExtraError("a ledger in PostgreSQL", "postgres") from None
        self._psycopg, self._url, self.durability = psycopg, url, durability
        self.where = shown(url)
        self.part = int.from_bytes(os.urandom(1)) % PARTS

    def connect(self) -> Any:
        with self.faults():
            connection = self._psycopg.connect(self._url, autocommit=True, application_name="jangin", **SETTINGS)
            try:
                connection.execute(f"SET statement_timeout = {STATEMENT_MS}")
                connection.execute(f"SET lock_timeout = {LOCK_MS}")
                if self.durability == "power":
                    if connection.execute("SHOW fsync").fetchone() != ("on",):
                        raise LedgerError(
                            f"{self.where}: the server runs with fsync = off, where a power cut loses committed rows",
                            "set fsync = on in postgresql.conf, or ask for durability: process",
                        )
                    connection.execute("SET synchronous_commit = on")
            except BaseException:
                connection.close()
                raise
            return connection

    def prepare(self, *, create: bool, migrate: bool) -> None:
        with self.connect() as connection, self.faults():
            (present,) = connection.execute("SELECT to_regclass('ledger_schema') IS NOT NULL").fetchone()
            if not present and not create:
                raise LedgerError(f"{self.where}: there is no ledger", "name the database that the server writes")
            done = {number for (number,) in _ask(connection, "SELECT number FROM ledger_schema")} if present else set()
            schema.refuse_newer(done, self.where)
            if len(done) == len(schema.MIGRATIONS):
                return
            if not migrate:
                raise LedgerError(
                    f"{self.where}: the ledger has schema {max(done, default=0)}, an older one",
                    "start the server once, which brings it up to date",
                )
            connection.execute("SET statement_timeout = 0")  # an index on many rows takes its time

            @contextmanager
            def transaction() -> Iterator[None]:
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
                    yield

            def ask(sql: str, values: Sequence[Any] = ()) -> list[Tuple]:
                return _ask(connection, sql, values)

            connection.execute("SET lock_timeout = 0")  # another server may be at it
            schema.migrate(ask, transaction, SPELLING, self.where, now_us())

    @contextmanager
    def reader(self) -> Iterator[PostgresReader]:
        with self.connect() as connection, self.faults(), connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield PostgresReader(connection)

    def writer(self) -> PostgresWriter:
        return PostgresWriter(self)

    def examine(self) -> list[str]:
        """PostgreSQL looks after its own files (pg_amcheck, data checksums); the tables are read once, no more."""
        with self.reader() as reader:
            reader.ask("SELECT count(*) FROM ledger_requests")
        return []

    @contextmanager
    def faults(self) -> Iterator[None]:
        try:
            yield
        except self._psycopg.Error as error:
            raise self.fault(error) from error

    def fault(self, error: Any) -> StorageError:
        """An error of the server for the user. Neither its detail nor its statement is shown: they hold values."""
        state, primary = error.sqlstate or "", error.diag.message_primary
        if state in ("53100", "53200"):
            return full(self.where, primary)
        if state.startswith("XX"):
            return damaged(self.where, primary)
        kind = primary or type(error).__name__
        fault = LedgerError(f"{self.where}: the database refused or was lost ({kind})", "see whether the server runs")
        fault.retryable = not state or state[:2] in ("08", "40", "53", "55", "57")
        return fault


class PostgresReader:
    def __init__(self, connection: Any):
        self._connection = connection

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[Tuple]:
        return _ask(self._connection, sql, values)

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Tuple]:
        self._connection.execute("SET LOCAL statement_timeout = 0")  # an export goes at its reader's pace
        with self._connection.cursor(name="ledger") as cursor:  # a cursor of the server: rows come in batches
            cursor.itersize = 5000
            yield from cursor.execute(_marked(sql), values)


class PostgresWriter:
    prompt = False

    def __init__(self, store: PostgresStore):
        self._store, self._connection = store, store.connect()

    def commit(self, group: Group) -> None:
        try:
            self._write(group)
        except _LostBefore:  # the server was restarted in between; nothing of this group was written
            self._connect()
            try:
                self._write(group)
            except _LostBefore as again:
                raise self._store.fault(again.error) from again.error

    def commit_now(self, group: Group) -> bool:
        return False

    def _write(self, group: Group) -> None:
        """Raises: _LostBefore when the connection broke before the commit was sent."""
        errors, connection = self._store._psycopg, self._connection
        sent = False
        try:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.executemany(_marked(INSERT_ROW), group.rows)
                if group.texts:
                    cursor.executemany(_marked(INSERT_TEXT), group.texts)
                cursor.executemany(_marked(ADD_DAILY), group.daily)
                sent = True
                cursor.execute("COMMIT")
        except (errors.IntegrityError, errors.DataError, errors.ProgrammingError, ValueError, OverflowError) as error:
            self._roll_back()
            raise RowRefused(_rule(error)) from None
        except errors.Error as error:
            lost = connection.broken or connection.closed
            self._roll_back()
            if lost and not sent:
                raise _LostBefore(error) from error
            fault = self._store.fault(error)
            if lost:
                fault.message += "; whether the last rows were committed is not known"
            raise fault from error

    def _roll_back(self) -> None:
        with suppress(self._store._psycopg.Error):
            self._connection.execute("ROLLBACK")

    def work(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[int]:
        if self._connection.broken or self._connection.closed:
            self._connect()
        with self._store.faults(), self._connection.transaction():
            return [self._connection.execute(_marked(sql), values).rowcount for sql, values in statements]

    def _connect(self) -> None:
        self._connection.close()
        self._connection = self._store.connect()

    def close(self) -> None:
        self._connection.close()


class _LostBefore(Exception):
    def __init__(self, error: Any):
        super().__init__(str(error))
        self.error = error


def _ask(connection: Any, sql: str, values: Sequence[Any] = ()) -> list[Tuple]:
    cursor = connection.execute(_marked(sql) if values else sql, values or None)
    return cursor.fetchall() if cursor.description else []


def _rule(error: Exception) -> str:
    """The rule or the kind of fault, never the value."""
    diag = getattr(error, "diag", None)
    if diag is None or diag.constraint_name is None:
        return f"a value cannot be stored ({type(error).__name__})"
    return f"CHECK constraint failed: {diag.constraint_name}"


def shown(url: str) -> str:
    """A database's URL without user, password and options."""
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"postgresql://{parts.hostname or ''}{port}{parts.path}"


def has_password(url: str) -> bool:
    parts = urlsplit(url)
    return parts.password is not None or "password=" in parts.query
