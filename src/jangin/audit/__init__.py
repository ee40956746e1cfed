"""The audit log: acts on this installation and what left it, hash-chained, with signed heads to keep elsewhere."""

from jangin.audit.chain import Entry, Head
from jangin.audit.log import AuditLog
from jangin.audit.verify import Verified, verify

__all__ = ["AuditLog", "Entry", "Head", "Verified", "verify"]
