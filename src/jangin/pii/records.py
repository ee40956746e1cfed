"""Medical record numbers without a label of their own: behind the word patient, on the lists and in the talk of a "
"ward."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.identifiers import HEALTH
from jangin.pii.labels import Labels
from jangin.pii.shapes import COMPACT_DATE, dated
from jangin.pii.spans import Span

HOSPITAL = re.compile(
    "환자|병원|진료|외래|입원|원무|의원|내원|산모|신생아|검사|판독|병동|처방|간호|수술|퇴원|응급|[내외안치]과|"
    "소아과|산부인과|피부과|"
    "비뇨|채혈|혈액|초음파|내시경|투약|복용|회진|중환자|병실|주치의|협진|진단|접종|예방|검진|물리치료|재활|투석|"
    "항암|마취|전원|이송|"
    "혈압|체온|당뇨|차트|의무기록|보호자|CT|MRI|EMR"
)
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
    r"(?<![A-Za-z])(?:[Pp]atients?|[Pp]ts?\.?|PT|[Ii]npatient|[Oo]utpatient)[ ]{1,2}(?:[Nn]o\.?|#|ID|id|"
    r"[Nn]umber)?[ ]?[:(]?"
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
_SEX_AGE = re.compile(
    r"(?<![A-Za-z0-9])(?:[MF][ ]?/[ ]?[0-9]{1,3}|[0-9]{1,3}[ ]?/[ ]?[MF]|[0-9]{1,3}[ ]?세)[ ,/|)]{1,4}"
    r"(?P<a>[A-Z]{0,2}[0-9]{6,9})(?![0-9A-Za-z.,:-]*[0-9])"
)
# "for record 0082-4417", "MR 448217"
_IN_RECORD = re.compile(
    r"(?<![A-Za-z])(?:[Rr]ecord|MR)[ :#]{1,2}(?P<a>[A-Z]{0,3}-?[0-9]{4}[0-9-]{1,8}(?<!-))(?![0-9A-Za-z]|[.,/][0-9])"
)
# "Her record at St Luke's is under number 4482177"
_UNDER = re.compile(
    r"(?<![A-Za-z])(?:[Rr]ecords?|[Ff]iles?|[Nn]otes|[Cc]hart)[ ](?:at|with|from|in|is|are)[ ](?:[^.\n0-9:]|"
    r"St\.){0,40}?(?:number|no\.?|under|#)[ :]"
    r"{1,2}(?P<a>[A-Z]{0,3}-?[0-9]{5,10})(?![0-9A-Za-z]|[.,/-][0-9])"
)
_RECORD = re.compile(r"(?<![A-Za-z0-9])MRN?-[0-9]{2,}(?:-[0-9]{2,}){0,3}(?![A-Za-z0-9])")
_SIX_DIGITS = re.compile("[0-9]{4}-?[0-9]{2}")


def records(text: str, labels: Labels, korean: bool) -> Iterator[Span]:
    if "atient" in text or "pt" in text or "Pt" in text or "PT" in text:
        for match in _PATIENT.finditer(text):
            if not dated(match["a"], False):
                yield Span(*match.span("a"), "MEDICAL_RECORD_NUMBER", 0.62)
    if "환자" in text:
        yield from _korean_records(text)
    if "MR" in text and (labels.has(("mrn",)) or "record" in text):
        for match in _RECORD.finditer(text):
            yield Span(*match.span(), "MEDICAL_RECORD_NUMBER", 0.75)
    if not _SIX_DIGITS.search(text):
        return
    yield from _rows(text)
    if korean and _WARD.search(text):
        for match in _BARE_KOREAN.finditer(text):
            start, end = match.span()
            if (
                labels.before(start) is None
                and labels.after(end, 4) is None
                and not COMPACT_DATE.fullmatch(match.group())
            ):
                yield Span(start, end, "MEDICAL_RECORD_NUMBER", 0.55)


def _rows(text: str) -> Iterator[Span]:
    """Numbers of patients that no label announces, in texts of health care."""
    health: bool | None = None
    lists = ((_KOREAN_ROW, 2), (_ENGLISH_ROW, 2)) if "\n" in text else ()
    for pattern, least in (*lists, (_AGE_SEX, 1), (_SEX_AGE, 1), (_IN_RECORD, 1), (_UNDER, 1)):
        matches = list(pattern.finditer(text))
        if len(matches) < least:
            continue
        if health is None:
            health = HOSPITAL.search(text) is not None or HEALTH.search(text) is not None
        for match in matches if health else ():
            value = match["a"]
            if not COMPACT_DATE.fullmatch(value) and not value.startswith("01") and not dated(value, False):
                start, end = match.span("a")
                yield Span(start, end, "MEDICAL_RECORD_NUMBER", 0.6)


def _korean_records(text: str) -> Iterator[Span]:
    for match in _PATIENT_NUMBER.finditer(text):
        part = "a" if match["a"] else "b"
        value = match[part].rstrip("-")
        if not dated(value, False) and not value.startswith("01"):
            start = match.start(part)
            yield Span(start, start + len(value), "MEDICAL_RECORD_NUMBER", 0.62)
