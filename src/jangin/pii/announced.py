"""Numbers without a shape of their own, which only words beside them announce: passports, driver's licences, medical
record numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.identifiers import HEALTH
from jangin.pii.labels import Labels
from jangin.pii.licences import ABBREVIATED, STATE_OF, STATES, british, fits, states_of
from jangin.pii.records import HOSPITAL, records
from jangin.pii.shapes import COMPACT_DATE, QUANTITY, SPACED, TOKEN, dated, topic_of
from jangin.pii.spans import Span
from jangin.pii.us_accounts import accounts

_PASSPORT = re.compile(
    r"(?<![A-Za-z0-9])(?<![A-Za-z0-9]-)(?:[A-Z]{1,3}[ -]?[0-9]{6,8}[A-Z]?|[0-9]{8,9}|[0-9]{2}[A-Z]{2}[0-9]{5}|"
    r"[A-Z][0-9][A-Z][0-9]{6}|"
    r"[A-Z](?=[0-9A-Z]{0,3}[0-9])[0-9A-Z]{8})(?![A-Za-z0-9-])",
    re.IGNORECASE,
)
_HANGUL = re.compile("[가-힣]")
# 등록번호 of something else than a patient; without one of these words seven or eight digits are a hospital's.
_REGISTERS = re.compile(
    "사업|회원|차량|자동차|특허|상표|법인|협회|자격|면허|제품|수입|건설|출판|농약|비료|기기|선박|동물|장애|보훈|외국인|주민|"
    "식품|업체|상점|단체|의약품|화장품|디자인|저작권|기업|공장|어선|학원|공연|숙박|여행업|통신판매|대부업|반려|도서|품목|자재"
)
_NO_PATIENTS = re.compile(r"vehicle|\bcar\b|van\b|company|charity|\bVAT\b|trade ?mark|nurs\w+ reg|GMC|NMC", re.I)
_YEAR = re.compile("(?:19|20)[0-9]{2}")
_PRESSURE = re.compile("[0-9]{2,3}/[0-9]{2,3}")  # of blood: 148/82
_ENDS_IN_WORDS = re.compile(r"(?:/[A-Za-z]+)+$")
_LICENCE_WORD = re.compile(
    r"li[cs]en[cs]e?|\blic\b|\bD/L\b|\bC?DL\b|\bDVLA\b|\bDMV\b|\bMVC\b|motor vehicle|driving record|\bsoundex\b|"
    r"\bpermit\b",
    re.IGNORECASE,
)
_SIX_AND_LETTERS = re.compile("[0-9]{6} ?[A-Za-z9]{2} ?[0-9A-Za-z]")  # a quick look before the next
_BRITISH = re.compile(
    r"(?<![A-Za-z0-9])[A-Z9]{5}[ ]?[0-9]{6}[ ]?[A-Z9]{2}[ ]?[0-9A-Z][ ]?[A-Z]{2}(?![A-Za-z0-9])", re.I
)
_STATED = re.compile(  # "ID Texas 08847172": a card of identity and the state, without the word licence
    r"(?<![A-Za-z])(?:(?:ID|I\.D\.|photo id|identification)(?: shown| card| checked| seen| no\.?| number| #| is|"
    r" was| from)?"
    r"[ :,(-]{1,3}(?=(?:"
    + "|".join(STATES)
    + r")[ :,)#-])|(?=(?:"
    + "|".join(STATES)
    + r") (?:ID|driver|state ID|one)\b))"
    r"(?P<state>"
    + "|".join(STATES)
    + r")(?: (?:ID|driver|state ID|one))?(?:,? (?:card )?(?:reads|shows|says|number|no\.?|is|was))?"
    r"[ :,)#-]{1,3}(?P<a>[A-Z0-9](?:[ -]?[A-Z0-9]){5,15})(?![A-Za-z0-9])"
)
_AT_A_STOP = re.compile(  # who looks at licences
    r"li[cs]en[cs]e|\b(?:DL|ID|DMV|driver|trooper|officer|cited|stopped|pulled over|renter|identity|identification)\b",
    re.IGNORECASE,
)
_SAYS_ELSE = frozenset(("ssn", "phone", "account", "routing", "mrn", "card", "passport", "nhs", "other", "brn", "bank"))


def announced(text: str, labels: Labels, korean: bool) -> Iterator[Span]:
    if labels.has(("passport",)):
        yield from _passports(text, labels)
    if labels.has(("mrn", "registered", "driver")) or (_LICENCE_WORD.search(text) and states_of(text)):
        yield from _tokens(text, labels)
    for match in _STATED.finditer(text) if "ID" in text or "dentification" in text or "driver" in text else ():
        if fits(match["a"], match["state"]):
            yield Span(*match.span("a"), "US_DRIVER_LICENSE", 0.7)
    for match in ABBREVIATED.finditer(text) if _AT_A_STOP.search(text) else ():
        if fits(match["a"], STATE_OF[match["state"]]) and labels.topic(*match.span("a")) in (None, "driver"):
            yield Span(*match.span("a"), "US_DRIVER_LICENSE", 0.6)
    for match in _BRITISH.finditer(text) if _SIX_AND_LETTERS.search(text) else ():
        if british(re.sub(" ", "", match.group())) and labels.topic(*match.span()) != "other":
            yield Span(*match.span(), "US_DRIVER_LICENSE", 0.8)
    yield from accounts(text, labels, korean)
    yield from records(text, labels, korean)


def _passports(text: str, labels: Labels) -> Iterator[Span]:
    """By the shapes of many countries; by any shape right behind the word."""
    alone = labels.only(("passport",))
    for match in _PASSPORT.finditer(text):
        start, end = match.span()
        digits = sum(map(str.isdigit, match.group()))
        mixed = digits >= 2 and match.group().isupper() and labels.before(start, 14) == "passport"
        topic = labels.topic(start, end)
        if topic == "card" and labels.after(end, 16) == "passport":
            topic = "passport"  # Group visa: 533448218 (UK passport)
        if (digits >= 5 or mixed) and topic == "passport":
            yield Span(start, end, "PASSPORT", 0.8)
        elif alone and digits >= 7 and 8 <= digits + match.group()[0].isalpha() <= 9 and topic in (None, "passport"):
            yield Span(start, end, "PASSPORT", 0.6)  # "mine is 544821781 and hers 544821770, both passports are ..."
    for pattern in (TOKEN, SPACED):
        for match in pattern.finditer(text):
            (start, end), value = match.span(), match.group()
            digits, size = sum(map(str.isdigit, value)), sum(map(str.isalnum, value))
            if digits < 5 or not 7 <= size <= 12 or dated(value, False) or COMPACT_DATE.fullmatch(value):
                continue
            if topic_of(text, labels, start, end) == "passport":
                yield Span(start, end, "PASSPORT", 0.55)  # below every shape that is known


def _near_label(text: str, labels: Labels, start: int, end: int) -> bool:
    """Four digits are a record's right behind its label; years, hours and counts stand further away."""
    if labels.naming(start) == "mrn":
        return True
    far = labels.before(start, 24) != "mrn" and labels.after(end, 20) != "mrn"
    return not far and not _YEAR.fullmatch(text, start, end) and "," not in text[max(0, start - 2) : start]


def _tokens(text: str, labels: Labels) -> Iterator[Span]:
    states = states_of(text) if _LICENCE_WORD.search(text) else []
    licensed = _LICENCE_WORD.search(text) is not None
    sole, sole_driver = labels.only(("mrn",)), labels.only(("driver",)) and not states and not _HANGUL.search(text)
    for pattern in (SPACED, TOKEN):
        for match in pattern.finditer(text):
            (start, end), value = match.span(), match.group()
            if "/" in value:
                value = _ENDS_IN_WORDS.sub("", value)  # D4482177/exp
                end = start + len(value)
            if _PRESSURE.fullmatch(value):
                continue
            digits = sum(map(str.isdigit, value))
            size = sum(map(str.isalnum, value))
            if digits < 3 or digits > 18 or (digits == 3 and size < 9):
                continue
            if digits <= 4 and value.isdigit() and text[max(0, start - 4) : start] == " of ":
                continue  # the medical records of 2061 patients
            topic = topic_of(text, labels, start, end)
            if topic in ("dob", "phone", "nhs", "registered") and labels.joined(start, "mrn"):
                topic = "mrn"
            if topic == "registered" and (
                HOSPITAL.search(text)
                or (not _NO_PATIENTS.search(text) and HEALTH.search(text))
                or (value.isdigit() and 7 <= digits <= 8 and not _REGISTERS.search(text))
            ):
                topic = "mrn"
            if topic is None and digits >= 6 and (sole or sole_driver):  # nothing else is spoken of in the whole text
                beside = text[max(0, start - 1) : start] + text[end : end + 1]
                plain = value.isalnum() and not any(mark in beside for mark in "._/")
                if plain and not QUANTITY.match(text, end) and not COMPACT_DATE.fullmatch(value):
                    yield Span(start, end, "MEDICAL_RECORD_NUMBER" if sole else "US_DRIVER_LICENSE", 0.5)
                continue
            if QUANTITY.match(text, end):
                continue
            if topic == "mrn":
                if digits < 6 and labels.before(start) == "mrn" and not (size > digits > 3) and not labels.bound(start):
                    continue  # "MRN 448217, collected 0615": a number of its own
                if digits == 4 == size and not _near_label(text, labels, start, end):
                    continue
                if digits < 5 and labels.before(start, 40) != "mrn" and labels.after(end, 20) != "mrn":
                    continue
                if (digits >= 4 or size >= 9) and not dated(value, labels.before(start, 6) == "mrn"):
                    yield Span(start, end, "MEDICAL_RECORD_NUMBER", 0.75)
                continue
            if _HANGUL.search(text, max(0, start - 30), start) or dated(value, False):
                continue
            named = topic == "driver" and (digits >= 5 or size >= 9) and (pattern is TOKEN or size >= 8)
            if named and not licensed and labels.naming(start) != "driver" and labels.after(end, 20) != "driver":
                named = False  # "the driver scored 1200000": nothing but the word driver
            if named and digits == size < 7 and not states and labels.naming(start) != "driver":
                named = False
            shaped = bool(states) and topic not in _SAYS_ELSE and any(fits(value, state) for state in states)
            if named or shaped or (british(value) and _LICENCE_WORD.search(text)):
                yield Span(start, end, "US_DRIVER_LICENSE", 0.75)
