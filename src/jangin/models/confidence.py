"""How sure a decoder was of each field of the JSON object that it wrote."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]

from jangin.models.generation import Token

_DECODER = json.JSONDecoder()


def field_confidence(text: str, tokens: Sequence[Token]) -> dict[str, float]:
    """Field name -> probability of its value's tokens, multiplied; `text` is a JSON object, `tokens` wrote it.

    A token that stands on a value's edge counts as the value's. A name that stands twice keeps the last.
    """
    logprobs = _by_character(text, tokens)
    return {
        name: math.exp(min(0.0, sum(logprob for at, logprob in logprobs if begin <= at < end)))
        for name, begin, end in _spans(text)
    }


def _by_character(text: str, tokens: Sequence[Token]) -> list[tuple[int, float]]:
    """(character that a token ends on, its logprob); bytes of a character that is not whole yet stand on it."""
    starts: list[int] = []  # of each character, in bytes
    size = 0
    for each in text:
        starts.append(size)
        size += len(each.encode())
    found: list[tuple[int, float]] = []
    at = character = 0
    for token in tokens:
        at += len(token.piece)
        while character + 1 < len(starts) and starts[character + 1] < at:
            character += 1
        found.append((character, token.logprob))
    return found


def _spans(text: str) -> list[tuple[str, int, int]]:
    """(name, begin, end) of each value of the outermost object, in characters."""
    found: list[tuple[str, int, int]] = []
    at = text.index("{") + 1
    while True:
        at = _skip(text, at)
        if text[at] == "}":
            return found
        name, at = scanstring(text, at + 1, True)
        at = _skip(text, at) + 1  # the colon
        begin = _skip(text, at)
        _, at = _DECODER.raw_decode(text, begin)
        found.append((name, begin, at))
        at = _skip(text, at)
        if text[at] == ",":
            at += 1


def _skip(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at
