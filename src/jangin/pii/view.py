"""The text as the rules read it: NFKC, plain digits, hyphens and spaces, nothing invisible, with offsets kept.

What a text that was put into JSON, a URL or HTML on its way holds in place of a character is read as that character:
`json.dumps` writes Hangul as \\uXXXX unless it is told not to, and no rule would know a name in it.
"""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u180e")
_HYPHENS = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u30fc\u3161")
# What needs no change: ASCII, Hangul syllables, and the marks that every Korean or English text holds.
_ODD = re.compile("[^\x00-\x7f\uac00-\ud7a3\u2018\u2019\u201c\u201d\u00b7\u3001\u3002\u300a-\u3011\u00a3\u20ac\u20a9]")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
_ESCAPED = re.compile(
    r"\\u[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}"  # a character beyond the first 65,536
    r"|\\u[0-9A-Fa-f]{4}"
    r'|\\[nrt"\\/]'
    r"|%40|&(?:nbsp|#(?:64|160));"
)
_MAY_BE_ESCAPED = re.compile(r"[\\%&]")
# A Hangul syllable in letters (NFD), or a character with its combining marks: composed together.
_CLUSTER = re.compile("[\u1100-\u115f][\u1160-\u11a7]+[\u11a8-\u11ff]*|.[\u0300-\u036f\u3099\u309a]+", re.DOTALL)


class _OneToOne(dict):
    """code point -> its plain character, for `str.translate`; remembers that one does not map to a single one."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        plain = _plain(character)
        if len(self) < 20_000:  # hostile texts must not grow it for ever
            self[code] = plain
        return plain


def _plain(character: str) -> str:
    if not _ODD.match(character):
        return character
    if character in _INVISIBLE:
        return ""
    if character in _HYPHENS:
        return "-"
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Zs":
        return " "
    return unicodedata.normalize("NFKC", character)


def _unescaped(escape: str) -> str:
    if not escape.startswith("\\"):
        return "@" if escape in ("%40", "&#64;") else " "
    if escape[1] != "u":
        return _ESCAPES[escape[1]]
    high, low = int(escape[2:6], 16), int(escape[8:], 16) if len(escape) > 6 else None
    return chr(high) if low is None else chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


_TABLE = _OneToOne()


class View:
    """`text` for the rules; `original(start, end)` gives the place in the text as it came."""

    __slots__ = ("_ends", "_starts", "text")

    def __init__(self, text: str):
        self.text = text
        self._starts: list[int] | None = None
        self._ends: list[int] | None = None
        escaped = _MAY_BE_ESCAPED.search(text) is not None and _ESCAPED.search(text) is not None
        if not escaped and (text.isascii() or not _ODD.search(text)):
            return
        if not escaped and not _CLUSTER.search(text):
            plain = text.translate(_TABLE)
            if len(plain) == len(text) and all(len(_TABLE[ord(c)]) == 1 for c in set(_ODD.findall(text))):
                self.text = plain
                return
        self._map(text)

    def _map(self, text: str) -> None:
        pieces: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        clusters = {match.start(): match for match in _CLUSTER.finditer(text)}
        escapes = {match.start(): match for match in _ESCAPED.finditer(text)}
        place = 0
        while place < len(text):
            match = escapes.get(place) or clusters.get(place)
            end = match.end() if match else place + 1
            if match and place in escapes:
                plain = "".join(_TABLE[ord(character)] for character in _unescaped(match.group()))
            else:
                plain = unicodedata.normalize("NFKC", match.group()) if match else _TABLE[ord(text[place])]
            pieces.append(plain)
            starts.extend([place] * len(plain))
            ends.extend([end] * len(plain))
            place = end
        self.text, self._starts, self._ends = "".join(pieces), starts, ends

    def original(self, start: int, end: int) -> tuple[int, int]:
        """(start, end) in the original text of `self.text[start:end]`; not empty unless that is."""
        if self._starts is None or self._ends is None or start >= end:
            return start, end
        return self._starts[start], self._ends[end - 1]
