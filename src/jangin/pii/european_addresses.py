"""Street addresses of the continent: French, German, Dutch, Spanish and Italian, known by their postcode."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jangin.pii.postcodes import with_country
from jangin.pii.spans import Span

_W = "[A-Za-zÀ-ÖØ-öø-ÿ'’.-]{1,24}"
_CITY = (
    r"[A-ZÀ-ÖØ-Þ][A-Za-zÀ-ÖØ-öø-ÿ'’-]{1,24}(?:[ ](?:[A-ZÀ-ÖØ-Þ][a-zà-ÿ'’-]{1,24}|am|an der|im|la|le|les|de|del)){0,2}"
)
_GATE = re.compile(
    r"[0-9]{4,5}(?:[ ][A-Z]{2}|-[0-9]{3})?[ ][A-ZÀ-ÖØ-Þ][a-zà-ÿ]|(?:rue|impasse|chemin|all[ée]e)[ ]d|stra(?:ß|"
    r"ss)e[ ][0-9]",
    re.IGNORECASE,
)
_FRENCH = re.compile(
    r"(?<![0-9A-Za-z-])[0-9]{1,4}(?:[ ]?(?:bis|ter|quater|[A-D]))?,?[ ]"
    r"(?:rue|avenue|av\.|boulevard|bd|impasse|all[ée]e|chemin|place|quai|cours|route|square|passage|villa|cit[ée])[ ]"
    rf"{_W}(?:[ ]{_W}){{0,5}}?,?[ \n]{{1,2}}(?:[A-Z]{{1,2}}-)?[0-9]{{4,5}}[ ]{_CITY}",
    re.IGNORECASE,
)
_GERMAN = re.compile(
    r"(?:(?<![A-Za-zÀ-ÿ])[A-ZÄÖÜ][A-Za-zäöüß-]{1,24}(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse|ring|damm|ufer|"
    r"straat|laan|"
    r"plein|gracht|kade|gatan|vej)|[A-ZÄÖÜ][a-zäöüß]{1,20}(?:er)?[ ](?:Stra(?:ß|ss)e|Str\.|Weg|Platz|Allee|Gasse|Ring))"
    rf"[ ][0-9]{{1,4}}[ ]?[a-zA-Z]?,?[ \n]{{1,2}}(?:[A-Z]{{1,2}}-)?[0-9]{{4,5}}(?:[ ]?[A-Z]{{2}})?[ ]{_CITY}"
)
_SOUTHERN = re.compile(
    r"(?<![A-Za-zÀ-ÿ])(?:Calle|C/|Avenida|Avda\.?|Paseo|Plaza|Carrer|Via|Viale|Piazza|Corso|Largo|Rua|Travessa)[ ]?"
    rf"{_W}(?:[ ]{_W}){{0,5}}?,?[ ][0-9]{{1,4}}[A-Za-z]?(?:,?[ ][0-9]{{1,2}}[ºªoa]?(?:[ ]?[A-Z])?)?,?[ \n]{{1,2}}"
    rf"[0-9]{{4,5}}(?:-[0-9]{{3}})?[ ]{_CITY}"
)


_ANY = re.compile(
    r"(?<![A-Za-zÀ-ÿ0-9])[A-ZÀ-ÖØ-Þ][A-Za-zÀ-ÖØ-öø-ÿ'’-]{3,24}(?:[ ][A-ZÀ-ÖØ-Þ][A-Za-zÀ-ÖØ-öø-ÿ'’-]{1,24}){0,3}[ "
    r"][0-9]{1,4}[a-z]?,"
    rf"[ \n]{{1,2}}(?:[A-Z]{{1,2}}-)?[0-9]{{4,5}}(?:[ ]?[A-Z]{{2}})?[ ](?!Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|"
    rf"Oct|Nov|Dec){_CITY}"
)


# The name of the house, the building or the flat before the street.
_NAMED = re.compile(
    r"(?<![A-Za-zÀ-ÿ])(?:(?:Chalet|R[ée]sidence|Villa|B[âa]t(?:iment|\.)?|App(?:artement|t)\.?|Apt\.?|Immeuble|Le|"
    r"La|Les|Domaine|"
    r"Ch[âa]teau|Mas|Ferme|Haus|Schloss|Hof|Casa|Cascina|Palazzo|Quinta|Finca|Edificio|Urbanizaci[óo]n|[ÉE]tage|"
    r"Lieu-dit|c/o)[ ]?"
    r"[A-Za-zÀ-ÖØ-öø-ÿ0-9'’-]{1,20}(?:[ ][A-Za-zÀ-ÖØ-öø-ÿ0-9'’-]{1,20}){0,2},[ \n]){1,2}$"
)


def european_addresses(text: str) -> Iterator[Span]:
    if not _GATE.search(text):
        return
    for pattern in (_FRENCH, _GERMAN, _SOUTHERN, _ANY):
        for match in pattern.finditer(text):
            named = _NAMED.search(text, max(0, match.start() - 44), match.start())
            start = named.start() if named else match.start()
            yield Span(start, with_country(text, match.end()), "LOCATION", 0.84)
