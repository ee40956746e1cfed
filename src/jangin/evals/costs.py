"""Money and energy of a certificate: this machine next to the reference's and today's cheap tier's dated prices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from jangin.evals.certificate import Cost, Energy
from jangin.evals.predicting import Predicted
from jangin.evals.references import Reference
from jangin.meter import Figure, Meter, per_thousand
from jangin.models.specialist import Specialist
from jangin.models.writer import Writer
from jangin.prices import ANSWER_TOKENS, break_even, cheapest, estimated_tokens, token_price
from jangin.prompt import render
from jangin.types import Example

PUBLISHED_WH = [
    {"model": "GPT-4o", "wh_per_query": 0.3, "source": "Epoch AI, an estimate"},
    {"model": "Gemini, median query", "wh_per_query": 0.24, "source": "Google"},
]
BOUNDARY = (
    "Published figures include accelerators, servers and the data centre; ours is one process. The boundaries differ, "
    "so no ratio is formed."
)


def cost(
    reference: Reference | None,
    examples: Sequence[Example],
    specialist: Specialist | Writer,
    predicted: Predicted,
    record: dict[str, Any],
    monthly_requests: int | None,
    machine: Figure,
    today: date,
) -> Cost:
    """`machine`: US dollars per hour. Prices of `today`; an unknown price is a Figure of None."""
    throughput = predicted.speed.throughput.value
    assert machine.value is not None and throughput is not None
    hourly, rate = machine.value, throughput
    tokens, counted = _tokens(reference, examples, specialist, predicted.tokens, today)
    cheap = cheapest(today)
    cheap_usd = cheap.request(*tokens)
    figure = _reference_cost(reference, tokens, counted, today) if reference else None
    seconds = record.get("seconds")
    training_usd = hourly * seconds / 3600 if seconds is not None else None
    against = [(f"{reference.model}'s price", figure.value / 1000)] if reference and figure and figure.value else []
    against.append((f"today's cheap tier ({cheap.model})", cheap_usd))
    return Cost(
        machine=machine,
        training=Figure(
            training_usd,
            "USD",
            f"measured: {seconds:.1f} s of the whole climb at the machine's price"
            if seconds is not None
            else "not known: the bundle has no record of the climb",
        ),
        own=Figure(
            per_thousand(hourly, rate),
            "USD per 1,000 requests",
            "measured throughput on a machine kept busy; the break-even pays for idle hours too",
            str(today),
        ),
        reference=figure,
        cheap_tier=Figure(
            cheap_usd * 1000, "USD per 1,000 requests", f"{cheap.model}: {cheap.source}; {counted}", cheap.date
        ),
        break_even=[
            break_even(name, usd, hourly, rate, training_usd or 0.0, monthly_requests) for name, usd in against
        ],
    )


def energy(meter: Meter, rows: int, record: dict[str, Any]) -> Energy:
    """What answering `rows` used under the meter, per 1,000 of them, and the climb."""
    spent = record.get("energy_wh")
    return Energy(
        per_1k=Figure(meter.energy_wh / rows * 1000, "Wh per 1,000 requests", meter.method),
        training=Figure(spent, "Wh", record.get("energy_method") or "not known: the bundle has no record of the climb"),
        published=PUBLISHED_WH,
        note=BOUNDARY,
    )


def _tokens(
    reference: Reference | None,
    examples: Sequence[Example],
    specialist: Specialist | Writer,
    own: tuple[float, float] | None,
    today: date,
) -> tuple[tuple[float, float], str]:
    """((prompt, completion) tokens of one request to a model API, how they were obtained)."""
    written = ANSWER_TOKENS if own is None else own[1]
    if reference and reference.prompt_tokens is not None:
        answer = written if reference.completion_tokens is None else reference.completion_tokens
        return (reference.prompt_tokens, answer), "tokens as recorded for the reference"
    if reference and reference.usd_per_query and reference.price:
        price = token_price(reference.price["model"], reference.price.get("provider"), today)
        if price is not None:
            prompt = (reference.usd_per_query - written * price.output / 1e6) / price.input * 1e6
            if prompt > 0:
                how = f"about {prompt:,.0f} prompt tokens, as the reference's published cost implies"
                return (prompt, written), how
    if own is not None:
        return own, f"about {own[0]:,.0f} prompt and {own[1]:,.0f} answer tokens, as counted for this specialist"
    labels = sum(len(label) / 4 + 1 for label in specialist.labels)
    prompt = estimated_tokens(render(example.input) for example in examples) + labels
    return (prompt, ANSWER_TOKENS), f"about {prompt:,.0f} prompt tokens, estimated for a prompt that lists the labels"


def _reference_cost(reference: Reference, tokens: tuple[float, float], counted: str, today: date) -> Figure:
    unit = "USD per 1,000 requests"
    if reference.usd_per_query:
        said = "published" if reference.kind == "published" else "recorded"
        return Figure(reference.usd_per_query * 1000, unit, f"{said} cost of the reference's own run", reference.date)
    price = token_price(reference.price["model"], reference.price.get("provider"), today) if reference.price else None
    if price is None:
        return Figure(None, unit, f"no price is known for {reference.model}")
    return Figure(price.request(*tokens) * 1000, unit, f"{price.model}: {price.source}; {counted}", price.date)
