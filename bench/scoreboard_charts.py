"""The scoreboard's two charts as SVG files of their own: readable on paper, with a text for screen readers.

A win, a loss and what cannot be told are drawn alike: same row, same size, told apart by colour, mark and word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from results_read import LOST, OPEN, WON, Result

WIDTH, ROW, TOP, LEFT, RIGHT = 880, 30, 64, 236, 168
COST_HEIGHT, COST_LEFT, COST_BOTTOM = 560, 64, 56
COLOURS = {**dict.fromkeys(WON, "#0b5fb0"), **dict.fromkeys(OPEN, "#6a737d"), **dict.fromkeys(LOST, "#b3261e")}
STYLE = (
    "text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;fill:#1b1f24}"
    ".soft{fill:#57606a;font-size:12px}text{paint-order:stroke;stroke:#fff;stroke-width:3px}.line{stroke:#d0d7de;stroke-width:1}.name{font-weight:600}"
)


def against_bars(found: Sequence[Result]) -> str:
    """Every claim with a verdict: score with limits beside what it was held against."""
    rows = sorted((each for each in found if each.verdict), key=lambda each: -(each.difference or 0.0))
    if not rows:
        return ""
    values = [
        v for each in rows for v in (each.certified["score_lower"], each.certified["score"], each.bar) if v is not None
    ]
    low = max(0.0, math.floor(min(values) * 10 - 0.2) / 10)
    height = TOP + ROW * len(rows) + 44

    def x(value: float) -> float:
        return LEFT + (value - low) / (1.0 - low) * (WIDTH - LEFT - RIGHT)

    parts = [
        _text(12, 22, "Score on the sealed test, and what it was held against", "start", "name"),
        *_legend(12, 44, True),
    ]
    for tick in range(round(low * 10), 11):
        parts.append(_line(x(tick / 10), TOP, x(tick / 10), height - 40))
        parts.append(_text(x(tick / 10), height - 24, f"{tick / 10:.1f}", "middle", "soft"))
    for place, each in enumerate(rows):
        y, told = TOP + ROW * place + ROW / 2, each.certified
        colour = COLOURS[each.verdict or ""]
        parts.append(_text(LEFT - 12, y + 4, each.name, "end"))
        if told["score_lower"] is not None:
            a, b = x(told["score_lower"]), x(min(1.0, told["score_upper"]))
            parts.append(f'<line x1="{a:.1f}" x2="{b:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2.5"/>')
        if each.bar is not None:
            parts.append(_held_against(x(each.bar), y, told["reference_score"] is not None))
        parts.append(f'<circle cx="{x(told["score"]):.1f}" cy="{y}" r="5" fill="{colour}"/>')
        parts.append(_text(WIDTH - RIGHT + 16, y + 4, f"{each.verdict} {each.difference:+.3f}", "start", "", colour))
    told_all = "; ".join(f"{r.name} {r.certified['score']:.3f}, {r.verdict}, {r.difference:+.3f}" for r in rows)
    return _svg(parts, height, f"Score against bar. {told_all}")


def against_cost(found: Sequence[Result]) -> str:
    """Score against US dollars per 1,000 requests, specialist and reference joined; the axis of cost is logarithmic."""
    rows = [each for each in found if each.costs[0]]
    if not rows:
        return ""
    costs = [cost for each in rows for cost in each.costs[:2] if cost]
    left, right = math.floor(math.log10(min(costs)) - 0.1), math.ceil(math.log10(max(costs)) + 0.1)
    values = [v for each in rows for v in (each.certified["score"], each.certified["reference_score"]) if v is not None]
    low = max(0.0, math.floor(min(values) * 10 - 0.2) / 10)

    def x(cost: float) -> float:
        return COST_LEFT + (math.log10(cost) - left) / (right - left) * (WIDTH - COST_LEFT - 24)

    def y(score: float) -> float:
        return COST_HEIGHT - COST_BOTTOM - (score - low) / (1.0 - low) * (COST_HEIGHT - COST_BOTTOM - TOP)

    parts = [
        _text(12, 22, "Score against cost, specialist and what it replaces", "start", "name"),
        *_legend(12, 44, False),
    ]
    for power in range(left, right + 1):
        parts.append(_line(x(10.0**power), TOP, x(10.0**power), COST_HEIGHT - COST_BOTTOM))
        parts.append(_text(x(10.0**power), COST_HEIGHT - COST_BOTTOM + 18, _dollars(power), "middle", "soft"))
    for tick in range(round(low * 10), 11):
        parts.append(_line(COST_LEFT, y(tick / 10), WIDTH - 24, y(tick / 10)))
        parts.append(_text(COST_LEFT - 8, y(tick / 10) + 4, f"{tick / 10:.1f}", "end", "soft"))
    parts.append(_text(WIDTH / 2, COST_HEIGHT - 14, "US dollars per 1,000 requests (logarithmic)", "middle", "soft"))
    taken: list[tuple[float, float, float]] = []
    for each in sorted(rows, key=lambda each: -each.certified["score"]):
        own, reference, _ = each.costs
        assert own is not None
        colour, score, theirs = (
            COLOURS.get(each.verdict or "", "#6a737d"),
            each.certified["score"],
            each.certified["reference_score"],
        )
        if reference and theirs is not None:
            ends = f'x1="{x(own):.1f}" y1="{y(score):.1f}" x2="{x(reference):.1f}" y2="{y(theirs):.1f}"'
            parts.append(f'<line {ends} stroke="{colour}" stroke-width="1" stroke-dasharray="3 4"/>')
            parts.append(_held_against(x(reference), y(theirs), True))
        ring = "" if each.verdict else f' stroke="{colour}" stroke-width="1.5"'
        parts.append(
            f'<circle cx="{x(own):.1f}" cy="{y(score):.1f}" r="5" fill="{colour if each.verdict else "#fff"}"{ring}/>'
        )
        parts.append(_beside(x(own), y(score), each.name, taken))
    told = "; ".join(f"{r.name} {r.certified['score']:.3f} at {r.costs[0]:.2g} dollars" for r in rows)
    return _svg(parts, COST_HEIGHT, f"Score against cost per 1,000 requests. {told}")


def _legend(x: float, y: float, bars: bool) -> list[str]:
    """bars: absolute bars are drawn; else results without a verdict are."""
    parts, at = [], x

    def named(mark: str, word: str) -> None:
        nonlocal at
        parts.extend([mark, _text(at + 18, y, word, "start", "soft")])
        at += 34 + 7 * len(word)

    for verdict, word in (("superior", "wins"), ("inconclusive", "cannot be told"), ("inferior", "loses")):
        named(f'<circle cx="{at + 6}" cy="{y - 4}" r="5" fill="{COLOURS[verdict]}"/>', word)
    named(_held_against(at + 6, y - 4, True), "the model to be replaced")
    if bars:
        named(_held_against(at + 6, y - 4, False), "an absolute bar")
    else:
        ring = f'fill="#fff" stroke="{COLOURS["inconclusive"]}" stroke-width="1.5"'
        named(f'<circle cx="{at + 6}" cy="{y - 4}" r="5" {ring}/>', "no bar yet")
    return parts


def _held_against(x: float, y: float, model: bool) -> str:
    """A diamond for a model's score, an upright for an absolute bar."""
    if model:
        return f'<path d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z" fill="#fff" stroke="#1b1f24" stroke-width="1.5"/>'
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 9:.1f}" y2="{y + 9:.1f}" stroke="#1b1f24" stroke-width="2"/>'


def _beside(x: float, y: float, text: str, taken: list[tuple[float, float, float]]) -> str:
    """A label right of its point, or left where there is no room, moved down until it covers no other."""
    width = 6.6 * len(text)
    right = x + 10 + width < WIDTH - 12
    start, at = (x + 10 if right else x - 10 - width), y + 4
    while any(abs(at - other) < 13 and start < to and start + width > begin for other, begin, to in taken):
        at += 13
    taken.append((at, start, start + width))
    return _text(x + 10 if right else x - 10, at, text, "start" if right else "end", "soft")


def _dollars(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:.{-power}f}"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="line" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str, style: str = "", colour: str = "") -> str:
    kind = (f' class="{style}"' if style else "") + (f' style="fill:{colour}"' if colour else "")
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], height: float, told: str) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    )
    body = "\n".join(parts)
    ground = f'<rect width="{WIDTH}" height="{height:g}" fill="#fff"/>'
    return f'{head} role="img" aria-label="{escape(told)}">\n<style>{STYLE}</style>\n{ground}\n{body}\n</svg>\n'
