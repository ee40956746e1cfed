"""SQL by execution: what counts as the same result, what a query may not do, and that a bad one harms nothing."""

from __future__ import annotations

import gzip
import sqlite3
import time

import pytest

from jangin.errors import DataError, InputError
from jangin.evals.sql_compare import same_rows
from jangin.evals.sql_scorer import Databases, SqlCase, SqlScore
from jangin.evals.sql_text import freeze_time, has_outer_order, tokens

SCHEMA = """
CREATE TABLE item (id INTEGER, name TEXT, price REAL, sold TEXT);
INSERT INTO item VALUES (1, 'pen', 1.5, '2024-06-01'), (2, 'ink', 4, NULL), (3, 'cap', 1.5, '2024-06-14');
"""
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
RIGHT = SqlScore(True, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("databases")
    with sqlite3.connect(folder / "shop.sqlite") as connection:
        connection.executescript(SCHEMA)
    connection.close()
    (folder / "packed.sqlite.gz").write_bytes(gzip.compress((folder / "shop.sqlite").read_bytes()))
    return folder


@pytest.fixture(scope="module")
def shop(folder):
    with Databases(folder / "shop.sqlite", seconds=20, parallel=2) as databases:
        yield databases


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("SELECT name FROM item", "SELECT name AS other FROM item WHERE 1"),
        ("SELECT name FROM item ORDER BY name", "SELECT name FROM item"),
        ("SELECT name FROM item WHERE id = 9", "SELECT name FROM item ORDER BY price LIMIT 0"),
        ("SELECT 1.0, NULL", "SELECT 1, NULL;"),
        ("SELECT 0.1 + 0.2", "SELECT 0.3"),
        ("SELECT x'00ff'", "SELECT x'00FF'"),
        ("SELECT id FROM item UNION ALL SELECT id FROM item", "SELECT a.id FROM item a, (SELECT 1 UNION SELECT 2)"),
    ],
)
def test_equal_values_are_right_whatever_their_names_and_writing(shop, answer, gold):
    assert shop.same_result(None, answer, [gold]) == RIGHT


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("SELECT name FROM item ORDER BY id DESC", "SELECT name FROM item ORDER BY id"),
        ("SELECT DISTINCT price FROM item", "SELECT price FROM item"),
        ("SELECT name, id FROM item", "SELECT id, name FROM item"),
        ("SELECT name FROM item", "SELECT name, id FROM item"),
        ("SELECT '1'", "SELECT 1"),
        ("SELECT NULL", "SELECT 0"),
        ("SELECT 1.001", "SELECT 1"),
        ("SELECT id FROM item WHERE 0", "SELECT id FROM item"),
        ("SELECT 9007199254740993", "SELECT 1"),
    ],
)
def test_other_values_another_number_of_rows_or_a_wrong_order_are_wrong(shop, answer, gold):
    assert shop.same_result(None, answer, [gold]) == SqlScore(False, "another result")


def test_any_accepted_query_will_do_and_one_that_does_not_run_is_passed_over(shop):
    golds = ["SELECT broken FROM", "SELECT id FROM item", "SELECT name FROM item"]
    assert shop.same_result(None, "SELECT name FROM item", golds) == RIGHT


def test_an_example_without_a_running_accepted_query_is_the_datas_fault(shop):
    with pytest.raises(DataError) as error:
        shop.same_result(None, "SELECT 1", ["SELECT missing FROM item"])
    said = "no accepted query runs on database 'shop' (no such column)\n  try: mend or drop this example"
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("SELECT missing FROM item", "no such column"),
        ("SELECT * FROM nowhere", "no such table"),
        ("SELEC 1", "syntax error"),
        ("", "not a query"),
        ("-- nothing", "not a query"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT 1; DROP TABLE item", "more than one statement"),
        ("SELECT '\0'", "invalid"),
        ("DROP TABLE item", "forbidden"),
        ("DELETE FROM item", "forbidden"),
        ("INSERT INTO item VALUES (4, 'x', 1, NULL) RETURNING id", "forbidden"),
        ("UPDATE item SET id = 0", "forbidden"),
        ("CREATE TEMP TABLE t (a)", "forbidden"),
        ("ATTACH '/tmp/other.sqlite' AS other", "forbidden"),
        ("VACUUM INTO '/tmp/copy.sqlite'", "forbidden"),
        ("PRAGMA query_only = 0", "forbidden"),
        ("SELECT * FROM pragma_database_list", "forbidden"),
        ("SELECT LOAD_extension('/tmp/x.so')", "forbidden"),
        ("BEGIN", "forbidden"),
        ("SELECT readfile('/etc/passwd')", "no such function"),
        ("SELECT writefile('/tmp/x', 'x')", "no such function"),
    ],
)
def test_what_is_not_a_single_reading_query_is_wrong_with_a_reason(shop, answer, reason):
    assert shop.same_result(None, answer, ["SELECT 1"]) == SqlScore(False, reason)
    assert shop.same_result(None, "SELECT count(*) FROM item", ["SELECT 3"]) == RIGHT


def test_endless_huge_and_hanging_queries_are_wrong_and_the_next_one_is_answered(folder):
    # Within one call of a function SQLite does not ask whether it should go on.
    hanging = "SELECT instr(hex(zeroblob(4000000)), hex(zeroblob(2000000)) || '1')"
    with Databases(folder / "shop.sqlite", seconds=0.3, rows=1000, size_bytes=100_000, parallel=1) as databases:
        expected = {
            ENDLESS: "timeout",
            ENDLESS.replace("max(i)", "i"): "too many rows",
            "SELECT hex(zeroblob(100000))": "too many rows",
            "SELECT length(hex(zeroblob(1000000000)))": "invalid",
            hanging: "timeout",
            "SELECT 1": None,
        }
        assert {sql: databases.same_result(None, sql, ["SELECT 1"]).reason for sql in expected} == expected


def test_a_query_that_takes_too_much_memory_is_wrong_and_the_next_one_is_answered(folder):
    greedy = (
        "WITH RECURSIVE n(i, t) AS (SELECT 1, hex(zeroblob(1000000)) UNION SELECT i + 1, t || i FROM n) "
        "SELECT count(DISTINCT t) FROM n"
    )
    with Databases(folder / "shop.sqlite", seconds=60, parallel=1) as databases:
        assert databases.same_result(None, greedy, ["SELECT 1"]) == SqlScore(False, "out of memory")
        assert databases.same_result(None, "SELECT 1", ["SELECT 1"]) == RIGHT


def test_a_worker_that_died_is_replaced(folder):
    with Databases(folder / "shop.sqlite", parallel=1) as databases:
        assert databases.same_result(None, "SELECT 1", ["SELECT 1"]) == RIGHT
        worker = databases._workers.queue[0]._process
        worker.kill()
        worker.wait()
        died = SqlScore(False, "the process that executed it died")
        assert databases.same_result(None, "SELECT 1", ["SELECT 1"]) == died
        assert databases.same_result(None, "SELECT 1", ["SELECT 1"]) == RIGHT


def test_many_are_scored_in_order(folder):
    cases = [SqlCase("shop" if i % 2 else "packed", f"SELECT {i % 3}", ["SELECT 0", "SELECT 1"]) for i in range(30)]
    with Databases(folder, parallel=2) as databases:
        assert databases.names == ["packed", "shop"]
        assert [score.right for score in databases.same_results(cases)] == [i % 3 < 2 for i in range(30)]


def test_databases_that_cannot_be_had_are_named(folder, tmp_path):
    with Databases(folder) as databases, pytest.raises(InputError) as error:
        databases.same_result("store", "SELECT 1", ["SELECT 1"])
    assert str(error.value) == (
        "no database 'store'; there is packed, shop\n  try: give the file's name without suffix"
    )
    with pytest.raises(InputError, match="no database there"):
        Databases(tmp_path)
    (tmp_path / "text.sqlite").write_text("id,name")
    with pytest.raises(DataError, match=r"text.sqlite is not an SQLite database"):
        Databases(tmp_path)
    (tmp_path / "text.sqlite").write_bytes(b"")
    (tmp_path / "text.db").write_bytes(b"")
    with pytest.raises(InputError, match="have the same name"):
        Databases(tmp_path)
    (tmp_path / "cut.sqlite.gz").write_bytes((folder / "packed.sqlite.gz").read_bytes()[:50])
    with pytest.raises(DataError, match=r"cut.sqlite.gz: cannot be unpacked"):
        Databases(tmp_path / "cut.sqlite.gz")


def test_a_frozen_time_stands_in_for_the_clock(folder):
    with Databases(folder / "shop.sqlite", now="2024-06-14 12:00:00") as databases:
        answer = "SELECT name FROM item WHERE sold >= date('NOW', '-1 day') AND sold <= current_date"
        assert databases.same_result(None, answer, ["SELECT 'cap'"]) == RIGHT
        clocks = "SELECT CURRENT_TIMESTAMP, Current_Time, date(), datetime( ), 'not now', \"name\" FROM item LIMIT 1"
        gold = "SELECT '2024-06-14 12:00:00', '12:00:00', '2024-06-14', '2024-06-14 12:00:00', 'not now', 'pen'"
        assert databases.same_result(None, clocks, [gold]) == RIGHT
    with Databases(folder / "shop.sqlite") as databases:
        year = time.strftime("%Y", time.gmtime())
        assert databases.same_result(None, "SELECT strftime('%Y', 'now')", [f"SELECT '{year}'"]) == RIGHT


def test_only_code_is_replaced_never_the_inside_of_a_text_or_a_name():
    now = "2024-06-14 12:00:00"
    kept = "SELECT 'current_date', \"current_date\", [current_date], 'it''s now', 'a''now' -- current_date\n/* 'now' */"
    assert freeze_time(kept, now) == kept
    assert freeze_time("SELECT date('now')", now) == f"SELECT date('{now}')"
    assert "".join(text for _, text in tokens("a'b''c\"d[e--f")) == "a'b''c\"d[e--f"


@pytest.mark.parametrize(
    ("sql", "ordered"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("select a from t order\n  by a limit 3", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x UNION SELECT 2 ORDER BY 1", True),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 3)", False),
        ("SELECT row_number() OVER (ORDER BY a) FROM t", False),
        ("SELECT 'order by' FROM t -- ORDER BY a", False),
        ('SELECT "order" by FROM t', False),
    ],
)
def test_an_outer_order_is_told_from_an_inner_one(sql, ordered):
    assert has_outer_order(sql) is ordered


def test_rows_whose_first_cells_differ_by_less_than_the_tolerance_are_still_paired():
    ours = [[1.0000000001, "a"], [1.0, "b"]]
    assert same_rows(ours, [[1.0, "a"], [1.0000000001, "b"]], ordered=False)
    assert not same_rows(ours, [[1.0, "a"], [1.0, "a"]], ordered=False)
    assert not same_rows(ours, [[1.0, "b"], [1.0, "a"]], ordered=True)
    assert same_rows([[None], ["1"], [1]], [[1.0], [None], ["1"]], ordered=False)
