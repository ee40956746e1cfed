"""Pass-through over HTTP: /tasks/{task}/v1/chat/completions goes on to the API that a client asked before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.types import Receive, Send

from jangin.egress.answers import Left
from jangin.errors import EgressDenied, EgressFailed, JanginError, RequestError
from jangin.serve import replies
from jangin.serve.deliver import EVENTS, GONE, JSON, UNCACHED, Events, Reply, gone, stopping
from jangin.serve.door import Visit
from jangin.serve.evidence import Pairs
from jangin.serve.written import broken
from jangin.terms import Terms

if TYPE_CHECKING:
    from jangin.egress.passing import Asked, Streamed
    from jangin.serve.fleet import Fleet
    from jangin.serve.outlet import Outlet


class Passage:
    """One request that goes on to another API. Nothing is sent before `run`."""

    def __init__(self, outlet: Outlet, terms: Terms, asked: Asked):
        self._outlet, self._terms, self._asked = outlet, terms, asked

    async def run(self, receive: Receive, send: Send, visit: Visit) -> Reply | None:
        """As `Delivery.run`. What left is told to `visit`, also when nobody waits for the answer any more.

        Raises: EgressDenied, EgressFailed, EngineError, RequestError, as long as nothing was sent on.
        """
        work = asyncio.ensure_future(self._run(send, visit))
        watch = asyncio.ensure_future(gone(receive))
        try:
            await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.wait((work,))
                visit.failed(GONE)
                return None
            return work.result()
        except asyncio.CancelledError:  # by the server that stops and waits no longer; nobody else cancels it
            work.cancel()
            await asyncio.wait((work,))
            if work.cancelled():
                raise stopping() from None
            return work.result()
        finally:
            watch.cancel()
            work.cancel()

    async def _run(self, send: Send, visit: Visit) -> Reply | None:
        policy = self._terms.policy
        try:
            if not self._asked.stream:
                passed = await self._outlet.passing.whole(policy, self._asked, visit)
                _report(visit, passed.left)
                return Reply(passed.content, [JSON, *_headers(passed.left)])
            async with self._outlet.passing.streamed(policy, self._asked, visit) as stream:
                await self._streamed(stream, send, visit)
        except (EgressDenied, EgressFailed) as error:
            if error.left is not None:
                visit.sent(error.left)
            raise
        return None

    async def _streamed(self, stream: Streamed, send: Send, visit: Visit) -> None:
        events = Events(send, [EVENTS, UNCACHED, (b"x-request-id", visit.request_id.encode())])
        told = False
        try:
            async for event in stream:
                if stream.left is not None and not told:  # the end is near: its row is written before it
                    told = True
                    _report(visit, stream.left)
                    await visit.close(200)
                await events.send(event)
        except (JanginError, asyncio.CancelledError) as raised:
            if not events.begun:
                raise
            await stream.give_up()
            error = raised if isinstance(raised, JanginError) else stopping()
            visit.failed(error)
            await events.send(broken(error))
        await events.end()


def terms(fleet: Fleet, outlet: Outlet | None, task: str, visit: Visit) -> Terms:
    """Of a task whose requests pass through. Raises: RequestError 403 for a key that may not ask it; as `terms_of`."""
    if not visit.sees(task):
        raise RequestError(f"this key may not ask '{task[:80]}'", status=403, code="not_permitted")
    served = fleet.entries.get(task)
    return terms_of(outlet, task, served.terms if served else None)


def terms_of(outlet: Outlet | None, name: str, served: Terms | None) -> Terms:
    """Raises: RequestError 404 for a task that this server does not know, 403 where it lets nothing out."""
    found = served if outlet is None else outlet.tasks.get(name, served)
    if found is None:
        message = f"no task named '{name[:80]}' is known here"
        raise RequestError(message, status=404, code="task_not_found")
    if outlet is None:
        raise RequestError("this server lets nothing leave", status=403, code="egress_denied")
    return found


def models(terms: Terms) -> Reply:
    """/tasks/{task}/v1/models: those that the task may ask."""
    names = [name for allowed in terms.policy.endpoints for name in allowed.models]
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "passed through"} for name in names]
    return Reply(replies.encode({"object": "list", "data": data}), [JSON])


def _headers(left: Left) -> Pairs:
    return [(b"x-jangin-route", b"escalated"), (b"x-jangin-egress-bytes", b"%d" % left.bytes)]


def _report(visit: Visit, left: Left) -> None:
    visit.report(prompt_tokens=left.prompt_tokens or 0, completion_tokens=left.completion_tokens or 0)
    visit.route = "escalated"
    visit.sent(left)
