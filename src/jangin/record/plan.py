"""Before anything leaves: what goes where, what it will cost about, and whether the user agrees."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from datetime import date

import msgspec

from jangin.errors import InputError
from jangin.models.endpoint import Endpoint
from jangin.prices import TokenPrice, estimated_tokens, provider_at, token_price
from jangin.types import Message

TURN_TOKENS = 4  # what a chat template puts around one message, about


class Estimate(msgspec.Struct, frozen=True):
    """Of the requests that are still to be made. usd: None without a price; usd_at_most: with answers at the limit."""

    requests: int
    prompt_tokens: float
    completion_tokens: float
    usd: float | None
    usd_at_most: float | None


class Price(msgspec.Struct, frozen=True):
    """`provider`: genai-prices' name of it, where the address says so; `tokens` None: no price is known."""

    provider: str | None
    tokens: TokenPrice | None


def price_of(where: Endpoint, model: str, given: tuple[float, float] | None, today: date) -> Price:
    """What the user said (US dollars per million prompt and answer tokens), else the dated price of the model."""
    if given is not None:
        return Price(None, TokenPrice(model, *given, "given with --price", str(today)))
    provider = provider_at(where.url, model)
    return Price(provider, token_price(model, provider, today))


def tokens_of(chat: Sequence[Message]) -> float:
    """About how many tokens a chat takes, from the length of its texts."""
    return sum(estimated_tokens([turn["content"]]) + TURN_TOKENS for turn in chat)


def estimate(prompts: Sequence[float], answer: float, max_tokens: int, price: TokenPrice | None) -> Estimate:
    """prompts: tokens of each request. answer: tokens of an answer, about."""
    total, count = sum(prompts), len(prompts)
    return Estimate(
        requests=count,
        prompt_tokens=total,
        completion_tokens=count * answer,
        usd=None if price is None else price.request(total, count * answer),
        usd_at_most=None if price is None else price.request(total, count * max_tokens),
    )


def told(
    where: Endpoint,
    model: str,
    found: Estimate,
    price: TokenPrice | None,
    *,
    split: str,
    shots: int,
    redacted: tuple[str, int] | None,
    max_usd: float | None,
    spent: float,
) -> list[str]:
    """What the user reads before it starts. `redacted`: name of the hook, and how many texts it changed."""
    texts = f"{found.requests:,} inputs of the {split} split"
    if shots:
        texts += f", each with the {shots:,} examples of train and their answers,"
    verb = "go to a server on this machine" if where.local else "LEAVE this machine"
    lines = [f"{texts} will {verb}: {where.host}, model '{model}'"]
    if not where.local and not where.secure:
        lines.append("unencrypted: texts and key can be read by everybody on the way (--insecure-http)")
    if redacted is None:
        lines.append("redaction: none, they are sent as they are (--redact pii masks identifiers by their shape)")
    else:
        lines.append(f"redaction: {redacted[0]} changed {redacted[1]:,} of the texts")
    size = f"about {_round(found.prompt_tokens):,} prompt and {_round(found.completion_tokens):,} answer tokens"
    if price is None:
        lines.append(f"cost: not known, there is no price for '{model}' (--price IN,OUT gives one); {size}")
    else:
        lines.append(
            f"cost: about {found.usd:,.4f} USD, at most about {found.usd_at_most:,.4f}; {size}; "
            f"{price.input:g} and {price.output:g} USD a million ({price.source}, {price.date})"
        )
    if max_usd is not None:
        before = f", of which {spent:,.4f} are spent" if spent else ""
        lines.append(f"it stops before {max_usd:,.4f} USD are passed{before}")
    return lines


def agree(
    lines: Sequence[str], *, yes: bool, capped: bool, read: Callable[[], str] | None = None, tty: bool | None = None
) -> None:
    """Shows the lines on stderr, and asks on a terminal unless `yes`.

    Raises: InputError where the answer is no; without a terminal and neither `yes` nor a limit on the cost.
    """
    print("\n".join(lines), file=sys.stderr, flush=True)
    if yes:
        return
    if not (sys.stdin.isatty() if tty is None else tty):
        if capped:
            return
        raise InputError("there is no terminal to agree on; nothing was sent", "add --yes, or a limit: --max-usd X")
    print("send them? [y/N] ", end="", file=sys.stderr, flush=True)
    if (read or sys.stdin.readline)().strip().casefold() not in ("y", "yes"):
        raise InputError("nothing was sent", "answer y, or add --yes")


def _round(tokens: float) -> int:
    """Two digits that mean something: an estimate is not exact."""
    if tokens < 1:
        return 0
    unit = 10 ** max(0, math.floor(math.log10(tokens)) - 1)
    return round(tokens / unit) * unit
