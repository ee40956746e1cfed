"""Texts that wait for the one thread that answers them: it takes what is there, at most so many, and waits for none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

Answer = tuple[str, float]
Classify = Callable[[Sequence[str]], list[Answer]]


class Waiting:
    def __init__(self, classify: Classify, most: int):
        self._classify, self._most = classify, most
        self._texts: list[tuple[str, asyncio.Future[Answer]]] = []
        self._pool = ThreadPoolExecutor(1)
        self._running: asyncio.Task[None] | None = None

    async def ask(self, text: str) -> Answer:
        found: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._texts.append((text, found))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await found

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._texts:
            batch, self._texts = self._texts[: self._most], self._texts[self._most :]
            try:
                answers = await loop.run_in_executor(self._pool, self._classify, [text for text, _ in batch])
            except Exception as error:  # noqa: BLE001 - each of them gets it, the next batch is tried
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), answer in zip(batch, answers):
                if not future.done():  # its client may be gone
                    future.set_result(answer)
        self._running = None
