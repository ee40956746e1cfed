"""English names by their neighbourhood: a family name behind an unknown word, a field, a greeting, a signature, kin,
two names side by side, and the second time that somebody is spoken of."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.common_words import BRANDS, COMMON, PLACES
from jangin.pii.given_names import MORE_AMBIGUOUS, MORE_ENGLISH_GIVEN
from jangin.pii.name_lists import AMBIGUOUS, ENGLISH_GIVEN, KOREAN_ROMAN, NOT_ENGLISH_NAMES, THINGS
from jangin.pii.spans import Span
from jangin.pii.surnames import SURE_SURNAMES, SURNAMES, WORDY
from jangin.pii.words import words

GIVEN = ENGLISH_GIVEN | MORE_ENGLISH_GIVEN
UNSURE = AMBIGUOUS | MORE_AMBIGUOUS
STOP = (NOT_ENGLISH_NAMES | THINGS | COMMON | PLACES) - (GIVEN - UNSURE)
LINKS = frozenset(words("de del la van von der den bin ibn al el da dos di du ter san le zu"))
_UPPER, _LOWER = "A-ZÀ-ÖØ-ÞĀ-Ž", "a-zà-öø-ÿā-ž"
WORD = (
    rf"(?:(?:Mc|Mac|O['’]|D['’]|De|La|Le|Fitz)[{_UPPER}][{_LOWER}]{{1,18}}|"
    rf"[{_UPPER}][{_LOWER}]{{1,19}}(?:-[{_UPPER}{_LOWER}][{_LOWER}]{{1,19}}){{0,2}})"
)
_LINK = rf"(?:[ ](?:{'|'.join(sorted(LINKS))})){{0,2}}"
NAME = rf"(?:(?:[A-Z]\.[ ]?){{1,2}}{WORD}|{WORD}(?:[ ][A-Z]\.){{0,2}}(?:{_LINK}[ ]{WORD}){{0,3}})"
_NAMES = re.compile(NAME)
_REACH = 36  # characters of the neighbourhood that are looked at
# What stands right before a name of one word or more and says that it is one.
_SURE_BEFORE = re.compile(
    r"(?:\b(?:(?:last|first|full|given|family|maiden|middle|preferred|legal|customer|client|patient|holder|user|"
    r"guest|contact|"
    r"driver|employee|applicant|account|cardholder|beneficiary|payee|tenant|passenger|candidate)[ _-]?)?name(?:d|"
    r"s|'s|’s| is| was|"
    r" as| of)?[\"']?[ ]{0,2}[:=]{0,2}[ ]{0,2}[\"'“‘(]?"
    r"|\b(?:surname|forename)[\"']?(?: is| was)?[ ]{0,2}[:=]{0,2}[ ]{0,2}[\"'“‘]?"
    r"|\b(?:some(?:one|body)|man|woman|guy|lady|person|girl|boy|bloke|lad|rep|agent|driver|nurse|doctor|clerk) "
    r"(?:called|named) "
    r"|\b(?:my|his|her|their|our|your|the)[ ](?:late |older |younger |elder |little |big |old |new |twin )?"
    r"(?:ex|partner|husband|wife|son|daughter|mum|mom|dad|mother|father|brother|sister|cousin|niece|nephew|uncle|"
    r"aunt|auntie|nan|"
    r"gran|grandma|grandpa|grandmother|grandfather|grandson|granddaughter|girlfriend|boyfriend|fianc[eé]e?|"
    r"flatmate|roommate|"
    r"housemate|neighbou?r|landlord|landlady|carer|colleague|coworker|friend|boss|supervisor|assistant|solicitor|"
    r"accountant|"
    r"dentist|therapist|midwife|babysitter|nanny|stepson|stepdaughter|stepfather|stepmother|caretaker|twin|child|"
    r"baby),?[ ]"
    r"|\b(?:chef|nurse|coach|sister|brother|baby|aunt|auntie|uncle|nan|gran|cousin)[ ]"
    r"|\b(?:on behalf of|c/o|care of|signed by|signature by|signature of|attn:?|fao:?|ask for|speaking with|"
    r"spoke (?:to|with))[ ]"
    r"|(?:^|[ (\n])i, "
    r")$",
    re.IGNORECASE,
)
_CUES = frozenset(  # the last words of what `_SURE_BEFORE` matches: a quick look before it
    words("""
    name named names s is was as of surname forename called i by behalf o attn fao for with to ex partner husband
    wife son daughter mum mom dad mother father brother sister cousin niece nephew uncle aunt auntie nan gran
    grandma grandpa grandmother grandfather grandson granddaughter girlfriend boyfriend fiance fiancé fiancee
    fiancée flatmate roommate housemate neighbour neighbor landlord landlady carer colleague coworker friend boss
    supervisor assistant solicitor accountant dentist therapist midwife babysitter nanny stepson stepdaughter
    stepfather stepmother caretaker twin child baby chef nurse coach
""")
)
_GREETED = re.compile(
    r"(?:^|[\n>\"“:])[ ]*(?:hi|hello|hey|dear|hiya|good (?:morning|afternoon|evening))[ ,]{1,2}(?:there,? )?$",
    re.IGNORECASE,
)
_CALLED = re.compile(r"[ ]?[,!\n—–:-]")
_SIGNED = re.compile(
    r"\b(?:thanks|thank you|thx|ta|cheers|regards|sincerely|best|love|yours|truly|faithfully|wishes|respectfully|"
    r"gratefully|"
    r"xx?)[,.! ]{0,3}[\n—–-]{0,3}[ ]{0,2}$",
    re.IGNORECASE,
)
_DASHED = re.compile(r"[\n.!?][ \n]*(?:[—–]|--)[ ]?$")  # the end of a letter: "... again. — Marguerite"
_WORDLIKE = re.compile(
    r"(?:tions?|sions?|ments?|ness|ity|ities|ology|ologists?|itis|osis|[aeo]mia|omas?|ectomy|scopy|plasia|trophy|"
    r"pathy|graphy|"
    r"therapy|isms?|ists?|ical|ional|ive|ous|able|ible|ances?|ences?|ics|ings?|ated|ized|ised|ers|ors|ies|ants|"
    r"ents|ful|less|"
    r"ships?|wards?|ory|ial|oid|izers?|isers?|ysis|ases?|ogen|amide|amine|icin|azole|sis|ware|soft|net|tech|corp|"
    r"bank|ly)$"
)
_SAYS_I = re.compile(r"\b(?:i['’]?m|i am|it['’]?s|this is|that's|called|hey)[ ]$", re.IGNORECASE)
_SPEAKS = re.compile(
    r",|[ ](?:here|from|again|speaking|calling|writing|um|and i|and my)\b|[ ]?\(|[.!]?[ ]?$", re.IGNORECASE
)
_ENDS = re.compile(r"[ ]{0,2}(?:$|\n|[,.!:]|[—–-])")
# What stands before two words or more that may be a name: a role, a preposition, or the edge of a field.
_MAY_BEFORE = re.compile(
    r"(?:^|[:;,.!?(\[\"“'‘/|+&•>=\n][ ]{0,2}|[—–-][ ]{1,2}|\b(?:(?!the |an? |in |at |near |via |of |this |that |"
    r"on |through |into )"
    r"[a-z]{1,14}|[A-Z]{2,4}|[Pp]t\.?)[ ]|[가-힣][은는이가:]?[ ]?)$"
)
_WEAK_BEFORE = re.compile(
    r"\b(?:at|in|near|via|from|to|of|on|the|st\.?|saint|mount|lake|fort|port|san|new)[ ]$", re.IGNORECASE
)
_RECORD = re.compile(r"[0-9]{4}|[0-9]{2,3}[-. ][0-9]{2}|@")
# What makes a name a thing: before it, behind it, behind a single word, behind two words that no list knows.
_RULER = re.compile(
    r"(?:\b(?:King|Queen|Prince|Princess|Pope|Emperor|Saint|St\.?|Hurricane|Typhoon|Storm|Cyclone|Lake|River|"
    r"Mount|Mt\.?|Cape|Fort|"
    r"Port|San|Santa|Monte|El|Los|Las|Sao|Rio|Team|Project|Operation|Planet|Camp)[ ]|& )$"
)
_BORNE = re.compile(
    r"(?:['’]s)?[ ](?:[IVX]{2,5}\b|V\b|(?:ward|hospice|gift|trial|institute|foundation|line|paint|font|scale|"
    r"score|scores|test|"
    r"criteri\w+|law|theorem|constant|distribution|syndrome|disease|lymphoma|effect|bag|potato\w*|crude|lecture|"
    r"prize|award|"
    r"tickets?|voucher|store|shop|branch|whisky|whiskey|jeans|novel|album|concert|show|film|movie|series|hotel|"
    r"bridge|street|"
    r"road|park|station|school|college|hospital|clinic|building|chair|desk|vaccine|protocol|method|sign|ring|"
    r"man[oe]\w+|number|"
    r"curve|plot|estimator|model|filter|transform|tower|hall|library|museum|airport|stadium|lounge|suite|conference)\b)"
)
_SINGLE_BORNE = re.compile(r"['’]s [A-Z]|[ ][0-9]{1,3}(?:\.[0-9]+)?(?![0-9-])|, [A-Z]{2}\b")
_FIELD = re.compile(r"[:=][ ]?[\"'“]$")
_PAIR_BORNE = re.compile(r"[ ][0-9]{1,4}(?![0-9-])|[\"”]")
_AND = re.compile(rf"(?:,? and |,? & | \+ | / |, |; )(?P<name>{NAME})")
_ONE = re.compile(WORD)
_MONTHS = frozenset(("April", "May", "June", "August"))
_MONTH_DAY = re.compile(r"[ ]?(?:[0-9]|the [0-9]|first|at the)")


def sequences(text: str) -> list[re.Match[str]]:
    """Runs of capitalised words of which at least one may be a name."""
    return [
        match
        for match in _NAMES.finditer(text)
        if any(word not in NOT_ENGLISH_NAMES for word in match.group().split(" "))
    ]


def people(text: str, runs: list[re.Match[str]]) -> Iterator[Span]:
    """Names of people among the runs, by what stands around them."""
    found: list[tuple[int, int]] = []
    record = _RECORD.search(text) is not None
    for match in runs:
        span = _person(text, match, record)
        if span is not None:
            found.append(span)
    for _, end in tuple(found):
        for _ in range(3):  # Reto Aebischer and Ursina Caflisch
            beside = _AND.match(text, end)
            if beside is None:
                break
            parts = beside["name"].split(" ")
            sure = len(parts) >= 2 or ("and" in beside.group() and parts[0] in GIVEN)
            if not sure or any(part in STOP for part in parts):
                break
            end = beside.end()
            found.append(beside.span("name"))
    for start, end in found:
        yield Span(start, end, "PERSON", 0.57)
    yield from _again(text, found)


def _again(text: str, found: list[tuple[int, int]]) -> Iterator[Span]:
    """The first or the last word of a name that stands in the text once more."""
    parts = {
        part
        for start, end in found
        for part in text[start:end].split(" ")
        if " " in text[start:end] and len(part) >= 3 and part not in STOP and part not in _MONTHS
    }
    if not parts:
        return
    taken = bytearray(len(text))
    for start, end in found:
        taken[start:end] = b"\1" * (end - start)
    for match in _ONE.finditer(text):
        start, end = match.span()
        if match.group() in parts and not taken[start]:
            following = text[end : end + 16].split(" ")
            if not (len(following) > 1 and not following[0] and following[1].strip(".,;") in THINGS):
                yield Span(start, end, "PERSON", 0.5)


def _person(text: str, match: re.Match[str], record: bool) -> tuple[int, int] | None:
    """The part of a run that names somebody."""
    parts = match.group().split(" ")
    place = match.start()
    while parts and parts[0] in STOP and not (parts[0] in GIVEN and len(parts) > 1 and parts[1] in SURNAMES):
        place += len(parts.pop(0)) + 1
    kept: list[str] = []
    for part in parts:
        if kept and part in STOP and part not in SURNAMES and part not in GIVEN and part not in LINKS:
            break
        kept.append(part)
    thing = len(kept) < len(parts) and parts[len(kept)] in THINGS
    while kept and kept[-1] in LINKS:
        kept.pop()
    if not kept or thing or (len(kept) == 1 and kept[0].endswith(".")):
        return None
    end = place + len(" ".join(kept))
    before = text[max(0, place - _REACH) : place]
    after = text[end : end + 14]
    if not no_day(" ".join(kept), after) or " ".join(kept) in BRANDS:
        return None
    following = re.match(r"(?:['’]s)?[ ](?:&[ ])?([A-Z][a-z]+)", after)
    if (following and following[1] in THINGS) or after.startswith(" & "):
        return None
    big = [part for part in kept if part not in LINKS and not part.endswith(".")]
    if _announced(before, after, text, end):
        return (place, end) if big[0] not in STOP or len(big) > 1 else None
    initial = kept[0].endswith(".")
    if borne(text, place, end, len(kept) == 1):
        return None
    if len(big) < 2 and not initial:
        return None
    if known(big, before) or (initial and big[0] in SURNAMES):
        return place, end
    plain = not initial and len(big) <= 3 and len(kept) == len(parts) and not any(map(_word, big))
    if not (record and plain) or (_PAIR_BORNE.match(after) and not _FIELD.search(before)):
        return None
    return (place, end) if _MAY_BEFORE.search(before) else None


def _announced(before: str, after: str, text: str, end: int) -> bool:
    """Whether what stands around it says that it is a name, be it a single word."""
    tail = before.rstrip(" :=\"'’“‘(,._-")
    place = len(tail)
    while place and tail[place - 1].isalpha():
        place -= 1
    if tail[place:].lower() in _CUES and _SURE_BEFORE.search(before):
        return True
    if _GREETED.search(before):
        return _CALLED.match(after) is not None
    if _SIGNED.search(before):
        return _ENDS.match(after) is not None
    if _DASHED.search(before):
        return not text[end:].strip(" .\n")
    return _SAYS_I.search(before) is not None and _SPEAKS.match(after) is not None


def borne(text: str, start: int, end: int, single: bool) -> bool:
    """Whether a king, a storm, a street, a scale or a shop bears the name."""
    if _RULER.search(text, max(0, start - 12), start) or _BORNE.match(text, end):
        return True
    return single and _SINGLE_BORNE.match(text, end) is not None


def _word(part: str) -> bool:
    """Whether it is a word of the language, by the list or by its ending."""
    if part in STOP or part in THINGS:
        return True
    if "-" in part and any(half.title() in STOP for half in part.split("-")):
        return True  # Hong Kong-based
    return part not in GIVEN and part not in SURNAMES and _WORDLIKE.search(part) is not None


def no_day(name: str, after: str) -> bool:
    """Whether it is not the month of a date: May 3rd, June 2024."""
    first, _, rest = name.partition(" ")
    return first not in _MONTHS or rest != "" or _MONTH_DAY.match(after) is None


def known(big: list[str], before: str) -> bool:
    """Whether the words alone make a name: one of them is known as such and none is anything else."""
    first, last = big[0], big[-1]
    if first in STOP and first not in GIVEN:
        return False
    if first in GIVEN:
        if first in UNSURE:  # Rose Quartz, Rose Hill
            if last in THINGS:  # Lincoln Park
                return False
            known = last in SURE_SURNAMES or (last in WORDY and not _WEAK_BEFORE.search(before))
            return known or not _word(last)
        return last not in STOP or last in SURNAMES
    if last in SURE_SURNAMES:
        return first not in THINGS
    double = "-" in last and last.split("-")[1][0].isupper()
    return double and last not in STOP and first not in KOREAN_ROMAN
