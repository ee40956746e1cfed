"""A model's answer -> a row of the recorded reference, as `evals/references.py` reads it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from jangin.models.api import ApiAnswer
from jangin.prices import TokenPrice
from jangin.record.journal import Row
from jangin.types import Kind

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"\A```[\w-]*\s*\n(.*?)\n?```\Z", re.DOTALL)


def row_of(identity: str, kind: Kind, answer: ApiAnswer, price: TokenPrice | None) -> Row:
    """One row. `output` None: the model refused; `unscored`: no answer came, with the reason; `raw`: its words."""
    if answer.unscored is not None:
        return {"id": identity, "unscored": answer.unscored, "tries": answer.tries}
    row: Row = {"id": identity, "output": None if answer.refused else output_of(kind, answer.text)}
    row["raw"] = answer.text if answer.text is not None or not answer.refused else answer.refusal
    row["cost_usd"] = cost_of(answer, price)
    for name in ("model", "system_fingerprint", "finish_reason", "prompt_tokens", "completion_tokens", "latency_s"):
        row[name] = getattr(answer, name)
    return {key: value for key, value in row.items() if value is not None or key in ("output", "raw")}


def cost_of(answer: ApiAnswer, price: TokenPrice | None) -> float | None:
    """US dollars at the full price; None when the server counted no tokens, or no price is known."""
    if price is None or answer.prompt_tokens is None or answer.completion_tokens is None:
        return None
    return round(price.request(answer.prompt_tokens, answer.completion_tokens), 9)


def output_of(kind: Kind, text: str | None) -> Any:
    """The answer within the text: what a model thinks aloud before it is left out, JSON is read where it is wanted.

    A text that is no JSON stays a text: the scorer finds it wrong, and everybody can see why.
    """
    if text is None:
        return None
    text = _THOUGHT.sub("", text).strip()
    if kind == "extract":
        found = _json(text)
        return found if isinstance(found, dict) else text
    if kind == "tag":
        found = _json(text)
        return found if isinstance(found, list | dict) else text
    return text


def _json(text: str) -> Any:
    """JSON alone, in a code fence, or between the first and the last bracket; None: there is none."""
    fenced = _FENCE.match(text)
    candidates = [fenced[1] if fenced else text]
    for first, last in (("{", "}"), ("[", "]")):
        if 0 <= (begin := text.find(first)) < (end := text.rfind(last)):
            candidates.append(text[begin : end + 1])
    for candidate in candidates:
        try:
            return msgspec.json.decode(candidate)
        except (msgspec.DecodeError, RecursionError):
            continue
    return None
