"""Request bodies, read with bounds of size and time, and counted until they are answered."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope

from jangin.errors import Overloaded, RequestError
from jangin.serve import wire

MAX_BODIES_BYTES = 128_000_000  # of all requests that are being received, or wait for their answer
BODY_TIMEOUT_S = 30.0


class Bodies:
    """Counts what all clients together are sending, and what they have sent and wait for."""

    def __init__(self) -> None:
        self.receiving = self.held = 0

    def hold(self, size: int) -> int:
        """Counts a body until it is given to `release`, and returns its size. Raises: Overloaded."""
        if self.held + self.receiving + size > MAX_BODIES_BYTES and self.held:
            raise Overloaded("too many large requests wait for their answers", 1)
        self.held += size
        return size

    def release(self, size: int) -> None:
        self.held -= size

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """Raises: RequestError 413, 408, or 429 when all clients together send too much at once."""
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > wire.MAX_BODY_BYTES:
                raise _too_large()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                message = await receive()  # which waits where nothing of the body has come yet
                data: bytes = message.get("body", b"")
                if message.get("more_body"):
                    data = await self._rest(data, receive)
        except TimeoutError:
            raise RequestError("the body did not arrive in time", status=408, code="timeout") from None
        if len(data) > wire.MAX_BODY_BYTES:
            raise _too_large()
        return data

    async def _rest(self, first: bytes, receive: Receive) -> bytes:
        data = bytearray(first)
        self.receiving += len(data)
        counted = len(data)
        try:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestError("the client went away", status=400)
                part = message.get("body", b"")
                more = message.get("more_body", False)
                data += part
                self.receiving += len(part)
                counted += len(part)
                if len(data) > wire.MAX_BODY_BYTES:
                    raise _too_large()
                if self.held + self.receiving > MAX_BODIES_BYTES:
                    raise Overloaded("too many large requests are arriving at once", 1)
            return bytes(data)
        finally:
            self.receiving -= counted


def _too_large() -> RequestError:
    return RequestError(f"the body is larger than {wire.MAX_BODY_BYTES:,} bytes", status=413, code="body_too_large")
