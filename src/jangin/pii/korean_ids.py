"""Korean identifiers: resident and foreigner numbers, passport, driver's licence, business number, bank account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from jangin.pii import checks
from jangin.pii.labels import Labels
from jangin.pii.spans import Span

REGISTRATION = re.compile(
    r"(?<![0-9])(?<![0-9]-)([0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]))"
    r"([ \t]{0,2}[-.~/]?[ \t]?\n?[ \t]{0,2})([1-8][0-9]{6})(?!-?[0-9])"
)
_BUSINESS = re.compile(
    r"(?<![0-9])(?<![0-9][-.])([0-9]{3})([- .]{0,3}\n?)([0-9]{2})([- .]{0,3}\n?)([0-9]{5})(?!-?[0-9])"
)
_LICENCE = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9]-)(?:1[1-9]|2[0-6]|"
    r"28)([-/ .]{0,3}\n?)[0-9]{2}([-/ .]{0,3}\n?)[0-9]{6}([-/ .]{0,3}\n?)[0-9]{2}(?!-?[0-9])"
)
_REGIONS = "서울|부산|경기남부|경기북부|경기|강원|충북|충남|전북|전남|경북|경남|제주|대구|인천|광주|대전|울산"
_OLD_LICENCE = re.compile(rf"(?:{_REGIONS})[ -]?[0-9]{{2}}[- ][0-9]{{6}}[- ][0-9]{{2}}(?!-?[0-9])")
_PASSPORT_NEW = re.compile(r"(?<![A-Za-z0-9])[MSRODmsrod][ -]?[0-9]{3}[A-Za-z][0-9]{4}(?![A-Za-z0-9])")
_PASSPORT_OLD = re.compile(r"(?<![A-Za-z0-9])[MSRODGTmsrodgt][ -]?[0-9]{4}[ -]?[0-9]{4}(?![A-Za-z0-9])")
# A country whose passport it is said to be; Korea's is then none of M12345678.
_ELSEWHERE = re.compile(
    r"\b(?:US|U\.S\.|USA|UK|American|British|Canadian|Australian|German|French|Italian|Spanish|Chinese|Japanese|"
    r"Indian|Irish|"
    r"Mexican|Chilean|Brazilian|Nigerian|Ghanaian|Kenyan|South African|Turkish|Vietnamese|Thai|Filipino|"
    r"Philippine|Indonesian|"
    r"Russian|Ukrainian|Polish|Dutch|Swiss|Swedish|Norwegian|Danish|Portuguese|Malaysian|Singapore|Singaporean|Taiwan|"
    r"Taiwanese|Pakistani|Bangladeshi|Egyptian|Israeli|Saudi|Argentine|Colombian|Peruvian|New Zealand)\b"
)
# Without the word passport: of people who travel.
_TRAVELS = re.compile("출국|입국|탑승|여행|항공|발권|비자|환승|출입국|여행자|승객|투숙|체크인|명단")
_PARCEL = re.compile(r"(?:택배|등기|우편|소포|배송)(?:번호)?[ :#(]{0,3}$")
_ACCOUNT = re.compile(r"(?<![0-9A-Za-z+])(?<![0-9][-.])[0-9]{2,6}(?:[ ]?-[ ]?\n?[0-9]{1,8}){1,4}(?!-?[0-9])")
_ACCOUNT_SPACED = re.compile(r"(?<![0-9A-Za-z+])(?<![0-9][-.])[0-9]{2,6}(?:[ .][0-9]{2,8}){1,3}(?![-. ]?[0-9])")
_ACCOUNT_BARE = re.compile(r"(?<![0-9A-Za-z+.,])(?<![0-9A-Za-z]-)[0-9]{10,16}(?!-?[0-9])(?![.,][0-9])(?!\s?원)")
# Groups of digits that the banks print: Shinhan, Woori, Kookmin, Hana, Nonghyup, IBK, KakaoBank, K, Toss, post office.
_SHAPES = {
    (3, 2, 4, 3), (3, 2, 5, 1), (3, 2, 6), (3, 2, 6, 1), (3, 2, 7), (3, 3, 4, 3), (3, 3, 6), (3, 3, 7), (3, 4, 4),
    (3, 4, 4, 2), (3, 4, 5), (3, 4, 6), (3, 4, 6, 1), (3, 5, 3), (3, 5, 5), (3, 6, 2), (3, 6, 2, 3), (3, 6, 5),
    (3, 7, 3), (4, 2, 6), (4, 2, 6, 1), (4, 2, 7), (4, 3, 6), (4, 4, 4), (4, 4, 4, 1), (4, 4, 5), (6, 2, 6),
    (6, 2, 6, 1), (6, 2, 7), (6, 6),
}  # fmt: skip
_BANK_BEFORE = re.compile(
    r"(?:국민|신한|우리|하나|농협|기업|씨티|시티|SC|sc|제일|카뱅|카카오|토스|케뱅|수협|신협|우체국|"
    r"새마을|대구|부산|경남|광주|전북|제주|산업|"
    r"KB|kb|NH|nh|IBK|ibk|KEB|keb|iM뱅크|아이엠뱅크|외환|증권|뱅크|은행|bank|Bank|BANK)\)?[ :,\n]{0,3}$"
)
_BANK_AFTER = re.compile(
    r"[ ,]{0,2}\(?(?:국민|신한|우리|하나|농협|기업|씨티|SC|카뱅|카카오|토스|케이|수협|신협|우체국|"
    r"새마을|대구|부산|경남|광주|전북|제주|KB|NH|IBK)"
    r"(?:은행|뱅크|금고)?"
)


_NINE = re.compile(r"[0-9](?:[-. ]{0,3}\n?[0-9]){8}")
_HANGUL = re.compile("[가-힣]")
KOREAN_BANK = re.compile(
    r"(?i:korea|kookmin|shinhan|woori|nonghyup|suhyup|kakao|toss|hana[ -]?bank|keb|(?<![a-z])(?:IBK|KB|NH|KEB|"
    r"KRW)(?![a-z])|"
    r"busan|daegu|k ?bank|seoul)|"
    "국민|신한|우리은행|하나은행|농협|기업은행|카카오|카뱅|토스|케이뱅크|수협|신협|우체국|새마을|제일은행|저축은행"
)


def registrations(text: str, labels: Labels) -> Iterator[Span]:
    """KR_RRN and KR_FRN. The check digit counts; those given since October 2020, to whomever, carry none."""
    for match in REGISTRATION.finditer(text):
        start, end = match.span()
        digits = match[1] + match[3]
        day, checked = checks.registration(digits)
        if day is None:
            continue
        topic = labels.topic(start, end)
        entity = "KR_RRN" if match[3][0] in "1234" else "KR_FRN"
        named = topic in ("rrn", "frn")
        if topic == "other" and not labels.near(("rrn", "frn"), start, end, 25, 15):
            continue
        joined = not match[2]
        if named or (checked and not (joined and topic in ("bank", "account", "phone"))):
            score = 0.97 if checked else 0.92
        elif day >= checks.FIRST_WITHOUT_CHECK:
            score = 0.85
        elif entity == "KR_FRN" and not joined and date.today().year - day.year < 100 and topic in (None, "dob"):
            score = 0.7  # a foreigner of any age may have got the number lately
        elif topic == "dob":
            score = 0.7
        else:
            continue
        yield Span(start, end, entity, score)


def businesses(text: str, labels: Labels) -> Iterator[Span]:
    for match in _BUSINESS.finditer(text):
        start, end = match.span()
        if not checks.business(match[1] + match[3] + match[5]):
            continue
        topic = labels.topic(start, end)
        hyphens = "-" in match[2] and "-" in match[4]
        if topic == "registered" and labels.near(("brn",), start, end, 40, 10):
            topic = "brn"
        if topic == "brn" or (hyphens and topic not in ("bank", "other", "account", "phone")):
            yield Span(start, end, "KR_BUSINESS_NUMBER", 0.9 if topic == "brn" else 0.8)


def licences(text: str, labels: Labels) -> Iterator[Span]:
    for match in _LICENCE.finditer(text):
        start, end = match.span()
        topic = labels.topic(start, end)
        hyphens = all("-" in match[group] for group in (1, 2, 3))
        if match.group().isdigit() and not _HANGUL.search(text) and "Korea" not in text:
            continue  # North Carolina gives out twelve digits
        if topic == "driver" or (hyphens and topic not in ("bank", "other", "account")):
            yield Span(start, end, "KR_DRIVER_LICENSE", 0.93 if topic == "driver" else 0.7)
    for match in _OLD_LICENCE.finditer(text):
        if labels.topic(*match.span()) not in ("bank", "other"):
            yield Span(*match.span(), "KR_DRIVER_LICENSE", 0.85)


def passports(text: str, labels: Labels, korean: bool) -> Iterator[Span]:
    """The shape since 2021 (a letter among the digits) stands alone; the older one needs the word, in a Korean text."""
    for match in _PASSPORT_NEW.finditer(text):
        start, end = match.span()
        topic = labels.topic(start, end)
        if topic == "passport" or (topic not in ("other", "version", "driver", "mrn") and match.group()[0].isupper()):
            yield Span(start, end, "KR_PASSPORT", 0.95 if topic == "passport" else 0.6)
    travels = korean and _TRAVELS.search(text) is not None
    for match in _PASSPORT_OLD.finditer(text):
        start, end = match.span()
        topic = labels.topic(start, end)
        if topic == "passport" and (
            korean
            or (
                (match.group()[0] in "MSms" or "Korea" in text)
                and not _ELSEWHERE.search(text, max(0, start - 60), end + 60)
            )
        ):
            yield Span(start, end, "KR_PASSPORT", 0.92)
        elif travels and topic is None and match.group()[0].isupper():
            yield Span(start, end, "KR_PASSPORT", 0.6)


def accounts(text: str, labels: Labels) -> Iterator[Span]:
    """KR_BANK_ACCOUNT: digits in a bank's groups, or any, where an account, a transfer or a bank is spoken of."""
    if _NINE.search(text) is None:
        return
    hangul = _HANGUL.search(text) is not None
    american = labels.has(("routing",)) and not (hangul and KOREAN_BANK.search(text))
    if american or (not hangul and not KOREAN_BANK.search(text)):
        return  # accounts of other countries are announced
    for pattern in (_ACCOUNT, _ACCOUNT_SPACED, _ACCOUNT_BARE):
        for match in pattern.finditer(text):
            start, end = match.span()
            groups = re.findall(r"[0-9]+", match.group())
            digits = sum(map(len, groups))
            if not 9 <= digits <= 16 or (digits == 9 and pattern is not _ACCOUNT):
                continue
            beside = bool(_BANK_BEFORE.search(text, max(0, start - 14), start)) or bool(_BANK_AFTER.match(text, end))
            topic = labels.before(start)
            shaped = tuple(map(len, groups)) in _SHAPES
            mobile = groups[0] in ("010", "011", "016", "017", "018", "019") and digits in (10, 11)
            if mobile and not (labels.before(start, 8) == "bank" and not labels.near(("phone",), start, end, 20, 10)):
                continue
            if (topic == "other" and labels.naming(start) == topic) or _PARCEL.search(text, max(0, start - 9), start):
                continue
            if beside or topic == "bank":
                score = 0.88
            elif topic == "account" and (any("가" <= c <= "힣" for c in text) or labels.near(("bank",), start, end)):
                score = 0.8
            elif topic in (None, "dob") and shaped and labels.near(("bank",), start, end, 100, 40):
                score = 0.65
            elif topic is None and pattern is _ACCOUNT_BARE and labels.after(end, 12) == "bank":
                score = 0.6
            else:
                continue
            yield Span(start, end, "KR_BANK_ACCOUNT", score)
