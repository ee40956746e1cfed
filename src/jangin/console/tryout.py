"""Try it: one text, or a file, asked as a client would ask; what came of it, what it cost, and what would be hidden."""

from __future__ import annotations

import asyncio
import csv
import functools
import io
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
from markupsafe import Markup, escape
from starlette.responses import JSONResponse, Response, StreamingResponse

from jangin.console import figures, jobs, recorded
from jangin.console.desk import Ask
from jangin.console.jobs import Job
from jangin.console.session import PATH
from jangin.errors import InputError, JanginError, MissingExtraError, Overloaded, RequestError
from jangin.pii.presidio import without_models
from jangin.serve import app as api
from jangin.serve import wire
from jangin.task import LABELLED

if TYPE_CHECKING:
    from jangin.serve.fleet import Entry

SHOWN = 12  # probabilities
AT_ONCE = 64  # rows of a file in one request
MOST_ROWS, MOST_BYTES, MOST_ID = 50_000, 32_000_000, 200
NAMES = ("input", "text", "message", "messages")


def specialists(ask: Ask) -> list[Entry]:
    return [entry for name, entry in ask.server.fleet.entries.items() if ask.key is None or ask.key.may(name)]


async def show(ask: Ask) -> Response:
    return _page(ask, {"text": "", "model": ask.query.get("model", ""), "other": ""})


async def ask(ask: Ask) -> Response:
    text = ask.form.get("text", "")
    given = {"text": text, "model": ask.field("model"), "other": ask.field("other")}
    try:
        wire.checked(text.strip(), "text")
        names = [name for name in (given["model"], given["other"]) if name]
        answers = [await _answered(ask, name, text) for name in dict.fromkeys(names)]
        hidden = await asyncio.to_thread(_hidden, text)
    except JanginError as error:
        return _page(ask, given, error=error)
    return _page(ask, given, answers=answers, hidden=hidden)


def _page(ask: Ask, given: dict[str, str], error: JanginError | None = None, **context: Any) -> Response:
    known = {"answers": [], "hidden": None, **context}
    status = 200 if error is None else wire.error_status(error)
    return ask.page("try.html", status, specialists=specialists(ask), given=given, error=error, **known)


async def _answered(ask: Ask, name: str, text: str) -> dict[str, Any]:
    """An answer, or what stood in its way, for one column of the page."""
    try:
        entry = ask.server.fleet.get(name, ask.sees)
        if entry.info.kind in LABELLED:
            found = await ask.act(api.classify, {"model": name, "input": text, "top_k": SHOWN})
            row = found["data"][0]
            given = row["label"] if "label" in row else ", ".join(row["labels"] or []) or None
            chances = list(row["probabilities"].items())
        else:
            found = await ask.act(api.chat, {"model": name, "messages": [{"role": "user", "content": text}]})
            given, chances = found["choices"][0]["message"]["content"], []
    except JanginError as error:
        return {"name": name, "error": error}
    mark = figures.marks(entry.folder)
    reference = await ask.desk.kept(("reference", entry.folder), mark, lambda: recorded.answers_of(entry.folder))
    return {
        "name": name,
        "error": None,
        "entry": entry,
        "answer": given,
        "chances": chances,
        "about": found["jangin"],
        "unit": entry.certificate.reference_usd if entry.certificate else None,
        "reference": reference.get(recorded.key_of(text)) if reference else None,
        "by": reference.model if reference else "",
    }


@functools.cache
def _detector() -> Any:
    """One for all: making it compiles hundreds of patterns. Raises: MissingExtraError."""
    from jangin import pii

    with without_models():
        return pii.Detector()


def _hidden(text: str) -> dict[str, Any]:
    """What redaction would take out of this text before it left: the text with its places marked."""
    from jangin import pii

    try:
        redacted = pii.Redactor(_detector()).redact(text)
    except MissingExtraError as error:
        return {"missing": f"{error.message}: {error.hint}"}
    parts, rest = [], redacted.text
    for entity, times in redacted.vault.counts().items():
        parts.append(f"{entity} {times}")
    shown = escape(rest)
    for number in range(1, 1 + sum(redacted.vault.counts().values())):
        for entity in redacted.vault.counts():
            mark = f"&lt;{entity}_{number}&gt;"
            shown = shown.replace(Markup(mark), Markup(f"<mark>{mark}</mark>"))  # a name of ours
    return {"missing": None, "found": parts, "text": shown}


async def upload(ask: Ask) -> Response:
    """A file of inputs, as the request's body; answers with where its progress is told."""
    name = Path(ask.query.get("file", "")).name
    entry = ask.server.fleet.get(ask.query.get("model", ""), ask.sees)
    if entry not in specialists(ask):
        raise RequestError(f"this key may not ask '{entry.info.name}'", status=403, code="not_permitted")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{''.join(Path(name).suffixes[-2:]).lower()}"
        await receive(ask, path, MOST_BYTES)
        rows = await asyncio.to_thread(inputs, path, name)
    owner = ask.key.id if ask.key else ""
    job = Job(owner, len(rows), {"name": Path(name).stem, "model": entry.info.name})
    ask.desk.jobs.begin(job, lambda job: _work(ask, job, entry, rows))
    return JSONResponse({"events": f"{PATH}/try/file/{job.id}/events"})


async def receive(ask: Ask, path: Path, most: int) -> int:
    """Writes the request's body into a file; its bytes. Raises: RequestError 413."""
    size = 0
    with path.open("wb") as file:
        async for part in ask.request.stream():
            size += len(part)
            if size > most:
                raise RequestError(f"the file is larger than {most:,} bytes", status=413, code="body_too_large")
            await asyncio.to_thread(file.write, part)
    return size


def inputs(path: Path, name: str) -> list[tuple[str, Any]]:
    """(id, input) of each row; a row that cannot be read has no input. Raises: DataError, RequestError."""
    from jangin.data.read import Fault, read_rows

    found: list[tuple[str, Any]] = []
    size = 0  # a small file that was compressed may hold as much as memory
    for row in islice(read_rows(path), MOST_ROWS + 1):
        if isinstance(row, Fault):
            found.append((str(row.number), None))
            continue
        column = next((each for each in NAMES if each in row.fields), next(iter(row.fields), ""))
        value = row.fields.get(column)
        value = value if isinstance(value, str | list) else None
        size += len(value) if isinstance(value, str) else len(msgspec.json.encode(value))
        if size > MOST_BYTES:
            raise InputError(
                f"{name}: more than {MOST_BYTES:,} characters of input", "jangin predict answers files of any length"
            )
        found.append((str(row.fields.get("id") or row.number)[:MOST_ID], value))
    if len(found) > MOST_ROWS:
        raise InputError(f"{name}: more than {MOST_ROWS:,} rows", "jangin predict answers files of any length")
    if not found:
        raise InputError(f"{name}: no rows", f"give a column named one of {', '.join(NAMES)}")
    return found


async def _work(ask: Ask, job: Job, entry: Entry, rows: list[tuple[str, Any]]) -> None:
    """Through the same door as any client's requests, so under the key's limits and in the ledger."""
    size = AT_ONCE if entry.info.kind in LABELLED else 1
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        usable = [(at, value) for at, (_, value) in enumerate(part) if _is_input(value)]
        answers: dict[int, list[Any]] = {}
        if usable:
            given = await _patiently(ask, entry, [value for _, value in usable])
            answers = {at: answer for (at, _), answer in zip(usable, given)}
        for at, (name, value) in enumerate(part):
            if at not in answers:
                job.faults += 1
            job.rows.append([name, value if isinstance(value, str) else "", *answers.get(at, ["", "", "no text"])])
        job.done += len(part)


async def _patiently(ask: Ask, entry: Entry, values: list[Any]) -> list[list[Any]]:
    """Answers as [answer, confidence, route]; waits where the server has much to do."""
    for _ in range(100):
        try:
            return await _asked(ask, entry, values)
        except Overloaded as error:
            await asyncio.sleep(min(5.0, error.retry_after_s or 1.0))
    raise RequestError("the server has had too much to do for minutes", status=429, code="overloaded")


async def _asked(ask: Ask, entry: Entry, values: list[Any]) -> list[list[Any]]:
    name = entry.info.name
    if entry.info.kind in LABELLED:
        found = await ask.act(api.classify, {"model": name, "input": values, "top_k": 1})
        return [
            [
                row["label"] if "label" in row else ", ".join(row["labels"] or []),
                row["confidence"],
                row.get("route", "local"),
            ]
            for row in found["data"]
        ]
    [value] = values
    messages = value if isinstance(value, list) else [{"role": "user", "content": value}]
    found = await ask.act(api.chat, {"model": name, "messages": messages})
    about = found["jangin"]
    return [[found["choices"][0]["message"]["content"], about.get("confidence", ""), about["route"]]]


def _is_input(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, str) and 0 < len(value.strip()) <= wire.MAX_TEXT_CHARS)


async def events(ask: Ask) -> Response:
    job = _job(ask)
    over = lambda: None if job.ended_at is None else {"show": ["failed"] if job.error else ["ready"]}  # noqa: E731
    link = f"{PATH}/try/file/{job.id}/answers.csv"
    told = jobs.stream(lambda: {**job.state(), "link": link}, over, ask.desk.stopping)
    return StreamingResponse(told, media_type="text/event-stream")


async def download(ask: Ask) -> Response:
    """The answers as CSV; cells that a spreadsheet would run are made texts."""
    job = _job(ask)
    if job.ended_at is None:
        raise RequestError("this file is still being answered", status=409)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "input", "answer", "confidence", "route"])
    writer.writerows([[_harmless(cell) for cell in row] for row in job.rows])
    name = quote(f"{job.about['name'][:80]}-{job.about['model']}.csv", safe="")
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(text.getvalue().encode("utf-8-sig"), media_type="text/csv", headers=headers)


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _job(ask: Ask) -> Job:
    return ask.desk.jobs.get(ask.path["id"], ask.key.id if ask.key else "")
