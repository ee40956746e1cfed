"""Rates, concurrency and money of one key: what is let in, and what is settled when it is answered.

Rates are token buckets (Turner 1986): a key may use a minute's worth at once, and gets it back evenly. Tokens are known
only when an answer is done, so they are taken then: the bucket may go below zero, and nothing is let in until it is
above again. Money is counted by UTC day and month; what was spent before this start is asked of whoever kept it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from jangin.access.keys import Key, Limits
from jangin.errors import OverLimit, RequestError

Spent = Callable[[str, datetime], float]


class Bucket:
    """`per_minute` units, refilled evenly. `take` may leave it below zero."""

    __slots__ = ("_at", "_left", "per_minute")

    def __init__(self, per_minute: float, now: float):
        self.per_minute = per_minute
        self._left = per_minute
        self._at = now

    def wait_s(self, now: float, wanted: float = 1.0) -> float:
        """Seconds until `wanted` units are there; 0 when they are."""
        self._left = min(self.per_minute, self._left + (now - self._at) * self.per_minute / 60)
        self._at = now
        return max(0.0, (wanted - self._left) * 60 / self.per_minute)

    def take(self, units: float) -> None:
        self._left -= units


class _Use:
    """What one key has in use. `limits`: those that the buckets were made for."""

    def __init__(self, limits: Limits, now: float):
        self.active = 0
        self.day: tuple[int, ...] = ()
        self.month: tuple[int, ...] = ()
        self.usd_day = self.usd_month = 0.0
        self.held_usd = 0.0
        self.rebuild(limits, now)

    def rebuild(self, limits: Limits, now: float) -> None:
        self.limits = limits
        rpm, tpm = limits.requests_per_minute, limits.tokens_per_minute
        self.requests = None if rpm is None else Bucket(rpm, now)
        self.tokens = None if tpm is None else Bucket(tpm, now)


class Permit:
    """One request that was let in. Settle it exactly once; settling again changes nothing."""

    __slots__ = ("_gate", "_held", "_open", "_use", "key")

    def __init__(self, gate: Gate, key: Key, use: _Use):
        self._gate, self.key, self._use = gate, key, use
        self._open, self._held = True, 0.0

    def hold(self, usd: float) -> None:
        """Keeps money for a call that may cost this much, before it is made. Raises: OverLimit."""
        self._gate._check_money(self.key, self._use, usd)
        self._use.held_usd += usd
        self._held += usd

    def exchange(self, held: float, usd: float) -> None:
        """Of money that was held for a call, what the call did cost is held on, until all is settled."""
        if self._open:
            self._use.held_usd = max(0.0, self._use.held_usd + usd - held)
            self._held += usd - held

    def settle(self, tokens: int = 0, usd: float = 0.0) -> None:
        """The request is over: what it used. Held money is given back, and what was spent is taken."""
        if not self._open:
            return
        self._open = False
        use = self._use
        use.active -= 1
        use.held_usd = max(0.0, use.held_usd - self._held)
        if use.tokens is not None:
            use.tokens.take(tokens)
        if usd:
            use.usd_day += usd
            use.usd_month += usd


class Gate:
    """The limits of all keys on one server."""

    def __init__(
        self,
        spent: Spent | None = None,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        """spent: (key id, since) -> US dollars, asked once per key and period; None: nothing was."""
        self._spent = spent or (lambda key, since: 0.0)
        self._clock, self._today = clock, today
        self._uses: dict[str, _Use] = {}

    def admit(self, key: Key, task: str | None = None) -> Permit:
        """Raises: RequestError 403 for a task that is not the key's; OverLimit for its limits."""
        if task is not None and not key.may(task):
            message = f"this key may not ask '{task[:80]}'"
            raise RequestError(message, status=403, param="model", code="not_permitted")
        now = self._clock()
        use = self._uses.get(key.id)
        if use is None:
            use = self._uses[key.id] = _Use(key.limits, now)
        elif use.limits is not key.limits and use.limits != key.limits:
            use.rebuild(key.limits, now)
        limits = key.limits
        if limits.concurrent is not None and use.active >= limits.concurrent:
            raise OverLimit(f"{use.active} requests of this key are being answered, its most", "rate_limit_exceeded", 1)
        if limits.money:
            self._check_money(key, use, 0.0)
        if use.tokens is not None and (wait := use.tokens.wait_s(now)):
            message = f"this key's {limits.tokens_per_minute:,} tokens a minute are used up"
            raise OverLimit(message, "rate_limit_exceeded", wait)
        if use.requests is not None:
            if wait := use.requests.wait_s(now):
                message = f"this key's {limits.requests_per_minute:,} requests a minute are used up"
                raise OverLimit(message, "rate_limit_exceeded", wait)
            use.requests.take(1)
        use.active += 1
        return Permit(self, key, use)

    def active(self, key_id: str) -> int:
        """Requests of a key that are being answered."""
        return self._uses[key_id].active if key_id in self._uses else 0

    def _check_money(self, key: Key, use: _Use, more: float) -> None:
        now, limits = self._today(), key.limits
        self._turn(key, use, now)
        for name, most, spent, until in (
            ("day", limits.usd_per_day, use.usd_day, _tomorrow),
            ("month", limits.usd_per_month, use.usd_month, _next_month),
        ):
            if most is None:
                continue
            there = spent + use.held_usd
            if there >= most or there + more > most:
                message = f"this key's budget of {most:g} USD a {name} is used up ({there:.2f} USD)"
                if there < most:
                    message = f"this key's budget of {most:g} USD a {name} has no room for this request"
                passes = spent < most and spent + more <= most  # once what is held for others is given back
                raise OverLimit(message, "insufficient_quota", 1 if passes else (until(now) - now).total_seconds())

    def _turn(self, key: Key, use: _Use, now: datetime) -> None:
        month = (now.year, now.month)
        day = (*month, now.day)
        if use.month != month:
            use.month, use.usd_month = month, self._spent(key.id, _month(now))
        if use.day != day:
            use.day, use.usd_day = day, self._spent(key.id, _midnight(now))


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _tomorrow(now: datetime) -> datetime:
    return _midnight(now) + timedelta(days=1)


def _month(now: datetime) -> datetime:
    return _midnight(now).replace(day=1)


def _next_month(now: datetime) -> datetime:
    return (_month(now) + timedelta(days=32)).replace(day=1)
