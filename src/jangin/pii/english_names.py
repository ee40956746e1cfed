"""English names without a model: titles, introductions, greetings, signatures, and a list of given names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.common_words import BRANDS, COMMON
from jangin.pii.english_people import GIVEN, LINKS, STOP, UNSURE, borne, known, no_day, people, sequences
from jangin.pii.name_lists import KOREAN_ROMAN, NOT_ENGLISH_NAMES, THINGS
from jangin.pii.spans import Span
from jangin.pii.surnames import SURNAMES
from jangin.pii.words import words

_PART = (
    r"(?:(?:Mc|Mac|O['’]|D['’]|De|La|Le|Fitz)[A-Z][a-zà-ÿ]{1,18}|"
    r"[A-ZÀ-Þ][a-zà-ÿ]{1,19}(?:-[A-Za-zÀ-ÿ][a-zà-ÿ]{1,19})?)"
)
_LINK = r"(?:[ ](?:de|del|la|van|von|der|den|bin|ibn|al|el|da|dos|di|du|ter|san)){0,2}"
_INITIAL = r"[A-Z]\."
_NAME = rf"(?:(?:{_INITIAL}[ ]?){{1,2}}{_PART}|{_PART}(?:[ ]{_INITIAL}){{0,2}}(?:{_LINK}[ ]{_PART}){{0,3}})"
_NAMES = re.compile(_NAME)
_TITLED = re.compile(
    rf"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Lady|Lord|Rev|Reverend|Capt|Captain|Sgt|Sergeant|"
    rf"Nurse|Officer|Judge|Father|Sister|Detective|Madam)\.?[ ]{{1,2}}(?P<name>{_NAME})"
)
_WHO = (
    r"[Mm]y (?:full |legal |maiden )?name(?:'s| is|:)|[Nn]ame(?:d| is| was|:)|[Ff]ull [Nn]ame:?|"
    r"[Pp]atient(?:'s)?(?: [Nn]ame)?(?:,| is|:)?|[Cc]lient [Nn]ame:?|[Cc]ustomer [Nn]ame:?|(?:Client|"
    r"Customer):|[Cc]ardholder(?: [Nn]ame)?:?|"
    r"[Aa]ccount [Hh]older:?|[Bb]eneficiary:?|[Pp]ayee:?|[Rr]ecipient:?|[Aa]pplicant:?|[Tt]enant:?|"
    r"[Ee]mployee:?|[Pp]olicyholder:?|[Pp]assenger:?|[Aa]ttn\.?:?|[Dd]ear|"
    r"[Ss]igned(?: by)?:?,?|[Cc]are of|c/o|[Oo]n behalf of|[Rr]egards,?|[Ss]incerely,?|"
    r"[Yy]ours (?:truly|faithfully),?|(?:[Tt]hanks|[Cc]heers|[Bb]est)[,!.]?(?=\n)|FAO:?|"
    r"[Mm]r and [Mm]rs|"
    r"(?:[Ww]ife|[Hh]usband|[Ss]on|[Dd]aughter|[Mm]other|[Ff]ather|[Bb]rother|[Ss]ister|"
    r"[Nn]eighbou?r|[Ll]andlord|[Nn]iece|[Nn]ephew|[Uu]ncle|[Aa]unt|[Pp]laintiff|[Dd]efendant|"
    r"[Cc]olleague|[Ff]riend),?"
)
_MAYBE = (
    r"[Hh]i|[Hh]ello|[Hh]ey|[Tt]hanks,?|[Cc]heers,?|[Bb]est,?|[Cc]alled|[Ss]poke (?:to|with)|"
    r"[Cc]ontact(?: person)?:?|[Ff]rom:?|[Tt]o:?|[Cc][Cc]:|[Bb]y:?|[Cc]lient|[Cc]ustomer|[Gg]uest|"
    r"[Mm]anager|[Pp]artner|[Bb]oss|[Ss]tudent|[Ww]itness|[Ww]ith|[Ff]or"
)
_INTRODUCED = re.compile(
    rf"\b(?:{_WHO})[ \n]{{1,3}}(?:(?:is|was)[ ])?(?P<name>{_PART},[ ]{_PART}(?=[ ]?(?:[\n.;(,]|$))|{_NAME})"
)
_MENTIONED = re.compile(rf"\b(?:{_MAYBE})[ \n]{{1,3}}(?P<name>{_NAME})")
_I_AM = re.compile(
    rf"\b(?:I am|I'm|I’m|[Tt]his is|it's|It's|[Ss]peaking with|[Aa]sk for|ask|[Tt]ell|[Mm]eet)[ ](?P<name>{_NAME})"
)
_UPPER = re.compile(
    r"(?:\bNAME|PATIENT|CARDHOLDER|ACCOUNT HOLDER|BENEFICIARY|[Nn]ame|[Pp]atient|[Cc]ardholder|"
    r"[Pp]assenger|탑승자|승객|여권명|예금주|수취인|성명|영문(?:이름|성명|명|[ ]?성함|[ ]이름)?[은는:]?)(?: NAME|"
    r" name)?(?: on (?:the )?card)?:?[ ]{1,2}(?:is )?(?P<name>[A-Z]{2,15}(?:[ ,/]{1,2}[A-Z]{1,15}\.?){1,3})\b"
)
_LOWER = re.compile(r"\bmy (?:full )?name(?:'s| is) (?P<name>[a-z]{2,15}(?: [a-z]{2,15})?)\b")
_ROMAN = re.compile(
    r"\b(?P<last>[A-Z][a-z]{1,5})[ ,]{1,2}(?P<first>[A-Z][a-z]{1,6}-[A-Za-z][a-z]{1,6})\b|"
    r"\b(?P<first2>[A-Z][a-z]{1,6}-[A-Za-z][a-z]{1,6})[ ](?P<last2>[A-Z][a-z]{1,5})\b"
)
_CAPITALS = re.compile(r"\b(?P<first>[A-Z]{3,12})[ ](?:[A-Z]\.?[ ])?[A-Z]{2,15}\b")
_ALSO_SURNAMES = frozenset(
    words("""
    Park Hall Hill Lane Cook Walker Law Church Day Bridge Lake Daniels Klein Stanley Lynch Davidson House Rivers
""")
)
_SYLLABLES = re.compile(
    "(?:" + "min|su|soo|ji|woo|young|yeong|hyun|hyeon|seo|yeon|eun|jin|jun|joon|ho|hoon|hun|hee|hui|mi|na|"
    "ha|da|ye|yoon|yun|sung|seong|seung|tae|dong|gil|kyung|kyoung|gyeong|jae|jung|jeong|sang|chul|"
    "cheol|sun|seon|sook|suk|won|in|hye|hyo|kyu|gyu|yong|byung|chan|woong|bin|rin|ra|ri|ah|a|bo|ram|"
    "sol|si|do|gun|geon|hwan|han|byeol|san|il|ok|ja|nam|ki|gi|chang|jong|bum|beom|moon|mun|hyuk|"
    "hyeok|wook|uk|"
    "sik|shik|pil|lin|rim|hwa|ran|se|so|mo|yu|yoo|ju|joo|ka|ga|hyang|cho|choong|keun|geun|kwang|"
    "gwang|deok|duk|sam|in|rae|rye"
    + r")-?(?:"
    + "min|su|soo|ji|woo|young|yeong|hyun|hyeon|seo|yeon|eun|jin|jun|joon|ho|hoon|hun|hee|hui|mi|na|ha|da|ye|"
    "yoon|yun|sung|seong|seung|tae|dong|gil|kyung|kyoung|gyeong|jae|jung|jeong|sang|chul|cheol|sun|"
    "seon|sook|suk|won|in|hye|hyo|kyu|gyu|yong|byung|chan|woong|bin|rin|ra|ri|ah|a|bo|ram|sol|si|do|"
    "gun|geon|hwan|han|"
    "san|il|ok|ja|nam|ki|gi|chang|jong|bum|beom|moon|mun|hyuk|hyeok|wook|uk|sik|shik|pil|lin|rim|"
    "hwa|ran|se|so|mo|yu|yoo|ju|joo|geun|keun|rae|rye|kwon|jung)"
)
_NEVER = COMMON - SURNAMES - GIVEN
_TITLED_THINGS = frozenset(
    words("Martens Pepper Coffee Oetker Doubtfire Muscle Bean Seuss Who Clean Kipling Robot Scholl")
)
_SPEAKS = re.compile(r",? (?:from|calling|here|speaking|again|writing)\b")
_REVERSED = re.compile(rf"(?:^|\n|[:(;][ ]?)(?P<name>{_PART},[ ](?P<first>{_PART}))(?=[ ]?(?:[(\n;.]|$))")
_GIVEN_ONLY, _NO_NAMES = GIVEN - UNSURE, NOT_ENGLISH_NAMES | THINGS
_LATIN_WITH_TITLE = re.compile(rf"(?P<name>{_NAME})[ ]?(?:님|씨|고객|환자|교수|박사|선생)")


def english_names(text: str) -> Iterator[Span]:
    yield from _capitals(text)
    runs = sequences(text)
    if not runs:
        return
    yield from people(text, runs)
    for match in _TITLED.finditer(text):
        size = _cut(match["name"], text, match.end("name"), strict=False)
        if size and match["name"].split(" ")[0] not in _TITLED_THINGS:
            yield Span(match.start("name"), match.start("name") + size, "PERSON", 0.8)
    for pattern, score in ((_INTRODUCED, 0.65), (_MENTIONED, 0.6), (_I_AM, 0.6)):
        for match in pattern.finditer(text):
            name = match["name"]
            size = _cut(name, text, match.end("name"), strict=False)
            if not no_day(name[:size], text[match.start("name") + size :][:12]):
                continue
            if (
                size
                and pattern is not _INTRODUCED
                and borne(text, match.start("name"), match.start("name") + size, True)
            ):
                continue
            head = name[:size].replace(",", "").split(" ")
            sure = pattern is _INTRODUCED and (len(head) >= 2 or _sure(match.group()))
            if pattern is _I_AM and len(head) >= 2 and _SPEAKS.match(text, match.end("name")):
                sure = True
            if size and (head[0] in GIVEN or sure or _korean(head[:2])):
                yield Span(match.start("name"), match.start("name") + size, "PERSON", score)
    for match in _NAMES.finditer(text):
        name = match.group()
        words = name.split(" ")
        place = match.start()
        while words and (
            (words[0] in NOT_ENGLISH_NAMES and words[0] not in GIVEN)
            or (words[0] not in GIVEN and len(words) > 1 and not words[0].endswith("."))
        ):
            place += len(words[0]) + 1
            words = words[1:]
        if not words or words[0] not in GIVEN:
            words, place = name.split(" "), match.start()
            if _korean(words[:2]):
                yield Span(place, place + len(" ".join(words[:2])), "PERSON", 0.6)
            continue
        size = _cut(" ".join(words), text, match.end(), strict=True)
        if not size:
            continue
        kept = " ".join(words)[:size].split(" ")
        if borne(text, place, place + size, len(kept) == 1):
            continue  # St. Louis
        if len(kept) >= 2 and (kept[0] not in UNSURE or known(kept, text[max(0, place - 12) : place])):
            yield Span(place, place + size, "PERSON", 0.62)
        elif len(kept) == 1 and kept[0] not in UNSURE:
            yield Span(place, place + size, "PERSON", 0.52)
    for match in _REVERSED.finditer(text):
        if match["first"] in GIVEN and match["name"].split(",")[0] not in _NO_NAMES:
            yield Span(*match.span("name"), "PERSON", 0.6)
    for match in _ROMAN.finditer(text):
        if (match["last"] or match["last2"]) in KOREAN_ROMAN:
            yield Span(*match.span(), "PERSON", 0.75)
    for match in _LATIN_WITH_TITLE.finditer(text):
        if match["name"].split(" ")[0] not in NOT_ENGLISH_NAMES:
            yield Span(*match.span("name"), "PERSON", 0.6)


def _capitals(text: str) -> Iterator[Span]:
    """Names in capitals, or after "my name is" in small letters."""
    for match in _UPPER.finditer(text):
        if not any(word.title() in STOP for word in re.findall(r"[A-Z]+", match["name"])):
            yield Span(*match.span("name"), "PERSON", 0.6)
    for match in _CAPITALS.finditer(text):
        if match["first"].title() in _GIVEN_ONLY and not any(
            word.title() in _NO_NAMES for word in match.group().split()
        ):
            yield Span(*match.span(), "PERSON", 0.55)
    for match in _LOWER.finditer(text):
        words = match["name"].split(" ")
        if words[0].title() in GIVEN:
            keep = match["name"] if len(words) == 2 and words[1].title() not in NOT_ENGLISH_NAMES else words[0]
            yield Span(match.start("name"), match.start("name") + len(keep), "PERSON", 0.55)


def _korean(words: list[str]) -> bool:
    """A Korean name in Latin letters: Park Jiyoung, Jiyoung Park."""
    if len(words) < 2:
        return False
    first, second = words[0], words[1]
    return (first in KOREAN_ROMAN and _SYLLABLES.fullmatch(second.lower()) is not None) or (
        second in KOREAN_ROMAN and _SYLLABLES.fullmatch(first.lower()) is not None
    )


def _sure(context: str) -> bool:
    """Whether what introduces the name does so of a single word that no list knows."""
    return (
        re.match(
            r"(?:[Mm]y (?:full |legal |maiden )?name|[Ff]ull [Nn]ame|[Nn]amed|[Nn]ame:|[Dd]ear |"
            r"[Cc]ardholder|[Ss]igned)",
            context,
        )
        is not None
    )


def _cut(name: str, text: str, end: int, strict: bool) -> int:
    """The length of the name without the words behind it that are none; 0 when nothing is left or a thing bears it."""
    words = name.split(" ")
    kept: list[str] = []
    for word in words:
        if word in THINGS and kept and not (len(kept) == 1 and kept[0] in GIVEN and word in _ALSO_SURNAMES):
            return 0 if strict or len(kept) == 1 else len(" ".join(kept))
        if (
            (word in NOT_ENGLISH_NAMES or word in _NEVER)
            and not (word in GIVEN and not kept)
            and not (word in _ALSO_SURNAMES and kept)
        ):
            break
        kept.append(word)
    while kept and kept[-1] in LINKS:
        kept.pop()
    if not kept or (len(kept) == 1 and len(kept[0]) == 2 and kept[0].endswith(".")):
        return 0
    if " ".join(kept) in BRANDS:
        return 0
    if len(kept) == len(words):
        after = re.match(r"(?:['’]s)?[ ](?:&[ ])?([A-Za-z]+)", text[end : end + 40])
        if after and after[1] in THINGS and (strict or after[1] not in ("Day", "Co", "Test")):
            return 0
        if text[end : end + 3] == " & " or text[end : end + 4] == "'s S":
            return 0
    return len(" ".join(kept))
