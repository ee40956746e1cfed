"""The fleet: every specialist with what it is, what is proven of it and what it does; load, reload, unload."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import Response

from jangin.console import figures
from jangin.console.desk import Ask
from jangin.console.session import PATH
from jangin.errors import JanginError, RequestError
from jangin.page import TONE
from jangin.serve import app as api

if TYPE_CHECKING:
    from jangin.serve.fleet import Entry

FRESH_S = 2.0  # figures of the ledger that are no older are shown again


async def show(ask: Ask, error: JanginError | None = None, path: str = "") -> Response:
    entries = {name: entry for name, entry in ask.server.fleet.entries.items() if ask.sees(name)}
    ledger = ask.server.door.ledger
    if ask.watches:
        age = int(time.monotonic() / FRESH_S)
        known = await ask.desk.kept("used", (age, tuple(entries)), lambda: figures.used(ledger, tuple(entries)))
    else:
        known = {name: figures.Used() for name in entries}
    languages = await asyncio.gather(*(_languages(ask, entry) for entry in entries.values()))
    rows = [
        {"entry": entry, "used": known[name], "tone": tone_of(entry), "languages": spoken, **_health(entry)}
        for (name, entry), spoken in zip(entries.items(), languages)
    ]
    status = 200 if error is None else getattr(error, "status", 400)
    missing = ask.desk.remembered.missing if ask.admin and ask.desk.remembered is not None else {}
    return ask.page("fleet.html", status, rows=rows, error=error, path=path, kept=ledger is not None, missing=missing)


async def load(ask: Ask) -> Response:
    path = ask.field("path", 2_000)
    try:
        found = await ask.act(api.load, {"path": path}, acts=True)
        await ask.remember(found["id"])
    except JanginError as error:
        return await show(ask, error, path)
    return ask.to(PATH)


async def reload(ask: Ask) -> Response:
    return await _change(ask, api.reload, {"model": ask.field("model")})


async def unload(ask: Ask) -> Response:
    return await _change(ask, api.unload, {"model": ask.field("model")})


async def forget(ask: Ask) -> Response:
    """A folder that was in service and could not be loaded is not tried again."""
    folder = ask.field("folder", 4_096)
    if ask.desk.remembered is None or folder not in ask.desk.remembered.missing:
        raise RequestError("there is no such folder here", status=404)
    await asyncio.to_thread(ask.desk.remembered.remove, folder)
    return ask.to(PATH)


async def _change(ask: Ask, work: Any, body: dict[str, Any]) -> Response:
    try:
        await ask.act(work, body, acts=True)
    except JanginError as error:
        return await show(ask, error)
    return ask.to(PATH)


def tone_of(entry: Entry) -> str:
    return TONE.get(entry.certificate.verdict, "soft") if entry.certificate else "soft"


def address(name: str) -> str:
    """The task page of a specialist."""
    return f"{PATH}/tasks/{quote(name, safe='')}"


def _health(entry: Entry) -> dict[str, Any]:
    engine = entry.engine
    stale = entry.promise is not None and entry.promise.stale
    tone = "bad" if not engine.up else "warn" if stale else "good"
    words = "engine down" if not engine.up else "promise stale" if stale else "up"
    return {"health": words, "health_tone": tone, "restarts": engine.restarts, "address": address(entry.info.name)}


async def _languages(ask: Ask, entry: Entry) -> str:
    def read() -> str:
        task = figures.task_of(entry.folder)
        return ", ".join(task.languages) if task else ""

    return await ask.desk.kept(("languages", entry.folder), figures.marks(entry.folder), read)
