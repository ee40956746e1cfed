"""Originals put back into answers: whole completions, and streams piece by piece."""

from __future__ import annotations

from typing import Any

import msgspec

from jangin.egress.link import is_text
from jangin.egress.seams import Restorer, Vault

_TEXTS = ("content", "refusal", "reasoning_content")  # of a message, or of a chunk's delta


def whole(completion: dict[str, Any], vault: Vault | None, json_answer: bool) -> dict[str, Any]:
    """A copy of a completion with the originals in its messages."""
    if not vault:
        return completion
    choices = []
    for choice in completion["choices"]:
        message = dict(choice["message"])
        for name in _TEXTS:
            if isinstance(message.get(name), str):
                message[name] = text(message[name], vault, json_answer and name == "content")
        choices.append({**choice, "message": message})
    return {**completion, "choices": choices}


def text(value: str, vault: Vault, as_json: bool) -> str:
    """as_json: an original with a quote or a line end must not break the JSON text around it."""
    if as_json:
        try:
            return msgspec.json.encode(_walk(msgspec.json.decode(value), vault)).decode()
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return vault.restore(value)
    return vault.restore(value)


def _walk(value: Any, vault: Vault) -> Any:
    if isinstance(value, str):
        return vault.restore(value)
    if isinstance(value, list):
        return [_walk(each, vault) for each in value]
    if isinstance(value, dict):
        return {vault.restore(key): _walk(each, vault) for key, each in value.items()}
    return value


class _WholeJson:
    """A JSON text is restored when it is complete."""

    def __init__(self, vault: Vault):
        self.vault, self.pieces = vault, list[str]()

    def feed(self, piece: str) -> str:
        self.pieces.append(piece)
        return ""

    def flush(self) -> str:
        gathered = "".join(self.pieces)
        return text(gathered, self.vault, True) if gathered else ""


class Chunks:
    """Follows the chunks of one stream: restores their texts and keeps what the end needs to know.

    texts: of choice 0 as it came, with placeholders. finished: choices that have said why they end.
    """

    def __init__(self, vault: Vault | None, json_answer: bool):
        self.vault, self.json_answer = vault, json_answer
        self.texts: list[str] = []
        self.usage: dict[str, Any] | None = None
        self.finish_reason: str | None = None
        self.refusal = ""
        self.model: str | None = None
        self.begun, self.finished = set[int](), set[int]()
        self._restorers: dict[tuple[int, str], Restorer] = {}

    @property
    def complete(self) -> bool:
        return bool(self.begun) and self.begun == self.finished

    def take(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """The chunk as it may be shown. Raises: KeyError, TypeError, AttributeError, ValueError for what is none."""
        usage = chunk.get("usage")
        self.usage = usage if isinstance(usage, dict) else self.usage
        model = chunk.get("model")
        self.model = model if isinstance(model, str) else self.model
        return {**chunk, "choices": [self._choice(choice) for choice in chunk["choices"]]}

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        index, delta, reason = int(choice.get("index", 0)), dict(choice["delta"]), choice.get("finish_reason")
        if not all(map(is_text, (delta.get("content"), delta.get("refusal"), reason))):
            raise TypeError
        self.begun.add(index)
        if index == 0:
            self.texts.append(delta.get("content") or "")
            self.refusal += delta.get("refusal") or ""
            self.finish_reason = reason or self.finish_reason
        for name in _TEXTS:
            if isinstance(delta.get(name), str) and self.vault:
                delta[name] = self._restorer(index, name).feed(delta[name])
        if reason:
            self.finished.add(index)
            for name in _TEXTS:
                if (index, name) in self._restorers and (rest := self._restorers.pop((index, name)).flush()):
                    delta[name] = (delta.get(name) or "") + rest
        return {**choice, "delta": delta}

    def _restorer(self, index: int, name: str) -> Restorer:
        assert self.vault is not None
        if (index, name) not in self._restorers:
            as_json = self.json_answer and name == "content"
            self._restorers[index, name] = _WholeJson(self.vault) if as_json else self.vault.restorer()
        return self._restorers[index, name]
