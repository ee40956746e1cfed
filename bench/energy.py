"""Joules per 1,000 requests of every certified specialist, next to what others published, each with its boundary.

    python bench/energy.py [--json]

Reads docs/results; `scoreboard.py` writes docs/energy.md from the same figures. Nothing is measured here: each
certificate carries what its own run measured (RAPL, NVML) or modelled, and says which.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jangin.evals.costs import BOUNDARY, PUBLISHED_WH
from jangin.files import write_atomic
from results_read import RESULTS, Result, results

PAGE = "energy.md"


def rows(found: Sequence[Result]) -> list[dict[str, Any]]:
    """One of each result: joules of 1,000 requests and of training, how each was obtained; None where not kept."""
    told = []
    for each in found:
        per, (training, method) = each.per_1k_wh, each.training_wh
        told.append(
            {
                "task": each.name,
                "busy": each.busy,
                "rung": each.trained["rung"],
                "params": each.trained["params"],
                "joules_per_1k": None if per is None else per["value"] * 3600,
                "method": None if per is None else per["method"],
                "training_joules": training * 3600,
                "training_method": method,
                "date": each.found["cost"]["own"]["date"],
            }
        )
    return told


def document(found: Sequence[Result]) -> dict[str, Any]:
    published = [{**each, "joules_per_1k": each["wh_per_query"] * 3_600_000} for each in PUBLISHED_WH]
    return {"tasks": rows(found), "published": published, "boundary": BOUNDARY}


def write_page(found: Sequence[Result], docs: Path) -> None:
    write_atomic(docs / PAGE, page(document(found)))


def page(told: dict[str, Any]) -> str:
    kept = [each for each in told["tasks"] if each["joules_per_1k"] is not None]
    absent = [each["task"] for each in told["tasks"] if each["joules_per_1k"] is None]
    methods = sorted({each["method"] for each in kept})
    marks = {method: "abcdefgh"[place] for place, method in enumerate(methods)}
    lines = [
        "# Energy",
        "",
        "Written by `python bench/scoreboard.py` from the certificates' own figures; `python bench/energy.py --json`",
        "prints them. No joule of ours on this page was measured: all are modelled. Those of 1,000 requests are of",
        "batches in one process, those of training of the whole climb.",
        "",
        "| task | specialist | J per 1,000 requests | how | training, J | date |",
        "|---|---|---|---|---|---|",
    ]
    for each in sorted(kept, key=lambda each: each["joules_per_1k"]):
        task = each["task"] + (" (busy)" if each["busy"] else "")
        specialist = f"{each['rung']}, {each['params'] / 1e6:.1f} M"
        lines.append(
            f"| {task} | {specialist} | {_joules(each['joules_per_1k'])} | {marks[each['method']]} | "
            f"{each['training_joules']:,.0f} | {each['date']} |"
        )
    lines.append("")
    lines += [f"- {mark}: {method}." for method, mark in marks.items()]
    if any(each["busy"] for each in kept):
        lines.append("- busy: other work ran beside it; the memory's share, which counts seconds, is too high.")
    if absent:
        lines += ["", f"Run before this figure was kept, and so without one: {', '.join(absent)}."]
    lines += [
        "",
        "## What others published",
        "",
        "| model | Wh a query | the same for 1,000 queries, J | source |",
        "|---|---|---|---|",
    ]
    for each in told["published"]:
        lines.append(
            f"| {each['model']} | {each['wh_per_query']:g} | {each['joules_per_1k']:,.0f} | {each['source']} |"
        )
    lines += [
        "",
        told["boundary"],
        "",
        "Theirs is a chat answer of hundreds of tokens, ours a label or one short object, and none of them is GPT-4's.",
        "",
        "A modelled figure counts a busy thread's watts and the memory's, and leaves out the idle processor, the power",
        "supply, the network and cooling: read it as an order of magnitude. [Decision",
        "0004](decisions/0004-energy.md) has the model and how near it comes.",
    ]
    return "\n".join(lines) + "\n"


def _joules(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    told = document(results(RESULTS))
    print(json.dumps(told, indent=1) if arguments.json else page(told), end="")


if __name__ == "__main__":
    main()
