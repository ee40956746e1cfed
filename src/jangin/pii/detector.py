"""Detector: every rule over one text, overlaps resolved; whatever goes wrong, nothing is released."""

from __future__ import annotations

import re
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator

from jangin.errors import InputError, JanginError, PiiError
from jangin.pii import identifiers, korean_ids
from jangin.pii.announced import announced
from jangin.pii.births import births
from jangin.pii.english_addresses import english_addresses
from jangin.pii.english_names import english_names
from jangin.pii.european_addresses import european_addresses
from jangin.pii.ip_addresses import ip_addresses
from jangin.pii.korean_addresses import korean_addresses
from jangin.pii.korean_names import korean_names
from jangin.pii.labels import Labels
from jangin.pii.phones import phones
from jangin.pii.presidio import Base
from jangin.pii.spans import Span, resolve
from jangin.pii.view import View

LANGUAGES = ("en", "ko")
MAX_CHARACTERS = 4_000_000
TIMEOUT_S = 20.0
_WINDOW, _OVERLAP = 16_000, 400  # no rule looks further than the overlap
_DIGIT = re.compile("[0-9]")
_FOUR_DIGITS = re.compile("[0-9][^0-9]{0,4}[0-9][^0-9]{0,4}[0-9][^0-9]{0,4}[0-9]")
_WASHINGTON = re.compile("[A-Z]{7}[0-9]{3}[A-Z0-9]{2}")  # a licence with three digits only
_HANGUL = re.compile("[가-힣]{2}")
_LATIN = re.compile("[A-Za-z]{2}")
_BIRTH = re.compile(r"생일|출생|생년|birth|\bborn\b|\bd\.?o\.?b\b", re.IGNORECASE)
_SPELT = re.compile("공[일1]공")
_BROKEN = re.compile("(?<=[0-9])[ ]?\n[ ]?(?=[0-9])")
# Entity -> topics of which one must stand before a number that a line break cuts within a group of digits.
_ANNOUNCED = {
    "KR_RRN": ("rrn",), "KR_FRN": ("frn", "rrn"), "KR_DRIVER_LICENSE": ("driver",), "KR_BUSINESS_NUMBER": ("brn",),
    "KR_BANK_ACCOUNT": ("bank", "account"), "CREDIT_CARD": ("card",), "US_SSN": ("ssn",), "UK_NHS": ("nhs",),
    "MEDICAL_RECORD_NUMBER": ("mrn",), "PHONE_NUMBER": ("phone",), "US_BANK_NUMBER": ("account", "routing"),
    "PASSPORT": ("passport",), "KR_PASSPORT": ("passport",), "US_DRIVER_LICENSE": ("driver",),
}  # fmt: skip
_UNSHAPED = ("US_BANK_NUMBER", "MEDICAL_RECORD_NUMBER", "PASSPORT", "US_DRIVER_LICENSE")
_LONG_ENOUGH = re.compile("[0-9]{6}")  # three digits on each side of the break
_GOES_ON = re.compile(r"[ -]?[A-Za-z0-9]")


class Detector:
    """Finds personal data in English and Korean, also in one text.

    Args:
        languages: of "en" and "ko"; leaving one out leaves out its names and addresses, never an identifier.
        presidio: Presidio's recognisers as the base, with the extra `pii`. False is for callers that only report, as
            `jangin check` does.
        timeout_s: of one text; a slower one is an error, as every failure of a rule is.
    Raises: InputError for another language; MissingExtraError without Presidio.
    """

    def __init__(self, languages: Iterable[str] = LANGUAGES, *, presidio: bool = True, timeout_s: float = TIMEOUT_S):
        self.languages = tuple(languages)
        unknown = [language for language in self.languages if language not in LANGUAGES]
        if unknown or not self.languages:
            raise InputError(
                f"personal data in {unknown[0]!r} cannot be looked for" if unknown else "no language to look in",
                f"languages: {', '.join(LANGUAGES)}",
            )
        self.timeout_s = timeout_s
        self._base = Base() if presidio else None
        self.rules: list[Callable[[str, Labels], Iterable[Span]]] = [self._identifiers, self._prose]

    def find(self, text: str) -> list[Span]:
        """The spans of personal data, in order, without overlap; `text[start:end]` is the value.

        Raises: PiiError when a rule fails, when it takes longer than `timeout_s`, or for a text beyond 4,000,000
        characters. The message never holds the text.
        """
        if len(text) > MAX_CHARACTERS:
            raise PiiError(
                f"a text of {len(text):,} characters is too long to be looked through ({MAX_CHARACTERS:,} at most); "
                "nothing was released",
                "split it",
            )
        try:
            return self._found(text)
        except JanginError:
            raise
        except Exception as error:  # noqa: BLE001  # a detector that failed has found nothing out: let nothing pass
            raise PiiError(
                f"the detector of personal data failed ({type(error).__name__}); nothing was released"
            ) from None

    def _found(self, text: str) -> list[Span]:
        deadline = time.monotonic() + self.timeout_s
        view = View(text)
        spans: list[Span] = []
        for offset, window in _windows(view.text):
            labels = Labels(window)
            for rule in self.rules:
                for start, end, entity, score in rule(window, labels):
                    start, end = view.original(offset + start, offset + end)
                    spans.append(Span(start, end, entity, score))
                if time.monotonic() > deadline:
                    raise PiiError(
                        f"a text of {len(text):,} characters was not looked through within {self.timeout_s:g} s; "
                        "nothing was released",
                        "split it, or give the detector more time",
                    )
        return resolve(text, spans)

    def _identifiers(self, text: str, labels: Labels) -> Iterator[Span]:
        """What is written in digits or with an @."""
        yield from structured(text, labels)
        yield from _rejoined(text, labels)
        if self._base is not None and ("@" in text or _FOUR_DIGITS.search(text)):
            yield from self._base.find(text, labels)

    def _prose(self, text: str, labels: Labels) -> Iterator[Span]:
        """Names and postal addresses."""
        digits = _DIGIT.search(text) is not None
        if "ko" in self.languages and _HANGUL.search(text):
            if digits:
                yield from korean_addresses(text)
            yield from korean_names(text)
        if "en" in self.languages and _LATIN.search(text):
            if digits:
                yield from english_addresses(text)
                yield from european_addresses(text)
            yield from english_names(text)


def structured(text: str, labels: Labels | None = None) -> Iterator[Span]:
    """All identifiers of one window of plain text, without Presidio; `jangin check` shares it."""
    yield from identifiers.emails(text)
    if not _FOUR_DIGITS.search(text) and not _WASHINGTON.search(text):
        if _SPELT.search(text):
            yield from phones(text, labels or Labels(text))
        if _BIRTH.search(text) and _DIGIT.search(text):
            yield from births(text, labels or Labels(text))
        return
    labels = labels or Labels(text)
    korean = _HANGUL.search(text) is not None
    yield from phones(text, labels)
    yield from korean_ids.registrations(text, labels)
    yield from korean_ids.businesses(text, labels)
    yield from korean_ids.licences(text, labels)
    yield from korean_ids.passports(text, labels, korean)
    yield from korean_ids.accounts(text, labels)
    yield from identifiers.cards(text, labels)
    yield from identifiers.ibans(text)
    yield from identifiers.social_security(text, labels)
    yield from identifiers.nhs_numbers(text, labels)
    yield from ip_addresses(text, labels)
    yield from announced(text, labels, korean)
    yield from births(text, labels)


def _rejoined(text: str, labels: Labels) -> Iterator[Span]:
    """Numbers that a line break cuts within a group of digits: `15882922\\n6439`, read once more without the break."""
    breaks = [match.span() for match in _BROKEN.finditer(text)] if "\n" in text else []
    breaks = [(start, end) for start, end in breaks if not labels.in_table(start - 1)]
    if not breaks:
        return
    pieces, starts, removed, place = [], [], 0, 0  # starts: where in the joined text a break was
    for start, end in breaks:
        pieces.append(text[place:start])
        starts.append(start - removed)
        removed += end - start
        place = end
    joined = "".join([*pieces, text[place:]])
    labels = Labels(joined)
    gaps = [0]
    for start, end in breaks:
        gaps.append(gaps[-1] + end - start)
    for start, end, entity, _ in structured(joined, labels):
        first, last = bisect_right(starts, start), bisect_left(starts, end)
        if first < last and entity in _ANNOUNCED and labels.before(start) in _ANNOUNCED[entity]:
            # Whole where nothing but the number stands on the second line; "... 39360154\n7718 Elm St" is two things.
            whole = entity in _UNSHAPED and not _GOES_ON.match(joined, end) and last - first == 1
            whole = whole and _LONG_ENOUGH.match(joined, starts[first] - 3) is not None
            yield Span(start + gaps[first], end + gaps[last], entity, 0.85 if whole else 0.5)


def _windows(text: str) -> Iterator[tuple[int, str]]:
    """(offset, piece): the whole of a short text, else pieces that overlap and end at a blank where there is one."""
    if len(text) <= _WINDOW:
        yield 0, text
        return
    start = 0
    while True:
        end = min(len(text), start + _WINDOW)
        if end < len(text):
            blank = max(text.rfind(" ", end - _OVERLAP, end), text.rfind("\n", end - _OVERLAP, end))
            end = blank if blank > 0 else end
        yield start, text[start:end]
        if end >= len(text):
            return
        blank = text.find(" ", end - _OVERLAP, end)
        start = blank + 1 if blank >= 0 else end - _OVERLAP
