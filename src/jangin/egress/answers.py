"""A question that may leave, what did leave, and what came back."""

from __future__ import annotations

from typing import Any

import msgspec

from jangin.egress.seams import Vault


class Question(msgspec.Struct, frozen=True):
    """One chat that a task's policy may let out.

    messages, parameters: as a client sent them (chat completions); what the policy does not name is not taken over.
    model: which of the allow-listed models; None for the first of the policy.
    instruction: the task's own words in front (labels, form of the answer), from its file and not from a user; it
    leaves as it is, as a system message.
    """

    task: str
    request_id: str
    messages: list[dict[str, Any]]
    model: str | None = None
    parameters: dict[str, Any] = {}
    instruction: str | None = None


class Outgoing(msgspec.Struct, frozen=True):
    """body: without model and stream. tokens: of the prompt, about. json_answer: a JSON text is asked for."""

    body: dict[str, Any]
    fields: tuple[str, ...]
    withheld: tuple[str, ...]
    tokens: float
    json_answer: bool
    vault: Vault | None

    @property
    def placeholders(self) -> int:
        return 0 if self.vault is None else len(self.vault)


class Left(msgspec.Struct, frozen=True):
    """What left, for the answer, the ledger and the audit: no texts.

    to: the origin. bytes: of the bodies of all requests that were sent, tries that failed included.
    fields: what the bodies were made of. withheld: what was there and stayed. placeholders: originals replaced.
    cost_usd: None where no price is known. estimated: the API did not state all the tokens.
    """

    to: str
    model: str
    bytes: int
    tries: int
    fields: tuple[str, ...]
    withheld: tuple[str, ...]
    placeholders: int
    redacted: bool
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    estimated: bool = False
    price: str | None = None

    def evidence(self) -> dict[str, Any]:
        """The part of an answer's `jangin` object that says what left."""
        return {"route": "escalated", "egress": msgspec.to_builtins(self)}


class Answer(msgspec.Struct, frozen=True):
    """text: originals put back; None where the model, or a filter before it, refused. completion: the API's whole
    object, originals put back; out: what was sent, with the originals' vault."""

    text: str | None
    finish_reason: str | None
    refusal: str | None
    completion: dict[str, Any]
    out: Outgoing
    model: str | None
    latency_s: float
    left: Left
