"""The code in an answer that stands in a fenced block, as instruct models like to write it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([\w+.#-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.M | re.S)


def unfenced(answer: str, languages: Sequence[str]) -> str:
    """The first fenced block that is marked as one of the languages, or else the first fenced block, or else the whole
    text, untouched. A block that is cut off goes on to the end."""
    blocks = [(match[2].lower(), match[3]) for match in _FENCE.finditer(answer)]
    marked = [text for language, text in blocks if language in languages]
    return (marked or [text for _, text in blocks] or [answer])[0]
