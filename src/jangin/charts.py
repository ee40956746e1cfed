"""Charts as inline SVG: in the page's own colours, readable on paper, each with a text for screen readers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 20, 52
DIGIT = 7.0  # pixels that a digit of a label is wide, at most


class Point(msgspec.Struct, frozen=True):
    """One rung: its score with limits (None: not given) against US dollars per 1,000 requests."""

    name: str
    cost: float
    score: float
    lower: float | None = None
    upper: float | None = None


def ladder(points: Sequence[Point], metric: str, bars: Sequence[tuple[str, float]] = ()) -> str:
    """Scores with their intervals against cost, on a logarithmic axis; each of `bars` is a dashed line."""
    if not points:
        return ""
    costs = [max(point.cost, 1e-9) for point in points]
    low, high = math.log10(min(costs)) - 0.25, math.log10(max(costs)) + 0.25
    values = [v for p in points for v in (p.score, p.lower, p.upper) if v is not None] + [v for _, v in bars]
    bottom, top = _range(values)

    def x(cost: float) -> float:
        return LEFT + (math.log10(max(cost, 1e-9)) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(score: float) -> float:
        return HEIGHT - BOTTOM - (score - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM)

    parts = _frame("US dollars per 1,000 requests on this machine (logarithmic)", metric)
    parts += _ticks_y(bottom, top, y) + _ticks_log(low, high, x)
    for name, value in bars:
        parts.append(f'<line class="bar" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(_text(WIDTH - RIGHT, y(value) - 5, _clip(name, 60), "end", "warn"))
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda point: -point.score):
        at, height = x(point.cost), y(point.score)
        if point.lower is not None and point.upper is not None:
            parts.append(_whisker(at, y(point.lower), y(point.upper)))
        parts.append(f'<circle class="mark" cx="{at:.1f}" cy="{height:.1f}" r="5"/>')
        parts.append(_label(at, height, _clip(f"{point.name} {point.score:.3f}", 44), taken))
    told = "; ".join(f"{p.name}: {p.score:.3f} at {p.cost:.3g} dollars" for p in points)
    return _svg(parts, f"{metric} against cost per 1,000 requests. {told}")


def calibration(bins: Sequence[Any]) -> str:
    """Share right against stated confidence; a well calibrated model lies on the diagonal.

    `bins`: mappings with n, confidence, right.
    """
    if not bins:
        return ""
    side = HEIGHT - TOP - BOTTOM
    most = max(each["n"] for each in bins)

    def x(value: float) -> float:
        return LEFT + value * side

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value * side

    parts = [
        f'<rect class="axis" fill="none" x="{LEFT}" y="{TOP}" width="{side}" height="{side}"/>',
        f'<line class="zero" stroke-dasharray="3 3" x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}"/>',
        _text(LEFT + side / 2, HEIGHT - 12, "stated confidence", "middle", "soft"),
        _upright(TOP + side / 2, "share right"),
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_text(x(tick), HEIGHT - BOTTOM + 18, f"{tick:g}", "middle", "soft"))
        parts.append(_text(LEFT - 8, y(tick) + 4, f"{tick:g}", "end", "soft"))
    line = " ".join(f"{x(each['confidence']):.1f},{y(each['right']):.1f}" for each in bins)
    parts.append(f'<polyline class="mark" style="fill:none" stroke-width="1.5" points="{line}"/>')
    for each in bins:
        radius = 3 + 3 * math.sqrt(each["n"] / most)
        where = f'cx="{x(each["confidence"]):.1f}" cy="{y(each["right"]):.1f}"'
        parts.append(f'<circle class="mark" {where} r="{radius:.1f}"><title>{each["n"]:,} answers</title></circle>')
    told = "; ".join(f"said {each['confidence']:.2f}, right {each['right']:.2f}" for each in bins)
    return _svg(parts, f"Calibration curve. {told}", LEFT + side + RIGHT)


def difference(value: float, lower: float | None, upper: float | None, margin: float) -> str:
    """Our score minus the reference's with its limits, against 0 and the margin."""
    ends = [end for end in (value, lower, upper, 0.0, -margin) if end is not None]
    pad = 0.18 * (max(ends) - min(ends) or 1)
    low, high = min(ends) - pad, max(ends) + pad

    def x(number: float) -> float:
        return LEFT + (number - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    middle = 62
    parts = [
        f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="30" y2="92"/>',
        _text(x(0), 110, "0: equal", "middle", "soft"),
    ]
    if margin:
        parts.append(f'<line class="bar" x1="{x(-margin):.1f}" x2="{x(-margin):.1f}" y1="30" y2="92"/>')
        near = abs(x(0) - x(-margin)) < 110
        parts.append(_text(x(-margin), 126 if near else 110, f"{-margin:g}: margin", "middle", "warn"))
    if lower is not None and upper is not None:
        parts.append(f'<line class="mark" stroke-width="2" x1="{x(lower):.1f}" x2="{x(upper):.1f}" y1="62" y2="62"/>')
        for end in (lower, upper):
            parts.append(f'<line class="mark" stroke-width="2" x1="{x(end):.1f}" x2="{x(end):.1f}" y1="54" y2="70"/>')
        parts.append(_text(x(lower) - 8, middle + 5, f"{lower:+.3f}", "end", ""))
        parts.append(_text(x(upper) + 8, middle + 5, f"{upper:+.3f}", "start", ""))
    parts.append(f'<circle class="mark" cx="{x(value):.1f}" cy="{middle}" r="6"/>')
    parts.append(_text(x(value), 44, f"{value:+.3f}", "middle", ""))
    told = f"Difference {value:+.3f}, limits {lower} to {upper}, margin {-margin:g}"
    return _svg(parts, told, WIDTH, 134)


def confusions(gold: Sequence[Any], answers: Sequence[Any], most: int = 15) -> list[tuple[str, str, int, float]]:
    """The commonest mistakes: (truth, answer, how often, share of that truth's rows)."""
    rows = Counter(gold)
    wrong = Counter((truth, answer) for truth, answer in zip(gold, answers) if truth != answer)
    return [
        (str(truth), "no answer" if answer is None else str(answer), count, count / rows[truth])
        for (truth, answer), count in sorted(wrong.items(), key=lambda item: (-item[1], str(item[0])))[:most]
    ]


def _range(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = max(0.12 * (high - low), 0.01)
    return max(0.0, low - pad), min(1.0, high + pad) if high < 1 else 1.02


def _ticks_y(bottom: float, top: float, y: Any) -> list[str]:
    step = next(step for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if (top - bottom) / step <= 7)
    first, parts = math.ceil(bottom / step), []
    while (value := first * step) <= min(top, 1.0) + 1e-9:
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(_text(LEFT - 8, y(value) + 4, f"{value:.3f}".rstrip("0").rstrip("."), "end", "soft"))
        first += 1
    return parts


def _ticks_log(low: float, high: float, x: Any) -> list[str]:
    """1, 2 and 5 of each power of ten when they are few, else the powers alone."""
    factors = (1, 2, 5) if high - low < 2 else (1,)
    parts = []
    for power in range(math.floor(low), math.ceil(high) + 1):
        for factor in factors:
            value = factor * 10.0**power
            if low <= math.log10(value) <= high:
                shown = f"{value:.12f}".rstrip("0").rstrip(".") if value < 1 else f"{value:g}"
                anchor = "middle" if x(value) + DIGIT * len(shown) / 2 < WIDTH else "end"  # or its end would be cut off
                parts.append(_text(x(value), HEIGHT - BOTTOM + 18, shown, anchor, "soft"))
    return parts


def _frame(x_name: str, y_name: str) -> list[str]:
    return [
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>',
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_name, "middle", "soft"),
        _upright(TOP + (HEIGHT - TOP - BOTTOM) / 2, y_name),
    ]


def _whisker(x: float, y1: float, y2: float) -> str:
    caps = "".join(
        f'<line class="mark" x1="{x - 5:.1f}" x2="{x + 5:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>' for y in (y1, y2)
    )
    return f'<line class="mark" stroke-width="1.5" x1="{x:.1f}" x2="{x:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>{caps}'


def _label(x: float, y: float, text: str, taken: list[tuple[float, float, float]]) -> str:
    """Beside its point, on the side that has room, moved down until it covers no other label."""
    width = 7.2 * sum(2 if ord(c) > 0x1100 else 1 for c in text)
    right = x + 10 + width < WIDTH - RIGHT
    start = x + 10 if right else x - 10 - width
    at = y + 4
    while any(abs(at - other) < 15 and start < to and start + width > begin for other, begin, to in taken):
        at += 15
    taken.append((at, start, start + width))
    return _text(x + 10 if right else x - 10, at, text, "start" if right else "end", "")


def _text(x: float, y: float, text: str, anchor: str, style: str) -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _upright(y: float, text: str) -> str:
    """The name of a vertical axis."""
    turned = f'transform="translate(16 {y:g}) rotate(-90)"'
    return f'<text class="soft" text-anchor="middle" {turned}>{escape(text)}</text>'


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _svg(parts: Sequence[str], told: str, width: float = WIDTH, height: float = HEIGHT) -> str:
    box = f'viewBox="0 0 {width:g} {height:g}" style="min-width:{0.6 * width:g}px;max-width:{width:g}px"'
    return f'<svg {box} role="img" aria-label="{escape(told)}">{"".join(parts)}</svg>'
