"""What a placeholder looks like: as it is written, and in all the ways in which a model may give it back.

Written: `<PHONE_NUMBER_1>`. Read: any case, other brackets or none, a blank or hyphen for an underscore in brackets, a
backslash before an underscore (Markdown), `&lt;` and `&gt;`. Nothing outside the brackets is ever consumed, and no
rule looks at what stands beside a placeholder: so what reads like one is known before a text is redacted, and exactly
that will be read later.
"""

from __future__ import annotations

import re

from jangin.pii.spans import ENTITIES

LITERAL = "LITERAL"  # text of the user's that reads like a placeholder
NAMES = (*ENTITIES, LITERAL)
LONGEST = 80  # characters of the longest form that is read

_OPEN = ("<", "[", "{", "(", "＜", "〈", "《", "&lt;")
_CLOSE = (">", "]", "}", ")", "＞", "〉", "》", "&gt;")
_DIGITS = "[0-9]{1,6}"
_WORD_GAP, _BARE_GAP = r"(?:\\?_|[ -])", r"\\?_"


def _name(gap: str) -> str:
    return "|".join(gap.join(name.split("_")) for name in sorted(NAMES, key=len, reverse=True))


_OPENS = "|".join(map(re.escape, _OPEN))
_CLOSES = "|".join(map(re.escape, _CLOSE))
PLACEHOLDER = re.compile(
    rf"(?:{_OPENS})[ ]?(?P<name>{_name(_WORD_GAP)}){_WORD_GAP}(?P<number>{_DIGITS})(?:[ ]?(?:{_CLOSES}))?"
    rf"|(?P<bare>{_name(_BARE_GAP)}){_BARE_GAP}(?P<count>{_DIGITS})",
    re.IGNORECASE,
)


def key_of(match: re.Match) -> tuple[str, int]:
    """(entity, number) of a match of `PLACEHOLDER`."""
    name = match["name"] or match["bare"]
    return re.sub(r"\\?_|[ -]", "_", name).upper(), int(match["number"] or match["count"])


def _prefix(pieces: list[str], complete: str) -> str:
    """A pattern of every beginning of the pieces in a row, the whole followed by `complete`."""
    pattern = complete
    for piece in reversed(pieces):
        pattern = rf"(?:{piece}{pattern})?" if pattern else rf"(?:{piece})?"
    return pattern


def _letters(name: str, gap_pieces: str) -> list[str]:
    return [gap_pieces if character == "_" else character for character in name]


# A gap may itself be cut after its backslash: "\" at the very end is a beginning, too.
def _unfinished() -> re.Pattern:
    beginnings = []
    close = "|".join(re.escape(mark[:size]) for mark in _CLOSE for size in range(len(mark), 0, -1))
    for name in NAMES:
        for opened in (True, False):
            gap = r"(?:\\$|\\?_|[ -])" if opened else r"(?:\\$|\\?_)"
            end = rf"(?:{_DIGITS}(?:[ ]?(?:{close})?)?)?" if opened else rf"(?:{_DIGITS})?"
            body = _prefix([*_letters(name, gap), gap], end)
            beginnings.append(rf"(?:{_OPENS})[ ]?{body}" if opened else body)
    beginnings += [re.escape(mark[:size]) for mark in _OPEN if len(mark) > 1 for size in range(1, len(mark))]
    return re.compile("(?:" + "|".join(beginnings) + ")$", re.IGNORECASE)


_UNFINISHED = _unfinished()
_MAY_BEGIN = re.compile("[<\\[{(＜〈《&" + "".join(sorted({name[0] for name in NAMES})) + "]", re.IGNORECASE)
_FINISHED = re.compile(rf".*(?:{_CLOSES})$", re.DOTALL | re.IGNORECASE)


def unfinished_from(text: str, place: int) -> int:
    """Where the tail begins that must wait, since what follows may make a placeholder of it; len(text) if none.

    Looked for from `place` on.
    """
    start = max(place, len(text) - LONGEST)
    for candidate in _MAY_BEGIN.finditer(text, start):
        tail = text[candidate.start() :]
        if _UNFINISHED.fullmatch(tail):
            whole = PLACEHOLDER.fullmatch(tail)
            if whole and _FINISHED.match(tail):
                continue  # closed: nothing can follow
            return candidate.start()
    return len(text)
