"""The routes. Bodies are read with bounds, answered by the fleet, and every refusal has OpenAI's error shape."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from jangin.errors import EngineError, JanginError, RequestError, StorageError
from jangin.serve import asked, replies, wire
from jangin.serve.bodies import Bodies
from jangin.serve.deliver import EVENTS, JSON, UNCACHED, Delivery, Pairs, Reply
from jangin.serve.door import Door, Visit
from jangin.serve.fleet import Entry, Fleet
from jangin.serve.written import Shape

_ID = re.compile(rb"[A-Za-z0-9._:/-]{1,128}")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


Work = Callable[["Server", bytes, Visit], Awaitable[Reply | Delivery]]


class Server:
    """What the routes share."""

    def __init__(self, fleet: Fleet, door: Door, behind_proxy: bool):
        self.fleet = fleet
        self.door = door
        self.behind_proxy = behind_proxy
        self.started = int(time.time())
        self.bodies = Bodies()


class Endpoint:
    """One POST route as a bare ASGI application: the request object of a framework costs as much as the answer."""

    def __init__(self, server: Server, name: str, work: Work, admin: bool = False):
        self._server = server
        self._name = name
        self._work = work
        self._admin = admin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope)
        visit: Visit | None = None
        reply: Reply | None
        try:
            visit = self._server.door.enter(scope, request_id, self._name)
            if self._admin:
                _may_administer(scope, visit, self._server.behind_proxy)
            body = await self._server.bodies.read(scope, receive)
            found = await self._work(self._server, body, visit)
            reply = found if isinstance(found, Reply) else await found.run(receive, send, visit)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets a shape it knows
            reply = _refused(error, visit, request_id)
        if visit is not None:
            try:
                await visit.close(None if reply is None else reply.status)
            except StorageError as error:  # an answer that is not in the ledger is not given
                reply = reply and refusal(error)
        if reply is not None:
            await _send(send, reply, request_id)


def _refused(error: Exception, visit: Visit | None, request_id: str) -> Reply:
    if not isinstance(error, JanginError):  # ours to mend; the log gets no text
        print(f"jangin: {type(error).__name__} at {_where(error)} [{request_id}]", file=sys.stderr, flush=True)
        error = EngineError("the server could not answer this request", "report it with its x-request-id")
    if visit is not None:
        visit.failed(error)
    return refusal(error)


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"


async def _send(send: Send, reply: Reply, request_id: str) -> None:
    length = (b"content-length", b"%d" % len(reply.body))
    headers = [*reply.headers, length, (b"x-request-id", request_id.encode())]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def refusal(error: JanginError) -> Reply:
    headers: Pairs = [JSON]
    status = wire.error_status(error)
    if status in (429, 503):
        headers.append((b"retry-after", b"%d" % getattr(error, "retry_after_s", 1)))
    return Reply(wire.error_body(error), headers, status)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return value.decode()
    return os.urandom(12).hex()


def _may_administer(scope: Scope, visit: Visit, behind_proxy: bool) -> None:
    """A key with the role `admin`; where the server has no keys, a program on this machine, since loading reads its
    folders.

    A page in a browser on this machine is not such a program: it cannot send JSON to another origin without asking
    first, and a name that was made to point here shows in `host`.
    """
    headers = dict(scope["headers"])
    if not headers.get(b"content-type", b"").startswith(b"application/json"):
        raise RequestError("admin requests must have content-type application/json", status=415)
    if visit.key is not None:
        if "admin" not in visit.key.roles:
            raise RequestError("this key has not the role 'admin'", status=403, code="admin_not_allowed")
        return
    client = scope.get("client")
    local = client is not None and ipaddress.ip_address(client[0]).is_loopback
    host = re.sub(r":\d+$", "", headers.get(b"host", b"").decode("latin-1"))
    if behind_proxy or not local or host not in _LOCAL_NAMES:
        message = "admin requests are answered on this machine's loopback address only, and not behind a proxy"
        raise RequestError(message, status=403, code="admin_not_allowed")


async def classify(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, wire.ClassifyRequest)
    entry = server.fleet.get(request.model)
    if entry.info.writing:
        raise _wrong_kind(entry, "it has no labels: POST /v1/chat/completions")
    texts = wire.texts_of(request)
    visit.ask(entry)
    answers = await server.fleet.answer(entry, texts)
    used = replies.usage(texts, answers)
    content, confidence = replies.classify(entry, used, answers, request.top_k)
    _report(visit, used, answers.text_s * len(texts), confidence)
    return Reply(content, [JSON, *replies.headers(entry, confidence)])


async def chat(server: Server, body: bytes, visit: Visit) -> Reply | Delivery:
    request = wire.read_chat(body)
    entry = server.fleet.get(request.model)
    if entry.info.writing:
        order = asked.of_chat(request, entry.info, entry.handle)
        visit.ask(entry)
        shape = Shape(entry, visit.request_id, order, True, wire.with_usage(request))
        return Delivery(server.fleet, entry, order, shape)
    wire.for_labels(request)
    text = wire.chat_text(request.messages, "messages")
    visit.ask(entry)
    answers = await server.fleet.answer(entry, [text])
    row = next(replies.rows(entry, answers))
    top = (request.top_logprobs or 0) if request.logprobs else None
    used = replies.usage([text], answers)
    completion = replies.chat(entry, used, row, visit.request_id, top)
    _report(visit, used, answers.text_s, row.confidence)
    headers = replies.headers(entry, row.confidence)
    if not request.stream:
        return Reply(replies.encode(completion), [JSON, *headers])
    return Reply(replies.chunks(completion, wire.with_usage(request)), [EVENTS, UNCACHED, *headers])


async def completions(server: Server, body: bytes, visit: Visit) -> Reply | Delivery:
    request = asked.read_completion(body)
    entry = server.fleet.get(request.model)
    if entry.info.kind != "generate":
        raise _wrong_kind(entry, "/v1/completions needs a 'generate' specialist")
    order = asked.of_completion(request, entry.info, entry.handle)
    visit.ask(entry)
    return Delivery(server.fleet, entry, order, Shape(entry, visit.request_id, order, False, wire.with_usage(request)))


def _report(visit: Visit, used: dict[str, int], work_s: float, confidence: float | None) -> None:
    """Of labels; `used` is what the client is told."""
    visit.report(
        prompt_tokens=used["prompt_tokens"],
        completion_tokens=used["completion_tokens"],
        work_s=work_s,
        confidence=confidence,
    )


def _wrong_kind(entry: Entry, why: str) -> RequestError:
    kind = f"{'an' if entry.info.kind == 'extract' else 'a'} {entry.info.kind}"
    message = f"'{entry.info.name}' is {kind} specialist; {why}"
    return RequestError(message, param="model", code="wrong_kind")


async def moderations(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, wire.ModerationRequest)
    entry = server.fleet.get(request.model)
    if entry.info.kind != "tag":
        raise _wrong_kind(entry, "moderation needs a 'tag' specialist")
    texts = wire.moderated(request)
    visit.ask(entry)
    answers = await server.fleet.answer(entry, texts)
    content, confidence = replies.moderation(entry, answers, visit.request_id)
    _report(visit, replies.usage(texts, answers), answers.text_s * len(texts), confidence)
    return Reply(content, [JSON, *replies.headers(entry, confidence)])


async def load(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, wire.PathRequest)
    await _recorded(server, visit, "load", path=request.path)
    return _loaded(server, await server.fleet.load(Path(request.path)), "loaded")


async def reload(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, wire.ModelRequest)
    await _recorded(server, visit, "reload", model=request.model)
    return _loaded(server, await server.fleet.reload(request.model), "reloaded")


async def unload(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, wire.ModelRequest)
    await _recorded(server, visit, "unload", model=request.model)
    await server.fleet.unload(request.model)
    return Reply(replies.encode({"status": "unloaded", "model": request.model}), [JSON])


async def _recorded(server: Server, visit: Visit, act: str, **what: str) -> None:
    """Before it is done: an act that cannot be recorded is not done."""
    key = visit.key.id if visit.key else ""
    await server.door.record(f"admin.{act}", {**what, "key": key, "request": visit.request_id})


def _loaded(server: Server, entry: Entry, status: str) -> Reply:
    content = {"status": status, **replies.model(entry, server.started)}
    return Reply(replies.encode(content), [JSON, *replies.headers(entry)])


def create(fleet: Fleet, behind_proxy: bool = False, door: Door | None = None) -> ASGIApp:
    """The ASGI application over a fleet, and behind a door, that somebody else starts and stops."""
    server = Server(fleet, door or Door(), behind_proxy)
    posts: dict[str, Work] = {
        "/v1/classify": classify,
        "/v1/chat/completions": chat,
        "/v1/completions": completions,
        "/v1/moderations": moderations,
    }
    admin: dict[str, Work] = {"/v1/admin/load": load, "/v1/admin/reload": reload, "/v1/admin/unload": unload}
    endpoints = {path: Endpoint(server, path.removeprefix("/v1/"), work) for path, work in posts.items()}
    endpoints |= {path: Endpoint(server, path.removeprefix("/v1/"), work, admin=True) for path, work in admin.items()}
    routes = [Route(path, endpoint, methods=["POST"]) for path, endpoint in endpoints.items()]
    routes += [
        Route("/v1/models", _models(server)),
        Route("/v1/models/{name:path}", _model(server)),
        Route("/healthz", _health(server)),
    ]
    framework = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # The routes that carry the traffic skip the framework's layers, a tenth of a request's time.
        straight = endpoints.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        await (straight or framework)(scope, receive, send)

    return app


def _models(server: Server) -> Callable[[Request], Awaitable[Response]]:
    async def models(request: Request) -> Response:
        try:
            visit = server.door.enter(request.scope, _request_id(request.scope), "models")
        except RequestError as error:
            return _refusal(error)
        entries = [entry for name, entry in server.fleet.entries.items() if visit.sees(name)]
        return _json({"object": "list", "data": [replies.model(entry, server.started) for entry in entries]})

    return models


def _model(server: Server) -> Callable[[Request], Awaitable[Response]]:
    async def one(request: Request) -> Response:
        name = request.path_params["name"]
        try:
            visit = server.door.enter(request.scope, _request_id(request.scope), "models")
            if not visit.sees(name):
                raise RequestError(f"this key may not ask '{name[:80]}'", status=403, code="not_permitted")
            entry = server.fleet.get(name)
        except RequestError as error:
            return _refusal(error)
        return _json(replies.model(entry, server.started))

    return one


def _health(server: Server) -> Callable[[Request], Awaitable[Response]]:
    async def health(request: Request) -> Response:
        """200 while at least one engine answers (or there is nothing to serve yet), else 503."""
        engines = {
            engine.key[:12]: {"up": engine.up, "restarts": engine.restarts, "writing": engine.writing}
            for engine in server.fleet.engines.values()
        }
        up = [engine["up"] for engine in engines.values()]
        status = "ok" if all(up) else "degraded" if any(up) else "down"
        return _json({"status": status, "engines": engines}, 503 if status == "down" else 200)

    return health


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    about = RequestError(f"{request.method} {request.url.path[:80]}: {error.detail}", status=error.status_code)
    if error.status_code == 404:
        about.code = "unknown_url"
    return Response(wire.error_body(about), error.status_code, error.headers, "application/json")


def _refusal(error: RequestError) -> Response:
    return Response(wire.error_body(error), error.status, media_type="application/json")


def _json(content: Any, status: int = 200) -> Response:
    return Response(replies.encode(content), status, media_type="application/json")
