"""What the detector finds, what it leaves alone, and that it fails closed."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jangin.errors import InputError, PiiError
from jangin.pii import ENTITIES, Detector, Span
from jangin.pii.checks import business, card, iban, itin, nhs, registration, routing, ssn
from jangin.pii.licences import british, fits
from jangin.pii.spans import resolve
from jangin.pii.view import View

DETECTOR = Detector(presidio=False)


def found(text: str) -> list[tuple[str, str]]:
    return [(span.entity, text[span.start : span.end]) for span in DETECTOR.find(text)]


FINDS = [
    ("010-1234-5678로 연락 주세요", ["PHONE_NUMBER=010-1234-5678"]),
    ("전화는 ０１０－１２３４－５６７８입니다", ["PHONE_NUMBER=０１０－１２３４－５６７８"]),
    ("번호가 010-2345-\n6789 로 바뀌었어요", ["PHONE_NUMBER=010-2345-\n6789"]),
    ("010 2345 6789 아니면 01087654321", ["PHONE_NUMBER=010 2345 6789", "PHONE_NUMBER=01087654321"]),
    ("+82 10-3344-5566 또는 02)555-1234", ["PHONE_NUMBER=+82 10-3344-5566", "PHONE_NUMBER=02)555-1234"]),
    ("연락처 공일공 2345 육칠팔구예요", ["PHONE_NUMBER=공일공 2345 육칠팔구"]),
    ("Call (212) 555-0187 ext. 42", ["PHONE_NUMBER=(212) 555-0187 ext. 42"]),
    ("Ring 07700 900123 or +49 30 901820", ["PHONE_NUMBER=07700 900123", "PHONE_NUMBER=+49 30 901820"]),
    ("my cell is 3125550142", ["PHONE_NUMBER=3125550142"]),
    ("메일은 hong@naver.com으로, jane (at) example (dot) org",
     ["EMAIL_ADDRESS=hong@naver.com", "EMAIL_ADDRESS=jane (at) example (dot) org"]),
    ("주민번호는 900101-1234568이고", ["KR_RRN=900101-1234568"]),
    ("제 딸은 211105-4012345예요", ["KR_RRN=211105-4012345"]),  # born after October 2020: no check digit
    ("주민등록번호 861104-2345670", ["KR_RRN=861104-2345670"]),  # given anew since then: the word is enough
    ("외국인등록번호 850623-5123456 직원", ["KR_FRN=850623-5123456"]),
    ("여권번호 M123A4567, 옛 여권 M12345678", ["KR_PASSPORT=M123A4567", "KR_PASSPORT=M12345678"]),
    ("운전면허 11-12-345678-90, 서울 12-345678-90",
     ["KR_DRIVER_LICENSE=11-12-345678-90", "KR_DRIVER_LICENSE=서울 12-345678-90"]),
    ("사업자번호 124-81-00998", ["KR_BUSINESS_NUMBER=124-81-00998"]),
    ("신한 110-432-987654로 이체", ["KR_BANK_ACCOUNT=110-432-987654"]),
    ("계좌번호는 12345678901234 기업은행입니다", ["KR_BANK_ACCOUNT=12345678901234"]),
    ("제 카드 4539 1488 0343 6467 분실", ["CREDIT_CARD=4539 1488 0343 6467"]),
    ("amex 3782 822463 10005", ["CREDIT_CARD=3782 822463 10005"]),
    ("서울특별시 강남구 테헤란로 152, 101동 1203호 (역삼동)로 배송",
     ["LOCATION=서울특별시 강남구 테헤란로 152, 101동 1203호 (역삼동)"]),
    ("경기도 성남시 분당구 정자동 178-1번지", ["LOCATION=경기도 성남시 분당구 정자동 178-1번지"]),
    ("래미안퍼스티지 105동 1502호로 부탁해요", ["LOCATION=래미안퍼스티지 105동 1502호"]),
    ("배송지를 테헤란로 427로 변경", ["LOCATION=테헤란로 427"]),
    ("Ship to 742 Evergreen Terrace, Springfield, IL 62704.",
     ["LOCATION=742 Evergreen Terrace, Springfield, IL 62704"]),
    ("Flat 4, 27 Gladstone Road, Bristol BS3 4TQ", ["LOCATION=Flat 4, 27 Gladstone Road, Bristol BS3 4TQ"]),
    ("152 Teheran-ro, Gangnam-gu, Seoul 06236", ["LOCATION=152 Teheran-ro, Gangnam-gu, Seoul 06236"]),
    ("pay DE89 3704 0044 0532 0130 00 thanks", ["IBAN_CODE=DE89 3704 0044 0532 0130 00"]),
    ("SSN 536-90-4399", ["US_SSN=536-90-4399"]),
    ("NHS number 943 476 5919", ["UK_NHS=943 476 5919"]),
    ("MRN: 7749201-3", ["MEDICAL_RECORD_NUMBER=7749201-3"]),
    ("환자 등록번호 1234567", ["MEDICAL_RECORD_NUMBER=1234567"]),
    ("생년월일 1990년 3월 5일", ["DATE_OF_BIRTH=1990년 3월 5일"]),
    ("1985.07.12생 남성", ["DATE_OF_BIRTH=1985.07.12"]),
    ("born on July 4, 1986 in Boston", ["DATE_OF_BIRTH=July 4, 1986"]),
    ("from 203.0.113.45 and 2001:db8::8a2e:370:7334",
     ["IP_ADDRESS=203.0.113.45", "IP_ADDRESS=2001:db8::8a2e:370:7334"]),
    ("Driver's license D1234567", ["US_DRIVER_LICENSE=D1234567"]),
    ("Passport No. 533401928 (UK)", ["PASSPORT=533401928"]),
    ("checking account 4417 1234 5678", ["US_BANK_NUMBER=4417 1234 5678"]),
    ("홍길동님께서 이도현 과장에게", ["PERSON=홍길동", "PERSON=이도현"]),
    ("저는 표혜림이라고 합니다", ["PERSON=표혜림"]),
    ("예금주: 강찬울", ["PERSON=강찬울"]),
    ("남궁민수와 김 민수 님", ["PERSON=남궁민수", "PERSON=김 민수"]),
    ("환자 박지훈 씨와 스미스 씨", ["PERSON=박지훈", "PERSON=스미스"]),
    ("Mr. O'Brien saw Dr. Anita van der Berg", ["PERSON=O'Brien", "PERSON=Anita van der Berg"]),
    ("Kind regards,\nMinji Park", ["PERSON=Minji Park"]),
    ("Park Jiyoung and Kim Min-su met", ["PERSON=Park Jiyoung", "PERSON=Kim Min-su"]),
    ("Patient: Smith, John", ["PERSON=Smith, John"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FINDS)
def test_personal_data_is_found_to_the_letter(text: str, expected: list[str]) -> None:
    assert [f"{entity}={value}" for entity, value in found(text)] == expected


LEAVES = [
    "서비스 문의는 1588-1234, 1644-0000, 080-123-4567",
    "Our helpline 1-800-555-0199 is open",
    "주문번호 240315-1000234 송장 1234-5678-9012",
    "제품 시리얼 900101-1234567",
    "900101-1234567",  # the check digit is wrong and no word speaks for it
    "주민번호 901301-1234567",  # no thirteenth month
    "123-45-67890",
    "카드 4539 1488 0343 6468",
    "IMEI 356938035643809",
    "the social security number 000-12-3456",
    "ISBN 978-3-16-148410-0",
    "총 금액은 1,234,567원이며 2024-11-05 결제되었습니다",
    "version 1.2.3.4 on 127.0.0.1 at 12:30:45",
    "버전 10.0.19045.3570",
    "git@github.com:foo/bar.git logo@2x.png left-pad@1.3.0",
    "이 제품은 김치 냉장고입니다. 고객님, 선생님, 기사님, 원장님, 사장님",
    "강아지가 고양이를 보고 지하철을 탔다",
    "이용자가 신청서를 제출하고 주문자가 확인했습니다",
    "김대리님이 말씀하신 박팀장님",
    "아들 장난감, 아내 선물, 친구 소개, 본인 확인, 환자 안전",
    "새로 3개를 샀고 바로 2개를, 카드로 3개월, 운동 30분",
    "지하철 2호선 강남역 11번 출구",
    "Morgan Stanley, Johnson & Johnson, Dr. Martens, Parkinson's disease, Hyde Park",
    "Will you be there in May? Mark my words. Jordan is far. Dear Customer Service Team,",
    "I'm happy that this is Amazing. I am Canadian. Hello Kitty",
    "I bought 3 Apple Watches and walked 2 miles down the road",
]


@pytest.mark.parametrize("text", LEAVES)
def test_what_only_looks_like_personal_data_is_left(text: str) -> None:
    assert found(text) == []


def test_every_entity_is_found_by_some_sentence() -> None:
    assert {value.split("=")[0] for _, expected in FINDS for value in expected} == set(ENTITIES)


def test_korean_in_nfd_and_invisible_characters_keep_their_places() -> None:
    text = unicodedata.normalize("NFD", "홍길동님 ") + "010-12\u200b34-5678"
    spans = [unicodedata.normalize("NFC", value) for _, value in found(text)]
    assert spans == ["홍길동", "010-12\u200b34-5678"]


@pytest.mark.parametrize(("text", "expected"), FINDS)
def test_a_text_that_was_put_into_json_is_read_as_what_it_says(text: str, expected: list[str]) -> None:
    encoded = json.dumps({"said": f"Hi\n{text}\n"})  # \\uXXXX for every character beyond ASCII
    spans = [(span.entity, encoded[span.start : span.end]) for span in DETECTOR.find(encoded)]
    assert [f"{entity}={json.loads(chr(34) + value + chr(34))}" for entity, value in spans] == expected


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (r'{"p": "\u0030\u0031\u0030-1234-5678"}', [r"\u0030\u0031\u0030-1234-5678"]),
        (r"call\n010-1234-5678\nkim@example.com", ["010-1234-5678", "kim@example.com"]),
        (r"born 12\/05\/1988", [r"12\/05\/1988"]),
        ("https://a.example/stop?mail=kim%40example.com&x=1", ["kim%40example.com"]),
        ("kim&#64;example.com tel&nbsp;010&#160;1234&#160;5678", ["kim&#64;example.com", "010&#160;1234&#160;5678"]),
        (r"\ud83d\udcde 010-1234-5678 \ud83d", ["010-1234-5678"]),
    ],
)
def test_escapes_of_json_urls_and_html_are_read_as_what_they_stand_for(text: str, values: list[str]) -> None:
    assert [text[span.start : span.end] for span in DETECTOR.find(text)] == values


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text(r'\u0d8c3n/"@%4&#;bsp', max_size=40))
def test_a_view_maps_every_place_back(text: str) -> None:
    view = View(text)
    for place in range(len(view.text)):
        start, end = view.original(place, place + 1)
        assert 0 <= start < end <= len(text)


fragments = st.lists(
    st.sampled_from(
        [value.split("=")[1] for _, expected in FINDS for value in expected] + ["님", " ", "-", "1", "\n", "은"]
    )
    | st.text(max_size=4),
    max_size=8,
)


@settings(deadline=None)
@given(fragments)
def test_spans_are_in_order_apart_and_not_empty(pieces: list[str]) -> None:
    text = "".join(pieces)
    place = 0
    for span in DETECTOR.find(text):
        assert place <= span.start < span.end <= len(text)
        place = span.end


def test_the_higher_score_wins_and_what_the_loser_covers_beyond_stays_covered() -> None:
    text = "abcdef ghi"
    assert resolve(text, [Span(0, 6, "PERSON", 0.5), Span(2, 4, "LOCATION", 0.9)]) == [
        Span(0, 2, "PERSON", 0.5), Span(2, 4, "LOCATION", 0.9), Span(4, 6, "PERSON", 0.5),
    ]  # fmt: skip
    assert resolve(text, [Span(0, 7, "PERSON", 0.5), Span(0, 6, "LOCATION", 0.9)]) == [Span(0, 6, "LOCATION", 0.9)]


HOSTILE = [
    "a.",
    "a@",
    "ab@cd.",
    "1-",
    "1 ",
    "+1 ",
    "김",
    "로 1",
    "서울시 강남구 ",
    "Aa ",
    "Mr. Aa-",
    "1 Aa St ",
    "aa:",
    "동 1호 가",
    "O'",
    "카드 4 ",
    "Aa, ",
    "Ann Smith ",
    "1 rue Aa ",
    "12 Aa-ro, ",
    "1\n",
    "MRN 1",
    "account 1 ",
    "김민수 ",
    "/김영한/",
    "MRN | ",
    "MRN | DOB\n1 | 2\n",
    "account / name: 1 / 2\n",
    "022288101 acct 1 ",
    "02-123-4567 집 ",
    "626 018 1590 ",
    "환자 1234567 ",
    "Marsh, T 1234567\n",
    "born 4/3/88 and ",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hostile_text_is_looked_through_within_the_bound(unit: str) -> None:
    DETECTOR.find((unit * 40_000)[:40_000])


def test_a_long_text_is_read_in_windows_and_nothing_is_lost_at_their_edges() -> None:
    text = ("가나다 010-1234-5678 " * 4_000) + "끝"
    spans = DETECTOR.find(text)
    assert len(spans) == 4_000 and {text[span.start : span.end] for span in spans} == {"010-1234-5678"}


def test_a_rule_that_raises_releases_nothing() -> None:
    detector = Detector(presidio=False)

    def broken(text: str, labels: object) -> Iterator[Span]:
        raise ValueError(text)

    detector.rules.append(broken)
    with pytest.raises(PiiError) as caught:
        detector.find("my secret")
    assert str(caught.value) == "the detector of personal data failed (ValueError); nothing was released"
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_text_that_takes_too_long_releases_nothing() -> None:
    with pytest.raises(PiiError) as caught:
        Detector(presidio=False, timeout_s=0).find("ab")
    assert caught.value.message == "a text of 2 characters was not looked through within 0 s; nothing was released"


def test_a_text_beyond_the_bound_is_refused() -> None:
    with pytest.raises(PiiError, match=r"^a text of 4,000,001 characters is too long to be looked through"):
        DETECTOR.find("a" * 4_000_001)


def test_another_language_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        Detector(["en", "fr"], presidio=False)
    assert str(caught.value) == "personal data in 'fr' cannot be looked for\n  try: languages: en, ko"


def test_a_language_left_out_leaves_its_names_but_no_identifier() -> None:
    text = "홍길동님 010-1234-5678, Mr. Brown"
    assert [span.entity for span in Detector(["en"], presidio=False).find(text)] == ["PHONE_NUMBER", "PERSON"]


def test_check_digits() -> None:
    assert card("4111111111111111") and not card("4111111111111112") and not card("356938035643809")
    assert business("1248100998") and not business("1248100997")
    assert nhs("9434765919") and not nhs("9434765918")
    assert iban("GB29NWBK60161331926819") and not iban("GB29NWBK60161331926818") and not iban("GB29NWBK6016133192681")
    assert ssn("536904399") and not ssn("666904399") and not ssn("936904399")
    assert registration("9001011234568")[1] and not registration("9001011234567")[1]
    assert registration("9902301234567")[0] is None
    assert itin("912704432") and not itin("912934432") and not itin("512704432")
    assert routing("021000021") and not routing("021000022") and not routing("451000020") and not routing("02100002")


def test_a_licence_has_the_shape_of_its_state() -> None:
    assert (
        fits("P 502 288 093 502", "Michigan") and fits("94-740-8078", "Colorado") and fits("WDL4B83J92K1", "Washington")
    )
    assert not fits("P 502 288 093", "Michigan") and not fits("D17309", "California")
    assert british("MORGA657054SM9IJ") and not british("MORGA697054SM9IJ") and not british("MORGA657054SM9I")
