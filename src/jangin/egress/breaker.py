"""A circuit breaker: an API that keeps failing is left alone for a while, then tried with one request.

closed: requests pass; `failures` in a row open it. open: none passes until its time is over. half-open: one passes;
when it is answered the breaker closes, when it fails it opens for twice as long. (Nygard, Release It!, 2nd ed., ch. 5.)
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import msgspec

FAILURES = 5
OPEN_S = 15.0
LONGEST_OPEN_S = 240.0


class Ticket(msgspec.Struct, frozen=True):
    """A request that was let through, in which of the breaker's periods."""

    period: int


class Breaker:
    """One for each API, in one event loop. `clock` and `jitter` may be replaced."""

    def __init__(
        self,
        failures: int = FAILURES,
        open_s: float = OPEN_S,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float], float] = lambda seconds: seconds * random.uniform(0.8, 1.2),
    ):
        self.failures, self.open_s = failures, open_s
        self._clock, self._jitter = clock, jitter
        self._period = 0  # a report of a request from another period says nothing about this one
        self._failed = 0
        self._opened = 0  # times in a row
        self._until: float | None = None
        self._probing = False

    @property
    def state(self) -> str:
        """closed, open or half-open."""
        if self._until is None:
            return "closed"
        return "open" if self._clock() < self._until else "half-open"

    def admit(self) -> Ticket | float:
        """A ticket, to be reported on whatever happens; or in how many seconds it may be worth asking again."""
        if self._until is not None:
            left = self._until - self._clock()
            if left > 0 or self._probing:
                return left if left > 0 else 1.0
            self._probing = True
        return Ticket(self._period)

    def report(self, ticket: Ticket, well: bool | None) -> None:
        """well: the API is; None: the request ended before that could be told."""
        if ticket.period != self._period:
            return
        if well is None:
            self._probing = False
        elif well:
            self._period += self._until is not None
            self._failed = self._opened = 0
            self._until, self._probing = None, False
        else:
            self._failed += 1
            if self._probing or self._failed >= self.failures:
                self._open()

    def _open(self) -> None:
        seconds = min(self.open_s * 2**self._opened, LONGEST_OPEN_S)
        self._until = self._clock() + self._jitter(seconds)
        self._opened += 1
        self._period += 1
        self._failed, self._probing = 0, False
