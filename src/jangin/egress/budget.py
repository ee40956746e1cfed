"""Money that a task may spend: set aside before a request leaves, settled when it is answered, by UTC day and month."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from jangin.egress.seams import Spent
from jangin.errors import EgressDenied
from jangin.policy import Budget


class _Account:
    def __init__(self) -> None:
        self.day = self.month = ""
        self.usd_day = self.usd_month = self.held = 0.0
        self.known = asyncio.Lock()


class Budgets:
    """One for a server, in one event loop. `spent` is asked at the first request of a task and counts what was spent
    before; after that this process counts for itself."""

    def __init__(self, spent: Spent | None = None, now: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self._spent, self._now = spent, now
        self._accounts: dict[str, _Account] = {}

    async def hold(self, task: str, budget: Budget, most_usd: float | None) -> float:
        """Sets aside what a request can cost at most, and returns it, for `settle`.

        most_usd: None where no price is known.
        Raises: EgressDenied when it does not fit any more, or when nobody can tell.
        """
        if not budget.limited:
            return 0.0
        if most_usd is None:
            raise EgressDenied(
                "no_price",
                f"task '{task}' has a budget, but no price is known for the model",
                "the operator states it under upstreams: prices: {MODEL: [IN, OUT]}",
            )
        account = await self._account(task)
        for limit, used, name in (
            (budget.usd_per_day, account.usd_day, "today"),
            (budget.usd_per_month, account.usd_month, "this month"),
        ):
            if limit is not None and used + account.held + most_usd > limit:
                raise EgressDenied(
                    "budget",
                    f"the budget of task '{task}' {name}, {limit:.2f} USD, has no room for this request",
                    "raise policy.budget, or wait until it begins anew (UTC)",
                    status=429,
                )
        account.held += most_usd
        return most_usd

    def settle(self, task: str, budget: Budget, held: float, cost_usd: float) -> None:
        """What it did cost."""
        if not budget.limited:
            return
        account = self._accounts[task]
        self._turn(account)
        account.held = max(0.0, account.held - held)
        account.usd_day += cost_usd
        account.usd_month += cost_usd

    async def _account(self, task: str) -> _Account:
        account = self._accounts.setdefault(task, _Account())
        async with account.known:
            if not account.day and self._spent is not None:
                now = self._now()
                day = now.replace(hour=0, minute=0, second=0, microsecond=0)
                try:
                    usd_day = await asyncio.to_thread(self._spent, task, day)
                    usd_month = await asyncio.to_thread(self._spent, task, day.replace(day=1))
                except Exception as error:  # noqa: BLE001  # whatever it was: what was spent is not known
                    raise EgressDenied(
                        "budget_unknown",
                        f"what task '{task}' has spent cannot be told ({type(error).__name__})",
                        "see to the ledger",
                        status=503,
                    ) from None
                account.day, account.month = _names(now)
                account.usd_day, account.usd_month = usd_day, usd_month
            self._turn(account)
        return account

    def _turn(self, account: _Account) -> None:
        """A new day, or a new month, begins at nothing; one that was, when the clock is set back, is not new."""
        day, month = _names(self._now())
        if day > account.day:
            account.day, account.usd_day = day, 0.0
        if month > account.month:
            account.month, account.usd_month = month, 0.0


def _names(moment: datetime) -> tuple[str, str]:
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d}", f"{moment:%Y-%m}"
