"""The words that say what a number is ("주민번호", "account no.", "송장"), and which of them stands nearest.

A number is rarely known by its shape alone: ten digits may be a phone, a firm, an NHS patient or an order. So the words
around it vote; `other` and `date` are the topics that are no personal data. Found once a text, in one pass.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from jangin.pii.label_words import AGAINST, NEUTRAL, TOPIC_OF, WEAK
from jangin.pii.tables import Cell, cells

# Where a sentence ends; "no. 12" and "Acct. 12" are none.
_END = re.compile(
    r"\n[ \t]*\n|(?<![Nn]o)(?<![Rr]ef)(?<![Tt]el)(?<![Aa]cct)(?<![Nn]um)(?<![A-Za-z]\.[A-Za-z])[.!?][ \n]"
)
_LIST = re.compile(
    r"[^A-Za-z가-힣]*(?:(?:and|or|to|through|및|와|과|또는|no|nos|number|numbers|is|are)[^A-Za-z가-힣]*){0,2}"
)
_FIELDS = re.compile(r"[ ][/|][ ]|\t|\|")  # between things of different kinds
_VERB = re.compile(
    r"[ ](?:the|my|your|an?|on|in|if|whether|for|purchase|order|status|up|out|with|this|that|all|its?|his|her|eta|"
    r"when|where|what|of)\b"
)  # checking the order
_VERBS = frozenset(("checking", "update", "release", "build", "savings", "saving"))
_ON = re.compile(
    r"(?:[ ](?:numbers?|no\.?|nr|code|id|#))?[ ](?:on|in|at|for|from)[ ](?:(?:the|my|your|his|her|our|their|this|that|"
    r"a)[ ])?(?:[a-z]+[ ])?"
)
_SAYS = re.compile(r"\b(?:is|was|are|were|reads|says|shows|should|will be)\b|:")
_CLAUSE_END = re.compile(r"[.;!?\n]|, ")
# Between a value and the label that explains it: "531904477, your old UK passport", "S77204519 (the ... license)".
_APPOSED = re.compile(
    r"[\"'”’)\]]{0,2}[ ]?(?:[(\[](?!see |per |in |for |copy |check |not )|(?:,|-{1,2}|:)[ ]?(?=[A-Za-z])|"
    r"(?=(?:is|was|are|being|as|belongs|an?) ))[ ]?"
    r"(?:(?:(?:and )?that(?:['’]?s| is| was)|thats|which is|which was|it['’]?s|its|this is|is|was|are|being|as|"
    r"belongs to)[ ])?"
    r"(?:(?:also|both|still|just|actually|on|from)[ ])?"
    r"(?:(?:the|my|your|his|her|their|our|an?|old|new|current|same)[ ](?:[A-Za-z'’.]{2,14}[ ]){0,2}|"
    r"(?:[A-Za-z'’.]{2,14}[ ]){0,2}(?<=[( \[]))?"
)
_EXPLAINED = re.compile(  # what follows such a label; "..., my account is locked" is another clause
    r"(?:['’]s)?(?:[ ](?:numbers?|no\.?|#|nos?\.?|card|id|code|one))?(?:[ ]{0,2}(?:[.,;:!?)\]\n\"'(-]|$)|"
    r"[ ](?:and|but|so|please|pls|thanks|the|i|with|for|from|of|at|in|on|that|which|if|hopefully|not|he|she|they)\b)",
    re.IGNORECASE,
)
_NAMING = re.compile(
    r"(?:(?:nos?\.?|numbers?|num|nr|id|code|ref|is|was|are)(?![A-Za-z])|번호|[ :#=.(\"'“\[-])*", re.IGNORECASE
)
_VALUE_BEFORE = re.compile(r"[0-9][0-9A-Za-z-]{3,}[ ]?[(\[]$")  # ... before a label in brackets


def trie(words: Iterable[str]) -> str:
    """A regular expression of the words that tries each character once: alternation by common prefix, longest first."""
    root: dict = {}
    for word in words:
        node = root
        for character in word:
            node = node.setdefault(character, {})
        node[""] = {}

    def written(node: dict) -> str:
        ends = "" in node
        parts = [re.escape(character) + written(after) for character, after in sorted(node.items()) if character]
        if not parts:
            return ""
        body = parts[0] if len(parts) == 1 and not ends else "(?:" + "|".join(parts) + ")"
        return body + ("?" if ends else "")

    return written(root)


_LABEL = re.compile(trie(TOPIC_OF))


class Labels:
    """The label words of a text, by place."""

    def __init__(self, text: str):
        low = lowered(text)
        found = []
        match = _LABEL.search(low)
        while match is not None:
            start, end = match.span()
            word = match.group()
            if word.isascii() and not _whole(text, start, end):
                end = _shorter(text, word, start)  # "chart num" of "chart numbers": "chart"
                if end:
                    found.append((start, end, TOPIC_OF[text[start:end].lower()]))
                else:
                    end = start + 1  # "bank acc" of "bank account": look for what begins within it
            elif word not in _VERBS or _VERB.match(low, end) is None:
                found.append((start, end, TOPIC_OF[word]))
            match = _LABEL.search(low, end)
        self._found = found
        self._ends = [end for _, end, _ in found]
        self._topics = {topic for _, _, topic in found}
        self._cells = cells(text, found) if found and ("\n" in text or ":" in text) else []
        self._cell_starts = [cell.start for cell in self._cells]
        self._text = text

    def has(self, topics: Iterable[str]) -> bool:
        """Whether one of the topics is named anywhere."""
        return not self._topics.isdisjoint(topics)

    def in_table(self, place: int) -> bool:
        return self._cell(place) is not None

    def only(self, topics: Iterable[str]) -> bool:
        """Whether one of the topics is named, and no other that could be what a number is."""
        return self.has(topics) and self._topics <= {*topics, *NEUTRAL}

    def _cell(self, start: int) -> Cell | None:
        """The cell of a table in which it stands."""
        place = bisect_right(self._cell_starts, start) - 1
        return self._cells[place] if place >= 0 and start < self._cells[place].end else None

    def before(self, start: int, reach: int = 40) -> str | None:
        """The topic of the nearest label that ends within `reach` characters before; None without one.

        One that speaks against personal data counts for the first number behind it, or for a list of them, within its
        sentence. In a table it is the head of the column, unless a label stands in the cell itself.
        """
        place = bisect_right(self._ends, start) - 1
        cell = self._cell(start) if self._cells else None
        if cell is not None and (place < 0 or self._found[place][0] < cell.start):
            return cell.topic  # the head of its column
        while place >= 0 and start - self._ends[place] <= reach:
            if place and self._beside(place, start):
                place -= 1
                continue
            topic = self._found[place][2]
            if topic not in AGAINST or self._bound(self._ends[place], start):
                return topic
            place -= 1
        return None

    def joined(self, start: int, topic: str) -> bool:
        """Whether the nearest label before is one of several in a row of which one has the topic: "MRN/DOB: ..."."""
        place = bisect_right(self._ends, start) - 1
        if place < 0 or start - self._ends[place] > 40:
            return False
        while place > 0 and self._found[place][0] - self._ends[place - 1] <= 5:
            place -= 1
            if self._found[place][2] == topic:
                return True
        return False

    def _beside(self, place: int, start: int) -> bool:
        """Whether the label only says where the thing named before it stands: "the policy number on the chart was"."""
        first = self._ends[place - 1]
        label, end, _ = self._found[place]
        return (
            0 < label - first <= 24
            and _ON.fullmatch(self._text, first, label) is not None
            and _SAYS.search(self._text, end, start) is not None
        )

    def _bound(self, end: int, start: int) -> bool:
        if _END.search(self._text, end, start):
            return False
        between = self._text[end:start].removeprefix("s")  # "chart numbers 18204 and 18205"
        if not any(map(str.isdigit, between)):
            return True
        return _LIST.fullmatch(between) is not None and _FIELDS.search(between) is None

    def after(self, end: int, reach: int = 10) -> str | None:
        """The topic of the nearest label that begins within `reach` characters after, in the same clause, with no digit
        in between."""
        place = bisect_right(self._ends, end)
        while place < len(self._found) and self._found[place][0] < end:
            place += 1
        if place < len(self._found) and self._found[place][0] - end <= reach:
            between = self._text[end : self._found[place][0]]
            if not any(map(str.isdigit, between)) and not _CLAUSE_END.search(between):
                return self._found[place][2]
        return None

    def topic(self, start: int, end: int, reach: int = 40) -> str | None:
        """The label that speaks of this value: the one before it, or else the one right after it."""
        return self.explained(start, end, self.before(start, reach)) or self.after(end)

    def explained(self, start: int, end: int, before: str | None) -> str | None:
        """`before`, the topic of the label before the value, unless what follows explains the value otherwise."""
        if before == "phone" and self._weak(start):  # "the number's 424461964 according to my passport"
            other = self.after(end, 45)
            if other is not None and other not in AGAINST:
                return other
        behind = self._explains(end)
        if behind is None or behind == before:
            return before
        in_brackets = self._text.startswith((" (", "("), end)  # "your ref P160126 (hospital number)"
        if before is not None and self.naming(start) == before and not (in_brackets and before in AGAINST):
            return before
        if before is None or before in AGAINST or not self._text.startswith(",", end) or self._spent(start):
            return behind
        return before

    def _explains(self, end: int) -> str | None:
        """The topic of a label in apposition: "..., my old passport", "... (NHS no.)"."""
        place = bisect_right(self._ends, end)
        for first, last, topic in self._found[place : place + 2]:  # "a valid UK passport": the second one
            if not 0 < first - end <= 45:
                return None
            if _APPOSED.fullmatch(self._text, end, first) and _EXPLAINED.match(self._text, last):
                return topic
        return None

    def _weak(self, start: int) -> bool:
        """Whether the label before only says that it is a number."""
        first, last, _ = self._found[bisect_right(self._ends, start) - 1]
        return self._text[first:last].lower() in WEAK

    def _spent(self, start: int) -> bool:
        """Whether the label before stands in brackets behind another value: "821-73-5096 (SSN) and ..."."""
        first = self._found[bisect_right(self._ends, start) - 1][0]
        return _VALUE_BEFORE.search(self._text, max(0, first - 24), first) is not None

    def naming(self, start: int) -> str | None:
        """The topic of the label right before, with nothing but "no.", ":" or "is" in between."""
        place = bisect_right(self._ends, start) - 1
        if place < 0 or start - self._ends[place] > 16:
            return None
        return self._found[place][2] if _NAMING.fullmatch(self._text, self._ends[place], start) else None

    def bound(self, start: int) -> bool:
        """Whether no number stands between the label before and the value, but those of one list, and no sentence
        ends."""
        place = bisect_right(self._ends, start) - 1
        return place < 0 or self._bound(self._ends[place], start)

    def near(self, topics: Iterable[str], start: int, end: int, reach: int = 60, beyond: int = 30) -> bool:
        """Whether one of the topics is named within `reach` before or `beyond` after."""
        topics = tuple(topics)
        place = bisect_right(self._ends, start - reach)
        while place < len(self._found) and self._found[place][0] <= end + beyond:
            if self._found[place][2] in topics:
                return True
            place += 1
        return False


def _shorter(text: str, word: str, start: int) -> int:
    """The end of the longest label that the word begins with and that is a whole word; 0 without one."""
    for size in range(len(word) - 1, 1, -1):
        if word[:size] in TOPIC_OF and _whole(text, start, start + size):
            return start + size
    return 0


def _whole(text: str, start: int, end: int) -> bool:
    """Whether it is a whole word, also in the plural, before a Korean particle, or as a part of `patientMrnValue`."""
    before = text[start - 1] if start else ""
    if before.isalpha() and before.isascii() and not (text[start].isupper() and before.islower()):
        return False
    if before.isdigit() and end - start <= 2:
        return False  # M399V8239
    if not text[end - 1].isalnum():
        return True  # pt#A4482
    after = text[end : end + 2]
    if after[:1] == "-" and after[1:].isalpha() and text[end - 3 : end].lower() == " no":
        return False  # patient no-shows
    if not (after[:1].isalpha() and after.isascii()):
        return True
    plural = after[0] in "sS" and not after[1:].isalnum()
    return plural or (after[0].isupper() and after[1:].islower())


def lowered(text: str) -> str:
    """Lower case, character by character, so that places stay."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(character.lower() if len(character.lower()) == 1 else character for character in text)
