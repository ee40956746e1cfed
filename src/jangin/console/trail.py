"""The audit log as it stands, what left and why, and the keys of this server."""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path
from typing import Any

import msgspec
from starlette.responses import Response

from jangin.access.keys import GRACE_S, ROLES
from jangin.audit import files
from jangin.audit.chain import Entry, read_line
from jangin.audit.verify import Verified, newest
from jangin.audit.verify import verify as walk
from jangin.console.desk import Ask
from jangin.errors import InputError, JanginError, RequestError
from jangin.serve import admin

TAIL_BYTES = 1 << 20  # of the newest files: what the page reads of a long log
SHOWN = 200
DAY_S = 86_400.0
LIMITS = ("requests_per_minute", "tokens_per_minute", "concurrent", "usd_per_day", "usd_per_month")
KINDS = ("", "egress", "admin", "server")


async def show(ask: Ask, verified: Verified | None = None) -> Response:
    log = ask.server.door.audit
    if log is None:
        return ask.page("audit.html", kept=False)
    kind = ask.query.get("kind", "")
    kind = kind if kind in KINDS else ""
    entries, whole = await asyncio.to_thread(_tail, log.folder, kind)
    head = await asyncio.to_thread(_head, log.folder)
    return ask.page(
        "audit.html",
        kept=True,
        entries=[_told(each) for each in entries],
        whole=whole,
        head=head,
        verified=verified,
        kind=kind,
        kinds=KINDS,
        folder=str(log.folder),
        names={key.id: key.name for key in ask.server.door.keys or ()},
    )


async def verify(ask: Ask) -> Response:
    """Reads the whole log, line by line; on a form, since that takes a second for each hundred megabytes or so."""
    log = ask.server.door.audit
    if log is None:
        raise RequestError("this server keeps no audit log", status=404)
    return await show(ask, await asyncio.to_thread(walk, log.folder))


def _tail(folder: Path, kind: str) -> tuple[list[Entry], bool]:
    """(the newest entries, newest first; whether these are all that there are of the kind)."""
    found: list[Entry] = []
    left = TAIL_BYTES
    for path in reversed(files.log_files(folder)):
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - left))
            lines = file.read(left).split(b"\n")
        begun = size > left
        for line in reversed(lines[1 if begun else 0 :]):
            entry = read_line(line) if line else ""
            if isinstance(entry, Entry) and (not kind or entry.kind == kind or entry.kind.startswith(f"{kind}.")):
                if len(found) == SHOWN:
                    return found, False
                found.append(entry)
        left -= size
        if left <= 0:
            return found, not begun
    return found, True


def _head(folder: Path) -> str:
    try:
        return newest(folder).text()
    except JanginError as error:
        return error.message


def _told(entry: Entry) -> dict[str, Any]:
    """One entry for a table: what is said of every one of them, and the rest of its fields."""
    fields = dict(entry.fields)
    who = fields.pop("key", "")
    return {"entry": entry, "who": who, "egress": entry.kind.startswith("egress"), "fields": _pairs(fields)}


def _pairs(fields: dict[str, Any]) -> list[tuple[str, str]]:
    told = []
    for name, value in fields.items():
        if value is None or value in ("", [], {}):
            continue
        shown = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        told.append((name, shown if len(shown) <= 160 else f"{shown[:159]}…"))
    return told


async def keys(ask: Ask, *, made: dict[str, Any] | None = None, error: JanginError | None = None) -> Response:
    found = ask.server.door.keys
    if found is None:
        return ask.page("keys.html", has_keys=False)
    found.refresh()
    now = time.time()
    rows: list[dict[str, Any]] = [{"key": key, "state": _state(key, now), "limits": _limits(key)} for key in found]
    rows.sort(key=lambda row: (row["state"] != "in force", row["key"].name))
    tasks = sorted({*ask.server.fleet.entries, *(task for key in found for task in key.tasks or ())})
    status = 200 if error is None else getattr(error, "status", 400)
    return ask.page(
        "keys.html", status, has_keys=True, rows=rows, made=made, error=error, roles=ROLES, tasks=tasks, form=ask.form
    )


def _state(key: Any, now: float) -> str:
    if key.revoked is not None:
        return "revoked"
    return "expired" if key.expires is not None and now >= key.expires else "in force"


def _limits(key: Any) -> list[tuple[str, str]]:
    return [(name, f"{value:g}") for name in LIMITS if (value := getattr(key.limits, name)) is not None]


async def create(ask: Ask) -> Response:
    try:
        lasts = _figure(ask, "lasts_days")
        limits = {name: _whole(ask, name) if not name.startswith("usd") else _figure(ask, name) for name in LIMITS}
        body = {
            "name": ask.field("name", 64),
            "roles": ask.form.get("roles", "").split("\n") if ask.form.get("roles") else [],
            "tasks": ask.form["tasks"].split("\n") if ask.form.get("tasks") else None,
            "limits": {name: value for name, value in limits.items() if value is not None},
            "lasts_s": None if lasts is None else lasts * DAY_S,
        }
        made = await ask.act(admin.create_key, body, acts=True)
    except JanginError as error:
        return await keys(ask, error=error)
    return await keys(ask, made=made)


def _figure(ask: Ask, name: str) -> float | None:
    """Raises: InputError for what is no number above 0."""
    text = ask.field(name, 20)
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise InputError(f"'{name}' is {text}; expected a number above 0", "leave it empty for no limit")
    return found


def _whole(ask: Ask, name: str) -> int | None:
    found = _figure(ask, name)
    if found is not None and found != int(found):
        raise InputError(f"'{name}' is {found:g}; expected a whole number", "leave it empty for no limit")
    return None if found is None else int(found)


async def rotate(ask: Ask) -> Response:
    try:
        body = {"key": ask.field("key"), "grace_s": 0.0 if ask.form.get("grace") == "none" else GRACE_S}
        made = await ask.act(admin.rotate_key, body, acts=True)
    except JanginError as error:
        return await keys(ask, error=error)
    return await keys(ask, made=made)


async def revoke(ask: Ask) -> Response:
    try:
        await ask.act(admin.revoke_key, {"key": ask.field("key")}, acts=True)
    except JanginError as error:
        return await keys(ask, error=error)
    return ask.to("/console/keys")
