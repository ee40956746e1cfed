"""Addresses in English by their end: from a postcode, or a state with its ZIP code, leftwards to the house number."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.places import STATE_NAMES, STATES
from jangin.pii.spans import Span

_UK = r"[A-Z]{1,2}[0-9][A-Z0-9]?[ ]?[0-9][A-Z]{2}"
_PROVINCES = (
    "AB|BC|MB|NB|NL|NS|ON|PE|QC|SK|YT|NT|NU|Ontario|Quebec|Québec|Alberta|British Columbia|Manitoba|Nova Scotia|"
    r"New Brunswick|Newfoundland|Saskatchewan|P\.?E\.?I\.?"
)
_ANCHOR = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    rf"(?:{'|'.join([*STATE_NAMES, *STATES])}|AA|AE|AP|D\.C\.),?[ ]{{1,2}}[0-9]{{5}}(?:-[0-9]{{4}})?"
    rf"|{_UK}"
    rf"|\(?(?:{_PROVINCES})\)?,?[ ]{{1,2}}[A-Z][0-9][A-Z][ ]?[0-9][A-Z][0-9]"
    r"|(?:NSW|VIC|QLD|SA|TAS|ACT)[ ]{1,2}[0-9]{4}"
    r"|Dublin[ ][0-9]{1,2}(?:,?[ ][A-Z][0-9][0-9W][ ]?[A-Z0-9]{4})?|[A-Z][0-9][0-9W][ ][A-Z0-9]{4}"
    r"|Singapore[ ][0-9]{6}|(?:Auckland|Wellington|Christchurch|Hamilton|Dunedin|Tauranga)[ ][0-9]{4}"
    r"|(?:Mumbai|Delhi|New Delhi|Bengaluru|Bangalore|Chennai|Kolkata|Hyderabad|Pune|Ahmedabad|Jaipur|Kochi)[ "
    r"-]{1,3}[0-9]{6}"
    r"|(?:Hong Kong|Kowloon)"
    r")(?![A-Za-z0-9])"
)
_COUNTRY = re.compile(
    r",?[ \n]{1,2}(?:U\.?S\.?A\.?|United States(?: of America)?|UK|U\.K\.|United Kingdom|England|Scotland|Wales|"
    r"Northern Ireland|"
    r"Ireland|Canada|Australia|New Zealand|India|Singapore|Hong Kong|France|Germany|Deutschland|Italy|Spain|Portugal|"
    r"Netherlands|The Netherlands|Belgium|Switzerland|Austria|Norway|Sweden|Denmark)(?![A-Za-z])"
)
_UNITS = (
    r"Flat|Apartment|Apt\.?|Unit|Suite|Ste\.?|Room|Rm\.?|House|Studio|Block|Blk\.?|Bldg\.?|Building|Floor|Fl\.?|"
    r"Level|Lot|Space|"
    r"Trailer|Villa|Tower|P\.?O\.? Box|PO|Box|PSC|RR|Rural Route|HC|Plot|No\.?|#"
)
_SMALL = (
    "of|the|on|upon|and|or|de|des|du|la|le|les|del|der|en|in|by|under|with|an|y|rue|av|boul|boulevard|chemin|rang|"
    "place|calle"
)
_TOKEN = rf"(?:[A-ZÀ-ÖØ-Þ0-9#(][A-Za-zÀ-ÖØ-öø-ÿ0-9.'’#/()-]{{0,24}}|{_SMALL})"
_SEGMENT = re.compile(rf"(?:^|(?<=[ :(\"“]))(?P<kept>{_TOKEN}(?:[ ]{{1,2}}{_TOKEN}){{0,7}})[ ]{{0,2}}$")
_NUMBERED = re.compile(
    rf"(?<![A-Za-z0-9])(?:(?:{_UNITS})[ ]{{0,1}}#?[A-Za-z]?-?[0-9]{{1,5}}[A-Za-z]?(?:[/-][0-9]{{1,4}})?|"
    rf"[A-Z]-[0-9]{{1,4}}(?=,)|[0-9]{{1,2}}/[0-9]{{1,2}}$|"
    r"(?:Top|Ground|Basement|Upper|Lower|First|Second|Third|[0-9]{1,2}(?:st|nd|rd|th))[ ](?:Floor|Flat)(?:[ ]Flat)?|"
    r"[0-9]{1,5}(?:[-/][0-9]{1,4})?[A-Za-z]?,?[ ](?=[A-Z0-9]|rue |av |boul|chemin |rang |place )|One[ ](?=[A-Z]))"
)
_HOUSE = re.compile(
    r"(?:The[ ])?(?:[A-Z][A-Za-z'’.-]{1,19}[ ]){0,3}(?:Cottages?|House|Lodge|Farm|Farmhouse|Barn|Rectory|"
    r"Vicarage|Manor|Mill|Court|"
    r"Bungalow|Grange|Croft|Villa|Hall|Lane|Road|Street|Close|Avenue|Drive|Way|Hill|Row|Terrace|Gardens|Green|"
    r"Mews|Place|Square|"
    r"Crescent|Grove|Rise|Walk|Forge|Dairy|Smithy|School|Schoolhouse|Chapel|Bakery|Stables|Coach House|Granary|Oast|"
    r"Gatehouse|Priory|Parsonage|Hollies|Willows|Oaks|Elms|Firs|Laurels|Limes|Poplars|Beeches|Cedars|Orchard|Paddocks?|"
    r"Nook|Haven|View|End|Retreat|Annexe?|Quarters|Boathouse|Lighthouse|Station|Brewery|Warren|Dene|Heights|Gables|"
    r"Larches|Hayloft|Byre|Steading|Tannery|Maltings|Rookery|Pines|Spinney|Hermitage|Homestead|Abbey|Inn)$"
)
_NAME_OF_HOUSE = re.compile(
    r"(?:^|[:;\n][ ]?|[a-z][ ])(?P<name>[A-Z][a-zà-ÿ'’-]{2,14}(?:[ ][A-Z][a-zà-ÿ'’-]{2,14}){0,2}),[ ]$"
)
_STREET = re.compile(
    r"(?:[A-Z][a-z’']{1,14}[ ]){1,3}(?:Lane|Road|Street|Avenue|Drive|Way|Hill|Row|Terrace|Rd|St)(?![A-Za-z])"
)
_OLD = re.compile(
    r"The[ ](?:Old[ ])?[A-Z][a-z’']{2,14}(?:[ ][A-Z][a-z]{2,14})?"
)  # further left: "The Old Anything, Mill Lane, ..."
_MOST = 6  # segments between commas or line breaks
_FAR = 140  # characters to the left of the anchor
# In small letters: a number, a street, and a state with its ZIP code or a British postcode.
_LOWER = re.compile(
    r"(?<![A-Za-z0-9.,/$£€#-])[0-9]{1,5}[a-z]?,?[ ](?:[a-z0-9.']{1,15}[ ]){1,4}?(?:st|street|ave|avenue|rd|road|"
    r"blvd|boulevard|"
    r"dr|drive|ln|lane|ct|court|cir|circle|pl|place|ter|terrace|pkwy|way|close|crescent|gardens|grove|mews|hill|"
    r"row|walk|trail)"
    rf"\b\.?[a-z0-9 ,.#-]{{0,60}}?[ ,](?:(?:{'|'.join(state.lower() for state in [*STATES, *STATE_NAMES])}),?[ "
    rf"][0-9]{{5}}"
    r"(?:-[0-9]{4})?|[a-z]{1,2}[0-9][a-z0-9]?[ ]?[0-9][a-z]{2})(?![A-Za-z0-9])"
)


def by_postcode(text: str) -> Iterator[Span]:
    """LOCATION spans that end in a postcode and begin with a number, a unit or the name of a house."""
    reached = 0
    for anchor in _ANCHOR.finditer(text):
        start = _start(text, max(reached, anchor.start() - _FAR), anchor.start())
        if start is not None:
            end = with_country(text, anchor.end())
            reached = end
            yield Span(start, end, "LOCATION", 0.87)
    for match in _LOWER.finditer(text):
        yield Span(*match.span(), "LOCATION", 0.88)


def with_country(text: str, end: int) -> int:
    """Where the address ends when a country's name follows."""
    country = _COUNTRY.match(text, end)
    return country.end() if country else end


def _start(text: str, limit: int, place: int) -> int | None:
    """Where the address begins whose postcode stands at `place`; None when nothing before it is like one."""
    start: int | None = None
    since = 0  # segments without a number after one was found
    for turn in range(_MOST):
        left = max(limit, text.rfind(",", limit, place) + 1, text.rfind("\n", limit, place) + 1)
        segment = text[left:place]
        kept = _SEGMENT.search(segment)
        if kept is None:
            if turn or segment.strip():
                break
        else:
            numbered = _NUMBERED.search(kept["kept"])
            house = _HOUSE.fullmatch(kept["kept"]) or (start is not None and _OLD.fullmatch(kept["kept"]))
            if numbered:
                start, since = left + kept.start("kept") + numbered.start(), 0
            elif house and len(kept["kept"].split(" ")) >= 2:
                start, since = left + kept.start("kept"), 0
            else:
                since += start is not None
            if since or segment[: kept.start("kept")].strip():
                break
        if left <= limit:
            break
        place = left - 1
    if (
        start is not None
        and not any(map(str.isdigit, text[start : place + 1]))
        and text[start - 2 : start] == ", "
        and _STREET.match(text, start)
    ):
        name = _NAME_OF_HOUSE.search(text, max(0, start - 34), start)  # Cwm Isaf, Pentre Lane, ...
        start = name.start("name") if name else start
    return start
