"""What customers of banks, hospitals and shops write in Korean, and what only looks like it."""

from __future__ import annotations

import pytest

from jangin.pii import Detector

DETECTOR = Detector(presidio=False)


def found(text: str) -> list[str]:
    return [f"{span.entity}={text[span.start : span.end]}" for span in DETECTOR.find(text)]


FINDS = [
    ("환자등록번호 20417733/최선옥/F/61 판독 의뢰", ["MEDICAL_RECORD_NUMBER=20417733", "PERSON=최선옥"]),
    ("환자 20417733 외래 예약 변경", ["MEDICAL_RECORD_NUMBER=20417733"]),
    ("산모 등록번호 33551207, 초음파 예약", ["MEDICAL_RECORD_NUMBER=33551207"]),
    ("차트번호 5127 어머니 약 타러 왔어요", ["MEDICAL_RECORD_NUMBER=5127"]),
    ("일반과세자 1248100998 세금계산서요", ["KR_BUSINESS_NUMBER=1248100998"]),
    ("면허번호가 11123456\n7890으로 나뉘었어요", ["KR_DRIVER_LICENSE=11123456\n7890"]),
    ("국내거소신고번호 850623-5123456", ["KR_FRN=850623-5123456"]),
    ("생년월일 12MAR1990 탑승자 확인", ["DATE_OF_BIRTH=12MAR1990"]),
    ("라우팅번호 021000021 계좌번호 4839201127 (Bank of America)",
     ["US_BANK_NUMBER=021000021", "US_BANK_NUMBER=4839201127"]),
    ("남궁혁 고객님 문자 확인 부탁드려요", ["PERSON=남궁혁"]),
    ("부조금은 (윤정빈) 앞으로", ["PERSON=윤정빈"]),
    ("모 김다솔 010-1234-5678", ["PERSON=김다솔", "PHONE_NUMBER=010-1234-5678"]),
    ("제 동생 단비 이름으로 예약했어요", ["PERSON=단비"]),
    ("최서현 엄마예요. 서현이 생일이 2014년 3월 22일이에요",
     ["PERSON=최서현", "PERSON=서현", "DATE_OF_BIRTH=2014년 3월 22일"]),
    ("탑승자 KANG GAON, 여권 M957A0603", ["PERSON=KANG GAON", "KR_PASSPORT=M957A0603"]),
    ("수취인 Lukas Brandner 앞 송금", ["PERSON=Lukas Brandner"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FINDS)
def test_what_customers_write_is_found_to_the_letter(text: str, expected: list[str]) -> None:
    assert found(text) == expected


LEAVES = [
    "서울 12가 3456 차량, 경기 34나 7890 차량",
    "차량등록번호 12345678, 특허등록번호 1012345",
    "전화하면 안내원이 받아요, 민원실 02-777-4410",
    "녹취번호 R240318-0912, 수출신고번호 41293-24-017733X",
    "최우선 과제, 최신형 제품, 지정석 안내, 안경원 방문수, 주문수는 그대로",
    "이 영화 이영화 재밌어요. 정규식으로 걸렀어요. 국민은 여성은 신경은",
    "법정대리인 동의가 필요합니다",
]


@pytest.mark.parametrize("text", LEAVES)
def test_what_only_looks_like_it_is_left(text: str) -> None:
    assert found(text) == []
