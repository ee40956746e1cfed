"""Pass-through: a chat request of an existing OpenAI client goes on to its API by the task's policy, and what is said
may be captured. Bodies in, bodies out; whoever serves adds HTTP around them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from jangin.egress import restore
from jangin.egress.answers import Left, Outgoing, Question
from jangin.egress.capture import Capture
from jangin.egress.captured import Exchange
from jangin.egress.escalate import Egress
from jangin.egress.seams import Payer
from jangin.egress.stream import Stream
from jangin.errors import RequestError
from jangin.policy import Policy


class Asked(msgspec.Struct, frozen=True):
    """A client's request, read. with_usage: it wants the tokens at the end of its stream."""

    question: Question
    stream: bool
    with_usage: bool


class Passed(msgspec.Struct, frozen=True):
    """A whole answer as the client gets it. captured: None where nothing is to be captured."""

    content: bytes
    left: Left
    captured: bool | None


def read(body: bytes, task: str, request_id: str) -> Asked:
    """Raises: RequestError for what is no chat request."""
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise RequestError("the body is not valid JSON") from None
    if not isinstance(given, dict):
        raise RequestError("the body is no JSON object")
    model, stream = given.pop("model", None), given.pop("stream", None) or False
    options = given.pop("stream_options", None) or {}
    if not isinstance(model, str) or not model:
        raise RequestError("'model' is missing", param="model")
    if not isinstance(stream, bool):
        raise RequestError("'stream' is no switch", param="stream")
    if not isinstance(options, dict) or set(options) - {"include_usage"}:
        raise RequestError("'stream_options' is implemented for include_usage only", param="stream_options")
    messages = given.pop("messages", None)
    if not isinstance(messages, list):
        raise RequestError("'messages' is missing", param="messages")
    named = None if model == task else model  # a client that knows the task only gets its first model
    question = Question(task, request_id, messages, named, given)
    return Asked(question, stream, bool(options.get("include_usage")))


class PassThrough:
    """capture: None where this server captures nothing, whatever a task asks for."""

    def __init__(self, egress: Egress, capture: Capture | None = None):
        self.egress, self.capture = egress, capture

    async def whole(self, policy: Policy, asked: Asked, payer: Payer | None = None) -> Passed:
        """Raises: as Egress.ask."""
        answer = await self.egress.ask(policy, asked.question, payer)
        try:
            captured = await self._keep(
                policy,
                asked.question,
                answer.left,
                answer.out,
                answer=answer.text,
                refusal=answer.refusal,
                finish_reason=answer.finish_reason,
                answered_by=answer.model,
                latency_s=answer.latency_s,
            )
        except asyncio.CancelledError:
            if payer is not None:
                payer.gave_up(answer.left, answer.left.prompt_tokens or 0, answer.left.completion_tokens or 0)
            raise
        content = msgspec.json.encode({**answer.completion, "jangin": answer.left.evidence()})
        return Passed(content, answer.left, captured)

    @asynccontextmanager
    async def streamed(self, policy: Policy, asked: Asked, payer: Payer | None = None) -> AsyncIterator[Streamed]:
        """Raises: as Egress.ask, before the first event; EgressFailed from the iteration where it breaks off."""
        started = time.perf_counter()
        async with self.egress.stream(policy, asked.question, payer) as stream:
            yield Streamed(self, policy, asked, stream, started)

    async def _keep(self, policy: Policy, question: Question, left: Left, out: Outgoing, **about: Any) -> bool | None:
        policy = self.egress.effective(policy)
        if self.capture is None or policy.keep_days is None:
            return None
        exchange = Exchange(
            task=question.task,
            id=question.request_id,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            model=left.model,
            messages=out.body["messages"],
            prompt_tokens=left.prompt_tokens,
            completion_tokens=left.completion_tokens,
            cost_usd=left.cost_usd,
            **about,
        )
        return await self.capture.record(policy.keep_days, exchange, out.vault)


class Streamed:
    """Iterate over it once, for the bytes of server-sent events up to [DONE]; then `left` and `captured` are there."""

    def __init__(self, through: PassThrough, policy: Policy, asked: Asked, stream: Stream, started: float):
        self._through, self._policy, self._asked = through, policy, asked
        self._stream, self._started = stream, started
        self.left: Left | None = None
        self.captured: bool | None = None

    async def give_up(self) -> None:
        """Nobody wants the rest: the API is left, and whoever pays hears what it has cost by now."""
        await self._stream.close()
        self._stream.sending.gave_up()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        last: list[dict[str, Any]] = []  # chunks with an end wait for the end of all, which brings the evidence
        head: dict[str, Any] = {}
        async for chunk in self._stream:
            head = {name: value for name, value in chunk.items() if name != "choices"}
            if last or any(choice.get("finish_reason") for choice in chunk["choices"]):
                last.append(chunk)
            else:
                yield _event(chunk)
        stream = self._stream
        self.left = left = stream.left
        vault = stream.sending.out.vault
        said, refusal = stream.text, stream.refusal
        if vault:
            said = restore.text(said, vault, stream.sending.out.json_answer)
            refusal = refusal and restore.text(refusal, vault, False)
        self.captured = await self._through._keep(
            self._policy,
            self._asked.question,
            left,
            stream.sending.out,
            answer=None if refusal else said,
            refusal=refusal,
            finish_reason=stream.finish_reason,
            answered_by=stream.model,
            latency_s=round(time.perf_counter() - self._started, 4),
        )
        last[-1]["jangin"] = left.evidence()
        for chunk in last:
            yield _event(chunk)
        if self._asked.with_usage:
            prompt, completion = left.prompt_tokens or 0, left.completion_tokens or 0
            usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
            yield _event({**head, "choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
