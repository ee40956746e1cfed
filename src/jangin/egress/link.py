"""One API over HTTP: a body out, a completion or the events of a stream in; what failed says whether it may be tried
again.

The requests are not made with the vendor's client, which sends facts about this machine in headers.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from jangin import __version__
from jangin.egress.breaker import Breaker
from jangin.egress.server import Upstream
from jangin.egress.way import Lost, NotReached, Reply, Silent, Way, proxy_of
from jangin.errors import InputError
from jangin.models.pace import Pace
from jangin.models.refusals import UNPAID, asked_wait_s, code_of, is_filtered, refused_parameter

MAX_ANSWER_BYTES = 16 << 20
MAX_STREAM_BYTES = 64 << 20
MAX_EVENT_BYTES = 4 << 20
_DONE = b"[DONE]"
_AGAIN = (408, 409, 425, 429)


class Failed(Exception):
    """A try without an answer. again: another may have one; wait_s: what the API asked for. well: whether the API is,
    None for unknown. charged: it may have cost money. status: for whoever asked us. parameter: one that it refuses."""

    def __init__(
        self,
        reason: str,
        says: str,
        *,
        again: bool = True,
        well: bool | None = False,
        status: int = 502,
        wait_s: float | None = None,
        charged: bool = False,
        filtered: bool = False,
        parameter: str | None = None,
    ):
        super().__init__(says)
        self.reason, self.says, self.again, self.well, self.status = reason, says, again, well, status
        self.wait_s, self.charged, self.filtered, self.parameter = wait_s, charged, filtered, parameter
        self.sent = True


class _Told(msgspec.Struct):
    """An error as models/refusals.py reads it: the inner object of OpenAI's shape."""

    status_code: int
    body: Any
    headers: Any


class Link:
    """The way to one upstream, shared by all that ask it: connections, breaker, pace, places.

    Raises: InputError where the environment holds no usable key, or a proxy that cannot be used.
    """

    def __init__(self, upstream: Upstream, breaker: Breaker):
        self.upstream, self.breaker = upstream, breaker
        self.pace = Pace(upstream.requests_per_minute, upstream.tokens_per_minute)
        self.places = asyncio.Semaphore(upstream.at_once)
        self.renamed: set[str] = set()  # models that want max_completion_tokens
        headers = {"user-agent": f"jangin/{__version__}", "accept-encoding": "identity"}
        if upstream.key_env is not None:
            key = _key(upstream.key_env, upstream.where.host)
            headers["authorization"] = f"Bearer {key}"
            if upstream.where.azure:
                headers["api-key"] = key
        where, url = upstream.where, f"{upstream.where.url}/chat/completions"
        self.way = Way(url, where.query, headers, upstream.at_once, None if where.local else proxy_of(url))

    async def close(self) -> None:
        await self.way.aclose()

    async def post(self, body: bytes, within_s: float, streaming: bool) -> Reply:
        """The response, its body unread, when its status is 200. Raises: Failed."""
        silence_s = min(self.upstream.timeout_s, within_s)
        connect_s = min(self.upstream.connect_timeout_s, within_s)
        accept = "text/event-stream" if streaming else "application/json"
        try:
            response = await self.way.post(body, accept, connect_s, silence_s)
        except NotReached as error:
            failed = Failed("connection", f"connection failed ({error})", status=503)
            failed.sent = False
            raise failed from None
        except (Lost, Silent) as error:
            raise _lost(error) from None
        if response.status_code == 200 and response.headers.get("content-encoding", "identity") == "identity":
            return response
        try:
            raw = b"" if response.status_code == 200 else await read(response, 1 << 16)
        except Failed:
            raw = b""
        finally:
            await response.aclose()
        raise self._failed(response, raw)

    def _failed(self, response: Any, raw: bytes) -> Failed:
        """What a status means; the API's own words stay out, since they may repeat the question."""
        status = response.status_code
        if status == 200:
            return Failed("garbage", "the answer is encoded, which was not asked for", charged=True)
        try:
            body = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            body = None
        inner = body.get("error", body) if isinstance(body, dict) else None
        told = _Told(status, inner, response.headers)
        code = code_of(told)
        says = f"HTTP {status}{f' {code}' if code else ''}"
        if is_filtered(told):
            return Failed("content_filter", says, again=False, well=True, filtered=True)
        if code in UNPAID:
            return Failed("unpaid", f"{says}: see to the account's quota or billing", again=False, well=True)
        if status in (401, 403):
            name = self.upstream.key_env or "(none is configured)"
            return Failed("key", f"{says}: it refuses the key in {name}", again=False, well=True)
        if status == 404:
            return Failed("unknown", f"{says}: it knows no such model, or no such address", again=False, well=True)
        if 300 <= status < 400:
            return Failed("redirect", f"{says}: it sends the request on to another address", again=False, well=True)
        if status in _AGAIN:
            says_wait = asked_wait_s(response.headers)
            return Failed(f"http_{status}", says, well=True, status=429 if status == 429 else 503, wait_s=says_wait)
        if status >= 500:
            return Failed("http_5xx", says, status=503, wait_s=asked_wait_s(response.headers))
        known = {"temperature": 0, "seed": 0, "max_tokens": 0, "max_completion_tokens": 0, "response_format": 0}
        parameter = refused_parameter(told, known)
        shown = 400 if status in (400, 413, 422) else 502
        return Failed("refused", says, again=False, well=True, status=shown, parameter=parameter)


def _lost(error: Lost | Silent) -> Failed:
    if isinstance(error, Silent):
        return Failed("timeout", "timed out", status=504, charged=True)
    return Failed("connection", f"connection lost ({error})", status=503, charged=True)


async def read(response: Reply, most: int) -> bytes:
    """The whole body. Raises: Failed when it breaks off, or is larger than `most`."""
    data = bytearray()
    try:
        async for piece in response.aiter_raw():
            data += piece
            if len(data) > most:
                raise Failed("garbage", f"the answer is larger than {most:,} bytes", charged=True)
    except (Lost, Silent) as error:
        raise _lost(error) from None
    return bytes(data)


def completion(raw: bytes) -> dict[str, Any]:
    """Raises: Failed for a body that is no chat completion."""
    try:
        found = msgspec.json.decode(raw)
        good = bool(found["choices"]) and all(_is_answer(each) for each in found["choices"])
    except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise Failed("garbage", "the answer is no chat completion", charged=True)
    return found


def _is_answer(choice: Any) -> bool:
    message = choice["message"]
    return all(is_text(each) for each in (message["content"], message.get("refusal"), choice.get("finish_reason")))


def is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


async def events(response: Reply) -> AsyncIterator[dict[str, Any] | None]:
    """The objects of an event stream; None for [DONE]. Raises: Failed when it breaks off, or holds something else."""
    rest, size = b"", 0
    try:
        async for piece in response.aiter_raw():
            size += len(piece)
            lines = (rest + piece).split(b"\n")
            rest = lines.pop()
            if size > MAX_STREAM_BYTES or len(rest) > MAX_EVENT_BYTES:
                raise Failed("garbage", "the stream is larger than any answer may be", charged=True)
            for line in lines:
                line = line.rstrip(b"\r")
                if line.startswith(b"data:"):
                    yield _event(line[5:].strip())
                elif line and not line.startswith((b":", b"event:", b"id:", b"retry:")):
                    raise Failed("garbage", "the answer is no event stream", charged=True)
    except (Lost, Silent) as error:
        raise _lost(error) from None


def _event(data: bytes) -> dict[str, Any] | None:
    if data == _DONE:
        return None
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = None
    if isinstance(found, dict) and found.get("error"):
        raise Failed("http_5xx", "the API ended the stream with an error", status=503, charged=True)
    if not isinstance(found, dict) or not isinstance(found.get("choices"), list):
        raise Failed("garbage", "an event of the stream is no chunk of a chat completion", charged=True)
    return found


def back_off_s(number: int, first_s: float, longest_s: float = 20.0) -> float:
    """After the number-th try: doubled each time, with jitter, so that those who failed together come back apart."""
    return min(first_s * 2 ** (number - 1), longest_s) * random.uniform(0.5, 1.0)


def _key(variable: str, host: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise InputError(
            f"the environment variable {variable} holds no key for {host}", "export the key before the server starts"
        )
    if not key.isascii() or not key.isprintable():
        raise InputError(f"the key in {variable} holds characters that no HTTP header may hold", "copy the key again")
    return key
