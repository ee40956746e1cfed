"""Review: the rows that a specialist is least sure of, one after the other; what is decided is training data.

A review is one file in the workspace: the rows in the order in which they are shown, and what was decided of each.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import JSONResponse, Response

from jangin.console import evidence
from jangin.console.desk import Ask
from jangin.console.session import PATH
from jangin.console.task import looked_at
from jangin.console.tryout import receive
from jangin.egress.captured import Exchange, Torn, read
from jangin.errors import InputError, JanginError, RequestError
from jangin.files import write_atomic
from jangin.ledger.row import Filter
from jangin.prompt import render

if TYPE_CHECKING:
    from jangin.serve.fleet import Entry

MOST_ROWS = 2_000  # looked at; the least sure of them are shown
MOST_SHOWN = 500
MOST_BYTES = 32_000_000
CHOICES = 9
SOURCES = {
    "ledger": "texts that the ledger keeps",
    "capture": "captured exchanges",
    "validation": "rows of validation",
    "file": "a file of inputs",
}


class Item(msgspec.Struct):
    """One row. other: what somebody else said of it (the captured model, or the truth of validation).

    decided: the label that a reader gave it; skipped: a reader left it out.
    """

    input: str
    answer: str
    confidence: float
    chances: list[tuple[str, float]] = []
    other: str | None = None
    decided: str | None = None
    skipped: bool = False

    @property
    def contested(self) -> bool:
        return self.other is not None and self.other != self.answer


class Review(msgspec.Struct):
    model: str
    sha256: str
    source: str
    labels: list[str]
    made: float
    items: list[Item]

    @property
    def done(self) -> int:
        return sum(item.decided is not None or item.skipped for item in self.items)


def _folder(ask: Ask) -> Path:
    if ask.desk.workspace is None:
        raise RequestError("this server has no state folder, so no review can be kept: start it with --state DIR")
    return ask.desk.workspace / "reviews"


def _entries(ask: Ask) -> list[Entry]:
    return [each for each in ask.server.fleet.entries.values() if each.info.kind == "classify"]


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
        entry = _entry(ask, ask.field("model"))
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

    entry = _entry(ask, ask.query.get("model", ""))
    name = Path(ask.query.get("file", "")).name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{''.join(Path(name).suffixes[-2:]).lower()}"
        await receive(ask, path, MOST_BYTES)
        found = await asyncio.to_thread(inputs, path, name)
    rows: list[tuple[str, str | None]] = []
    rows += [(value, None) for _, value in found if isinstance(value, str) and value.strip()]
    return JSONResponse({"to": await _begin(ask, entry, "file", rows[:MOST_ROWS])})


def _entry(ask: Ask, name: str) -> Entry:
    entry = ask.server.fleet.get(name)
    if entry.info.kind != "classify":
        message = f"'{name}' is of kind {entry.info.kind}; only single labels are reviewed here"
        raise RequestError(message, param="model", code="wrong_kind")
    return entry


async def _rows(ask: Ask, entry: Entry, source: str) -> list[tuple[str, str | None]]:
    """(input, what somebody else said of it). Raises: InputError where there is nothing."""
    if source == "ledger":
        return await asyncio.to_thread(_of_ledger, ask, entry.info.name)
    if source == "capture":
        return await asyncio.to_thread(_captured, ask, entry)
    if source == "validation":
        found = await looked_at(ask.desk, entry.folder)
        rows = await asyncio.to_thread(evidence.validation_rows, found)
        if not rows:
            raise InputError("the rows of validation are not here", "the task must lie where it was trained, unchanged")
        return [(row["input"], row["truth"]) for row in rows]
    raise RequestError(f"'{source[:40]}' is no source of rows", param="source")


def _of_ledger(ask: Ask, task: str) -> list[tuple[str, str | None]]:
    ledger = ask.server.door.ledger
    if ledger is None:
        raise InputError("this server keeps no ledger", "start it with --state DIR")
    page = ledger.query(Filter(task=task), limit=MOST_ROWS, texts=True)
    found: dict[str, None] = {}
    for text in page.texts.values():
        given = _list(text.input) if text.input.startswith("[") else [text.input]
        found |= dict.fromkeys(each for each in given if each.strip())
    if not found:
        raise InputError(
            f"the ledger keeps no texts of '{task}'", "write 'policy: {texts: {keep_days: N}}' into its task"
        )
    return [(text, None) for text in found]


def _list(text: str) -> list[str]:
    """The texts of a row of several; one text that begins with a bracket is itself."""
    try:
        found = json.loads(text)
    except ValueError:
        return [text]
    return found if isinstance(found, list) and all(isinstance(each, str) for each in found) else [text]


def _captured(ask: Ask, entry: Entry) -> list[tuple[str, str | None]]:
    outlet = ask.server.outlet
    folder = outlet.capture.folder / entry.info.name if outlet is not None and outlet.capture is not None else None
    if folder is None or not folder.is_dir():
        raise InputError(f"nothing of '{entry.info.name}' was captured on this server", "see docs/egress.md")
    found: dict[str, str | None] = {}
    exchanges = (each for each in read(folder) if not isinstance(each, Torn))
    for each in islice(exchanges, MOST_ROWS):
        turns = [turn for turn in each.messages if turn["role"] == "user"]
        text = turns[0]["content"] if len(turns) == 1 else render(each.messages)
        if text.strip():
            found[text] = _label(entry, each)
    return list(found.items())


def _label(entry: Entry, exchange: Exchange) -> str | None:
    """The captured answer as one of the labels; None where it is none."""
    bare = (exchange.answer or "").strip().strip("\"'`.").strip().casefold()
    return next((label for label in entry.info.labels if label.casefold() == bare), None)


async def _begin(ask: Ask, entry: Entry, source: str, rows: list[tuple[str, str | None]]) -> str:
    """Asks the specialist, puts the contested and the least sure rows first, and keeps them. The rows go to the engine
    only: a review is no use of the task, so the ledger does not count it."""
    from jangin.serve import replies

    if not rows:
        raise InputError("there are no rows to review", "choose another source")
    items = []
    for start in range(0, len(rows), 64):
        part = rows[start : start + 64]
        answers = await ask.server.fleet.answer(entry, [text for text, _ in part])
        for (text, other), row in zip(part, replies.rows(entry, answers)):
            ranked = replies.ranked(entry, row.probabilities, None)
            chances = list(ranked.items())[:CHOICES]
            if row.given[0] not in dict(chances):  # the rule for what is out of scope gives less likely labels too
                chances = [(row.given[0], ranked[row.given[0]]), *chances[:-1]]
            items.append(Item(text, row.given[0], round(row.confidence, 4), chances, other))
    items.sort(key=lambda item: (not item.contested, item.confidence))
    review = Review(entry.info.name, entry.info.sha256, source, entry.info.labels, time.time(), items[:MOST_SHOWN])
    name = os.urandom(8).hex()
    await asyncio.to_thread(write_atomic, _folder(ask) / f"{name}.json", msgspec.json.encode(review))
    return f"{PATH}/review/{name}"


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
    return ask.page("review.html", review=review, at=at, id=ask.path["id"], source=SOURCES[review.source])


def _place(text: str, review: Review) -> int | None:
    """The row that is asked for, else the first that is open; None: all are decided."""
    if text.isascii() and text.isdigit() and int(text) < len(review.items):
        return int(text)
    return next((at for at, item in enumerate(review.items) if item.decided is None and not item.skipped), None)


async def label(ask: Ask) -> Response:
    """What a reader decided of one row; goes on to the next."""
    at, chosen = ask.field("at", 6), ask.form.get("label", "")
    path, review = await asyncio.to_thread(_read, ask)
    if not (at.isascii() and at.isdigit() and int(at) < len(review.items)):
        raise RequestError(f"there is no row {at[:6]} in this review", param="at")
    item = review.items[int(at)]
    if ask.form.get("skip"):
        item.decided, item.skipped = None, True
    elif chosen in review.labels:
        item.decided, item.skipped = chosen, False
    else:
        raise RequestError(f"'{chosen[:80]}' is no label of this task", param="label")
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
