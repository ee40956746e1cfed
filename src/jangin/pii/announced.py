"""Numbers without a shape of their own, which only words beside them announce: passports, driver's licences, medical
record numbers, and accounts outside Korea."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii import checks
from jangin.pii.korean_ids import KOREAN_BANK
from jangin.pii.labels import Labels
from jangin.pii.identifiers import HEALTH
from jangin.pii.licences import STATES, british, fits, states_of
from jangin.pii.spans import Span

_PASSPORT = re.compile(
    r"(?<![A-Za-z0-9])(?<![A-Za-z0-9]-)(?:[A-Z]{1,3}[ -]?[0-9]{6,8}[A-Z]?|[0-9]{8,9}|[0-9]{2}[A-Z]{2}[0-9]{5}|[A-Z][0-9][A-Z][0-9]{6}|"
    r"[CFGHJKLMNPRTVWXYZ][0-9CFGHJKLMNPRTVWXYZ]{8})(?![A-Za-z0-9-])",
    re.IGNORECASE,
)
# Letters and digits in one piece, hyphens and slashes inside; or groups of digits with blanks, letters before them.
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?<![A-Za-z0-9]-)(?<!&#)(?=[A-Za-z0-9/-]{0,16}[0-9])[A-Za-z0-9](?:[A-Za-z0-9]|[-/](?=[A-Za-z0-9])){3,19}(?![A-Za-z0-9])"
)
_SPACED = re.compile(
    r"(?<![A-Za-z0-9.,$£€])(?<![A-Za-z0-9]-)(?:(?:[A-Z]{1,2}[ -]?)?[0-9]{2,7}(?:[ -][0-9]{2,6}){1,5}(?:[ -][0-9])?|[A-Z]{1,2}[ ][0-9]{5,8})(?![A-Za-z0-9]|"
    r"[-.,][0-9]| ?[%원])"
)
_DIGITS = re.compile(
    r"(?<![0-9A-Za-z$£€])(?<![0-9A-Za-z]-)(?<!&#)(?<![0-9][.,])[0-9](?:[- ]?[0-9]){5,16}(?![A-Za-z]|-?[0-9]|[.,][0-9])"
)
_DATE = re.compile(r"([0-9]{1,4})[-/ ]([0-9]{1,2})[-/ ]([0-9]{1,4})")
_COMPACT_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_HANGUL = re.compile("[가-힣]")
_HOSPITAL = re.compile(
    "환자|병원|진료|외래|입원|원무|의원|내원|산모|신생아|검사|판독|병동|처방|간호|수술|퇴원|응급|[내외안치]과|"
    "소아과|산부인과|피부과|"
    "비뇨|채혈|혈액|초음파|내시경|투약|복용|회진|중환자|병실|주치의|협진|진단|접종|예방|검진|물리치료|재활|투석|"
    "항암|마취|전원|이송|"
    "혈압|체온|당뇨|차트|의무기록|보호자|CT|MRI|EMR"
)
# 등록번호 of something else than a patient; without one of these words seven or eight digits are a hospital's.
_REGISTERS = re.compile(
    "사업|회원|차량|자동차|특허|상표|법인|협회|자격|면허|제품|수입|건설|출판|농약|비료|기기|선박|동물|장애|보훈|외국인|주민|"
    "식품|업체|상점|단체|의약품|화장품|디자인|저작권|기업|공장|어선|학원|공연|숙박|여행업|통신판매|대부업|반려|도서|품목|자재"
)
_NO_PATIENTS = re.compile(r"vehicle|\bcar\b|van\b|company|charity|\bVAT\b|trade ?mark|nurs\w+ reg|GMC|NMC", re.I)
_PRESSURE = re.compile("[0-9]{2,3}/[0-9]{2,3}")  # of blood: 148/82
_ENDS_IN_WORDS = re.compile(r"(?:/[A-Za-z]+)+$")
# Seven to nine bare digits in the talk of a ward are a patient's.
_WARD = re.compile(
    "환자|외래|입원|병동|퇴원|처방|진료|수술|수혈|회진|병실|응급실|협진|내원|투석|원무|간호|주치의|차트|채혈|투약|낙상|산모"
)
_BARE_KOREAN = re.compile(
    r"(?<![0-9A-Za-z가-힣.,/#-])[0-9]{7,9}(?![0-9A-Za-z]|[-./,:][0-9]|[ ]?(?:원|건|명|개|회|만|번|호))"
)
_PATIENT_NUMBER = re.compile(
    r"환자[ :(#]{0,3}(?P<a>[A-Z]{0,2}[0-9][0-9-]{4,11})(?![0-9])|(?<![0-9A-Za-z-])(?P<b>[0-9][0-9-]{4,11})번?[ ]?환자"
)
_PATIENT = re.compile(
    r"(?<![A-Za-z])(?:[Pp]atients?|[Pp]ts?\.?|PT|[Ii]npatient|[Oo]utpatient)[ ]{1,2}(?:[Nn]o\.?|#|ID|id|[Nn]umber)?[ ]?[:(]?"
    r"(?P<a>[A-Z]{0,3}-?[0-9]{5,9}|[A-Z]{1,3}[0-9]{2,4}-[0-9]{2,5})(?![0-9A-Za-z-])"
)
# Rows of a list of patients: a name and a number, on two lines or more.
_KOREAN_ROW = re.compile(
    r"^[-*· ]{0,3}(?:[0-9]{1,2}[.)호] ?)?[가-힣]{2,4}[ \t,|/(:]{1,3}(?P<a>[0-9]{6,9})(?![0-9-])", re.M
)
_ENGLISH_ROW = re.compile(
    r"^[-*• ]{0,3}(?:(?:Bed )?[0-9]{1,2}[.): ]{1,2})?[A-Z][A-Za-z'’-]{1,18}(?:,? [A-Z][A-Za-z'’.-]{0,18}){0,2}"
    r"[ \t,|/(:-]{1,3}(?P<a>[A-Z]{0,2}[0-9]{6,9})(?![0-9A-Za-z-])",
    re.M,
)
# Age and sex beside a number, in a text of health care: "20448217 / 62세 남", "4482177 F/61".
_AGE_SEX = re.compile(
    r"(?<![0-9A-Za-z가-힣#-])(?P<a>[A-Z]{0,2}[0-9]{6,9})[ ,/|(]{1,4}(?:[가-힣A-Za-z]{2,12}[ ,/|(]{1,4})?"
    r"(?:[MF][ ]?/[ ]?[0-9]{1,3}|[0-9]{1,3}[ ]?/[ ]?[MF]|[0-9]{1,3}[ ]?(?:세|yo|y/o|yrs?|[MF])|남|여)(?![A-Za-z])"
)
_RECORD = re.compile(r"(?<![A-Za-z0-9])MRN?-[0-9]{2,}(?:-[0-9]{2,}){0,3}(?![A-Za-z0-9])")
_OLD_WASHINGTON = re.compile(r"(?<![A-Z0-9*])[A-Z]{2}[A-Z*]{5}[0-9][0-9A-Z*]{4}(?![A-Z0-9*])")
_LICENCE_WORD = re.compile(
    r"li[cs]en[cs]e?|\blic\b|\bD/L\b|\bC?DL\b|\bDVLA\b|\bDMV\b|\bMVC\b|\bsoundex\b|\bpermit\b", re.IGNORECASE
)
_BRITISH = re.compile(
    r"(?<![A-Za-z0-9])[A-Z9]{5}[ ]?[0-9]{6}[ ]?[A-Z9]{2}[ ]?[0-9A-Z][ ]?[A-Z]{2}(?![A-Za-z0-9])", re.I
)
_STATED = re.compile(  # "ID Texas 08847172": a card of identity and the state, without the word licence
    r"(?<![A-Za-z])(?:(?:ID|I\.D\.|photo id|identification)(?: shown| card| checked| seen| no\.?| number| #| is| was| from)?"
    r"[ :,(-]{1,3}(?=(?:" + "|".join(STATES) + r")[ :,)#-])|(?=(?:" + "|".join(STATES) + r") (?:ID|driver|state ID)\b))"
    r"(?P<state>"
    + "|".join(STATES)
    + r")(?: (?:ID|driver|state ID))?(?:,? (?:card )?(?:reads|shows|says|number|no\.?))?"
    r"[ :,)#-]{1,3}(?P<a>[A-Z0-9](?:[ -]?[A-Z0-9]){5,15})(?![A-Za-z0-9])"
)
_SORTED = re.compile(
    r"(?<![0-9-])(?P<sort>[0-9]{2}([- ])[0-9]{2}\2[0-9]{2})(?:[ ,;|/]{1,3}|[ ]?\n)"
    r"(?:(?:and |& )?(?:acc(?:oun)?t?\.?|a/c)?[ ]?(?:no\.?|number|num)?[ :]{0,2})?(?P<account>[0-9]{8})(?![0-9-])",
    re.I,
)
_PAYS = re.compile(
    r"(?<![A-Za-z])(?:pa(?:y|id|yments?|yee|ying)|refund\w*|transfer\w*|details|BACS|CHAPS|standing order|mandate|"
    r"send|sent|money|salary|wages|pension|rent|deposit|bank\w*|barclays|lloyds|hsbc|natwest|santander|monzo|starling|"
    r"nationwide|halifax|rbs|tsb|sort|account|acc|acct|a/c)(?![A-Za-z])",
    re.I,
)
_QUANTITY = re.compile(r"[ ]?(?:years?|months?|%|년|건|명|원|개|회|만|억|people|patients|beds|visits|appointments)")
_NINE = re.compile(r"[0-9](?:[- ]?[0-9]){8}(?![0-9])")
_BANKING = re.compile(
    r"(?<![A-Za-z])(?:routing|MICR|ABA|RTN|ACH|wires?|wiring|deposits?|banks?|banking|checking|savings|acct|account|"
    r"credit union|payroll|"
    r"void(?:ed)? che(?:ck|que)|checks|cheques|checkbook|direct deposit)(?![A-Za-z])",
    re.IGNORECASE,
)
_BANK_NAMED = re.compile(
    r"(?:\b[A-Z][a-z]+ (?:Bank|Credit Union|Federal|FCU|Savings)|\b(?:Chase|Citibank|Wells Fargo|BofA|Bank of America))"
    r"(?: account| acct)?[ :,(#]{1,3}$"
)
_PAIRED = re.compile(
    r"[ ]{0,2}(?:[/,;:|&+⑆⑈⑉-]|ABA|RTN|routing|rtg|transit|R/T|and|then|to|with|acct\.?|account|no\.?|#|\n|[ ]){0,4}[ ]{0,2}",
    re.IGNORECASE,
)
_NO_ROUTING = frozenset(("ssn", "passport", "driver", "mrn", "phone", "card", "nhs", "other"))
_SAYS_ELSE = frozenset(("ssn", "phone", "account", "routing", "mrn", "card", "passport", "nhs", "other", "brn", "bank"))


def announced(text: str, labels: Labels, korean: bool) -> Iterator[Span]:
    if labels.has(("passport",)):
        yield from _passports(text, labels)
    if labels.has(("mrn", "registered", "driver")) or (_LICENCE_WORD.search(text) and states_of(text)):
        yield from _tokens(text, labels)
    if labels.has(("account", "routing")) or (_NINE.search(text) and _BANKING.search(text)):
        yield from _accounts(text, labels, korean)
    if "atient" in text or "pt" in text or "Pt" in text:
        for match in _PATIENT.finditer(text):
            if not _dated(match["a"], False):
                yield Span(*match.span("a"), "MEDICAL_RECORD_NUMBER", 0.62)
    if "환자" in text:
        yield from _korean_records(text)
    if _SIX.search(text):
        yield from _rows(text)
        if korean and _WARD.search(text):
            for match in _BARE_KOREAN.finditer(text):
                start, end = match.span()
                if labels.topic(start, end) is None and not _COMPACT_DATE.fullmatch(match.group()):
                    yield Span(start, end, "MEDICAL_RECORD_NUMBER", 0.55)
        for match in _STATED.finditer(text):
            if fits(match["a"], match["state"]):
                yield Span(*match.span("a"), "US_DRIVER_LICENSE", 0.7)
        for match in _SORTED.finditer(text):
            if _PAYS.search(text):
                yield Span(*match.span("sort"), "US_BANK_NUMBER", 0.77)
                yield Span(*match.span("account"), "US_BANK_NUMBER", 0.77)
        for match in _BRITISH.finditer(text):
            if british(re.sub(" ", "", match.group())) and labels.topic(*match.span()) != "other":
                yield Span(*match.span(), "US_DRIVER_LICENSE", 0.8)
    if "MR" in text and (labels.has(("mrn",)) or "record" in text):
        for match in _RECORD.finditer(text):
            yield Span(*match.span(), "MEDICAL_RECORD_NUMBER", 0.75)


_SIX = re.compile("[0-9][- ]?[0-9][- ]?[0-9][- ]?[0-9][- ]?[0-9]")


def _rows(text: str) -> Iterator[Span]:
    """Numbers of patients that no label announces, in texts of health care."""
    health: bool | None = None
    for pattern, least in ((_KOREAN_ROW, 2), (_ENGLISH_ROW, 2), (_AGE_SEX, 1)):
        matches = list(pattern.finditer(text))
        if len(matches) < least:
            continue
        if health is None:
            health = _HOSPITAL.search(text) is not None or HEALTH.search(text) is not None
        for match in matches if health else ():
            value = match["a"]
            if not _COMPACT_DATE.fullmatch(value) and not value.startswith("01"):
                yield Span(*match.span("a"), "MEDICAL_RECORD_NUMBER", 0.6)


def _topic(text: str, labels: Labels, start: int, end: int) -> str | None:
    """The nearest label before, from further away when no other number stands in between; or else the one after."""
    found = labels.before(start, 40)
    if found is None:
        found = labels.before(start, 75)
        if found is not None and any(map(str.isdigit, text[max(0, start - 40) : start])):
            found = None
    return found or labels.after(end, 20)


def _passports(text: str, labels: Labels) -> Iterator[Span]:
    """By the shapes of many countries; by any shape right behind the word."""
    alone = labels.only(("passport",))
    for match in _PASSPORT.finditer(text):
        start, end = match.span()
        digits = sum(map(str.isdigit, match.group()))
        german = digits >= 2 and match.group().isupper() and labels.before(start, 14) == "passport"
        topic = labels.topic(start, end)
        if (digits >= 5 or german) and topic == "passport":
            yield Span(start, end, "PASSPORT", 0.8)
        elif alone and digits >= 7 and 8 <= digits + match.group()[0].isalpha() <= 9 and topic in (None, "passport"):
            yield Span(start, end, "PASSPORT", 0.6)  # "mine is 544821781 and hers 544821770, both passports are ..."
    for pattern in (_TOKEN, _SPACED):
        for match in pattern.finditer(text):
            (start, end), value = match.span(), match.group()
            digits, size = sum(map(str.isdigit, value)), sum(map(str.isalnum, value))
            if digits < 5 or not 7 <= size <= 12 or _dated(value, False) or _COMPACT_DATE.fullmatch(value):
                continue
            if _topic(text, labels, start, end) == "passport":
                yield Span(start, end, "PASSPORT", 0.55)  # below every shape that is known


def _korean_records(text: str) -> Iterator[Span]:
    for match in _PATIENT_NUMBER.finditer(text):
        part = "a" if match["a"] else "b"
        value = match[part].rstrip("-")
        if not _dated(value, False) and not value.startswith("01"):
            start = match.start(part)
            yield Span(start, start + len(value), "MEDICAL_RECORD_NUMBER", 0.62)


def _tokens(text: str, labels: Labels) -> Iterator[Span]:
    states = states_of(text) if _LICENCE_WORD.search(text) else []
    sole, sole_driver = labels.only(("mrn",)), labels.only(("driver",)) and not states and not _HANGUL.search(text)
    for pattern in (_SPACED, _TOKEN):
        for match in pattern.finditer(text):
            (start, end), value = match.span(), match.group()
            if "/" in value:
                value = _ENDS_IN_WORDS.sub("", value)  # D4482177/exp
                end = start + len(value)
            if _PRESSURE.fullmatch(value):
                continue
            digits = sum(map(str.isdigit, value))
            size = sum(map(str.isalnum, value))
            if digits < 3 or digits > 18 or (digits == 3 and size < 9):
                continue
            if digits <= 4 and value.isdigit() and text[max(0, start - 4) : start] == " of ":
                continue  # the medical records of 2061 patients
            topic = _topic(text, labels, start, end)
            if topic in ("dob", "phone", "nhs", "registered") and labels.joined(start, "mrn"):
                topic = "mrn"
            if topic == "registered" and (
                _HOSPITAL.search(text)
                or (not _NO_PATIENTS.search(text) and HEALTH.search(text))
                or (value.isdigit() and 7 <= digits <= 8 and not _REGISTERS.search(text))
            ):
                topic = "mrn"
            if topic is None and digits >= 6 and (sole or sole_driver):  # nothing else is spoken of in the whole text
                if not (_QUANTITY.match(text, end) or _dated(value, False) or _COMPACT_DATE.fullmatch(value)):
                    yield Span(start, end, "MEDICAL_RECORD_NUMBER" if sole else "US_DRIVER_LICENSE", 0.5)
                continue
            if topic == "mrn":
                if _QUANTITY.match(text, end):
                    continue
                if digits < 5 and labels.before(start, 40) != "mrn" and labels.after(end, 20) != "mrn":
                    continue
                if (digits >= 4 or size >= 9) and not _dated(value, labels.before(start, 6) == "mrn"):
                    yield Span(start, end, "MEDICAL_RECORD_NUMBER", 0.75)
                continue
            if _HANGUL.search(text, max(0, start - 30), start) or _dated(value, False):
                continue
            named = topic == "driver" and (digits >= 5 or size >= 9) and (pattern is _TOKEN or size >= 8)
            shaped = bool(states) and topic not in _SAYS_ELSE and any(fits(value, state) for state in states)
            if named or shaped or (british(value) and _LICENCE_WORD.search(text)):
                yield Span(start, end, "US_DRIVER_LICENSE", 0.75)


def _dated(value: str, labelled: bool) -> bool:
    """Whether it reads as a date; right behind its label only one with a year of four digits."""
    match = _DATE.fullmatch(value)
    if match is None:
        return False
    first, second, third = (int(group) for group in match.groups())
    year_first = len(match[1]) == 4 and 1900 <= first < 2100 and second <= 12 and third <= 31
    year_last = len(match[3]) == 4 and 1900 <= third < 2100 and max(first, second) <= 31 and min(first, second) <= 12
    short = len(match[1]) <= 2 and len(match[3]) == 2 and min(first, second) <= 12 and max(first, second) <= 31
    return year_first or year_last or (short and not labelled)


def _accounts(text: str, labels: Labels, korean: bool) -> Iterator[Span]:
    """US_BANK_NUMBER: accounts by their label, or beside a routing number; routing numbers by check digit and a "
    "bank."""
    routed: list[tuple[int, int]] = []
    plain: list[tuple[int, int]] = []
    korean_bank = KOREAN_BANK.search(text) is not None if labels.has(("routing",)) else None
    for match in _DIGITS.finditer(text):
        (start, end), value = match.span(), match.group()
        if _dated(value, False):
            continue
        topic = _topic(text, labels, start, end)
        digits = re.sub("[^0-9]", "", value)
        banking = topic in ("routing", "account", "bank") or labels.after(end, 20) == "routing" or _BANKING.search(text)
        if banking and checks.routing(digits) and labels.before(start, 20) not in _NO_ROUTING:
            routed.append((start, end))
            yield Span(start, end, "US_BANK_NUMBER", 0.78)
            continue
        if topic == "routing" and labels.near(("account",), start, end, 40, 20):
            topic = "account"
        american = topic == "bank" and (
            korean_bank is False or (not korean and labels.near(("account", "routing"), start, end, 40, 20))
        )
        if topic == "account" or american or (not korean and _BANK_NAMED.search(text, max(0, start - 40), start)):
            yield Span(start, end, "US_BANK_NUMBER", 0.72)
        elif topic is None and len(digits) >= 8 and labels.only(("account", "routing")):
            yield Span(start, end, "US_BANK_NUMBER", 0.5)
            plain.append((start, end))
        else:
            plain.append((start, end))
    for match in _TOKEN.finditer(text):  # with letters in it: a broker's, a credit union's
        (start, end), value = match.span(), match.group()
        digits = sum(map(str.isdigit, value))
        if 6 <= digits < len(value) <= 14 and not value.replace("-", "").isdigit() and not korean:
            if labels.before(start, 12) == "account" and not _dated(value, False) and "/" not in value:
                yield Span(start, end, "US_BANK_NUMBER", 0.6)
    for start, end in plain:  # 061380183 / 8204471435
        for first, last in routed:
            between = text[last:start] if last <= start else text[end:first]
            if _PAIRED.fullmatch(between):
                yield Span(start, end, "US_BANK_NUMBER", 0.7)
