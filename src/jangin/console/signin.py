"""Signing in with a key and out again; language and light or dark, which a browser keeps in cookies of its own."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from jangin.access.keys import hash_of
from jangin.console import said, view
from jangin.console.desk import THEMES, Ask, Desk, form_of, language_of, secure, theme_of
from jangin.console.session import COOKIE, PATH, Session, cookie_of, inside, set_cookie, why_not
from jangin.errors import RequestError

YEAR_S = 365 * 24 * 3600
MOST = 200  # characters of a key
WHY = {
    "expired": "This key has expired. Sign in with another one, or ask an administrator for a new key.",
    "revoked": "This key was revoked. Sign in with another one.",
    "changed": "This key was rotated. Sign in with the new one.",
    "over": "Your session is over: sign in again.",
    "unknown": "No such key is in force on this server. Check that you pasted all of it: keys begin with jk-.",
    "stale": "The sign-in form was too old: try once more.",
}


def asked(desk: Desk, request: Request, why: str) -> Response:
    """Instead of a page that needs a session. why: why there is none, where that is known."""
    if "application/json" in request.headers.get("accept", ""):
        say, tell = view.translator(language_of(request)), said.teller(language_of(request))
        said_why = say(WHY[why]) if why in WHY else tell("sign in first")
        return JSONResponse({"error": said_why, "hint": tell(f"open {PATH}/signin")}, 401)
    if request.method != "GET":
        return _form(desk, request, why or "over", 401)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    response = RedirectResponse(f"{PATH}/signin?to={quote(back, safe='')}{f'&why={why}' if why else ''}", 303)
    if why:
        response.headers.append("set-cookie", set_cookie(COOKIE, "", secure(desk, request), lasts_s=0))
    return response


async def answer(desk: Desk, request: Request) -> Response:
    """The sign-in page, and what is posted to it."""
    keys = desk.server.door.keys
    if keys is None:
        return RedirectResponse(PATH, 303)
    if request.method == "GET":
        return _form(desk, request, request.query_params.get("why", ""))
    if request.method != "POST":
        raise RequestError("this page answers GET and POST only", status=405)
    form = form_of(await desk.server.bodies.read(request.scope, request.receive))
    before = desk.sessions.find(cookie_of(request))
    if before is None or not before.brings(form.get("csrf", "")):
        return _form(desk, request, "stale", 403)
    sha256 = hash_of(form.get("key", "").strip()[:MOST].encode())
    keys.refresh()
    key = keys.of_hash(sha256)
    if key is None:
        desk.server.door.refused[401] += 1
        return _form(desk, request, why_not(keys, sha256), 401)
    desk.sessions.end(cookie_of(request))
    name = desk.sessions.begin(Session(key.id, sha256))
    response = RedirectResponse(inside(form.get("to", "")), 303)
    response.headers.append("set-cookie", set_cookie(COOKIE, name, secure(desk, request)))
    return response


async def leave(ask: Ask) -> Response:
    ask.desk.sessions.end(cookie_of(ask.request))
    response = ask.to(PATH)
    response.headers.append("set-cookie", set_cookie(COOKIE, "", secure(ask.desk, ask.request), lasts_s=0))
    return response


async def settings(ask: Ask) -> Response:
    """Language and colours."""
    response = ask.to(inside(ask.field("to", 2_000)))
    if (language := ask.field("language")) in view.LANGUAGES:
        kept = set_cookie("jangin_language", language, secure(ask.desk, ask.request), lasts_s=YEAR_S)
        response.headers.append("set-cookie", kept)
    if (theme := ask.field("theme")) in (*THEMES, "system"):
        lasts_s = YEAR_S if theme in THEMES else 0
        kept = set_cookie("jangin_theme", theme, secure(ask.desk, ask.request), lasts_s=lasts_s)
        response.headers.append("set-cookie", kept)
    return response


def _form(desk: Desk, request: Request, why: str, status: int = 200) -> Response:
    """The form, with a session of its own that only carries its token."""
    found = desk.sessions.find(cookie_of(request))
    session = found or Session()
    to = inside(request.query_params.get("to", ""))
    page = view.render(
        "signin.html",
        language_of(request),
        theme=theme_of(request),
        why=WHY.get(why, ""),
        to=to,
        csrf=session.csrf,
        issuer=desk.oidc.provider.name if desk.oidc is not None else "",
        here=PATH,
    )
    response = HTMLResponse(page, status)
    if found is None:
        response.headers.append("set-cookie", set_cookie(COOKIE, desk.sessions.begin(session), secure(desk, request)))
    return response
