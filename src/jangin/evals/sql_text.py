"""SQL as a list of tokens: enough to find an outer ORDER BY and to put a fixed time in place of the clock."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<string>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<mark><>|!=|>=|<=|==|\|\||.)""",
    re.X | re.S | re.I,
)
_CLOCKS = ("date", "time", "datetime", "julianday", "unixepoch")


class Token(NamedTuple):
    """kind: space (comments too), string, quoted (an identifier), number, word or mark; text: as it was written."""

    kind: str
    text: str


def tokens(sql: str) -> list[Token]:
    """Every character stands in exactly one token."""
    return [Token(match.lastgroup or "", match[0]) for match in _TOKEN.finditer(sql)]


def has_outer_order(sql: str) -> bool:
    """Whether the rows of the whole query come in a stated order: an ORDER BY outside all parentheses."""
    depth, before = 0, ""
    for kind, text in tokens(sql):
        if kind == "space":
            continue
        depth += (text == "(") - (text == ")")
        if depth == 0 and kind == "word" and before == "order" and text.lower() == "by":
            return True
        before = text.lower()
    return False


def freeze_time(sql: str, now: str) -> str:
    """The query with `now` ("YYYY-MM-DD HH:MM:SS") wherever it would ask the clock.

    That is 'now', CURRENT_TIMESTAMP, CURRENT_DATE, CURRENT_TIME, and date functions without arguments.
    """
    date, _, time = now.partition(" ")
    fixed = {"current_timestamp": now, "current_date": date, "current_time": time}
    parts = tokens(sql)
    solid = [i for i, token in enumerate(parts) if token.kind != "space"]
    texts = [token.text for token in parts]
    for name, opened, closed in zip(solid, solid[1:], solid[2:], strict=False):
        if texts[name].lower() in _CLOCKS and texts[opened] == "(" and texts[closed] == ")":
            texts[opened] = f"('{now}'"
    for i, (kind, text) in enumerate(parts):
        if kind == "string" and text.lower() == "'now'":
            texts[i] = f"'{now}'"
        elif kind == "word" and text.lower() in fixed:
            texts[i] = f"'{fixed[text.lower()]}'"
    return "".join(texts)
