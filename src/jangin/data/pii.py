"""Personal data by shape: which kinds a text seems to hold, and the text without them.

The patterns and checks are those of `jangin.pii`, without its names, addresses and labelled identifiers: a million
texts are looked through here, and a wrong warning is cheap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.checks import registration
from jangin.pii.identifiers import cards, emails
from jangin.pii.korean_ids import REGISTRATION
from jangin.pii.labels import Labels
from jangin.pii.phones import phones
from jangin.pii.spans import Span, resolve
from jangin.pii.view import View

KINDS = ("e-mail address", "card number", "resident registration number", "phone number")

_MANY_DIGITS = re.compile(r"\d(?:[ .()/~\n-]{0,4}\d){7}")
_WINDOW = 20_000  # characters looked at in one go, so that no text takes longer than its length


def pii_kinds(text: str) -> list[str]:
    """The kinds of personal data whose shape stands in the text, in the order of `KINDS`."""
    found = {span.entity for span in _spans(text)}
    return [kind for kind in KINDS if kind in found]


def mask_pii(text: str) -> str:
    """The text with everything that `pii_kinds` would find replaced by its kind in square brackets."""
    spans = resolve(text, _spans(text))
    if not spans:
        return text
    pieces, place = [], 0
    for start, end, kind, _ in spans:
        pieces += [text[place:start], f"[{kind}]"]
        place = end
    return "".join([*pieces, text[place:]])


def _spans(text: str) -> Iterator[Span]:
    view = View(text)
    plain = view.text
    mail, digits = "@" in plain, _MANY_DIGITS.search(plain) is not None
    if not (mail or digits):
        return
    for offset in range(0, len(plain), _WINDOW):
        window = plain[max(0, offset - 100) : offset + _WINDOW]
        for start, end, kind, score in _shapes(window, mail, digits):
            shift = max(0, offset - 100)
            yield Span(*view.original(shift + start, shift + end), kind, score)


def _shapes(text: str, mail: bool, digits: bool) -> Iterator[Span]:
    email, card, resident, phone = KINDS
    if mail:
        yield from (span._replace(entity=email) for span in emails(text))
    if not digits:
        return
    labels = Labels(text)
    yield from (span._replace(entity=card) for span in cards(text, labels))
    for match in REGISTRATION.finditer(text):
        if registration(match[1] + match[3])[0] is not None:  # the check digit is not asked for: see `jangin.pii`
            yield Span(*match.span(), resident, 0.95)
    yield from (span._replace(entity=phone) for span in phones(text, labels))
