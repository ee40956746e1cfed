"""The breaker and the budget by a clock of the test's own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from jangin.egress.breaker import Breaker, Ticket
from jangin.egress.budget import Budgets
from jangin.errors import EgressDenied
from jangin.policy import Budget


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, open_s=10, clock=clock, jitter=lambda seconds: seconds)


def passed(each: Breaker) -> Ticket:
    ticket = each.admit()
    assert isinstance(ticket, Ticket)
    return ticket


def fail(each: Breaker, times: int) -> None:
    for _ in range(times):
        each.report(passed(each), False)


def test_failures_in_a_row_open_it_and_one_good_answer_begins_the_count_anew() -> None:
    each = breaker(Clock())
    fail(each, 2)
    each.report(passed(each), True)
    fail(each, 2)
    assert each.state == "closed"
    fail(each, 1)
    assert each.state == "open" and each.admit() == 10.0


def test_half_open_lets_one_through_and_closes_when_that_is_answered() -> None:
    clock = Clock()
    each = breaker(clock)
    fail(each, 3)
    clock.now += 10
    assert each.state == "half-open"
    probe = passed(each)
    assert each.admit() == 1.0 and each.admit() == 1.0
    each.report(probe, True)
    assert each.state == "closed"
    fail(each, 2)
    assert each.state == "closed"


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_bound() -> None:
    clock = Clock()
    each = breaker(clock)
    fail(each, 3)
    waits = []
    for _ in range(7):
        wait = each.admit()
        assert isinstance(wait, float)
        waits.append(wait)
        clock.now += wait
        fail(each, 1)
    assert waits == [10, 20, 40, 80, 160, 240, 240]


def test_a_probe_whose_end_nobody_saw_gives_its_place_to_the_next() -> None:
    clock = Clock()
    each = breaker(clock)
    fail(each, 3)
    clock.now += 10
    each.report(passed(each), None)
    each.report(passed(each), True)
    assert each.state == "closed"


def test_what_was_sent_before_it_opened_neither_closes_nor_opens_it() -> None:
    clock = Clock()
    each = breaker(clock)
    late = [passed(each) for _ in range(3)]
    fail(each, 3)
    each.report(late[0], True)
    assert each.state == "open"
    clock.now += 10
    probe = passed(each)
    each.report(late[1], False)
    assert each.state == "half-open"
    each.report(probe, True)
    each.report(late[2], False)
    assert each.state == "closed"


def test_a_budget_counts_what_is_set_aside_and_what_was_spent_before() -> None:
    asked = []

    def spent(task: str, since: datetime) -> float:
        asked.append((task, since))
        return 1.0 if since.day == 15 else 5.0

    moment = datetime(2026, 11, 15, 13, tzinfo=UTC)

    async def run() -> None:
        budgets, limit = Budgets(spent, lambda: moment), Budget(2.0, 5.9)
        first = await budgets.hold("shop", limit, 0.5)
        with pytest.raises(EgressDenied) as month:
            await budgets.hold("shop", limit, 0.45)
        assert "this month, 5.90 USD" in month.value.message and month.value.status == 429
        budgets.settle("shop", limit, first, 0.1)
        with pytest.raises(EgressDenied) as day:
            await budgets.hold("shop", Budget(2.0, 100), 0.95)
        assert "today, 2.00 USD" in day.value.message
        await budgets.hold("shop", limit, 0.45)
        await budgets.hold("desk", limit, 0.5)

    asyncio.run(run())
    days = [datetime(2026, 11, 15, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)]
    assert asked == [("shop", days[0]), ("shop", days[1]), ("desk", days[0]), ("desk", days[1])]


def test_a_budget_begins_anew_each_day_and_each_month() -> None:
    moment = datetime(2026, 11, 29, 23, tzinfo=UTC)

    async def run() -> None:
        nonlocal moment
        budgets, limit = Budgets(None, lambda: moment), Budget(1.0, 1.5)
        budgets.settle("shop", limit, await budgets.hold("shop", limit, 1.0), 1.0)
        with pytest.raises(EgressDenied):
            await budgets.hold("shop", limit, 0.4)
        moment += timedelta(hours=2)
        budgets.settle("shop", limit, await budgets.hold("shop", limit, 0.4), 0.4)
        with pytest.raises(EgressDenied):
            await budgets.hold("shop", limit, 0.2)
        moment += timedelta(days=1)
        await budgets.hold("shop", limit, 1.0)

    asyncio.run(run())


def test_a_clock_that_is_set_back_gives_no_budget_back() -> None:
    midnight = datetime(2026, 12, 1, tzinfo=UTC)
    moment = midnight + timedelta(seconds=1)

    async def run() -> None:
        nonlocal moment
        budgets, limit = Budgets(None, lambda: moment), Budget(1.0, 1.0)
        budgets.settle("shop", limit, await budgets.hold("shop", limit, 1.0), 1.0)
        for seconds in (-1, 1):
            moment = midnight + timedelta(seconds=seconds)
            with pytest.raises(EgressDenied):
                await budgets.hold("shop", limit, 0.1)

    asyncio.run(run())


def test_a_budget_that_nobody_can_tell_lets_nothing_pass() -> None:
    def broken(task: str, since: datetime) -> float:
        raise OSError("disk")

    async def run() -> None:
        with pytest.raises(EgressDenied) as error:
            await Budgets(broken).hold("shop", Budget(1.0), 0.1)
        assert (error.value.reason, error.value.status) == ("budget_unknown", 503)
        with pytest.raises(EgressDenied) as error:
            await Budgets().hold("shop", Budget(1.0), None)
        assert error.value.reason == "no_price"
        assert await Budgets(broken).hold("shop", Budget(), None) == 0.0

    asyncio.run(run())
