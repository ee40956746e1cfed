"""Rates, concurrency and budgets of a key, by a clock that the test turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jangin.access.keys import Key, Limits
from jangin.access.limits import Gate
from jangin.errors import OverLimit, RequestError

START = datetime(2026, 11, 30, 23, 50, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def today(self) -> datetime:
        return START + timedelta(seconds=self.seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def key(**limits: Any) -> Key:
    return Key(id="key_1", name="desk", limits=Limits(**limits))


def gate(clock: Clock, spent: dict[str, float] | None = None) -> Gate:
    def before(key_id: str, since: datetime) -> float:
        return (spent or {}).get(since.date().isoformat(), 0.0)

    return Gate(before, clock, clock.today)


def test_requests_a_minute_may_come_at_once_and_come_back_evenly(clock: Clock) -> None:
    at, mine = gate(clock), key(requests_per_minute=6)
    for _ in range(6):
        at.admit(mine).settle()
    with pytest.raises(OverLimit, match="6 requests a minute") as refused:
        at.admit(mine)
    assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (429, "rate_limit_exceeded", 10)
    clock.seconds = 9.9
    with pytest.raises(OverLimit):
        at.admit(mine)
    clock.seconds = 10.0
    at.admit(mine).settle()
    clock.seconds = 10_000.0
    for _ in range(6):
        at.admit(mine).settle()
    with pytest.raises(OverLimit):
        at.admit(mine)


def test_tokens_are_taken_when_they_are_known_and_debts_are_waited_for(clock: Clock) -> None:
    at, mine = gate(clock), key(tokens_per_minute=600)
    at.admit(mine).settle(tokens=900)
    with pytest.raises(OverLimit, match="600 tokens a minute") as refused:
        at.admit(mine)
    assert refused.value.retry_after_s == 31
    clock.seconds = 31.0
    at.admit(mine).settle()


def test_concurrent_requests_are_counted_until_they_are_settled(clock: Clock) -> None:
    at, mine = gate(clock), key(concurrent=2)
    first, second = at.admit(mine), at.admit(mine)
    with pytest.raises(OverLimit, match="2 requests of this key"):
        at.admit(mine)
    first.settle()
    first.settle()  # a second time changes nothing
    third = at.admit(mine)
    with pytest.raises(OverLimit):
        at.admit(mine)
    second.settle()
    third.settle()
    assert at.active("key_1") == 0


def test_a_refused_request_uses_nothing_up(clock: Clock) -> None:
    at, mine = gate(clock), key(concurrent=1, requests_per_minute=2)
    held = at.admit(mine)
    for _ in range(5):
        with pytest.raises(OverLimit, match="being answered"):
            at.admit(mine)
    held.settle()
    at.admit(mine).settle()
    with pytest.raises(OverLimit, match="requests a minute"):
        at.admit(mine)


def test_a_day_s_budget_ends_at_midnight_and_a_month_s_with_the_month(clock: Clock) -> None:
    at, mine = gate(clock), key(usd_per_day=1.0, usd_per_month=1.5)
    at.admit(mine).settle(usd=1.0)
    with pytest.raises(OverLimit, match="1 USD a day") as refused:
        at.admit(mine)
    assert (refused.value.code, refused.value.retry_after_s) == ("insufficient_quota", 600)
    clock.seconds = 600.0  # 1 December
    at.admit(mine).settle(usd=0.9)
    clock.seconds += 86_400
    at.admit(mine).settle(usd=0.7)
    with pytest.raises(OverLimit, match=r"1\.5 USD a month") as refused:
        at.admit(mine)
    assert refused.value.retry_after_s == 30 * 86_400


def test_what_was_spent_before_the_start_counts(clock: Clock) -> None:
    at = gate(clock, {"2026-11-30": 0.4, "2026-11-01": 9.9})
    at.admit(key(usd_per_day=0.5)).settle()
    with pytest.raises(OverLimit, match=r"0\.4 USD a day"):
        at.admit(key(usd_per_day=0.4))
    with pytest.raises(OverLimit, match="9 USD a month"):
        at.admit(key(usd_per_month=9))


def test_money_for_a_call_is_held_before_it_is_made_and_given_back_after(clock: Clock) -> None:
    at, mine = gate(clock), key(usd_per_day=1.0)
    first, second = at.admit(mine), at.admit(mine)
    first.hold(0.7)
    with pytest.raises(OverLimit, match="budget"):
        second.hold(0.4)
    first.settle(usd=0.2)
    second.hold(0.8)
    second.settle(usd=0.8)
    with pytest.raises(OverLimit, match="budget"):
        at.admit(mine)


def test_changed_limits_hold_from_the_next_request_on(clock: Clock) -> None:
    at = gate(clock)
    at.admit(key(requests_per_minute=1)).settle()
    with pytest.raises(OverLimit):
        at.admit(key(requests_per_minute=1))
    at.admit(key(requests_per_minute=2)).settle()
    at.admit(key()).settle()


def test_a_task_that_is_not_the_key_s_is_refused_by_name(clock: Clock) -> None:
    with pytest.raises(RequestError, match="may not ask 'loans'") as refused:
        gate(clock).admit(Key(id="k", name="desk", tasks=("cards",)), "loans")
    assert (refused.value.status, refused.value.param) == (403, "model")
