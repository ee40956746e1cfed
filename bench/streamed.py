"""One streamed answer over HTTP, as OpenAI's API streams it: its tokens, and when its first text came.

A client of few instructions: it runs on the server's own cores. It reads JSON until the first text, and the last line.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    """Times in seconds of time.perf_counter(). first_s: of the first text that is not empty; None when none came.
    tokens: as the server counts what it wrote."""

    begun_s: float
    first_s: float | None
    ended_s: float
    tokens: int
    prompt_tokens: int


class NotAnswered(Exception):
    """A status other than 200, or a stream without its last line."""


async def ask(url: str, path: str, body: Mapping[str, Any]) -> Answer:
    """A 429 is asked again after a second; its wait counts.

    Raises: NotAnswered; OSError without a server.
    """
    data = json.dumps({**body, "stream": True, "stream_options": {"include_usage": True}}).encode()
    to = urlsplit(url)
    head = f"POST {path} HTTP/1.1\r\nHost: {to.netloc}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    begun = time.perf_counter()
    while True:
        reader, writer = await asyncio.open_connection(to.hostname, to.port)
        try:
            writer.write(head.encode() + data)
            status = b" ".join((await reader.readline()).split()[1:2])
            if status == b"200":
                first, usage = await _read(reader)
                break
            if status != b"429":
                said = (await reader.read()).partition(b"\r\n\r\n")[2]
                raise NotAnswered(f"answers {status.decode()}: {said.decode(errors='replace')[:300]}")
        finally:
            writer.close()
        await asyncio.sleep(1)  # a slow machine: so many would wait for more than a minute
    return Answer(begun, first, time.perf_counter(), usage["completion_tokens"], usage["prompt_tokens"])


async def _read(reader: asyncio.StreamReader) -> tuple[float | None, dict[str, Any]]:
    """When the first text came, and the tokens that the last line counts."""
    first, last = None, b""
    async for line in reader:
        if line.startswith(b'data: {"'):
            last = line
            if first is None and _text(json.loads(line[6:])):
                first = time.perf_counter()
    usage = json.loads(last[6:]).get("usage") if last else None
    if not usage:
        raise NotAnswered("its stream ended without the number of tokens")
    return first, usage


def _text(part: Mapping[str, Any]) -> str:
    """Of a piece of a chat or of a completion."""
    found = [choice.get("text") or (choice.get("delta") or {}).get("content") for choice in part.get("choices", ())]
    return "".join(filter(None, found))
