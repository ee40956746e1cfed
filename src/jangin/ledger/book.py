"""The ledger: append and wait for the commit, ask, export, forget. SQLite by default, PostgreSQL for a fleet."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from jangin.errors import InputError, LedgerError
from jangin.ledger import asking, export, retention
from jangin.ledger.groups import GroupCommit
from jangin.ledger.retention import Pruned
from jangin.ledger.row import Filter, Page, Row, Texts, Totals
from jangin.ledger.store import Durability, Store


class Ledger:
    """Open with `Ledger.open`, or as a context; `close` commits what waits. Reading may be done from any thread."""

    def __init__(self, store: Store, *, writing: bool):
        self._store = store
        self.where = store.where
        self._groups = GroupCommit(store.writer(), store.part, store.where) if writing else None

    @classmethod
    def open(
        cls, url: str | Path, durability: Durability = "process", *, create: bool = True, read_only: bool = False
    ) -> Ledger:
        """Opens, creating or migrating what is needed.

        url: a file's path, `sqlite:///PATH`, or `postgresql://...`. durability: "process", an acknowledged row survives
        the death of every process; "power", also a power cut. read_only: nothing is created, migrated or appended.
        Raises: StorageError (disk full, not permitted); LedgerError (damaged, of a newer schema, not there, not
            reachable); InputError; MissingExtraError.
        """
        if durability not in ("process", "power"):
            raise InputError(f"durability '{durability}' is not known; expected process or power")
        store = _store(url, durability)
        store.prepare(create=create and not read_only, migrate=not read_only)
        return cls(store, writing=not read_only)

    def append(self, row: Row, texts: Texts | None = None) -> Future[None]:
        """`await` it in the event loop: it ends when the row's group is committed.

        texts: only where the task asks for it. An await that is cancelled does not take the row back.
        Raises, when awaited: StorageError: the row is not recorded. LedgerError at once when the ledger is closed.
        """
        return self._writing().append(row, texts)

    def append_and_wait(self, row: Row, texts: Texts | None = None) -> None:
        """The same from a thread without an event loop. Raises: StorageError."""
        self._writing().append_and_wait(row, texts)

    def query(
        self, wanted: Filter | None = None, *, limit: int = 100, after: str | None = None, texts: bool = False
    ) -> Page:
        """Rows, newest first; `after`: the last page's `next`. Blocks. Raises: InputError, StorageError."""
        with self._store.reader() as reader:
            return asking.page(reader, wanted or Filter(), limit, after, texts)

    def totals(self, key_id: str | None = None, since: int | None = None, until: int | None = None) -> Totals:
        """The sums of one key or of all, since <= at < until; quick when both are midnights (UTC). Blocks."""
        return self.totals_by((), Filter(key_id=key_id, since=since, until=until))[0]

    def totals_by(self, by: Sequence[str], wanted: Filter | None = None) -> list[Totals]:
        """Sums by some of day, task, key_id, specialist, route. Blocks. Raises: InputError, StorageError."""
        with self._store.reader() as reader:
            return asking.totals(reader, by, wanted or Filter())

    def export(self, path: str | Path, wanted: Filter | None = None, *, texts: bool = False) -> int:
        """Writes rows to a .csv or .parquet file, oldest first; returns how many. Blocks.

        Raises: InputError, MissingExtraError, StorageError.
        """
        with self._store.reader() as reader:
            return export.write(Path(path), asking.rows_in_order(reader, wanted or Filter(), texts), texts)

    def prune(self, before: int) -> Pruned:
        """Removes rows that arrived before (UTC, microseconds), and their texts; the days' totals stay. Blocks."""
        return self._work(lambda writer: retention.prune(writer, before))

    def prune_texts(self, before: int, task: str | None = None) -> Pruned:
        """Removes stored texts only, of one task or of all. Blocks."""
        return self._work(lambda writer: retention.prune_texts(writer, before, task))

    def prune_totals(self, before: int) -> Pruned:
        """Removes rows, texts, and the totals of the days before. Blocks."""
        return self._work(lambda writer: retention.prune_totals(writer, before))

    def check(self) -> list[str]:
        """Reads the whole database: what is damaged, and days whose totals are not the sums of their rows. Blocks."""
        found = self._store.examine()
        if not found:
            with self._store.reader() as reader:
                found = asking.differences(reader)
        return found

    def close(self) -> None:
        """Commits what waits. Afterwards `append` raises."""
        if self._groups is not None:
            self._groups.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _writing(self) -> GroupCommit:
        if self._groups is None:
            raise LedgerError(f"{self.where}: the ledger was opened to read only", "open it without read_only")
        return self._groups

    def _work(self, job: retention.Job) -> Pruned:
        self._writing()
        writer = self._store.writer()
        try:
            return job(writer)
        finally:
            writer.close()


def _store(url: str | Path, durability: Durability) -> Store:
    name = str(url)
    if name.startswith(("postgresql://", "postgres://")):
        from jangin.ledger.postgres import PostgresStore

        return PostgresStore(name, durability)
    from jangin.ledger.sqlite import SqliteStore

    if name.startswith("sqlite:///"):
        name = name.removeprefix("sqlite:///")
    elif "://" in name:
        raise InputError(
            f"a ledger cannot be kept in '{name.partition('://')[0]}://'; expected a path or postgresql://",
            "write ledger.sqlite, say",
        )
    return SqliteStore(Path(name), durability)
