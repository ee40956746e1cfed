"""The seam between the ledger and a database: what a group writes, and what SQLite and PostgreSQL each must offer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from jangin.errors import LedgerError, StorageError
from jangin.ledger.row import COLUMNS, DAY_US, SUMS, Row, Texts

Durability = Literal["process", "power"]
Tuple = tuple[Any, ...]
Entry = tuple[Row, Texts | None]

KEYS = ("day", "task", "key_id", "specialist", "route", "part")
INSERT_ROW = f"INSERT INTO ledger_requests ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
INSERT_TEXT = "INSERT INTO ledger_texts (id, at, task, input, output) VALUES (?, ?, ?, ?, ?)"
ADD_DAILY = (
    f"INSERT INTO ledger_daily ({', '.join(KEYS + SUMS)}) VALUES ({', '.join('?' * (len(KEYS) + len(SUMS)))}) "
    f"ON CONFLICT ({', '.join(KEYS)}) DO UPDATE SET "
    + ", ".join(f"{name} = ledger_daily.{name} + excluded.{name}" for name in SUMS)
)


class Group(NamedTuple):
    """What one commit writes: rows, stored texts, and what they add to the totals of their days."""

    rows: list[Tuple]
    texts: list[Tuple]
    daily: list[Tuple]


class Reader(Protocol):
    """One snapshot: all that is read through it belongs to the same moment."""

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[Tuple]: ...

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Tuple]: ...


class Writer(Protocol):
    """Used by one thread at a time. prompt: its commits wait for no disk and no network, so that `commit_now` may."""

    prompt: bool

    def commit(self, group: Group) -> None:
        """All of the group or nothing. Raises: RowRefused for a row that breaks a rule; StorageError."""

    def commit_now(self, group: Group) -> bool:
        """As `commit`, but waits for nobody: False, nothing is written, where it would have to."""

    def work(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[int]:
        """Runs statements in one transaction and returns how many rows each changed. Raises: StorageError."""

    def close(self) -> None: ...


class Store(Protocol):
    """A database. `where` names it in messages, without a password. `part` tells this writer's totals from others'."""

    where: str
    part: int

    def prepare(self, *, create: bool, migrate: bool) -> None:
        """Creates or migrates the tables, or only checks them. Raises: StorageError, LedgerError."""

    def reader(self) -> AbstractContextManager[Reader]: ...

    def writer(self) -> Writer: ...

    def examine(self) -> list[str]:
        """Reads the whole database and says what is damaged; empty: nothing."""


def full(where: str, why: str) -> StorageError:
    return StorageError(f"{where}: the disk is full ({why}); the request was not recorded", "free some space")


def damaged(where: str, why: str) -> LedgerError:
    return LedgerError(
        f"{where}: the ledger is damaged ({why})",
        "keep a copy, restore a backup or move the file aside; `sqlite3 FILE .recover` saves the rows that can be read",
    )


def group_of(entries: Sequence[Entry], part: int) -> Group:
    """The entries as the three tables want them."""
    rows, texts = [], []
    daily: dict[Tuple, list[float]] = {}
    for row, text in entries:
        rows.append(msgspec.structs.astuple(row))
        if text is not None:
            stored = [each.encode("utf-8", "surrogatepass") for each in (text.input, text.output)]
            texts.append((row.id, row.at, row.task, *stored))
        key = (row.at // DAY_US, row.task, row.key_id, row.specialist, row.route, part)
        energy, reference = row.energy_wh, row.reference_cost_usd
        added = (
            1,
            row.status >= 400,
            row.prompt_tokens,
            row.completion_tokens,
            row.duration_us,
            row.cost_usd,
            energy or 0.0,
            energy is not None,
            row.egress_bytes,
            reference is not None,
            reference or 0.0,
            row.cost_usd if reference is not None else 0.0,
        )
        sums = daily.get(key)
        daily[key] = list(added) if sums is None else [a + b for a, b in zip(sums, added)]
    # Sorted: writers that add to the same rows take them in the same order, so they cannot block each other for ever.
    return Group(rows, texts, [(*key, *map(_plain, daily[key])) for key in sorted(daily)])


def _plain(value: float) -> float:
    return int(value) if isinstance(value, bool) else value
