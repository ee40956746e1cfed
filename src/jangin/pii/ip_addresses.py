"""IP addresses, and four numbers with dots in between that are versions or sections."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from jangin.pii.labels import Labels
from jangin.pii.spans import Span

_IPV4 = re.compile(r"(?<![0-9A-Za-z.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9])(?!\.[0-9])(?![A-Za-z-])")
_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{1,4}:{1,2}|::){2,8}(?:[0-9A-Fa-f]{1,4})?(?![0-9A-Za-z:])")
_IP_SAYS = ("ip",)
_MACHINE = re.compile(  # right before an address
    r"(?:(?<![A-Za-z])(?:hosts?|agent|node|client|peer|src|dst|source|destination|remote|remote_addr|ssh|ping|"
    r"pinged|subnet|"
    r"dns|proxy|printer|laptop|desktop|camera|nas|switch|firewall|server|router|gateway|ip|inet|addr)[ "
    r"=:(\[\"']{1,3}|@|//)$|"
    r"(?:서버|접속|주소|아이피|접속지)[ :은는이가]{0,3}$",
    re.IGNORECASE,
)
_PLACED = re.compile(
    r"(?:(?<![A-Za-z])(?:at|on|is|via|address)|(?:pulled|pushed|came|connect\w*|logged in|logs? ?in|requests?|"
    r"fetched|downloaded|"
    r"deployed|hit|blocked|attempts?|traffic|sent)(?: \w+)? (?:from|to|by))[ ]$",
    re.IGNORECASE,
)
_A_WORD = re.compile(  # right before: the name of what has such a version
    r"(?<![A-Za-z])(?!(?:from|to|by|and|or|with|through|against|for|over|using|reach|of|as|than|not|the|was|are)[ ])"
    r"[A-Za-z]+[ ]$",
    re.IGNORECASE,
)
_TAG = re.compile("[A-Za-z]:$")  # nginx:1.25.3.1
_UPGRADE = re.compile(
    r"(?<![A-Za-z])(?:up|down)grad\w+|(?<![A-Za-z])(?:OID|RFC|kernel|driver)(?![A-Za-z])", re.IGNORECASE
)
_CHAPTER = re.compile(
    r"(?:sections?|chapters?|clauses?|paragraphs?|para|sec\.|§|articles?|annex|page|p\.|항목|[장절])[ ]{0,2}$", re.I
)


def ip_addresses(text: str, labels: Labels) -> Iterator[Span]:
    """Not loopback, not the addresses that mean 'any' or 'everybody', not versions."""
    matches = list(_IPV4.finditer(text))
    for match in matches:
        start, end = match.span()
        parts = match.group().split(".")
        if any(int(part) > 255 or (len(part) > 1 and part[0] == "0") for part in parts):
            continue
        if match.group() == "0.0.0.0" or parts[0] == "127" or match.group().startswith("255."):
            continue
        if _is_version(text, labels, start, end, parts, len(matches) > 1):
            continue
        yield Span(start, end, "IP_ADDRESS", 0.85)
    if text.count(":") < 2:
        return
    for match in _IPV6.finditer(text):
        try:
            address = ipaddress.IPv6Address(match.group())
        except ValueError:
            continue
        if len(match.group()) > 5 and not address.is_loopback and not address.is_unspecified:
            yield Span(*match.span(), "IP_ADDRESS", 0.85)


def _is_version(text: str, labels: Labels, start: int, end: int, parts: list[str], others: bool) -> bool:
    """Whether four numbers are a version, a section or another thing's number, and no address; `others`: whether more
    such numbers stand in the text."""
    topic = labels.topic(start, end, 30)
    machine = _MACHINE.search(text, max(0, start - 20), start) is not None
    if labels.naming(start) in ("version", "other") or _CHAPTER.search(text, max(0, start - 14), start):
        return True
    if (
        _UPGRADE.search(text, max(0, start - 40), start)
        and not machine
        and not _PLACED.search(text, max(0, start - 30), start)
    ):
        return True
    named = _A_WORD.search(text, max(0, start - 16), start) or _TAG.search(text, max(0, start - 2), start)
    if int(parts[0]) < 20 and parts[0] != "10" and named and not others and not machine and topic not in _IP_SAYS:
        return not _PLACED.search(text, max(0, start - 30), start)  # nginx 1.25.3.1
    versions = labels.has(("version",))
    if all(int(part) < 20 for part in parts):
        if parts[0] == "10":
            if machine or _PLACED.search(text, max(0, start - 30), start):
                return False
            return versions or (not others and _A_WORD.search(text, max(0, start - 16), start) is not None)
        return versions or not (machine or topic in _IP_SAYS)
    if machine or topic in _IP_SAYS:
        return False
    private = parts[0] == "10" or parts[:2] == ["192", "168"]
    spoken = topic == "version" or (labels.near(("version",), start, end, 110, 0) and not labels.has(_IP_SAYS))
    return spoken and not private
