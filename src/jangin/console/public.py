"""Certificates for everybody, at /certificates: read only, without a sign-in, where the operator switched them on.

What is shown is what a certificate says: nothing of requests, keys, texts or folders. No cookie is set or read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from jangin.console import said, view
from jangin.errors import JanginError, RequestError
from jangin.page import TONE
from jangin.serve.wire import error_status

if TYPE_CHECKING:
    from jangin import report
    from jangin.console.desk import Desk
    from jangin.serve.fleet import Entry

PATH = "/certificates"
_ADDRESS = re.compile(r"/([^/]+)(/certificate\.json)?")
_PLACE = re.compile(r"""(?<![\w./\\~])(?:(?:~|\.\.?)?/(?!/)|[A-Za-z]:\\)[^\s,;'"]+""")  # no address, no "and/or"


async def answer(desk: Desk, request: Request, path: str) -> Response:
    """path: what follows PATH. Raises: RequestError 404."""
    if not path:
        return await _all(desk, request)
    asked = _ADDRESS.fullmatch(request.scope.get("raw_path", b"").decode("latin-1").removeprefix(PATH).rstrip("/"))
    asked = asked or _ADDRESS.fullmatch(path)
    if asked is None:
        raise RequestError("there is no such page", status=404, code="unknown_url")
    entry = desk.server.fleet.entries.get(unquote(asked[1]))
    if entry is None or not (entry.folder / "certificate.json").is_file():
        raise RequestError("there is no such certificate", status=404, code="unknown_url")
    return await (_file(desk, entry) if asked[2] else _one(desk, request, entry))


async def _all(desk: Desk, request: Request) -> Response:
    from jangin.console import task  # brings the statistics, which a server nobody looks at does without

    rows = []
    for name, entry in sorted(desk.server.fleet.entries.items()):
        if not (entry.folder / "certificate.json").is_file():
            continue
        try:
            rows.append(_told(entry, await task.checked(desk, entry.folder, name, entry.info.sha256)))
        except RequestError:  # it cannot be read
            rows.append(_told(entry, None))
    return _page(request, "public.html", rows=rows)


async def _one(desk: Desk, request: Request, entry: Entry) -> Response:
    from jangin.console import task

    name = entry.info.name
    found = await task.checked(desk, entry.folder, name, entry.info.sha256)
    body, ladder, language = "", None, language_of(request)
    if not found.invalid:
        body, ladder = await task.written(desk, entry.folder, language), task.ladder(found, said.teller(language))
    places = sorted(_places(found), key=len, reverse=True)
    drawn = _bare(ladder, places) if ladder else None
    head, card, rest = _bare(body, places).partition('<div class="card">')  # the verdict, then what it rests on
    about = {**_told(entry, found), "head": head, "rest": card + rest, "ladder": drawn}
    return _page(request, "public_certificate.html", kept=not found.invalid and not places, **about)


async def _file(desk: Desk, entry: Entry) -> Response:
    """The certificate as it lies on the disk: changed in any way it would not be the certificate."""
    from jangin.console import task

    found = await task.checked(desk, entry.folder, entry.info.name, entry.info.sha256)
    if found.invalid or _places(found):
        raise RequestError("this certificate is not given as a file", status=404, code="unknown_url")
    name = quote(f"{entry.info.name}-certificate.json", safe="")
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}"}
    body = (entry.folder / "certificate.json").read_bytes()
    return Response(body, media_type="application/json", headers=headers)


def _told(entry: Entry, found: report.Found | None) -> dict[str, Any]:
    """What both pages say of one specialist. found: None where its certificate cannot be read."""
    certificate = found.certificate if found is not None and not found.invalid else None
    return {
        "name": entry.info.name,
        "task": certificate.task["description"] if certificate else "",
        "address": f"{PATH}/{quote(entry.info.name, safe='')}",
        "certificate": certificate,
        "tone": TONE.get(certificate.result["verdict"], "soft") if certificate else "bad",
    }


def _places(found: report.Found) -> set[str]:
    """Folders of this machine that would be shown: a base that was not taken from the catalogue is named by its own."""
    assert found.certificate is not None
    document = [msgspec.to_builtins(found.certificate), [rung.rung for rung in found.rungs]]
    base = str(found.certificate.lineage["base"].get("id"))
    named = {place for each in _texts(document) for place in _PLACE.findall(each)}
    return named | ({base} if _PLACE.match(base) else set())


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield str(key)
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _bare(markup: str, places: list[str]) -> Markup:
    """Only the last part of each folder's name."""
    for each in places:
        last = (PureWindowsPath(each) if "\\" in each else PurePosixPath(each)).name
        markup = str(markup).replace(escape(each), escape(last))
    return Markup(markup)  # it was markup before


def trouble(request: Request, error: JanginError) -> Response:
    status = error_status(error)
    return _page(request, "public_trouble.html", status, status=status, error=error)


def _page(request: Request, template: str, code: int = 200, **context: Any) -> Response:
    language = language_of(request)
    asked = language if "lang" in request.query_params else ""
    known: dict[str, Any] = {"asked": f"?lang={asked}" if asked else "", "here": request.url.path, "theme": ""}
    known["static"] = lambda name: f"{PATH}/static/{name}?v={view.static()[name].mark}"
    return HTMLResponse(view.render(template, language, **known, **context), code)


def language_of(request: Request) -> str:
    """What the address asks for, else what the browser prefers."""
    asked = request.query_params.get("lang", "")
    return asked if asked in view.LANGUAGES else view.preferred(request.headers.get("accept-language", ""))
