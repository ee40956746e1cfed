"""A span of personal data, and which of several that overlap is kept."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple

ENTITIES = (
    "PERSON",
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "KR_RRN",
    "KR_FRN",
    "KR_PASSPORT",
    "KR_DRIVER_LICENSE",
    "KR_BUSINESS_NUMBER",
    "KR_BANK_ACCOUNT",
    "CREDIT_CARD",
    "LOCATION",
    "IBAN_CODE",
    "US_SSN",
    "UK_NHS",
    "MEDICAL_RECORD_NUMBER",
    "DATE_OF_BIRTH",
    "IP_ADDRESS",
    "US_DRIVER_LICENSE",
    "PASSPORT",
    "US_BANK_NUMBER",
)


class Span(NamedTuple):
    """`text[start:end]` is an `entity`; the score in (0, 1] orders spans and is no probability."""

    start: int
    end: int
    entity: str
    score: float


def resolve(text: str, spans: Iterable[Span]) -> list[Span]:
    """Spans without overlap, in the order of the text: the higher score wins, then the longer one.

    What a loser covers beyond the winners stays covered, as long as a letter or digit is left there: a text is never
    bared because two rules disagreed about it.
    """
    ranked = sorted(spans, key=lambda span: (-span.score, span.start - span.end, span.start))
    kept: list[Span] = []  # disjoint, in order
    for span in ranked:
        pieces = [(span.start, span.end)]
        place = max(0, bisect_left(kept, (span.start,)) - 1)
        while place < len(kept) and kept[place].start < span.end:
            pieces = [piece for each in pieces for piece in _without(each, kept[place])]
            place += 1
        for start, end in pieces:
            while start < end and start != span.start and not text[start].isalnum():
                start += 1
            while start < end and end != span.end and not text[end - 1].isalnum():
                end -= 1
            if start < end:
                insort(kept, Span(start, end, span.entity, span.score))
    return kept


def _without(piece: tuple[int, int], winner: Span) -> list[tuple[int, int]]:
    start, end = piece
    if winner.end <= start or end <= winner.start:
        return [piece]
    return [(a, b) for a, b in ((start, winner.start), (winner.end, end)) if a < b]
