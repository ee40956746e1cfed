"""Dates of birth: a date that a word of birth stands beside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from jangin.pii.identifiers import HEALTH
from jangin.pii.labels import Labels
from jangin.pii.spans import Span

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"(?:19|20)[0-9]{2}[ ]?[-./년][ ]?[0-9]{1,2}[ ]?[-./월][ ]?[0-9]{1,2}(?:[ ]?일)?"
    r"|'?[0-9]{2}[ ]?[-./년][ ]?[0-9]{1,2}[ ]?[-./월][ ]?[0-9]{1,2}(?:[ ]?일)?(?![0-9])"
    r"|[0-9]{1,2}[ ]?[-/.][ ]?[0-9]{1,2}[ ]?[-/.][ ]?(?:19|20)[0-9]{2}"
    r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2}(?![0-9])"
    r"|[0-9]{1,2}[ ][0-9]{1,2}[ ](?:19|20)[0-9]{2}"
    rf"|{_MONTH}[ ]{{1,2}}(?:the )?[0-9]{{1,2}}(?:st|nd|rd|th)?,?[ ]{{1,2}}(?:of )?(?:19|20)[0-9]{{2}}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?(?:[ ]of)?[-/. ]{{1,2}}{_MONTH},?[-/ ]{{1,2}}(?:(?:19|20)|'?)[0-9]{{2}}(?![0-9])"
    rf"|[0-9]{{1,2}}{_MONTH}(?:19|20)?[0-9]{{2}}"
    rf"|(?:19|20)[0-9]{{2}}[- ]{_MONTH}[- ][0-9]{{1,2}}"
    r"|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|[12][0-9]|3[01])(?:19|20)[0-9]{2}"
    r"|[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r")(?![0-9])(?!-[0-9]{2})",
    re.IGNORECASE,
)
_DIRECT = re.compile(
    r"(?:생일[은이]?[ :]{0,3}(?P<ko>[0-9]{1,2}월[ ]?[0-9]{1,2}일)"
    rf"|birthday(?:'s| is| was|:)[ ]{{0,2}}(?:on )?(?P<en>{_MONTH}[ ][0-9]{{1,2}}(?:st|nd|rd|th)?"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}))(?![0-9])(?!,? (?:19|20)[0-9])",
    re.IGNORECASE,
)
_BORN_AFTER = re.compile(
    r"[ .)]{0,3}(?:생(?![가-힣])|생[이입인으은]|출생|에? ?태어|\(?DOB|\(?생년월일|[가-힣 ]{0,6}생일)"
)


# Name, sex and date of a sticker: "TEALE, Ivy / F / 04-03-1988"
_SEX_BEFORE = re.compile(r"[/|,;][ ]?(?:[MF]|[Mm]ale|[Ff]emale|남|여)[ ]?[/|,;][ ]?$")
_SEX_AFTER = re.compile(r"[ ]?[/|][ ]?(?:[MF]|[Mm]ale|[Ff]emale|남|여)(?![A-Za-z가-힣])")
# "born on 4 March 1988 and my sister on 9 June 1990"
_AND_OTHERS = re.compile(
    r",? (?:instead of|rather than|not|and not|but not|or) |,? (?:and|&) (?:(?:my|his|her|their|our|the|mine|"
    r"hers) ?)?[A-Za-z' ]{0,20}?(?:on |is |was |: ?|in )?|[,와과]? ?(?:와|과|,) "
)


# "Gwenllian Probert, 04/06/1952, 857 301 4423 (NHS)", "Leanne Pugh (5 May 1982)"
_NAMED = re.compile(r"(?<![A-Za-z])[A-Z][a-z'’-]+(?:[A-Z][a-z]+)?,?[ ][A-Z][A-Za-z'’-]{2,}(?:,[ ]|[ ][(/|][ ]?|[ ])$")
_ROW_ENDS = re.compile(r"[ ]?(?:[,;)|/]|$|\n)")
_YEAR = re.compile("(?:19|20)[0-9]{2}")
_PERSONAL = ("nhs", "mrn", "ssn", "dob", "passport", "rrn")
_GROWN = 3  # years since a date that may be a birth's, where no word of birth stands beside it


# A day of something else: right before the date.
_OTHER_DAY = re.compile(
    r"(?<![A-Za-z])(?:seen|reviewed|collected|resulted|died|deceased|married|reported|since|until|visited|last visit|"
    r"admitted|discharged|dated|updated|closed|founded|published|incident|due|sent|signed|ends|before|after|"
    r"by)(?: on| at| by [A-Z][a-z]+)?"
    r"[ :]{1,2}$|(?:기념일|발표일|설립일|개통일|입사일)[은는이가 :]{0,3}$",
    re.IGNORECASE,
)


def _long_ago(value: str) -> bool:
    year = _YEAR.search(value)
    return year is not None and int(year.group()) <= date.today().year - _GROWN


def births(text: str, labels: Labels) -> Iterator[Span]:
    last = -1  # where the birth before it ends
    stray: list[tuple[int, int]] = []
    personal: bool | None = None  # whether the text is of the kind that lists people with their births
    for match in _DATE.finditer(text):
        start, end = match.span()
        if not _valid(match.group()):
            continue
        if _OTHER_DAY.search(text, max(0, start - 30), start):
            continue
        joined = match.group().isdigit()
        if (
            labels.before(start, 12 if joined else 30) == "dob"
            or (not joined and _far(text, labels, start))
            or _BORN_AFTER.match(text, end)
            or (not joined and (_SEX_BEFORE.search(text, max(0, start - 10), start) or _SEX_AFTER.match(text, end)))
            or (last >= 0 and _AND_OTHERS.fullmatch(text, last, start))
            or (not joined and labels.before(start, 12) not in ("date", "other") and labels.after(end, 20) == "dob")
        ):
            last = end
            yield Span(start, end, "DATE_OF_BIRTH", 0.8)
        elif not joined and _long_ago(match.group()) and labels.before(start, 30) not in ("date", "other"):
            if _NAMED.search(text, max(0, start - 40), start) and _ROW_ENDS.match(text, end):
                if personal is None:
                    personal = labels.has(_PERSONAL) or HEALTH.search(text) is not None
                if personal:
                    last = end
                    yield Span(start, end, "DATE_OF_BIRTH", 0.7)
                    continue
            stray.append((start, end))
    if last < 0 and labels.has(("dob",)):  # "address and date of birth? - 9 Kestrel Mews, TA1 9QX, 16.12.1971"
        for start, end in stray:
            yield Span(start, end, "DATE_OF_BIRTH", 0.6)
    for match in _DIRECT.finditer(text):
        yield Span(*match.span("ko" if match["ko"] else "en"), "DATE_OF_BIRTH", 0.7)


def _far(text: str, labels: Labels, start: int) -> bool:
    """Born at St Thomas' Hospital in London on 6 June 1994"""
    return labels.before(start, 60) == "dob" and not any(map(str.isdigit, text[max(0, start - 60) : start]))


def _valid(text: str) -> bool:
    """Whether some order of day and month fits."""
    numbers = [int(number) for number in re.findall(r"[0-9]+", text)]
    if len(numbers) == 3:
        small = [number for number in numbers if number <= 31]
        return len(small) >= 2 and any(number <= 12 for number in small)
    return True
