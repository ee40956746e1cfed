"""Every parameter that OpenAI's client knows is served, or refused by its name: none is taken and ignored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai.types import completion_create_params as completions
from openai.types.chat import completion_create_params as chats

from jangin.serve.run import start
from writers import base, labeller, writer

pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
pytest.importorskip("gguf", reason="the package gguf is not installed")

BOTH, WRITES, NOBODY = ("letter", "bare"), ("bare",), ()
FUNCTION = {"name": "f", "parameters": {"type": "object", "properties": {}}}
# A value that asks for something, and who serves it.
CHAT: dict[str, tuple[Any, tuple[str, ...]]] = {
    "messages": ([{"role": "user", "content": [{"type": "text", "text": "hi"}]}], BOTH),
    "model": (None, BOTH),
    "stream": (True, BOTH),
    "stream_options": ({"include_usage": True}, BOTH),
    "audio": ({"voice": "alloy", "format": "mp3"}, NOBODY),
    "frequency_penalty": (0.5, NOBODY),
    "function_call": ("auto", NOBODY),
    "functions": ([FUNCTION], NOBODY),
    "logit_bias": ({"50256": -100}, NOBODY),
    "logprobs": (True, BOTH),
    "max_completion_tokens": (2, BOTH),
    "max_tokens": (2, BOTH),
    "metadata": ({"team": "one"}, BOTH),
    "modalities": (["text", "audio"], NOBODY),
    "moderation": ({"model": "omni-moderation-latest"}, NOBODY),
    "n": (2, NOBODY),
    "parallel_tool_calls": (False, NOBODY),  # without functions; with them: tests/test_serve_tools.py
    "prediction": ({"type": "content", "content": "x"}, NOBODY),
    "presence_penalty": (0.5, NOBODY),
    "prompt_cache_key": ("team-one", BOTH),
    "prompt_cache_options": ({"mode": "explicit"}, NOBODY),
    "prompt_cache_retention": ("24h", NOBODY),
    "reasoning_effort": ("high", NOBODY),
    "response_format": ({"type": "json_object"}, WRITES),
    "safety_identifier": ("someone", BOTH),
    "seed": (7, BOTH),
    "service_tier": ("flex", NOBODY),
    "stop": (["a", "b", "c", "d"], WRITES),
    "store": (True, NOBODY),
    "temperature": (0.5, BOTH),
    "tool_choice": ("auto", NOBODY),
    "tools": ([{"type": "function", "function": FUNCTION}], NOBODY),
    "top_logprobs": (3, BOTH),
    "top_p": (0.5, BOTH),
    "user": ("someone", BOTH),
    "verbosity": ("low", NOBODY),
    "web_search_options": ({}, NOBODY),
}
TEXT: dict[str, tuple[Any, tuple[str, ...]]] = {
    "model": (None, WRITES),
    "prompt": ("hi", WRITES),
    "stream": (True, WRITES),
    "stream_options": ({"include_usage": True}, WRITES),
    "best_of": (2, NOBODY),
    "echo": (True, NOBODY),
    "frequency_penalty": (0.5, NOBODY),
    "logit_bias": ({"50256": -100}, NOBODY),
    "logprobs": (3, WRITES),
    "max_tokens": (2, WRITES),
    "n": (2, NOBODY),
    "presence_penalty": (0.5, NOBODY),
    "seed": (7, WRITES),
    "stop": ("a", WRITES),
    "suffix": ("x", NOBODY),
    "temperature": (0.5, WRITES),
    "top_p": (0.5, WRITES),
    "user": ("someone", WRITES),
}
NEEDS: dict[str, dict[str, Any]] = {"stream_options": {"stream": True}, "top_logprobs": {"logprobs": True}}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("writers")
    sha256 = base(home)
    folders = [writer(home / "bare", sha256, "bare", max_tokens=3), labeller(home / "letter", sha256)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JANGIN_HOME", str(home))
        with start(folders) as (_, address):
            yield address


def test_the_tables_hold_all_that_the_client_knows() -> None:
    for known, table in ((chats, CHAT), (completions, TEXT)):
        names = {
            *known.CompletionCreateParamsBase.__annotations__,
            *known.CompletionCreateParamsStreaming.__annotations__,
        }
        assert names == set(table)


def check(answer: httpx.Response, name: str, served: bool) -> None:
    if served:
        assert answer.status_code == 200, answer.text
        return
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error" and error["code"] and error["message"]
    assert error["param"] == name


@pytest.mark.parametrize("name", CHAT)
def test_a_chat_parameter_is_served_or_refused_by_its_name(url: str, name: str) -> None:
    value, served_by = CHAT[name]
    for model in BOTH:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        given = value if value is not None else model
        answer = httpx.post(
            f"{url}/v1/chat/completions", json={**body, name: given, **NEEDS.get(name, {})}, timeout=120
        )
        check(answer, name, model in served_by)


@pytest.mark.parametrize("name", TEXT)
def test_a_completion_parameter_is_served_or_refused_by_its_name(url: str, name: str) -> None:
    value, served_by = TEXT[name]
    body = {"model": "bare", "prompt": "hi", name: value or "bare", **NEEDS.get(name, {})}
    check(httpx.post(f"{url}/v1/completions", json=body, timeout=120), name, bool(served_by))


@pytest.mark.parametrize(
    ("path", "more", "param"),
    [
        ("chat/completions", {"stream": True, "stream_options": {"include_obfuscation": True}}, None),
        ("completions", {"stream": True, "stream_options": {"include_obfuscation": True}}, None),
        ("completions", {"prompt": ["a", "b"]}, "prompt"),
        ("completions", {"prompt": [1, 2]}, "prompt"),
        ("chat/completions", {"max_tokens": 0}, "max_tokens"),
        ("chat/completions", {"stop": ["a"] * 5}, "stop"),
        ("chat/completions", {"metadata": {"a": 1}}, "metadata[...]"),
    ],
)
def test_a_value_that_cannot_be_met_is_refused_by_its_name(
    url: str, path: str, more: dict[str, Any], param: Any
) -> None:
    asked: dict[str, Any] = (
        {"messages": [{"role": "user", "content": "hi"}]} if path[0:4] == "chat" else {"prompt": "hi"}
    )
    answer = httpx.post(f"{url}/v1/{path}", json={"model": "bare", **asked, **more}, timeout=120)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == (param or "stream_options.include_obfuscation")
