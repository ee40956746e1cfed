"""Streams through egress, and pass-through for a client: pieces with their originals, and cuts in every place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_server import Reply, completion, fault, serving, streamed
from egress_parts import AuditFile, Redactor, Vault, policy, server
from jangin.egress import passing, restore
from jangin.egress.answers import Question
from jangin.egress.escalate import Egress
from jangin.egress.passing import PassThrough
from jangin.egress.restore import Chunks
from jangin.errors import EgressDenied, EgressFailed, RequestError
from jangin.policy import Policy

MAIL = "kim@example.com"
CHAT = [{"role": "user", "content": f"write to {MAIL}"}]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "sk-up-c0ffee1234567890")


@pytest.fixture
def audit(tmp_path: Path) -> AuditFile:
    return AuditFile(tmp_path / "audit.jsonl")


def using(url: str, audit: AuditFile, work: Callable[[Egress], Awaitable[Any]], **upstream: Any) -> Any:
    async def run() -> Any:
        async with Egress(server(url, **upstream), audit, Redactor, first_wait_s=0.01) as egress:
            return await work(egress)

    return asyncio.run(run())


class Got:
    """What came before the end or the failure."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.error: EgressFailed | EgressDenied | None = None
        self.left: Any = None
        self.state = ""


def stream(url: str, audit: AuditFile, rules: Policy | None = None, stop_after: int = 99, **parameters: Any) -> Got:
    got = Got()

    async def work(egress: Egress) -> None:
        try:
            asked = Question("shop", "r", CHAT, None, parameters)
            async with egress.stream(rules or policy(url), asked) as pieces:
                async for chunk in pieces:
                    got.texts.append(chunk["choices"][0]["delta"].get("content") or "")
                    if len(got.texts) == stop_after:
                        break
                else:
                    got.left = pieces.left
        except (EgressFailed, EgressDenied) as error:
            got.error = error
        (way,) = egress.links.values()
        got.state = way.breaker.state
        assert not way.places.locked()

    using(url, audit, work, at_once=1, timeout_s=0.6)
    return got


def test_pieces_have_their_originals_back_also_where_a_placeholder_is_split(audit: AuditFile) -> None:
    with serving(streamed("To [", "#", "0", "]: done [", "1]")) as api:
        got = stream(api.url, audit)
    assert got.error is None and "".join(got.texts) == f"To {MAIL}: done [1]"
    assert len(got.texts) > 3 and api.seen[0].asked == "write to [#0]"
    assert api.seen[0].body["stream"] is True and api.seen[0].body["stream_options"] == {"include_usage": True}
    assert (got.left.prompt_tokens, got.left.completion_tokens, got.left.estimated) == (40, 5, False)
    assert got.left.bytes == len(api.seen[0].raw) and got.left.cost_usd > 0


def test_a_stream_without_counts_is_estimated(audit: AuditFile) -> None:
    with serving(streamed("word " * 40, usage=False, done=False)) as api:
        left = stream(api.url, audit).left
    assert left.estimated and 40 <= left.completion_tokens <= 60


def test_before_the_first_piece_it_is_tried_again_as_any_other(audit: AuditFile) -> None:
    replies = [fault(503), Reply(body=b""), Reply(body=b"<html>\n"), streamed("ok")]
    with serving(lambda n, _: replies[n]) as api:
        got = Got()

        async def work(egress: Egress) -> None:
            async with egress.stream(policy(api.url), Question("shop", "r", CHAT)) as pieces:
                got.texts = [chunk["choices"][0]["delta"].get("content") or "" async for chunk in pieces]
                got.left = pieces.left

        using(api.url, audit, work, tries=4)
    assert "".join(got.texts) == "ok" and got.left.tries == 4 and len(audit.records) == 4
    assert got.left.bytes == sum(len(seen.raw) for seen in api.seen)


def chunk_of(delta: Any, finish_reason: Any = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


BEGUN = b"".join(event + b"\n\n" for event in streamed("half").body.split(b"\n\n")[:2])
LONG = streamed(*["a piece of the answer "] * 40)


@pytest.mark.parametrize(
    ("reply", "reason", "status"),
    [
        (Reply(body=LONG.body, cut=True), "connection", 503),
        (Reply(body=LONG.body, stall_s=0.9), "timeout", 504),
        (streamed("half", finish_reason=None), "cut", 503),
        (Reply(body=LONG.body[: len(LONG.body) // 2]), "cut", 503),
        (Reply(body=streamed("half").body[:-60] + b"data: {nonsense\n\n"), "garbage", 502),
        (Reply(body=BEGUN + b'data: {"choices": [7]}\n\n'), "garbage", 502),
        (Reply(body=BEGUN + b'data: {"error": {"message": "x"}}\n\n'), "http_5xx", 503),
        (Reply(body=BEGUN + chunk_of({"content": 5})), "garbage", 502),
        (Reply(body=BEGUN + chunk_of({"refusal": ["x"]})), "garbage", 502),
        (Reply(body=BEGUN + chunk_of({}, {"why": "stop"})), "garbage", 502),
    ],
    ids=["cut", "stall", "no end", "no [DONE]", "garbage", "wrong chunk", "error event", "number", "list", "why"],
)
def test_a_stream_that_breaks_off_ends_in_an_error_and_is_not_tried_again(
    audit: AuditFile, reply: Reply, reason: str, status: int
) -> None:
    with serving(reply) as api:
        got = stream(api.url, audit)
        assert got.error is not None and (got.error.reason, got.error.status) == (reason, status)
        assert len(api.seen) == 1 and len(got.texts) >= 1
        assert got.error.left.bytes == len(api.seen[0].raw)
        assert got.error.left.estimated and got.error.left.cost_usd > 0
        assert got.state == "closed"  # one failure of five


def test_whoever_goes_away_in_the_middle_gives_everything_back(audit: AuditFile) -> None:
    with serving(LONG) as api:
        got = stream(api.url, audit, stop_after=2)
    assert got.error is None and got.left is None and got.state == "closed"


def test_the_deadline_holds_for_the_whole_stream(audit: AuditFile) -> None:
    with serving(Reply(body=LONG.body, stall_s=1.0)) as api:

        async def work(egress: Egress) -> None:
            async with egress.stream(policy(api.url), Question("shop", "r", CHAT)) as pieces:
                with pytest.raises(EgressFailed) as error:
                    [chunk async for chunk in pieces]
            assert (error.value.reason, error.value.status) == ("deadline", 504)

        using(api.url, audit, work, deadline_s=0.4, timeout_s=5)


def test_a_stream_of_json_with_originals_comes_in_one_piece_that_is_json(audit: AuditFile) -> None:
    with serving(streamed('{"to": ', '"[#', '0]"', "}")) as api:
        got = stream(api.url, audit, response_format={"type": "json_object"})
    assert json.loads("".join(got.texts)) == {"to": MAIL}
    assert [text for text in got.texts if text] == ["".join(got.texts)]


def test_json_of_any_depth_is_restored() -> None:
    vault = Vault()
    vault.placeholder(MAIL)
    for depth in range(10, 2000, 10):  # somewhere in between it can be read, but not walked
        deep = "[" * depth + '"[#0]"' + "]" * depth
        assert restore.text(deep, vault, as_json=True) == deep.replace("[#0]", MAIL)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="[#01]a", max_size=5), max_size=6))
def test_pieces_restore_to_the_same_as_the_whole(pieces: list[str]) -> None:
    vault = Vault()
    vault.placeholder("[#1")
    chunks = Chunks(vault, False)
    shown = []
    for number, piece in enumerate([*pieces, ""]):
        reason = "stop" if number == len(pieces) else None
        event = {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": reason}]}
        shown.append(chunks.take(event)["choices"][0]["delta"]["content"])
    assert "".join(shown) == vault.restore("".join(pieces))
    assert chunks.complete


# Pass-through


def passed(url: str, audit: AuditFile, body: Any, rules: Policy | None = None) -> Any:
    async def work(egress: Egress) -> Any:
        through, allowed = PassThrough(egress), rules or policy(url)
        asked = passing.read(body if isinstance(body, bytes) else json.dumps(body).encode(), "shop", "req-9")
        if not asked.stream:
            return await through.whole(allowed, asked)
        async with through.streamed(allowed, asked) as events:
            return b"".join([event async for event in events])

    return using(url, audit, work)


def test_a_clients_request_goes_on_and_its_answer_comes_back_with_evidence(audit: AuditFile) -> None:
    with serving(completion("write to [#0] now")) as api:
        found = passed(api.url, audit, {"model": "gpt-4o", "messages": CHAT, "temperature": 1, "stream": False})
    answer = json.loads(found.content)
    assert answer["choices"][0]["message"]["content"] == f"write to {MAIL} now"
    assert (answer["model"], answer["usage"]["total_tokens"], found.captured) == ("gpt-4o-2024-08-06", 45, None)
    assert answer["jangin"]["route"] == "escalated"
    assert answer["jangin"]["egress"]["bytes"] == found.left.bytes == len(api.seen[0].raw)
    assert api.seen[0].body == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "write to [#0]"}],
        "temperature": 1,
    }


@pytest.mark.parametrize("with_usage", [False, True])
def test_a_clients_stream_ends_with_the_evidence(audit: AuditFile, with_usage: bool) -> None:
    body = {"model": "shop", "messages": CHAT, "stream": True, "stream_options": {"include_usage": with_usage}}
    with serving(streamed("to [#", "0]")) as api:
        raw = passed(api.url, audit, body)
    assert api.seen[0].body["model"] == "gpt-4o"  # the task's name stands for its first model
    *events, done = [line[6:] for line in raw.decode().split("\n\n") if line]
    assert done == "[DONE]"
    chunks = [json.loads(event) for event in events]
    texts = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"]]
    assert "".join(texts) == f"to {MAIL}"
    if with_usage:
        assert chunks.pop()["usage"] == {"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 45}
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop" and chunks[-1]["jangin"]["egress"]["placeholders"] == 1
    assert not any("usage" in chunk for chunk in chunks)


def test_the_official_client_reads_what_is_passed_on(audit: AuditFile) -> None:
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

    with serving(completion("ok")) as api:
        ChatCompletion.model_validate_json(passed(api.url, audit, {"model": "gpt-4o", "messages": CHAT}).content)
        api.answer = lambda n, _: streamed("ok")
        raw = passed(api.url, audit, {"model": "gpt-4o", "messages": CHAT, "stream": True})
        for line in raw.split(b"\n\n")[:-2]:
            ChatCompletionChunk.model_validate_json(line[6:])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the body is not valid JSON"),
        (b"[" * 100_000, "the body is not valid JSON"),
        (b"[]", "the body is no JSON object"),
        ({"messages": CHAT}, "'model' is missing"),
        ({"model": "gpt-4o"}, "'messages' is missing"),
        ({"model": "gpt-4o", "messages": CHAT, "stream": "yes"}, "'stream' is no switch"),
        (
            {"model": "gpt-4o", "messages": CHAT, "stream_options": {"include_obfuscation": True}},
            "'stream_options' is implemented for include_usage only",
        ),
        ({"model": "gpt-4o", "messages": CHAT, "tools": [1]}, "parameter 'tools' is not passed on"),
    ],
)
def test_a_body_that_is_no_request_is_refused(audit: AuditFile, body: Any, message: str) -> None:
    with serving(completion("x")) as api:
        with pytest.raises(RequestError) as error:
            passed(api.url, audit, body)
        assert error.value.message == message and api.seen == []
