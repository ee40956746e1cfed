"""Shapes of numbers that only words announce, and which word speaks of one."""

from __future__ import annotations

import re

from jangin.pii.labels import Labels

# Letters and digits in one piece, hyphens and slashes inside; or groups of digits with blanks, letters before them.
TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?<![A-Za-z0-9]-)(?<!&#)(?=[A-Za-z0-9/-]{0,16}[0-9])[A-Za-z0-9](?:[A-Za-z0-9]|"
    r"[-/](?=[A-Za-z0-9])){3,19}(?![A-Za-z0-9])"
)
SPACED = re.compile(
    r"(?<![A-Za-z0-9.,$£€])(?<![A-Za-z0-9]-)(?:(?:[A-Z]{1,2}[ -]?)?[0-9]{2,7}(?:[ -][0-9]{2,6}){1,5}(?:[ -][0-9])?|"
    r"[A-Z]{1,2}[ ][0-9]{5,8})(?![A-Za-z0-9]|"
    r"[-.,][0-9]| ?[%원])"
)
DIGITS = re.compile(
    r"(?<![0-9A-Za-z$£€])(?<![0-9A-Za-z]-)(?<!&#)(?<![0-9][.,])[0-9](?:[- ]?[0-9]){5,16}(?![A-Za-z]|-?[0-9]|[.,][0-9])"
)
DATE = re.compile(r"([0-9]{1,4})[-/ ]([0-9]{1,2})[-/ ]([0-9]{1,4})")
COMPACT_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")


def topic_of(text: str, labels: Labels, start: int, end: int) -> str | None:
    """The nearest label before, from further away when no other number stands in between; or else the one after."""
    found = labels.before(start, 40)
    if found is None:
        found = labels.before(start, 75)
        if found is not None and any(map(str.isdigit, text[max(0, start - 40) : start])):
            found = None
    return found or labels.after(end, 20)


def dated(value: str, labelled: bool) -> bool:
    """Whether it reads as a date; right behind its label only one with a year of four digits."""
    match = DATE.fullmatch(value)
    if match is None:
        return False
    first, second, third = (int(group) for group in match.groups())
    year_first = len(match[1]) == 4 and 1900 <= first < 2100 and second <= 12 and third <= 31
    year_last = len(match[3]) == 4 and 1900 <= third < 2100 and max(first, second) <= 31 and min(first, second) <= 12
    short = len(match[1]) <= 2 and len(match[3]) == 2 and min(first, second) <= 12 and max(first, second) <= 31
    return year_first or year_last or (short and not labelled)
