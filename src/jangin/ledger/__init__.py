"""The ledger: one row per request, committed before the answer's last byte leaves."""

from jangin.ledger.book import Ledger
from jangin.ledger.row import Filter, Page, Row, Texts, Totals

__all__ = ["Filter", "Ledger", "Page", "Row", "Texts", "Totals"]
