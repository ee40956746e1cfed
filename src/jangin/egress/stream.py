"""An answer that comes in pieces: chunks with the originals put back, and at the end what left and what it cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from jangin.egress import link
from jangin.egress.answers import Left
from jangin.egress.breaker import Ticket
from jangin.egress.link import Failed
from jangin.egress.restore import Chunks
from jangin.egress.sending import Sending
from jangin.errors import EgressFailed


class Stream:
    """Iterate over it once, for chunks of a chat completion (dicts, without usage). Then `left` and `text` are there.

    text: of the first choice as it came, with placeholders.
    """

    def __init__(self, sending: Sending, response: Any, ticket: Ticket):
        self.sending = sending
        self._response, self._ticket = response, ticket
        self._events = link.events(response)
        self._chunks = Chunks(sending.out.vault, sending.out.json_answer)
        self._first: dict[str, Any] | None = None
        self._over = False

    @classmethod
    async def opened(cls, sending: Sending, response: Any, ticket: Ticket) -> Stream:
        """With its first chunk read: until then a failure is one that may be tried again. Raises: Failed."""
        stream = cls(sending, response, ticket)
        try:
            first = await anext(stream._events)
        except StopAsyncIteration:
            first = None
        if first is None:
            raise Failed("garbage", "the stream is empty", charged=True)
        stream._first = stream._taken(first)
        return stream

    @property
    def text(self) -> str:
        return "".join(self._chunks.texts)

    @property
    def refusal(self) -> str | None:
        return self._chunks.refusal or None

    @property
    def finish_reason(self) -> str | None:
        return self._chunks.finish_reason

    @property
    def model(self) -> str | None:
        return self._chunks.model

    @property
    def left(self) -> Left:
        found = self.sending.left()
        assert found is not None
        return found

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Raises: EgressFailed when the rest does not come; what was given so far is then no whole answer."""
        assert self._first is not None
        if _says_something(self._first):
            yield self._first
        while (chunk := await self._next()) is not None:
            if _says_something(chunk):
                yield chunk
        self._end(True)

    async def _next(self) -> dict[str, Any] | None:
        sending = self.sending
        try:
            async with asyncio.timeout_at(sending.ends_at):
                event = await anext(self._events, None)
            if event is not None:
                return self._taken(event)
            if not self._chunks.complete:
                raise Failed("cut", "the stream ended before the answer did", status=503, charged=True)
        except TimeoutError:
            self._end(False)
            seconds = sending.link.upstream.deadline_s
            raise self._failed("deadline", f"did not end its answer within {seconds:g} s", 504) from None
        except Failed as error:
            self._end(False)
            raise self._failed(error.reason, f"broke off its answer: {error.says}", error.status) from None
        return None

    def _taken(self, event: dict[str, Any]) -> dict[str, Any]:
        try:
            chunk = self._chunks.take(event)
        except (KeyError, TypeError, AttributeError, ValueError):
            raise Failed("garbage", "an event of the stream is no chunk of a chat completion", charged=True) from None
        chunk.pop("usage", None)
        return chunk

    def _failed(self, reason: str, says: str, status: int) -> EgressFailed:
        return EgressFailed(reason, f"{self.sending.link.upstream.origin} {says}", status=status)

    def _end(self, well: bool | None) -> None:
        """Once: the breaker is told, and the costs are counted."""
        if self._over:
            return
        self._over = True
        self.sending.link.breaker.report(self._ticket, well)
        if well:
            self.sending.count(self._chunks.usage, self.text)
        else:
            self.sending.lost(self.text)

    async def close(self) -> None:
        """Gives the connection back. Before the end: whoever asked went away, and what came so far is charged."""
        self._end(None)
        await self._events.aclose()  # type: ignore[attr-defined]
        await self._response.aclose()


def _says_something(chunk: dict[str, Any]) -> bool:
    return any(
        choice.get("finish_reason") or any(value for value in choice["delta"].values()) for choice in chunk["choices"]
    )
