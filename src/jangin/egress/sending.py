"""One question on its way out: what is to be sent, what was sent so far, and what it cost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeGuard

import msgspec

from jangin.egress.answers import Left, Outgoing, Question
from jangin.egress.link import Link
from jangin.egress.seams import Payer
from jangin.errors import RequestError
from jangin.policy import Policy
from jangin.prices import TokenPrice, estimated_tokens, provider_at, token_price

LIMITS = ("max_tokens", "max_completion_tokens")
MOST_TOKENS = 20_000_000  # of one request; no context is so long


class Sending:
    """Counts over all tries of one question. ends_at: by the event loop's clock."""

    def __init__(
        self,
        policy: Policy,
        question: Question,
        link: Link,
        model: str,
        out: Outgoing,
        streaming: bool,
        ends_at: float,
        payer: Payer | None = None,
    ):
        self.policy, self.question, self.link, self.model = policy, question, link, model
        self.out, self.streaming, self.ends_at = out, streaming, ends_at
        self.price = link.upstream.price(model) or _listed(link.upstream.where.url, model)
        self.payer = payer
        self.tries = self.bytes = 0
        self.lost_usd = 0.0  # of tries that may have been charged without anybody saying so
        self.lost_tokens = (0.0, 0.0)  # of their prompts and answers
        self.held = self.held_by_payer = 0.0
        self.usage: tuple[int, int] | None = None
        self.estimated = False
        self._settings: dict[str, Any] = {"model": model}
        if streaming:
            self._settings |= {"stream": True, "stream_options": {"include_usage": True}}
        bounded = policy.budget.limited or (payer is not None and payer.bounded)
        if bounded and not any(name in out.body for name in LIMITS):
            self._settings["max_tokens"] = link.upstream.max_tokens  # what has no end has no price

    @property
    def most_tokens(self) -> int:
        """Of the answers, all together."""
        given = {**self.out.body, **self._settings}
        limit = max((given[name] for name in LIMITS if name in given), default=self.link.upstream.max_tokens)
        return int(limit) * max(1, int(given.get("n", 1)))

    def most_usd(self) -> float | None:
        """What one try can cost, about; None: no price is known."""
        return None if self.price is None else self.price.request(self.out.tokens, self.most_tokens)

    def body(self) -> bytes:
        """Raises: RequestError for texts that are no Unicode."""
        given = {**self._settings, **self.out.body}
        if self.model in self.link.renamed and LIMITS[0] in given:
            given[LIMITS[1]] = given.pop(LIMITS[0])
        try:
            return msgspec.json.encode(given)
        except UnicodeEncodeError:
            raise RequestError("a text of the request holds half a character", param="messages") from None
        except RecursionError:
            raise RequestError("'response_format' is nested too deeply", param="response_format") from None

    def to_audit(self, number: int, size: int) -> dict[str, Any]:
        """What the audit log holds of a try: names and numbers, no texts."""
        return {
            "request": self.question.request_id,
            "task": self.question.task,
            "to": self.link.upstream.origin,
            "model": self.model,
            "try": number,
            "bytes": size,
            "fields": list(self.out.fields),
            "withheld": list(self.out.withheld),
            "redacted": self.policy.redact != "none",
            "placeholders": self.out.placeholders,
        }

    def count(self, usage: Any, answer_text: str) -> None:
        """The tokens that the API stated, or about as many as its answer must have had. What cannot be is not believed:
        no tokens for a prompt that was sent would be free of any budget, and 2**70 of them the end of it."""
        if self.usage is not None:  # a filter in front of the model: none were read
            return
        stated = usage if isinstance(usage, dict) else {}
        prompt, completion = stated.get("prompt_tokens"), stated.get("completion_tokens")
        if _is_count(prompt, 1) and _is_count(completion, 0):
            self.usage = (prompt, completion)
        else:
            self.usage = (round(self.out.tokens), round(estimated_tokens([answer_text])))
            self.estimated = True

    def lost(self, answer_text: str = "") -> None:
        """A try that may be charged, though its answer never came whole."""
        answered = estimated_tokens([answer_text])
        self.lost_tokens = (self.lost_tokens[0] + self.out.tokens, self.lost_tokens[1] + answered)
        if self.price is not None:
            self.lost_usd += self.price.request(self.out.tokens, answered)

    def gave_up(self) -> None:
        """Nobody waits for the answer any more: whoever pays hears what left all the same."""
        if self.payer is not None and (left := self.left()) is not None:
            prompt, answered = self.usage or self.lost_tokens
            self.payer.gave_up(left, round(prompt), round(answered))

    @property
    def cost_usd(self) -> float | None:
        if self.price is None:
            return None
        return self.lost_usd + (self.price.request(*self.usage) if self.usage else 0.0)

    def left(self) -> Left | None:
        """None while nothing was sent."""
        if self.bytes == 0:
            return None
        prompt, completion = self.usage or (None, None)
        return Left(
            to=self.link.upstream.origin,
            model=self.model,
            bytes=self.bytes,
            tries=self.tries,
            fields=self.out.fields,
            withheld=self.out.withheld,
            placeholders=self.out.placeholders,
            redacted=self.policy.redact != "none",
            prompt_tokens=prompt,
            completion_tokens=completion,
            cost_usd=self.cost_usd,
            estimated=self.estimated or self.lost_usd > 0,
            price=None if self.price is None else f"{self.price.source} {self.price.date}".strip(),
        )


def _is_count(value: Any, least: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST_TOKENS


_PRICES: dict[tuple[str, str, str], TokenPrice | None] = {}


def _listed(url: str, model: str) -> TokenPrice | None:
    """Today's price, looked up once a day."""
    today = datetime.now(UTC).date()
    key = (url, model, str(today))
    if key not in _PRICES:
        if len(_PRICES) > 1000:
            _PRICES.clear()
        _PRICES[key] = token_price(model, provider_at(url, model), today)
    return _PRICES[key]
