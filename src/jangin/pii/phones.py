"""Phone numbers: Korean mobiles and landlines, American, British and international ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.labels import Labels
from jangin.pii.spans import Span

# Between groups: at most a hyphen, dot or bracket with blanks around, or a line break.
_SEP = r"[ \t]{0,2}[-.)/·~]?[ \t]?\n?[ \t]{0,2}"
_EXTENSION = r"(?:,?\s{0,2}(?:ext\.?|extension|x|내선)\s{0,2}[0-9]{1,5}(?:번)?)?"
_START, _END = r"(?<![0-9])(?<![0-9][-.,])", r"(?!-?[0-9])"
_CODE_82 = r"(?:\(?(?:\+|00)?[ ]?82\)?[ \t]?[-.)]?[ \t]?\n?(?:\(0\)[ ]?)?)"

# "1.010-1234-5678" is the first line of a list; "2024-010-1234-5678" is an order.
MOBILE = re.compile(rf"(?<![0-9])(?<![0-9]-)(?:{_CODE_82}0?|\(?0)1[016789]{_SEP}[0-9]{{3,4}}{_SEP}[0-9]{{4}}{_END}")
_LANDLINE = re.compile(
    rf"{_START}(?:{_CODE_82}0?|\(?0)(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50[2-9]?)"
    rf"(?P<a>{_SEP})(?P<mid>[0-9]{{3,4}})(?P<b>{_SEP})[0-9]{{4}}{_EXTENSION}{_END}"
)
_AMERICAN = re.compile(
    rf"{_START}(?:\+?1[-. \t]{{0,2}})?(?P<open>\()?(?P<area>[2-9][0-9]{{2}})\)?(?P<a>[-. "
    rf"\t/]{{0,3}}\n?)(?P<mid>[0-9]{{3}})"
    rf"(?P<b>[-. \t]{{0,3}}\n?)[0-9]{{4}}{_EXTENSION}{_END}",
    re.IGNORECASE,
)
_BRITISH = re.compile(
    rf"{_START}\(?0(?:"
    r"7[0-9]{3}\)?[- ]?[0-9]{3}[- ]?[0-9]{3}"
    r"|7[0-9]{2}[- ][0-9]{3}[- ][0-9]{4}"
    r"|2[0-9]\)?[- ]?[0-9]{4}[- ]?[0-9]{4}"
    r"|1[0-9]1\)?[- ]?[0-9]{3}[- ]?[0-9]{4}"
    r"|11[0-9]\)?[- ]?[0-9]{3}[- ]?[0-9]{4}"
    r"|1[0-9]{3}\)?[- ]?[0-9]{5,6}"
    rf"|1[0-9]{{3}}\)?[- ][0-9]{{3}}[- ][0-9]{{3}}){_EXTENSION}{_END}",
    re.IGNORECASE,
)
_INTERNATIONAL = re.compile(
    rf"(?<![\w+])(?:\+[ ]?|"
    rf"00(?=[1-9][0-9]{{0,2}}[-. (]))[1-9][0-9]{{0,2}}(?:[-. ()/]{{0,3}}\n?[0-9]){{6,13}}{_EXTENSION}{_END}",
    re.IGNORECASE,
)
_LOCAL = re.compile(rf"{_START}[2-9][0-9]{{2}}[-. ][0-9]{{4}}{_END}")
_BARE_KOREAN = re.compile(rf"{_START}0(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70)[0-9]{{7,8}}{_END}")
_SPELT = re.compile(
    r"공[일1]공[-. ]?[공영빵일이삼사오육륙칠팔구0-9]{3,4}[-. "
    r"]?[공영빵일이삼사오육륙칠팔구0-9]{4}(?![공영일이삼사오육칠팔구0-9])"
)
_TOLL_FREE = {"800", "888", "877", "866", "855", "844", "833", "900"}
_SERVICE = re.compile(r"1[5-9][0-9]{2}")
_NOT_A_PHONE = {"other", "version", "nhs", "ssn", "account", "brn", "driver", "mrn", "passport", "ip", "routing"}
# A landline behind one of these is an office's, which belongs to nobody.
_OFFICE = re.compile(
    "(?:주민센터|행정복지센터|민원실|구청|시청|군청|도청|보건소|경찰서|소방서|세무서|우체국|관리사무소|안내데스크|안내실|"
    "상담실|본사|영업점|대리점|매장|교무실|행정실|원무과|총무과|사무국|고객상담|콜센터)[^0-9]{0,8}$"
)
_SWITCHBOARD = re.compile(r"\)?(?:으?로|에|은|는)?[ ]?[가-힣 ]{0,6}(?:안내원|교환원|안내데스크|ARS|대표)")


def phones(text: str, labels: Labels) -> Iterator[Span]:
    """Korean service numbers (15xx-xxxx and the like), toll-free and switchboard numbers are nobody's: left alone."""
    for match in MOBILE.finditer(text):
        start, end = match.span()
        bare = "-" not in match.group() and " " not in match.group()
        if bare and start and text[start - 1].isascii() and text[start - 1].isalpha():
            continue  # ORD01012345678
        score = 0.6 if labels.before(start, 12) == "bank" else 0.9
        yield Span(start, end, "PHONE_NUMBER", score)
    nought = "0" in text
    for match in _LANDLINE.finditer(text) if nought else ():
        start, end = match.span()
        topic = labels.topic(start, end)
        if _SERVICE.fullmatch(match["mid"]) or topic == "service":
            continue
        if match["mid"][0] == "0" or ((not match["a"] or not match["b"]) and topic != "phone"):
            continue
        if topic in _NOT_A_PHONE or topic == "bank":
            continue
        if _OFFICE.search(text, max(0, start - 24), start) or _SWITCHBOARD.match(text, end):
            continue
        yield Span(start, end, "PHONE_NUMBER", 0.85 if topic == "phone" else 0.75)
    for match in _AMERICAN.finditer(text):
        start, end = match.span()
        topic = labels.topic(start, end)
        if match["area"] in _TOLL_FREE or topic in _NOT_A_PHONE or topic == "service":
            continue
        if start and text[start - 1].isascii() and text[start - 1].isalpha():
            continue  # R240318-0912
        separated = bool(match["a"].strip() or match["open"]) and bool(match["b"])
        if match["mid"][1:] == "11" and match["mid"][0] not in "5":
            continue
        if separated or topic == "phone":
            yield Span(start, end, "PHONE_NUMBER", 0.8 if topic == "phone" else 0.7)
        elif match["a"] and match["b"] and topic is None:
            yield Span(start, end, "PHONE_NUMBER", 0.55)
    for match in _BRITISH.finditer(text) if nought else ():
        start, end = match.span()
        topic = labels.topic(start, end)
        spaced = any(character in " -()" for character in match.group())
        if (
            topic not in _NOT_A_PHONE
            and topic not in ("service", "bank")
            and (spaced or topic == "phone" or match.group()[:2] == "07")
        ):
            yield Span(start, end, "PHONE_NUMBER", 0.8 if topic == "phone" else 0.7)
    for match in _INTERNATIONAL.finditer(text) if "+" in text or "00" in text else ():
        start, end = match.span()
        digits = sum(character.isdigit() for character in match.group())
        if digits >= 8 and re.match(r"\+?1[-. (]{0,3}8(?:00|88|77|66|55|44|33)", match.group()) is None:
            yield Span(start, end, "PHONE_NUMBER", 0.85)
    for pattern in (_BARE_KOREAN, _LOCAL):
        for match in pattern.finditer(text):
            start, end = match.span()
            if labels.before(start, 30) == "phone":
                yield Span(start, end, "PHONE_NUMBER", 0.6)
    if "공" in text:
        for match in _SPELT.finditer(text):
            yield Span(*match.span(), "PHONE_NUMBER", 0.85)
