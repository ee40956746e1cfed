"""What may befall the ledger's file: kill -9, a full disk, damage, other processes and programs, a newer version."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jangin.errors import InputError, LedgerError, StorageError
from jangin.ledger import Filter, Ledger, Texts, schema
from jangin.ledger.checkpoints import Checkpointer
from jangin.ledger.schema import Migration
from ledger_rows import DAY, fill, row

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def python(code: str, *arguments: object, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=60)


@pytest.mark.parametrize("what", ["ledger", "audit"])
def test_twenty_kills_lose_nothing_that_was_acknowledged(what: str, tmp_path: Path) -> None:
    script = ROOT / "bench" / "ledger_kill.py"
    done = subprocess.run(
        [sys.executable, script, "--rounds", "20", "--what", what, "--seed", str(time.time_ns())],
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, "TMPDIR": str(tmp_path)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)[what]
    assert found["rounds"] == 20 and found["acknowledged"] >= 20
    assert found["missing"] == 0 and found["damaged"] == []
    if what == "audit":
        assert found["recovered"] >= found["cut_lines"] == 5


FILL_UP = """
import sys
from jangin.ledger import Ledger
from jangin.errors import StorageError
from ledger_rows import row
with Ledger.open(sys.argv[1]) as ledger:
    for number in range(100_000):
        try:
            ledger.append_and_wait(row(f"{number}", endpoint="e" * 32, energy_method="m" * 200))
        except StorageError as error:
            print(number, type(error).__name__, error.message, sep="|")
            break
    rows = ledger.totals().requests
    print(rows, ledger.check())
"""


@contextlib.contextmanager
def _small_disk(folder: Path) -> object:
    """Arguments that run a command in a mount namespace of its own, where `folder` is a disk of 4 MB."""
    program = shutil.which("unshare")
    mounted = ("sh", "-c", f'mount -t tmpfs -o size=4m none "{folder}" && exec "$@"', "sh")
    before = (program or "unshare", "-m") if os.geteuid() == 0 else (program or "unshare", "-Urm")
    if program is None or subprocess.run([*before, *mounted, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a small disk (unshare -m)")
    yield (*before, *mounted)


def test_a_full_disk_is_named_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    with _small_disk(tmp_path) as before:
        done = python(FILL_UP, tmp_path / "ledger.sqlite", before=before)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    failed, kept = done.stdout.splitlines()
    number, name, message = failed.split("|")
    assert name == "StorageError" and int(number) > 20
    assert message == f"{tmp_path / 'ledger.sqlite'}: the disk is full (SQLITE_FULL); the request was not recorded"
    assert kept == f"{number} []"


def test_a_file_that_may_not_grow_is_named_and_appends_go_on_when_it_may_again(path: Path) -> None:
    with Ledger.open(path) as ledger:
        fill(ledger, [row(f"before-{number}") for number in range(20)])
        assert ledger._groups is not None
        writer: Any = ledger._groups._writer
        (pages,) = writer._connection.execute("PRAGMA page_count").fetchone()
        for connection in (writer._connection, writer._hasty):
            connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageError, match="the disk is full"):
            fill(ledger, [row(f"{number}", energy_method="m" * 200) for number in range(500)])
        acknowledged = ledger.totals().requests
        for connection in (writer._connection, writer._hasty):
            connection.execute("PRAGMA max_page_count = 1000000")
        ledger.append_and_wait(row("after"))
        assert ledger.totals().requests == acknowledged + 1 and ledger.check() == []


@pytest.mark.parametrize("damage", ["no database", "cut", "overwritten"])
def test_a_damaged_file_is_named_and_left_as_it_is(path: Path, damage: str) -> None:
    with Ledger.open(path) as ledger:
        fill(ledger, [row(str(number), DAY + number) for number in range(3_000)])
    whole = path.read_bytes()
    if damage == "no database":
        path.write_bytes(b"this is no database" * 100)
    elif damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    before = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(LedgerError) as caught:
            Ledger.open(path, read_only=read_only)
        assert caught.value.message.startswith(f"{path}: the ledger is damaged (SQLITE_")
        assert "move the file aside" in (caught.value.hint or "")
    assert path.read_bytes() == before


def test_damage_in_the_middle_is_found_by_check(path: Path) -> None:
    with Ledger.open(path) as ledger:
        fill(ledger, [row(str(number), DAY + number) for number in range(3_000)])
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2 // 4096 * 4096
    whole[middle : middle + 4096] = bytes(4096)
    path.write_bytes(whole)
    with Ledger.open(path, read_only=True) as ledger:
        try:
            found = ledger.check()
        except LedgerError as error:
            found = [error.message]
    assert found != []


def test_two_processes_write_the_same_file(path: Path) -> None:
    code = """
import sys
from jangin.ledger import Ledger
from ledger_rows import fill, row
with Ledger.open(sys.argv[1]) as ledger:
    for number in range(20):
        fill(ledger, [row(f"{sys.argv[2]}-{number}-{each}") for each in range(10)])
"""
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(number)], env=ENVIRONMENT) for number in range(2)
    ]
    with Ledger.open(path) as ledger:
        for number in range(20):
            fill(ledger, [row(f"here-{number}-{each}") for each in range(10)])
        assert [other.wait(60) for other in others] == [0, 0]
        assert ledger.totals().requests == 600 and ledger.check() == []
        assert len({each.id for each in ledger.query(limit=1000).rows}) == 600


def test_a_file_that_another_process_keeps_locked_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jangin.ledger.sqlite.BUSY_S", 0.05)
    with Ledger.open(path) as ledger, contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match=r"another process has kept the ledger locked for 0\.05 s") as caught:
            ledger.append_and_wait(row())
        assert caught.value.retryable
        other.execute("ROLLBACK")
        ledger.append_and_wait(row())


def test_a_file_that_was_moved_away_takes_no_rows(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append_and_wait(row("before"))
        path.rename(path.with_name("elsewhere"))
        with pytest.raises(LedgerError, match="was moved, removed or replaced while it was open"):
            ledger.append_and_wait(row("lost"))
        path.with_name("elsewhere").rename(path)
        ledger.append_and_wait(row("after"))
        assert [each.id for each in ledger.query().rows] == ["after", "before"]


def test_the_file_of_another_program_is_not_touched(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (a)")
        other.commit()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="this SQLite file belongs to another program"):
        Ledger.open(path)
    with pytest.raises(LedgerError, match="this SQLite file is not a ledger"):
        Ledger.open(path, read_only=True)
    assert path.read_bytes() == before


def test_a_ledger_of_a_newer_schema_is_refused_and_an_older_one_is_brought_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.open(path) as ledger:
        ledger.append_and_wait(row("old"))
    with monkeypatch.context() as later:
        now = len(schema.MIGRATIONS)
        more = (*schema.MIGRATIONS, Migration(now + 1, "more", ("ALTER TABLE ledger_requests ADD COLUMN more TEXT",)))
        later.setattr(schema, "MIGRATIONS", more)
        later.setattr(schema.refuse_newer, "__defaults__", (more,))
        later.setattr(schema.migrate, "__defaults__", (more,))
        with pytest.raises(LedgerError, match=f"the ledger has schema {now}, an older one"):
            Ledger.open(path, read_only=True)
        with Ledger.open(path) as ledger:
            ledger.append_and_wait(row("new"))
            assert [each.id for each in ledger.query().rows] == ["new", "old"]
    for read_only in (True, False):
        with pytest.raises(LedgerError) as caught:
            Ledger.open(path, read_only=read_only)
        assert caught.value.message == (
            f"{path}: the ledger has schema {now + 1}; this version of jangin knows schemas up to {now}"
        )


def test_a_migration_that_fails_half_way_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (Migration(1, "broken", ("CREATE TABLE ledger_half (a {big})", "SELECT no_such_column")),)
    with monkeypatch.context() as patch:
        patch.setattr(schema.migrate, "__defaults__", (broken,))
        with pytest.raises(StorageError, match="no such column"):
            Ledger.open(path)
    with Ledger.open(path) as ledger, ledger._store.reader() as reader:
        assert reader.ask("SELECT name FROM sqlite_schema WHERE name = 'ledger_half'") == []


def test_processes_that_start_together_make_the_tables_once(path: Path) -> None:
    problems: list[Exception] = []

    def start() -> None:
        try:
            with Ledger.open(path) as ledger:
                ledger.append_and_wait(row())
        except Exception as error:  # noqa: BLE001 - told below
            problems.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with Ledger.open(path, read_only=True) as ledger:
        assert ledger.totals().requests == 6


def test_only_its_owner_may_read_a_ledger(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append_and_wait(row(), Texts("in", "out"))
        ledger.export(path.with_name("rows.csv"), texts=True)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    kept = [name for name in modes if not name.endswith("-checkpoints")]
    assert {"ledger.sqlite", "ledger.sqlite-wal", "rows.csv"} <= set(kept)
    assert {name: oct(modes[name]) for name in kept} == dict.fromkeys(kept, "0o600")


def test_durability_is_what_sqlite_calls_full_or_normal(path: Path) -> None:
    for durability, synchronous in (("process", 1), ("power", 2)):
        with Ledger.open(path, durability) as ledger:  # type: ignore[arg-type]
            assert ledger._groups is not None
            connection = ledger._groups._writer._connection  # type: ignore[attr-defined]
            assert ledger._groups._writer.prompt == (durability == "process")  # fsync is never awaited in an event loop
            assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with pytest.raises(InputError, match="durability 'lots' is not known; expected process or power"):
        Ledger.open(path, "lots")  # type: ignore[arg-type]


def test_the_event_loop_commits_by_itself_what_waits_for_nothing(path: Path) -> None:
    with Ledger.open(path) as ledger:
        assert ledger._groups is not None
        asked: list[Any] = []
        ledger._groups._put = asked.append  # type: ignore[method-assign]  # the thread's queue
        fill(ledger, [row(str(number)) for number in range(50)])
        assert asked == [] and ledger._groups.commits == 1
    with Ledger.open(path, read_only=True) as ledger:
        assert ledger.totals().requests == 50 and ledger.check() == []


def test_while_another_process_holds_the_lock_the_event_loop_goes_on(path: Path) -> None:
    with Ledger.open(path) as ledger, contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:

        async def work() -> float:
            other.execute("BEGIN IMMEDIATE")
            appended = [ledger.append(row(f"a{number}")) for number in range(3)]
            slowest = 0.0
            for _ in range(20):
                begun = time.perf_counter()
                await asyncio.sleep(0.001)
                slowest = max(slowest, time.perf_counter() - begun)
            assert not any(each.done() for each in appended)
            later = ledger.append(row("b"))  # behind those that wait
            other.execute("ROLLBACK")
            await asyncio.wait_for(asyncio.gather(*appended, later), 30)
            return slowest

        assert asyncio.run(work()) < 5  # the patience with a lock is 10 s
        assert {each.id for each in ledger.query().rows} == {"a0", "a1", "a2", "b"}
        assert ledger.check() == []


def test_rows_of_two_event_loops_and_of_threads_are_all_kept(path: Path) -> None:
    with Ledger.open(path) as ledger:
        threads = [
            threading.Thread(target=fill, args=(ledger, [row(f"{name}{number}") for number in range(200)]))
            for name in "abc"
        ]
        for thread in threads:
            thread.start()
        for number in range(100):
            ledger.append_and_wait(row(f"d{number}"))
        for thread in threads:
            thread.join()
        assert ledger.totals().requests == 700 and ledger.check() == []


def test_a_pruned_text_is_not_left_in_the_file(path: Path) -> None:
    secret = "the patient's name is Kim"
    with Ledger.open(path) as ledger:
        fill(ledger, [row(str(number)) for number in range(50)], {str(n): Texts(secret, "x") for n in range(50)})
    assert secret.encode() in path.read_bytes()
    with Ledger.open(path) as ledger:
        ledger.prune_texts(DAY + 1)
    assert [each.name for each in path.parent.iterdir() if secret.encode() in each.read_bytes()] == []


def test_the_log_is_copied_into_the_file_while_commits_go_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jangin.ledger.checkpoints.EVERY_S", 0.01)
    with Ledger.open(path) as ledger:
        end = time.monotonic() + 30
        while path.stat().st_size < 40_000:  # one page each for 13 tables and indexes is written at the start
            fill(ledger, [row(str(number), DAY + number) for number in range(200)])
            assert time.monotonic() < end, "nothing was copied"
        assert ledger.check() == []


def test_one_process_at_a_time_copies_the_log_and_only_after_a_commit_of_its_own(path: Path) -> None:
    Ledger.open(path).close()

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    first, second = Checkpointer(path, connect), Checkpointer(path, connect)
    first.close()
    second.close()
    with contextlib.closing(connect()) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        turns = []

        def turn(who: Checkpointer, commit: bool) -> None:
            if commit:
                writer.execute("UPDATE ledger_pruned SET before = before + 1")
                who.committed()
            who._turn(writer)
            turns.append((who._role.is_locked, who._copied == who._commits))

        turn(first, True)  # takes the role, and waits
        turn(second, True)  # may not
        turn(first, True)  # copies everything, and gives the role away
        turn(second, False)  # takes it, and waits for a commit of its own
        turn(second, True)
    assert turns == [(True, True), (False, False), (False, True), (True, True), (False, True)]


def test_there_is_no_ledger_to_read(path: Path) -> None:
    with pytest.raises(LedgerError) as caught:
        Ledger.open(path, read_only=True)
    assert caught.value.message == f"{path}: there is no ledger" and not path.exists()
    with pytest.raises(InputError, match=r"^a ledger cannot be kept in 'mysql://'; expected a path or postgresql://"):
        Ledger.open("mysql://x/y")


def test_a_rare_key_is_found_without_reading_the_other_days(path: Path) -> None:
    with Ledger.open(path) as ledger:
        rows = [
            row(f"{day}-{number}", DAY + day * 86_400_000_000 + number) for day in range(30) for number in range(40)
        ]
        fill(ledger, [*rows, row("rare", DAY + 7 * 86_400_000_000, key_id="rare")])
        with ledger._store.reader() as reader:
            asked: list[str] = []
            reader._connection.set_trace_callback(asked.append)  # type: ignore[attr-defined]
            from jangin.ledger import asking

            page = asking.page(reader, Filter(key_id="rare"), 100, None, False)
    assert [each.id for each in page.rows] == ["rare"]
    assert sum("FROM ledger_requests" in each for each in asked) == 1
