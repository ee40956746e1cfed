"""Korean names: a surname and syllables that a title, a label, a greeting or a known given name confirms."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.korean_given import MORE_GIVEN
from jangin.pii.name_lists import (
    COMMON_SURNAMES,
    FIRST_SYLLABLES,
    LAST_SYLLABLES,
    LONG_SURNAMES,
    NOT_KOREAN_NAMES,
    SURNAMES,
)
from jangin.pii.name_lists import GIVEN as WELL_KNOWN
from jangin.pii.spans import Span
from jangin.pii.words import words

GIVEN = WELL_KNOWN | MORE_GIVEN
_RARE = frozenset("호봉피갈")  # surnames, where a label or a title says so
# Hardly any word of three syllables begins with these and is otherwise like a name.
_SAFE = frozenset("김박최윤황권류곽허엄홍")
_FIRST = frozenset(
    "민서지현수영은준우진혜윤하예채승재동태성도주유나소아규찬호경정상병종창광기대용원인희연선미숙순명보시가다세슬효향형해길봉초라로루온이"
)
_LAST = frozenset(
    "준훈혁민호희숙연윤린빈경미순옥섭철식환범규찬욱웅율온람솔결혜아현우영균근태령련란열엽필석덕길헌룡완진원수지주정선재성은인서하나림래별솜슬한"
)
_NOUNS = frozenset(
    words("""
    김치 김밥 김장 김포 김해 박물 박람 박스 박사 박자 최고 최대 최소 최근 최종 최초 최신 최선 최저 최적 최상 최하 최단
    최우 최다 최강 윤리 윤년 윤달 윤활 황금 황제 황사 황태 황당 황혼 황색 권리 권한 권장 권고 권유 권위 권역 류마 허가
    허위 허용 허락 허리 허브 허전 허무 허기 엄마 엄격 엄청 엄수 엄정 엄중 홍보 홍삼 홍콩 홍수 홍차 홍시 홍대 홍합 곽티
""")
)
_TITLE = (
    "님|씨|군(?![가-힣])|양(?![가-힣])|선생|교수|과장|대리(?!점|인)|부장|차장|팀장|사장|대표|원장|"
    "간호사|의사|박사|변호사|세무사|회계사|약사|사원|주임|"
    "실장|이사(?!\\s?[가했])|상무|"
    "전무|본부장|지점장|센터장|고객|환자|회원|기사|선수|작가|감독|배우|가수|기자|의원|장관|시장|위원|"
    "매니저|연구원|주무관|조교|강사|코치|학생|어르신|할머니|할아버지|아주머니|"
    "아저씨|이모|삼촌|엄마|아빠|어머니|아버지|형|누나|언니|오빠|사모|조합원|보호자|담당|상담사|상담원|"
    "설계사|계장|반장|소장|국장|총무|사무장|수석|책임|선임|프로(?![가-힣])"
)
# "김민수님", "김민수 과장": the token before a title.
_TITLED = re.compile(rf"(?<![가-힣])(?P<name>[가-힣]{{2,5}}?)(?P<gap>[ ]{{0,2}})(?P<title>{_TITLE})")
_FOREIGN_SSI = re.compile(r"(?<![가-힣])(?P<name>[가-힣]{2,6}(?:[ ·][가-힣]{2,6})?) 씨(?=[가-힣]{0,2}(?:[\s.,!?)]|$))")
_LABELS = (
    "이름|성명|성함|예금주|환자명|환자|고객명|담당자|담당의|담당|수취인|수령인|수령자|받는[ ]?분|"
    "받는[ ]?사람|보내는[ ]?분|보내는[ ]?사람|신청인|신청자|대리인|보호자|가입자|계약자|피보험자|"
    "수익자|주문자|예약자|작성자|문의자|입금자명|입금자|대표자|명의자|명의|본인|남편|아내|아들|딸|"
    "배우자|어머니|아버지|주치의|집도의|의뢰인|원고|피고|임차인|임대인|세대주|학생|지원자|"
    "참석자|수신인|발신인|송금인|수신|발신|소유자|차주|직원|동료|친구|저는|나는|제가|제[ ]이름은|본명|"
    "고인|故|원장|교수|대표|팀장|과장|부장|변호사|간호사|선생님|"
    "운전자|탑승자|승객|투숙객|산모|응시자|수험생|당첨자|수강생|세입자|집주인|매도인|매수인|송금자|지급처|"
    "대표이사|발신자|"
    "수신자|담임|학부모|모친|부친|상주|가해자|영업사원|기사|동생|형|누나|언니|오빠|사위|며느리|손자|손녀|고객|"
    "회원|피해자|가해자|증인|피보호자|신고자|신고인|"
    "민원인|상담자|내원자|채무자|채권자|상속인|배우|가수|감독|작가|"
    "기자|의원"
)
_OFFICES = frozenset(
    words("""
    대리 과장 부장 차장 팀장 사장 대표 원장 실장 이사 상무 전무 주임 교수 박사 기사 선생 감독 작가 반장 소장 국장 총무
    의원 시장 사원
""")
)
_WORDS = frozenset(_LABELS.split("|")) | NOT_KOREAN_NAMES
_LABELLED = re.compile(
    rf"(?:{_LABELS})(?P<link>[은는이가]?[ ]{{0,2}}[:：=]?[ ]{{0,2}}[(\[\"'“‘]?|[ ]{{0,2}}[-:|"
    rf"/(,][ ]{{0,2}})(?=(?P<name>[가-힣]{{2,5}})(?![A-Za-z0-9]))"
)
_INTRODUCED = re.compile(
    r"(?<![가-힣])(?P<name>[가-힣]{2,5}?)(?:이라고|라고|입니다|이고요|인데요|이에요|예요|이라는|라는|"
    r"이라 |라 합|올림|드림|배상)"
)
_HEADS = "".join(sorted(SURNAMES | {name[0] for name in LONG_SURNAMES}))
_TOKEN = re.compile(rf"(?<![가-힣])(?P<run>[{_HEADS}][가-힣]{{2,11}})")
_AFTER_NAME = re.compile(
    r"(?:님|씨|군|양|이|가|은|는|을|를|의|과|와|도|만|께|께서|에게|에게서|한테|한테서|이랑|랑|하고|로|"
    r"으로|라고|이라고|이라는|라는|입니다|이에요|예요|인데|"
    r"이고|이며|이란|이나|나|야|아|까지|부터|보다|처럼|"
    r"님께|님께서|님이|님은|님의|님을|님한테|님도|씨가|씨는|씨의|씨를|씨한테|씨에게|씨와|씨도|이가|이는|"
    r"이를|이의|이도|이랑|이한테|이에게|이야)?(?![가-힣])"
)
_PARTICLES = (
    "께서",
    "에게",
    "한테",
    "이가",
    "에",
    "이는",
    "이를",
    "이의",
    "이랑",
    "이고",
    "이며",
    "입니",
    "이라",
    "이",
    "가",
    "은",
    "는",
    "을",
    "를",
    "의",
    "과",
    "와",
    "도",
    "만",
    "께",
    "로",
    "랑",
    "야",
    "인",
    "님",
    "씨",
)


_KIN_NAMED = re.compile(
    r"(?:동생|아들|딸|형|누나|언니|오빠|남편|아내|조카|사촌|친구|손자|손녀|아이|며느리|사위)[ "
    r"](?P<name>[가-힣]{2})(?:이)?[ ]?(?:이름|명의|앞으로)"
)
_AGAIN = re.compile(
    r"(?:이|님|씨|아|야|가|는|은|을|를|의|도|랑|에게|한테|께|이가|이는|이의|이를|이도|이랑|이에게|이한테|씨가|"
    r"씨는|님이|님은|님의)?(?![가-힣])"
)


def korean_names(text: str) -> Iterator[Span]:
    found = list(_names(text))
    yield from found
    taken = bytearray(len(text))
    for start, end, _, _ in found:
        taken[start:end] = b"\1" * (end - start)
    names = {text[start:end] for start, end, _, _ in found if end - start == 3 and text[start] in SURNAMES}
    for name in names:  # the given name alone, or the whole name where nothing else speaks for it
        for again, shift in ((name, 0), (name[1:], 1)):
            if shift and again in _WORDS:
                continue
            place = text.find(again)
            while place >= 0:
                end = place + len(again)
                free = not any(taken[place:end]) and (place == 0 or not "가" <= text[place - 1] <= "힣")
                if free and _AGAIN.match(text, end):
                    yield Span(place, end, "PERSON", 0.52)
                place = text.find(again, end)
    for match in _KIN_NAMED.finditer(text):
        if match["name"] not in _WORDS:
            yield Span(*match.span("name"), "PERSON", 0.55)


def _names(text: str) -> Iterator[Span]:
    for match in _TOKEN.finditer(text):  # a known given name behind a surname needs no context
        run, start = match["run"], match.start()
        size = _known(run)
        if size and _AFTER_NAME.match(text, start + size):
            yield Span(start, start + size, "PERSON", 0.8)
        elif _likely(run) and _AFTER_NAME.match(text, start + 3):
            yield Span(start, start + 3, "PERSON", 0.56)
        elif len(run) in (3, 4) and _isolated(text, run, start):
            yield Span(start, start + len(run), "PERSON", 0.56)
    for match in _TITLED.finditer(text):
        name, (start, end) = match["name"], match.span("name")
        if _full(name, rare=match["title"] in ("님", "씨")) or (
            match["title"] in ("님", "씨", "군", "양") and len(name) == 2 and name in GIVEN
        ):
            if (
                name in GIVEN
                and start >= 2
                and text[start - 1] == " "
                and text[start - 2] in COMMON_SURNAMES
                and not text[start - 3 : start - 2].isalpha()
            ):
                start -= 2  # "김 민수 님"
            yield Span(start, end, "PERSON", 0.75)
        elif (
            len(name) == 3 and match["title"] == "씨" and name[0] in COMMON_SURNAMES and name not in NOT_KOREAN_NAMES
        ) or (
            len(name) == 2
            and match["title"] == "씨"
            and match["gap"]
            and name[0] in COMMON_SURNAMES
            and name not in NOT_KOREAN_NAMES
        ):
            yield Span(start, end, "PERSON", 0.6)
    for match in _FOREIGN_SSI.finditer(text):
        name = match["name"]
        if (
            name not in NOT_KOREAN_NAMES
            and name.split()[-1] not in NOT_KOREAN_NAMES
            and not name.endswith(("은", "는", "을", "를", "에", "의", "한", "된", "고"))
        ):
            start, end = match.span("name")
            first, blank, second = name.partition(" ")
            if blank and (
                _full(second) or first in _WORDS or len(first) > 3 or first[-1] in "은는이가을를에의도고로서님"
            ):
                start += len(first) + 1
            if text[start:end] in _WORDS:
                continue
            yield Span(start, end, "PERSON", 0.55)
    for match in _LABELLED.finditer(text):
        name, (start, end) = match["name"], match.span("name")
        if not match["link"]:
            continue
        strong = any(mark in match["link"] for mark in ":：=(-|/[") or match.group().startswith(
            ("이름", "성명", "성함", "예금주", "명의", "환자명", "고객명", "입금자명", "제 이름", "본명")
        )
        size = _leading(name, text, start, loose=strong)
        if size:
            yield Span(start, start + size, "PERSON", 0.72 if strong else 0.6)
    for match in _INTRODUCED.finditer(text):
        name, (start, end) = match["name"], match.span("name")
        if len(name) >= 3 and _full(name):
            yield Span(start, end, "PERSON", 0.6)


def _likely(run: str) -> bool:
    """Surname and two syllables of names at the head, where hardly a word is like that."""
    return (
        run[0] in _SAFE
        and run[1] in _FIRST
        and run[2] in _LAST
        and run[:2] not in _NOUNS
        and run[:3] not in NOT_KOREAN_NAMES
        and run[:2] not in NOT_KOREAN_NAMES
    )


_LEFT = re.compile(r"(?:^|[/(\[,:;·|>\"'\n\t→][ ]?|[ ])$")
_RIGHT = re.compile(
    r"[ ]?(?:[/)\]|]|\((?=[0-9가-힣]))|[ ](?:[0-9]{2}|[0-9]{3}-|\+82|입니다|이고|명의|이름|올림|드림|배상|"
    r"[가-힣]{2}(?:은행|뱅크)|"
    r"국민|신한|우리|하나|농협|기업|카뱅|수협|신협|우체국|여권|면허|주민|계좌|연락처|전화)|,[ ]?(?:[0-9]{2}|"
    r"[가-힣]{1,6}[ ]?[0-9])"
)


def _isolated(text: str, run: str, start: int) -> bool:
    """A name between slashes, in brackets, before a number or an account: "김영한/M/58", "(유정빈)", "모 김다래 "
    "010-..."."""
    if len(run) == 3 and not (run[0] in COMMON_SURNAMES and run[1] in _FIRST and run[2] in _LAST):
        return False
    if run[:2] in NOT_KOREAN_NAMES or run[:2] in _NOUNS or not _full(run):
        return False
    return _RIGHT.match(text, start + len(run)) is not None and _LEFT.search(text, max(0, start - 2), start) is not None


def _known(run: str) -> int:
    """The length of surname and known given name at the head of a run of Hangul; 0 without one."""
    if run[0] in SURNAMES and run[1:3] in GIVEN and run[:3] not in NOT_KOREAN_NAMES:
        return 3
    if run[:2] in LONG_SURNAMES and run[2:4] in GIVEN:
        return 4
    return 0


def _full(name: str, rare: bool = False) -> bool:
    """Surname and given name, by their syllables."""
    surnames = SURNAMES | _RARE if rare else SURNAMES
    if name[1:] in _OFFICES:
        return False  # 김대리, 박팀장
    if name in NOT_KOREAN_NAMES or (name[:2] in NOT_KOREAN_NAMES and name[1:] not in GIVEN):
        return False
    if len(name) == 3 and name[:2] in LONG_SURNAMES and name[2] in LAST_SYLLABLES:
        return True
    if len(name) == 3:
        return name[0] in surnames and name[1] in FIRST_SYLLABLES and name[2] in LAST_SYLLABLES
    if len(name) == 4:
        return name[:2] in LONG_SURNAMES and name[2] in FIRST_SYLLABLES and name[3] in LAST_SYLLABLES
    return False


def _leading(run: str, text: str, start: int, loose: bool) -> int:
    """The length of the name at the head of what follows a label; 0 when it is no name."""
    for size in (4, 3, 2):
        name = run[:size]
        if len(name) < size or name in NOT_KOREAN_NAMES or (name[:2] in NOT_KOREAN_NAMES and name[1:3] not in GIVEN):
            continue
        rest = run[size:]
        if rest and not rest.startswith(_PARTICLES):
            continue
        if size == 4 and name[:2] not in LONG_SURNAMES:
            continue
        if size == 3 and not (_full(name, rare=True) or (loose and name[0] in COMMON_SURNAMES and not rest)):
            continue
        if size == 2 and not (
            loose
            and name[0] in COMMON_SURNAMES
            and name[1] in LAST_SYLLABLES
            and (not rest or rest.startswith(_PARTICLES))
        ):
            continue
        return size
    return 0
