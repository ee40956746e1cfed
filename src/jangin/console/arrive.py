"""The two addresses of a sign-in by OpenID Connect: off to the issuer, and back from it."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jangin.console import view
from jangin.console.desk import Desk, language_of, secure, theme_of
from jangin.console.oidc import LASTS_S, Flow
from jangin.console.session import COOKIE, PATH, Session, cookie_of, inside, set_cookie
from jangin.errors import RequestError

FLOW = "jangin_signin"
_CODE = re.compile(r"[a-z_]{1,40}")


async def answer(desk: Desk, request: Request, path: str) -> Response:
    """Raises: RequestError 403, 404, 405; EgressDenied, EgressFailed."""
    if desk.oidc is None or desk.server.door.keys is None:
        raise RequestError("there is no such page", status=404, code="unknown_url")
    if request.method != "GET":
        raise RequestError("this page answers GET only", status=405)
    return await (_leave(desk, request) if path == "/signin/oidc" else _back(desk, request))


async def _leave(desk: Desk, request: Request) -> Response:
    assert desk.oidc is not None and desk.flows is not None
    flow = Flow(inside(request.query_params.get("to", "")))
    response = RedirectResponse(await desk.oidc.address(flow), 303)
    # Lax: the browser comes back from another site, and would not bring a cookie that is Strict.
    kept = set_cookie(FLOW, desk.flows.begin(flow), secure(desk, request), lasts_s=int(LASTS_S), site="Lax")
    response.headers.append("set-cookie", kept)
    return response


async def _back(desk: Desk, request: Request) -> Response:
    assert desk.oidc is not None and desk.flows is not None
    asked, provider = request.query_params, desk.oidc.provider
    flow = desk.flows.take(cookie_of(request, FLOW), asked.get("state", ""))
    if asked.get("iss", provider.issuer) != provider.issuer:
        raise RequestError("another issuer answered this sign-in", status=403, code="not_signed_in")
    if "error" in asked:
        told = asked["error"] if _CODE.fullmatch(asked["error"]) else "error"
        raise RequestError(f"the sign-in service did not sign you in ({told})", status=403, code="not_signed_in")
    if not 0 < len(code := asked.get("code", "")) <= 4_096:
        raise RequestError("the sign-in service gave no code", status=403, code="not_signed_in")
    claims = await desk.oidc.redeem(code, flow)
    person = provider.person(claims)
    if person is None:
        await desk.server.door.record(
            "console.refused", {"issuer": provider.issuer, "subject": str(claims["sub"])[:200]}
        )
        raise RequestError(
            "you are signed in, but no role here is yours: ask an administrator of this server",
            status=403,
            code="not_permitted",
        )
    about = {"key": person.id, "name": person.name, "issuer": provider.issuer, "roles": person.roles}
    await desk.server.door.record("console.signin", about)
    desk.sessions.end(cookie_of(request))
    session = Session(person.id, person=person)
    # A page, no redirect: the session's cookie is Strict, and goes along only from a page of this site.
    page = view.render(
        "arrived.html", language_of(request), theme=theme_of(request), to=flow.to, name=person.name, here=PATH
    )
    response = HTMLResponse(page)
    for kept in (
        set_cookie(COOKIE, desk.sessions.begin(session), secure(desk, request)),
        set_cookie(FLOW, "", secure(desk, request), lasts_s=0, site="Lax"),
    ):
        response.headers.append("set-cookie", kept)
    return response
