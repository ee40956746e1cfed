"""Functions in chat requests: calls whole and streamed, results sent back, and everyone who cannot call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import OpenAI

import tiny_chain as chain
from jangin.prompt import PromptTemplate, chatml
from jangin.serve.run import start
from jangin.tools import Call, Talk, Tool, Turn
from writers import SCHEMA, base, labeller, writer

pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
pytest.importorskip("gguf", reason="the package gguf is not installed")

ADD = {
    "type": "object",
    "properties": {"digit": {"enum": [1, 2]}, "sure": {"type": "boolean"}},
    "required": ["digit", "sure"],
    "additionalProperties": False,
}
FIND = {
    "type": "object",
    "properties": {"city": {"enum": ["Rome", "서울"]}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: Any = [
    {"type": "function", "function": {"name": "find", "description": "Find a city.", "parameters": FIND}},
    {"type": "function", "function": {"name": "add", "parameters": ADD, "strict": True}},
    {"type": "function", "function": {"name": "stop_it"}},
]
MESSAGES: Any = [{"role": "user", "content": "add one"}]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("chains")
    sha256 = base(home)
    folders = [
        chain.specialist(home, "calls", chain.CALLS),
        chain.specialist(home, "talks", chain.TALKS),
        chain.specialist(home, "bare", chain.BARE),
        writer(home / "trained", sha256, "trained", seed=1),
        writer(home / "fields", sha256, "fields", seed=1, schema=SCHEMA),
        labeller(home / "letter", sha256),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JANGIN_HOME", str(home))
        with start(folders) as (_, address):
            yield address


@pytest.fixture
def client(url: str) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)


def ask(client: OpenAI, model: str = "calls", **more: Any) -> Any:
    asked = {"messages": MESSAGES, "tools": TOOLS, **more}
    return client.chat.completions.create(model=model, **asked)


def refusal(url: str, **more: Any) -> dict[str, Any]:
    body = {"model": "calls", "messages": MESSAGES, "tools": TOOLS, **more}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=120)
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]


def arguments_fit(name: str, text: str) -> bool:
    given = json.loads(text)
    if name == "add":
        return set(given) == {"digit", "sure"} and given["digit"] in (1, 2) and isinstance(given["sure"], bool)
    return given["city"] in ("Rome", "서울") if name == "find" else given == {}


def test_a_call_comes_with_the_text_before_it_and_arguments_of_its_schema(client: OpenAI) -> None:
    answer = ask(client)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls" and message.content == "Ok"
    (call,) = message.tool_calls
    assert call.type == "function" and call.id.startswith("call_")
    assert arguments_fit(call.function.name, call.function.arguments)
    assert answer.model_extra["jangin"]["certificate"] is None


def test_a_call_that_the_base_writes_without_its_tags_is_one_too(client: OpenAI) -> None:
    choice = ask(client, "bare").choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    (call,) = choice.message.tool_calls
    assert arguments_fit(call.function.name, call.function.arguments)


def test_an_answer_without_a_call_is_text_as_ever(client: OpenAI) -> None:
    answer = ask(client, "talks")
    message = answer.choices[0].message
    assert (message.content, message.tool_calls, answer.choices[0].finish_reason) == ("No", None, "stop")


def test_a_stream_tells_the_name_first_and_then_the_arguments(client: OpenAI) -> None:
    whole = ask(client).choices[0].message
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant" and "".join(delta.content or "" for delta in deltas) == "Ok"
    told = [call for delta in deltas for call in delta.tool_calls or []]
    assert [call.index for call in told] == [0] * len(told) and len(told) > 1
    assert told[0].id and told[0].type == "function" and told[0].function.arguments == ""
    assert all(call.id is None and call.function.name is None for call in told[1:])
    assert told[0].function.name == whole.tool_calls[0].function.name
    assert "".join(call.function.arguments for call in told) == whole.tool_calls[0].function.arguments
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "tool_calls"
    assert chunks[-1].usage.completion_tokens > 0


def test_the_clients_own_helper_reads_the_stream(client: OpenAI) -> None:
    with client.chat.completions.stream(model="calls", messages=MESSAGES, tools=TOOLS[:1]) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls and message.tool_calls[0].function.name == "find"


def test_a_call_can_be_demanded_named_and_forbidden(client: OpenAI) -> None:
    demanded = ask(client, "talks", tool_choice="required", parallel_tool_calls=False).choices[0]
    assert demanded.message.content is None and len(demanded.message.tool_calls) == 1
    assert demanded.finish_reason == "tool_calls"
    for name in ("find", "add", "stop_it"):
        choice = {"type": "function", "function": {"name": name}}
        (call,) = ask(client, "talks", tool_choice=choice, parallel_tool_calls=False).choices[0].message.tool_calls
        assert call.function.name == name and arguments_fit(name, call.function.arguments)
    forbidden = ask(client, "talks", tool_choice="none").choices[0]
    assert forbidden.message.tool_calls is None and forbidden.message.content == "No"


def test_several_calls_have_an_index_and_an_id_each_and_a_cut_says_so(client: OpenAI) -> None:
    asked = {"tool_choice": "required", "tools": TOOLS[2:], "max_tokens": 150}
    choice = ask(client, "talks", **asked).choices[0]
    calls = choice.message.tool_calls
    assert len(calls) > 1 and len({call.id for call in calls}) == len(calls)  # it would go on for ever
    assert choice.finish_reason == "length"
    told = [
        call for chunk in ask(client, "talks", **asked, stream=True) for call in chunk.choices[0].delta.tool_calls or []
    ]
    assert [call.index for call in told if call.id] == list(range(len(calls)))


def test_a_result_goes_back_as_the_base_was_taught_to_read_it(client: OpenAI) -> None:
    message = ask(client, tools=TOOLS[1:2]).choices[0].message
    (call,) = message.tool_calls
    messages = [*MESSAGES, message, {"role": "tool", "tool_call_id": call.id, "content": "three"}]
    answer = ask(client, messages=messages, tools=TOOLS[1:2])
    turns = [
        Turn("user", "add one"),
        Turn("assistant", "Ok", [Call("add", call.function.arguments)]),
        Turn("tool", "three"),
    ]
    parts = chatml("Be brief.", "hermes").talk_parts(Talk(turns, [Tool("add", None, ADD)]))
    assert answer.usage.prompt_tokens == size_of(parts)
    bare = client.chat.completions.create(model="talks", messages=messages)  # the functions are no longer on offer
    assert bare.choices[0].message.content == "No"
    assert bare.usage is not None
    assert bare.usage.prompt_tokens == size_of(chatml("Be brief.").talk_parts(Talk(turns)))


def size_of(parts: list[tuple[str, bool]]) -> int:
    """Tokens: a byte each, but ChatML's control tokens and the tags of a call are one."""
    text = "".join(text for text, _ in parts)
    for token in [*chain.CONTROL, *chain.TAGS]:
        text = text.replace(token, "\0")
    return len(text.encode())


def test_results_stand_in_the_order_of_their_calls(client: OpenAI, url: str) -> None:
    calls = [{"id": name, "type": "function", "function": {"name": "add", "arguments": "{}"}} for name in "ab"]
    results = [{"role": "tool", "tool_call_id": name, "content": name * 40} for name in "ab"]
    asked = [*MESSAGES, {"role": "assistant", "content": None, "tool_calls": calls}]
    ask(client, messages=[*asked, *results])
    turned = ask(client, messages=[*asked, *results[::-1]])
    details = turned.usage.prompt_tokens_details
    assert details.cached_tokens == turned.usage.prompt_tokens - 1  # the very same prompt
    error = refusal(url, messages=[*asked, results[0], MESSAGES[0]])
    assert error["message"] == "no message of role 'tool' answers the call 'b'"


def test_a_prompt_with_functions_is_cached_like_any_other(client: OpenAI) -> None:
    ask(client, messages=[{"role": "user", "content": "first"}])
    usage = ask(client, messages=[{"role": "user", "content": "second"}]).usage
    assert usage.prompt_tokens_details.cached_tokens >= usage.prompt_tokens - len("second<|im_end|>assistant")


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("letter", "is not implemented for a specialist that answers with labels"),
        ("fields", "is not implemented for an 'extract' specialist: it always answers with its own JSON"),
        (
            "trained",
            "is not implemented by this specialist: its examples taught it no calls, or its base knows none; "
            "a 'generate' specialist of a '-shots' rung takes functions",
        ),
    ],
)
def test_who_was_never_taught_to_call_says_so(url: str, model: str, why: str) -> None:
    found = refusal(url, model=model)
    assert found == {
        "message": f"parameter 'tools' {why}",
        "type": "invalid_request_error",
        "param": "tools",
        "code": "unsupported_parameter",
    }
    calls = [{"id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}}]
    messages = [*MESSAGES, {"role": "assistant", "content": None, "tool_calls": calls}]
    assert refusal(url, model=model, messages=messages, tools=None)["param"] == "messages[1].tool_calls"
    shown = {each["id"]: each["jangin"].get("tools") for each in httpx.get(f"{url}/v1/models").json()["data"]}
    assert shown == {"calls": True, "talks": True, "bare": True, "trained": False, "fields": False, "letter": None}


def offer(**about: Any) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": "f", **about}}]


CALLED = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": []}, "tools"),
        ({"tools": None, "tool_choice": "auto"}, "tool_choice"),
        ({"tools": None, "parallel_tool_calls": True}, "parallel_tool_calls"),
        ({"tools": offer(name="a b")}, "tools[0].function.name"),
        ({"tools": offer() * 2}, "tools[1].function.name"),
        ({"tools": offer(parameters={"type": "string"})}, "tools[0].function.parameters"),
        (
            {"tools": offer(parameters={"type": "object", "properties": {"a": {"enum": []}}, "required": ["a"]})},
            "tools",
        ),
        ({"tools": offer(description="x" * 100_000)}, "tools"),
        ({"tools": [each for n in range(129) for each in offer(name=f"f{n}")]}, "tools"),
        ({"tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"tool_choice": "always"}, "tool_choice"),
        ({"logprobs": True}, "logprobs"),
        ({"stop": "x"}, "stop"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [*MESSAGES, {"role": "tool", "tool_call_id": "a", "content": "x"}]}, "messages[1].tool_call_id"),
        ({"messages": [*MESSAGES, CALLED]}, "messages"),
        ({"messages": [{"role": "user", "content": "x", "tool_call_id": "a"}]}, "messages[0].tool_call_id"),
        ({"messages": [{**CALLED, "role": "user", "content": "x"}]}, "messages[0].tool_calls"),
        ({"messages": [{**CALLED, "tool_calls": []}]}, "messages[0].content"),
        (
            {"messages": [{**CALLED, "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]}]},
            "messages[0].tool_calls[0].function",
        ),
        ({"messages": [{"role": "user", "content": "x" * 100_001}]}, "messages"),
        ({"messages": [{"role": "user", "content": "x" * 5_000}]}, "messages"),
    ],
)
def test_what_cannot_be_met_is_refused_by_its_name(url: str, more: dict[str, Any], param: str) -> None:
    assert refusal(url, **more)["param"] == param


def test_a_bundle_that_says_nothing_of_functions_is_as_before() -> None:
    import msgspec

    assert b"tools" not in msgspec.json.encode(PromptTemplate())
