"""Review: the rows that a specialist is least sure of, one after the other; what is decided is training data.

A review is one file in the workspace: the rows in the order in which they are shown, and what was decided of each.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import JSONResponse, Response

from jangin.console import decisions, sources
from jangin.console.decisions import Item, Review
from jangin.console.desk import Ask
from jangin.console.session import PATH
from jangin.console.sources import MOST_ROWS, Rows
from jangin.console.task import looked_at
from jangin.console.tryout import receive
from jangin.errors import InputError, JanginError, RequestError
from jangin.files import write_atomic
from jangin.task import LABELLED

if TYPE_CHECKING:
    from jangin.serve.fleet import Entry

MOST_SHOWN = 500
MOST_BYTES = 32_000_000
CHOICES, MOST_TAGS = 9, 200
WRITING_S, AT_ONCE = 60.0, 4  # where answers are written, the time that a review may take to begin
SOURCES = {
    "ledger": "texts that the ledger keeps",
    "capture": "captured exchanges",
    "validation": "rows of validation",
    "file": "a file of inputs",
}


def _folder(ask: Ask) -> Path:
    if ask.desk.workspace is None:
        raise RequestError("this server has no state folder, so no review can be kept: start it with --state DIR")
    return ask.desk.workspace / "reviews"


def _entries(ask: Ask) -> list[Entry]:
    return list(ask.server.fleet.entries.values())


async def show(ask: Ask, error: JanginError | None = None) -> Response:
    kept = ask.desk.workspace is not None
    found = await asyncio.to_thread(_all, _folder(ask)) if kept else []
    status = 200 if error is None else getattr(error, "status", 400)
    sources = {name: about for name, about in SOURCES.items() if name != "file"}
    return ask.page(
        "reviews.html",
        status,
        kept=kept,
        rows=found,
        entries=_entries(ask),
        sources=sources,
        error=error,
        form=ask.form,
    )


def _all(folder: Path) -> list[dict[str, Any]]:
    """The newest first."""
    found = []
    for path in sorted(folder.glob("*.json"), key=lambda path: -path.stat().st_mtime)[:50]:
        try:
            review = msgspec.json.decode(path.read_bytes(), type=Review)
        except (OSError, msgspec.DecodeError):
            continue
        about = {"model": review.model, "source": SOURCES.get(review.source, ""), "made": review.made}
        found.append({"id": path.stem, "done": review.done, "n": len(review.items), **about})
    return found


async def begin(ask: Ask) -> Response:
    try:
        entry = ask.server.fleet.get(ask.field("model"))
        source = ask.field("source")
        rows = await _rows(ask, entry, source)
        where = await _begin(ask, entry, source, rows)
    except JanginError as error:
        return await show(ask, error)
    return ask.to(where)


async def upload(ask: Ask) -> Response:
    """A file of inputs as the request's body."""
    import tempfile

    from jangin.console.tryout import inputs

    entry = ask.server.fleet.get(ask.query.get("model", ""))
    name = Path(ask.query.get("file", "")).name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{''.join(Path(name).suffixes[-2:]).lower()}"
        await receive(ask, path, MOST_BYTES)
        found = await asyncio.to_thread(inputs, path, name)
    rows: Rows = [(value, None) for _, value in found if isinstance(value, str) and value.strip()]
    return JSONResponse({"to": await _begin(ask, entry, "file", rows[:MOST_ROWS])})


async def _rows(ask: Ask, entry: Entry, source: str) -> Rows:
    """(input, what somebody else said of it). Raises: InputError where there is nothing."""
    if source == "ledger":
        return await asyncio.to_thread(sources.of_ledger, ask, entry.info.name)
    if source == "capture":
        return await asyncio.to_thread(sources.captured, ask, entry)
    if source == "validation":
        found = await looked_at(ask.desk, entry.folder)
        return await asyncio.to_thread(sources.validation, found)
    raise RequestError(f"'{source[:40]}' is no source of rows", param="source")


async def _begin(ask: Ask, entry: Entry, source: str, rows: Rows) -> str:
    """Asks the specialist, puts the contested and the least sure rows first, and keeps them. The rows go to the engine
    only: a review is no use of the task, so the ledger does not count it."""
    if not rows:
        raise InputError("there are no rows to review", "choose another source")
    info = entry.info
    items = await (_labelled(ask, entry, rows) if info.kind in LABELLED else _written(ask, entry, rows))
    items.sort(key=lambda item: (not item.contested, 1.0 if item.confidence is None else item.confidence))
    schema = info.writing.schema if info.writing is not None else None
    review = Review(info.name, info.sha256, source, info.labels, time.time(), items[:MOST_SHOWN], info.kind, schema)
    name = os.urandom(8).hex()
    await asyncio.to_thread(write_atomic, _folder(ask) / f"{name}.json", msgspec.json.encode(review))
    return f"{PATH}/review/{name}"


async def _labelled(ask: Ask, entry: Entry, rows: Rows) -> list[Item]:
    from jangin.serve import replies

    items = []
    single = entry.info.kind == "classify"
    for start in range(0, len(rows), 64):
        part = rows[start : start + 64]
        answers = await ask.server.fleet.answer(entry, [text for text, _ in part])
        for (text, other), row in zip(part, replies.rows(entry, answers)):
            ranked = replies.ranked(entry, row.probabilities, None)
            chances = list(ranked.items())[: CHOICES if single else MOST_TAGS]
            if single and row.given[0] not in dict(chances):  # the rule for what is out of scope gives less likely ones
                chances = [(row.given[0], ranked[row.given[0]]), *chances[:-1]]
            given = row.given[0] if single else row.given
            items.append(Item(text, given, round(row.confidence, 4), chances, other))
    return items


async def _written(ask: Ask, entry: Entry, rows: Rows) -> list[Item]:
    """As many as can be written in WRITING_S; a row that is too long for the specialist has no answer."""
    items: list[Item] = []
    begun = time.monotonic()
    for start in range(0, len(rows), AT_ONCE):
        if items and time.monotonic() - begun > WRITING_S:
            break
        items += await asyncio.gather(*(_one(ask, entry, *row) for row in rows[start : start + AT_ONCE]))
    return items


async def _one(ask: Ask, entry: Entry, text: str, other: Any) -> Item:
    from jangin.serve import asked, wire

    body = {"model": entry.info.name, "messages": [{"role": "user", "content": text}]}
    try:
        order = asked.of_chat(wire.read_chat(msgspec.json.encode(body)), entry.info, entry.handle)
        with ask.server.fleet.write(entry, order) as writing:
            given = "".join([piece async for piece in writing])
    except RequestError as error:
        if error.status == 429:
            raise
        return Item(text, None, 0.0, [], other)
    end = writing.finished
    fields = sorted((end.fields or {}).items(), key=lambda each: each[1]) if end is not None else []
    answer = decisions.as_answer(entry.info.kind, [], given)
    return Item(text, answer, None if end is None else end.confidence, fields, other)


def _read(ask: Ask) -> tuple[Path, Review]:
    path = _folder(ask) / f"{ask.path['id']}.json"
    try:
        return path, msgspec.json.decode(path.read_bytes(), type=Review)
    except FileNotFoundError:
        raise RequestError("there is no such review", status=404) from None
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{path.name}: cannot be read ({error})", "begin another review") from None


async def walk(ask: Ask) -> Response:
    _, review = await asyncio.to_thread(_read, ask)
    at = _place(ask.query.get("at", ""), review)
    return _shown(ask, review, at)


def _shown(ask: Ask, review: Review, at: int | None, error: JanginError | None = None) -> Response:
    about = {"review": review, "at": at, "id": ask.path["id"], "source": SOURCES[review.source], "error": error}
    status = 200 if error is None else getattr(error, "status", 400)
    return ask.page("review.html", status, told=decisions.told, written=decisions.written, form=ask.form, **about)


def _place(text: str, review: Review) -> int | None:
    """The row that is asked for, else the first that is open; None: all are decided."""
    if text.isascii() and text.isdigit() and int(text) < len(review.items):
        return int(text)
    return next((at for at, item in enumerate(review.items) if item.decided is None and not item.skipped), None)


async def label(ask: Ask) -> Response:
    """What a reader decided of one row; goes on to the next. What is no answer of the task is shown again."""
    at = ask.field("at", 6)
    path, review = await asyncio.to_thread(_read, ask)
    if not (at.isascii() and at.isdigit() and int(at) < len(review.items)):
        raise RequestError(f"there is no row {at[:6]} in this review", param="at")
    item = review.items[int(at)]
    if ask.form.get("skip"):
        item.decided, item.skipped = None, True
    else:
        try:
            item.decided, item.skipped = decisions.decided(review, ask.form), False
        except RequestError as error:
            return _shown(ask, review, int(at), error)
    write_atomic(path, msgspec.json.encode(review))  # small, and in the loop: no two decisions overtake one another
    following = int(at) + 1
    return ask.to(f"{PATH}/review/{ask.path['id']}" + (f"?at={following}" if following < len(review.items) else ""))


async def export(ask: Ask) -> Response:
    """The decided rows as training data: one JSON object a line, as `data:` of a task reads it."""
    path, review = await asyncio.to_thread(_read, ask)
    lines = [
        msgspec.json.encode({"input": item.input, "output": item.decided}) + b"\n"
        for item in review.items
        if item.decided is not None
    ]
    headers = {"content-disposition": f'attachment; filename="reviewed-{path.stem}.jsonl"'}
    return Response(b"".join(lines), media_type="application/jsonl", headers=headers)
