"""Identifiers as people write them in chats, letters, notes, forms, logs and tables: test_pii_marked.txt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jangin.pii import ENTITIES, Detector

DETECTOR = Detector(presidio=False)
CODES = {
    "NHS": "UK_NHS", "MRN": "MEDICAL_RECORD_NUMBER", "BANK": "US_BANK_NUMBER", "KBANK": "KR_BANK_ACCOUNT",
    "ADDR": "LOCATION", "TEL": "PHONE_NUMBER", "DOB": "DATE_OF_BIRTH", "PASS": "PASSPORT", "KPASS": "KR_PASSPORT",
    "DL": "US_DRIVER_LICENSE", "KDL": "KR_DRIVER_LICENSE", "SSN": "US_SSN", "CARD": "CREDIT_CARD", "IBAN": "IBAN_CODE",
    "RRN": "KR_RRN", "FRN": "KR_FRN", "BRN": "KR_BUSINESS_NUMBER", "IP": "IP_ADDRESS", "MAIL": "EMAIL_ADDRESS",
}  # fmt: skip
_MARK = re.compile("«([A-Z]+) ([^»]+)»")
LINES = [
    line.replace("\\n", "\n")
    for line in Path(__file__).with_suffix(".txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def read(line: str) -> tuple[str, list[str]]:
    """(the text without its marks, "ENTITY=value" of each)."""
    return _MARK.sub(r"\2", line), [f"{CODES[match[1]]}={match[2]}" for match in _MARK.finditer(line)]


@pytest.mark.parametrize("line", LINES)
def test_identifiers_are_found_to_the_letter_and_nothing_else_is(line: str) -> None:
    text, expected = read(line)
    spans = [span for span in DETECTOR.find(text) if span.entity != "PERSON"]
    assert [f"{span.entity}={text[span.start : span.end]}" for span in spans] == expected


def test_every_identifier_is_among_the_lines() -> None:
    assert set(CODES.values()) == set(ENTITIES) - {"PERSON"}
    assert {code for line in LINES for code, _ in _MARK.findall(line)} == set(CODES)
