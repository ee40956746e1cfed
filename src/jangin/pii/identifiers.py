"""Identifiers of the wider world: mail, cards, IBAN, SSN, NHS numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii import checks
from jangin.pii.labels import Labels
from jangin.pii.shapes import goods
from jangin.pii.spans import Span

_AT = r"(?:@|[ ]?[\[(]at[\])][ ]?|[ ]?골뱅이[ ]?)"
_DOT = r"(?:\.|[ ]?[\[(]dot[\])][ ]?)"
EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+'-][A-Za-z0-9._%+'-]{0,63}" + _AT + r"[A-Za-z0-9-]{1,63}"
    r"(?:" + _DOT + r"[A-Za-z0-9-]{1,63}){0,4}" + _DOT + r"[A-Za-z]{2,24}(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_SPELT = re.compile(
    r"(?<![A-Za-z0-9@._-])(?<!underscore )(?<!dash )(?<!hyphen )(?!(?:us|me|look|it|find|shop|online|visit|go|buy|"
    r"or|available|here|is|are|site|website|and)[ ])"
    r"(?=[^ ]{2})[A-Za-z0-9_%+'-]{1,2}[A-Za-z0-9._%+'-]{0,40}(?:[ ]dot[ ][a-z0-9]{1,20}){0,2}[ ]at[ ][A-Za-z0-9-]{2,40}"
    r"(?:[ ]dot[ ][A-Za-z]{2,12}){1,3}(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_AT_SIGN = re.compile(r"[\[(][Aa][Tt][\])]|골뱅이")
_PICTURE = re.compile(r"@[0-9]x\.(?:png|jpe?g|gif|svg|webp)$", re.IGNORECASE)
_CARD = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][-.])(?:[2-69](?:[ ]?-?[ ]?\n?[0-9]){12,18}|"
    r"[2-69][0-9]{3}([ ]{2}|[._/])[0-9]{4}\1[0-9]{4}\1[0-9]{4})(?!-?[0-9])"
)
_IBAN = re.compile(r"(?:(?<![A-Za-z0-9])|(?<=IBAN)|(?<=iban))[A-Za-z]{2}[0-9]{2}(?=[ .-]{0,2}[A-Za-z0-9])")
_SSN = re.compile(
    r"(?<![0-9])(?<![0-9][-.])([0-9]{3})([- ./]?\n?|[ ]-[ ]|[ ]{2})([0-9]{2})([- ./]?\n?|[ ]-[ ]|[ "
    r"]{2})([0-9]{4})(?!-?[0-9])"
)
_NINE = re.compile(r"(?<![0-9])(?<![0-9][-.])[0-9](?:[- ]?[0-9]){8}(?!-?[0-9])")
_NHS = re.compile(
    r"(?<![0-9])(?<![0-9][-.])[0-9]{3}([- ./]?\n?|[ ][-/][ ]|[ ]{2})[0-9]{3}([- ./]?\n?|[ ][-/][ ]|"
    r"[ ]{2})[0-9]{4}(?![A-Za-z]|-?[0-9])"
)
_NHS_ODD = re.compile(r"(?<![0-9])(?<![0-9][-.])[0-9](?:[-./ ]{0,3}\n?[0-9]){9}(?![A-Za-z]|[-/. ]?[0-9])")
_NANP = re.compile(r"[2-9][0-9]{2}[2-9](?!11)[0-9]{6}")
HEALTH = re.compile(
    r"(?<![A-Za-z])(?:patients?|pts?|GP|GP2GP|EMIS|SystmOne|surgery|clinics?|clinical|clinician|hospitals?|"
    r"wards?|bed|bleep|triage|"
    r"referr\w+|prescri\w+|vaccin\w+|immunis\w+|screening|smear|nurses?|doctors?|dr|medical|medication|health\w*|"
    r"consultant|"
    r"A&E|midwife|maternity|newborn|baby|twins?|discharge\w*|diagnos\w+|bloods?|jabs?|practice|radiology|"
    r"pharmac\w+|oncology|"
    r"cardiology|theatre|ambulance|paramedics?|handover|physio\w*|dental|dentist|optician|hearing|allerg\w+|"
    r"asthma|inhaler|"
    r"meds|repeats?|appts?|appointments?|transfusion|boots|dispens\w+|siblings|admitted|admission|inpatients?|"
    r"outpatients?|bloods|sats|obs|insulin|chemo\w*|cancer|"
    r"ultrasound|podiatry|CAMHS|injections?|injury|symptoms?|surgeon|operation|treatment|test results?|lab|labs|"
    r"EPR|SCR|DNACPR|Datix|flu|covid|MMR|hospitalised|anaesth\w+|antenatal|fracture\w*|mental health|next of kin|"
    r"tablets?|dos(?:e|age)|scans?|MRI|CT|ECG|X-?rays?|carers?|care home|hospice|dementia|diabet\w+|therap\w+|biopsy|"
    r"care records?|PDS|Spine|e-RS|ICB|CCG|trust|DOB)(?![A-Za-z])|환자|병원",
    re.IGNORECASE,
)
_RING = re.compile(
    r"\b(?:tele)?(?:phone|tel|mobile|mob|cell|landline|fax|ring|call|dial|text|whatsapp|sms|reach)\b[^0-9]{0,18}$", re.I
)
# Topics that say what the number is when they stand right before it.
_OTHERWISE = frozenset(
    (
        "other",
        "account",
        "passport",
        "ssn",
        "brn",
        "driver",
        "routing",
        "bank",
        "version",
        "service",
        "rrn",
        "frn",
    )
)


def emails(text: str) -> Iterator[Span]:
    if " dot " in text or " DOT " in text:
        for match in _SPELT.finditer(text):
            yield Span(*match.span(), "EMAIL_ADDRESS", 0.9)
    if "@" not in text and not _AT_SIGN.search(text):
        return
    for match in EMAIL.finditer(text):
        start, end = match.span()
        if no_mail(match.group(), text[end : end + 1]):
            continue
        yield Span(start, end, "EMAIL_ADDRESS", 0.98)


def no_mail(value: str, after: str) -> bool:
    """logo@2x.png, git@github.com:foo/bar"""
    return _PICTURE.search(value) is not None or (value.lower().startswith("git@") and after == ":")


def cards(text: str, labels: Labels) -> Iterator[Span]:
    for match in _CARD.finditer(text):
        start, end = match.span()
        digits = re.sub(r"[^0-9]", "", match.group())
        if not checks.card(digits):
            continue
        topic = labels.topic(start, end)
        if topic == "other" and labels.naming(start) == topic and not labels.near(("card",), start, end, 30, 15):
            continue
        yield Span(start, end, "CREDIT_CARD", 0.96)


def ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        size = checks.IBAN_LENGTHS.get(match.group()[:2].upper())
        if size is None:
            continue
        code: list[str] = []
        place = match.start()
        while place < len(text) and len(code) < size:
            character = text[place]
            if character.isascii() and character.isalnum():
                code.append(character.upper())
            elif not (character in " -.\n" and text[place - 1].isalnum()):
                break
            place += 1
        bounded = place >= len(text) or not (text[place].isascii() and text[place].isalnum())
        if bounded and checks.iban("".join(code)):
            yield Span(match.start(), place, "IBAN_CODE", 0.99)


def social_security(text: str, labels: Labels) -> Iterator[Span]:
    """US_SSN; a taxpayer's number (9xx) where it is called so. 3-2-4 with hyphens is hardly anything else."""
    for match in _SSN.finditer(text):
        start, end = match.span()
        digits = match[1] + match[3] + match[5]
        topic = labels.topic(start, end)
        named = topic == "ssn" or labels.near(("ssn",), start, end, 60, 30)
        hyphens = match[2].strip() == match[4].strip() == "-"
        grouped = match[2] == match[4] != ""
        if not checks.ssn(digits) and not (topic == "ssn" and checks.itin(digits)):
            continue
        if topic == "ssn" or (named and (hyphens or topic is None or (grouped and topic == "phone"))):
            yield Span(start, end, "US_SSN", 0.95)
        elif (
            hyphens
            and topic not in ("other", "brn", "version")
            and labels.before(start, 15) not in ("bank", "account")
            and not goods(text, start, end)
        ):
            yield Span(start, end, "US_SSN", 0.74)
    if labels.has(("ssn",)):
        for match in _NINE.finditer(text):  # in other groups, right behind the word
            digits = re.sub("[^0-9]", "", match.group())
            if labels.before(match.start(), 25) == "ssn" and (checks.ssn(digits) or checks.itin(digits)):
                yield Span(*match.span(), "US_SSN", 0.9)


def nhs_numbers(text: str, labels: Labels) -> Iterator[Span]:
    """By check digit, and the word NHS; without it in blanks 3 3 4 or in a text of health care."""
    valid = [
        (match, digits)
        for match in _NHS.finditer(text)
        for digits in [re.sub(r"[^0-9]", "", match.group())]
        if checks.nhs(digits)
    ]
    if labels.has(("nhs",)):
        for match in _NHS_ODD.finditer(text):  # in whatever groups, beside the word
            start, end = match.span()
            beside = labels.topic(start, end, 50) == "nhs" or (
                labels.near(("nhs",), start, end, 50, 20) and labels.naming(start) in (None, "phone")
            )  # "the NHS app says my number is ..."
            if beside and checks.nhs(re.sub("[^0-9]", "", match.group())):
                yield Span(start, end, "UK_NHS", 0.94)
    for match, digits in valid:
        start, end = match.span()
        if labels.before(start, 50) == "nhs" or labels.near(("nhs",), start, end, 70, 40):
            yield Span(start, end, "UK_NHS", 0.95)
            continue
        if digits[0] in "012":  # none is given out
            continue
        if text[start - 1 : start].isalpha() or labels.before(start, 20) in _OTHERWISE:
            continue  # ORD9434765919
        if _RING.search(text, max(0, start - 40), start) or (not match[1] and labels.before(start) == "account"):
            continue
        grouped = match[1] == match[2] != ""
        blanks = grouped and match[1] == " " and not labels.has(("phone",))
        if (
            blanks
            or (grouped and not _NANP.fullmatch(digits))
            or len(valid) > 1
            or labels.has(("dob", "mrn"))
            or HEALTH.search(text)
        ):
            # Right behind the word it is rather a hospital's own number that passes the check by chance.
            yield Span(start, end, "UK_NHS", 0.7 if labels.before(start, 20) == "mrn" else 0.86)
