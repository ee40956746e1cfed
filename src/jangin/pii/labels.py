"""The words that say what a number is ("주민번호", "account no.", "송장"), and which of them stands nearest.

A number is rarely known by its shape alone: ten digits may be a phone, a firm, an NHS patient or an order. So the words
around it vote; `other` and `date` are the topics that are no personal data. Found once a text, in one pass.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from jangin.pii.tables import Cell, cells

_TOPICS = {
    "phone": "전화 연락처 휴대폰 휴대전화 핸드폰 핸폰 폰번호 폰번 모바일 유선 번호로연락 연락주 통화 문자 카톡 "
    "콜백 팩스 자택번호 집전화 집번호 본가 자택 친정 처가 시댁 직통 "
    "phone telephone telephon tel ph ph# phne phon cell cellphone mob mobile call calling called text fax whatsapp sms ring dial landline voicemail "
    "contact reach reached callback landlines bleep",
    "service": "대표번호 발신번호 대표전화 고객센터 콜센터 상담센터 고객상담 무료전화 hotline helpline toll-free tollfree "
    "switchboard reception helpdesk freephone",
    "rrn": "주민등록 주민번호 주민 주민등록번호 민증 주번 실명번호 본인확인 본인인증 실명확인 신분증 resident rrn",
    "frn": "거소신고번호 국내거소신고번호 외국인등록 외국인번호 외국인등록번호 외국인 거소 foreigner alien arc frn",
    "brn": "사업자 사업자번호 사업자등록 사업자등록번호 간이과세자 일반과세자 과세자 공급받는자 세금계산서 "
    "지출증빙 brn business",
    "bank": "계좌 계좌번호 입금 송금 이체 통장 예금주 은행 환급 급여 출금 카카오뱅크 카뱅 토스뱅크 케이뱅크 "
    "농협 수협 신협 새마을금고 "
    "우체국 저축은행 축협 산업은행 기업은행 국민은행 신한은행 우리은행 하나은행 kb국민 sc제일 씨티은행 "
    "가상계좌 자동이체 "
    "kookmin shinhan woori nonghyup kakaobank ibk",
    "account": "account acct accts acnt accnt acount accout a/c checking savings deposit iban bsb dda acct# a/c# 어카운트",
    "routing": "routing routng rtg rtn aba aba# 라우팅 라우팅번호 "
    "라우팅넘버",  # of an American bank: nine digits with a check digit
    "card": "카드 카드번호 신용카드 체크카드 card visa mastercard amex cvc cvv credit debit",
    "passport": "여권 여권번호 passport passports pasport passprt pssport mrz ppt pp# 여권no",
    "driver": "운전면허 면허 면허증 면허번호 운전면허번호 driver drivers driver's driving dl dln cdl dvla licence "
    "license lisence liscence licens dmv mvc d/l d/l#",
    "mrn": "환자번호 차트번호 병록번호 진료번호 의무기록 의무기록번호 진찰권 환자등록번호 병원등록번호 "
    "챠트번호 차트 챠트 "
    "환자id 환자고유번호 환자코드 환자식별번호 병원번호 병원id 원내번호 내원번호 진료기록번호 차트넘버 챠트넘버 "
    "수검번호 수진번호 수진자번호 검진번호 외래번호 입원번호 차트no 챠트no 환자no 진찰카드번호 진료카드번호 진료카드 수진자번호 병록 mrn mrns emr ehr crn hrn urn hn urno umrn ihi nhi hcn m.r.n wristband facesheet chart "
    "medical-record medical hospital patient",
    "registered": "등록번호 등록no reg.no",  # of a patient only where a hospital is spoken of
    "dob": "생년월일 생일 출생 태어난 태어났 생년 생월 birth dob d.o.b born birthday birthdate bday b-day birthdt brithday dateofbirth birth_date date_of_birth",
    "ssn": "사회보장번호 ssn ssns ssn's social soical itin ss# ss#: ssn#",
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
    "policy version build commit patent docket claim voucher promo asin upc ean vin microchip chip hash timestamp accession csn "
    "encounter specimen sample rx ndc npi "
    "manifest folio plate plates locker ein duns 신고번호 수출신고번호 수입신고번호 녹취번호 품의번호 "
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
    "hospital card|clinic card|patient card|hospital reg|hospital registration|clinic reg|case sheet|"
    "pmi|opd no|opd number|ipd no|op number|ip number|hospital file|clinic file|patient reg|patient registration|patient identifier|patient acct|patient account|patient's acct|patient's account|patient acc no|patient a/c|med. rec|medical rec.|ur no|ur number|ur #|"
    "chi no|chi number|health number|health card number|health card no|health card #|phn|m.r. no|hospital mrn|hospital unit|"
    "hosp. number|hosp num|hosp id|hosp. id|hosp #|pt num|pt. number|pt. #|patient num|patient code|patient identification|"
    "patient hosp|chart id|chart num|환자등록 번호|환자 등록번호|병원 등록번호|병원등록 번호|병원 번호|진찰권 번호|진료카드 번호|수진자 번호|수검 번호|"
    "의무기록 번호|진료기록 번호|환자 고유번호|환자 식별번호|내원 번호|차트 no|챠트 번호|챠트 no|병록 no|환자 no|환자 코드|"
    "medical file|medical number|medical no|medical id|"
    "hosp. no|pt. no|pt. id|mr#|uhid|empi|patient number|patient #|patient ref|"
    "pt id|pt no|pt number|pt#|pt #|hospital no|hospital number|hospital num|hospital id|hospital #|hosp no|hosp "
    "number|unit no|"
    "unit number|clinic no|clinic number|clinic id|record no|record number|record #|record id|case note|casenote|"
    "case notes|casenotes|mr number|mr no|mr #|차트 번호|환자 번호|진료 번호|병록 번호|환자 id",
    "registered": "등록 번호|등록 no|reg no|reg. no|reg number|registration no|registration number|file no|file number|"
    "file #|file ref|notes for|notes (",
    "brn": "business number|business registration",
    "ssn": "social security|social sec|soc sec|s.s.n|ss number|ss no|ss #|tax id|taxpayer id|taxpayer identification",
    "driver": "photocard|driver number|driver id|driver license|driver licence|driver's license|driver's licence|drivers license|drivers licence|"
    "driving licence|driving license|operator license|operator's license|state id|learner's permit|learner permit|"
    "provisional licence|license no|license number|licence no|licence number|license #|licence #|"
    "d.l.|lic #|lic#|lic no|lic. no|lic number|driver lic|drivers lic",
    "passport": "photo page|data page|bio page|pass port|travel doc|travel doc.|ppt no|ppt #|여권 번호|여권 no|passportno|passportnumber|passport card|passport book|travel document|pp no|pp number|pp #",
    "nhs": "n.h.s|nhsnumber|nhsno|nhsid",
    "service": "toll free|customer service|customer services|customer care|customer support|support line|main line|"
    "front desk|help desk|help line|head office|press office|box office|booking line|bookings line|reservations line|"
    "main office|main number|general enquiries",
    "phone": "문의 전화|전화 번호|집 번호|my number's|my number is|his number is|her number is|number's",
    "card": "credit card|card number|debit card|gift card",
    "bank": "hana bank|hanabank|keb hana",
    "routing": "transit number|transit no|r/t",
    "account": "bank details|acc:|acc #|acc num|ac no|ac number|account nr|accno|sortcode|sort:|sort no|account #|s/c a/c|accountnumber|accountno|acctno|acctnum|acc no|acc number|acc. no|bank acc|sort code",
    "holder": "account opened|account since|account id|account code|account holder|account holder's|account manager|account owner|account executive|account name|"
    "account rep|ach debit|ach credit|direct debit|debit card ending",
    "dob": "birth date|d o b|d/o/b|date-of-birth|출생 일자|생년 월일|생 년 월 일|birth date|date of birth|place of birth|b.|(생)",
    "other": "license key|licence key|license plate|licence plate|licence code|license code|deposit slip|routing slip|"
    "record locator|trace number|trace no|trace #|trace id|serial number|check number|"
    "cheque number|quote no|quote number|quote #|quote ref|gift code|member code|prior authorization|birth certificate",
}
TOPIC_OF = {word: topic for topic, words in _TOPICS.items() for word in words.split()}
TOPIC_OF.update({
    phrase.replace(" ", gap): topic
    for topic, phrases in _PHRASES.items() for phrase in phrases.split("|") for gap in " _-"
})  # fmt: skip
for _topic, _owners, _nouns in (  # what a hospital, a clinic or a dentist calls a patient's number
    ("mrn", "hospital|hosp|hosp.|clinic|dental|patient|patient's|pt|pt's|pt.|chart|medical|med|med.|health",
     "record|records|rec|file|ref|ref.|reference|card|id|id.|number|no|nr|num|#|registration|reg|identifier"),
    ("mrn", "환자|병원|차트|챠트|진료|병록|진찰권|수진자|내원|의무기록|외래|입원|검진|진료카드|원내", "번호|no|id|넘버"),
    ("account", "acc|acct|account|a/c", "no|number|num|nr|nbr|#"),
):  # fmt: skip
    TOPIC_OF.update({
        f"{owner}{gap}{noun}": _topic
        for owner in _owners.split("|") for noun in _nouns.split("|") for gap in (" ", "_", "-", "")
    })  # fmt: skip
_KINDS = (  # of licences that are no driver's
    "software medical nursing nurse's business liquor contractor contractor's pilot pilot's professional fishing "
    "hunting marriage estate adobe windows office microsoft tv television dog pet firearm firearms gun shotgun food "
    "trade plumbing plumber's electrician's electrical broker broker's insurance law teaching teacher's cosmetology "
    "building builder's premises taxi export import radio ham music streaming site enterprise product premium user "
    "volume pharmacy pharmacist's physician's dental cannabis alcohol gaming state-medical rn cpa"
)
_OF_CUSTOMERS = (  # accounts that are no bank's
    "utility water electricity electric gas energy broadband internet cable phone mobile email user customer loyalty "
    "rewards meter tax store trade supplier charge parking toll twitter instagram facebook google apple amazon netflix "
    "steam game gaming github admin service aws guest student library membership subscription"
)
TOPIC_OF.update({f"{kind} account": "other" for kind in _OF_CUSTOMERS.split()})
TOPIC_OF.update({
    f"{kind} {word}": "other"
    for kind in _KINDS.split() for word in ("license", "licence", "lic", "lic.")
})  # fmt: skip
for _weak in ("medical", "hospital", "patient", "business"):  # alone they say nothing about the number that follows
    TOPIC_OF.pop(_weak)
_NEUTRAL = ("date", "holder", "dob", "version", "ip")
AGAINST = frozenset({"other", "date", "version"})  # they speak of the number that follows them, and of no other
# Where a sentence ends; "no. 12" and "Acct. 12" are none.
_END = re.compile(
    r"\n[ \t]*\n|(?<![Nn]o)(?<![Rr]ef)(?<![Tt]el)(?<![Aa]cct)(?<![Nn]um)(?<![A-Za-z]\.[A-Za-z])[.!?][ \n]"
)
_LIST = re.compile(
    r"[^A-Za-z가-힣]*(?:(?:and|or|to|through|및|와|과|또는|no|nos|number|numbers|is|are)[^A-Za-z가-힣]*){0,2}"
)
_VERB = re.compile(
    r"[ ](?:the|my|your|an?|on|in|if|whether|for|purchase|order|status|up|out|with|this|that|all|its?|his|her|eta|when|where|what)\b"
)  # checking the order
_ON = re.compile(
    r"(?:[ ](?:numbers?|no\.?|code|id))?[ ](?:on|in|at|for|from)[ ](?:(?:the|my|your|his|her|our|their|this|that|a)[ ])?(?:[a-z]+[ ])?"
)
_SAYS = re.compile(r"\b(?:is|was|are|were|reads|says|shows|should|will be)\b|:")
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
                end = _shorter(text, word, start)  # "chart num" of "chart numbers": "chart"
                if end:
                    found.append((start, end, TOPIC_OF[text[start:end].lower()]))
                else:
                    end = start + 1  # "bank acc" of "bank account": look for what begins within it
            elif word != "checking" or _VERB.match(low, end) is None:
                found.append((start, end, TOPIC_OF[word]))
            match = _LABEL.search(low, end)
        self._found = found
        self._ends = [end for _, end, _ in found]
        self._topics = {topic for _, _, topic in found}
        self._cells = cells(text, found) if found and ("\n" in text or ":" in text) else []
        self._cell_starts = [cell.start for cell in self._cells]
        self._text = text

    def has(self, topics: Iterable[str]) -> bool:
        """Whether one of the topics is named anywhere."""
        return not self._topics.isdisjoint(topics)

    def in_table(self, place: int) -> bool:
        return self._cell(place) is not None

    def only(self, topics: Iterable[str]) -> bool:
        """Whether one of the topics is named, and no other that could be what a number is."""
        return self.has(topics) and self._topics <= {*topics, *_NEUTRAL}

    def _cell(self, start: int) -> Cell | None:
        """The cell of a table in which it stands."""
        place = bisect_right(self._cell_starts, start) - 1
        return self._cells[place] if place >= 0 and start < self._cells[place].end else None

    def before(self, start: int, reach: int = 40) -> str | None:
        """The topic of the nearest label that ends within `reach` characters before; None without one.

        One that speaks against personal data counts for the first number behind it, or for a list of them, within its
        sentence. In a table it is the head of the column, unless a label stands in the cell itself.
        """
        place = bisect_right(self._ends, start) - 1
        cell = self._cell(start) if self._cells else None
        if cell is not None and (place < 0 or self._found[place][0] < cell.start):
            return cell.topic  # the head of its column
        while place >= 0 and start - self._ends[place] <= reach:
            if place and self._beside(place, start):
                place -= 1
                continue
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

    def _beside(self, place: int, start: int) -> bool:
        """Whether the label only says where the thing named before it stands: "the policy number on the chart was"."""
        first = self._ends[place - 1]
        label, end, _ = self._found[place]
        return (
            0 < label - first <= 24
            and _ON.fullmatch(self._text, first, label) is not None
            and _SAYS.search(self._text, end, start) is not None
        )

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


def _shorter(text: str, word: str, start: int) -> int:
    """The end of the longest label that the word begins with and that is a whole word; 0 without one."""
    for size in range(len(word) - 1, 1, -1):
        if word[:size] in TOPIC_OF and _whole(text, start, start + size):
            return start + size
    return 0


def _whole(text: str, start: int, end: int) -> bool:
    """Whether it is a whole word, also in the plural, before a Korean particle, or as a part of `patientMrnValue`."""
    before = text[start - 1] if start else ""
    if before.isalpha() and before.isascii() and not (text[start].isupper() and before.islower()):
        return False
    if not text[end - 1].isalnum():
        return True  # pt#A4482
    after = text[end : end + 2]
    if after[:1] == "-" and after[1:].isalpha() and text[end - 3 : end].lower() == " no":
        return False  # patient no-shows
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
