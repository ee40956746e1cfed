"""Further charts, in the manner of charts.py: figures of each day, one bar for each class however many there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from jangin.page import small

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 230, 64, 16, 16, 34
ROW, CLASSES_WIDTH = 22, 720


def stacked(days: Sequence[str], parts: Sequence[tuple[str, Sequence[float]]], told: str, unit: str = "") -> str:
    """Bars over days, one part above the other; at most three parts, from the bottom up. Empty without days.

    parts: (name, a figure for each day). unit: stands before the figures of the axis.
    """
    if not days:
        return ""
    top = _above(max(sum(part[at] for _, part in parts) for at in range(len(days))))
    step = (WIDTH - LEFT - RIGHT) / len(days)
    wide = min(46.0, 0.8 * step)
    drawn = _axis(days, top, step, unit)
    for at, day in enumerate(days):
        level, x = float(HEIGHT - BOTTOM), LEFT + step * (at + 0.5) - wide / 2
        for number, (name, part) in enumerate(parts):
            height = part[at] / top * (HEIGHT - TOP - BOTTOM)
            if height <= 0:
                continue
            level -= height
            said = f"<title>{escape(f'{day}, {name}: {unit}{_figure(part[at])}')}</title>"
            size = f'width="{wide:.1f}" height="{height:.1f}"'
            drawn.append(f'<rect class="s{number}" x="{x:.1f}" y="{level:.1f}" {size}>{said}</rect>')
    return _svg(drawn, told, HEIGHT)


def lines(days: Sequence[str], parts: Sequence[tuple[str, Sequence[float]]], told: str, unit: str = "") -> str:
    """One line for each of at most two parts, over days. Empty without days."""
    if not days:
        return ""
    top = _above(max(value for _, part in parts for value in part))
    step = (WIDTH - LEFT - RIGHT) / len(days)
    drawn = _axis(days, top, step, unit)
    for number, (name, part) in enumerate(parts):
        places = [
            (LEFT + step * (at + 0.5), HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM))
            for at, value in enumerate(part)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(f'<polyline class="s{number} line" points="{path}"/>')
        for (x, y), day, value in zip(places, days, part):
            said = f"<title>{escape(f'{day}, {name}: {unit}{_figure(value)}')}</title>"
            drawn.append(f'<circle class="s{number}" cx="{x:.1f}" cy="{y:.1f}" r="3">{said}</circle>')
    return _svg(drawn, told, HEIGHT)


def classes(rows: Sequence[tuple[str, float, str]], told: str) -> str:
    """One bar a class from 0 to 1: (name, figure, what is said beside it). It grows with their number."""
    if not rows:
        return ""
    left, right = 230, 150
    drawn = []
    for at, (name, value, said) in enumerate(rows):
        y = 6 + ROW * at
        wide = max(0.0, min(1.0, value)) * (CLASSES_WIDTH - left - right)
        shown = f"{escape(_clip(name))}<title>{escape(name)}</title>"
        drawn += [
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{shown}</text>',
            f'<line class="axis" x1="{left}" x2="{CLASSES_WIDTH - right}" y1="{y + 9}" y2="{y + 9}"/>',
            f'<rect class="s0" x="{left}" y="{y + 2}" width="{wide:.1f}" height="14" rx="2"/>',
            f'<text class="soft" x="{CLASSES_WIDTH - right + 8}" y="{y + 14}">{escape(said)}</text>',
        ]
    return _svg(drawn, told, 12 + ROW * len(rows), CLASSES_WIDTH)


def _axis(days: Sequence[str], top: float, step: float, unit: str) -> list[str]:
    drawn = []
    for part in (0.0, 0.5, 1.0):
        y = HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
        drawn.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        figure = f"{unit}{_figure(part * top)}"
        drawn.append(f'<text class="soft" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(figure)}</text>')
    every = -(-len(days) // 8)
    for at in range(0, len(days), every):
        x = LEFT + step * (at + 0.5)
        drawn.append(
            f'<text class="soft" x="{x:.1f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(days[at][5:])}</text>'
        )
    return drawn


def _above(value: float) -> float:
    """The next figure from `value` on whose half is short too: where an axis ends."""
    if value <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return next(step * size for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * size >= value * (1 - 1e-9))


def _figure(value: float) -> str:
    for size, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if name == 'k' else size):,.1f} {name}"
    return f"{value:,.0f}" if value == int(value) else small(value)


def _clip(text: str, wide: int = 30) -> str:
    """At most so many narrow letters; a Korean one takes the room of two."""
    room, kept = wide, ""
    for letter in text:
        room -= 2 if ord(letter) > 0x1100 else 1
        if room < 0:
            return kept + "…"
        kept += letter
    return kept


def _svg(parts: Sequence[str], told: str, height: int, width: int = WIDTH) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(told)}">{"".join(parts)}</svg>'
