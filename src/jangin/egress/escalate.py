"""Escalation: one question to another model's API, by the rules, and an answer that says what left.

The order is the point: rules, redaction, budget, pace, breaker, audit; only then a byte leaves, and each new try is
audited anew. Whatever fails before that, nothing leaves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from jangin.egress import body, link, restore
from jangin.egress.answers import Answer, Question
from jangin.egress.breaker import Breaker, Ticket
from jangin.egress.budget import Budgets
from jangin.egress.link import Failed, Link
from jangin.egress.recorder import Recorder
from jangin.egress.seams import Audit, Payer, Redaction, Spent
from jangin.egress.sending import LIMITS, Sending
from jangin.egress.server import Server, effective
from jangin.egress.stream import Stream
from jangin.errors import EgressDenied, EgressFailed
from jangin.policy import Policy

FIRST_WAIT_S = 0.5
SMALL_CHARS = 20_000  # of a request that is made ready in the event loop: less than a millisecond


class Egress:
    """The only way out of a server. One for a process, used in one event loop; `close` it.

    Args:
        audit: asked before every request that leaves. redaction: None where no task may need one.
        spent: what the ledger knows of a task's costs before this process began.
        first_wait_s: between the first two tries; doubled after each. breaker: makes one for each API.
    Raises: InputError where an API's key is not in the environment.
    """

    def __init__(
        self,
        server: Server,
        audit: Audit,
        redaction: Redaction | None = None,
        spent: Spent | None = None,
        *,
        first_wait_s: float = FIRST_WAIT_S,
        breaker: Callable[[], Breaker] = Breaker,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self.server, self.first_wait_s = server, first_wait_s
        self.redaction, self.budgets = redaction, Budgets(spent, now)
        self._recorder = Recorder(audit)
        self._large = asyncio.Semaphore(1)  # one long text at a time: it takes seconds, and short ones go past it
        self.effective = lru_cache(256)(lambda policy: effective(policy, server))  # what holds here for a task
        allowed = server.upstreams if server.egress == "allow" else ()
        self.links = {each.origin: Link(each, breaker()) for each in allowed}

    async def close(self) -> None:
        for each in self.links.values():
            await each.close()
        self._recorder.close()

    async def __aenter__(self) -> Egress:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def ask(self, policy: Policy, question: Question, payer: Payer | None = None) -> Answer:
        """The whole answer, originals put back. payer: whose money it is, beside the task's.

        Raises: EgressDenied, EgressFailed, each with `left` where something was sent; RequestError for what is no chat
        request.
        """
        started = time.perf_counter()
        async with self._sending(policy, question, False, payer) as sending:
            raw = await self._until_answered(sending)
            choice = raw["choices"][0]
            said = choice["message"].get("content") or ""
            sending.count(raw.get("usage"), said)
            if len(said) < SMALL_CHARS * 10:
                shown = restore.whole(raw, sending.out.vault, sending.out.json_answer)
            else:
                shown = await asyncio.to_thread(restore.whole, raw, sending.out.vault, sending.out.json_answer)
            message = shown["choices"][0]["message"]
            refusal = message.get("refusal") or None
            model = raw.get("model")
            left = sending.left()
            assert left is not None
            return Answer(
                text=None if refusal else message.get("content"),
                finish_reason=choice.get("finish_reason"),
                refusal=refusal,
                completion=shown,
                out=sending.out,
                model=model if isinstance(model, str) else None,
                latency_s=round(time.perf_counter() - started, 4),
                left=left,
            )

    @asynccontextmanager
    async def stream(self, policy: Policy, question: Question, payer: Payer | None = None) -> AsyncIterator[Stream]:
        """The answer in pieces; what fails after the first of them is not tried again.

        Raises: as `ask`, here and from the iteration.
        """
        async with self._sending(policy, question, True, payer) as sending:
            opened = await self._until_answered(sending)
            assert isinstance(opened, Stream)
            try:
                yield opened
            finally:
                await opened.close()

    @asynccontextmanager
    async def _sending(
        self, policy: Policy, question: Question, streaming: bool, payer: Payer | None
    ) -> AsyncIterator[Sending]:
        """All that stands before the first try; and the money, whatever becomes of it."""
        policy = self.effective(policy)
        way, model = self._permitted(policy, question)
        ends_at = asyncio.get_running_loop().time() + way.upstream.deadline_s
        small = _is_small(question)
        if policy.redact == "none" and small:  # nothing here blocks, and a thread costs more than it
            out = body.build(policy, question, self.redaction)
        elif small:
            out = await asyncio.to_thread(body.build, policy, question, self.redaction)
        else:
            await _in_time(self._large, ends_at, "long texts are looked through before this one")
            building = asyncio.ensure_future(asyncio.to_thread(body.build, policy, question, self.redaction))
            building.add_done_callback(self._looked_through)
            out = await asyncio.shield(building)  # a thread goes on when whoever asked has gone
        sending = Sending(policy, question, way, model, out, streaming, ends_at, payer)
        busy = f"{way.upstream.at_once} requests to {way.upstream.origin} are under way"
        await _in_time(way.places, ends_at, busy)
        try:
            sending.held = await self.budgets.hold(question.task, policy.budget, sending.most_usd())
        except BaseException:
            way.places.release()
            raise
        try:
            if payer is not None:
                sending.held_by_payer = payer.hold(sending.most_usd())
            yield sending
        except (EgressDenied, EgressFailed) as error:
            error.left = sending.left()
            raise
        except BaseException:
            sending.gave_up()
            raise
        finally:
            way.places.release()
            cost_usd = sending.cost_usd or 0.0
            self.budgets.settle(question.task, policy.budget, sending.held, cost_usd)
            if payer is not None:
                payer.settle(sending.held_by_payer, cost_usd)

    def _looked_through(self, building: asyncio.Future[Any]) -> None:
        self._large.release()
        if not building.cancelled():
            building.exception()  # perhaps nobody waits for it any more

    def _permitted(self, policy: Policy, question: Question) -> tuple[Link, str]:
        task = question.task
        if policy.egress != "allow":
            raise EgressDenied("policy", f"the policy of task '{task}' on this server lets nothing leave")
        for allowed in policy.endpoints:
            if question.model is None:
                return self.links[allowed.origin], allowed.models[0]
            if question.model in allowed.models:
                return self.links[allowed.origin], question.model
        known = ", ".join(name for allowed in policy.endpoints for name in allowed.models)
        raise EgressDenied(
            "model", f"the policy of task '{task}' does not name the model that was asked for; it names {known}"
        )

    async def _until_answered(self, sending: Sending) -> Any:
        """The completion, or the opened Stream. Raises: EgressDenied, EgressFailed."""
        way, failed = sending.link, None
        host = way.upstream.origin
        try:
            async with asyncio.timeout_at(sending.ends_at):
                while True:
                    try:
                        return await self._try(sending)
                    except Failed as error:
                        failed = error
                    if failed.filtered:
                        return _filtered(sending)
                    if failed.parameter == LIMITS[0] and sending.model not in way.renamed:
                        way.renamed.add(sending.model)
                        continue
                    wait_s = self._wait_s(sending, failed)
                    if wait_s is None:
                        break
                    await asyncio.sleep(wait_s)
        except TimeoutError:
            last = f" (last: {failed.says})" if failed else ""
            raise EgressFailed(
                "deadline", f"{host} gave no answer within {way.upstream.deadline_s:g} s{last}", status=504
            ) from None
        raise EgressFailed(
            failed.reason,
            f"{host} gave no answer after {sending.tries} tries: {failed.says}",
            status=failed.status,
            retry_after_s=failed.wait_s,
            retryable=failed.again,
        )

    def _wait_s(self, sending: Sending, failed: Failed) -> float | None:
        """Until the next try; None: there is none that could still be answered in time."""
        if not failed.again or sending.tries >= sending.link.upstream.tries:
            return None
        wait_s = max(link.back_off_s(sending.tries, self.first_wait_s), failed.wait_s or 0.0)
        left_s = sending.ends_at - asyncio.get_running_loop().time()
        return wait_s if wait_s < left_s else None

    async def _try(self, sending: Sending) -> Any:
        """Raises: Failed; EgressDenied where the audit log cannot be written; EgressFailed for an open breaker."""
        way, clock = sending.link, asyncio.get_running_loop().time
        if (pause_s := way.pace.paused_s) > sending.ends_at - clock():
            raise Failed("http_429", "it asked for a pause", again=False, well=True, status=429, wait_s=pause_s)
        await way.pace.wait(sending.out.tokens)
        ticket = way.breaker.admit()
        if not isinstance(ticket, Ticket):
            raise EgressFailed(
                "breaker",
                f"{way.upstream.origin} has failed too often; it is left alone for now",
                status=503,
                retry_after_s=ticket,
            )
        well, handed, sent = None, False, False
        try:
            content = sending.body()
            await self._written_down(sending, len(content))
            sending.tries += 1
            sending.bytes += len(content)
            sent = True
            response = await way.post(content, max(0.01, sending.ends_at - clock()), sending.streaming)
            answer = await self._read(sending, response, ticket)
            well, handed = True, isinstance(answer, Stream)  # which reports for itself, when it is over
            return answer
        except Failed as error:
            well = error.well
            if not error.sent:
                sending.bytes -= len(content)
            if error.charged:
                sending.lost()
            if error.wait_s is not None and error.status == 429:
                way.pace.pause(error.wait_s)
            raise
        except asyncio.CancelledError:
            if sent:
                sending.lost()
                well = False if clock() >= sending.ends_at else None  # it hung; or whoever asked went away
            raise
        finally:
            if not handed:
                way.breaker.report(ticket, well)

    async def _read(self, sending: Sending, response: Any, ticket: Ticket) -> Any:
        try:
            if sending.streaming:
                return await Stream.opened(sending, response, ticket)
            return link.completion(await link.read(response, link.MAX_ANSWER_BYTES))
        except BaseException:
            await response.aclose()
            raise

    async def _written_down(self, sending: Sending, size: int) -> None:
        """Raises: EgressDenied when the audit log does not take it."""
        fields = sending.to_audit(sending.tries + 1, size)
        try:
            await self._recorder.record(fields)
        except Exception as error:  # noqa: BLE001  # whatever it was: what is not written down does not leave
            raise EgressDenied(
                "audit",
                f"the audit log cannot be written ({type(error).__name__}); nothing was sent",
                "see to the disk of the audit log; egress goes on as soon as it can be written",
                status=503,
            ) from None


async def _in_time(places: asyncio.Semaphore, ends_at: float, busy: str) -> None:
    """Takes a place. Raises: EgressFailed when none is free by then."""
    try:
        async with asyncio.timeout_at(ends_at):
            await places.acquire()
    except TimeoutError:
        raise EgressFailed("busy", busy, status=429, retry_after_s=1.0) from None


def _is_small(question: Question) -> bool:
    texts = [each.get("content") if isinstance(each, dict) else None for each in question.messages]
    return len(texts) < 100 and sum(len(text) if isinstance(text, str) else SMALL_CHARS for text in texts) < SMALL_CHARS


def _filtered(sending: Sending) -> dict[str, Any]:
    """A filter in front of the model refused: an answer of its kind. Raises: EgressFailed where a stream was wanted."""
    if sending.streaming:
        raise EgressFailed(
            "content_filter",
            f"{sending.link.upstream.origin} refuses the text: its content filter",
            status=400,
            retryable=False,
        )
    message = {"role": "assistant", "content": None, "refusal": "content filter"}
    choice = {"index": 0, "message": message, "finish_reason": "content_filter"}
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    sending.usage = (0, 0)
    return {"object": "chat.completion", "model": sending.model, "choices": [choice], "usage": usage}
