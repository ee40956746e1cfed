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
_MOMENT = re.compile("(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9][T ]")
_YEARS = re.compile("(?:19|20)[0-9]{2}[-/ ](?:(?:19|20)[0-9]{2}|0[1-9]|1[0-2])")
QUANTITY = re.compile(
    r"[ ]?(?:(?:years?|months?|days?|people|patients|beds|visits|appointments|points|bytes|kB|KB|MB|GB|kbps|pcs|"
    r"pieces|units|"
    r"packages|tickets|followers|words|items|orders|rows|records|users|calls|views|pages|miles|km|metres|meters|steps|"
    r"votes|copies|seats|pounds|dollars|euros|USD|EUR|GBP|KRW|won)(?![A-Za-z])|%|년|건|명|원|개|회|만|억)"
)
COMPACT_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")


# Words of goods, spare parts and meetings: beside a number without a label they say that it is nobody's.
_GOODS = re.compile(
    r"(?<![A-Za-z])(?:filters?|toners?|cartridges?|gaskets?|bearings?|belts?|valves?|bolts?|gearbox|OEM|spares?|"
    r"replaces|replaced by|replacing|supersed\w+|compatible with|fits|fitment|(?:box|pack|set|pair|case) of|"
    r"catalog(?:ue)?|"
    r"drawing|rev|parts?|p/n|s/n|skus?|models?|webinar|zoom|meeting|conference|dial-in|passcode)(?![A-Za-z])",
    re.IGNORECASE,
)


def goods(text: str, start: int, end: int) -> bool:
    """Whether goods are spoken of just before or behind."""
    return _GOODS.search(text, max(0, start - 32), start) is not None or _GOODS.search(text, end, end + 20) is not None


def topic_of(text: str, labels: Labels, start: int, end: int) -> str | None:
    """The nearest label before, from further away when no other number stands in between; or else the one after."""
    found = labels.before(start, 40)
    if found is None:
        found = labels.before(start, 75)
        if found is not None and any(map(str.isdigit, text[max(0, start - 40) : start])):
            found = None
    if found == "holder":  # "ACH debit to 2505753194 checking"
        found = labels.after(end, 20) or found
    return labels.explained(start, end, found) or labels.after(end, 20)


def dated(value: str, labelled: bool) -> bool:
    """Whether it reads as a date; right behind its label only one with a year of four digits."""
    if _YEARS.fullmatch(value) or _MOMENT.match(value):
        return True
    match = DATE.fullmatch(value.partition("T")[0])  # 2026-11-20T03
    if match is None:
        return False
    first, second, third = (int(group) for group in match.groups())
    year_first = len(match[1]) == 4 and 1900 <= first < 2100 and second <= 12 and third <= 31
    year_last = len(match[3]) == 4 and 1900 <= third < 2100 and max(first, second) <= 31 and min(first, second) <= 12
    short = len(match[1]) <= 2 and len(match[3]) == 2 and min(first, second) <= 12 and max(first, second) <= 31
    return year_first or year_last or (short and not labelled)
