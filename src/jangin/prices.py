"""What a request costs at a model API, at dated prices, and from which monthly volume owning is cheaper."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime
from importlib.metadata import version

import msgspec

from jangin.meter import HOURS_PER_MONTH

CHEAP_TIER = (("openai", "gpt-6-luna"), ("anthropic", "claude-haiku-5-5"))
ANSWER_TOKENS = 10  # a label or a short list of them

# US dollars per million tokens (input, output), for when the package does not know a model.
TABLE_DATE = "2026-11"
TABLE = {
    "gpt-4": (30.0, 60.0),
    "gpt-4-turbo": (10.0, 30.0),
    "gpt-4o": (2.5, 10.0),
    "gpt-4o-mini": (0.15, 0.6),
    "gpt-6-luna": (0.1, 0.5),
    "claude-haiku-5-5": (0.1, 0.5),
}


class TokenPrice(msgspec.Struct, frozen=True):
    """US dollars per million tokens; `source` and `date` say whose figure it is."""

    model: str
    input: float
    output: float
    source: str
    date: str

    def request(self, prompt_tokens: float, completion_tokens: float) -> float:
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


class BreakEven(msgspec.Struct, frozen=True):
    """`requests`: monthly volume from which owning is cheaper than `against`; None: at no volume on this machine."""

    against: str
    usd_per_request: float
    requests: int | None
    monthly_requests: int | None
    usd_owned: float | None
    usd_rented: float | None
    says: str


def token_price(model: str, provider: str | None, when: date) -> TokenPrice | None:
    """The price of a model on a day, from genai-prices' bundled data (never fetched), else from the table; or None."""
    from genai_prices import Usage, calc_price

    moment = datetime(when.year, when.month, when.day, tzinfo=UTC)
    try:
        found = calc_price(
            Usage(input_tokens=1000, output_tokens=1000), model, provider_id=provider, genai_request_timestamp=moment
        )
    except LookupError:
        found = None
    if found is not None and found.input_price and found.output_price:
        source = f"genai-prices {version('genai-prices')}, bundled data"
        return TokenPrice(model, float(found.input_price) * 1000, float(found.output_price) * 1000, source, str(when))
    if model in TABLE:
        return TokenPrice(model, *TABLE[model], "Jangin's own table", TABLE_DATE)
    return None


def provider_at(url: str, model: str) -> str | None:
    """genai-prices' name of the provider whose API answers at `url` and sells `model`, or None."""
    from genai_prices import Usage, calc_price

    try:
        return calc_price(Usage(), model, provider_api_url=url).provider.id
    except LookupError:
        return None


def cheapest(when: date) -> TokenPrice:
    """Today's cheap tier: of its models the one that asks least for a prompt of 1,000 tokens and a short answer."""
    found = [price for provider, model in CHEAP_TIER if (price := token_price(model, provider, when)) is not None]
    return min(found, key=lambda price: price.request(1000, ANSWER_TOKENS))


def estimated_tokens(texts: Iterable[str]) -> float:
    """Mean tokens of a text: a quarter of its ASCII characters and one for each other character. An estimate."""
    counts = [len(text.encode("ascii", "ignore")) / 4 + sum(not c.isascii() for c in text) for text in texts]
    return sum(counts) / max(len(counts), 1)


def break_even(
    against: str,
    usd_per_request: float,
    usd_per_hour: float,
    rows_per_s: float,
    training_usd: float,
    monthly_requests: int | None = None,
) -> BreakEven:
    """Owning: training, and as many machines as the volume needs, kept on for a month. Renting: the price a request.

    The smallest number of machines k whose volume pays for itself: k * capacity >= (training + k * machine) / price.
    """
    machine, capacity = usd_per_hour * HOURS_PER_MONTH, rows_per_s * 3600 * HOURS_PER_MONTH
    requests = None
    gain = usd_per_request * capacity - machine  # of a machine that is busy all month
    if gain > 0:
        machines = max(1, math.ceil(training_usd / gain))
        requests = math.ceil((training_usd + machines * machine) / usd_per_request)
    owned = rented = None
    if monthly_requests is not None:
        owned = training_usd + max(1, math.ceil(monthly_requests / capacity)) * machine
        rented = monthly_requests * usd_per_request
    says = _sentence(against, requests, monthly_requests, owned, rented)
    return BreakEven(against, usd_per_request, requests, monthly_requests, owned, rented, says)


def _sentence(
    against: str, requests: int | None, monthly: int | None, owned: float | None, rented: float | None
) -> str:
    point = "At no volume does this machine become cheaper."
    if requests is not None:
        point = f"Owning is cheaper from {requests:,} requests a month."
    if monthly is None or owned is None or rented is None:
        return f"Against {against}: {point}"
    worth = "is worth it" if owned < rented else "is NOT worth it on price alone"
    return (
        f"Against {against}, at {monthly:,} requests a month, replacing {worth}: the first month costs "
        f"{owned:,.2f} USD owned (machine and training) and {rented:,.2f} USD rented. {point}"
    )
