"""The ledger: requests over time, what they cost against the replaced model, energy and what left, by task and key."""

from __future__ import annotations

import asyncio
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from jangin import bars
from jangin.console import said
from jangin.console.desk import Ask
from jangin.errors import InputError, RequestError
from jangin.ledger.book import Ledger
from jangin.ledger.row import DAY_US, ROUTES, Filter, Page, Totals, moment, now_us

SPANS = {"1": 1, "7": 7, "30": 30, "90": 90, "365": 365, "all": 0}
ROWS = 50
MOST_GROUPS = 200
FRESH_S = 5.0  # sums that are no older are shown again
_ASKING = ThreadPoolExecutor(3, "console-ledger")


class Wanted(msgspec.Struct, frozen=True):
    """What the page's form asks for. span: days back, whole UTC days; since and until: dates, instead of it."""

    span: str = "30"
    since: str = ""
    until: str = ""
    task: str = ""
    key: str = ""
    route: str = ""
    errors: bool = False

    def filter(self, own: str | None) -> Filter:
        """own: the only key whose rows may be seen; None: all. Raises: InputError."""
        since = until = None
        if self.since:
            since = moment(self.since)
        elif SPANS[self.span]:
            since = (now_us() // DAY_US - SPANS[self.span] + 1) * DAY_US
        if self.until:
            until = moment(self.until)
        key = own if own is not None else self.key or None
        return Filter(since=since, until=until, task=self.task or None, key_id=key, route=self.route or None)  # type: ignore[arg-type]


class Sums(msgspec.Struct):
    """Of one name: all that a line of a table shows."""

    name: str
    requests: int = 0
    local: int = 0
    escalated: int = 0
    errors: int = 0
    cost_usd: float = 0.0
    reference_usd: float = 0.0
    compared_usd: float = 0.0
    compared: int = 0
    energy_wh: float = 0.0
    egress_bytes: int = 0

    def add(self, part: Totals) -> None:
        self.requests += part.requests
        self.errors += part.errors
        self.cost_usd += part.cost_usd
        self.reference_usd += part.reference_cost_usd
        self.compared_usd += part.compared_cost_usd
        self.compared += part.compared
        self.energy_wh += part.energy_wh
        self.egress_bytes += part.egress_bytes
        if part.group.get("route") == "local":
            self.local += part.requests
        elif part.group.get("route") == "escalated":
            self.escalated += part.requests

    @property
    def share(self) -> float | None:
        return self.local / self.requests if self.requests else None

    @property
    def saved(self) -> float | None:
        return self.reference_usd - self.compared_usd if self.compared else None


async def show(ask: Ask) -> Response:
    ledger = ask.server.door.ledger
    if ledger is None:
        return ask.page("ledger.html", kept=False, wanted=Wanted())
    wanted = _wanted(ask)
    try:
        found = wanted.filter(_own(ask))
        age = int(time.monotonic() / FRESH_S)
        days, tasks, keys = await ask.desk.kept(("sums", found), age, lambda: _sums(ledger, found))
        rows = await asyncio.to_thread(_rows, ledger, found, wanted.errors, ask.query.get("after"))
    except InputError as error:
        return ask.page("ledger.html", 400, kept=True, error=error, wanted=wanted, **_choices(ask, [], []))
    total = Sums("")
    for each in tasks.values():
        total = _joined(total, each)
    link = urlencode({name: value for name, value in msgspec.to_builtins(wanted).items() if value})
    return ask.page(
        "ledger.html",
        kept=True,
        error=None,
        wanted=wanted,
        total=total,
        charts=_charts(ask, days) if days else None,
        tasks=sorted(tasks.values(), key=lambda each: -each.requests)[:MOST_GROUPS],
        keys=sorted(keys.values(), key=lambda each: -each.requests)[:MOST_GROUPS],
        more=max(0, len(keys) - MOST_GROUPS),
        rows=rows.rows,
        following=f"?{link}&{urlencode({'after': rows.next})}#rows" if rows.next else None,
        first=ask.query.get("after") is None,
        link=link,
        **_choices(ask, list(tasks), list(keys)),
    )


def _wanted(ask: Ask) -> Wanted:
    """Raises: RequestError for what the form does not offer."""
    given = {name: ask.query.get(name, "")[:200] for name in ("since", "until", "task", "key", "route")}
    span = ask.query.get("span", "30")
    if span not in SPANS or given["route"] not in ("", *ROUTES):
        raise RequestError("this filter is not known: choose from the page's form", param="span")
    return Wanted(span=span, errors=ask.query.get("errors") in ("1", "True"), **given)


def _own(ask: Ask) -> str | None:
    """Who may not watch sees the rows of the own key only."""
    return None if ask.watches or ask.key is None else ask.key.id


def _choices(ask: Ask, tasks: list[str], keys: list[str]) -> dict[str, Any]:
    names = {key.id: key.name for key in ask.server.door.keys or ()}
    loaded = [name for name in ask.server.fleet.entries if ask.sees(name)]
    known = sorted({*loaded, *tasks})
    shown = sorted({*names, *keys}, key=lambda each: names.get(each, each)) if ask.watches else []
    return {"spans": list(SPANS), "routes": ROUTES, "all_tasks": known, "all_keys": shown, "names": names}


def _sums(ledger: Ledger, wanted: Filter) -> tuple[dict[str, Sums], dict[str, Sums], dict[str, Sums]]:
    """(by day, by task, by key): three questions at once, each in a connection of its own."""
    by = (("day", "route"), ("task", "route"), ("key_id", "route"))
    asked = [_ASKING.submit(ledger.totals_by, names, wanted) for names in by]
    found: list[dict[str, Sums]] = []
    for names, future in zip(by, asked):
        sums: dict[str, Sums] = {}
        for part in future.result():
            name = part.group[names[0]]
            sums.setdefault(name, Sums(name)).add(part)
        found.append(sums)
    days, tasks, keys = found
    return days, tasks, keys


def _joined(total: Sums, each: Sums) -> Sums:
    values = {name: getattr(total, name) + getattr(each, name) for name in Sums.__struct_fields__ if name != "name"}
    return Sums("", **values)


def _rows(ledger: Ledger, wanted: Filter, errors: bool, after: str | None) -> Page:
    return ledger.query(msgspec.structs.replace(wanted, errors=errors), limit=ROWS, after=after)


def _charts(ask: Ask, days: dict[str, Sums]) -> dict[str, Any]:
    names = _every_day(sorted(days))
    none = Sums("")
    each = [days.get(name, none) for name in names]
    say = ask.say
    routes = [
        (say("answered here"), [float(day.local) for day in each]),
        (say("escalated"), [float(day.escalated) for day in each]),
        (say("not answered"), [float(day.requests - day.local - day.escalated) for day in each]),
    ]
    money = [
        (say("cost here"), [day.compared_usd for day in each]),
        (say("the reference would have cost"), [day.reference_usd for day in each]),
    ]
    compared = any(day.compared for day in each)
    return {
        "requests": said.drawing(bars.stacked(names, routes, say("Requests of each day by route"))),
        "money": said.drawing(bars.lines(names, money, say("Cost of each day against the reference"), "$"))
        if compared
        else None,
        "energy": said.drawing(
            bars.stacked(names, [(say("Energy"), [day.energy_wh for day in each])], say("Energy of each day, Wh"))
        ),
        "egress": said.drawing(
            bars.stacked(
                names, [(say("Left"), [float(day.egress_bytes) for day in each])], say("Bytes that left each day")
            )
        )
        if any(day.egress_bytes for day in each)
        else None,
    }


def _every_day(days: list[str]) -> list[str]:
    """The days from the first to the last, also those without a request; the newest 400."""
    from datetime import date, timedelta

    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    count = (last - first).days + 1
    return [(last - timedelta(days=back)).isoformat() for back in reversed(range(min(count, 400)))]


async def export(ask: Ask) -> Response:
    """The rows of the page's filter, all of them, as CSV or Parquet; never a text."""
    ledger = ask.server.door.ledger
    if ledger is None:
        raise RequestError("this server keeps no ledger", status=404)
    form = ask.query.get("as", "csv")
    if form not in ("csv", "parquet"):
        raise RequestError(f"'{form[:20]}' is no form of export; expected csv or parquet", param="as")
    wanted = _wanted(ask)
    found = msgspec.structs.replace(wanted.filter(_own(ask)), errors=wanted.errors)
    folder = tempfile.TemporaryDirectory(prefix="jangin-export-")
    path = Path(folder.name) / f"requests.{form}"
    try:
        await asyncio.to_thread(ledger.export, path, found)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(path, filename=path.name, background=BackgroundTask(folder.cleanup))
