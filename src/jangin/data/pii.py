"""Personal data by shape: which kinds a text seems to hold, and the text without them."""

from __future__ import annotations

import re

KINDS = ("e-mail address", "card number", "resident registration number", "phone number")

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24}(?!\w)")
_MANY_DIGITS = re.compile(r"\d(?:[ .()-]{0,2}\d){7}")
_CARD = re.compile(r"(?<![\d-])[2-6](?:[ -]?\d){12,18}(?![\d-])")
# YYMMDD, a digit for sex and century (1-4 citizens, 5-8 foreigners, 9 and 0 born before 1900), six more
_RESIDENT = re.compile(r"(?<![\d-])\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[- ]?\d{7}(?![\d-])")
_PHONE = re.compile(
    r"(?<![\d-])(?:"
    r"01[016789][-. ]?\d{3,4}[-. ]?\d{4}"  # Korean mobile
    r"|0\d{1,2}[-. )]{1,2}\d{3,4}[-. ]\d{4}"  # Korean landline
    r"|\+\d{1,3}(?:[-. ()]{0,2}\d){8,12}"  # international
    r"|(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}"  # North American
    r")(?![\d-])"
)


def pii_kinds(text: str) -> list[str]:
    """The kinds of personal data whose shape stands in the text, in the order of `KINDS`."""
    found = []
    if "@" in text and _EMAIL.search(text):
        found.append(KINDS[0])
    if not _MANY_DIGITS.search(text):
        return found
    if any(_luhn(match.group()) for match in _CARD.finditer(text)):
        found.append(KINDS[1])
    if _RESIDENT.search(text):
        found.append(KINDS[2])
    if _PHONE.search(text):
        found.append(KINDS[3])
    return found


def mask_pii(text: str) -> str:
    """The text with everything that `pii_kinds` would find replaced by its kind in square brackets."""
    email, card, resident, phone = (f"[{kind}]" for kind in KINDS)
    if "@" in text:
        text = _EMAIL.sub(email, text)
    if not _MANY_DIGITS.search(text):
        return text
    text = _CARD.sub(lambda match: card if _luhn(match.group()) else match.group(), text)
    return _PHONE.sub(phone, _RESIDENT.sub(resident, text))


def _luhn(number: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in number if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
