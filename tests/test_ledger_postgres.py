"""What only PostgreSQL has: a server that goes away and comes back, several writers, its own settings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from jangin.errors import LedgerError
from jangin.ledger import Ledger, schema
from jangin.ledger.postgres import PostgresStore, has_password, shown
from jangin.ledger.schema import Migration
from ledger_rows import DAY, fill, row
from postgres_server import PostgresServer


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.fresh()


@pytest.fixture
def restarted(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The server, whatever a test does to it."""
    yield postgres
    postgres.stop()
    postgres.start()


def test_several_writers_add_to_the_same_day(url: str) -> None:
    ledgers = [Ledger.open(url) for _ in range(4)]

    def write(ledger: Ledger, writer: int) -> None:
        fill(ledger, [row(f"{writer}-{number}", task=f"task-{number % 7}") for number in range(100)])

    threads = [threading.Thread(target=write, args=(ledger, number)) for number, ledger in enumerate(ledgers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledgers[0].totals().requests == 400 and ledgers[0].check() == []
    for ledger in ledgers:
        ledger.close()


def test_servers_that_start_together_make_the_tables_once(url: str) -> None:
    problems: list[Exception] = []

    def start() -> None:
        try:
            Ledger.open(url).close()
        except Exception as error:  # noqa: BLE001 - told below
            problems.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with Ledger.open(url, read_only=True) as ledger, ledger._store.reader() as reader:
        found = reader.ask("SELECT number FROM ledger_schema ORDER BY number")
        assert found == [(each.number,) for each in schema.MIGRATIONS]


def test_a_ledger_of_a_newer_schema_is_refused_and_an_older_one_only_read_is_too(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger.open(url).close()
    with monkeypatch.context() as later:
        now = len(schema.MIGRATIONS)
        more = (*schema.MIGRATIONS, Migration(now + 1, "more", ("ALTER TABLE ledger_requests ADD COLUMN more TEXT",)))
        later.setattr(schema, "MIGRATIONS", more)
        later.setattr(schema.refuse_newer, "__defaults__", (more,))
        later.setattr(schema.migrate, "__defaults__", (more,))
        with pytest.raises(LedgerError, match=f"the ledger has schema {now}, an older one"):
            Ledger.open(url, read_only=True)
        Ledger.open(url).close()
        with Ledger.open(url) as ledger:
            ledger.append_and_wait(row())
    refusal = f"the ledger has schema {now + 1}; this version of jangin knows schemas up to {now}"
    with pytest.raises(LedgerError, match=refusal):
        Ledger.open(url)


def test_a_migration_that_fails_leaves_nothing_behind(url: str) -> None:
    store = PostgresStore(url, "process")
    broken = Migration(1, "broken", ("CREATE TABLE ledger_half (a {big})", "SELECT no_such_column"))
    with pytest.raises(LedgerError, match='column "no_such_column" does not exist'):
        _migrate(store, (broken,))
    with store.connect() as connection:
        assert connection.execute("SELECT to_regclass('ledger_half'), to_regclass('ledger_schema')").fetchone() == (
            None,
            None,
        )


def _migrate(store: PostgresStore, migrations: tuple[Migration, ...]) -> None:
    from jangin.ledger.postgres import SPELLING, _ask

    with store.connect() as connection, store.faults():
        schema.migrate(
            lambda sql, values=(): _ask(connection, sql, values), connection.transaction, SPELLING, "x", 0, migrations
        )


def test_rows_go_on_after_the_server_was_restarted(url: str, restarted: PostgresServer) -> None:
    with Ledger.open(url) as ledger:
        ledger.append_and_wait(row("before"))
        restarted.stop()
        with pytest.raises(LedgerError, match="the database refused or was lost") as caught:
            ledger.append_and_wait(row("while it was down"))
        assert caught.value.retryable
        restarted.start()
        ledger.append_and_wait(row("after"))
        assert [each.id for each in ledger.query().rows] == ["after", "before"] and ledger.check() == []


def test_a_connection_that_broke_while_idle_costs_no_row(url: str, restarted: PostgresServer) -> None:
    with Ledger.open(url) as ledger:
        ledger.append_and_wait(row("before"))
        restarted.stop()
        restarted.start()
        fill(ledger, [row(f"after-{number}", DAY + 1) for number in range(5)])
        assert ledger.totals().requests == 6 and ledger.check() == []


def test_power_asks_for_fsync_and_refuses_a_server_without(url: str, restarted: PostgresServer) -> None:
    with pytest.raises(LedgerError, match="the server runs with fsync = off, where a power cut loses committed rows"):
        Ledger.open(url, "power")
    restarted.stop()
    restarted.start(fsync="on")
    with Ledger.open(url, "power") as ledger:
        assert ledger._groups is not None
        ledger.append_and_wait(row())
        connection = ledger._groups._writer._connection  # type: ignore[attr-defined]
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_what_waits_for_a_server_that_is_down_is_told(url: str, restarted: PostgresServer) -> None:
    with Ledger.open(url) as ledger:
        restarted.stop()

        async def three() -> list[object]:
            return list(await asyncio.gather(*(ledger.append(row(str(n))) for n in range(3)), return_exceptions=True))

        assert all(isinstance(each, LedgerError) for each in asyncio.run(three()))


def test_a_password_is_never_shown() -> None:
    url = "postgresql://jangin:s3cret@127.0.0.1:1/ledger?password=s3cret&sslmode=prefer"
    assert shown(url) == "postgresql://127.0.0.1:1/ledger" and has_password(url)
    assert has_password("postgresql://h/d?password=x") and not has_password("postgresql://user@h/d?sslmode=require")
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    with pytest.raises(LedgerError) as caught:
        Ledger.open(url)
    assert "s3cret" not in str(caught.value) and "postgresql://127.0.0.1:1/ledger" in caught.value.message


def test_a_database_without_a_ledger_is_not_read(url: str) -> None:
    with pytest.raises(LedgerError, match="there is no ledger"):
        Ledger.open(url, read_only=True)
