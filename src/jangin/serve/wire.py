"""OpenAI's requests, read strictly: what is not implemented is refused in OpenAI's error shape, never ignored.

Accepted because they cannot change an answer: user, safety_identifier, prompt_cache_key, metadata, and for a classifier
temperature to 2, top_p to 1, seed, max_tokens and max_completion_tokens from 1 on; and, at the one value that asks for
nothing, n = 1, presence_penalty = frequency_penalty = 0, store = false, for a classifier response_format text. `null`
is the same as leaving out. What a specialist that writes takes is read in asked.py.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from jangin.errors import EgressDenied, EgressFailed, EngineError, JanginError, RequestError, StorageError
from jangin.prompt import render
from jangin.types import Message

MAX_BODY_BYTES = 8_000_000
MAX_BATCH = 1_024
MAX_TEXT_CHARS = 100_000
MAX_TOP_LOGPROBS = 20

AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class Part(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["text"]
    text: str


class FunctionCall(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    arguments: str


class ToolCall(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class Turn(msgspec.Struct, forbid_unknown_fields=True):
    """The last block is what answers bring back with `null` when a client sends them on."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    refusal: None = None
    audio: None = None
    function_call: None = None


class Function(msgspec.Struct, forbid_unknown_fields=True):
    """`strict`: arguments meet the schema in either case."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolOffer(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["function"]
    function: Function


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    include_usage: bool = False
    include_obfuscation: bool = False


class ClassifyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`input`: a text, a chat (list of messages), or a list of texts and chats."""

    model: str
    input: str | list[Any]
    top_k: AtLeastOne | None = None
    user: str | None = None


class ModerationRequest(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    input: str | list[str | Part]


class PathRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: str


class ModelRequest(msgspec.Struct, forbid_unknown_fields=True):
    model: str


class ChatRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The first block decides the answer; the second only that of a specialist that writes; the third never does; the
    fourth has one value that is implemented."""

    model: str
    messages: list[Turn]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=MAX_TOP_LOGPROBS)] | None = None

    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    seed: int | None = None
    max_tokens: AtLeastOne | None = None
    max_completion_tokens: AtLeastOne | None = None
    stop: str | list[str] | None = None
    response_format: Any = None
    tools: list[ToolOffer] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None

    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str] | None = None

    n: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None
    store: Any = None


ONLY = {"n": 1, "presence_penalty": 0, "frequency_penalty": 0, "store": False}
_TEXT = {"type": "text"}
R = TypeVar("R")
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_turns = list[Turn]
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_PATH = re.compile(r" - at `\$\.?([^`]*)`")


def read(body: bytes, kind: type[R]) -> R:
    """Raises: RequestError 400 that names the parameter."""
    try:
        decoder = _decoders.get(kind) or _decoders.setdefault(kind, msgspec.json.Decoder(kind))
        found: R = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None
    except RecursionError:
        raise RequestError("the body's JSON is nested too deep", code="invalid_json") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"the body is not valid JSON: {error}", code="invalid_json") from None
    return found


def _refusal(text: str) -> RequestError:
    where = _PATH.search(text)
    param = where[1] if where else ""
    if unknown := _UNKNOWN.search(text):
        param = f"{param}.{unknown[1]}" if param else unknown[1]
        message = f"parameter '{param[:80]}' is not implemented"
        return RequestError(message, param=param[:80], code="unsupported_parameter")
    if missing := _MISSING.search(text):
        param = f"{param}.{missing[1]}" if param else missing[1]
        return RequestError(f"parameter '{param}' is required", param=param, code="missing_parameter")
    return RequestError(_PATH.sub("", text)[:300] + (f" ('{param}')" if param else ""), param=param or None)


def read_chat(body: bytes) -> ChatRequest:
    """Raises: RequestError for what no specialist can do."""
    request = read(body, ChatRequest)
    only(request, ONLY)
    if request.top_logprobs is not None and not request.logprobs:
        raise RequestError("'top_logprobs' needs 'logprobs': true", param="top_logprobs")
    if request.stream_options is not None and not request.stream:
        raise RequestError("'stream_options' needs 'stream': true", param="stream_options")
    check_stream_options(request.stream_options)
    return request


def check_stream_options(given: StreamOptions | None) -> None:
    if given is not None and given.include_obfuscation:
        raise unsupported("stream_options.include_obfuscation", "is implemented for false only")


def only(request: msgspec.Struct, values: dict[str, Any]) -> None:
    """Raises: RequestError for a parameter that has another value than the one that is implemented."""
    for name, implemented in values.items():
        value = getattr(request, name)
        if value is not None and (value != implemented or (isinstance(value, bool) != isinstance(implemented, bool))):
            spelt = msgspec.json.encode(implemented).decode()
            raise unsupported(name, f"is implemented for {spelt} only")


def unsupported(name: str, why: str = "is not implemented") -> RequestError:
    return RequestError(f"parameter '{name}' {why}", param=name, code="unsupported_parameter")


def with_usage(request: Any) -> bool:
    """Whether a stream is to end with its usage."""
    return request.stream_options is not None and request.stream_options.include_usage


def for_labels(request: ChatRequest) -> None:
    """Raises: RequestError for what a classifier cannot do."""
    for name in ("stop", "tools", "tool_choice", "parallel_tool_calls"):
        if getattr(request, name) is not None:
            raise unsupported(name, "is not implemented for a specialist that answers with labels")
    if request.response_format is not None and request.response_format != _TEXT:
        raise unsupported("response_format", 'is implemented for {"type":"text"} only')


def texts_of(request: ClassifyRequest) -> list[str]:
    """What the model reads, one text per input. Raises: RequestError."""
    given = request.input
    if isinstance(given, str):
        return [checked(given, "input")]
    if not given:
        raise RequestError("'input' is empty", param="input")
    if isinstance(given[0], dict):
        return [chat_text(_as_turns(given, "input"), "input")]
    if len(given) > MAX_BATCH:
        message = f"'input' holds {len(given):,} inputs; the limit of one request is {MAX_BATCH:,}"
        raise RequestError(f"{message}: send several, or use `jangin predict`", param="input", code="batch_too_large")
    return [_one(value, f"input[{at}]") for at, value in enumerate(given)]


def _one(value: Any, where: str) -> str:
    if isinstance(value, str):
        return checked(value, where)
    if isinstance(value, list) and value:
        return chat_text(_as_turns(value, where), where)
    raise RequestError(f"'{where}' must be a text or a non-empty list of chat messages", param=where)


def _as_turns(value: list[Any], where: str) -> list[Turn]:
    try:
        return msgspec.convert(value, _turns)
    except msgspec.ValidationError as error:
        refusal = _refusal(str(error))
        raise RequestError(f"'{where}': {refusal.message}", param=where, code=refusal.code) from None


def chat_text(turns: list[Turn], where: str) -> str:
    if not turns:
        raise RequestError(f"'{where}' is empty", param=where)
    for at, turn in enumerate(turns):
        for name in ("tool_calls", "tool_call_id"):
            if getattr(turn, name) is not None:
                raise unsupported(f"{where}[{at}].{name}", "is not implemented by this specialist: it knows no tools")
    messages: list[Message] = [
        {"role": turn.role, "content": content(turn, f"{where}[{at}]")} for at, turn in enumerate(turns)
    ]
    if not any(message["content"].strip() for message in messages):
        raise RequestError(f"the content of '{where}' is empty", param=where)
    rendered = bounded(render(messages), where)
    if not rendered:
        raise RequestError(f"the content of '{where}' is empty", param=where)
    return rendered


def messages_of(request: ChatRequest) -> list[dict[str, Any]]:
    """The chat as another API takes it: what a client left out stays out."""
    turns = [msgspec.to_builtins(turn) for turn in request.messages]
    return [{name: value for name, value in turn.items() if value is not None} for turn in turns]


def content(turn: Turn, where: str) -> str:
    """The text of a turn; only one that calls functions may have none. Raises: RequestError."""
    if turn.content is None:
        if turn.role == "assistant" and turn.tool_calls:
            return ""
        raise RequestError(
            f"parameter '{where}.content' is required", param=f"{where}.content", code="missing_parameter"
        )
    return turn.content if isinstance(turn.content, str) else joined(turn.content)


def joined(parts: list[Part]) -> str:
    return "".join(part.text for part in parts)


def checked(text: str, where: str) -> str:
    """One text as the model reads it. Raises: RequestError when there is nothing to read or too much."""
    rendered = render(bounded(text, where))
    if not rendered:
        raise RequestError(f"'{where}' is empty", param=where)
    return rendered


def bounded(text: str, where: str) -> str:
    if len(text) > MAX_TEXT_CHARS:
        message = f"'{where}' has {len(text):,} characters; the limit is {MAX_TEXT_CHARS:,}"
        raise RequestError(message, param=where, code="text_too_long")
    return text


def error_status(error: JanginError) -> int:
    if isinstance(error, RequestError | EgressDenied | EgressFailed):
        return error.status
    return 503 if isinstance(error, EngineError | StorageError) else 400


def error_body(error: JanginError) -> bytes:
    """OpenAI's error shape; the hint, where there is one, ends the message."""
    status = error_status(error)
    kind = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}.get(
        status, "invalid_request_error"
    )
    about = {
        "message": f"{error.message} (try: {error.hint})" if error.hint else error.message,
        "type": "server_error" if status >= 500 else kind,
        "param": getattr(error, "param", None),
        "code": error.code,
    }
    return msgspec.json.encode({"error": about})


def moderated(request: ModerationRequest) -> list[str]:
    """One text per string; text parts are one text together, as in OpenAI's API. Raises: RequestError."""
    given = request.input
    if isinstance(given, str):
        return [checked(given, "input")]
    parts = [value for value in given if isinstance(value, Part)]
    if parts and len(parts) < len(given):
        raise RequestError("'input' mixes texts and parts", param="input")
    if parts:
        return [checked(joined(parts), "input")]
    return texts_of(ClassifyRequest(request.model, [value for value in given if isinstance(value, str)]))
