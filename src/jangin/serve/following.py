"""The HTTP process's end of one answer that an engine is writing: its pieces as they come, its end, or its failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from jangin.errors import JanginError
from jangin.serve.frames import Finished, Told


class Gone(Exception):
    """The answer was cancelled from this end."""


class Writing:
    """Iterate over it for the text; then `finished` is there. Raises what the engine reported; Gone after `cancel`."""

    def __init__(self, cancel: Callable[[], None]):
        self.finished: Finished | None = None
        self._cancel = cancel
        self._texts: list[str] = []
        self._tokens: list[Told] = []
        self._failed: JanginError | None = None
        self._gone = False
        self._news = asyncio.Event()

    @property
    def over(self) -> bool:
        return self.finished is not None or self._failed is not None

    def cancel(self) -> None:
        """Nobody wants the rest. Does nothing once it is over."""
        if not (self.over or self._gone):
            self._gone = True
            self._cancel()
            self._news.set()

    def take(self, text: str, tokens: list[Told]) -> None:
        self._tokens += tokens
        if text:
            self._texts.append(text)
            self._news.set()

    def told(self) -> list[Told]:
        """The tokens of the texts since the last call, when they were asked for."""
        found, self._tokens = self._tokens, []
        return found

    def finish(self, report: Finished) -> None:
        self.take(report.rest, report.tokens)
        self.finished = report
        self._news.set()

    def fail(self, error: JanginError) -> None:
        self._failed = error
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        """Never empty texts; what came while the reader was busy comes as one."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._gone:
                raise Gone
            if self._texts:
                text = "".join(self._texts)
                self._texts.clear()
                yield text
            if self._failed is not None:
                raise self._failed
            if self.finished is not None:
                return
