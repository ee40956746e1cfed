"""The rounds of all sides, summed up: medians, spread, and the ratios that are asked for."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from speed.sides import DEFAULTS, FASTEST, JANGIN, LLAMA

Told = dict[str, Any]
OURS = "jangin-minilm-l6"  # the rung that stands on the same base and nothing else
FASTEST_OURS = (
    "jangin-minilm-l6-q8"  # the same base in integers; held against each peer's fastest, in whatever arithmetic
)
OTHER = (
    "int8",
    "openvino",
)  # in a side's name: not in float32; OpenVINO computes in bfloat16 where the processor has it
FIGURES = {
    "per_s": ("busy", "per_s"),
    "p50_ms": ("busy", "p50_ms"),
    "p99_ms": ("busy", "p99_ms"),
    "cpu_ms": ("busy", "cpu_ms_per_request"),
    "alone_p50_ms": ("alone", "p50_ms"),
    "alone_p99_ms": ("alone", "p99_ms"),
    "bulk_texts_per_s": ("bulk_texts_per_s",),
    "startup_s": ("startup_s",),
    "memory_mb": ("memory_mb",),
    "accuracy": ("accuracy",),
    "served_accuracy": ("served_accuracy",),
    "served_as_bulk": ("served_as_bulk",),
}


def medians(side: Told) -> dict[str, float | None]:
    """Of each figure over the rounds that have it; None without one."""
    found = {name: values(side, name) for name in FIGURES}
    return {name: round(statistics.median(each), 4) if each else None for name, each in found.items()}


def values(side: Told, name: str) -> list[float]:
    found = []
    for each in side["rounds"]:
        for key in FIGURES[name]:
            each = each.get(key) if isinstance(each, dict) else None
        if each is not None:
            found.append(each)
    return found


def failed(side: Told) -> int:
    """Requests under load that got no 200."""
    return sum(n for each in side["rounds"] for status, n in each["busy"]["by_status"].items() if status != "200")


def fit(side: Told) -> bool:
    """A side counts as a peer's best only if it answered everything, and from HTTP what it answers from a file."""
    same = medians(side)["served_as_bulk"]
    return bool(side["rounds"]) and failed(side) == 0 and (same is None or same >= 0.97)


def best(sides: Sequence[Told], setting: str, peer: str | None = None) -> Told | None:
    """The peer with most requests/s at a setting; `peer` None: any but llama.cpp, which stands on another base."""
    chosen = [
        side
        for side in sides
        if side["setting"] == setting
        and fit(side)
        and (side["peer"] == peer if peer else side["peer"] not in (JANGIN, LLAMA))
    ]
    return max(chosen, key=lambda side: medians(side)["per_s"] or 0, default=None)


def ratio(ours: Told, theirs: Told) -> dict[str, Any]:
    """Requests/s over requests/s, round by round: both were measured within minutes. And processor time."""
    mine_by, theirs_by = (
        {each["round"]: each["busy"]["per_s"] for each in side["rounds"] if each["busy"].get("per_s")}
        for side in (ours, theirs)
    )
    pairs = [mine_by[number] / theirs_by[number] for number in mine_by if number in theirs_by]
    mine, other = medians(ours), medians(theirs)
    return {
        "ours": ours["name"],
        "theirs": theirs["name"],
        "requests_per_s": round(statistics.median(pairs), 2) if pairs else None,
        "of_rounds": [round(each, 2) for each in pairs],
        "theirs_cpu_over_ours": round((other["cpu_ms"] or 0) / (mine["cpu_ms"] or 1), 2),
        "accuracy": [mine["accuracy"], other["accuracy"] or other["served_accuracy"]],
    }


def summary(sides: Sequence[Told]) -> dict[str, Any]:
    """What the targets ask; None where a side of it was not measured."""
    mine = {side["name"]: side for side in sides if side["rounds"]}
    held = dict.fromkeys(TARGETS, mine.get(OURS))
    held["best_at_fastest"] = held["llama"] = mine.get(FASTEST_OURS) or mine.get(OURS)
    wanted = {
        "best_at_defaults": best(sides, DEFAULTS),
        "best_at_fastest": best(sides, FASTEST),
        "best_at_fastest_float32": best(
            [side for side in sides if not set(OTHER) & set(side["name"].split("-"))], FASTEST
        ),
        "llama": best(sides, FASTEST, LLAMA),
        "llama_float32": best(sides, FASTEST, LLAMA),
    }
    return {
        name: None if (ours := held[name]) is None or side is None else ratio(ours, side) | {"target": TARGETS[name]}
        for name, side in wanted.items()
    }


TARGETS = {
    "best_at_defaults": 3.0,
    "best_at_fastest": 1.0,
    "best_at_fastest_float32": 1.0,
    "llama": 15.0,
    "llama_float32": 15.0,
}
