"""Written answers in OpenAI's shapes: chat and text completions, whole or as events, each with its evidence."""

from __future__ import annotations

import time
from typing import Any

from jangin.errors import JanginError
from jangin.serve import wire
from jangin.serve.fleet import Entry
from jangin.serve.frames import Finished
from jangin.serve.replies import encode, evidence

DONE = b"data: [DONE]\n\n"


class Shape:
    """One answer to be: `chat` or a bare text completion. `usage`: whether a stream ends with it."""

    def __init__(self, entry: Entry, request_id: str, chat: bool, usage: bool):
        self._entry, self._chat, self._usage = entry, chat, usage
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

    def whole(self, text: str, end: Finished) -> bytes:
        choice: dict[str, Any] = {"index": 0, "logprobs": _logprobs(end), "finish_reason": end.finish}
        choice |= {"message": {"role": "assistant", "content": text, "refusal": None}} if self._chat else {"text": text}
        about = _evidence(self._entry, end)
        return encode({**self._head, "choices": [choice], "usage": _usage(end), "jangin": about})

    def first(self) -> bytes:
        """The role chunk of a chat; nothing before a text completion."""
        if not self._chat:
            return b""
        delta = {"role": "assistant", "content": "", "refusal": None}
        return self._event({"delta": delta}, None, {"jangin": evidence(self._entry)})

    def piece(self, text: str) -> bytes:
        return self._event({"delta": {"content": text}} if self._chat else {"text": text}, None, {})

    def last(self, end: Finished) -> bytes:
        about = {"jangin": _evidence(self._entry, end)}
        events = self._event({"delta": {}} if self._chat else {"text": ""}, end.finish, about)
        if self._usage:
            events += _event({**self._chunk, "choices": [], "usage": _usage(end)})
        return events + DONE

    def _event(self, part: dict[str, Any], finish: str | None, more: dict[str, Any]) -> bytes:
        choice = {"index": 0, **part, "logprobs": None, "finish_reason": finish}
        return _event({**self._chunk, **more, "choices": [choice]})


def broken(error: JanginError) -> bytes:
    """The last event of a stream that cannot go on."""
    return b"data: " + wire.error_body(error) + b"\n\n"


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + encode(body) + b"\n\n"


def _usage(end: Finished) -> dict[str, int]:
    prompt, completion = end.prompt_tokens, end.completion_tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _evidence(entry: Entry, end: Finished) -> dict[str, Any]:
    """`tok_per_s`: tokens after the first, per second after the first; None for an answer of one token or none."""
    about = evidence(entry, end.confidence)
    if end.fields is not None:
        about["fields"] = end.fields
    about["waited_ms"] = round(end.waited_s * 1e3, 1)
    about["ttft_ms"] = None if end.ttft_s is None else round(end.ttft_s * 1e3, 1)
    decode_s = end.waited_s + end.work_s - (end.ttft_s or 0.0)
    more = end.completion_tokens - 1
    about["tok_per_s"] = round(more / decode_s, 1) if end.ttft_s is not None and more > 0 and decode_s > 0 else None
    return about


def _logprobs(end: Finished) -> dict[str, Any] | None:
    """One entry a token; a token that is not whole characters shows them replaced, and its bytes as they are."""
    if end.tokens is None:
        return None
    content = [
        {"token": piece.decode(errors="replace"), "logprob": logprob, "bytes": list(piece), "top_logprobs": []}
        for piece, logprob in end.tokens
    ]
    return {"content": content, "refusal": None}
