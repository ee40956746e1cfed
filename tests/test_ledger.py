"""The ledger's contract, the same on SQLite and on a real PostgreSQL: append, ask, add up, export, forget."""

from __future__ import annotations

import asyncio
import csv
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from jangin.errors import InputError, LedgerError, StorageError
from jangin.ledger import Filter, Ledger, Row, Texts, Totals
from jangin.ledger.row import COLUMNS, DAY_US, SUMS, moment, spell
from ledger_rows import DAY, fill, row
from postgres_server import PostgresServer


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "ledger.sqlite")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.fresh()


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger.open(url) as ledger:
        yield ledger


FULL = row(
    "req-1",
    DAY + 1,
    specialist="a22d6beb8aff0011",
    route="escalated",
    prompt_tokens=12,
    completion_tokens=3,
    duration_us=4_100,
    ttft_us=900,
    confidence=0.41,
    cost_usd=0.002,
    energy_wh=0.0003,
    energy_method="modelled",
    egress_bytes=812,
    egress_to="api.example:443",
    reference_cost_usd=0.004,
    certificate="3f" * 32,
    error_code="late",
)


def test_a_row_comes_back_as_it_was_appended(ledger: Ledger) -> None:
    fill(ledger, [FULL, row("req-2", DAY + 2)])
    page = ledger.query()
    assert page.rows == [row("req-2", DAY + 2), FULL] and page.next is None and page.texts == {}


def test_rows_that_wait_together_are_committed_together(ledger: Ledger) -> None:
    fill(ledger, [row(str(number)) for number in range(600)])
    assert ledger.totals().requests == 600
    assert ledger._groups is not None and ledger._groups.rows == 600 and ledger._groups.commits < 100


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"route": "elsewhere"}, "route_is_known"),
        ({"status": 99}, "status_is_of_http"),
        ({"error_code": "my card number is 4111"}, "error_code_is_a_name"),
        ({"task": "x" * 65}, "task_is_a_name"),
        ({"id": ""}, "id_is_a_name"),
        ({"confidence": 1.01}, "confidence_from_0_to_1"),
        ({"prompt_tokens": -1}, "prompt_tokens_from_0"),
    ],
)
def test_a_row_that_breaks_a_rule_fails_alone_and_its_value_is_not_shown(
    ledger: Ledger, changed: dict[str, object], rule: str
) -> None:
    async def three() -> list[object]:
        rows = [row("before"), row(**{"id": "bad", **changed}), row("after")]
        return list(await asyncio.gather(*map(ledger.append, rows), return_exceptions=True))

    before, refused, after = asyncio.run(three())
    assert before is None and after is None and isinstance(refused, StorageError)
    assert refused.message == f"the ledger refuses a row: CHECK constraint failed: {rule}"
    assert sorted(each.id for each in ledger.query().rows) == ["after", "before"] and ledger.totals().requests == 2


@pytest.mark.parametrize(
    "changed", [{"status": "two hundred"}, {"id": "\ud800"}, {"at": None}, {"at": 2**70}, {"cost_usd": float("nan")}]
)
def test_a_value_of_the_wrong_kind_is_refused(ledger: Ledger, changed: dict[str, object]) -> None:
    with pytest.raises(LedgerError, match=r"^the ledger refuses a row: ") as caught:
        ledger.append_and_wait(row(**{"id": "bad", **changed}))
    assert "two hundred" not in str(caught.value)
    ledger.append_and_wait(row("good"))
    assert [each.id for each in ledger.query().rows] == ["good"]


def test_an_append_that_nobody_waits_for_any_more_stays(ledger: Ledger) -> None:
    async def leave() -> None:
        task = asyncio.ensure_future(ledger.append(row("left")))
        await asyncio.sleep(0)
        task.cancel()
        await ledger.append(row("stayed"))

    asyncio.run(leave())
    assert sorted(each.id for each in ledger.query().rows) == ["left", "stayed"]


def test_closing_commits_what_waits_and_then_refuses(url: str) -> None:
    ledger = Ledger.open(url)

    async def append_and_close() -> None:
        futures = [ledger.append(row(str(number))) for number in range(50)]
        await asyncio.to_thread(ledger.close)
        await asyncio.gather(*futures)

    asyncio.run(append_and_close())
    with pytest.raises(LedgerError, match="the ledger is closed"):
        ledger.append_and_wait(row("late"))
    with Ledger.open(url, read_only=True) as again:
        assert again.totals().requests == 50
        with pytest.raises(LedgerError, match="opened to read only"):
            again.append_and_wait(row("late"))


def many(seed: int = 5, count: int = 400) -> list[Row]:
    """Rows over five days, several at the same moment."""
    chance = random.Random(seed)
    return [
        row(
            f"r{number}",
            DAY + chance.randrange(5 * 24) * (DAY_US // 24),
            task=chance.choice(["shop", "desk", "bank"]),
            key_id=chance.choice(["", "team", "other"]),
            route=chance.choice(["local", "local", "local", "escalated", "failed"]),
            status=chance.choice([200, 200, 200, 503]),
            prompt_tokens=chance.randrange(100),
            completion_tokens=chance.randrange(10),
            duration_us=chance.randrange(9_000),
            cost_usd=chance.random(),
            energy_wh=chance.choice([None, 0.5]),
            egress_bytes=chance.randrange(3),
            reference_cost_usd=chance.choice([None, 2.0]),
        )
        for number in range(count)
    ]


def fits(each: Row, wanted: Filter) -> bool:
    return (
        (wanted.since is None or each.at >= wanted.since)
        and (wanted.until is None or each.at < wanted.until)
        and wanted.task in (None, each.task)
        and wanted.key_id in (None, each.key_id)
        and wanted.route in (None, each.route)
        and wanted.id in (None, each.id)
        and (not wanted.errors or each.status >= 400)
    )


WANTED = [
    Filter(),
    Filter(task="desk"),
    Filter(key_id=""),
    Filter(task="shop", key_id="team", route="local"),
    Filter(route="escalated", errors=True),
    Filter(errors=True),
    Filter(id="r17"),
    Filter(since=DAY + DAY_US, until=DAY + 3 * DAY_US),
    Filter(since=DAY + 5 * DAY_US // 2, until=DAY + 11 * DAY_US // 4, task="bank"),
    Filter(since=DAY + 7 * DAY_US // 2),
    Filter(task="nobody"),
]


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_pages_hold_each_row_that_is_wanted_once_newest_first(wanted: Filter, filled: Ledger) -> None:
    expected = [each for each in many() if fits(each, wanted)]
    found: list[Row] = []
    after = None
    while True:
        page = filled.query(wanted, limit=37, after=after)
        found += page.rows
        if page.next is None:
            break
        assert len(page.rows) == 37
        after = page.next
    assert [each.at for each in found] == sorted((each.at for each in expected), reverse=True)
    assert sorted(found, key=lambda each: each.id) == sorted(expected, key=lambda each: each.id)


@pytest.mark.parametrize("by", [(), ("day",), ("task",), ("key_id", "day"), ("task", "key_id", "route", "specialist")])
@pytest.mark.parametrize("wanted", [each for each in WANTED if not each.errors and each.id is None], ids=str)
def test_totals_are_the_sums_of_the_rows(wanted: Filter, by: tuple[str, ...], filled: Ledger) -> None:
    expected: dict[tuple[str, ...], list[Row]] = {} if by else {(): []}
    for each in many():
        if fits(each, wanted):
            name = {**msgspec.structs.asdict(each), "day": spell(each.at)[:10]}
            expected.setdefault(tuple(name[dimension] for dimension in by), []).append(each)
    found = {tuple(each.group.values()): each for each in filled.totals_by(by, wanted)}
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        known = [each for each in rows if each.reference_cost_usd is not None]
        sums = Totals(
            group=dict(zip(by, name)),
            requests=len(rows),
            errors=sum(each.status >= 400 for each in rows),
            prompt_tokens=sum(each.prompt_tokens for each in rows),
            completion_tokens=sum(each.completion_tokens for each in rows),
            duration_us=sum(each.duration_us for each in rows),
            cost_usd=pytest.approx(sum(each.cost_usd for each in rows)),  # type: ignore[arg-type]
            energy_wh=sum(each.energy_wh or 0 for each in rows),
            energy_known=sum(each.energy_wh is not None for each in rows),
            egress_bytes=sum(each.egress_bytes for each in rows),
            compared=len(known),
            reference_cost_usd=sum(each.reference_cost_usd or 0 for each in known),
            compared_cost_usd=pytest.approx(sum(each.cost_usd for each in known)),  # type: ignore[arg-type]
        )
        assert [getattr(found[name], field) for field in ("group", *SUMS)] == [
            getattr(sums, field) for field in ("group", *SUMS)
        ]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    if request.param == "sqlite":
        url = str(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")
    else:
        url = request.getfixturevalue("postgres").fresh()
    with Ledger.open(url) as ledger:
        fill(ledger, many())
        assert ledger.check() == []
        yield ledger


def test_the_budget_of_a_key_is_that_of_its_rows(filled: Ledger) -> None:
    since = DAY + 2 * DAY_US
    spent = sum(each.cost_usd for each in many() if each.key_id == "team" and each.at >= since)
    assert filled.totals("team", since).cost_usd == pytest.approx(spent) and spent > 0
    assert filled.totals("nobody", since) == Totals()


def test_what_cannot_be_asked_is_refused(filled: Ledger) -> None:
    for ask, message in [
        (lambda: filled.query(limit=0), "0 rows were asked for; expected 1 to 10,000"),
        (lambda: filled.query(after="x"), "'x' is no place to go on from; expected what `next` said"),
        (lambda: filled.query(Filter(route="x")), "route 'x' is not known"),  # type: ignore[arg-type]
        (lambda: filled.totals_by(("id",)), "'id' cannot be totalled by; expected some of day, task, key_id"),
        (lambda: filled.totals_by((), Filter(errors=True)), "totals are of all requests"),
    ]:
        with pytest.raises(InputError) as caught:
            ask()
        assert caught.value.message.startswith(message)


def test_texts_are_kept_apart_and_come_back_whole(ledger: Ledger) -> None:
    strange = Texts("한\x00글 \ud800", "a\nb")
    fill(ledger, [row("with", DAY + 5), row("without", DAY + 5), row("other", DAY + 6)], {"with": strange})
    page = ledger.query(texts=True)
    (position,) = [number for number, each in enumerate(page.rows) if each.id == "with"]
    assert page.texts == {position: strange}


def test_an_export_holds_every_row_oldest_first(filled: Ledger, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet' is not installed")
    wanted = Filter(task="desk")
    expected = sorted((each for each in many() if fits(each, wanted)), key=lambda each: each.at)
    assert (
        filled.export(tmp_path / "rows.csv", wanted)
        == filled.export(tmp_path / "rows.parquet", wanted)
        == len(expected)
    )
    with open(tmp_path / "rows.csv", newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert tuple(cells[0]) == COLUMNS
    assert [(each["at"], float(each["cost_usd"])) for each in cells] == [
        (spell(each.at), each.cost_usd)
        for each in sorted(expected, key=lambda each: (each.at, cells_order(cells, each)))
    ]
    table = parquet.read_table(tmp_path / "rows.parquet")
    assert str(table.schema.field("at").type) == "timestamp[us, tz=UTC]"
    back = [Row(**{**each, "at": int(each["at"].timestamp() * 1_000_000 + 0.5)}) for each in table.to_pylist()]
    assert [each.at for each in back] == [each.at for each in expected]
    assert sorted(back, key=lambda each: each.id) == sorted(expected, key=lambda each: each.id)
    assert sorted(path.name for path in tmp_path.glob("*rows*")) == ["rows.csv", "rows.parquet"]
    with pytest.raises(InputError, match=r"^'rows.txt' ends in '.txt'; expected .csv or .parquet"):
        filled.export(tmp_path / "rows.txt")


def cells_order(cells: list[dict[str, str]], each: Row) -> int:
    return next(number for number, cell in enumerate(cells) if cell["id"] == each.id)


def test_an_export_with_texts_holds_them(ledger: Ledger, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet' is not installed")
    fill(ledger, [row("a", DAY), row("b", DAY + 1)], {"b": Texts("in", "out")})
    ledger.export(tmp_path / "rows.parquet", texts=True)
    found = parquet.read_table(tmp_path / "rows.parquet").select(["id", "input", "output"]).to_pylist()
    assert found == [{"id": "a", "input": None, "output": None}, {"id": "b", "input": "in", "output": "out"}]


def test_pruned_rows_are_gone_and_their_days_stay_added_up(ledger: Ledger) -> None:
    texts = {each.id: Texts("in", each.id) for each in many()}
    fill(ledger, many(), texts)
    before = DAY + 2 * DAY_US + DAY_US // 2
    old = sum(each.at < before for each in many())
    gone = ledger.prune(before)
    assert (gone.rows, gone.texts, gone.totals) == (old, old, 0) and 0 < old < 400
    left = ledger.query(limit=1000, texts=True)
    assert len(left.rows) == len(left.texts) == 400 - old and min(each.at for each in left.rows) >= before
    assert ledger.totals().requests == 400 and ledger.check() == []
    with pytest.raises(InputError) as caught:
        ledger.totals(since=before - 1)
    assert caught.value.message == (
        f"rows before {spell(before)} were pruned, so a part of the day of {spell(before - 1)} cannot be added up"
    )
    assert ledger.totals(since=DAY + DAY_US).requests == sum(each.at >= DAY + DAY_US for each in many())
    whole = ledger.prune_totals(before)
    assert (whole.rows, whole.totals > 0) == (0, True)
    assert ledger.totals().requests == sum(each.at >= DAY + 2 * DAY_US for each in many())


def test_texts_are_pruned_for_themselves_and_by_task(ledger: Ledger) -> None:
    rows = [row("a", DAY, task="shop"), row("b", DAY, task="desk"), row("c", DAY + 9, task="shop")]
    fill(ledger, rows, {each.id: Texts("in", "out") for each in rows})
    assert ledger.prune_texts(DAY + 5, "shop").texts == 1
    assert ledger.prune_texts(DAY + 5).texts == 1
    page = ledger.query(texts=True)
    assert [page.rows[position].id for position in page.texts] == ["c"] and len(page.rows) == 3


def test_a_step_of_pruning_is_not_the_end_of_it(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jangin.ledger.retention.STEP", 30)
    fill(ledger, many())
    assert ledger.prune(DAY + 5 * DAY_US).rows == 400 and ledger.query().rows == []


def test_totals_that_were_changed_by_hand_are_found(ledger: Ledger, url: str) -> None:
    fill(ledger, [row("a"), row("b", DAY + DAY_US)])
    writer = ledger._store.writer()
    writer.work([("UPDATE ledger_daily SET requests = 5 WHERE day = ?", (20_001,))])
    writer.close()
    assert ledger.check() == [
        "2024-10-05: the day's totals are not the sums of its rows (5 requests in the totals, 1 rows)"
    ]


def test_times_are_utc() -> None:
    assert moment("2024-10-04") == moment("2024-10-04T00:00") == moment("2024-10-04T09:00+09:00") == DAY
    assert spell(DAY + 1) == "2024-10-04T00:00:00.000001Z" and moment(spell(DAY + 1)) == DAY + 1
    with pytest.raises(InputError, match=r"^'yesterday' is not a time; expected a date or a time of ISO 8601"):
        moment("yesterday")
