"""The rounds of all sides, summed up: medians, and how Jangin's tokens/s compare, round by round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from generation.sides import ENGINE, FASTEST, OURS, TRANSFORMERS, VLLM

Told = dict[str, Any]
AGAINST = (ENGINE, FASTEST, TRANSFORMERS, VLLM)


def values(side: Told, name: str, level: str | None = None) -> list[float]:
    """A figure in each round that has it; of a level, or of the whole side."""
    found = [(each["levels"].get(level) or {}) if level else each for each in side["rounds"]]
    return [each[name] for each in found if each.get(name) is not None]


def median(side: Told, name: str, level: str | None = None) -> float | None:
    found = values(side, name, level)
    return statistics.median(found) if found else None


def ratio(ours: Told, theirs: Told, level: str) -> dict[str, Any] | None:
    """Tokens/s over tokens/s of the rounds that both have; None without one."""
    rates = [
        {each["round"]: found["tok_per_s"] for each in side["rounds"] if (found := each["levels"].get(level))}
        for side in (ours, theirs)
    ]
    pairs = [rates[0][number] / rates[1][number] for number in sorted(rates[0].keys() & rates[1].keys())]
    if not pairs:
        return None
    return {"tok_per_s": round(statistics.median(pairs), 3), "of_rounds": [round(each, 3) for each in pairs]}


def summary(sides: Sequence[Told], levels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """{side: {level: ratio}} of Jangin over each side that both were measured of."""
    known = {side["name"]: side for side in sides if side["rounds"]}
    if OURS not in known:
        return {}
    return {
        name: {level: ratio(known[OURS], known[name], level) for level in levels} for name in AGAINST if name in known
    }
