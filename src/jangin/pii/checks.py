"""Check digits and dates: what tells an identifier from a number that only looks like one."""

from __future__ import annotations

from datetime import date

FIRST_WITHOUT_CHECK = date(2020, 10, 5)  # Korean registration numbers given since then end in random digits


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        digit = int(character)
        total += digit if place % 2 == 0 else sum(divmod(2 * digit, 10))
    return total % 10 == 0


def card(digits: str) -> bool:
    """A payment card: its issuer's range has this length, and the check digit holds. 9 is Korea's domestic range."""
    size, first = len(digits), digits[0]
    if size == 16:
        known = first in "4569" or "22" <= digits[:2] <= "27" or digits[:2] == "35"
    elif size == 15:
        known = digits[:2] in ("34", "37")
    elif size == 14:
        known = digits[:2] in ("30", "36", "38", "39")
    elif size == 13:
        known = first == "4"
    else:
        known = size <= 19 and digits[:2] in ("62", "60", "63", "50", "56", "57", "58", "67")
    return known and len(set(digits)) > 1 and luhn(digits)


_RRN_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


def registration(digits: str) -> tuple[date | None, bool]:
    """(day of birth, whether the check digit holds) of a Korean registration number; None is a day that never was.

    Sexes 1, 2 (citizens) and 5, 6 (foreigners) were born in the 1900s, 3, 4 and 7, 8 in the 2000s.
    """
    sex = int(digits[6])
    century = 1900 if sex in (1, 2, 5, 6) else 2000
    day = day_of(century + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    if day is not None and day > date.today():
        day = None
    total = sum(weight * int(digit) for weight, digit in zip(_RRN_WEIGHTS, digits))
    expected = ((13 if sex >= 5 else 11) - total % 11) % 10
    return day, expected == int(digits[12])


_BRN_WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3, 5)


def business(digits: str) -> bool:
    """The check digit of a Korean business registration number (10 digits)."""
    total = sum(weight * int(digit) for weight, digit in zip(_BRN_WEIGHTS, digits)) + int(digits[8]) * 5 // 10
    return (10 - total % 10) % 10 == int(digits[9]) and len(set(digits)) > 1


def nhs(digits: str) -> bool:
    """The check digit of an NHS number (10 digits, modulus 11)."""
    check = 11 - sum((10 - place) * int(digit) for place, digit in enumerate(digits[:9])) % 11
    return check != 10 and check % 11 == int(digits[9]) and len(set(digits)) > 1


def ssn(digits: str) -> bool:
    """A number that the Social Security Administration may have given: no area 000, 666 or 9xx, no group of zeros."""
    return digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"


def itin(digits: str) -> bool:
    """An individual taxpayer identification number: 9xx, and a middle group that the IRS gives out."""
    return digits[0] == "9" and (50 <= int(digits[3:5]) <= 65 or 70 <= int(digits[3:5]) <= 99) and digits[3:5] != "93"


def routing(digits: str) -> bool:
    """An American bank's routing number: 9 digits, a Federal Reserve prefix, weights 3, 7, 1 modulus 10."""
    prefix = int(digits[:2])
    known = prefix <= 12 or 21 <= prefix <= 32 or 61 <= prefix <= 72 or prefix == 80
    total = sum(weight * int(digit) for weight, digit in zip((3, 7, 1) * 3, digits))
    return len(digits) == 9 and known and total % 10 == 0 and len(set(digits)) > 1


# Characters of an IBAN by country (the registry's published lengths).
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip


def iban(code: str) -> bool:
    """ISO 13616: upper case, the country's length, and modulus 97 is 1."""
    if IBAN_LENGTHS.get(code[:2]) != len(code):
        return False
    return int("".join(str(int(character, 36)) for character in code[4:] + code[:4])) % 97 == 1


def day_of(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
