"""What a tagger sees of each piece of a text: words, shapes, neighbours, known values, and all that beside the context.

The context is what a row as a whole is about, where there is such a thing: the few words before the first colon when
they come from a small set ("Coffee: ..."), else the answer to a classified field. Known values come from train; a row
of train does not count its own, or the tagger would learn to trust them more than it can later.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import msgspec

from jangin.models.pieces import Piece, is_alone

LONGEST = 12  # pieces of a known value
Key = str  # the pieces of a value, casefolded, with a space between
_NEAR = (-3, -2, -1, 1, 2, 3)
_RUNS = re.compile(r"(.)\1+")


class Known(msgspec.Struct, frozen=True):
    """Values seen in train. counts: key -> field's number -> rows that have it as that field's value; seen: key -> rows
    whose text holds it, whatever it means there."""

    counts: dict[str, dict[int, int]]
    seen: dict[str, int]


def key_of(parts: Iterable[Piece]) -> Key:
    return " ".join(part.text.casefold() for part in parts)


def shape(text: str) -> str:
    """Aa9- by kind of character, runs shortened: 'Large' -> 'Aa'."""
    kinds = []
    for character in text:
        if character.isdigit():
            kinds.append("9")
        elif character.isupper():
            kinds.append("A")
        elif character.isalpha():
            kinds.append("h" if is_alone(character) else "a")
        else:
            kinds.append(character)
    return _RUNS.sub(r"\1", "".join(kinds))


def cues(
    parts: Sequence[Piece], known: Known, context: str | None = None, own: Collection[tuple[Key, int]] = ()
) -> list[list[str]]:
    """The cues of each piece. `own`: (key, field) of the values that this row of train has itself."""
    size = len(parts)
    low = [part.text.casefold() for part in parts]
    shapes = [shape(part.text) for part in parts]
    glued = [at > 0 and parts[at - 1].end == parts[at].start for at in range(size)]
    words: dict[int, list[int]] = {}
    for at, part in enumerate(parts):
        words.setdefault(part.word, []).append(at)
    whole = {number: "".join(low[at] for at in ats) for number, ats in words.items()}
    matched = matches(low, known, own)
    found = []
    for at, part in enumerate(parts):
        text, ats = low[at], words[part.word]
        mine = [f"w={text}", f"s={shapes[at]}", f"g={glued[at]:d}{at + 1 < size and glued[at + 1]:d}"]
        mine += [f"p{n}={text[:n]}" for n in (2, 3) if len(text) > n]
        mine += [f"e{n}={text[-n:]}" for n in (2, 3) if len(text) > n]
        if len(ats) > 1:
            mine += [f"W={whole[part.word]}", f"i={min(at - ats[0], 3)}/{min(ats[-1] - at, 3)}"]
            mine.append(f"r={''.join(low[ats[0] : at + 1])[-8:]}" if is_alone(part.text[0]) else f"h={low[ats[0]]}")
        for step in _NEAR:
            there = at + step
            near = low[there] if 0 <= there < size else "<>"
            mine.append(f"w{step}={near}")
            if abs(step) <= 2:
                mine.append(f"s{step}={shapes[there] if 0 <= there < size else '<>'}")
        before = low[at - 1] if at else "<>"
        after = low[at + 1] if at + 1 < size else "<>"
        mine += [f"b-={before}|{text}", f"b+={text}|{after}", f"b0={before}|{after}"]
        mine.append(f"@={'first' if at == 0 else 'last' if at == size - 1 else min(at, 9)}")
        mine += matched[at]
        if context is not None:
            sides = (f"w={text}", f"s={shapes[at]}", f"w-1={before}", f"w1={after}", mine[2], "")
            mine += [f"{context}^{cue}" for cue in (*sides, *matched[at])]
        mine.append("*")
        found.append(mine)
    return found


def matches(low: Sequence[str], known: Known, own: Collection[tuple[Key, int]]) -> list[list[str]]:
    """Of each piece, where it stands in the longest known value of each field: begin, inside, last or single."""
    found: list[list[str]] = [[] for _ in low]
    taken: dict[int, int] = {}
    for start in range(len(low)):
        for size in range(min(LONGEST, len(low) - start), 0, -1):
            key = " ".join(low[start : start + size])
            fields = known.counts.get(key)
            if not fields:
                continue
            for field, rows in fields.items():
                mine = (key, field) in own
                if rows - mine < 1 or taken.get(field, -1) >= start + size - 1:
                    continue
                taken[field] = start + size - 1
                share = (rows - mine) / max(1, known.seen.get(key, rows) - mine)
                sure = "+" if share > 0.66 else "-" if share < 0.33 else "~"
                many = "m" if rows - mine > 2 else "f"
                for at in range(size):
                    place = "U" if size == 1 else "B" if at == 0 else "E" if at == size - 1 else "I"
                    found[start + at] += [f"k{field}{place}{sure}", f"k{field}{place}{sure}{many}"]
    return found


def know(rows: Sequence[tuple[Sequence[Piece], Collection[tuple[Key, int]]]]) -> Known:
    """The known values of train: of each row its pieces and the (key, field) of its values."""
    counts: dict[str, Counter[int]] = {}
    for _, own in rows:
        for key, field in set(own):
            if key.count(" ") < LONGEST:
                counts.setdefault(key, Counter())[field] += 1
    seen: Counter[str] = Counter()
    for parts, _ in rows:
        low = [part.text.casefold() for part in parts]
        here = set()
        for start in range(len(low)):
            for size in range(1, min(LONGEST, len(low) - start) + 1):
                key = " ".join(low[start : start + size])
                if key in counts:
                    here.add(key)
        seen.update(here)
    return Known({key: dict(fields) for key, fields in counts.items()}, dict(seen))
