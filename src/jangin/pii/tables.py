"""Tables within a text: which column a value stands in, and what the head of that column says.

Read are lines of the same number of cells, parted by `|`, tabs, `;`, commas, slashes or two blanks, under a line of
heads without a digit; and one line of heads and values: "Sort code / account: 20-44-82 / 71822904".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

_SEPARATORS = tuple(map(re.compile, (r"\|", r"\t", r";", r" / ", r",", r"/", r" {2,}")))
_DIGIT = re.compile("[0-9]")
_RULE = re.compile(r"[ |:+=-]*-[ |:+=-]*")  # the line under the heads in Markdown
_LONGEST_HEAD = 32  # characters
_LONGEST_INLINE = 20
_MOST_CELLS = 40


class Cell(NamedTuple):
    start: int
    end: int
    topic: str | None


def cells(text: str, found: list[tuple[int, int, str]]) -> list[Cell]:
    """The cells of all tables, in order; `found` are the labels by (start, end, topic), in order."""
    made: list[Cell] = []
    starts = [start for start, _, _ in found]
    lines, place = [], 0
    for line in text.split("\n"):
        lines.append((place, line))
        place += len(line) + 1
    heads: list[str | None] = []
    separator: re.Pattern[str] | None = None
    for number, (offset, line) in enumerate(lines):
        digits = _DIGIT.search(line) is not None
        if digits and heads and separator is not None:
            parts = _split(separator, line, 0, len(line))
            if len(parts) == len(heads):
                made += [Cell(offset + a, offset + b, head) for (a, b), head in zip(parts, heads)]
                continue
        if not digits:
            if heads and _RULE.fullmatch(line):
                continue
            after = lines[number + 1][1] if number + 1 < len(lines) else ""
            if _RULE.fullmatch(after) and number + 2 < len(lines):
                after = lines[number + 2][1]
            heads, separator = _heads(line, offset, 0, len(line), starts, found, after)
        elif ":" in line:
            colon = line.index(":")
            if not _DIGIT.search(line, 0, colon):
                mine, by = _heads(line, offset, 0, colon, starts, found, line[colon + 1 :])
                if mine and by is not None:
                    parts = _split(by, line, colon + 1, len(line))
                    made += [Cell(offset + a, offset + b, head) for (a, b), head in zip(parts, mine)]
            heads = []
        else:
            heads = []
    return made


def _split(separator: re.Pattern[str], line: str, start: int, end: int) -> list[tuple[int, int]]:
    edges = [start]
    for match in separator.finditer(line, start, end):
        edges += match.span()
    edges.append(end)
    return list(zip(edges[::2], edges[1::2]))


def _heads(
    line: str, offset: int, start: int, end: int, starts: list[int], found: list[tuple[int, int, str]], values: str
) -> tuple[list[str | None], re.Pattern[str] | None]:
    """The topic of each head, and what parts them; nothing where the values do not fit."""
    first = bisect_right(starts, offset + start - 1)
    if first >= len(starts) or starts[first] >= offset + end or not _DIGIT.search(values):
        return [], None  # no label among them
    for separator in _SEPARATORS:
        parts = _split(separator, line, start, end)
        if not 2 <= len(parts) <= _MOST_CELLS or len(_split(separator, values, 0, len(values))) != len(parts):
            continue
        longest = _LONGEST_HEAD if start == 0 and end == len(line) else _LONGEST_INLINE
        if any(b - a > longest for a, b in parts):
            continue
        topics: list[str | None] = []
        for a, b in parts:
            last = bisect_right(starts, offset + b - 1) - 1
            inside = last >= 0 and starts[last] >= offset + a
            topics.append(found[last][2] if inside else None)
        return topics, separator
    return [], None
