"""Sentences that other modules compose (errors, the certificate's words, captions of charts), in the reader's language.

words/LANGUAGE-said.json goes from each English sentence to its own. {name} stands for whatever stood there; {n} and
{n_...} for a number, {part_...} for a piece that is itself such a sentence, {any_...} for one that may be empty. What
fits no sentence stays English.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from html import escape, unescape
from pathlib import Path

import msgspec
from markupsafe import Markup

HERE = Path(__file__).parent
_HOLE = re.compile(r"\{(\w+)\}")
_STYLE = re.compile(r' style="[^"]*"')
_DRAWN = re.compile(r"(<text[^>]*>|<title>)([^<]+)(?=</)|( aria-label=\")([^\"]+)(?=\")")
MOST_CHARS = 4_000  # of what is looked up
DEEPEST = 6

Say = Callable[[str], str]


class Sentence(msgspec.Struct, frozen=True):
    """fits: the whole English sentence, its holes as groups."""

    fits: re.Pattern[str]
    theirs: str


@functools.cache
def sentences(language: str) -> list[Sentence]:
    """Those with most words of their own first, since they say most exactly what they fit; none of English itself."""
    path = HERE / "words" / f"{language}-said.json"
    if not path.is_file():
        return []
    found = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    ordered = sorted(found.items(), key=lambda item: -len(_HOLE.sub("", item[0])))
    return [Sentence(_pattern(english), theirs) for english, theirs in ordered]


def _pattern(english: str) -> re.Pattern[str]:
    parts = _HOLE.split(english)  # words, a hole's name, words, ...
    seen: set[str] = set()
    written = []
    for at, part in enumerate(parts):
        if at % 2 == 0:
            written.append(re.escape(part))
        elif part in seen:
            written.append(f"(?P={part})")
        else:
            seen.add(part)
            written.append(f"(?P<{part}>{_fitting(part)})")
    return re.compile("".join(written), re.DOTALL)


def _fitting(hole: str) -> str:
    if hole == "n" or hole.startswith("n_"):
        return r"[-+]?[\d.,]*\d(?:e[-+]?\d+)?%?"
    return ".*?" if hole.startswith("any_") else ".+?"


@functools.cache
def teller(language: str) -> Say:
    """`say(text)`: the text in this language where it is a sentence that is known, else as it is."""
    known = sentences(language)
    if not known:
        return lambda text: text

    @functools.lru_cache(4_096)
    def tell(text: str, depth: int = 0) -> str:
        if not text.strip() or len(text) > MOST_CHARS or depth > DEEPEST:
            return text
        for each in known:
            if (found := each.fits.fullmatch(text)) is not None:
                return _HOLE.sub(lambda hole: _filled(hole[1], found[hole[1]], depth), each.theirs)
        if "; " in text:  # several, one after the other
            return "; ".join(tell(part, depth + 1) for part in text.split("; "))
        return text

    def _filled(name: str, value: str, depth: int) -> str:
        return tell(value, depth + 1) if name.startswith(("part_", "any_")) else value

    return tell


def drawing(svg: str, say: Say = str) -> Markup:
    """A chart or a page of ours for one whose policy forbids style attributes (sizes stand in console.css), with what
    its charts say told by `say`."""
    svg = _STYLE.sub("", svg)  # charts escape the texts in them

    def told(found: re.Match[str]) -> str:
        before, text = (found[1], found[2]) if found[1] else (found[3], found[4])
        return before + escape(say(unescape(text)))

    return Markup(_DRAWN.sub(told, svg))
