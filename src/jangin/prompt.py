"""The one renderer: training, evaluation and serving all turn an input into model text here, and nowhere else."""

from __future__ import annotations

import unicodedata

from jangin.types import Input

# Control characters that carry no meaning in a message; tab, newline and carriage return stay.
_CONTROL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160)), " ")
_CONTROL |= {0x2028: "\n", 0x2029: "\n", 0xFEFF: ""}


def render(value: Input) -> str:
    """The text a model reads for one input: NFC, without control characters; chat turns as `role: content` lines.

    A chat of a single user turn is that turn alone, so that a bare string and the same string sent through
    `/v1/chat/completions` get the same answer.
    """
    if isinstance(value, str):
        text = value
    elif len(value) == 1 and value[0].get("role") == "user":
        text = value[0].get("content") or ""
    else:
        text = "\n".join(f"{turn.get('role', 'user')}: {turn.get('content') or ''}" for turn in value)
    # In this order, as the data was cleaned: an invisible character may stand between a letter and its accent.
    return unicodedata.normalize("NFC", text.translate(_CONTROL)).strip()
