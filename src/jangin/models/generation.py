"""One generated answer, and how it is read off the engine's stream."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import msgspec

from jangin.models.llama import raise_refusal

OnText = Callable[[int, str], bool | None]
OnToken = Callable[[int, "Token"], None]


class Token(msgspec.Struct, frozen=True):
    """One generated token: its bytes (half a character, at times) and ln of its probability at temperature 1.

    top: the likeliest tokens in its place, the likeliest first; it need not be among them where a grammar bound it.
    """

    piece: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...] = ()


class Generation(msgspec.Struct, frozen=True):
    """One answer.

    finish: "stop" (the model ended, or a stop string came; it is not part of the text), "length", or "cancelled".
    prompt_tokens is None when the request was cancelled; cached_tokens of them were not read again, since an earlier
    request's prompt or answer began with them. ttft_s: from the call to the first text, its wait for a free
    place included; None when no text came. logprob: sum over `tokens`; both None unless asked for;
    the end that a schema or a grammar forces is none of them. The engine tells no probability of a token that ends
    inside a character: `tokens` lacks it, `completion_tokens` counts it.
    """

    text: str
    finish: str
    prompt_tokens: int | None
    completion_tokens: int
    ttft_s: float | None
    seconds: float
    logprob: float | None = None
    tokens: list[Token] | None = None
    cached_tokens: int = 0

    def mean_probability(self) -> float | None:
        """Geometric mean of its tokens' probabilities; None when they were not asked for, or there is none."""
        if self.logprob is None or not self.tokens:
            return None
        return math.exp(min(0.0, self.logprob / len(self.tokens)))


class Reading:
    """The parts of one answer as the engine calls back with them.

    at: the prompt's position. top: of the likeliest tokens beside each. asked_s: when the call began.
    """

    def __init__(self, at: int, top: int, on_text: OnText | None, on_token: OnToken | None, asked_s: float):
        self._at, self._top, self._on_text, self._on_token, self._asked_s = at, top, on_text, on_token, asked_s
        self._texts: list[str] = []
        self._tokens: list[Token] = []
        self._finish = "cancelled"
        self._usage: dict[str, Any] | None = None
        self._first_s: float | None = None
        self._failed: BaseException | None = None

    def take(self, part: dict[str, Any]) -> bool:
        """What the engine calls; True ends the answer."""
        try:
            return self._read(part)
        except BaseException as error:  # noqa: BLE001 - the engine swallows it; it is raised again at the end
            self._failed = error
            return True

    def _read(self, part: dict[str, Any]) -> bool:
        raise_refusal(part)
        choice = part["choices"][0]
        self._finish = choice["finish_reason"] or "cancelled"
        self._usage = part.get("usage")
        for found in (choice["logprobs"] or {}).get("content", []):
            self._tokens.append(_token(found, self._top))
            if self._on_token:
                self._on_token(self._at, self._tokens[-1])
        if not choice["text"]:
            return False
        if self._first_s is None:
            self._first_s = time.perf_counter()
        self._texts.append(choice["text"])
        return bool(self._on_text and self._on_text(self._at, choice["text"]))

    def whole(self, *, bound: bool, told: bool) -> Generation:
        """bound: by a schema or a grammar. told: tokens were asked for. Raises: what `take` met."""
        if self._failed is not None:
            raise self._failed
        usage = self._usage or {"prompt_tokens": None, "completion_tokens": len(self._texts)}
        tokens = self._tokens
        if bound and tokens and not tokens[-1].piece:  # the grammar ended it, with an end that nobody would choose
            tokens.pop()
        return Generation(
            "".join(self._texts),
            self._finish,
            usage["prompt_tokens"],
            usage["completion_tokens"],
            None if self._first_s is None else self._first_s - self._asked_s,
            time.perf_counter() - self._asked_s,
            sum(token.logprob for token in tokens) if told else None,
            tokens if told else None,
            (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0),
        )


def _token(found: dict[str, Any], top: int) -> Token:
    best = tuple((bytes(each["bytes"]), each["logprob"]) for each in found["top_logprobs"][:top])
    return Token(bytes(found["bytes"]), found["logprob"], best)
