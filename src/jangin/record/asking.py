"""Many questions at once: workers, the limit on the cost, the bar, and when to give up."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from jangin.errors import EndpointError
from jangin.models.api import ApiAnswer, ApiModel
from jangin.prices import TokenPrice
from jangin.record.answers import cost_of, row_of
from jangin.record.journal import Journal
from jangin.types import Kind, Message

GIVE_UP_AFTER = 10  # questions in a row that got no answer, each after all its tries


class Question(msgspec.Struct, frozen=True):
    """`tokens`: of the chat, about."""

    id: str
    chat: list[Message]
    tokens: float


class Budget:
    """Money that may be spent: a request may start when even its longest answer keeps within `max_usd`.

    Estimates of prompts are corrected upwards by what the server counted so far.
    """

    def __init__(self, price: TokenPrice | None, max_usd: float | None, max_tokens: int, spent: float = 0.0):
        self.price, self.max_usd, self.max_tokens, self.spent = price, max_usd, max_tokens, spent
        self._held, self._ratio = 0.0, 1.0

    def hold(self, question: Question) -> float | None:
        """Sets aside what the request can cost at most, in US dollars; None: there is not enough left."""
        most = 0.0 if self.price is None else self.price.request(question.tokens * self._ratio, self.max_tokens)
        if self.max_usd is not None and self.spent + self._held + most > self.max_usd:
            return None
        self._held += most
        return most

    def settle(self, question: Question, held: float, answer: ApiAnswer) -> None:
        """Counts what the answer cost; where the server did not say, what was set aside for it."""
        self._held -= held
        cost = cost_of(answer, self.price)
        if cost is None:
            cost = 0.0 if answer.unscored is not None or self.price is None else held
        self.spent += cost
        if answer.prompt_tokens is not None:
            self._ratio = max(self._ratio, answer.prompt_tokens / max(question.tokens, 1.0))


async def ask_all(
    model: ApiModel,
    questions: Sequence[Question],
    journal: Journal,
    budget: Budget,
    kind: Kind,
    parallel: int,
    answer_tokens: float,
    response_format: dict[str, Any] | None,
    total: int | None,
) -> int:
    """Asks every question, `parallel` at a time, and writes each answer down as it comes; how many were asked.

    The first goes alone: it shows whether key, address and parameters are right. Stops early at the budget's limit.

    Args:
        total: rows of the whole recording, for the bar; None: no bar.
    Raises: EndpointError, also when GIVE_UP_AFTER questions in a row got no answer.
    """
    from tqdm import tqdm

    waiting = iter(questions)
    asked = failed = unscored = 0
    enough = False
    disable = None if total is not None else True
    bar = tqdm(total=total, initial=(total or 0) - len(questions), unit="answer", disable=disable, file=sys.stderr)

    async def work(limit: int | None = None) -> None:
        nonlocal asked, failed, unscored, enough
        while not enough and limit != 0 and (question := next(waiting, None)) is not None:
            limit = None if limit is None else limit - 1
            held = budget.hold(question)
            if held is None:
                enough = True
                return
            answer = await model.ask(
                question.chat, tokens=question.tokens + answer_tokens, response_format=response_format
            )
            budget.settle(question, held, answer)
            journal.append(row_of(question.id, kind, answer, budget.price))
            asked += 1
            failed = 0 if answer.unscored is None else failed + 1
            unscored += answer.unscored is not None
            shown = f"{budget.spent:.4f} USD" if budget.price else "unknown"
            bar.set_postfix(cost=shown, unscored=unscored, refresh=False)
            bar.update()
            if failed >= max(GIVE_UP_AFTER, parallel):
                raise EndpointError(
                    f"{failed} questions in a row got no answer from {model.where.host} (last: {answer.unscored})",
                    "when the API is well again, the same command with --retry-unscored goes on",
                )

    with bar:
        await work(1)
        workers = [asyncio.create_task(work()) for _ in range(parallel)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
    return asked
