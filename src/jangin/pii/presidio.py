"""Presidio's pattern recognisers as the base: their patterns and checks, without its engine, a model or the network.

`AnalyzerEngine` is left out of the way of a request: it costs more than the recognisers themselves, and a pattern that
times out is skipped there with a line in the log, which a redactor must not do. Here the same patterns run over windows
of bounded size, and a time-out is an error. Decision note 0010 has the figures.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jangin.errors import MissingExtraError
from jangin.pii.identifiers import no_mail
from jangin.pii.labels import Labels
from jangin.pii.spans import Span

# Presidio's class -> our entity, and the topics of which one must be named beside the value; None asks for no word.
RECOGNISERS: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "EmailRecognizer": ("EMAIL_ADDRESS", None),
    "IbanRecognizer": ("IBAN_CODE", None),
    "CreditCardRecognizer": ("CREDIT_CARD", ("card",)),
    "KrRrnRecognizer": ("KR_RRN", ("rrn",)),
    "KrFrnRecognizer": ("KR_FRN", ("frn",)),
    "KrBrnRecognizer": ("KR_BUSINESS_NUMBER", ("brn",)),
    "KrPassportRecognizer": ("KR_PASSPORT", ("passport",)),
    "KrDriverLicenseRecognizer": ("KR_DRIVER_LICENSE", ("driver",)),
    "UsSsnRecognizer": ("US_SSN", ("ssn",)),
    "NhsRecognizer": ("UK_NHS", ("nhs",)),
    "IpRecognizer": ("IP_ADDRESS", ("ip",)),
}
PATTERN_TIMEOUT_S = 2.0  # one pattern over one window; they take microseconds


@contextmanager
def without_models() -> Iterator[None]:
    """Presidio imports spaCy, and that PyTorch and transformers wherever they are installed: 260 MB and four seconds
    for models that nothing here uses. In this context they are as if they were not there.

    For a process that has no use of them later: spaCy remembers.
    """
    kept_out = [name for name in ("torch", "transformers") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(kept_out))  # type: ignore[arg-type]  # None: an import of it fails
    try:
        yield
    finally:
        for name in kept_out:
            del sys.modules[name]


def installed() -> bool:
    return importlib.util.find_spec("presidio_analyzer") is not None


def recognisers() -> dict[str, Any]:
    """Presidio's recognisers by class name, the Korean ones on, nothing fetched. Raises: MissingExtraError."""
    if not installed():
        raise MissingExtraError("the detector of personal data", "pii")
    import tldextract
    from presidio_analyzer import predefined_recognizers as library

    suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)  # the list in the package; no fetch, no file

    class OfflineEmailRecognizer(library.EmailRecognizer):
        """Presidio's own asks `tldextract.extract`, which fetches the public suffix list at its first call."""

        def validate_result(self, pattern_text: str) -> bool:
            return suffixes(pattern_text).top_domain_under_public_suffix != ""

    made: dict[str, Any] = {}
    for name in RECOGNISERS:
        kind = OfflineEmailRecognizer if name == "EmailRecognizer" else getattr(library, name)
        made[name] = kind(supported_language="en")  # the engine's filter by language is not used
    return made


class Base:
    """What Presidio's recognisers find, where the words beside it agree."""

    def __init__(self) -> None:
        found = recognisers()  # names the extra where it is missing
        import regex

        flags = regex.DOTALL | regex.MULTILINE | regex.IGNORECASE  # Presidio's own default
        self._made = [
            (
                recogniser,
                entity,
                topics,
                [(regex.compile(each.regex, flags), each.score) for each in recogniser.patterns],
            )
            for name, recogniser in found.items()
            for entity, topics in [RECOGNISERS[name]]
        ]

    def find(self, text: str, labels: Labels) -> Iterator[Span]:
        """Raises: TimeoutError when a pattern does not end."""
        mail = "@" in text
        for recogniser, entity, topics, patterns in self._made:
            if topics is None:
                if entity == "EMAIL_ADDRESS" and not mail:
                    continue
            elif not labels.has(topics):
                continue  # no word of it anywhere: what it found would be dropped
            for pattern, score in patterns:
                for match in pattern.finditer(text, timeout=PATTERN_TIMEOUT_S):
                    value, (start, end) = match.group(), match.span()
                    valid = recogniser.validate_result(value)
                    if valid is False or recogniser.invalidate_result(value):
                        continue
                    if topics is None:
                        if entity == "EMAIL_ADDRESS":  # user=jane@example.org
                            start += value.rfind("=", 0, value.find("@")) + 1
                        if valid and not no_mail(value, text[end : end + 1]):
                            yield Span(start, end, entity, 0.5)
                    elif labels.topic(start, end) in topics:
                        yield Span(start, end, entity, max(0.5, min(score, 0.6)))
