"""American and British street addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.common_words import PLACES
from jangin.pii.places import STATE_NAMES, STATES
from jangin.pii.postcodes import by_postcode, with_country
from jangin.pii.spans import Span
from jangin.pii.words import words

_LONG = (
    "street|avenue|road|boulevard|drive|lane|court|terrace|circle|parkway|highway|crescent|gardens|"
    "grove|mews|close|square|place|way|"
    "row|hill|trail|loop|alley|plaza|walk|rise|quay|wharf|yard|turnpike|broadway|embankment|heights|"
    "path|ridge|run|pike|park|view|green"
)
_SHORT = "st|ave|rd|blvd|dr|ln|ct|ter|cir|pkwy|hwy|cres|sq|pl|trl"
_POSTCODE = r"[A-Z]{1,2}[0-9][A-Z0-9]?[ ]?[0-9][A-Z]{2}"
_WORD = r"(?:[A-Za-z][A-Za-z'’.-]{0,19}|[0-9]{1,3}(?:st|nd|rd|th))"
_STREET = re.compile(
    r"(?<![0-9A-Za-z.,/$£€#-])(?P<number>(?:[0-9]{1,4}/)?[0-9]{1,6}(?:-[0-9]{1,4})?[A-Za-z]?)[ ,]{1,2}"
    rf"(?P<name>(?:{_WORD}[ ]{{1,2}}){{1,6}}?)(?P<kind>{_LONG}|"
    rf"{_SHORT})\b(?P<dot>\.?)(?P<dir>[ ](?:NW|NE|SW|SE|North|South|East|West|[NSEW])\b\.?)?",
    re.IGNORECASE,
)
_BROADWAY = re.compile(
    r"(?<![0-9A-Za-z.,/$£€#-])[0-9]{1,5}[ ](?:[NSEW]\.?[ ]|North |South |East |West )?(?:Broadway|"
    r"The Strand|Strand|Piccadilly|Kingsway|Avenue [A-Z]|(?:US |State )?(?:Route|Highway|"
    r"Hwy) [0-9]{1,3}|(?:County Road|County Rd\.?|CR|State Route|Route|Rte\.?|Highway|Hwy\.?|FM|SR) [0-9]{1,4}[A-Z]?)\b"
)
_KOREAN_UNIT = (
    r"(?:(?:Apt\.?|Unit|Bldg\.?|Building|Room|Rm\.?|Suite|No\.?|#)?[ "
    r"]?[0-9A-Z][0-9-]{0,8}(?:-?(?:dong|ho|F))?,?[ ]{1,2})"
)
_KOREAN_AREA = r"(?:,?[ ][A-Z][A-Za-z]{1,14}(?:-(?:gu|si|gun|do|dong|eup|myeon|ri))?)"
_ROMANISED = re.compile(
    rf"(?<![0-9A-Za-z-])(?:{_KOREAN_UNIT}){{0,2}}(?:[A-Z][A-Za-z]{{1,15}}[ ](?:Apt\.?|Apartments?|Villa|Xi|"
    rf"Hillstate),?[ ])?"
    r"(?<![0-9A-Za-z-])[0-9]{1,4}(?:-[0-9]{1,4})?,?[ ](?:[A-Z][A-Za-z0-9]{1,20}-?(?:daero|ro|gil)(?:[ "
    r"]?[0-9]{1,4}(?:beon)?"
    rf"-?gil)?|[A-Z][a-z]{{1,14}}-(?:dong|ri)(?=,?[ ][A-Z][a-z]+-(?:gu|si|gun|eup|myeon))){_KOREAN_AREA}{{0,4}}"
    r"(?:,?[ ][0-9]{5}(?![0-9]))?(?:,[ ](?:South |Republic of )?Korea)?(?:,?[ ][0-9]{5}(?![0-9]))?"
)
_BOX = re.compile(r"\b(?:P\.?[ ]?O\.?|Post Office)[ ]?Box[ ]{1,2}[0-9]{1,6}\b", re.IGNORECASE)
_UNIT = re.compile(
    r",?[ \n]{0,2}(?:(?:apt|apartment|unit|suite|ste|flat|floor|fl|room|rm|bldg|"
    r"building)\.?[ ]?#?[ ]?[A-Za-z0-9-]{1,6}|#[ ]?[A-Za-z0-9-]{1,6}"
    r"|[0-9]{1,2}(?:st|nd|rd|th)[ ]floor)\b|[ ]\([0-9A-Za-z/]{1,5}\)",
    re.IGNORECASE,
)
_CITY = r"[A-Z][A-Za-z.'’-]{1,19}(?:[ ](?:[A-Z][A-Za-z.'’-]{1,19}|upon|on|of|de)){0,3}"
_STATE = "(?:" + "|".join([*STATE_NAMES, *STATES]) + "|D\\.C\\.)"
_CITY_STATE = re.compile(
    rf"[,\n]?[ \n]{{0,2}}(?:(?P<city>{_CITY}),?[ \n]{{1,2}})?{_STATE}(?![A-Za-z])(?:[ "
    rf",]{{1,3}}[0-9]{{5}}(?:-[0-9]{{4}})?(?![0-9]))?"
)
_CITY_ZIP = re.compile(rf",[ \n]{{0,2}}{_CITY},?[ ][0-9]{{5}}(?:-[0-9]{{4}})?(?![0-9])")
_UK_TAIL = re.compile(rf"(?:[,\n][ \n]{{0,2}}{_CITY}){{0,3}}[ ,\n]{{1,3}}{_POSTCODE}(?![A-Za-z0-9])")
_PROVINCES = "AB|BC|MB|NB|NL|NS|ON|PE|QC|SK|YT|NT|NU|Ontario|Quebec|Alberta|British Columbia|Manitoba|Nova Scotia"
_CANADIAN = re.compile(
    rf",?[ \n]{{0,2}}(?:{_CITY},?[ ])?(?:{_PROVINCES})(?:,?[ ][A-Z][0-9][A-Z][ ]?[0-9][A-Z][0-9])?(?![A-Za-z0-9])"
)
_AUSTRALIAN = re.compile(
    rf",?[ \n]{{0,2}}(?:{_CITY},?[ ])?(?:NSW|VIC|QLD|WA|SA|TAS|ACT|NT)[ ,]{{1,2}}[0-9]{{4}}(?![0-9])"
)
_IRISH = re.compile(
    rf"(?:[,\n][ \n]{{0,2}}(?:Co\.?[ ])?{_CITY}(?:[ ][0-9]{{1,2}})?){{0,3}}[ ,\n]{{1,3}}[A-Z][0-9][0-9W][ "
    rf"]?[A-Z0-9]{{4}}(?![A-Za-z0-9])"
)
_TOWN = re.compile(rf",?[ ](?P<town>{_CITY})(?:[ ][A-Z]{{1,2}}[0-9][A-Z0-9]?(?![A-Za-z0-9]))?")
_CITY_ALONE = re.compile(rf",[ ]{_CITY}(?=[.,;\n)]|$| (?:and|but|please|if|so|since|now|is)\b)")
_FLAT_BEFORE = re.compile(
    r"(?:(?:Flat|Apartment|Apt\.?|Unit|Suite|Ste\.?|Room|House|Studio|Block|Blk\.?|Bldg\.?|Building|Floor|Level|"
    r"Lot|Tower)[ ]#?"
    r"(?:[A-Za-z]{0,2}[/-]?"
    r"[0-9][A-Za-z0-9/-]{0,6}|[A-Za-z](?![A-Za-z])),?[ \n]{1,2}|(?:[0-9]{1,2}(?:st|nd|rd|th)|Top|Ground|First|"
    r"Second|Third|Basement|Upper|"
    r"Lower)[ ]"
    r"(?:Floor Flat|Floor|Flat),?[ \n]{1,2}|(?<![0-9/])[0-9GB]{1,2}/[0-9]{1,2},[ ]|(?:The )?(?:[A-Z][a-z]+[ "
    r"]){1,3}(?:House|Cottage|Lodge|Farm|Barn|"
    r"Rectory|Vicarage|"
    r"Hall|Mill|Court|Tower|Building|Apartments|Villa|Mansions|Point|Wharf),[ ]){1,3}$",
    re.IGNORECASE,
)
# A firm's premises: "the store at", "our branch on".
_PREMISES = re.compile(
    r"\b(?:store|shop|branch|office|restaurant|warehouse|clinic|hospital|museum|hotel|depot|station|headquarters|"
    r"HQ|showroom|"
    r"outlet|plant|library|church|school|venue|pharmacy|gym|cafe|theatre|theater|garage|surgery)(?:'s)?"
    r"(?:[ ](?:is[ ])?(?:located[ ])?(?:at|on|in)[ ]|,[ ]|[ ]?[(:][ ]?)$",
    re.IGNORECASE,
)
_POSTCODE_LABELLED = re.compile(rf"post[ ]?code(?: is|:| of)?[ ]{{1,2}}({_POSTCODE})(?![A-Za-z0-9])", re.IGNORECASE)
_SHORT_KINDS = frozenset(_SHORT.split("|"))
_LABEL = re.compile(
    r"(?:address|live|lives|living|reside|ship|deliver|located|moved?|home|mail|send|sent|at|house|"
    r"property|from|to|is)\b[^0-9\n]{0,20}$",
    re.IGNORECASE,
)
_NOT_NAMES = frozenset(
    words("""
    a an the of in on at to for and or with from by this that my your our their is was are be as into per down up off
    out more people minutes hours days weeks months years times items orders percent miles blocks steps cars men women
    kids ways lanes pm am not new it we you i they he she will would can best only just right last next first other
    each every most any
""")
)


def english_addresses(text: str) -> Iterator[Span]:
    for match in _STREET.finditer(text):
        if not _street(text, match):
            continue
        start, end = match.start(), match.end()
        if _PREMISES.search(text, max(0, start - 40), start):
            continue
        yield _whole(text, start, end, 0.85)
    for start, end, entity, score in by_postcode(text):
        if not _PREMISES.search(text, max(0, start - 40), start):
            yield Span(start, end, entity, score)
    for pattern in (_BROADWAY, _BOX):
        for match in pattern.finditer(text):
            yield _whole(text, match.start(), match.end(), 0.86)
    if "-ro" in text or "-gil" in text or "daero" in text or "-dong" in text:
        for match in _ROMANISED.finditer(text):
            yield Span(*match.span(), "LOCATION", 0.85)
    for match in _POSTCODE_LABELLED.finditer(text):
        yield Span(*match.span(1), "LOCATION", 0.7)


def _street(text: str, match: re.Match) -> bool:
    words = match["name"].split()
    kind, short = match["kind"], match["kind"].lower() in _SHORT_KINDS
    if "," in text[match.end("number") : match.start("name")] and not _placed(text, match):
        return False  # Series 9, Sport Loop
    if len(match["number"]) > 5 and "," in text[match.end("number") : match.start("name")]:
        return False  # chart no. is 403242, filed under Pike
    if words == ["The"] and kind[0].isupper():  # 9 The Crescent, Bath BA1 2LR
        return _UK_TAIL.match(text, match.end()) is not None
    if any(word.lower().strip(".") in _NOT_NAMES for word in words) or any(
        word.endswith(".") and len(word) > 3 for word in words
    ):
        return False
    proper = all(word[0].isupper() or word[0].isdigit() for word in words) and kind[0].isupper()
    if proper:
        if kind.lower() == "dr" and re.match(
            r"[ ][A-Z][a-z]+(?![a-z]*,? [A-Z]{2}\b)", text[match.end() : match.end() + 40]
        ):
            return False  # "at 10 See Dr. Smith"
        if (
            kind.lower()
            in ("way", "park", "run", "view", "green", "path", "place", "hill", "ridge", "heights", "row", "plaza")
            and len(words) == 1
        ):
            return _placed(text, match)
        return True
    if short and kind.lower() not in ("st", "ave", "rd", "blvd", "ln"):
        return False
    if kind.lower() in (
        "way",
        "park",
        "run",
        "view",
        "green",
        "path",
        "place",
        "hill",
        "row",
        "walk",
        "rise",
        "close",
        "square",
        "yard",
    ):
        return False
    return bool(_LABEL.search(text[max(0, match.start() - 30) : match.start()]))


def _placed(text: str, match: re.Match) -> bool:
    """Whether a town, a flat or a postcode follows, or a word of living there stands before."""
    tails = (_UK_TAIL, _UNIT, _CITY_STATE, _CITY_ZIP, _IRISH, _CANADIAN, _AUSTRALIAN)
    return any(tail.match(text, match.end()) for tail in tails) or bool(
        _LABEL.search(text[max(0, match.start() - 30) : match.start()])
    )


def _whole(text: str, start: int, end: int, score: float) -> Span:
    before = _FLAT_BEFORE.search(text, max(0, start - 40), start)
    if before:
        start = before.start()
    for _ in range(2):
        unit = _UNIT.match(text, end)
        if unit:
            end = unit.end()
    for tail in (_UK_TAIL, _IRISH, _AUSTRALIAN, _CANADIAN, _CITY_STATE, _CITY_ZIP, _CITY_ALONE):
        found = tail.match(text, end)
        if found:
            end = found.end()
            break
    else:
        town = _TOWN.match(text, end)
        if town and town["town"].split(" ")[0] in PLACES:
            end = town.end()
    return Span(start, with_country(text, end), "LOCATION", score)
