"""One text, one form: normalisation shared by data, training and serving, and the keys that find equal texts."""

from __future__ import annotations

import re
import unicodedata

from jangin.types import Input

MAX_CHARS = 100_000  # a longer input is reported and refused

_SEPARATORS = re.compile("[\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_INVISIBLE = re.compile("\ufeff")
_TRAPS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_NOT_A_WORD = re.compile(r"[\W_]+")
_ASCII_WORDS = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(128))
_HANGUL = re.compile("[\uac00-\ud7a3\u1100-\u11ff\u3130-\u318f]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")


def normalise_text(text: str) -> str:
    """Canonical composition (NFC); control characters become spaces, U+2028 and U+2029 newlines, U+FEFF goes."""
    if _TRAPS.search(text):
        text = _INVISIBLE.sub("", _CONTROLS.sub(" ", _SEPARATORS.sub("\n", text)))
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def traps(text: str) -> list[str]:
    """Which encoding traps a raw text holds: 'separators', 'controls', 'not_nfc'. Empty for most texts."""
    found = []
    if _SEPARATORS.search(text):
        found.append("separators")
    if _CONTROLS.search(text) or _INVISIBLE.search(text):
        found.append("controls")
    if not unicodedata.is_normalized("NFC", text):
        found.append("not_nfc")
    return found


def plain_text(given: Input) -> str:
    """The text that tells one input from another: chat messages joined, without the system prompt that all share."""
    if isinstance(given, str):
        return given
    spoken = [message["content"] for message in given if message["role"] not in ("system", "developer")]
    return "\n".join(spoken or [message["content"] for message in given])


def verbatim_key(text: str) -> str:
    """Equal for texts that differ by case and white space only."""
    return " ".join(text.casefold().split())


def bare_key(text: str) -> str:
    """Equal for texts that differ by case, white space and punctuation only.

    A text of punctuation alone keeps its verbatim key: '?' and '!!!' are not the same text.
    """
    if text.isascii():  # the same result, five times as fast
        return " ".join(text.translate(_ASCII_WORDS).split()) or verbatim_key(text)
    return _NOT_A_WORD.sub(" ", text.casefold()).strip() or verbatim_key(text)


def script_of(text: str) -> str:
    """'ko', 'en' or 'other', by script: Korean when at least a fifth of the letters are Hangul, else Latin letters."""
    hangul, latin = len(_HANGUL.findall(text)), len(_LATIN.findall(text))
    letters = sum(map(str.isalpha, text))
    if not letters:
        return "other"
    if hangul >= letters / 5:
        return "ko"
    return "en" if latin >= letters / 2 else "other"
