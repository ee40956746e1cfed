"""A written answer on its way to the client: whole or as a stream of events, given up when the client goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.types import Message, Receive, Send

from jangin.errors import EngineError, JanginError, RequestError
from jangin.prices import estimated_tokens
from jangin.serve import replies
from jangin.serve.cascade import Cascade, Messages, Outcome
from jangin.serve.door import Visit
from jangin.serve.evidence import Pairs, headers
from jangin.serve.fleet import Entry, Fleet
from jangin.serve.following import Gone, Writing
from jangin.serve.frames import Finished, Write
from jangin.serve.written import Shape, broken

JSON = (b"content-type", b"application/json")
EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")
UNCACHED = (b"cache-control", b"no-cache")
STALLED_S = 30.0  # without reading anything of a stream
GONE = RequestError("the client went away before its answer was written", status=499, code="client_closed")


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A whole response."""

    body: bytes
    headers: Pairs
    status: int = 200


def refuse_unsure(outcomes: Sequence[Outcome]) -> None:
    """Raises: RequestError 422 where the task's policy refuses what is not sure enough."""
    if any(each.route == "refused" for each in outcomes):
        message = "the answer is not sure enough for what this task promises, and its policy refuses such answers"
        raise RequestError(message, status=422, code="unsure")


class Delivery:
    """One answer to be written and sent. Nothing is asked of the engine before `run`.

    cascade, question, parameters: for an answer that is not given here; the chat as it came, and what limits an answer.
    """

    def __init__(
        self,
        fleet: Fleet,
        entry: Entry,
        order: Write,
        shape: Shape,
        cascade: Cascade,
        question: Messages,
        parameters: dict[str, Any],
    ):
        self._fleet, self._entry, self._order, self._shape = fleet, entry, order, shape
        self._cascade, self._question, self._parameters = cascade, question, parameters
        self._said: list[str] = []  # as far as it has come

    @property
    def _asked(self) -> str:
        return self._order.text or replies.encode(self._question).decode()

    async def run(self, receive: Receive, send: Send, visit: Visit) -> Reply | None:
        """The response; None when it has been streamed, or nobody is there to take it.

        What the answer took is told to `visit`; before a stream's last byte the visit is closed.

        Raises: RequestError, Overloaded, EngineError, as long as nothing was sent.
        """
        weighed = self._entry.promise is not None
        with self._fleet.write(self._entry, self._order) as writing:
            watch = asyncio.create_task(gone(receive))
            watch.add_done_callback(lambda _: writing.cancel())
            try:
                if weighed:
                    return await self._weighed(writing, visit)
                if self._order.stream:
                    await self._stream(writing, send, visit)
                    return None
                return await self._whole(writing, visit)
            except Gone:
                visit.failed(GONE)
                self._given_up(visit)
                return None
            except asyncio.CancelledError:  # by the server that stops and waits no longer; nobody else cancels it
                raise stopping() from None
            except RequestError as error:  # the engine knows prompts only
                error.param = self._shape.given if error.param == "prompt" else error.param
                raise
            finally:
                watch.cancel()

    async def _text(self, writing: Writing) -> str:
        async for part in writing:
            self._said.append(part)
        return "".join(self._said)

    def _given_up(self, visit: Visit) -> None:
        """About what was written of an answer that nobody took: who leaves before its end has used as much."""
        if self._said:
            prompt, answer = estimated_tokens([self._asked]), estimated_tokens(["".join(self._said)])
            visit.report(prompt_tokens=round(prompt), completion_tokens=round(answer))

    async def _whole(self, writing: Writing, visit: Visit) -> Reply:
        text = await self._text(writing)
        assert writing.finished is not None
        _report(visit, writing.finished)
        visit.keep(self._asked, text)
        about = headers(self._entry, visit, writing.finished.confidence, self._shape.certified)
        return Reply(self._shape.whole(text, writing.told(), writing.finished), [JSON, *about])

    def _as_tested(self, end: Finished) -> bool:
        """The promise was tested on answers at temperature 0, whole, and bound by nothing but the specialist's own
        schema: of another one nothing is known."""
        order = self._order
        alike = order.talk is None and order.schema is None and not order.stop and not order.temperature
        return alike and end.finish == "stop"

    async def _weighed(self, writing: Writing, visit: Visit) -> Reply:
        """An answer of which something is promised is known to be given here only when it is whole: so also a stream
        comes at once."""
        text: str | None = await self._text(writing)
        end, tokens = writing.finished, writing.told()
        assert end is not None
        _report(visit, end)
        confidence = end.confidence if self._as_tested(end) else None
        outcomes = await self._cascade.weigh(
            self._entry, visit.request_id, [confidence], lambda _: self._question, self._parameters, visit
        )
        visit.went(outcomes)
        refuse_unsure(outcomes)
        [outcome] = outcomes
        if outcome.route != "local":
            given, tokens = outcome.output, []
            text = given if given is None or isinstance(given, str) else replies.encode(given).decode()
            end = msgspec.structs.replace(end, finish="stop")
        visit.keep(self._asked, text or "")
        about = headers(self._entry, visit, end.confidence, self._shape.certified)
        if self._order.stream:
            return Reply(self._shape.at_once(text, tokens, end), [EVENTS, UNCACHED, *about])
        return Reply(self._shape.whole(text, tokens, end), [JSON, *about])

    async def _stream(self, writing: Writing, send: Send, visit: Visit) -> None:
        """The head goes out with the first text, so that what fails before it still has a status of its own."""
        about = headers(self._entry, None, None, self._shape.certified)
        events = Events(send, [EVENTS, UNCACHED, *about, (b"x-request-id", visit.request_id.encode())])
        try:
            async for part in writing:
                self._said.append(part)
                await events.send(
                    (b"" if events.begun else self._shape.first()) + self._shape.piece(part, writing.told())
                )
            assert writing.finished is not None
            _report(visit, writing.finished)
            visit.keep(self._asked, "".join(self._said))
            await visit.close(200)
            await events.send((b"" if events.begun else self._shape.first()) + self._shape.last(writing.finished))
        except JanginError as error:
            if not events.begun:
                raise
            visit.failed(error)
            if error is GONE:
                self._given_up(visit)
            await events.send(broken(error))
        except asyncio.CancelledError:
            if not events.begun:
                raise
            visit.failed(stopping())
            await events.send(broken(stopping()))
        await events.end()


class Events:
    """The response's body, event by event. Who takes none for STALLED_S is gone: what works for them has others to
    serve."""

    def __init__(self, send: Send, headers: Pairs):
        self._send, self._headers = send, headers
        self.begun = self._stalled = False

    async def send(self, data: bytes) -> None:
        """Raises: RequestError GONE, once; after that nothing is sent."""
        if not self.begun:
            self.begun = True
            await self._pass({"type": "http.response.start", "status": 200, "headers": self._headers})
        await self._pass({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        await self._pass({"type": "http.response.body", "body": b""})

    async def _pass(self, message: Message) -> None:
        if self._stalled:
            return
        try:
            async with asyncio.timeout(STALLED_S):
                await self._send(message)
        except TimeoutError:
            self._stalled = True
            raise GONE from None


def _report(visit: Visit, finished: Finished) -> None:
    visit.report(
        prompt_tokens=finished.prompt_tokens,
        completion_tokens=finished.completion_tokens,
        work_s=finished.share_s,
        confidence=finished.confidence,
        ttft_s=finished.ttft_s,
    )


def stopping() -> EngineError:
    return EngineError("the server is stopping", "send the request again")


async def gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
