"""Accounts outside Korea: American ones with their routing numbers, British ones with their sort codes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii import checks
from jangin.pii.korean_ids import KOREAN_BANK
from jangin.pii.labels import Labels
from jangin.pii.shapes import DIGITS, QUANTITY, TOKEN, dated, topic_of
from jangin.pii.spans import Span

_SORTED = re.compile(
    r"(?<![0-9-])(?P<sort>[0-9]{2}([- ])[0-9]{2}\2[0-9]{2})(?:[ ,;|/]{1,3}|[ ]?\n)"
    r"(?:(?:and |& )?(?P<word>acc(?:oun)?t?\.?|a/?c)?[ ]?(?:no\.?|number|num)?[ "
    r":]{0,2})?(?P<account>[0-9]{8})(?![0-9-])",
    re.I,
)
_SORTED_BEHIND = re.compile(  # "25203854, sort code 20-44-82"
    r"(?<![0-9-])(?P<account>[0-9]{8})[ ,;/]{1,3}(?:with |and |at |in )?(?:sort(?:[ ]?code)?|s/?c)(?:[ ](?:no\.?|"
    r"number|is))?"
    r"[ :]{1,2}(?P<sort>[0-9]{2}([- ]?)[0-9]{2}\3[0-9]{2})(?![0-9-])",
    re.I,
)
_EIGHT = re.compile("[0-9]{8}(?![0-9])")
_PAYS = re.compile(
    r"(?<![A-Za-z])(?:pa(?:y|id|yments?|yee|ying)|refund\w*|transfer\w*|details|BACS|CHAPS|standing order|mandate|"
    r"send|sent|money|salary|wages|pension|rent|deposit|bank\w*|barclays|lloyds|hsbc|natwest|santander|monzo|starling|"
    r"nationwide|halifax|rbs|tsb|sort|account|acc|acct|a/c)(?![A-Za-z])",
    re.I,
)
_NINE = re.compile(r"[0-9](?:[- ]?[0-9]){8}(?![0-9])")
_BANKING = re.compile(
    r"(?<![A-Za-z])(?:routing|MICR|ABA|RTN|ACH|wires?|wiring|deposits?|banks?|banking|checking|savings|acct|account|"
    r"credit union|payroll|"
    r"(?:void(?:ed)?|my|your|the|a|this|blank|paper|personal) che(?:ck|que)|checks|cheques|checkbook|direct "
    r"deposit)(?![A-Za-z])",
    re.IGNORECASE,
)
_BANK_NAMED = re.compile(
    r"(?:\b[A-Z][a-z]+ (?:Bank|Credit Union|Federal|FCU|Savings)|\b(?:Chase|Citibank|Wells Fargo|BofA|Bank of America))"
    r"(?: account| acct)?[ :,(#]{1,3}$"
)
_PAIRED = re.compile(
    r"[ ]{0,2}(?:[/,;:|&+⑆⑈⑉-]|ABA|RTN|routing|rtg|transit|R/T|and|then|to|with|acct\.?|account|no\.?|#|\n|"
    r"[ ]){0,4}[ ]{0,2}",
    re.IGNORECASE,
)
_APART = 40  # characters between the two of a pair, at most
_NO_ROUTING = frozenset(("ssn", "passport", "driver", "mrn", "phone", "card", "nhs", "other"))


def accounts(text: str, labels: Labels, korean: bool) -> Iterator[Span]:
    """US_BANK_NUMBER: accounts by their label, or beside a routing number or a British sort code; routing numbers by
    check digit and a bank."""
    if _EIGHT.search(text):
        for match in _SORTED.finditer(text):
            if match["word"] or _PAYS.search(text):
                yield Span(*match.span("sort"), "US_BANK_NUMBER", 0.77)
                yield Span(*match.span("account"), "US_BANK_NUMBER", 0.77)
        for match in _SORTED_BEHIND.finditer(text):
            yield Span(*match.span("account"), "US_BANK_NUMBER", 0.77)
            yield Span(*match.span("sort"), "US_BANK_NUMBER", 0.77)
    if not labels.has(("account", "routing")) and not (_NINE.search(text) and _BANKING.search(text)):
        return
    routed: list[tuple[int, int]] = []
    plain: list[tuple[int, int]] = []
    korean_bank = KOREAN_BANK.search(text) is not None if labels.has(("routing",)) else None
    for match in DIGITS.finditer(text):
        (start, end), value = match.span(), match.group()
        if dated(value, labels.naming(start) == "account") or QUANTITY.match(text, end):
            continue
        topic = topic_of(text, labels, start, end)
        digits = re.sub("[^0-9]", "", value)
        banking = topic in ("routing", "account", "bank") or labels.after(end, 20) == "routing" or _BANKING.search(text)
        if banking and checks.routing(digits) and labels.before(start, 20) not in _NO_ROUTING:
            routed.append((start, end))
            yield Span(start, end, "US_BANK_NUMBER", 0.78)
            continue
        if topic == "routing" and len(digits) != 9:
            topic = "account" if len(digits) > 7 else None
        if topic == "routing" and labels.near(("account",), start, end, 40, 20):
            topic = "account"
        american = topic == "bank" and (
            korean_bank is False or (not korean and labels.near(("account", "routing"), start, end, 40, 20))
        )
        if topic == "account" or american or (not korean and _BANK_NAMED.search(text, max(0, start - 40), start)):
            yield Span(start, end, "US_BANK_NUMBER", 0.72)
        else:
            plain.append((start, end))
            if topic is None and len(digits) >= 8 and labels.only(("account", "routing")):
                yield Span(start, end, "US_BANK_NUMBER", 0.5)  # nothing else is spoken of in the whole text
    for match in TOKEN.finditer(text):  # with letters in it: a broker's, a credit union's
        (start, end), value = match.span(), match.group()
        count = sum(map(str.isdigit, value))
        mixed = 6 <= count < len(value) <= 14 and "/" not in value and not value.replace("-", "").isdigit()
        if mixed and not korean and labels.before(start, 12) == "account":
            yield Span(start, end, "US_BANK_NUMBER", 0.6)
    for start, end in plain:  # 061380183 / 8204471435
        for first, last in routed:
            if start - last > _APART or first - end > _APART:
                continue
            between = text[last:start] if last <= start else text[end:first]
            if _PAIRED.fullmatch(between):
                yield Span(start, end, "US_BANK_NUMBER", 0.7)
