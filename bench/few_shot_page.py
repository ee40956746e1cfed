"""docs/few-shot.md between its marks, and its charts, from the runs of few_shot.py."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

START, END = "<!-- few-shot: start -->", "<!-- few-shot: end -->"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 60, 190, 24, 52
# Told apart by shape of the line as well as by colour; dark enough on white, light enough on black.
STYLES = [
    ("#2f6fde", ""),
    ("#c2571a", "7 4"),
    ("#2a8a57", "2 4"),
    ("#8a4fc9", "9 3 2 3"),
    ("#7a7a7a", "4 4"),
    ("#b3261e", "12 3"),
]
Run = dict[str, Any]


def write(runs: list[Run], docs: Path) -> None:
    """The table in the page, one chart a task beside it."""
    page = docs / "few-shot.md"
    text = page.read_text(encoding="utf-8")
    before, after = text[: text.index(START) + len(START)], text[text.index(END) :]
    on = "test" if any(run["on"] == "test" for run in runs) else "held-out"
    runs = [run for run in runs if run["on"] == on]
    parts = []
    for task in dict.fromkeys(run["task"] for run in runs):
        of_task = [run for run in runs if run["task"] == task]
        (docs / f"few-shot-{task}.svg").write_text(curves(task, of_task), encoding="utf-8")
        parts.append(f"![Accuracy by examples a class, {task}](few-shot-{task}.svg)\n\n{table(task, of_task)}")
    page.write_text(f"{before}\n\n" + "\n\n".join(parts) + f"\n\n{after}", encoding="utf-8")


def method_of(run: Run) -> str:
    if not run["of"].startswith("setfit"):
        return run["rung"]
    return "SetFit, its defaults" if run["of"] == "setfit-defaults" else f"SetFit, {run['of'][7:]} iterations"


def grouped(runs: Sequence[Run]) -> dict[str, dict[int, list[Run]]]:
    """method -> examples a class -> its runs."""
    found: dict[str, dict[int, list[Run]]] = {}
    for run in runs:
        found.setdefault(method_of(run), {}).setdefault(run["size"], []).append(run)
    return found


def table(task: str, runs: Sequence[Run]) -> str:
    """Mean accuracy of the seeds, their standard deviation in brackets, and the median of the seconds."""
    sizes = sorted({run["size"] for run in runs})
    lines = [f"| {task} | " + " | ".join(f"{size} a class" for size in sizes) + " |"]
    lines.append("|---|" + "---|" * len(sizes))
    for method, by_size in grouped(runs).items():
        lines.append(f"| {method} | " + " | ".join(cell(by_size.get(size, [])) for size in sizes) + " |")
    on = "rows of the public test" if runs[0]["on"] == "test" else "rows of train that no sample sees"
    return "\n".join(lines) + f"\n\nJudged on {runs[0]['judged_rows']:,} {on}."


def cell(runs: Sequence[Run]) -> str:
    if not runs:
        return "not run"
    scores = [run["accuracy"] for run in runs]
    spread = f" ±{statistics.stdev(scores):.3f}" if len(scores) > 1 else ""
    cut = ", cut off" if any(run.get("cut") for run in runs) else ""
    seeds = "seed" if len(runs) == 1 else "seeds"
    seconds = statistics.median(run["seconds"] for run in runs)
    return f"{statistics.mean(scores):.3f}{spread} ({len(runs)} {seeds}); {seconds:,.1f} s{cut}"


def curves(task: str, runs: Sequence[Run]) -> str:
    """Accuracy against examples a class (logarithmic): one line a method, its range over the seeds as a whisker."""
    sizes = sorted({run["size"] for run in runs})
    scores = [run["accuracy"] for run in runs]
    bottom, top = math.floor(20 * min(scores)) / 20, min(1.0, math.ceil(20 * max(scores)) / 20)
    span = math.log(sizes[-1] / sizes[0]) or 1.0

    def x(size: float) -> float:
        return LEFT + math.log(size / sizes[0]) / span * (WIDTH - LEFT - RIGHT)

    def y(score: float) -> float:
        return HEIGHT - BOTTOM - (score - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>']
    for step in range(round((top - bottom) * 20) + 1):
        at = bottom + step / 20
        parts.append(f'<path d="M{LEFT} {y(at):.1f}H{WIDTH - RIGHT}" stroke="#d9dce1"/>')
        parts.append(text(LEFT - 8, y(at) + 4, f"{at:.2f}", "end"))
    parts += [text(x(size), HEIGHT - BOTTOM + 20, str(size), "middle") for size in sizes]
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, f"examples a class, {task}", "middle"))
    ends: list[float] = []
    last = {method: max(by_size) for method, by_size in grouped(runs).items()}
    drawn = sorted(grouped(runs).items(), key=lambda item: -mean(item[1][last[item[0]]]))
    for number, (method, by_size) in enumerate(drawn):
        colour, dashes = STYLES[number % len(STYLES)]
        points = [(x(size), y(mean(by_size[size]))) for size in sorted(by_size)]
        line = " ".join(f"{across:.1f},{up:.1f}" for across, up in points)
        pattern = f' stroke-dasharray="{dashes}"' if dashes else ""
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{pattern}/>')
        for size, (across, up) in zip(sorted(by_size), points):
            found = [run["accuracy"] for run in by_size[size]]
            parts.append(f'<circle cx="{across:.1f}" cy="{up:.1f}" r="3.5" fill="{colour}"/>')
            parts.append(f'<path d="M{across:.1f} {y(min(found)):.1f}V{y(max(found)):.1f}" stroke="{colour}"/>')
        at = max([points[-1][1] + 4, *(end + 16 for end in ends)])
        ends.append(at)
        parts.append(text(WIDTH - RIGHT + 10, at, method, "start", colour))
    told = "; ".join(f"{m}: " + ", ".join(f"{s} {mean(b[s]):.3f}" for s in sorted(b)) for m, b in drawn)
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="13"'
    label = escape(f"Accuracy by examples a class on {task}. {told}")
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{label}">{"".join(parts)}</svg>\n'


def mean(runs: Sequence[Run]) -> float:
    return statistics.mean(run["accuracy"] for run in runs)


def text(x: float, y: float, words: str, anchor: str, colour: str = "#333a45") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
