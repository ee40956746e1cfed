"""The console as an ASGI application: which page answers which path, who may see it, and what guards every response."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from jangin.access.keys import Key
from jangin.console import public, said, signin, view
from jangin.console.desk import Ask, Desk, form_of, language_of, secure, theme_of
from jangin.console.session import COOKIE, PATH, Session, cookie_of, key_of, set_cookie
from jangin.errors import EngineError, JanginError, RequestError
from jangin.serve import admin, log
from jangin.serve.door import Visit
from jangin.serve.wire import error_status

if TYPE_CHECKING:
    from jangin.access.keys import Role
    from jangin.console.rooms import Rooms
    from jangin.serve.app import Server

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
GUARDS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
SIGNINS = ("/signin/oidc", "/signin/callback")
ADMIN: tuple[Role, ...] = ("admin",)
WATCH: tuple[Role, ...] = ("admin", "metrics")


class Way(NamedTuple):
    """page: module and function; a module is loaded when one of its pages is first asked for, since some bring the
    statistics with them, a hundred megabytes that a server nobody looks at does without.

    roles: which a key must have one of; empty: any key. uploads: the page reads the body itself.
    """

    method: str
    path: str
    page: str
    roles: tuple[Role, ...] = ()
    uploads: bool = False


WAYS = (
    Way("GET", "", "overview.show"),
    Way("POST", "/load", "overview.load", ADMIN),
    Way("POST", "/reload", "overview.reload", ADMIN),
    Way("POST", "/unload", "overview.unload", ADMIN),
    Way("POST", "/forget", "overview.forget", ADMIN),
    Way("GET", "/tasks/NAME", "task.show"),
    Way("GET", "/tasks/NAME/certificate", "task.certificate"),
    Way("GET", "/tasks/NAME/certificate/FILE", "task.certificate_file"),
    Way("GET", "/tasks/NAME/data", "task.data", ADMIN),
    Way("GET", "/tasks/NAME/compare", "task.compare", ADMIN),
    Way("GET", "/try", "tryout.show"),
    Way("POST", "/try", "tryout.ask"),
    Way("POST", "/try/file", "tryout.upload", (), True),
    Way("GET", "/try/file/ID/events", "tryout.events"),
    Way("GET", "/try/file/ID/answers.csv", "tryout.download"),
    Way("GET", "/ledger", "usage.show"),
    Way("GET", "/ledger/export", "usage.export"),
    Way("GET", "/audit", "trail.show", ADMIN),
    Way("POST", "/audit/verify", "trail.verify", ADMIN),
    Way("GET", "/keys", "trail.keys", ADMIN),
    Way("POST", "/keys/create", "trail.create", ADMIN),
    Way("POST", "/keys/rotate", "trail.rotate", ADMIN),
    Way("POST", "/keys/revoke", "trail.revoke", ADMIN),
    Way("GET", "/review", "review.show", ADMIN),
    Way("POST", "/review/begin", "review.begin", ADMIN),
    Way("POST", "/review/upload", "review.upload", ADMIN, True),
    Way("GET", "/review/ID", "review.walk", ADMIN),
    Way("POST", "/review/ID/label", "review.label", ADMIN),
    Way("GET", "/review/ID/reviewed.jsonl", "review.export", ADMIN),
    Way("GET", "/new", "climbs.show", ADMIN),
    Way("POST", "/new", "climbs.create", ADMIN),
    Way("POST", "/new/upload", "climbs.upload", ADMIN, True),
    Way("GET", "/new/NAME", "climbs.follow", ADMIN),
    Way("POST", "/new/NAME/task", "climbs.change", ADMIN),
    Way("POST", "/new/NAME/train", "climbs.train", ADMIN),
    Way("POST", "/new/NAME/certify", "climbs.certify", ADMIN),
    Way("POST", "/new/NAME/stop", "climbs.stop", ADMIN),
    Way("POST", "/new/NAME/serve", "climbs.serve", ADMIN),
    Way("GET", "/new/NAME/events", "climbs.events", ADMIN),
    Way("GET", "/new/NAME/certificate", "climbs.certificate", ADMIN),
    Way("POST", "/settings", "signin.settings"),
    Way("POST", "/signout", "signin.leave"),
)
_PARTS = {"NAME": r"(?P<name>[^/]+)", "ID": r"(?P<id>[0-9a-f]{16})", "FILE": r"(?P<file>[a-z.]+)"}
_ROUTES = [(re.compile(re.sub(r"NAME|ID|FILE", lambda found: _PARTS[found[0]], way.path)), way) for way in WAYS]


def fronts(server: Server, rooms: Rooms) -> dict[str, ASGIApp]:
    """What answers people under which path of one server: the console, certificates for everybody, or both."""
    desk = Desk(server, rooms)
    found = {PATH: _guarded(desk, _answer)} if rooms.console else {}
    return found | ({public.PATH: _guarded(desk, _answer_everybody)} if rooms.public else {})


def _guarded(desk: Desk, answer: Callable[[Desk, Request], Awaitable[Response]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await answer(desk, Request(scope, receive))
        for name, value in GUARDS.items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    return app


async def _answer_everybody(desk: Desk, request: Request) -> Response:
    path = request.url.path.removeprefix(public.PATH).rstrip("/")
    if path.startswith("/static/"):
        return _static(request, path.removeprefix("/static/"))
    try:
        _refuse_other_sites(desk, request)
        if request.method not in ("GET", "HEAD"):
            raise RequestError("this page answers GET and HEAD only", status=405)
        return await public.answer(desk, request, path)
    except JanginError as error:
        return public.trouble(request, error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets a page
        log.warn("defect", f"{type(error).__name__} at {log.where(error)} [certificates]")
        return public.trouble(request, EngineError("this page could not be shown", "try again later"))


async def _answer(desk: Desk, request: Request) -> Response:
    path = request.url.path.removeprefix(PATH).rstrip("/")
    if path.startswith("/static/"):
        return _static(request, path.removeprefix("/static/"))
    try:
        _refuse_other_sites(desk, request)
        if path == "/signin":
            return await signin.answer(desk, request)
        if path in SIGNINS:
            return await (await _page("arrive.answer"))(desk, request, path)
        route, way = _way(request.method, path)
        session, key = _who(desk, request)
        if session is None:
            return signin.asked(desk, request, key if isinstance(key, str) else "")
        assert not isinstance(key, str)
        form = (
            {}
            if request.method == "GET" or way.uploads
            else form_of(await desk.server.bodies.read(request.scope, request.receive))
        )
        ask = Ask(desk, request, session, key, form)
        ask.path = {name: value for name, value in route.groupdict().items() if value is not None}
        if request.method == "POST" and not session.brings(form.get("csrf") or request.headers.get("x-csrf-token", "")):
            raise RequestError("this form is no longer valid: load the page again", status=403, code="no_csrf")
        if way.roles:
            ask.permit("this page's contents", *way.roles)
        response = await (await _page(way.page))(ask)
        if desk.server.door.keys is None and desk.sessions.find(cookie_of(request)) is not session:
            response.headers.append(
                "set-cookie", set_cookie(COOKIE, desk.sessions.begin(session), secure(desk, request))
            )
        return response
    except JanginError as error:
        return _trouble(desk, request, error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets a page
        log.warn("defect", f"{type(error).__name__} at {log.where(error)} [console]")
        return _trouble(desk, request, EngineError("the console could not show this page", "see the server's log"))


async def _page(name: str) -> Callable[..., Awaitable[Response]]:
    module, _, function = name.partition(".")
    path = f"jangin.console.{module}"
    found = sys.modules.get(path) or await asyncio.to_thread(importlib.import_module, path)
    return getattr(found, function)


def _static(request: Request, name: str) -> Response:
    found = view.static().get(name)
    if found is None or request.method not in ("GET", "HEAD"):
        return Response("not found", 404)
    lasting = "public, max-age=31536000, immutable" if request.query_params.get("v") == found.mark else "no-cache"
    return Response(found.body, media_type=found.media_type, headers={"cache-control": lasting})


def _refuse_other_sites(desk: Desk, request: Request) -> None:
    """Without keys: programs on this machine only. With keys: no form of another site, whatever its token says."""
    if desk.server.door.keys is None:
        visit = Visit(desk.server.door, None, "", "console")
        admin.permitted(request.scope, visit, desk.server.behind_proxy, "pages of a server without keys", "admin")
    elif request.method == "POST" and request.headers.get("sec-fetch-site", "same-origin") not in (
        "same-origin",
        "none",
    ):
        raise RequestError("this form came from another site", status=403, code="other_site")


def _way(method: str, path: str) -> tuple[re.Match[str], Way]:
    """Raises: RequestError 404, 405."""
    methods = set()
    for pattern, way in _ROUTES:
        if (found := pattern.fullmatch(path)) is not None:
            if way.method == method:
                return found, way
            methods.add(way.method)
    if methods:
        raise RequestError(f"this page answers {' and '.join(sorted(methods))} only", status=405)
    raise RequestError("there is no such page", status=404, code="unknown_url")


def _who(desk: Desk, request: Request) -> tuple[Session | None, Key | str | None]:
    """(session, key); no session: who must sign in, and why, where that is known."""
    keys = desk.server.door.keys
    session = desk.sessions.find(cookie_of(request))
    if keys is None:
        return session or Session(), None
    if session is None or not session.key_id:
        return None, "over" if session is None and cookie_of(request) else ""
    if session.person is not None:
        return session, session.person
    keys.refresh()
    key = key_of(keys, session)
    if isinstance(key, str):
        desk.sessions.end(cookie_of(request))
        return None, key
    return session, key


def _trouble(desk: Desk, request: Request, error: JanginError) -> Response:
    """An error as a page; for a script, as JSON."""
    status = error_status(error)
    if "application/json" in request.headers.get("accept", ""):
        tell = said.teller(language_of(request))
        return JSONResponse({"error": tell(error.message), "hint": error.hint and tell(error.hint)}, status)
    page = view.render(
        "trouble.html", language_of(request), theme=theme_of(request), status=status, error=error, here=PATH
    )
    return HTMLResponse(page, status)
