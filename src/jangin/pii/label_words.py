"""Which words say what a number is: topic by word or phrase, in lower case."""

from __future__ import annotations

_TOPICS = {
    "phone": "전화 연락처 휴대폰 휴대전화 핸드폰 핸폰 폰번호 폰번 모바일 유선 번호로연락 연락주 통화 문자 카톡 "
    "콜백 팩스 자택번호 집전화 집번호 본가 자택 친정 처가 시댁 직통 "
    "phone telephone telephon tel ph ph# phne phon cell cellphone mob mobile call calling called text texted fax faxed "
    "whatsapp phoned dialed dialled messaged telephoned sms ring dial landline voicemail "
    "contact reach reached callback landlines bleep",
    "service": "대표번호 발신번호 대표전화 고객센터 콜센터 상담센터 고객상담 무료전화 hotline helpline "
    "toll-free tollfree "
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
    "account": "account acct accts acnt accnt acount accout a/c checking savings deposit iban bsb dda acct# "
    "a/c# 어카운트",
    "routing": "routing routng rtg rtn aba aba# 라우팅 라우팅번호 "
    "라우팅넘버",  # of an American bank: nine digits with a check digit
    "card": "카드 카드번호 신용카드 체크카드 card visa mastercard amex cvc cvv credit debit",
    "passport": "여권 여권번호 passport passports pasport passprt pssport mrz ppt pp# 여권no",
    "driver": "운전면허 면허 면허증 면허번호 운전면허번호 driver drivers driver's driving dl dln cdl dvla licence "
    "license lisence liscence licens dmv mvc d/l d/l# lic lic.",
    "mrn": "의무기록 진찰권 환자등록번호 병원등록번호 차트 챠트 환자고유번호 환자코드 환자식별번호 진료기록번호 "
    "수검번호 수진번호 진찰카드번호 진료카드 병록 mrn mrns emr ehr "
    "crn hrn urn hn urno umrn ihi nhi hcn m.r.n wristband facesheet chart medical hospital patient",
    "registered": "등록번호 등록no reg.no",  # of a patient only where a hospital is spoken of
    "dob": "생년월일 생일 출생 태어난 태어났 생년 생월 birth dob d.o.b born birthday birthdate bday b-day "
    "birthdt brithday "
    "dateofbirth birth_date date_of_birth",
    "ssn": "사회보장번호 ssn ssns ssn's social soical itin ss# ss#: ssn#",
    "nhs": "nhs",
    "ip": "ip 아이피 접속지 ipv4 ipv6 address server host router gateway vpn 서버 접속 로그인",
    "version": "버전 version versions ver 펌웨어 firmware build release 릴리스 업데이트 update v",
    "other": "주문 주문번호 송장 송장번호 운송장 운송장번호 등기번호 등기 배송번호 접수번호 접수 예약번호 "
    "승인번호 거래번호 관리번호 "
    "문서번호 사건번호 모델 모델명 제품번호 상품번호 상품코드 품번 일련번호 시리얼 영수증 쿠폰 "
    "쿠폰번호 인증번호 바코드 우편번호 "
    "계약번호 증권번호 회원번호 고객번호 사번 학번 수험번호 티켓 문의번호 참조번호 코드 부품 도면 특허 출원 "
    "고유번호 법인등록번호 법인 차대번호 "
    "isbn issn sku imei iccid serial order orders invoice tracking ticket receipt model part product reference ref "
    "case coupon barcode confirmation booking reservation transaction po parcel shipment batch lot item code "
    "policy version build commit patent docket claim voucher promo asin upc ean vin microchip chip hash timestamp "
    "lottery accession csn fin consignment waybill awb "
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
    "mrn": "pat id|pat. id|patid|px no|px id|"
    "unit record|outpatient no|outpatient no.|outpatient number|inpatient no|inpatient no.|inpatient number|"
    "mrnumber|case sheet|pmi|opd no|opd number|ipd no|patient acct|patient account|patient's acct|"
    "patient's account|patient acc no|patient a/c|medical rec.|ur no|ur number|ur #|chi no|chi number|"
    "health card number|health card no|health card #|phn|m.r. no|hospital mrn|hospital unit|"
    "patient code|patient identification|patient hosp|환자등록 번호|환자 등록번호|병원 등록번호|병원등록 번호|"
    "수검 번호|진료기록 번호|"
    "환자 고유번호|환자 식별번호|환자 코드|mr#|uhid|empi|unit no|unit number|record no|record number|record #|"
    "record id|case note|casenote|case notes|casenotes|mr number|mr no|mr #",
    "registered": "등록 번호|등록 no|reg no|reg. no|reg number|registration no|registration number|file no|file number|"
    "file #|file ref|notes for|notes (",
    "brn": "business number|business registration",
    "ssn": "social security|social sec|soc sec|s.s.n|ss number|ss no|ss #|tax id|taxpayer id|taxpayer identification",
    "driver": "motor vehicle record|motor vehicle|driving record|driver record|"
    "motorcycle permit|motorcycle license|motorcycle licence|real id|instruction permit|driving permit|"
    "temporary permit|"
    "photocard|driver number|driver id|driver license|driver licence|driver's license|driver's licence|"
    "drivers license|drivers licence|"
    "driving licence|driving license|operator license|operator's license|state id|learner's permit|learner permit|"
    "provisional licence|license no|license number|licence no|licence number|license #|licence #|"
    "d.l.|lic #|lic#|lic no|lic. no|lic number|driver lic|drivers lic",
    "passport": "pp:|"
    "photo page|data page|bio page|pass port|travel doc|travel doc.|ppt no|ppt #|여권 번호|여권 no|"
    "passportno|passportnumber|passport card|passport book|travel document|pp no|pp number|pp #",
    "nhs": "n.h.s|nhsnumber|nhsno|nhsid",
    "service": "toll free|customer service|customer services|customer care|customer support|support line|main line|"
    "front desk|help desk|help line|head office|press office|box office|booking line|bookings line|reservations line|"
    "main office|main number|general enquiries",
    "phone": "leave msg|leave message|leave a message|leave msg w|"
    "문의 전화|전화 번호|집 번호|my number's|my number is|his number is|her number is|number's",
    "card": "credit card|card number|debit card",
    "bank": "hana bank|hanabank|keb hana",
    "routing": "transit number|transit no|r/t",
    "account": "bank details|acc:|acc #|acc num|ac no|ac number|account nr|accno|sortcode|sort:|sort no|account #|"
    "accountnumber|accountno|acctno|acctnum|acc no|acc number|acc. no|bank acc|sort code",
    "holder": "social media|social distancing|social worker|social services|social care|social network|social club|"
    "account opened|account since|account id|account code|account holder|account holder's|"
    "account manager|account owner|account executive|account name|"
    "account rep|ach debit|ach credit|direct debit|debit card ending",
    "dob": "dates of birth|birth dates|"
    "birth date|d o b|d/o/b|date-of-birth|출생 일자|생년 월일|생 년 월 일|birth date|date of birth|place "
    "of birth|"
    "b.|(생)",
    "other": "requisition no|requisition number|requisition #|"
    "loyalty number|loyalty no|rewards number|frequent flyer|frequent flyer number|known traveler "
    "number|account review|"
    "with error|"
    "bid #|bid no|fcc id|contract no|contract number|contract #|project no|job no|job number|job #|"
    "permit no|lease no|license agreement|licence agreement|license count|license server|license file|license "
    "renewal|licence application|license application|gift card|loyalty card|library card|"
    "accounts receivable|acct receivable|account receivable|accounts payable|chart of accounts|error "
    "code|lottery number|part no|"
    "ofsted urn|school urn|bill of lading|account statement|"
    "group no|group number|group #|insurance group|insurance no|insurance number|member id|member no|member "
    "number|subscriber id|plan id|meeting id|meeting number|conference id|webinar id|zoom meeting|access code|"
    "catalog no|catalogue no|drawing no|queue number|receipt number|license fee|licence fee|license cost|licence "
    "cost|account balance|"
    "license key|licence key|license plate|licence plate|licence code|license code|deposit slip|routing slip|"
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
    ("mrn", "환자|병원|차트|챠트|진료|병록|진찰권|수진자|내원|의무기록|외래|입원|검진|진료카드|원내",
     "번호|no|id|넘버"),
    ("account", "acc|acct|account|a/c", "no|number|num|nr|nbr|#"),
):  # fmt: skip
    TOPIC_OF.update({
        f"{owner}{gap}{noun}": _topic
        for owner in _owners.split("|") for noun in _nouns.split("|") for gap in (" ", "_", "-", "")
    })  # fmt: skip
_KINDS = (  # of licences that are no driver's
    "software seat medical nursing nurse nurse's real-estate business liquor contractor contractor's pilot pilot's "
    "professional fishing "
    "hunting marriage estate adobe windows office microsoft tv television dog pet firearm firearms gun shotgun food "
    "trade plumbing plumber's electrician's electrical broker broker's insurance law teaching teacher's cosmetology "
    "building builder's premises taxi export import radio ham music streaming site enterprise product premium user "
    "volume pharmacy pharmacist's physician's dental cannabis alcohol gaming state-medical rn cpa"
)
_OF_CUSTOMERS = (  # accounts that are no bank's
    "utility water electricity electric gas energy broadband internet cable phone mobile email user customer loyalty "
    "rewards meter tax store trade supplier charge parking toll twitter instagram facebook google apple amazon netflix "
    "steam game gaming airline airlines miles mileage hotel heating hydro merchant gl ledger expense github "
    "admin service aws guest student library membership subscription"
)
TOPIC_OF.update({
    f"{kind} {word}": "other"
    for kind in _OF_CUSTOMERS.split() for word in ("account", "acct", "acct.", "acc", "a/c")
})  # fmt: skip
TOPIC_OF.update({
    f"{kind} {word}": "other"
    for kind in _KINDS.split() for word in ("license", "licence", "lic", "lic.")
})  # fmt: skip
for _weak in ("medical", "hospital", "patient", "business"):  # alone they say nothing about the number that follows
    TOPIC_OF.pop(_weak)
WEAK = frozenset(("my number's", "my number is", "his number is", "her number is", "number's"))  # of a phone, mostly
NEUTRAL = ("date", "holder", "dob", "version", "ip")
AGAINST = frozenset({"other", "date", "version"})  # they speak of the number that follows them, and of no other
