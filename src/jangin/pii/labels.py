"""The words that say what a number is ("주민번호", "account no.", "송장"), and which of them stands nearest.

A number is rarely known by its shape alone: ten digits may be a phone, a firm, an NHS patient or an order. So the words
around it vote; `other` and `date` are the topics that are no personal data. Found once a text, in one pass.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

_TOPICS = {
    "phone": "전화 연락처 휴대폰 휴대전화 핸드폰 핸폰 폰번호 폰번 모바일 유선 번호로연락 연락주 통화 문자 카톡 "
    "콜백 팩스 자택번호 집전화 "
    "phone telephone tel cell cellphone mobile call calling called text fax whatsapp sms ring dial landline voicemail "
    "contact reach callback landlines bleep",
    "service": "대표번호 대표전화 고객센터 콜센터 상담센터 고객상담 무료전화 hotline helpline toll-free tollfree "
    "switchboard",
    "rrn": "주민등록 주민번호 주민 주민등록번호 민증 주번 실명번호 본인확인 본인인증 실명확인 신분증 resident rrn",
    "frn": "거소신고번호 국내거소신고번호 외국인등록 외국인번호 외국인등록번호 외국인 거소 foreigner alien arc frn",
    "brn": "사업자 사업자번호 사업자등록 사업자등록번호 간이과세자 일반과세자 과세자 공급받는자 세금계산서 "
    "지출증빙 brn business",
    "bank": "계좌 계좌번호 입금 송금 이체 통장 예금주 은행 환급 급여 출금 카카오뱅크 카뱅 토스뱅크 케이뱅크 "
    "농협 수협 신협 새마을금고 "
    "우체국 저축은행 축협 산업은행 기업은행 국민은행 신한은행 우리은행 하나은행 kb국민 sc제일 씨티은행 "
    "가상계좌 자동이체 "
    "kookmin shinhan woori nonghyup kakaobank hana ibk",
    "account": "account acct accts a/c checking savings deposit iban",
    "routing": "routing rtg rtn aba 라우팅 라우팅번호 "
    "라우팅넘버",  # of an American bank: nine digits with a check digit
    "card": "카드 카드번호 신용카드 체크카드 card visa mastercard amex cvc cvv credit debit",
    "passport": "여권 여권번호 passport passports",
    "driver": "운전면허 면허 면허증 면허번호 운전면허번호 driver drivers driver's driving dl cdl dvla licence "
    "license dmv mvc",
    "mrn": "환자번호 차트번호 병록번호 진료번호 의무기록 의무기록번호 진찰권 환자등록번호 병원등록번호 "
    "챠트번호 차트 챠트 "
    "환자id 환자고유번호 환자코드 환자식별번호 병원번호 병원id 원내번호 내원번호 진료기록번호 차트넘버 챠트넘버 "
    "수검번호 진료카드번호 진료카드 수진자번호 병록 mrn mrns emr ehr crn hrn urn hn wristband facesheet chart "
    "medical-record medical hospital patient",
    "registered": "등록번호 reg.no",  # of a patient only where a hospital is spoken of
    "dob": "생년월일 생일 출생 태어난 태어났 생년 생월 birth dob d.o.b born birthday birthdate",
    "ssn": "사회보장번호 ssn ssns ssn's social itin ss#",
    "nhs": "nhs",
    "ip": "ip 아이피 접속지 ipv4 ipv6 address server host router gateway vpn 서버 접속 로그인",
    "version": "버전 version versions ver 펌웨어 firmware build release 릴리스 업데이트 update v",
    "other": "주문 주문번호 송장 송장번호 운송장 운송장번호 등기번호 등기 배송번호 접수번호 접수 예약번호 "
    "승인번호 거래번호 관리번호 "
    "문서번호 사건번호 모델 모델명 제품번호 상품번호 상품코드 품번 일련번호 시리얼 영수증 쿠폰 "
    "쿠폰번호 인증번호 바코드 우편번호 "
    "계약번호 증권번호 회원번호 사번 학번 수험번호 티켓 문의번호 참조번호 코드 부품 도면 특허 출원 "
    "고유번호 법인등록번호 법인 차대번호 "
    "isbn issn sku imei iccid serial order orders invoice tracking ticket receipt model part product reference ref "
    "case coupon barcode confirmation booking reservation transaction po parcel shipment batch lot item code "
    "policy version build commit patent docket claim voucher promo asin upc ean vin hash timestamp accession csn "
    "encounter specimen sample rx ndc npi "
    "trace manifest folio plate plates locker ein duns 신고번호 수출신고번호 수입신고번호 녹취번호 품의번호 "
    "차량등록번호 자동차등록번호 특허등록번호 상표등록번호 디자인등록번호 등록증번호 제조번호 로트 병동번호",
    "date": "가입일 계약일 입사 발급 만료 유효기간 예약 진료일 방문 결제일 납부 설립 개업 발행 시행 마감 "
    "작성일 신청일 등록일 수술 입원 "
    "퇴원 출시 배송일 만기 접종 검사일 예정일 "
    "expires expiry expiration issued appointment due hired joined visited founded released established admitted "
    "discharged scheduled surgery valid dated effective started starts",
}
# Two words that say more than each of them.
_PHRASES = {
    "mrn": "patientid|patientno|mrnumber|medicalrecord|medical record|medical rec|med rec|health record|patient "
    "id|patient no|patient record|patient file|"
    "patient identifier|medical file|medical number|medical no|medical id|"
    "hosp. no|pt. no|pt. id|mr#|uhid|empi|patient number|patient #|patient ref|"
    "pt id|pt no|pt number|pt#|pt #|hospital no|hospital number|hospital num|hospital id|hospital #|hosp no|hosp "
    "number|unit no|"
    "unit number|clinic no|clinic number|clinic id|record no|record number|record #|record id|case note|casenote|"
    "case notes|casenotes|mr number|mr no|mr #|차트 번호|환자 번호|진료 번호|병록 번호|환자 id",
    "brn": "business number|business registration",
    "ssn": "social security|social sec|soc sec|s.s.n|ss number|ss no|ss #|tax id|taxpayer id|taxpayer identification",
    "driver": "driver license|driver licence|driver's license|driver's licence|drivers license|drivers licence|"
    "driving licence|driving license|operator license|operator's license|state id|learner's permit|learner permit|"
    "provisional licence|license no|license number|licence no|licence number|license #|licence #|"
    "d.l.|lic #|lic#|lic no|lic. no|lic number|driver lic|drivers lic",
    "passport": "passportno|passportnumber|passport card|passport book|travel document|pp no|pp number|pp #",
    "nhs": "n.h.s|nhsnumber|nhsno|nhsid",
    "service": "toll free|customer service|main line|front desk",
    "phone": "문의 전화|전화 번호",
    "card": "credit card|card number|debit card|gift card",
    "routing": "transit number|transit no|r/t",
    "account": "accountnumber|accountno|acctno|acctnum|acc no|acc number|acc. no|bank acc|sort code",
    "holder": "account holder|account holder's|account manager|account owner|account executive|account name|"
    "account rep",
    "dob": "dateofbirth|birth date|date of birth|place of birth|b.|(생)",
    "other": "license key|licence key|license plate|licence plate|software license|software licence|medical license|"
    "medical licence|nursing license|business license|business licence|liquor license|liquor licence|"
    "contractor license|contractor's license|pilot license|pilot's license|professional license|fishing license|"
    "hunting license|marriage license|real estate license|licence code|license code|serial number|check number|"
    "cheque number|quote no|quote number|quote #|quote ref|gift code|member code|prior authorization|birth certificate",
}
TOPIC_OF = {word: topic for topic, words in _TOPICS.items() for word in words.split()}
TOPIC_OF.update({phrase: topic for topic, phrases in _PHRASES.items() for phrase in phrases.split("|")})
for _weak in ("medical", "hospital", "patient", "business"):  # alone they say nothing about the number that follows
    TOPIC_OF.pop(_weak)
AGAINST = frozenset({"other", "date", "version"})  # they speak of the number that follows them, and of no other
# Where a sentence ends; "no. 12" and "Acct. 12" are none.
_END = re.compile(
    r"\n[ \t]*\n|(?<![Nn]o)(?<![Rr]ef)(?<![Tt]el)(?<![Aa]cct)(?<![Nn]um)(?<![A-Za-z]\.[A-Za-z])[.!?][ \n]"
)
_LIST = re.compile(
    r"[^A-Za-z가-힣]*(?:(?:and|or|to|through|및|와|과|또는|no|nos|number|numbers|is|are)[^A-Za-z가-힣]*){0,2}"
)
_CLAUSE_END = re.compile(r"[.;!?\n]|, ")


def trie(words: Iterable[str]) -> str:
    """A regular expression of the words that tries each character once: alternation by common prefix, longest first."""
    root: dict = {}
    for word in words:
        node = root
        for character in word:
            node = node.setdefault(character, {})
        node[""] = {}

    def written(node: dict) -> str:
        ends = "" in node
        parts = [re.escape(character) + written(after) for character, after in sorted(node.items()) if character]
        if not parts:
            return ""
        body = parts[0] if len(parts) == 1 and not ends else "(?:" + "|".join(parts) + ")"
        return body + ("?" if ends else "")

    return written(root)


_LABEL = re.compile(trie(TOPIC_OF))


class Labels:
    """The label words of a text, by place."""

    def __init__(self, text: str):
        low = lowered(text)
        found = []
        match = _LABEL.search(low)
        while match is not None:
            start, end = match.span()
            word = match.group()
            if word.isascii() and not _whole(text, start, end):
                end = start + 1  # "bank acc" of "bank account": look for what begins within it
            else:
                found.append((start, end, TOPIC_OF[word]))
            match = _LABEL.search(low, end)
        self._found = found
        self._ends = [end for _, end, _ in found]
        self._topics = {topic for _, _, topic in found}
        self._text = text

    def has(self, topics: Iterable[str]) -> bool:
        """Whether one of the topics is named anywhere."""
        return not self._topics.isdisjoint(topics)

    def before(self, start: int, reach: int = 40) -> str | None:
        """The topic of the nearest label that ends within `reach` characters before; None without one.

        One that speaks against personal data counts for the first number behind it, or for a list of them, within its
        sentence.
        """
        place = bisect_right(self._ends, start) - 1
        while place >= 0 and start - self._ends[place] <= reach:
            topic = self._found[place][2]
            if topic not in AGAINST or self._bound(self._ends[place], start):
                return topic
            place -= 1
        return None

    def joined(self, start: int, topic: str) -> bool:
        """Whether the nearest label before is one of several in a row of which one has the topic: "MRN/DOB: ..."."""
        place = bisect_right(self._ends, start) - 1
        if place < 0 or start - self._ends[place] > 40:
            return False
        while place > 0 and self._found[place][0] - self._ends[place - 1] <= 5:
            place -= 1
            if self._found[place][2] == topic:
                return True
        return False

    def _bound(self, end: int, start: int) -> bool:
        between = self._text[end:start]
        if _END.search(between):
            return False
        return not any(map(str.isdigit, between)) or _LIST.fullmatch(between) is not None

    def after(self, end: int, reach: int = 10) -> str | None:
        """The topic of the nearest label that begins within `reach` characters after, in the same clause, with no digit
        in between."""
        place = bisect_right(self._ends, end)
        while place < len(self._found) and self._found[place][0] < end:
            place += 1
        if place < len(self._found) and self._found[place][0] - end <= reach:
            between = self._text[end : self._found[place][0]]
            if not any(map(str.isdigit, between)) and not _CLAUSE_END.search(between):
                return self._found[place][2]
        return None

    def topic(self, start: int, end: int, reach: int = 40) -> str | None:
        """The label that speaks of this value: the one before it, or else the one right after it."""
        return self.before(start, reach) or self.after(end)

    def near(self, topics: Iterable[str], start: int, end: int, reach: int = 60, beyond: int = 30) -> bool:
        """Whether one of the topics is named within `reach` before or `beyond` after."""
        topics = tuple(topics)
        place = bisect_right(self._ends, start - reach)
        while place < len(self._found) and self._found[place][0] <= end + beyond:
            if self._found[place][2] in topics:
                return True
            place += 1
        return False


def _whole(text: str, start: int, end: int) -> bool:
    """Whether it is a whole word, also in the plural, before a Korean particle, or as a part of `patientMrnValue`."""
    before = text[start - 1] if start else ""
    if before.isalpha() and before.isascii() and not (text[start].isupper() and before.islower()):
        return False
    after = text[end : end + 2]
    if not (after[:1].isalpha() and after.isascii()):
        return True
    plural = after[0] in "sS" and not after[1:].isalnum()
    return plural or (after[0].isupper() and after[1:].islower())


def lowered(text: str) -> str:
    """Lower case, character by character, so that places stay."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(character.lower() if len(character.lower()) == 1 else character for character in text)
