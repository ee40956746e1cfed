"""Specialists that write behind OpenAI's API: real processes, the official client, a tiny random base."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from openai import BadRequestError, OpenAI

import tiny_gguf as tiny
from jangin.serve.run import start
from writers import BASE, CONTEXT, MAX_TOKENS, SCHEMA, base, labeller, writer

pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
pytest.importorskip("gguf", reason="the package gguf is not installed")

LETTERS = {"type": "string", "pattern": "^[a-z]{60}$"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("writers")
    sha256 = base(home)
    folders = [
        writer(home / "one", sha256, "one", seed=1),
        writer(home / "two", sha256, "two", seed=2),
        writer(home / "bare", sha256, "bare"),
        writer(home / "short", sha256, "short", seed=4, max_tokens=12, context=256),
        labeller(home / "letter", sha256),
        writer(home / "fields", sha256, "fields", seed=3, schema=SCHEMA, max_tokens=600),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JANGIN_HOME", str(home))
        with start(folders) as (_, address):
            yield address


@pytest.fixture
def client(url: str) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)


def asked(text: str = "where is it", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def formatted(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def letters(client: OpenAI, model: str = "one", schema: dict[str, Any] = LETTERS, **more: Any) -> str:
    answer = client.chat.completions.create(model=model, response_format=formatted(schema), **asked(), **more)
    return answer.choices[0].message.content or ""


def refusal(url: str, body: dict[str, Any], path: str = "chat/completions") -> dict[str, Any]:
    answer = httpx.post(f"{url}/v1/{path}", json=body, timeout=60)
    assert answer.status_code == 400
    return answer.json()["error"]


def test_an_extraction_is_the_json_of_its_schema_with_a_confidence_for_each_field(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="fields", **asked())
    choice = answer.choices[0]
    found = json.loads(choice.message.content or "")
    assert set(found) == {"kind", "paid"} and found["kind"] in ("card", "cash") and choice.finish_reason == "stop"
    evidence = answer.model_extra["jangin"]  # type: ignore[index]
    assert set(evidence["fields"]) == {"kind", "paid"}
    assert all(0 < each <= 1 for each in [*evidence["fields"].values(), evidence["confidence"]])
    assert evidence["route"] == "local" and evidence["ttft_ms"] > 0 and evidence["tok_per_s"] > 0
    assert answer.usage is not None and answer.usage.prompt_tokens == len("where is it") + 2
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_brings_the_same_text_in_pieces_and_ends_with_reason_evidence_and_usage(client: OpenAI) -> None:
    whole = letters(client)
    chunks = list(
        client.chat.completions.create(
            model="one",
            response_format=formatted(LETTERS),  # type: ignore[arg-type]
            stream=True,
            stream_options={"include_usage": True},
            **asked(),
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    texts = [each.choices[0].delta.content for each in chunks if each.choices and each.choices[0].delta.content]
    assert len(texts) > 1 and "".join(texts) == whole and len(json.loads(whole)) == 60
    assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == "stop"
    assert chunks[-2].model_extra["jangin"]["confidence"] > 0  # type: ignore[index]
    assert chunks[-1].choices == [] and chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(whole) + 1  # a byte a token, and the end


def test_a_text_completion_takes_a_prompt_and_streams_too(client: OpenAI) -> None:
    whole = client.completions.create(model="bare", prompt="where is it", max_tokens=4, temperature=0)
    assert whole.object == "text_completion" and whole.choices[0].finish_reason == "length"
    assert whole.usage is not None and whole.usage.completion_tokens == 4
    parts = client.completions.create(model="bare", prompt="where is it", max_tokens=4, stream=True)
    assert "".join(each.choices[0].text for each in parts) == whole.choices[0].text


def test_max_tokens_cut_an_answer_and_the_bundles_own_limit_stands_above_them(client: OpenAI) -> None:
    for limits, written in (({"max_tokens": 7, "max_completion_tokens": 9}, 7), ({"max_tokens": 90_000}, 12)):
        answer = client.chat.completions.create(model="short", **asked(), **limits, response_format=formatted(LETTERS))
        assert answer.choices[0].finish_reason == "length" and answer.usage.completion_tokens == written


def test_a_stop_string_ends_the_answer_before_it(client: OpenAI) -> None:
    whole = letters(client)
    stop = whole[20:23]
    for given in (stop, ["XYZ", stop]):
        answer = client.chat.completions.create(
            model="one",
            response_format=formatted(LETTERS),  # type: ignore[arg-type]
            stop=given,
            **asked(),
        )
        assert answer.choices[0].message.content == whole[: whole.index(stop)]
        assert answer.choices[0].finish_reason == "stop"


def test_a_seed_repeats_a_drawn_answer_and_without_one_each_is_another(client: OpenAI) -> None:
    assert letters(client, temperature=1.5, seed=-7) == letters(client, temperature=1.5, seed=-7)
    assert len({letters(client, temperature=1.5, seed=seed) for seed in (1, 2)}) == 2
    assert len({letters(client, temperature=1.5) for _ in range(2)}) == 2
    assert letters(client) == letters(client)


def test_any_json_object_can_be_asked_for_and_a_schema_that_nothing_meets_is_refused(client: OpenAI, url: str) -> None:
    answer = client.chat.completions.create(
        model="one", response_format={"type": "json_object"}, **asked(max_tokens=30)
    )
    assert (answer.choices[0].message.content or "").startswith("{")
    contradiction = formatted({"type": "integer", "minimum": 5, "maximum": 3})
    found = refusal(url, {"model": "one", "response_format": contradiction, **asked()})
    assert found["code"] == "invalid_schema" and found["param"] == "response_format"


def test_an_extraction_takes_its_own_schema_and_no_other(client: OpenAI, url: str) -> None:
    plain = client.chat.completions.create(model="fields", **asked()).choices[0].message.content
    for given in ({"type": "text"}, {"type": "json_object"}, formatted(SCHEMA)):
        answer = client.chat.completions.create(model="fields", response_format=given, **asked())  # type: ignore[call-overload]
        assert answer.choices[0].message.content == plain
    found = refusal(url, {"model": "fields", "response_format": formatted(LETTERS), **asked()})
    assert found["code"] == "wrong_schema" and found["param"] == "response_format"
    assert refusal(url, {"model": "fields", "stop": "}", **asked()})["message"] == (
        "parameter 'stop' would cut the JSON of an 'extract' specialist"
    )


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": ""}, "stop"),
        ({"stop": "x" * 201}, "stop"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": formatted({"enum": ["x" * 100_000]})}, "response_format"),
        ({"temperature": 3}, "temperature"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(url: str, more: dict[str, Any], param: str) -> None:
    assert refusal(url, {"model": "one", **asked(), **more})["param"] == param


def test_a_prompt_longer_than_the_context_is_refused_before_a_stream_begins(url: str) -> None:
    for stream in (False, True):
        found = refusal(url, {"model": "one", "stream": stream, **asked("word " * 1_000)})
        assert found["code"] == "context_length_exceeded" and found["param"] == "messages"
        assert f"context holds {CONTEXT}" in found["message"]
    found = refusal(url, {"model": "short", **asked("word " * 60)})  # its own context, not the largest beside it
    assert "context holds 256" in found["message"]
    found = refusal(url, {"model": "one", "prompt": "word " * 1_000}, "completions")
    assert found["code"] == "context_length_exceeded" and found["param"] == "prompt"


def test_endpoints_for_other_kinds_are_refused(client: OpenAI, url: str) -> None:
    for path, body in (
        ("classify", {"model": "one", "input": "x"}),
        ("moderations", {"model": "fields", "input": "x"}),
        ("completions", {"model": "fields", "prompt": "x"}),
    ):
        assert refusal(url, body, path)["code"] == "wrong_kind"
    with pytest.raises(BadRequestError):
        client.completions.create(model="one", prompt=["a", "b"])


def test_the_list_of_models_shows_kind_base_and_schema(url: str) -> None:
    found = {each["id"]: each["jangin"] for each in httpx.get(f"{url}/v1/models").json()["data"]}
    assert {name: each["kind"] for name, each in found.items()} == {
        "one": "generate",
        "two": "generate",
        "bare": "generate",
        "short": "generate",
        "letter": "classify",
        "fields": "extract",
    }
    assert found["fields"]["schema"] == SCHEMA and found["one"]["schema"] is None
    assert "schema" not in found["letter"] and found["letter"]["labels"] == ["A", "B", "C"]
    assert found["one"]["base"] == BASE and found["one"]["max_tokens"] == MAX_TOKENS
    assert len(httpx.get(f"{url}/healthz").json()["engines"]) == 1  # one process for the one base


def test_labels_read_off_a_decoder_are_served_beside_what_it_writes(client: OpenAI, url: str) -> None:
    stream = client.chat.completions.create(model="two", stream=True, response_format=formatted(LETTERS), **asked())
    answer = httpx.post(f"{url}/v1/classify", json={"model": "letter", "input": ["x", "y"]}, timeout=60).json()
    logits = [tiny.next_logits(tiny.merged(tiny.weights(), tiny.adapter(5)), [1, *tiny.ids(f"{x}\n")]) for x in "xy"]
    for row, found in zip(logits, answer["data"], strict=True):
        scores = np.exp(row[tiny.ids("ABC")] - row[tiny.ids("ABC")].max())
        expected = dict(zip("ABC", scores / scores.sum()))
        assert found["probabilities"] == pytest.approx(expected, abs=0.01)
    assert "".join(each.choices[0].delta.content or "" for each in stream) == letters(client, "two")
