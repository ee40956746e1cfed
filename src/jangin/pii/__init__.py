"""Personal data: found in English and Korean, replaced by placeholders, put back. See docs/pii.md."""

from jangin.pii.detector import Detector
from jangin.pii.redact import Redacted, Redactor, Restorer, Vault
from jangin.pii.spans import ENTITIES, Span

__all__ = ["ENTITIES", "Detector", "Redacted", "Redactor", "Restorer", "Span", "Vault"]
