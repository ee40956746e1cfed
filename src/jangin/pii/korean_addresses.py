"""Korean postal addresses: a road or a neighbourhood with its number, what stands before it, and the flat after it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.places import KOREAN_DISTRICTS, LONG_NAMES, PROVINCES
from jangin.pii.spans import Span

_NUMBER = r"(?:지하[ ]?)?(?:산[ ]?)?[0-9]{1,4}(?:-[0-9]{1,4})?(?![0-9])"
# The core: "테헤란로 152", "올림픽로35길 23", "중앙로 123번길 4-5", "역삼동 123-45", "종로1가 24", "신월리 산 12-3".
_CORE = re.compile(
    r"(?:(?P<road>(?:대로|로|길)(?:[ ]?[0-9]{1,4}[가-힣]?(?:번길|길|번지길|로))?)[ ]{0,2}"
    rf"|(?P<lot>(?:동|읍|면|리|가)[ ]?))(?P<number>{_NUMBER})"
)
_FLAT = re.compile(
    r"(?<![0-9A-Za-z-])(?:제?[0-9]{1,4}|"
    r"[A-Za-z가나다라마바사])동[ ,]{0,2}(?:[0-9]{1,2}층[ ]?)?(?:제?[Bb]?[0-9]{1,4}(?:-[0-9])?)호(?!선|차)"
)
_HOUSING = (
    "아파트|빌라|오피스텔|빌딩|타워|맨션|주택|연립|센터|상가|하우스|하임|타운|캐슬|힐스테이트|자이|"
    "래미안|푸르지오|아이파크|더샵|프라자|플라자|스퀘어|"
    "원룸|고시원|기숙사|팰리스|파크|힐스|마을|단지|위브|편한세상|리버|포레|시티|스테이|레지던스|병원|대학교|학교|"
    "몰|월드|청사|사옥|본사|호텔|역사|회관|관리사무소|공장|연구소|우체국|주민센터|빌"
)
_TAIL = re.compile(
    r"(?:[ ]?번지|번)?(?:[ ,]{0,3}(?:"
    r"\([가-힣A-Za-z0-9,. ·-]{1,40}\)"
    rf"|[가-힣A-Za-z0-9]{{0,14}}(?:{_HOUSING})(?:[ ]?[0-9]{{1,2}}차|[ ]?[0-9]{{1,2}}단지)?(?=[ ,.\n)]|$)"
    r"|(?:[가-힣A-Za-z0-9]{1,14}[ ]{1,2}){0,2}(?:제?[0-9]{1,4}|"
    r"[A-Za-z가나다라마바사])동[ ,]{0,2}(?:[0-9]{1,2}층[ ]?)?제?[Bb]?[0-9]{1,4}(?:-[0-9])?호"
    r"|[0-9]{1,4}동(?=[ ,.\n)0-9]|$)"
    r"|(?:지하|지상)?[ ]?[Bb]?[0-9]{1,3}층(?:[ ]?(?:일부|전체))?"
    r"|(?:[가-힣A-Za-z0-9]{1,14}[ ]{1,2})?제?[Bb]?[0-9]{1,4}(?:-[0-9]{1,3})?호(?!선|차|기)"
    r"|[0-9]{1,4}(?:-[0-9]{1,4})?번지"
    r"|(?<=,)[ ]?[가-힣A-Za-z0-9]{2,12}[ ]{1,2}[0-9]{1,4}-[0-9]{1,4}(?![0-9-])"
    r"|[가-힣A-Za-z]{2,12}(?<=[가-힣A-Za-z])[ ]{1,2}[0-9]{2,4}-[0-9]{3,4}(?![0-9-])"
    r"|[0-9]{1,2}통[ ]?[0-9]{1,2}반"
    r"|\(?우?[ ]?[0-9]{5}\)?(?![0-9])"
    r")){0,6}"
)
_UNIT = re.compile(
    r"[ ]?(?:개|명|원|번(?!길|지)|시|분|일|월|년|%|회|차|배|위|호선|점|건|장|주|권|살|세|대|초|km|m|kg|"
    r"g|만|천|억|퍼센트|가지|단계|도|층)"
)
_LABEL = re.compile(
    r"(?:주소|배송지|거주|사는[ ]?곳|자택|집(?:은|이|[ ]?주소)|이사|배달지?|보내|받는[ ]?곳|소재지?|"
    r"본적|도로명|지번|수령지|살고|위치)[가-힣]{0,4}[ :\-은는이가]{0,4}"
)
_ZIP = re.compile(
    r"(?:\[?\(?(?:우편번호|우|우\))?[ :]{0,2}[0-9]{5}[)\]]?[ ,]{0,2}|\(?우\)?[ :]{0,2}[0-9]{3}-[0-9]{3}\)?[ ,]{0,2})$"
)
_PROVINCE_AT = re.compile("(?:" + "|".join(sorted(PROVINCES, key=len, reverse=True)) + ")")
_BREAKS = " \n\t,;:()[]{}\"'<>“”‘’「」『』=|/?!"
_PROVINCES = frozenset(PROVINCES)


def korean_addresses(text: str) -> Iterator[Span]:
    reached = 0
    for match in _CORE.finditer(text):
        if match.start() < reached:
            continue
        begin = _token_start(text, match.start())
        word = text[begin : match.start()]
        if match["lot"] and match["lot"][0] == "가" and not re.search("[가-힣]", word):
            continue  # a licence plate: 12가 3456
        if not word or (match["road"] and match["road"][0] == "로" and len(word) < 1):
            continue
        start, strong = _leftwards(text, begin, word)
        tail = _TAIL.match(text, match.end())
        end = tail.end() if tail else match.end()
        labelled = bool(_LABEL.search(text, max(0, start - 24), start))
        detailed = end > match.end() and any(
            mark in text[match.end() : end] for mark in ("호", "층", "번지", "동", "아파트", "빌")
        )
        if not strong:
            if _UNIT.match(text, match.end()) and not detailed and not labelled:
                continue
            if not (
                labelled
                or (
                    detailed and (match["road"] or "번지" in text[match.end() : end] or "호" in text[match.end() : end])
                )
            ):
                continue
            if word.endswith(
                ("으", "새", "따", "서", "그대", "이대", "제대", "바", "별", "위", "아래", "스스", "실제")
            ):
                continue
        while end > match.end() and text[end - 1] in " ,":
            end -= 1
        reached = end
        yield Span(start, end, "LOCATION", 0.9 if strong else 0.7)
    for match in _FLAT.finditer(text):
        start = match.start()
        if start < reached and match.end() <= reached:
            continue
        yield Span(_before_flat(text, _complex(text, start)), match.end(), "LOCATION", 0.65)


def _token_start(text: str, place: int) -> int:
    limit = max(0, place - 24)
    while place > limit and text[place - 1] not in _BREAKS:
        place -= 1
    return place


def _leftwards(text: str, begin: int, word: str) -> tuple[int, bool]:
    """(where the address begins, whether a province or a district says that it is one)."""
    strong = False
    province = _PROVINCE_AT.search(word)
    if province and province.end() < len(word) and (province.start() == 0 or len(word) > 6):
        begin, strong = begin + province.start(), True  # written together: 서울시강남구테헤란로
    elif any(
        word.startswith(name + suffix) for name in (word[:2], word[:3]) if name in LONG_NAMES for suffix in "시군구"
    ):
        strong = True
    start = begin
    for _ in range(6):
        before = start
        while before > 0 and text[before - 1] in " ,\n" and start - before < 3:
            before -= 1
        if before == start and start > 0:
            break
        token_start = _token_start(text, before)
        token = text[token_start:before]
        if token in _PROVINCES or token in KOREAN_DISTRICTS:
            strong = True
        elif (
            token[-1:] in ("시", "군", "구") and any(token.endswith(name) for name in KOREAN_DISTRICTS if len(name) > 2)
        ) or (_PROVINCE_AT.fullmatch(token[:-1]) and token[-1:] in "시도"):
            inner = _PROVINCE_AT.search(token)  # 주소는서울시, 경기도성남시
            token_start += inner.start() if inner and inner.end() <= len(token) else 0
            strong = True
        elif token in LONG_NAMES and strong:
            pass  # 성남 분당구
        elif token[-1:] in ("읍", "면", "동", "리") and 2 <= len(token) <= 6 and _hangul(token):
            further = _peek_district(text, token_start)
            if not further:
                break
        elif token in LONG_NAMES:
            strong = True
        else:
            break
        start = token_start
    zip_code = _ZIP.search(text, max(0, start - 16), start)
    return (zip_code.start() if zip_code and strong else start), strong


def _peek_district(text: str, place: int) -> bool:
    end = (
        len(text[:place].rstrip(" ,\n"))
        if place < 200
        else place - (len(text[place - 3 : place]) - len(text[place - 3 : place].rstrip(" ,\n")))
    )
    token = text[_token_start(text, end) : end]
    return token in KOREAN_DISTRICTS or token in _PROVINCES or token in LONG_NAMES


def _complex(text: str, place: int) -> int:
    """The name of the housing complex before a flat's number belongs to the address."""
    end = place
    while end > 0 and text[end - 1] in " ,":
        end -= 1
    start = _token_start(text, end)
    token = text[start:end]
    if (
        place - end <= 2
        and len(token) >= 2
        and token[-1] not in "은는이가을를에의로와과도서고며면"
        and _hangul(token[-1])
    ):
        return start
    return place


def _before_flat(text: str, place: int) -> int:
    """The neighbourhood, district and province before a housing complex: "문정동 래미안 109동 203호"."""
    end = place
    while end > 0 and text[end - 1] == " ":
        end -= 1
    start = _token_start(text, end)
    token = text[start:end]
    if place - end <= 2 and 2 <= len(token) <= 6 and token[-1] in "동읍면리" and _hangul(token):
        place = start
    return _leftwards(text, place, "")[0]


def _hangul(text: str) -> bool:
    return all("가" <= character <= "힣" for character in text)
