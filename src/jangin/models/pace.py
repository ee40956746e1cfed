"""How fast a model API may be asked: requests and tokens a minute, and the pauses that it asks for itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Pace:
    """A token bucket for requests and one for tokens, shared by all that ask one endpoint from one event loop.

    A bucket holds what one second allows (at least one request), so that no window of a minute sees more than the
    limit and one second's worth of it.
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._clock = clock
        self._requests = _Bucket(requests_per_minute, clock)
        self._tokens = _Bucket(tokens_per_minute, clock)
        self._closed_until = clock()
        self._turn = asyncio.Lock()  # first come, first served: a large request is not overtaken for ever

    async def wait(self, tokens: float) -> None:
        """Returns when one more request of about that many tokens may leave."""
        async with self._turn:
            while (seconds := self._missing_s(tokens)) > 0:
                await asyncio.sleep(seconds)
            self._requests.take(1)
            self._tokens.take(tokens)

    def settle(self, estimated: float, used: float) -> None:
        """What a request really took, in tokens, once its answer says so."""
        self._tokens.take(used - estimated)

    def pause(self, seconds: float) -> None:
        """Nobody asks for so long: the server said so."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)

    @property
    def paused_s(self) -> float:
        """How long the server's own pause still lasts."""
        return max(0.0, self._closed_until - self._clock())

    def _missing_s(self, tokens: float) -> float:
        closed = self._closed_until - self._clock()
        return max(closed, self._requests.missing_s(1), self._tokens.missing_s(tokens))


class _Bucket:
    """Fills with `per_minute` / 60 a second. A need beyond its size waits until it is full, then leaves a debt."""

    def __init__(self, per_minute: float | None, clock: Callable[[], float]):
        self.clock = clock
        self.per_s = None if per_minute is None else per_minute / 60
        self.size = max(1.0, self.per_s or 0)
        self.level, self.at = self.size, clock()

    def missing_s(self, need: float) -> float:
        if self.per_s is None:
            return 0.0
        now = self.clock()
        self.level, self.at = min(self.size, self.level + (now - self.at) * self.per_s), now
        return max(0.0, (min(need, self.size) - self.level) / self.per_s)

    def take(self, amount: float) -> None:
        if self.per_s is not None:
            self.level -= amount
