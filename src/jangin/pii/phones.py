"""Phone numbers: Korean mobiles and landlines, American, British and international ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.labels import Labels
from jangin.pii.shapes import goods
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
    rf"{_START}\(?0\)?[ ]?(?:"
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
    rf"(?<![\w+])(?<![0-9][- ])(?:\+[ ]?|"
    rf"00(?=[1-9][0-9]{{0,2}}[-. (]))[1-9][0-9]{{0,2}}(?:[-. ()/]{{0,3}}\n?[0-9]){{6,13}}{_EXTENSION}{_END}",
    re.IGNORECASE,
)
_LOCAL = re.compile(rf"{_START}(?<![0-9] )(?<![0-9]\) )[2-9][0-9]{{2}}[-. ][0-9]{{4}}{_END}")
_BARE_KOREAN = re.compile(rf"{_START}0(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70)[0-9]{{7,8}}{_END}")
_SPELT = re.compile(
    r"공[일1]공(?:에|다시)?[-., ]{0,2}[공영빵일이삼사오육륙칠팔구0-9]{3,4}(?:에|다시)?[-., ]{0,2}"
    r"[공영빵일이삼사오육륙칠팔구0-9]{4}(?![공영일이삼사오육칠팔구0-9])"
)
# Of other countries that people write without a plus: Ireland, Australia, New Zealand, France, Germany, Japan, China.
_ELSEWHERE = re.compile(
    rf"{_START}(?:"
    r"\(?0[1-9][0-9]?\)?[- ][0-9]{3}[- ][0-9]{4}"
    r"|\(?0[2378]\)?[- ][0-9]{4}[- ][0-9]{4}|04[0-9]{2}[- ]?[0-9]{3}[- ]?[0-9]{3}|04[ ][0-9]{4}[ ][0-9]{4}"
    r"|08[35679][- ]?[0-9]{7}"
    r"|0[1-79](?:[ .-][0-9]{2}){4}"
    r"|0[1-9][0-9]{1,4}[ /-]{1,3}[0-9]{5,8}"
    r"|0[789]0[- ]?[0-9]{4}[- ]?[0-9]{4}"
    r"|1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}"
    rf"){_EXTENSION}{_END}",
    re.IGNORECASE,
)
_SURE_ELSEWHERE = re.compile("04[0-9]{2}[ ][0-9]{3}[ ][0-9]{3}|08[35679][ ][0-9]{3}[ ][0-9]{4}")  # in this grouping
_TOLL_FREE = {"800", "888", "877", "866", "855", "844", "833", "900"}
_SERVICE = re.compile(r"1[5-9][0-9]{2}")
_NOT_A_PHONE = {"other", "version", "nhs", "ssn", "account", "brn", "driver", "mrn", "passport", "ip", "routing"}
# A Korean landline beside one of these is an office's, which belongs to nobody: unless a home or a person is nearer.
_OFFICE = re.compile(
    "주민센터|행정복지센터|민원실|구청|시청|군청|도청|보건소|경찰서|소방서|세무서|우체국|관리사무소|관리실|"
    "안내데스크|안내실|"
    "상담실|본사|본점|지사|지점|영업점|영업소|대리점|매장|교무실|행정실|원무과|총무과|사무국|사무소|고객상담|고객센터|"
    "콜센터|대표|팩스|FAX|Fax|fax|예약|문의처|문의는|문의 ?전화|접수처|상담전화|발신번호|은행|병원|의원|치과|"
    "한의원|약국|학교|학원|유치원|"
    "어린이집|식당|가게|마트|호텔|펜션|미용실|카페|주식회사|㈜|\\(주\\)|법인|협회|재단|공단|공사|법원|검찰|센터|"
    "물류|택배사|"
    "부동산|대리점|정비소|주유소|대사관|영사관|도서관|복지관|체육관|수리점|직영|상사|산업|전자|건설|보험사|카드사"
)
_HOME = re.compile(
    "집|자택|본가|댁|친정|처가|시댁|본인|어머니|아버지|엄마|아빠|부모|할머니|할아버지|남편|아내|보호자|배우자|가족|"
    "제 번호|휴대|핸드폰|연락처|(?<![가-힣])(?:저|제가|저희)"
)
_OFFICE_AFTER = re.compile(
    r"\)?(?:으?로|에|은|는|[ (/,·-]{0,3})[ ]?(?:[가-힣 ]{0,6}(?:안내원|교환원|안내데스크|ARS|대표|예약|내선)|"
    r"FAX|Fax|팩스|F\.)"
)
_KOREAN_LANDLINE = re.compile(r"(?:\+|00)[ ]?82[-. )]{0,2}(?:\(?0\)?)?(?!1[016789])[2-7]")
_SERVICE_LINE = re.compile(r"(?<![0-9])(?:1[568][0-9]{2}-[0-9]{4}|080-[0-9]{3,4}-[0-9]{4})")


_COMPANY = re.compile(
    r"\b(?:our|the|your|main|head)[ ](?:main |head |local )?(?:office|clinic|surgery|store|shop|branch|restaurant|"
    r"hotel|practice|"
    r"pharmacy|school|library|garage|salon|dealership|warehouse|museum|theatre|theater|venue|gym|vet|vets|council|"
    r"headquarters|company|bank|hospital|ward|factory|depot)(?:'s)?\b[^.\n0-9]{0,28}$",
    re.IGNORECASE,
)
_SOMEBODY = re.compile(r"\b(?:[Mm]e|[Mm]y|him|her|his|mobile|cell|direct|Mr|Mrs|Ms|Dr|manager|name)\b")


def _company(text: str, start: int) -> bool:
    """Whether it is the number of a firm's premises and of nobody there: "call the clinic on ..."."""
    match = _COMPANY.search(text, max(0, start - 48), start)
    return match is not None and not _SOMEBODY.search(text, max(0, match.start() - 24), start)


def _office(text: str, start: int, end: int) -> bool:
    """Whether a Korean landline is a firm's, a shop's or an authority's."""
    if "내선" in text[start:end] or _OFFICE_AFTER.match(text, end):
        return True
    limit = max(0, start - 40)
    begin = max(text.rfind("\n", limit, start) + 1, text.rfind(". ", limit, start) + 1, limit)
    if _SERVICE_LINE.search(text, max(0, start - 60), start):
        return True
    office = home = -1
    for match in _OFFICE.finditer(text, begin, start):
        office = match.start()
    if office < 0:
        return False
    for match in _HOME.finditer(text, begin, start):
        home = match.start()
    return office > home


def phones(text: str, labels: Labels) -> Iterator[Span]:
    """Korean service numbers (15xx-xxxx and the like), toll-free and switchboard numbers are nobody's: left alone."""
    for match in MOBILE.finditer(text):
        start, end = match.span()
        bare = "-" not in match.group() and " " not in match.group()
        if bare and start and text[start - 1].isascii() and text[start - 1].isalpha():
            continue  # ORD01012345678
        ten = bare and (match.group()[:3] != "010" or len(match.group()) == 10)
        if ten and labels.topic(start, end) in (*_NOT_A_PHONE, "bank"):
            continue  # ten digits of an account
        if match.group()[:3] == "011" and labels.naming(start) == "other":
            continue
        score = 0.6 if labels.before(start, 12) == "bank" else 0.9
        yield Span(start, end, "PHONE_NUMBER", score)
    nought = "0" in text
    offices: set[int] = set()
    for match in _LANDLINE.finditer(text) if nought else ():
        start, end = match.span()
        topic = labels.topic(start, end)
        if _SERVICE.fullmatch(match["mid"]) or topic == "service":
            continue
        if match["mid"][0] == "0" or ((not match["a"] or not match["b"]) and topic != "phone"):
            continue
        if topic in _NOT_A_PHONE or topic == "bank":
            continue
        if _office(text, start, end):
            offices.add(start)
            continue
        yield Span(start, end, "PHONE_NUMBER", 0.85 if topic == "phone" else 0.75)
    for match in _AMERICAN.finditer(text):
        start, end = match.span()
        topic = labels.topic(start, end)
        if match["area"] in _TOLL_FREE or topic in _NOT_A_PHONE or "service" in (topic, labels.after(end, 8)):
            continue
        if start and text[start - 1].isascii() and text[start - 1].isalpha():
            continue  # R240318-0912
        separated = bool(match["a"].strip() or match["open"]) and bool(match["b"])
        if _company(text, start):
            continue
        if match["mid"][1:] == "11" and match["mid"][0] not in "5":
            continue
        if topic != "phone" and goods(text, start, end):
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
            and not _company(text, start)
            and (spaced or topic == "phone" or match.group()[:2] == "07")
        ):
            yield Span(start, end, "PHONE_NUMBER", 0.8 if topic == "phone" else 0.7)
    for match in _INTERNATIONAL.finditer(text) if "+" in text or "00" in text else ():
        start, end = match.span()
        digits = sum(character.isdigit() for character in match.group())
        if match.group()[0] == "0" and labels.topic(start, end) in (*_NOT_A_PHONE, "bank"):
            continue
        if _KOREAN_LANDLINE.match(match.group()) and _office(text, start, end):
            continue
        if digits >= 8 and re.match(r"\+?1[-. (]{0,3}8(?:00|88|77|66|55|44|33)", match.group()) is None:
            yield Span(start, end, "PHONE_NUMBER", 0.85)
    for match in _ELSEWHERE.finditer(text) if nought or labels.has(("phone",)) else ():
        start, end = match.span()
        topic = labels.before(start, 40)
        if start in offices or _company(text, start):
            continue
        if topic == "phone" or (
            topic not in _NOT_A_PHONE and topic != "bank" and _SURE_ELSEWHERE.fullmatch(match.group())
        ):
            yield Span(start, end, "PHONE_NUMBER", 0.68)
    for pattern in (_BARE_KOREAN, _LOCAL):
        for match in pattern.finditer(text):
            start, end = match.span()
            if labels.before(start, 45) == "phone":
                yield Span(start, end, "PHONE_NUMBER", 0.6)
    if "공" in text:
        for match in _SPELT.finditer(text):
            yield Span(*match.span(), "PHONE_NUMBER", 0.85)
