"""Many texts of one request, asked in parts that are small enough for other requests to get in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from jangin.serve.frames import Answers

SLICE_TEXTS, SLICE_CHARS = 16, 100_000
SLICES_AHEAD = 3  # of one request: the others' questions get in between
P = TypeVar("P")


async def in_slices(texts: list[str], ask: Callable[[list[str]], Awaitable[P]]) -> list[P]:
    """What is answered to each part, in order; a few parts at a time."""
    gate = asyncio.Semaphore(SLICES_AHEAD)

    async def one(part: list[str]) -> P:
        async with gate:
            return await ask(part)

    return await asyncio.gather(*(one(part) for part in slices(texts)))


def joined(found: list[Answers]) -> Answers:
    """Answers to parts as one."""
    return Answers(
        id=0,
        probabilities=b"".join(part.probabilities for part in found),
        given=b"".join(part.given for part in found),
        confidence=b"".join(part.confidence for part in found),
        text_s=sum(part.text_s for part in found) / len(found),
    )


def slices(texts: list[str]) -> Iterator[list[str]]:
    """Parts that are small enough for other requests to get in between."""
    part: list[str] = []
    chars = 0
    for text in texts:
        if part and (len(part) == SLICE_TEXTS or chars + len(text) > SLICE_CHARS):
            yield part
            part, chars = [], 0
        part.append(text)
        chars += len(text)
    yield part
