"""How llama.cpp's server is asked for one of the labels: a short prompt, a GBNF grammar, as few tokens as can be.

bare: the prompt that our own LoRA rung is asked with, one token a label (codes), nothing explained. It is what a
fine-tuned adapter needs, and the fastest that this server can be asked; without an adapter its answers are guesses.
listed: the names of all labels stand before the text, so the base can know what is asked; that part is the same in
every request, so each of the server's places keeps it (`cache_prompt`). The grammar admits the names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

Body = Callable[[str], dict[str, Any]]
COMMON = {"temperature": 0, "top_k": 1, "cache_prompt": True, "seed": 0}


def bare(codes: Sequence[str]) -> Body:
    """codes: each one token of the base."""
    rule = one_of(codes)
    return lambda text: {"prompt": f"Text: {text}\nLabel:", "n_predict": 1, "grammar": rule, **COMMON}


def listed(labels: Sequence[str]) -> Body:
    names = [spoken(label) for label in labels]
    rule = one_of([f" {name}" for name in names])
    head = "Bank customers' messages are about one of: " + ", ".join(names) + ".\n\n"
    return lambda text: {"prompt": f"{head}Message: {text}\nAbout:", "n_predict": 24, "grammar": rule, **COMMON}


def spoken(label: str) -> str:
    return label.replace("_", " ").strip()


def one_of(choices: Sequence[str]) -> str:
    """GBNF. JSON's escapes of quotes and backslashes are GBNF's."""
    return "root ::= " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)


def read(answers: Sequence[str], labels: Sequence[str]) -> Callable[[Any], str]:
    """From the server's JSON to the label; answers: as the grammar admits them, in the labels' order."""
    place = {answer.strip(): label for answer, label in zip(answers, labels)}
    return lambda answer: place.get(answer["content"].strip(), "")
