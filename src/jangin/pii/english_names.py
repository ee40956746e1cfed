"""English names without a model: titles, introductions, greetings, signatures, and a list of given names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.name_lists import AMBIGUOUS, ENGLISH_GIVEN, KOREAN_ROMAN, NOT_ENGLISH_NAMES, THINGS
from jangin.pii.spans import Span

_PART = r"(?:(?:Mc|Mac|O['’]|D['’]|De|La|Le|Fitz)[A-Z][a-zà-ÿ]{1,18}|[A-ZÀ-Þ][a-zà-ÿ]{1,19}(?:-[A-Za-zÀ-ÿ][a-zà-ÿ]{1,19})?)"
_LINK = r"(?:[ ](?:de|del|la|van|von|der|den|bin|ibn|al|el|da|dos|di|du|ter|san)){0,2}"
_INITIAL = r"[A-Z]\."
_NAME = rf"(?:(?:{_INITIAL}[ ]?){{1,2}}{_PART}|{_PART}(?:[ ]{_INITIAL}){{0,2}}(?:{_LINK}[ ]{_PART}){{0,3}})"
_NAMES = re.compile(_NAME)
_TITLED = re.compile(rf"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Lady|Lord|Rev|Reverend|Capt|Captain|Sgt|Sergeant|Nurse|Officer|Judge|Father|Sister|Detective|Madam)\.?[ ]{{1,2}}(?P<name>{_NAME})")
_INTRODUCED = re.compile(
    r"\b(?:[Mm]y (?:full |legal |maiden )?name(?:'s| is|:)|[Nn]ame(?:d| is| was|:)|[Ff]ull [Nn]ame:?|[Pp]atient(?: [Nn]ame)?:?|[Cc]lient(?: [Nn]ame)?:?|[Cc]ustomer(?: [Nn]ame)?:?|[Cc]ardholder(?: [Nn]ame)?:?|[Aa]ccount [Hh]older:?|"
    r"[Bb]eneficiary:?|[Pp]ayee:?|[Rr]ecipient:?|[Aa]pplicant:?|[Tt]enant:?|[Ee]mployee:?|[Pp]olicyholder:?|[Gg]uest:?|[Pp]assenger:?|[Aa]ttn\.?:?|[Aa]ttention:?|[Dd]ear|[Hh]i|[Hh]ello|[Hh]ey|"
    r"(?:[Ww]ife|[Hh]usband|[Ss]on|[Dd]aughter|[Mm]other|[Ff]ather|[Bb]rother|[Ss]ister|[Cc]olleague|[Nn]eighbou?r|[Bb]oss|[Ll]andlord|[Mm]anager|[Pp]artner|[Ff]riend|[Nn]iece|[Nn]ephew|[Uu]ncle|[Aa]unt|[Ss]tudent|[Ww]itness|[Pp]laintiff|[Dd]efendant),?|"
    r"[Ss]igned(?: by)?:?,?|[Cc]alled|[Cc]are of|c/o|[Oo]n behalf of|[Ss]poke (?:to|with)|[Cc]ontact(?: person)?:?|[Rr]egards,?|[Ss]incerely,?|[Tt]hanks,?|[Cc]heers,?|[Bb]est,?|[Yy]ours truly,?|"
    r"FAO|From:|To:|Cc:|By:|by|[Ss]igned,|[Mm]r and [Mm]rs)"
    rf"[ \n]{{1,3}}(?:(?:is|was)[ ])?(?P<name>{_NAME})"
)
_I_AM = re.compile(rf"\b(?:I am|I'm|I’m|[Tt]his is|it's|It's|[Ss]peaking with|[Aa]sk for|ask|[Tt]ell|[Mm]eet)[ ](?P<name>{_NAME})")
_UPPER = re.compile(r"\b(?:NAME|PATIENT|CARDHOLDER|ACCOUNT HOLDER|BENEFICIARY|[Nn]ame|[Pp]atient|[Cc]ardholder|[Pp]assenger)(?: NAME| name)?(?: on (?:the )?card)?:?[ ]{1,2}(?:is )?(?P<name>[A-Z]{2,15}(?:[ ,/]{1,2}[A-Z]{1,15}\.?){1,3})\b")
_LOWER = re.compile(r"\bmy (?:full )?name(?:'s| is) (?P<name>[a-z]{2,15}(?: [a-z]{2,15})?)\b")
_ROMAN = re.compile(r"\b(?P<last>[A-Z][a-z]{1,5})[ ,]{1,2}(?P<first>[A-Z][a-z]{1,6}-[A-Za-z][a-z]{1,6})\b|\b(?P<first2>[A-Z][a-z]{1,6}-[A-Za-z][a-z]{1,6})[ ](?P<last2>[A-Z][a-z]{1,5})\b")
_LATIN_WITH_TITLE = re.compile(rf"(?P<name>{_NAME})[ ]?(?:님|씨|고객|환자|교수|박사|선생)")


def english_names(text: str) -> Iterator[Span]:
    for match in _TITLED.finditer(text):
        size = _cut(match["name"], text, match.end("name"), strict=False)
        if size:
            yield Span(match.start("name"), match.start("name") + size, "PERSON", 0.8)
    for pattern, score in ((_INTRODUCED, 0.65), (_I_AM, 0.6)):
        for match in pattern.finditer(text):
            name = match["name"]
            size = _cut(name, text, match.end("name"), strict=False)
            head = name[:size].split(" ")
            if size and (head[0] in ENGLISH_GIVEN or (len(head) >= 2 and pattern is not _I_AM) or _sure(match.group())):
                yield Span(match.start("name"), match.start("name") + size, "PERSON", score)
    for match in _NAMES.finditer(text):
        name = match.group()
        words = name.split(" ")
        place = match.start()
        while words and (words[0] in NOT_ENGLISH_NAMES and words[0] not in ENGLISH_GIVEN or words[0] not in ENGLISH_GIVEN and len(words) > 1 and not words[0].endswith(".")):
            place += len(words[0]) + 1
            words = words[1:]
        if not words or words[0] not in ENGLISH_GIVEN:
            continue
        size = _cut(" ".join(words), text, match.end(), strict=True)
        if not size:
            continue
        kept = " ".join(words)[:size].split(" ")
        if len(kept) >= 2:
            yield Span(place, place + size, "PERSON", 0.62)
        elif kept[0] not in AMBIGUOUS:
            yield Span(place, place + size, "PERSON", 0.52)
    for match in _UPPER.finditer(text):
        if not any(word.title() in NOT_ENGLISH_NAMES for word in re.findall(r"[A-Z]+", match["name"])):
            yield Span(*match.span("name"), "PERSON", 0.6)
    for match in _LOWER.finditer(text):
        words = match["name"].split(" ")
        if words[0].title() in ENGLISH_GIVEN:
            keep = match["name"] if len(words) == 2 and words[1].title() not in NOT_ENGLISH_NAMES else words[0]
            yield Span(match.start("name"), match.start("name") + len(keep), "PERSON", 0.55)
    for match in _ROMAN.finditer(text):
        if (match["last"] or match["last2"]) in KOREAN_ROMAN:
            yield Span(*match.span(), "PERSON", 0.75)
    for match in _LATIN_WITH_TITLE.finditer(text):
        if match["name"].split(" ")[0] not in NOT_ENGLISH_NAMES:
            yield Span(*match.span("name"), "PERSON", 0.6)


def _sure(context: str) -> bool:
    """Whether what introduces the name does so of a single word that no list knows."""
    return re.match(r"(?:[Mm]y (?:full |legal |maiden )?name|[Ff]ull [Nn]ame|[Nn]amed|[Nn]ame:|[Dd]ear |[Cc]ardholder|[Ss]igned)", context) is not None


def _cut(name: str, text: str, end: int, strict: bool) -> int:
    """The length of the name without the words behind it that are none; 0 when nothing is left or a thing bears it."""
    words = name.split(" ")
    kept: list[str] = []
    for word in words:
        if word in THINGS and kept:
            return 0 if strict or len(kept) == 1 else len(" ".join(kept))
        if word in NOT_ENGLISH_NAMES and not (word in ENGLISH_GIVEN and not kept):
            break
        kept.append(word)
    while kept and kept[-1] in ("de", "del", "la", "van", "von", "der", "den", "bin", "ibn", "al", "el", "da", "dos", "di", "du", "ter", "san"):
        kept.pop()
    if not kept or (len(kept) == 1 and len(kept[0]) == 2 and kept[0].endswith(".")):
        return 0
    if len(kept) == len(words):
        after = re.match(r"(?:['’]s)?[ ](?:&[ ])?([A-Za-z]+)", text[end : end + 40])
        if after and after[1] in THINGS and (strict or after[1] not in ("Day", "Co", "Test")):
            return 0
        if text[end : end + 3] == " & " or text[end : end + 4] == "'s S":
            return 0
    return len(" ".join(kept))
