"""What a server shows of itself to who may see it: figures, health, keys, and the description of its API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from jangin.errors import JanginError
from jangin.serve import admin, openapi, replies, wire

if TYPE_CHECKING:
    from jangin.access.keys import Role
    from jangin.serve.app import Server

Show = Callable[[Request], Awaitable[Response]]
UNCACHED = {"cache-control": "no-store"}


def metrics(server: Server) -> Show:
    """Of keys: one with the role `metrics` or `admin`. Without keys: programs on this machine."""

    async def show(request: Request) -> Response:
        if (no := _refused(server, request, "metrics", "metrics", "admin")) is not None:
            return no
        body, content_type = server.exposition.render(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    return show


def keys(server: Server) -> Show:
    async def show(request: Request) -> Response:
        if (no := _refused(server, request, "keys", "admin")) is not None:
            return no
        try:
            found = replies.encode(admin.listed(server))
        except JanginError as error:
            return refused(error)
        return Response(found, headers=UNCACHED, media_type="application/json")

    return show


def description(server: Server) -> Show:
    """For everybody: it tells what this program can do, nothing of this server but whether it wants keys."""
    document = b""

    async def show(request: Request) -> Response:
        nonlocal document
        document = document or replies.encode(openapi.document(keyed=server.door.keys is not None))
        return Response(document, media_type="application/json")

    return show


def health(server: Server) -> Show:
    async def show(request: Request) -> Response:
        """200 while at least one engine answers (or there is nothing to serve yet), else 503."""
        engines = {
            engine.key[:12]: {"up": engine.up, "restarts": engine.restarts, "writing": engine.writing}
            for engine in server.fleet.engines.values()
        }
        up = [engine["up"] for engine in engines.values()]
        status = "ok" if all(up) else "degraded" if any(up) else "down"
        return as_json({"status": status, "engines": engines}, 503 if status == "down" else 200)

    return show


def _refused(server: Server, request: Request, endpoint: str, *roles: Role) -> Response | None:
    try:
        visit = server.door.enter(request.scope, request.headers.get("x-request-id", "")[:128], endpoint)
        admin.permitted(request.scope, visit, server.behind_proxy, endpoint, *roles)
    except JanginError as error:
        return refused(error)
    return None


def refused(error: JanginError) -> Response:
    return Response(wire.error_body(error), wire.error_status(error), media_type="application/json")


def as_json(content: Any, status: int = 200) -> Response:
    return Response(replies.encode(content), status, media_type="application/json")
