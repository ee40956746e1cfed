"""The routes. Bodies are read with bounds, answered by the fleet, and every refusal has OpenAI's error shape."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from jangin.errors import EngineError, JanginError, RequestError, StorageError
from jangin.serve import admin, asked, auto, log, passage, replies, scope, shown, wire
from jangin.serve.bodies import Bodies
from jangin.serve.cascade import Cascade, Messages
from jangin.serve.deliver import EVENTS, JSON, UNCACHED, Delivery, Reply, refuse_unsure
from jangin.serve.door import Door, Visit, identify
from jangin.serve.evidence import Pairs, headers
from jangin.serve.exposition import Exposition
from jangin.serve.feedback import feedback
from jangin.serve.fleet import Entry, Fleet
from jangin.serve.frames import Answers
from jangin.serve.observers import Observers
from jangin.serve.passage import Passage
from jangin.serve.routed import AUTO
from jangin.serve.written import Shape

if TYPE_CHECKING:
    from jangin.console.rooms import Rooms
    from jangin.serve.outlet import Outlet

_PASSED = re.compile(r"/tasks/([^/]+)/v1/chat/completions")


class Runs(Protocol):
    """An answer that sends itself, or says what is to be sent."""

    async def run(self, receive: Receive, send: Send, visit: Visit) -> Reply | None: ...


Work = Callable[["Server", bytes, Visit], Awaitable[Reply | Runs]]


class Server:
    """What the routes share."""

    def __init__(self, fleet: Fleet, door: Door, behind_proxy: bool, outlet: Outlet | None, observers: Observers):
        self.fleet = fleet
        self.outlet = outlet
        self.cascade = Cascade(None if outlet is None else outlet.egress)
        self.door = door
        self.behind_proxy = behind_proxy
        self.observers = observers
        self.exposition = Exposition(observers.metrics, fleet, door)
        self.started = int(time.time())
        self.bodies = Bodies()
        self.forget: Callable[[Path], None] | None = None  # a folder that is no longer in service


class Endpoint:
    """One POST route as a bare ASGI application: the request object of a framework costs as much as the answer."""

    def __init__(self, server: Server, name: str, work: Work, admin: bool = False):
        self._server = server
        self._name = name
        self._work = work
        self._admin = admin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = identify(scope)
        visit: Visit | None = None
        reply: Reply | None
        held = 0
        try:
            visit = self._server.door.enter(scope, request_id, self._name)
            if self._admin:
                admin.may_administer(scope, visit, self._server.behind_proxy)
            body = await self._server.bodies.read(scope, receive)
            held = self._server.bodies.hold(len(body))
            found = await self._work(self._server, body, visit)
            reply = found if isinstance(found, Reply) else await found.run(receive, send, visit)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets a shape it knows
            reply = _refused(error, visit, request_id)
        finally:
            self._server.bodies.release(held)
        if visit is not None:
            try:
                await visit.close(None if reply is None else reply.status)
            except StorageError as error:  # an answer that is not in the ledger is not given
                visit.failed(error)
                reply = reply and refusal(error)
        self._server.observers.ended(self._name, scope, request_id, visit, None if reply is None else reply.status)
        if reply is not None:
            await _send(send, reply, request_id)


def _refused(error: Exception, visit: Visit | None, request_id: str) -> Reply:
    if not isinstance(error, JanginError):  # ours to mend; the log gets no text
        about = {"exception": type(error).__name__, "where": log.where(error), "id": request_id}
        log.warn("defect", f"{about['exception']} at {about['where']} [{request_id}]", **about)
        error = EngineError("the server could not answer this request", "report it with its x-request-id")
    if visit is not None:
        visit.failed(error)
    return refusal(error)


async def _send(send: Send, reply: Reply, request_id: str) -> None:
    length = (b"content-length", b"%d" % len(reply.body))
    headers = [*reply.headers, length, (b"x-request-id", request_id.encode())]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def refusal(error: JanginError) -> Reply:
    about: Pairs = [JSON]
    status = wire.error_status(error)
    if status in (429, 503):
        about.append((b"retry-after", b"%d" % max(1, math.ceil(getattr(error, "retry_after_s", None) or 1))))
    return Reply(wire.error_body(error), about, status)


async def classify(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, wire.ClassifyRequest)
    if request.model == AUTO:
        texts = wire.texts_of(request)
        routed = await auto.route(server.fleet, visit, texts, auto.gives_labels)
        if routed.single is None:
            return await scope.classify(server.fleet, server.cascade, visit, routed, request.top_k)
        entry, answers = routed.single
    else:
        entry, answers = visit.find(server.fleet, request.model), None
        if entry.info.writing:
            raise _wrong_kind(entry, "it has no labels: POST /v1/chat/completions")
        texts = wire.texts_of(request)
    visit.ask(entry)
    used, found = await _answered(server, entry, texts, visit, lambda at: auto.said(texts[at]), answers)
    content = replies.classify(entry, used, found, request.top_k, visit)
    return Reply(content, [JSON, *headers(entry, visit, replies.alone(found))])


async def _answered(
    server: Server,
    entry: Entry,
    texts: list[str],
    visit: Visit,
    question: Callable[[int], Messages],
    answers: Answers | None,
) -> tuple[dict[str, int], list[replies.Row]]:
    """(usage, an answer for each text); `visit` is told what they took and what became of them.

    answers: the specialist's, when they are there already.
    """
    answers = answers or await server.fleet.answer(entry, texts)
    used, found = replies.usage(texts, answers), list(replies.rows(entry, answers))
    visit.report(
        prompt_tokens=used["prompt_tokens"],
        completion_tokens=used["completion_tokens"],
        work_s=answers.text_s * len(texts),
        confidence=replies.alone(found),
    )
    visit.answers = len(texts)
    if entry.promise is not None:
        confidences = [row.confidence for row in found]
        visit.went(await server.cascade.weigh(entry, visit.request_id, confidences, question, payer=visit))
    if entry.terms.policy.texts_days is not None:
        visit.keep(*replies.texts_kept(texts, found, visit.outcomes))
    return used, found


async def chat(server: Server, body: bytes, visit: Visit) -> Reply | Delivery:
    request = wire.read_chat(body)
    if request.model == AUTO:
        message = wire.chat_text(request.messages, "messages")
        routed = await auto.route(server.fleet, visit, [message], auto.anything)
        if routed.single is None:
            return scope.chat(visit, routed, bool(request.stream), wire.with_usage(request))
        entry, answers = routed.single
    else:
        entry, answers = visit.find(server.fleet, request.model), None
    if entry.info.writing:
        order = asked.of_chat(request, entry.info, entry.handle)
        visit.ask(entry)
        shape = Shape(entry, visit, order, True, wire.with_usage(request))
        return Delivery(server.fleet, entry, order, shape, server.cascade, wire.messages_of(request), _limits(request))
    wire.for_labels(request)
    text = wire.chat_text(request.messages, "messages")
    visit.ask(entry)
    used, [row] = await _answered(server, entry, [text], visit, lambda _: wire.messages_of(request), answers)
    refuse_unsure(visit.outcomes)
    top = (request.top_logprobs or 0) if request.logprobs else None
    completion = replies.chat(entry, used, row, visit, top)
    about = headers(entry, visit, row.confidence)
    if not request.stream:
        return Reply(replies.encode(completion), [JSON, *about])
    return Reply(replies.chunks(completion, wire.with_usage(request)), [EVENTS, UNCACHED, *about])


def _limits(request: wire.ChatRequest | asked.CompletionRequest) -> dict[str, Any]:
    """What goes along with an escalated question: numbers that bound its answer."""
    names = ("max_tokens", "max_completion_tokens", "temperature", "top_p", "seed")
    return {name: value for name in names if (value := getattr(request, name, None)) is not None}


async def completions(server: Server, body: bytes, visit: Visit) -> Reply | Delivery:
    request = asked.read_completion(body)
    if request.model == AUTO:
        routed = await auto.route(server.fleet, visit, [wire.checked(request.prompt, "prompt")], auto.gives_text)
        if routed.single is None:
            return scope.completion(visit, routed, bool(request.stream), wire.with_usage(request))
        entry, _ = routed.single
    else:
        entry = visit.find(server.fleet, request.model)
    if entry.info.kind != "generate":
        raise _wrong_kind(entry, "/v1/completions needs a 'generate' specialist")
    order = asked.of_completion(request, entry.info, entry.handle)
    visit.ask(entry)
    shape = Shape(entry, visit, order, False, wire.with_usage(request))
    return Delivery(server.fleet, entry, order, shape, server.cascade, auto.said(request.prompt), _limits(request))


def _wrong_kind(entry: Entry, why: str) -> RequestError:
    kind = f"{'an' if entry.info.kind == 'extract' else 'a'} {entry.info.kind}"
    message = f"'{entry.info.name}' is {kind} specialist; {why}"
    return RequestError(message, param="model", code="wrong_kind")


async def moderations(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, wire.ModerationRequest)
    if request.model == AUTO:
        texts = wire.moderated(request)
        routed = await auto.route(server.fleet, visit, texts, auto.gives_tags)
        if routed.single is None:
            return await scope.moderation(server.fleet, server.cascade, visit, routed)
        entry, answers = routed.single
    else:
        entry, answers = visit.find(server.fleet, request.model), None
        if entry.info.kind != "tag":
            raise _wrong_kind(entry, "moderation needs a 'tag' specialist")
        texts = wire.moderated(request)
    visit.ask(entry)
    _, found = await _answered(server, entry, texts, visit, lambda at: auto.said(texts[at]), answers)
    if any(each.none for each in visit.outcomes):  # OpenAI's shape has no word for an answer that is not given
        raise RequestError("not sure enough for what this task promises", status=422, code="unsure")
    return Reply(replies.moderation(entry, found, visit), [JSON, *headers(entry, visit, replies.alone(found))])


async def load(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, wire.PathRequest)
    await admin.recorded(server, visit, "load", path=request.path)
    return _loaded(server, await server.fleet.load(Path(request.path)), "loaded")


async def reload(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, wire.ModelRequest)
    await admin.recorded(server, visit, "reload", model=request.model)
    return _loaded(server, await server.fleet.reload(request.model), "reloaded")


async def unload(server: Server, body: bytes, visit: Visit) -> Reply:
    request = wire.read(body, wire.ModelRequest)
    await admin.recorded(server, visit, "unload", model=request.model)
    folder = server.fleet.get(request.model).folder
    await server.fleet.unload(request.model)
    if server.forget is not None:
        await asyncio.to_thread(server.forget, folder)
    return Reply(replies.encode({"status": "unloaded", "model": request.model}), [JSON])


def _loaded(server: Server, entry: Entry, status: str) -> Reply:
    content = {"status": status, **replies.model(entry, server.started)}
    return Reply(replies.encode(content), [JSON, *headers(entry)])


POSTS: dict[str, Work] = {
    "/v1/classify": classify,
    "/v1/chat/completions": chat,
    "/v1/completions": completions,
    "/v1/moderations": moderations,
}
ADMIN: dict[str, Work] = {
    "/v1/feedback": feedback,
    "/v1/admin/load": load,
    "/v1/admin/reload": reload,
    "/v1/admin/unload": unload,
    "/v1/admin/keys": admin.create_key,
    "/v1/admin/keys/rotate": admin.rotate_key,
    "/v1/admin/keys/revoke": admin.revoke_key,
}


def create(
    fleet: Fleet,
    behind_proxy: bool = False,
    door: Door | None = None,
    outlet: Outlet | None = None,
    observers: Observers | None = None,
    rooms: Rooms | None = None,
) -> ASGIApp:
    """The ASGI application over a fleet, a door, and perhaps a way out, which somebody else starts and stops.

    rooms: of the pages for people; None: there are none.
    """
    server = Server(fleet, door or Door(), behind_proxy, outlet, observers or Observers())
    endpoints = {path: Endpoint(server, path.removeprefix("/v1/"), work) for path, work in POSTS.items()}
    endpoints |= {path: Endpoint(server, path.removeprefix("/v1/"), work, admin=True) for path, work in ADMIN.items()}
    gets = shown.pages(server)
    passing = Route("/tasks/{task}/v1/chat/completions", _post_only, methods=["POST"])
    # A path that takes both stands here once; what is posted to it goes straight to its endpoint, below.
    routes = [passing]
    routes += [Route(path, endpoint, methods=["POST"]) for path, endpoint in endpoints.items() if path not in gets]
    routes += [Route(path, one, methods=["GET", "POST"] if path in endpoints else None) for path, one in gets.items()]
    framework = Starlette(routes=routes, exception_handlers={HTTPException: shown.http_error})
    framework.router.redirect_slashes = False  # it would send clients, with their keys, to whatever `host` they named
    fronts: dict[str, ASGIApp] = {}
    if rooms is not None:
        from jangin.console.app import fronts as made  # with a template engine, which other servers need not

        fronts = made(server, rooms)
        server.forget = None if rooms.remembered is None else rooms.remembered.remove

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # The routes that carry the traffic skip the framework's layers, a tenth of a request's time.
        if scope["type"] == "http" and scope["method"] == "POST":
            straight: ASGIApp | None = endpoints.get(scope["path"])
            if straight is None and (passed := _PASSED.fullmatch(scope["path"])):
                straight = Endpoint(server, "passed/chat/completions", partial(_pass_on, passed[1]))
            if straight is not None:
                await straight(scope, receive, send)
                return
        front = fronts.get("/" + scope["path"].split("/", 2)[1]) if fronts and scope["type"] == "http" else None
        if front is not None:
            await front(scope, receive, send)
            return
        await framework(scope, receive, send)

    return app


async def _post_only(request: Request) -> Response:
    """What the framework says of another method than POST; that one never comes this far."""
    raise HTTPException(405)


async def _pass_on(task: str, server: Server, body: bytes, visit: Visit) -> Runs:
    from jangin.egress.passing import read

    terms = passage.terms(server.fleet, server.outlet, task, visit)
    asked_for = read(body, task, visit.request_id)
    visit.ask_task(task)
    assert server.outlet is not None
    return Passage(server.outlet, terms, asked_for)
