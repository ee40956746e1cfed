"""The way to an API without a proxy: HTTP/1.1 over connections that stay open, read by llhttp (httptools).

A general client spends 0.7 ms of CPU on one request when 32 are under way, half of it on looking at every connection of
its pool; this one less than a tenth of that. It does what egress needs and no more: POST, one host, no redirects, no
cookies, no encodings.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from urllib.parse import quote, urlencode, urlsplit

import httptools

from jangin.egress.ways import HEAD_BYTES, Lost, NotReached, Silent

IDLE_S = 5.0  # servers close connections that lie idle; one that is older is not tried
_MOST_BUFFERED = 1 << 18  # bytes that wait for whoever reads them before the connection is told to pause


class Direct:
    """Connections to one address. headers: of every request."""

    def __init__(self, url: str, query: dict[str, str], headers: dict[str, str]):
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host, self._tls = parts.hostname, _tls() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        target = quote(parts.path, "/%:@!$&'()*+,;=~") + ("?" + urlencode(query) if query else "")
        lines = {"host": parts.netloc, "connection": "keep-alive", **headers, "content-type": "application/json"}
        self._head = f"POST {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._idle: list[_Connection] = []  # the last one used is the first one taken

    async def post(self, body: bytes, accept: str, connect_s: float, silence_s: float) -> DirectReply:
        """Raises: NotReached, Lost, Silent."""
        connection = self._kept() or await self._connected(connect_s)
        head = f"{self._head}accept: {accept}\r\ncontent-length: {len(body)}\r\n\r\n"
        return await connection.ask(head.encode("latin-1") + body, silence_s)

    async def aclose(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> _Connection | None:
        oldest = asyncio.get_running_loop().time() - IDLE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.open and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connected(self, within_s: float) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within_s):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._idle), self._host, self._port, ssl=self._tls
                )
        except TimeoutError:
            raise NotReached("ConnectTimeout") from None
        except (OSError, ssl.SSLError, UnicodeError):
            raise NotReached("ConnectError") from None
        return connection


class _Connection(asyncio.Protocol):
    """One request at a time. It goes back to `idle` when its answer was read to the end."""

    def __init__(self, idle: list[_Connection]):
        self._idle, self.idle_since = idle, 0.0
        self.open = False
        self._transport: asyncio.Transport | None = None
        self._reply: DirectReply | None = None
        self._headers: dict[str, str] = {}
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # the event loop's is one for reading and writing
        self.open = True
        self._parser = httptools.HttpResponseParser(self)

    async def ask(self, request: bytes, silence_s: float) -> DirectReply:
        assert self._transport is not None
        self._reply = reply = DirectReply(self, silence_s)
        self._headers, self._head_bytes = {}, 0
        self._transport.write(request)
        try:
            while reply.status_code == 0:
                await reply.more()
        except BaseException:
            self.close()
            raise
        return reply

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:  # nothing was asked: whatever this is, it answers nothing
            self.close()
            return
        if reply.status_code == 0:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES + _MOST_BUFFERED:
                reply.fail(Lost("no end of the headers"))
                self.close()
                return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            reply.fail(Lost("no HTTP"))
            self.close()
        else:
            reply.wake()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # "continue" and its like come before the answer
            self._headers = {}
        elif self._reply is not None:
            self._reply.begin(status, self._headers)

    def on_body(self, data: bytes) -> None:
        if self._reply is not None and self._reply.take(data) > _MOST_BUFFERED and self._transport is not None:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._reply is not None and self._reply.status_code:
            self._reply.done = True
            self.open = self.open and self._parser.should_keep_alive()

    def eof_received(self) -> None:
        self.open = False
        reply, headers = self._reply, self._headers
        if reply is None or reply.done:
            return
        if reply.status_code and "content-length" not in headers and "transfer-encoding" not in headers:
            reply.done = True  # such an answer ends with its connection
            reply.wake()
        else:
            reply.fail(Lost("it was closed"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.eof_received()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def release(self) -> None:
        self._reply = None
        if self.open:
            self.idle_since = asyncio.get_running_loop().time()
            self._idle.append(self)
        else:
            self.close()

    def close(self) -> None:
        self.open, self._reply = False, None
        if self._transport is not None:
            self._transport.abort()


class DirectReply:
    """See ways.Reply. `status_code` is 0 until the head has come."""

    def __init__(self, connection: _Connection, silence_s: float):
        self.status_code = 0
        self.headers: dict[str, str] = {}
        self.done = False
        self._connection: _Connection | None = connection
        self._silence_s = silence_s
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.status_code, self.headers = status, headers

    def take(self, data: bytes) -> int:
        """The bytes that wait to be read."""
        self._pieces.append(data)
        self._size += len(data)
        return self._size

    def fail(self, error: Exception) -> None:
        self._error = error
        self.wake()

    def wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def more(self) -> None:
        """Waits until something has come. Raises: Lost, Silent."""
        if self._error is not None:
            raise self._error
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._silence_s):
                await self._waiting
        except TimeoutError:
            raise Silent from None
        finally:
            self._waiting = None
        if self._error is not None and not self._pieces:
            raise self._error

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        while self._connection is not None:
            if self._pieces:
                piece = self._pieces.popleft()
                full, self._size = self._size > _MOST_BUFFERED, self._size - len(piece)
                if full and self._size <= _MOST_BUFFERED:
                    self._connection.resume()
                yield piece
            elif self.done:
                await self.aclose()
            else:
                await self.more()

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self.done and not self._pieces:
            connection.release()
        else:
            connection.close()


def _tls() -> ssl.SSLContext:
    import httpx2  # the same certificates are trusted on either way

    return httpx2.create_ssl_context()
