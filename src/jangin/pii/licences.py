"""What a driver's licence number looks like: America's state by state, and Britain's."""

from __future__ import annotations

import re

from jangin.pii.words import words

# Separators left out; "L7" is a letter and seven digits, "*" nine of either.
_FORMATS = {
    "Alabama": "7|8", "Alaska": "7", "Arizona": "L8|9", "Arkansas": "8|9", "California": "L7", "Colorado": "9",
    "Connecticut": "9", "Delaware": "6|7", "Florida": "L12", "Georgia": "7|8|9", "Hawaii": "L8|9",
    "Idaho": "LL6L|9", "Illinois": "L11|L12", "Indiana": "10|L9", "Iowa": "9|3LL4", "Kansas": "L8|9",
    "Kentucky": "L8|L9|9", "Louisiana": "8|9", "Maine": "7|8|7L", "Maryland": "L12|LL7", "Massachusetts": "L8|9|LL7",
    "Michigan": "L12|L10", "Minnesota": "L12", "Mississippi": "9", "Missouri": "L5|L6|L7|L8|L9|9|3L6|8LL|9L",
    "Montana": "9|13|14", "Nebraska": "L6|L7|L8", "Nevada": "9|10|12|L8", "New Hampshire": "2LLL5|LLL8",
    "New Jersey": "L14", "New Mexico": "8|9", "New York": "8|9|L7|L18", "North Carolina": "7|8|9|10|11|12",
    "North Dakota": "LLL6|9", "Ohio": "LL6|8|L7", "Oklahoma": "L9|9", "Oregon": "7|8|9|L6", "Pennsylvania": "8",
    "Rhode Island": "7|8|L6", "South Carolina": "6|7|8|9|10|11", "South Dakota": "8|9|10|12", "Tennessee": "7|8|9",
    "Texas": "7|8", "Utah": "6|7|8|9|10", "Vermont": "8|7L", "Virginia": "L8|L9|9|12", "Washington": "LLL*",
    "West Virginia": "L6|LL5|7", "Wisconsin": "L13", "Wyoming": "9|10", "Columbia": "7|9",
}  # fmt: skip


def _pattern(formats: str) -> re.Pattern[str]:
    written = re.sub("[0-9]+", lambda match: f"[0-9]{{{match[0]}}}", formats)
    return re.compile(written.replace("L", "[A-Z]").replace("*", "[A-Z0-9]{9}"))


_BY_STATE = {state: _pattern(formats) for state, formats in _FORMATS.items()}
STATES = tuple(sorted(_FORMATS, key=len, reverse=True))
STATE_OF = dict(
    zip(
        words("""
    AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI
    SC SD TN TX UT VT VA WA WV WI WY DC
"""),
        _FORMATS,
    )
)
ABBREVIATED = re.compile(  # "R998949231634 (FL)"
    r"(?<![A-Za-z0-9-])(?P<a>(?=[A-Z0-9-]*[0-9]{3})[A-Z0-9](?:-?[A-Z0-9]){5,16})(?:,? \(|, | ?/ ?| out of | from )"
    r"(?P<state>" + "|".join(STATE_OF) + r")(?![A-Za-z0-9])"
)
_STATE = re.compile(r"\b(" + "|".join(STATES) + r")n?\b")


def states_of(text: str) -> list[str]:
    """The states whose names stand in the text."""
    return [match[1] for match in _STATE.finditer(text)]


def fits(value: str, state: str) -> bool:
    """Whether the value, its blanks and hyphens left out, has the shape that the state gives out."""
    return _BY_STATE[state].fullmatch(re.sub("[ -]", "", value).upper()) is not None


_BRITISH = re.compile(r"[A-Z9]{5}[0-9](?:[05][1-9]|[16][0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9][A-Z9]{2}[0-9A-Z]{3}")


def british(value: str) -> bool:
    """Five letters of the surname, the date of birth among six digits (month + 50 for women), two initials, a check."""
    return len(value) == 16 and _BRITISH.fullmatch(value.upper()) is not None
