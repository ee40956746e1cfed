"""Text -> the pieces that a copied value may begin and end at, with their places.

A piece is a run of letters, a run of digits, or one other character that is no white space; each syllable of Hangul,
each kana and each ideograph stands alone, since a value ends inside a word there (서울에서 holds 서울).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ALONE = "\uac00-\ud7a3\u1100-\u11ff\u3130-\u318f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_PIECE = re.compile(rf"[{_ALONE}]|(?:(?![{_ALONE}])[^\W\d_])+|\d+|[^\w\s]|_")
_WORD = re.compile(r"\S+")


class Piece(NamedTuple):
    """text[start:end]. word: the run between white space that it is part of, as a number from 0."""

    text: str
    start: int
    end: int
    word: int


def pieces(text: str) -> list[Piece]:
    """Every character that is no white space stands in exactly one piece, in order."""
    found = []
    for number, word in enumerate(_WORD.finditer(text)):
        for part in _PIECE.finditer(word[0]):
            found.append(Piece(part[0], word.start() + part.start(), word.start() + part.end(), number))
    return found


def is_alone(character: str) -> bool:
    """Is it of a script whose characters are pieces of their own?"""
    return re.match(f"[{_ALONE}]", character) is not None
