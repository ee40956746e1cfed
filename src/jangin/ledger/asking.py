"""Questions to the ledger: rows, newest first, and sums.

Both lean on the totals of each day, which every commit keeps. Sums of whole days are read from there alone. Rows are
looked for day by day, newest first, and only on days whose totals hold such a row: a rare key among millions of rows is
found without reading the days on which it did not ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from jangin.errors import InputError
from jangin.ledger.row import COLUMNS, DAY_US, DIMENSIONS, ROUTES, SUMS, Filter, Page, Row, Texts, Totals, day_of, spell
from jangin.ledger.store import Reader

FOREVER = 2**62
MOST = 10_000  # rows of one page
_ROW = f"SELECT seq, {', '.join(COLUMNS)} FROM ledger_requests"
# What one row adds to the sums, in the order of SUMS.
_OF_A_ROW = (
    "1, CASE WHEN status >= 400 THEN 1 ELSE 0 END, prompt_tokens, completion_tokens, duration_us, cost_usd, "
    "COALESCE(energy_wh, 0), CASE WHEN energy_wh IS NULL THEN 0 ELSE 1 END, egress_bytes, "
    "CASE WHEN reference_cost_usd IS NULL THEN 0 ELSE 1 END, COALESCE(reference_cost_usd, 0), "
    "CASE WHEN reference_cost_usd IS NULL THEN 0 ELSE cost_usd END"
)


def _equal(wanted: Filter) -> tuple[str, list[Any]]:
    """The conditions that rows and totals share."""
    parts, values = ["1 = 1"], []
    for name in ("task", "key_id"):
        if (value := getattr(wanted, name)) is not None:
            parts.append(f"{name} = ?")
            values.append(value)
    if wanted.route is not None:
        if wanted.route not in ROUTES:
            raise InputError(f"route '{wanted.route}' is not known; expected one of {', '.join(ROUTES)}")
        parts.append(f"route = '{wanted.route}'")  # spelt out, so that the index that leaves out 'local' fits
        if wanted.route != "local":
            parts.append("route <> 'local'")
    return " AND ".join(parts), values


def _of_rows(wanted: Filter) -> tuple[str, list[Any]]:
    condition, values = _equal(wanted)
    if wanted.errors:
        condition += " AND status >= 400"
    if wanted.id is not None:
        condition += " AND id = ?"
        values.append(wanted.id)
    return condition, values


def _days(reader: Reader, wanted: Filter, order: str) -> list[int]:
    """The days on which such rows arrived, as days since 1970."""
    condition, values = _equal(wanted)
    some = "HAVING SUM(errors) > 0" if wanted.errors else ""
    ((pruned,),) = reader.ask("SELECT before FROM ledger_pruned")
    since, until = max(wanted.since or 0, pruned), FOREVER if wanted.until is None else wanted.until
    sql = f"SELECT day FROM ledger_daily WHERE day >= ? AND day <= ? AND {condition} GROUP BY day {some} ORDER BY day"
    return [day for (day,) in reader.ask(f"{sql} {order}", [since // DAY_US, until // DAY_US, *values])]


def page(reader: Reader, wanted: Filter, limit: int, after: str | None, texts: bool) -> Page:
    """At most `limit` rows, newest first. Raises: InputError."""
    if not 1 <= limit <= MOST:
        raise InputError(f"{limit} rows were asked for; expected 1 to {MOST:,}", "take several pages, or export")
    condition, values = _of_rows(wanted)
    last = (wanted.until if wanted.until is not None else FOREVER, 0) if after is None else _place(after)
    bounded = msgspec.structs.replace(wanted, until=last[0])
    found: list[tuple[Any, ...]] = []
    for day in _days(reader, bounded, "DESC"):
        since = max(wanted.since or 0, day * DAY_US)
        until = min(last[0] + 1, (day + 1) * DAY_US)
        sql = (
            f"{_ROW} WHERE at >= ? AND at < ? AND (at, seq) < (?, ?) AND {condition} ORDER BY at DESC, seq DESC LIMIT ?"
        )
        found += reader.ask(sql, [since, until, *last, *values, limit + 1 - len(found)])
        if len(found) > limit:
            break
    rows = [_row(each) for each in found[:limit]]
    following = f"{found[limit - 1][2]}:{found[limit - 1][0]}" if len(found) > limit else None
    return Page(rows, following, _texts(reader, rows) if texts else {})


def _place(after: str) -> tuple[int, int]:
    at, colon, seq = after.partition(":")
    if not colon or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (at, seq)):
        raise InputError(
            f"'{after}' is no place to go on from; expected what `next` said", "leave it out to start anew"
        )
    return int(at), int(seq)


def _row(found: Sequence[Any]) -> Row:
    return Row(**dict(zip(COLUMNS, found[1:])))


def _texts(reader: Reader, rows: list[Row]) -> dict[int, Texts]:
    known: dict[tuple[str, int], Texts] = {}
    for start in range(0, len(rows), 500):
        times = sorted({row.at for row in rows[start : start + 500]})
        sql = f"SELECT id, at, input, output FROM ledger_texts WHERE at IN ({', '.join('?' * len(times))})"
        for id, at, *stored in reader.ask(sql, times):
            known[id, at] = Texts(*(bytes(each).decode("utf-8", "surrogatepass") for each in stored))
    return {number: known[row.id, row.at] for number, row in enumerate(rows) if (row.id, row.at) in known}


def rows_in_order(reader: Reader, wanted: Filter, texts: bool) -> Iterator[tuple[Any, ...]]:
    """All such rows, oldest first, as tuples of COLUMNS; with `texts` also input and output (bytes or None)."""
    condition, values = _of_rows(wanted)
    columns = ", ".join(f"r.{name}" for name in COLUMNS)
    joined = ""
    if texts:
        columns += ", t.input, t.output"
        joined = " LEFT JOIN ledger_texts t ON t.at = r.at AND t.id = r.id"
    named = condition.replace("task =", "r.task =").replace(" id =", " r.id =")
    sql = (
        f"SELECT {columns} FROM ledger_requests r{joined} WHERE r.at >= ? AND r.at < ? AND {named} ORDER BY r.at, r.seq"
    )
    until = FOREVER if wanted.until is None else wanted.until
    yield from reader.stream(sql, [wanted.since or 0, until, *values])


def totals(reader: Reader, by: Sequence[str], wanted: Filter) -> list[Totals]:
    """Sums of each group, days in order, larger groups first. Whole UTC days are quick; parts of days are added row by
    row. Raises: InputError for an unknown dimension, or a part of a day whose rows are gone."""
    if unknown := [name for name in by if name not in DIMENSIONS]:
        raise InputError(f"'{unknown[0]}' cannot be totalled by; expected some of {', '.join(DIMENSIONS)}")
    if wanted.errors or wanted.id is not None:
        raise InputError("totals are of all requests; `errors` counts the failed ones", "use query for single rows")
    condition, values = _equal(wanted)
    first, last, parts = _whole_days(wanted.since or 0, wanted.until)
    _refuse_pruned(reader, parts)
    dimensions = ", ".join(by)
    sources = [f"SELECT {', '.join((*DIMENSIONS, *SUMS))} FROM ledger_daily WHERE day >= ? AND day < ? AND {condition}"]
    given: list[Any] = [first, last, *values]
    for a, b in parts:
        sources.append(
            f"SELECT at / {DAY_US}, task, key_id, specialist, route, {_OF_A_ROW} FROM ledger_requests "
            f"WHERE at >= ? AND at < ? AND {condition}"
        )
        given += [a, b, *values]
    sums = ", ".join(f"SUM({name}) AS {name}" for name in SUMS)
    sql = f"SELECT {dimensions + ', ' if by else ''}{sums} FROM ({' UNION ALL '.join(sources)}) AS parts"
    if by:
        order = ["day"] if "day" in by else []
        sql += f" GROUP BY {dimensions} ORDER BY {', '.join([*order, 'SUM(requests) DESC', *by])}"
    return [_totals(by, each) for each in reader.ask(sql, given)]


def _whole_days(since: int, until: int | None) -> tuple[int, int, list[tuple[int, int]]]:
    """The whole days first <= day < last of a span, and the parts of days at its ends."""
    if until is None:
        first = -(-since // DAY_US)
        return first, FOREVER // DAY_US, [(since, first * DAY_US)] if since < first * DAY_US else []
    first, last = -(-since // DAY_US), until // DAY_US
    if first > last:
        return first, last, [(since, until)]
    ends = [(since, first * DAY_US), (last * DAY_US, until)]
    return first, last, [(a, b) for a, b in ends if a < b]


def _refuse_pruned(reader: Reader, parts: list[tuple[int, int]]) -> None:
    ((pruned,),) = reader.ask("SELECT before FROM ledger_pruned")
    for since, _ in parts:
        if since < pruned:
            raise InputError(
                f"rows before {spell(pruned)} were pruned, so a part of the day of {spell(since)} cannot be added up",
                "ask for whole days (UTC), from midnight to midnight: their totals are kept",
            )


def _totals(by: Sequence[str], found: Sequence[Any]) -> Totals:
    names = [day_of(value) if name == "day" else value for name, value in zip(by, found)]
    # PostgreSQL adds whole numbers up to decimals, and the sum of nothing is NULL.
    sums = {name: _as_declared(name, value) for name, value in zip(SUMS, found[len(by) :])}
    return Totals(group=dict(zip(by, names)), **sums)


def _as_declared(name: str, value: Any) -> Any:
    return (
        float(value or 0)
        if name in ("cost_usd", "energy_wh", "reference_cost_usd", "compared_cost_usd")
        else int(value or 0)
    )


def differences(reader: Reader) -> list[str]:
    """Days whose totals are not the sums of their rows; days that were pruned, wholly or in part, are left out."""
    counted = ["requests", "errors", "prompt_tokens", "completion_tokens", "egress_bytes"]
    ((pruned,),) = reader.ask("SELECT before FROM ledger_pruned")
    first = -(-pruned // DAY_US)
    sums = ", ".join(f"SUM({name})" for name in counted)
    kept = reader.ask(f"SELECT day, {sums} FROM ledger_daily WHERE day >= ? GROUP BY day", [first])
    of_rows = sums.replace("SUM(requests)", "COUNT(*)").replace(
        "SUM(errors)", "SUM(CASE WHEN status >= 400 THEN 1 ELSE 0 END)"
    )
    real = reader.ask(
        f"SELECT at / {DAY_US}, {of_rows} FROM ledger_requests WHERE at >= ? GROUP BY at / {DAY_US}", [first * DAY_US]
    )
    totals_of, rows_of = ({day: [int(each) for each in rest] for day, *rest in found} for found in (kept, real))
    return [
        f"{day_of(day)}: the day's totals are not the sums of its rows ({totals_of.get(day, [0])[0]:,} requests in the "
        f"totals, {rows_of.get(day, [0])[0]:,} rows)"
        for day in sorted(totals_of.keys() | rows_of.keys())
        if totals_of.get(day) != rows_of.get(day)
    ]
