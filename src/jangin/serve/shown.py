"""What is read with GET: the models that are there, and what a server shows of itself to who may see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from jangin.errors import JanginError, RequestError
from jangin.serve import admin, auto, openapi, passage, replies, wire
from jangin.serve.door import Visit, identify
from jangin.serve.routed import AUTO

if TYPE_CHECKING:
    from jangin.access.keys import Role
    from jangin.serve.app import Server

Show = Callable[[Request], Awaitable[Response]]
UNCACHED = {"cache-control": "no-store"}


def pages(server: Server) -> dict[str, Show]:
    """path -> what answers there."""
    found = {
        "/tasks/{task}/v1/models": passed_models(server),
        "/v1/models": models(server),
        "/v1/models/{name:path}": model(server),
        "/v1/admin/keys": keys(server),
        "/metrics": metrics(server),
        "/openapi.json": description(server),
        "/healthz": health(server),
    }
    return {path: _identified(show) for path, show in found.items()}


def _identified(show: Show) -> Show:
    """The reply says which request it answers, as that of a POST does."""

    async def one(request: Request) -> Response:
        request.state.id = identify(request.scope)
        try:
            response = await show(request)
        except JanginError as error:
            response = refused(error)
        response.headers["x-request-id"] = request.state.id
        return response

    return one


def passed_models(server: Server) -> Show:
    async def show(request: Request) -> Response:
        visit = _enter(server, request, "models")
        found = passage.models(passage.terms(server.fleet, server.outlet, request.path_params["task"], visit))
        return Response(found.body, found.status, media_type="application/json")

    return show


def models(server: Server) -> Show:
    async def show(request: Request) -> Response:
        visit = _enter(server, request, "models")
        entries = [entry for name, entry in server.fleet.entries.items() if visit.sees(name)]
        data = [replies.model(entry, server.started) for entry in entries]
        if (router := auto.model(server.fleet, visit, server.started)) is not None:
            data.append(router)
        return as_json({"object": "list", "data": data})

    return show


def model(server: Server) -> Show:
    async def show(request: Request) -> Response:
        name = request.path_params["name"]
        visit = _enter(server, request, "models")
        if name == AUTO:
            auto.check(server.fleet, visit)
            return as_json(auto.model(server.fleet, visit, server.started))
        return as_json(replies.model(visit.find(server.fleet, name), server.started))

    return show


def metrics(server: Server) -> Show:
    """Of keys: one with the role `metrics` or `admin`. Without keys: programs on this machine."""

    async def show(request: Request) -> Response:
        _permit(server, request, "metrics", "metrics", "admin")
        body, content_type = server.exposition.render(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    return show


def keys(server: Server) -> Show:
    async def show(request: Request) -> Response:
        _permit(server, request, "keys", "admin")
        return Response(replies.encode(admin.listed(server)), headers=UNCACHED, media_type="application/json")

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


def _enter(server: Server, request: Request, endpoint: str) -> Visit:
    return server.door.enter(request.scope, request.state.id, endpoint)


def _permit(server: Server, request: Request, endpoint: str, *roles: Role) -> None:
    admin.permitted(request.scope, _enter(server, request, endpoint), server.behind_proxy, endpoint, *roles)


async def http_error(request: Request, error: Exception) -> Response:
    """What the framework says where no route answers: 404, 405."""
    assert isinstance(error, HTTPException)
    about = RequestError(f"{request.method} {request.url.path[:80]}: {error.detail}", status=error.status_code)
    if error.status_code == 404:
        about.code = "unknown_url"
    headers = {**(error.headers or {}), "x-request-id": identify(request.scope)}
    return Response(wire.error_body(about), error.status_code, headers, "application/json")


def refused(error: JanginError) -> Response:
    return Response(wire.error_body(error), wire.error_status(error), media_type="application/json")


def as_json(content: Any, status: int = 200) -> Response:
    return Response(replies.encode(content), status, media_type="application/json")
