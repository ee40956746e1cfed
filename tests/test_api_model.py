"""`ApiModel` against real servers on loopback: answers, retries, refusals, and keys that never show."""

from __future__ import annotations

import asyncio
import sys
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from api_server import KEY, Reply, completion, fault, serving
from bundles import ngram_bundle
from jangin.errors import EndpointError, InputError, MissingExtraError
from jangin.models.api import ApiAnswer, ApiModel
from jangin.models.endpoint import Endpoint, endpoint, key_for
from jangin.models.pace import Pace
from jangin.models.refusals import asked_wait_s
from jangin.serve.run import background

CHAT = [{"role": "user", "content": "I lost my card"}]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(url: str | Endpoint, times: int = 1, **options: Any) -> list[ApiAnswer]:
    """The answers to the same question, one after the other, through one client."""
    response_format = options.pop("response_format", None)

    async def run() -> list[ApiAnswer]:
        where = endpoint(url) if isinstance(url, str) else url
        async with ApiModel(where, "gpt-4o", **{"first_wait_s": 0.01, "tries": 3, **options}) as model:
            return [await model.ask(CHAT, response_format=response_format) for _ in range(times)]

    return asyncio.run(run())


def refused(url: str, **options: Any) -> EndpointError:
    with pytest.raises(EndpointError) as caught:
        ask(url, **options)
    assert KEY not in str(caught.value)
    return caught.value


def test_a_specialist_that_jangin_serves_is_asked_like_any_api(tmp_path: Path) -> None:
    with background([ngram_bundle(tmp_path / "desk", "gpt-4o")]) as address:
        (answer,) = ask(address)
    assert (answer.text, answer.finish_reason, answer.refused) == ("card_lost", "stop", False)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.model, answer.tries) == (4, 1, "gpt-4o", 1)
    assert answer.latency_s is not None and 0 < answer.latency_s < 30
    assert answer.system_fingerprint is not None and answer.unscored is None


def test_a_question_carries_the_key_temperature_0_and_a_seed() -> None:
    with serving(completion("refund")) as api:
        (answer,) = ask(api.url, max_tokens=9)
    assert answer.model == "gpt-4o-2024-08-06" and answer.system_fingerprint == "fp_1"
    (seen,) = api.seen
    assert seen.path == "/v1/chat/completions" and seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.body == {"model": "gpt-4o", "messages": CHAT, "temperature": 0.0, "seed": 0, "max_tokens": 9}


def test_a_429_is_asked_again_when_the_server_said() -> None:
    with serving(lambda n, _: fault(429, after="0.4") if n == 0 else completion("refund")) as api:
        (answer,) = ask(api.url)
    assert (answer.text, answer.tries) == ("refund", 2)
    assert api.seen[1].at - api.seen[0].at >= 0.4


def test_a_wait_that_nobody_would_sit_out_is_not_sat_out() -> None:
    with serving(fault(429, after="86400")) as api:
        assert ask(api.url) == [ApiAnswer(unscored="HTTP 429", tries=1)]


def test_retry_after_is_read_in_every_form() -> None:
    assert asked_wait_s({"retry-after": "7"}) == 7.0
    assert asked_wait_s({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    in_a_minute = asked_wait_s({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert in_a_minute is not None and 50 < in_a_minute <= 60
    assert asked_wait_s({"retry-after": "soon"}) is None and asked_wait_s({}) is None
    for beyond in ("inf", "1e308", "99999999", formatdate(time.time() + 1e9, usegmt=True)):
        assert asked_wait_s({"retry-after": beyond}) == asked_wait_s({"retry-after-ms": "inf"}) == 3600
    assert asked_wait_s({"retry-after": "nan"}) == asked_wait_s({"retry-after": "-inf"}) == 0


def test_tries_are_bounded_and_what_is_left_is_unscored_with_its_reason() -> None:
    with serving(fault(503)) as api:
        assert ask(api.url, tries=4) == [ApiAnswer(unscored="HTTP 503", tries=4)]
    gaps = [later.at - sooner.at for sooner, later in zip(api.seen, api.seen[1:])]
    assert len(api.seen) == 4 and gaps[0] >= 0.005 and gaps[2] >= 0.02  # doubled each time, at least half of it waited


def test_a_server_that_is_too_slow_times_out() -> None:
    with serving(lambda n, _: Reply(after_s=4.0) if n < 2 else completion("refund")) as api:
        (answer,) = ask(api.url, timeout_s=1.0)
        assert (answer.text, answer.tries) == ("refund", 3)
        api.answer = lambda n, _: Reply(after_s=0.5)
        assert ask(api.url, timeout_s=0.1, tries=2) == [ApiAnswer(unscored="timed out", tries=2)]


def test_a_dropped_connection_is_a_transport_failure() -> None:
    whole = completion("refund")
    faults = [Reply(drop=True), Reply(body=whole.body, cut=True)]
    with serving(lambda n, _: faults[n] if n < 2 else whole) as api:
        (answer,) = ask(api.url)
        assert (answer.text, answer.tries) == ("refund", 3)
    (answer,) = ask(api.url)  # nobody listens any more
    assert answer == ApiAnswer(unscored="connection failed (ConnectError)", tries=3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"choices": [{"mess', "the answer is no chat completion"),
        (b"<html>busy</html>", "the answer is no chat completion"),
        (b"\xff\xfe", "the answer is no chat completion"),
        ({"error": None}, "the answer is no chat completion"),
        ({"choices": [{"message": {"content": 7}}]}, "the answer is no chat completion"),
        ({"choices": []}, "the answer holds no choices"),
    ],
)
def test_a_body_that_is_no_answer_is_a_transport_failure(body: Any, reason: str) -> None:
    with serving(Reply(body=body)) as api:
        assert ask(api.url, tries=2) == [ApiAnswer(unscored=reason, tries=2)]
    assert len(api.seen) == 2


@pytest.mark.parametrize(
    "reply",
    [
        completion(None, message={"refusal": "I cannot help with that."}),
        completion("", finish_reason="content_filter"),
        fault(400, code="content_filter"),
        fault(400, code="other", innererror={"code": "ResponsibleAIPolicyViolation"}),
        fault(403, code=403, metadata={"reasons": ["violence"]}),
    ],
)
def test_a_refusal_is_an_answer_and_asked_once(reply: Reply) -> None:
    with serving(reply) as api:
        (answer,) = ask(api.url)
    assert answer.refused and answer.unscored is None and len(api.seen) == 1


def test_an_answer_in_parts_is_joined_and_one_without_a_word_is_empty() -> None:
    parts = [{"type": "text", "text": "ref"}, {"type": "text", "text": "und"}]
    with serving(lambda n, _: completion(None, message={"content": parts if n == 0 else None})) as api:
        assert [answer.text for answer in ask(api.url, times=2)] == ["refund", None]


@pytest.mark.parametrize(
    "error",
    [
        {"code": "unsupported_value", "param": "temperature"},
        {"message": "Unsupported parameter: temperature is not supported with this model."},
        {"message": {"detail": [{"loc": ["body", "temperature"], "type": "extra_forbidden"}]}},
    ],
)
def test_what_a_server_does_not_take_is_left_out_from_then_on(error: dict[str, Any]) -> None:
    def strict(number: int, seen: Any) -> Reply:
        return fault(422, **error) if "temperature" in seen.body else completion("refund")

    with serving(strict) as api:
        answers = ask(api.url, times=3)
    assert [(answer.text, answer.tries) for answer in answers] == [("refund", 1)] * 3
    assert ["temperature" in seen.body for seen in api.seen] == [True, False, False, False]
    assert all("seed" in seen.body for seen in api.seen)


def test_newer_models_get_the_limit_under_its_new_name() -> None:
    def newer(number: int, seen: Any) -> Reply:
        refusal = fault(400, code="unsupported_parameter", param="max_tokens")
        return refusal if "max_tokens" in seen.body else completion("refund")

    with serving(newer) as api:
        assert ask(api.url, max_tokens=30)[0].text == "refund"
    assert [seen.body.get("max_completion_tokens") for seen in api.seen] == [None, 30]


def test_a_schema_that_is_not_taken_is_an_error_and_not_left_out() -> None:
    with serving(fault(400, code="unsupported_parameter", param="response_format.type")) as api:
        error = refused(api.url, response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {}}})
    assert error.message.endswith("takes no response_format with a JSON schema for model 'gpt-4o'")
    assert len(api.seen) == 1


def test_a_question_that_is_too_long_is_unscored_at_once() -> None:
    told = fault(400, code="context_length_exceeded", param="messages", message="max_tokens is not supported here")
    with serving(told) as api:
        assert ask(api.url) == [ApiAnswer(unscored="HTTP 400 context_length_exceeded", tries=1)]
    assert len(api.seen) == 1


def test_a_wrong_key_is_one_clear_error_that_does_not_repeat_it() -> None:
    with serving(fault(401, code=KEY, message=f"Incorrect API key provided: {KEY}")) as api:
        error = refused(api.url)
    assert error.message == f"127.0.0.1:{api.server.server_port} refuses the key in OPENAI_API_KEY (HTTP 401)"
    assert len(api.seen) == 1


@pytest.mark.parametrize(
    ("reply", "begin"),
    [
        (fault(429, code="insufficient_quota"), "wants to be paid first (HTTP 429 insufficient_quota)"),
        (fault(404, code="model_not_found"), "knows no model 'gpt-4o', or nothing answers at this address (HTTP 404"),
        (fault(403), "refuses the key in OPENAI_API_KEY (HTTP 403)"),
    ],
)
def test_what_no_further_try_can_mend_is_told_at_once(reply: Reply, begin: str) -> None:
    with serving(reply) as api:
        error = refused(api.url)
    assert error.message.split(" ", 1)[1].startswith(begin) and len(api.seen) == 1


def test_a_403_after_answers_is_about_one_text_and_not_about_the_key() -> None:
    with serving(lambda n, _: fault(403) if n == 1 else completion("refund")) as api:
        assert [answer.unscored for answer in ask(api.url, times=3)] == [None, "HTTP 403", None]


def test_texts_do_not_follow_a_redirect() -> None:
    with serving(completion("refund")) as other:
        with serving(Reply(307, {}, {"Location": other.url + "/chat/completions"})) as api:
            error = refused(api.url)
        assert "sends the request on to another address (HTTP 307)" in error.message
        assert other.seen == []


def test_nothing_of_openai_s_account_goes_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody there: loopback goes past it
    with serving(completion("refund")) as api:
        assert ask(api.url)[0].text == "refund"
    assert not [name for name, value in api.seen[0].headers.items() if "secret" in value]


def test_azure_s_older_addresses_get_their_query_and_header() -> None:
    with serving(completion("refund")) as api:
        where = endpoint(f"{api.url}/openai/deployments/mine/chat/completions?api-version=2024-10-21")
        ask(Endpoint(where.url, where.host, where.local, where.secure, True, where.query))
    assert api.seen[0].path == "/v1/openai/deployments/mine/chat/completions?api-version=2024-10-21"
    assert api.seen[0].headers["api-key"] == KEY
    assert endpoint("https://mine.openai.azure.com/openai/v1/").azure and not endpoint("https://api.openai.com").azure


def test_an_address_is_shown_without_what_is_secret_in_it() -> None:
    where = endpoint("HTTPS://API.Example.com:8443/v1/?api-version=1&code=hidden")
    assert (where.url, where.host) == ("https://api.example.com:8443/v1", "api.example.com:8443")
    assert where.query == {"api-version": "1", "code": "hidden"} and not where.local
    assert endpoint("http://localhost:8080").url == "http://localhost:8080/v1"
    assert endpoint("http://[::1]:8080").local and endpoint("http://10.0.0.7", insecure_http=True).secure is False


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://api.example.com/v1", "--endpoint: plain http to api.example.com would send texts and the key"),
        ("http://127.0.0.1.example.com", "--endpoint: plain http to 127.0.0.1.example.com would send"),
        (f"https://me:{KEY}@example.com", "--endpoint holds a user name or a password"),
        ("api.example.com/v1", "--endpoint is no http or https address"),
        ("file:///etc/passwd", "--endpoint is no http or https address"),
        ("https://example.com:port", "--endpoint is no http or https address"),
    ],
)
def test_an_address_that_may_not_be_used_is_refused(url: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        endpoint(url)
    assert caught.value.message.startswith(message) and KEY not in str(caught.value)


def test_the_key_comes_from_the_environment_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    local, away = endpoint("http://127.0.0.1:1"), endpoint("https://api.example.com")
    monkeypatch.setenv("OTHER_KEY", f" {KEY}\n")
    assert key_for(away, "OTHER_KEY") == KEY
    monkeypatch.delenv("OPENAI_API_KEY")
    assert key_for(local, None) == "none"
    for where, variable, shown in ((away, None, "OPENAI_API_KEY"), (local, "NO_SUCH", "NO_SUCH")):
        with pytest.raises(InputError) as caught:
            key_for(where, variable)
        assert caught.value.message == f"the environment variable {shown} holds no key for {where.host}"
    with pytest.raises(InputError) as caught:  # the key itself where its variable was wanted
        key_for(away, KEY)
    assert KEY not in str(caught.value)
    monkeypatch.setenv("OTHER_KEY", KEY + "\nX-More: 1")
    with pytest.raises(InputError) as caught:
        key_for(away, "OTHER_KEY")
    assert KEY not in str(caught.value)


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError) as caught:
        ApiModel(endpoint("http://127.0.0.1:1"), "gpt-4o")
    assert str(caught.value) == (
        "asking a model API needs the extra 'api', which is not installed\n  try: pip install 'jangin[api]'"
    )


@pytest.mark.parametrize("pace", [{"requests_per_minute": 1200}, {"tokens_per_minute": 12_000}])
def test_no_more_leaves_than_the_pace_allows(pace: dict[str, float]) -> None:
    """20 requests, or 200 tokens of 10 each, a second and as much at the start."""

    async def run() -> float:
        bucket, started = Pace(**pace), time.monotonic()
        await asyncio.gather(*(bucket.wait(10) for _ in range(50)))
        return time.monotonic() - started

    assert asyncio.run(run()) >= 1.4


def test_a_large_request_waits_for_a_full_bucket_and_leaves_a_debt() -> None:
    now = 0.0
    bucket = Pace(tokens_per_minute=600, clock=lambda: now)._tokens  # ten a second
    assert bucket.missing_s(1_000) == 0
    bucket.take(1_000)
    now = 50.0
    assert bucket.missing_s(1) == pytest.approx(49.1)


def test_a_pause_holds_everybody() -> None:
    async def run() -> float:
        pace, started = Pace(), time.monotonic()
        pace.pause(0.3)
        await asyncio.gather(*(pace.wait(1) for _ in range(3)))
        return time.monotonic() - started

    assert asyncio.run(run()) >= 0.3
