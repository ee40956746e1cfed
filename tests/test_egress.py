"""Escalation to a real server on loopback: what leaves, what never does, and what happens when the other side fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_server import Reply, Seen, completion, fault, serving
from egress_parts import AuditFile, Redacted, Redactor, breaking, policy, server
from jangin.egress import body
from jangin.egress.answers import Answer, Question
from jangin.egress.breaker import Breaker
from jangin.egress.escalate import Egress
from jangin.errors import EgressDenied, EgressFailed, InputError, JanginError, RequestError
from jangin.policy import Policy

SECRET = "sk-up-c0ffee1234567890"
MAIL, PHONE = "kim@example.com", "010-1234-5678"
CHAT = [
    {"role": "system", "content": "internal instructions"},
    {"role": "user", "content": f"I am {MAIL}, call {PHONE} or {MAIL}", "name": "Kim"},
]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", SECRET)


@pytest.fixture
def audit(tmp_path: Path) -> AuditFile:
    return AuditFile(tmp_path / "audit.jsonl")


def question(messages: Any = CHAT, model: str | None = None, **parameters: Any) -> Question:
    return Question("shop", "req-1", messages, model, parameters)


def using(url: str, audit: Any, work: Callable[[Egress], Awaitable[Any]], **options: Any) -> Any:
    upstream = options.pop("upstream", {})
    given = {"redaction": Redactor, "first_wait_s": 0.01, **options}

    async def run() -> Any:
        async with Egress(server(url, **upstream), audit, **given) as egress:
            return await work(egress)

    return asyncio.run(run())


def ask(url: str, audit: Any, what: Question | None = None, rules: Policy | None = None, **options: Any) -> Answer:
    return using(url, audit, lambda egress: egress.ask(rules or policy(url), what or question()), **options)


def refused(kind: type[JanginError], url: str, audit: Any, *arguments: Any, **options: Any) -> Any:
    with pytest.raises(kind) as caught:
        ask(url, audit, *arguments, **options)
    assert SECRET not in str(caught.value) and MAIL not in str(caught.value)
    return caught.value


def test_the_answer_has_its_originals_back_and_says_what_left(audit: AuditFile) -> None:
    with serving(lambda n, seen: completion(f"Dear {seen.asked.split()[2]} done")) as api:
        answer = ask(api.url, audit, question(temperature=0, user="customer-17", max_tokens=50))
    (seen,) = api.seen
    assert seen.body == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "I am [#0], call [#1] or [#0]"}],
        "temperature": 0,
        "max_tokens": 50,
    }
    assert seen.headers["authorization"] == f"Bearer {SECRET}"
    assert set(seen.headers) == {
        *("host", "accept", "connection", "user-agent", "accept-encoding", "authorization", "content-type"),
        "content-length",
    }
    assert (answer.text, answer.finish_reason, answer.model) == (f"Dear {MAIL}, done", "stop", "gpt-4o-2024-08-06")
    left = answer.left
    assert (left.to, left.model, left.tries) == (api.url.removesuffix("/v1"), "gpt-4o", 1)
    assert left.bytes == len(seen.raw) and left.placeholders == 2 and left.redacted
    assert left.fields == ("role:user", "parameter:temperature", "parameter:max_tokens")
    assert left.withheld == ("role:system", "message properties", "user")
    assert (left.prompt_tokens, left.completion_tokens, left.estimated) == (40, 5, False)
    assert left.cost_usd == pytest.approx((40 * 2.5 + 5 * 10) / 1e6) and left.price
    assert left.evidence()["route"] == "escalated" and json.dumps(left.evidence())
    (record,) = audit.records
    assert record == {
        "kind": "egress",
        "request": "req-1",
        "task": "shop",
        "to": left.to,
        "model": "gpt-4o",
        "try": 1,
        "bytes": left.bytes,
        "fields": list(left.fields),
        "withheld": list(left.withheld),
        "redacted": True,
        "placeholders": 2,
    }


def test_nothing_leaves_where_the_task_the_server_or_the_model_says_no(audit: AuditFile) -> None:
    with serving(completion("x")) as api:
        assert refused(EgressDenied, api.url, audit, None, Policy()).reason == "policy"
        other = policy("http://127.0.0.1:9")
        assert refused(EgressDenied, api.url, audit, None, other).reason == "policy"
        error = refused(EgressDenied, api.url, audit, question(model="gpt-5"))
        assert error.reason == "model" and "it names gpt-4o" in error.message and error.status == 403
        assert refused(EgressDenied, api.url, audit, upstream={"models": ["gpt-9"]}).reason == "policy"
        assert refused(EgressDenied, api.url, audit, question([CHAT[0]])).reason == "nothing_left"
        assert api.seen == [] and audit.records == []


def test_nothing_leaves_when_the_redactor_fails_or_is_missing(audit: AuditFile) -> None:
    with serving(completion("x")) as api:
        error = refused(EgressDenied, api.url, audit, redaction=breaking(ValueError(MAIL)))
        assert (error.reason, error.message) == ("redaction", "redaction failed (ValueError); nothing was sent")
        assert refused(EgressDenied, api.url, audit, redaction=None).reason == "no_redactor"
        assert api.seen == [] and audit.records == []
        answer = ask(api.url, audit, rules=policy(api.url, redact="none"), redaction=None)
        assert answer.text == "x" and MAIL in api.seen[0].asked and not answer.left.redacted


def test_nothing_leaves_when_the_audit_log_cannot_be_written(audit: AuditFile, tmp_path: Path) -> None:
    unwritable = AuditFile(tmp_path / "no such folder" / "audit.jsonl")
    with serving(completion("x")) as api:
        error = refused(EgressDenied, api.url, unwritable)
        assert (error.reason, error.status, error.left) == ("audit", 503, None)
        assert error.message == "the audit log cannot be written (FileNotFoundError); nothing was sent"
        assert api.seen == []


def test_the_record_is_on_the_disk_before_the_first_byte_leaves_and_each_try_has_its_own(audit: AuditFile) -> None:
    before = []

    def answer(number: int, seen: Seen) -> Reply:
        before.append([record["try"] for record in audit.records])
        return fault(503) if number < 2 else completion("x")

    with serving(answer) as api:
        left = ask(api.url, audit).left
    assert before == [[1], [1, 2], [1, 2, 3]]
    assert (left.tries, left.bytes) == (3, sum(len(seen.raw) for seen in api.seen))


def test_a_log_that_breaks_between_two_tries_stops_the_second(audit: AuditFile) -> None:
    class Breaking(AuditFile):
        def append_all(self, entries: Sequence[tuple[str, dict[str, Any]]]) -> None:
            if any(fields["try"] == 2 for _, fields in entries):
                raise OSError("full")
            super().append_all(entries)

    with serving(fault(503)) as api:
        error = refused(EgressDenied, api.url, Breaking(audit.path))
        assert error.reason == "audit" and len(api.seen) == 1
        assert error.left.bytes == len(api.seen[0].raw)


def test_a_429_is_asked_again_when_the_api_said_and_5xx_after_a_while(audit: AuditFile) -> None:
    replies = [fault(429, after="0.3"), fault(500), completion("refund")]
    with serving(lambda n, _: replies[n]) as api:
        answer = ask(api.url, audit)
    assert (answer.text, answer.left.tries) == ("refund", 3)
    assert api.seen[1].at - api.seen[0].at >= 0.3
    assert answer.left.cost_usd == pytest.approx((40 * 2.5 + 5 * 10) / 1e6) and not answer.left.estimated


def test_a_wait_beyond_the_deadline_is_not_begun(audit: AuditFile) -> None:
    with serving(fault(429, after="60")) as api:

        async def twice(egress: Egress) -> list[EgressFailed]:
            found = []
            for _ in range(2):
                with pytest.raises(EgressFailed) as error:
                    await egress.ask(policy(api.url), question())
                found.append(error.value)
            return found

        started = time.monotonic()
        first, second = using(api.url, audit, twice)
        assert time.monotonic() - started < 5
        assert (first.reason, first.status, first.retry_after_s) == ("http_429", 429, 60.0)
        assert second.status == 429 and 50 < second.retry_after_s <= 60 and second.left is None
        assert len(api.seen) == 1  # the pause holds for all who ask


def test_tries_are_bounded_and_a_failure_says_what_left(audit: AuditFile) -> None:
    with serving(fault(500)) as api:
        error = refused(EgressFailed, api.url, audit)
        assert error.message == f"{api.url[:-3]} gave no answer after 3 tries: HTTP 500"
        assert (error.reason, error.status, error.retryable) == ("http_5xx", 503, True)
        assert error.left.bytes == sum(len(seen.raw) for seen in api.seen) and len(api.seen) == 3
        assert error.left.cost_usd == 0


@pytest.mark.parametrize(
    ("reply", "reason", "status"),
    [
        (Reply(drop=True), "connection", 503),
        (Reply(body={"choices": []}), "garbage", 502),
        (Reply(body=b"\xff\xfe<html>"), "garbage", 502),
        (Reply(body=b"[" * 100_000), "garbage", 502),
        (Reply(body={"choices": [{"message": {"content": 7}}]}), "garbage", 502),
        (Reply(body={"choices": [{"message": {"content": None, "refusal": {"x": 1}}}]}), "garbage", 502),
        (Reply(body={"choices": [{"message": {"content": "x"}, "finish_reason": ["stop"]}]}), "garbage", 502),
        (Reply(body={**completion("x").body}, headers={"Content-Encoding": "gzip"}), "garbage", 502),
        (Reply(body=completion("x" * 5000).body, cut=True), "connection", 503),
    ],
    ids=["dropped", "no choices", "html", "deep", "wrong types", "no refusal", "no reason", "encoded", "cut"],
)
def test_what_is_no_answer_is_tried_again_and_then_named(
    audit: AuditFile, reply: Reply, reason: str, status: int
) -> None:
    with serving(lambda n, _: reply if n < 2 else completion("refund")) as api:
        answer = ask(api.url, audit)
        assert (answer.text, answer.left.tries, answer.left.estimated) == ("refund", 3, True)  # who knows what it cost
        api.answer = lambda n, _: reply
        error = refused(EgressFailed, api.url, audit)
        assert (error.reason, error.status) == (reason, status)


@pytest.mark.parametrize(
    ("prompt", "answer"), [(-5, -(10**9)), (2**70, 5), (40, 10**12), (0, 0), (True, 5), (40.0, 5), ("40", "5")]
)
def test_counts_of_tokens_that_cannot_be_are_estimated_instead(audit: AuditFile, prompt: Any, answer: Any) -> None:
    with serving(completion("word " * 40, usage={"prompt_tokens": prompt, "completion_tokens": answer})) as api:
        left = ask(api.url, audit, upstream={"prices": {"gpt-4o": [10, 10]}}).left
    assert left.estimated and 5 <= left.prompt_tokens <= 20 and 40 <= left.completion_tokens <= 60
    assert 0 < left.cost_usd < 0.001


def test_nobody_listening_is_no_egress(audit: AuditFile) -> None:
    with serving(completion("x")) as api:
        url = api.url
    error = refused(EgressFailed, url, audit)
    assert (error.reason, error.left) == ("connection", None)
    assert len(audit.records) == 3  # the log says what was about to leave


def test_a_server_that_hangs_is_left_at_the_time_out_and_at_the_deadline(audit: AuditFile) -> None:
    with serving(Reply(body=completion("x").body, after_s=1.2)) as api:
        error = refused(EgressFailed, api.url, audit, upstream={"timeout_s": 0.2, "tries": 2})
        assert (error.reason, error.status, len(api.seen)) == ("timeout", 504, 2)
        assert error.left.bytes == sum(len(seen.raw) for seen in api.seen) and error.left.cost_usd > 0
    with serving(Reply(body=completion("x").body, stall_s=1.0)) as api:
        started = time.monotonic()
        error = refused(EgressFailed, api.url, audit, upstream={"deadline_s": 0.4, "tries": 9})
        assert time.monotonic() - started < 0.95
        assert (error.reason, error.status) in (("deadline", 504), ("timeout", 504))


@pytest.mark.parametrize(
    ("reply", "reason", "status"),
    [
        (fault(401, code="invalid_api_key", message=f"wrong key {SECRET}"), "key", 502),
        (fault(404, code="model_not_found"), "unknown", 502),
        (fault(429, code="insufficient_quota"), "unpaid", 502),
        (fault(400, code="context_length_exceeded", message=f"too long: {MAIL}"), "refused", 400),
        (Reply(307, b"", {"Location": "http://127.0.0.1:9/v1"}), "redirect", 502),
    ],
    ids=["key", "model", "quota", "too long", "redirect"],
)
def test_what_no_try_can_mend_is_said_at_once(audit: AuditFile, reply: Reply, reason: str, status: int) -> None:
    with serving(reply) as api:
        error = refused(EgressFailed, api.url, audit)
        assert (error.reason, error.status, error.retryable, len(api.seen)) == (reason, status, False, 1)


def test_a_filter_in_front_of_the_model_is_an_answer(audit: AuditFile) -> None:
    with serving(fault(400, code="content_filter")) as api:
        answer = ask(api.url, audit)
    assert (answer.text, answer.refusal, answer.finish_reason) == (None, "content filter", "content_filter")
    assert answer.left.cost_usd == 0


def test_a_model_that_wants_the_newer_name_of_the_limit_gets_it(audit: AuditFile) -> None:
    def answer(number: int, seen: Seen) -> Reply:
        wrong = "max_tokens" in seen.body
        return fault(400, param="max_tokens", code="unsupported_parameter") if wrong else completion("x")

    with serving(answer) as api:

        async def twice(egress: Egress) -> None:
            for _ in range(2):
                await egress.ask(policy(api.url), question(max_tokens=7))

        using(api.url, audit, twice)
    assert [seen.body.get("max_completion_tokens") for seen in api.seen] == [None, 7, 7]
    assert len(audit.records) == 3


def test_the_breaker_opens_and_recovers(audit: AuditFile) -> None:
    with serving(fault(503)) as api:

        async def work(egress: Egress) -> None:
            rules = policy(api.url)
            (way,) = egress.links.values()
            for _ in range(2):
                with pytest.raises(EgressFailed):
                    await egress.ask(rules, question())
            assert way.breaker.state == "open" and len(api.seen) == 4
            with pytest.raises(EgressFailed) as error:
                await egress.ask(rules, question())
            assert (error.value.reason, error.value.status) == ("breaker", 503)
            assert 0 < error.value.retry_after_s <= 0.4 and error.value.left is None
            assert len(api.seen) == 4 and len(audit.records) == 4
            api.answer = lambda n, _: completion("refund")
            await asyncio.sleep(0.42)
            assert way.breaker.state == "half-open"
            assert (await egress.ask(rules, question())).text == "refund"
            assert way.breaker.state == "closed"

        quick = Breaker(failures=4, open_s=0.4, jitter=lambda seconds: seconds)
        using(api.url, audit, work, breaker=lambda: quick)


def test_whoever_goes_away_leaves_breaker_places_and_budget_in_order(audit: AuditFile) -> None:
    with serving(Reply(body=completion("x").body, after_s=0.5)) as api:

        async def work(egress: Egress) -> None:
            rules = policy(api.url, budget={"usd_per_day": 1})
            (way,) = egress.links.values()
            asking = asyncio.create_task(egress.ask(rules, question()))
            while not api.seen:
                await asyncio.sleep(0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert not way.places.locked() and way.breaker.state == "closed"
            account = egress.budgets._accounts["shop"]
            assert account.held == 0 and account.usd_day > 0  # it may be charged
            api.answer = lambda n, _: completion("x")
            assert (await egress.ask(rules, question())).text == "x"

        using(api.url, audit, work, upstream={"at_once": 1})


def test_a_wait_without_an_end_is_told_as_an_hour(audit: AuditFile) -> None:
    with serving(fault(429, after="inf")) as api:
        error = refused(EgressFailed, api.url, audit)
    assert (error.status, error.retry_after_s, len(api.seen)) == (429, 3600, 1)


def test_redaction_of_many_texts_has_one_end(audit: AuditFile, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Redactor):
        def redact(self, text: str) -> Any:
            time.sleep(0.02)
            return super().redact(text)

    monkeypatch.setattr(body, "LONGEST_S", 0.1)
    many = question([{"role": "user", "content": "x"}] * 100)
    with serving(completion("x")) as api:
        error = refused(EgressDenied, api.url, audit, many, redaction=Slow)
        assert error.message == "redaction failed (TimeoutError); nothing was sent" and api.seen == []


def test_a_schema_of_any_depth_is_sent_or_refused(audit: AuditFile) -> None:
    with serving(completion("x")) as api:

        async def work(egress: Egress) -> None:
            for redact in ("none", "pii"):
                rules = policy(api.url, redact=redact, fields={"roles": ["user"], "parameters": ["response_format"]})
                for depth in range(50, 2000, 50):
                    schema: Any = {}
                    for _ in range(depth):
                        schema = {"a": schema}
                    with contextlib.suppress(RequestError, EgressDenied):
                        await egress.ask(rules, question(response_format=schema))

        using(api.url, audit, work)
        assert api.seen


def test_a_long_answer_has_its_originals_back(audit: AuditFile) -> None:
    with serving(completion("write to [#0]. " * 40_000)) as api:
        assert ask(api.url, audit).text == f"write to {MAIL}. " * 40_000


def test_short_texts_go_past_long_ones_which_are_looked_through_one_by_one(audit: AuditFile) -> None:
    running, most, order = 0, 0, list[str]()

    class Slow(Redactor):
        def redact(self, text: str) -> Any:
            nonlocal running, most
            if len(text) > 1000:
                running += 1
                most = max(most, running)
                time.sleep(0.2)
                running -= 1
            return super().redact(text)

    def long(text: str) -> Question:
        return question([{"role": "user", "content": text * 30_000}])

    with serving(completion("x")) as api:

        async def work(egress: Egress) -> None:
            async def ask(name: str, what: Question) -> None:
                await egress.ask(policy(api.url), what)
                order.append(name)

            gone = asyncio.create_task(ask("gone", long("a")))
            await asyncio.sleep(0.05)
            gone.cancel()  # its thread goes on, and keeps the place
            await asyncio.gather(ask("one", long("b")), ask("two", long("c")), ask("short", question()))

        using(api.url, audit, work, redaction=Slow)
        assert order == ["short", "one", "two"] and most == 1

        async def late(egress: Egress) -> None:
            first = asyncio.create_task(egress.ask(policy(api.url), long("a")))
            await asyncio.sleep(0.05)
            with pytest.raises(EgressFailed) as error:
                await egress.ask(policy(api.url), long("b"))
            assert (error.value.reason, error.value.status) == ("busy", 429)
            with contextlib.suppress(EgressFailed):
                await first

        using(api.url, audit, late, redaction=Slow, upstream={"deadline_s": 0.1})


def test_a_budget_stops_before_it_is_passed_and_bounds_the_answer(audit: AuditFile) -> None:
    with serving(completion("x")) as api:
        dear = {"prices": {"gpt-4o": [1000, 100_000]}, "max_tokens": 5}

        async def work(egress: Egress) -> None:
            rules = policy(api.url, budget={"usd_per_day": 1.2})
            answer = await egress.ask(rules, question())
            assert answer.left.cost_usd == pytest.approx(0.04 + 0.5)
            await egress.ask(rules, question())
            with pytest.raises(EgressDenied) as error:
                await egress.ask(rules, question())
            assert (error.value.reason, error.value.status) == ("budget", 429)

        using(api.url, audit, work, upstream=dear)
        assert [seen.body["max_tokens"] for seen in api.seen] == [5, 5]
        unknown = policy(api.url, budget={"usd_per_day": 1}, endpoints=[{"url": api.url, "models": ["llama-own"]}])
        assert refused(EgressDenied, api.url, audit, None, unknown).reason == "no_price"
        free = ask(api.url, audit, None, policy(api.url, endpoints=[{"url": api.url, "models": ["llama-own"]}]))
        assert free.left.cost_usd is None


def test_parameters_are_passed_on_refused_or_withheld_but_never_ignored(audit: AuditFile) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"enum": [MAIL]}}}
    with serving(completion("x")) as api:
        for name, value in (("tools", []), ("store", True), ("logit_bias", {}), (MAIL, 1), ("web_search_options", {})):
            error = refused(RequestError, api.url, audit, question(**{name: value}))
            assert error.code == "unsupported_parameter"
        assert refused(RequestError, api.url, audit, question(temperature="hot")).param == "temperature"
        assert refused(EgressDenied, api.url, audit, question(response_format=form)).param == "response_format"
        assert refused(EgressDenied, api.url, audit, question(stop=["a"])).param == "stop"
        assert api.seen == []
        allowed = policy(api.url, fields={"parameters": ["response_format"]})
        ask(api.url, audit, question(response_format=form), allowed)
        assert api.seen[0].body["response_format"]["json_schema"]["schema"] == {"enum": ["[#0]"]}


def test_what_cannot_be_redacted_does_not_leave(audit: AuditFile) -> None:
    picture = [{"type": "image_url", "image_url": {"url": "data:..."}}]
    call = [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}, CHAT[1]]
    with serving(completion("x")) as api:
        for messages in ([{"role": "user", "content": picture}], "text", [], [{"content": "a"}], [7]):
            assert isinstance(refused(RequestError, api.url, audit, question(messages)), RequestError)
        everyone = policy(api.url, fields={"roles": ["user", "assistant"]})
        assert refused(RequestError, api.url, audit, question(call), everyone).code == "unsupported_parameter"
        half = [{"role": "user", "content": "a \ud800"}]
        refused(RequestError, api.url, audit, question(half))
        assert api.seen == []
        parts = [{"type": "text", "text": "I am "}, {"type": "text", "text": MAIL}]
        ask(api.url, audit, question([{"role": "user", "content": parts}]))
        assert api.seen[0].asked == "I am [#0]"


def test_only_named_keys_of_a_json_message_leave(audit: AuditFile) -> None:
    rules_of = {"roles": ["user"], "keys": ["message", "country"]}
    with serving(completion('{"to": "[#0]"}')) as api:
        rules = policy(api.url, fields=rules_of)
        given = json.dumps({"message": f"write {MAIL}", "ssn": "078-05-1120", "country": "KR", MAIL: 1})
        answer = ask(api.url, audit, question([{"role": "user", "content": given}]), rules)
        assert json.loads(api.seen[0].asked) == {"message": "write [#0]", "country": "KR"}
        assert answer.left.fields == ("key:message", "key:country", "role:user")
        assert answer.left.withheld == ("other keys",)
        for text in ("plain text", "[1]", '{"message": '):
            error = refused(EgressDenied, api.url, audit, question([{"role": "user", "content": text}]), rules)
            assert error.reason == "not_json"
        empty = question([{"role": "user", "content": '{"ssn": "1"}'}])
        assert refused(EgressDenied, api.url, audit, empty, rules).reason == "nothing_left"
        assert len(api.seen) == 1


def test_an_original_with_quotes_does_not_break_a_json_answer(audit: AuditFile) -> None:
    class Quoting(Redactor):
        def redact(self, text: str) -> Redacted:
            return Redacted(text.replace('Kim "K" Lee', self.vault.placeholder('Kim "K" Lee')))

    with serving(completion('{"who": "[#0]"}')) as api:
        asked = question([{"role": "user", "content": 'Kim "K" Lee'}], response_format={"type": "json_object"})
        answer = ask(api.url, audit, asked, redaction=Quoting)
    assert json.loads(answer.text or "") == {"who": 'Kim "K" Lee'}


def test_the_tasks_own_instruction_goes_in_front(audit: AuditFile) -> None:
    with serving(completion("x")) as api:
        asked = Question("shop", "r", CHAT, instruction="Answer with one label: a, b.")
        left = ask(api.url, audit, asked).left
    assert [turn["role"] for turn in api.seen[0].body["messages"]] == ["system", "user"]
    assert "instruction" in left.fields


def test_a_key_that_is_not_there_stops_the_start_and_names_the_variable(
    audit: AuditFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UPSTREAM_KEY")
    with pytest.raises(InputError) as error:
        Egress(server("http://127.0.0.1:9/v1"), audit)
    assert error.value.message == "the environment variable UPSTREAM_KEY holds no key for 127.0.0.1:9"
    Egress(server("http://127.0.0.1:9/v1", key_env=None), audit)


def test_no_log_of_any_level_holds_a_text_or_the_key(audit: AuditFile, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), serving(lambda n, _: fault(500) if n == 0 else completion("secretly")) as api:
        ask(api.url, audit, question([{"role": "user", "content": "confidentially"}]))
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert not [word for word in (SECRET, "confidentially", "secretly") if word in logged]
    assert not [word for word in (SECRET, "confidentially", "secretly") if word in audit.path.read_text()]


class Marks:
    """Texts that are found again in any spelling: ASCII, and no JSON escapes them."""

    def __init__(self) -> None:
        self.count = 0

    def new(self) -> str:
        self.count += 1
        return f"zq{self.count:04d}qz"


_ROLES = ("system", "developer", "user", "assistant", "tool", "function", "x")
_shape = st.recursive(
    st.sampled_from(["text", "number", "none"]), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
_message = st.tuples(
    st.sampled_from(["user", "user", "user", *_ROLES]),
    st.lists(st.tuples(st.sampled_from(["a", "b", "A", "a ", "c", "messages"]), _shape), min_size=2, max_size=4),
    st.sampled_from([None, "name", "tool_call_id", "audio"]),
    st.booleans(),
)
_roles = st.lists(st.sampled_from(["system", "developer", "assistant"]), unique=True).map(lambda r: ["user", *r])
_keys = st.sampled_from([None, ["a"], ["a", "b"], ["b", "c"]])


def _marked(shape: Any, marks: Marks, used: list[str]) -> Any:
    if isinstance(shape, list):
        return [_marked(each, marks, used) for each in shape]
    if shape == "none":
        return None
    if shape == "number":
        marks.count += 1
        used.append(f"90909{marks.count:04d}")
        return int(used[-1])
    used.append(marks.new())
    return used[-1]


def test_no_byte_of_a_field_that_is_not_named_is_ever_received(audit: AuditFile) -> None:
    sent = kept_back = keys_kept_back = 0
    with serving(completion("ok")) as api:
        loop = asyncio.new_event_loop()

        async def opened() -> Egress:
            return Egress(server(api.url), audit, Redactor)

        egress = loop.run_until_complete(opened())

        @settings(max_examples=60, deadline=None)
        @given(_roles, _keys, st.lists(_message, min_size=1, max_size=5))
        def run(roles: list[str], keys: list[str] | None, messages: list[Any]) -> None:
            nonlocal sent, kept_back, keys_kept_back
            marks, named, secret, chat = Marks(), list[str](), list[str](), []
            for role, fields, extra, as_json in messages:
                leaves = role in roles
                if as_json or (role == "user" and keys is not None):
                    content: dict[str, Any] = {}
                    for key, shape in dict(fields).items():
                        goes = leaves and (role != "user" or keys is None or key in keys)
                        content[key] = _marked(shape, marks, named if goes else secret)
                    text = json.dumps(content)
                else:
                    text = _marked("text", marks, named if leaves else secret)
                turn = {"role": role, "content": text}
                if extra:
                    turn[extra] = _marked("text", marks, secret)
                chat.append(turn)
            extra_keys = {name: _marked("text", marks, secret) for name in ("user", "prompt_cache_key")}
            fields_of = {"roles": roles} | ({} if keys is None else {"keys": keys})
            asked = Question("shop", "r", chat, None, extra_keys)
            before = len(api.seen)
            try:
                loop.run_until_complete(egress.ask(policy(api.url, fields=fields_of), asked))
            except (EgressDenied, RequestError):
                assert len(api.seen) == before
                return
            raw = api.seen[-1].raw.decode()
            assert [mark for mark in secret if mark in raw] == []
            assert [mark for mark in named if mark not in raw] == []
            sent, kept_back = sent + 1, kept_back + len(secret)
            keys_kept_back += keys is not None and any(turn[0] == "user" for turn in messages)

        try:
            run()
        finally:
            loop.run_until_complete(egress.close())
            loop.close()
    assert sent > 20 and kept_back > 50 and keys_kept_back > 5  # or it has shown nothing
