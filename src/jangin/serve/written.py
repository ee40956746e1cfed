"""Written answers in OpenAI's shapes: chat and text completions, whole or as events, each with its evidence."""

from __future__ import annotations

import time
from typing import Any

from jangin.errors import JanginError
from jangin.serve import wire
from jangin.serve.called import CalledTurn
from jangin.serve.door import Visit
from jangin.serve.evidence import evidence
from jangin.serve.fleet import Entry
from jangin.serve.frames import Finished, Told, Write
from jangin.serve.replies import UNSURE, encode

DONE = b"data: [DONE]\n\n"


class Shape:
    """One answer to be: `chat` or a bare text completion. `usage`: whether a stream ends with it."""

    def __init__(self, entry: Entry, visit: Visit, order: Write, chat: bool, usage: bool):
        self._entry, self._order, self._chat, self._usage = entry, order, chat, usage
        self._visit, request_id = visit, visit.request_id
        self._turn = CalledTurn() if order.talk is not None and order.talk.tools else None
        self.certified = order.talk is None  # the certificate's prompts held no functions
        self.given = "messages" if chat else "prompt"
        name = "chat.completion" if chat else "text_completion"
        self._head: dict[str, Any] = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{request_id}",
            "object": name,
            "created": int(time.time()),
            "model": entry.info.name,
            "system_fingerprint": entry.info.sha256[:12],
        }
        self._chunk = {**self._head, "object": "chat.completion.chunk" if chat else name}
        if usage:
            self._chunk["usage"] = None

    def whole(self, text: str | None, tokens: list[Told], end: Finished) -> bytes:
        """text: None: there is no answer, since it was not sure enough."""
        choice: dict[str, Any] = {"index": 0, "logprobs": self._logprobs(tokens), "finish_reason": end.finish}
        if self._turn is not None and text is not None:
            choice["message"] = self._turn.whole(text)
            choice["finish_reason"] = self._turn.finish(end.finish)
        elif self._chat:
            choice["message"] = {"role": "assistant", "content": text, "refusal": UNSURE if text is None else None}
        else:
            choice["text"] = text or ""
        about = self._evidence(end)
        return encode({**self._head, "choices": [choice], "usage": _usage(end), "jangin": about})

    def first(self) -> bytes:
        """The role chunk of a chat; nothing before a text completion."""
        if not self._chat:
            return b""
        delta = {"role": "assistant", "content": "", "refusal": None}
        return self._event({"delta": delta}, None, {"jangin": evidence(self._entry, certified=self.certified)})

    def piece(self, text: str, tokens: list[Told]) -> bytes:
        if self._turn is not None:
            return b"".join(self._event({"delta": delta}, None, {}) for delta in self._turn.deltas(text))
        return self._event({"delta": {"content": text}} if self._chat else {"text": text}, None, {}, tokens)

    def at_once(self, text: str | None, tokens: list[Told], end: Finished) -> bytes:
        """The whole answer as a stream's events."""
        if text is not None:
            return self.first() + (self.piece(text, tokens) if text else b"") + self.last(end)
        none = self._event({"delta": {"refusal": UNSURE}}, None, {}) if self._chat else b""
        return self.first() + none + self.last(end)

    def last(self, end: Finished) -> bytes:
        about, finish, events = {"jangin": self._evidence(end)}, end.finish, b""
        if self._turn is not None:
            events = b"".join(self._event({"delta": delta}, None, {}) for delta in self._turn.last_deltas())
            finish = self._turn.finish(finish)
        events += self._event({"delta": {}} if self._chat else {"text": ""}, finish, about)
        if self._usage:
            events += _event({**self._chunk, "choices": [], "usage": _usage(end)})
        return events + DONE

    def _event(
        self, part: dict[str, Any], finish: str | None, more: dict[str, Any], tokens: list[Told] | None = None
    ) -> bytes:
        about = None if tokens is None else self._logprobs(tokens)
        choice = {"index": 0, **part, "logprobs": about, "finish_reason": finish}
        return _event({**self._chunk, **more, "choices": [choice]})

    def _evidence(self, end: Finished) -> dict[str, Any]:
        return _evidence(self._entry, self._visit, end, self.certified)

    def _logprobs(self, tokens: list[Told]) -> dict[str, Any] | None:
        if not self._order.logprobs:
            return None
        return chat_logprobs(tokens) if self._chat else completion_logprobs(tokens, self._order.top)


def broken(error: JanginError) -> bytes:
    """The last event of a stream that cannot go on."""
    return b"data: " + wire.error_body(error) + b"\n\n"


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + encode(body) + b"\n\n"


def _usage(end: Finished) -> dict[str, Any]:
    prompt, completion = end.prompt_tokens, end.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": end.cached_tokens},
    }


def _evidence(entry: Entry, visit: Visit, end: Finished, certified: bool) -> dict[str, Any]:
    """`tok_per_s`: tokens after the first, per second after the first; None for an answer of one token or none."""
    about = evidence(entry, visit, end.confidence, certified)
    if end.fields is not None:
        about["fields"] = end.fields
    about["waited_ms"] = round(end.waited_s * 1e3, 1)
    about["ttft_ms"] = None if end.ttft_s is None else round(end.ttft_s * 1e3, 1)
    decode_s = end.waited_s + end.work_s - (end.ttft_s or 0.0)
    more = end.completion_tokens - 1
    about["tok_per_s"] = round(more / decode_s, 1) if end.ttft_s is not None and more > 0 and decode_s > 0 else None
    return about


def chat_logprobs(tokens: list[Told]) -> dict[str, Any]:
    """One entry a token; a token that is not whole characters shows them replaced, and its bytes as they are."""
    content = [
        {**_token(each.piece, each.logprob), "top_logprobs": [_token(*other) for other in each.top]} for each in tokens
    ]
    return {"content": content, "refusal": None}


def _token(piece: bytes, logprob: float) -> dict[str, Any]:
    return {"token": piece.decode(errors="replace"), "logprob": logprob, "bytes": list(piece)}


def completion_logprobs(tokens: list[Told], top: int) -> dict[str, Any]:
    """The older shape, of /v1/completions: one list a property. `top_logprobs` always holds the token itself too, so
    up to `top` + 1."""
    return {
        "tokens": [_shown(each.piece) for each in tokens],
        "token_logprobs": [each.logprob for each in tokens],
        "top_logprobs": [_alternatives(each) for each in tokens] if top else None,
        "text_offset": [each.at for each in tokens],
    }


def _alternatives(told: Told) -> dict[str, float]:
    return {_shown(piece): logprob for piece, logprob in [*told.top, (told.piece, told.logprob)]}


def _shown(piece: bytes) -> str:
    """A token where only its text is told: one that is not whole characters is shown as OpenAI does, by its bytes."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)
