"""A chat request with functions as a `Talk`: who can take one, what is refused, which result belongs to which call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from jangin.errors import RequestError
from jangin.prompt import render
from jangin.serve import wire
from jangin.serve.frames import Info
from jangin.tools import NAME, Call, Talk, Tool, Turn

MAX_TOOLS = 128
MAX_TOOLS_BYTES = 100_000  # compiling their schemas occupies the engine
_WHAT = ("tools", "tool_choice", "parallel_tool_calls")
_WITHOUT = ("logprobs", "stop")  # these would speak of text that a call is not
_TEXT = {"type": "text"}


class _Named(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class _Choice(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    function: _Named


def of(request: wire.ChatRequest, info: Info) -> Talk | None:
    """None for a chat that has nothing to do with functions. Raises: RequestError."""
    asked = [name for name in _WHAT if getattr(request, name) is not None]
    calls = any(turn.tool_calls is not None or turn.role == "tool" for turn in request.messages)
    if not asked and (not calls or not _able(info)):
        return None  # a conversation that holds calls is refused where it is rendered
    if not _able(info):
        raise wire.unsupported(asked[0], why_not(info))
    if not request.tools and asked:
        raise RequestError(f"'{asked[0]}' needs functions in 'tools'", param=asked[0])
    if asked:
        _refuse_mixtures(request)
    tools = _tools(request.tools or [])
    tools, must = _chosen(request.tool_choice, tools)
    turns = _turns(request.messages)
    return Talk(turns, tools, must, request.parallel_tool_calls is not False)


def _able(info: Info) -> bool:
    return info.kind == "generate" and info.writing is not None and info.writing.tools is not None


def why_not(info: Info) -> str:
    if info.kind == "extract":
        return "is not implemented for an 'extract' specialist: it always answers with its own JSON"
    return (
        "is not implemented by this specialist: its examples taught it no calls, or its base knows none; "
        "a 'generate' specialist of a '-shots' rung takes functions"
    )


def _refuse_mixtures(request: wire.ChatRequest) -> None:
    for name in _WITHOUT:
        if getattr(request, name):
            raise wire.unsupported(name, "is not implemented together with 'tools'")
    if request.response_format is not None and request.response_format != _TEXT:
        raise wire.unsupported("response_format", 'is implemented for {"type":"text"} only together with \'tools\'')


def _tools(given: list[wire.ToolOffer]) -> list[Tool]:
    if len(given) > MAX_TOOLS:
        raise RequestError(f"'tools' holds {len(given)} functions; the limit is {MAX_TOOLS}", param="tools")
    found: dict[str, Tool] = {}
    for at, each in enumerate(given):
        function, where = each.function, f"tools[{at}].function"
        if not NAME.fullmatch(function.name):
            message = f"'{where}.name' must be 1 to 64 letters, digits, '_' or '-'"
            raise RequestError(message, param=f"{where}.name")
        if function.name in found:
            raise RequestError(f"two functions in 'tools' are named '{function.name}'", param=f"{where}.name")
        found[function.name] = Tool(function.name, function.description, _parameters(function.parameters, where))
    if len(msgspec.json.encode(list(found.values()))) > MAX_TOOLS_BYTES:
        raise RequestError(f"'tools' has more than {MAX_TOOLS_BYTES:,} bytes", param="tools")
    return list(found.values())


def _parameters(given: dict[str, Any] | None, where: str) -> dict[str, Any]:
    if not given:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    if given.get("type") != "object":
        message = f'\'{where}.parameters\' must be the schema of an object: "type": "object"'
        raise RequestError(message, param=f"{where}.parameters", code="invalid_schema")
    return given


def _chosen(choice: Any, tools: list[Tool]) -> tuple[list[Tool], bool]:
    """(functions that may be called, whether one must be)."""
    if choice in (None, "auto", "required"):
        return tools, choice == "required"
    if choice == "none":
        return [], False
    try:
        name = msgspec.convert(choice, _Choice).function.name if choice.get("type") == "function" else None
    except (msgspec.ValidationError, AttributeError):
        name = None
    if name is None:
        message = 'is implemented for "none", "auto", "required" and one function by its name'
        raise wire.unsupported("tool_choice", message)
    if not (found := [tool for tool in tools if tool.name == name]):
        raise RequestError(f"'tool_choice' names '{name[:64]}', which is not in 'tools'", param="tool_choice")
    return found, True


def _turns(messages: list[wire.Turn]) -> list[Turn]:
    turns = list(_answered(messages))
    if not any(turn.content for turn in turns if turn.role != "system"):
        raise RequestError("the content of 'messages' is empty", param="messages")
    wire.bounded("".join(turn.content + "".join(call.arguments for call in turn.calls) for turn in turns), "messages")
    return turns


def _answered(messages: list[wire.Turn]) -> Iterator[Turn]:
    """The turns, results in the order of their calls: the prompt tells no ids."""
    open_ids: list[str] = []
    results: dict[str, Turn] = {}
    for at, message in enumerate(messages):
        where = f"messages[{at}]"
        text = render(wire.content(message, where))
        if message.role == "tool":
            if message.tool_call_id not in open_ids or message.tool_call_id in results:
                text = "must be the id of a call in the assistant's turn before, answered once"
                raise RequestError(f"'{where}.tool_call_id' {text}", param=f"{where}.tool_call_id")
            results[message.tool_call_id] = Turn("tool", text)
            if len(results) == len(open_ids):
                yield from (results[each] for each in open_ids)
                open_ids, results = [], {}
            continue
        if open_ids:
            raise _unanswered(open_ids, results)
        if message.tool_call_id is not None:
            raise RequestError(f"'{where}.tool_call_id' belongs to role 'tool'", param=f"{where}.tool_call_id")
        calls = _calls(message, where)
        open_ids = [call.id for call in message.tool_calls or []]
        yield Turn("system" if message.role == "developer" else message.role, text, calls)
    if open_ids:
        raise _unanswered(open_ids, results)


def _calls(message: wire.Turn, where: str) -> list[Call]:
    given = message.tool_calls
    if given is None:
        return []
    param = f"{where}.tool_calls"
    if message.role != "assistant":
        raise RequestError(f"'{param}' belongs to role 'assistant'", param=param)
    if not given or len({call.id for call in given}) < len(given):
        raise RequestError(f"'{param}' must hold at least one call, each with an id of its own", param=param)
    for at, call in enumerate(given):
        if not NAME.fullmatch(call.function.name) or not _is_object(call.function.arguments):
            message_text = f"'{param}[{at}].function' must have a function's name, and a JSON object as its arguments"
            raise RequestError(message_text, param=f"{param}[{at}].function")
    return [Call(call.function.name, call.function.arguments) for call in given]


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _unanswered(ids: list[str], results: dict[str, Turn]) -> RequestError:
    missing = next(each for each in ids if each not in results)
    return RequestError(f"no message of role 'tool' answers the call '{missing[:64]}'", param="messages")
