"""What a request asks of a specialist that writes: OpenAI's parameters, checked, as an order to its engine."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

import msgspec

from jangin.errors import RequestError
from jangin.serve import talking, wire
from jangin.serve.frames import Info, Write
from jangin.tools import Talk

MAX_SCHEMA_BYTES = 100_000  # compiling one occupies the engine
MAX_STOPS = 4
MAX_COMPLETION_LOGPROBS = 5
MAX_STOP_CHARS = 200
_SEEDS = (1 << 32) - 1  # llama.cpp reads the last number as "take any"
ONLY = {"n": 1, "best_of": 1, "presence_penalty": 0, "frequency_penalty": 0, "echo": False}
_ANY_OBJECT = {"type": "object"}


class CompletionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The last block has one value that is implemented. `logprobs`: how many of the likeliest tokens beside each."""

    model: str
    prompt: str
    stream: bool | None = None
    stream_options: wire.StreamOptions | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    seed: int | None = None
    max_tokens: wire.AtLeastOne | None = None
    stop: str | list[str] | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=MAX_COMPLETION_LOGPROBS)] | None = None
    user: str | None = None

    n: Any = None
    best_of: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None
    echo: Any = None


class _Schema(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class _Format(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


def read_completion(body: bytes) -> CompletionRequest:
    """Raises: RequestError for what is not implemented."""
    request = wire.read(body, CompletionRequest)
    wire.only(request, ONLY)
    if request.stream_options is not None and not request.stream:
        raise RequestError("'stream_options' needs 'stream': true", param="stream_options")
    wire.check_stream_options(request.stream_options)
    return request


def of_chat(request: wire.ChatRequest, info: Info, handle: int) -> Write:
    """Raises: RequestError for what a specialist that writes cannot do."""
    if request.logprobs and info.writing is not None and info.writing.copies:
        raise wire.unsupported("logprobs", "would be of tokens, and this specialist copies values: see 'jangin.fields'")
    talk = talking.of(request, info)
    text = wire.chat_text(request.messages, "messages") if talk is None else ""
    limits = [most for most in (request.max_tokens, request.max_completion_tokens) if most is not None]
    schema = _schema(request.response_format, info)
    top = (request.top_logprobs or 0) if request.logprobs else None
    return _order(request, info, handle, text, min(limits, default=None), schema, top, talk)


def of_completion(request: CompletionRequest, info: Info, handle: int) -> Write:
    """Raises: RequestError for what a specialist that writes cannot do."""
    text = wire.checked(request.prompt, "prompt")
    return _order(request, info, handle, text, request.max_tokens, None, request.logprobs)


def _order(
    request: wire.ChatRequest | CompletionRequest,
    info: Info,
    handle: int,
    text: str,
    max_tokens: int | None,
    schema: dict[str, Any] | None,
    top: int | None,
    talk: Talk | None = None,
) -> Write:
    """`top`: None without logprobs."""
    temperature = request.temperature or 0.0
    seed = request.seed
    if seed is None:  # the same answer again only where nothing is drawn, or where it is asked for
        seed = secrets.randbelow(_SEEDS) if temperature else 0
    return Write(
        0,
        handle,
        text,
        max_tokens,
        _stops(request.stop, info),
        temperature,
        1.0 if request.top_p is None else request.top_p,
        seed % _SEEDS,
        schema,
        top is not None,
        top or 0,
        bool(request.stream),
        talk,
    )


def _stops(given: str | list[str] | None, info: Info) -> list[str]:
    stops = [given] if isinstance(given, str) else given or []
    if stops and info.kind == "extract":
        raise wire.unsupported("stop", "would cut the JSON of an 'extract' specialist")
    if len(stops) > MAX_STOPS:
        raise RequestError(f"'stop' holds {len(stops)} strings; the limit is {MAX_STOPS}", param="stop")
    if not all(stops):
        raise RequestError("'stop' holds an empty string", param="stop")
    if any(len(each) > MAX_STOP_CHARS for each in stops):
        raise RequestError(f"a string of 'stop' has more than {MAX_STOP_CHARS} characters", param="stop")
    return stops


def _schema(given: Any, info: Info) -> dict[str, Any] | None:
    """The JSON schema that the answer must meet; None leaves it to the bundle."""
    if given is None:
        return None
    try:
        found = msgspec.convert(given, _Format)
    except msgspec.ValidationError as error:
        raise RequestError(f"'response_format': {error}", param="response_format") from None
    if (found.json_schema is not None) != (found.type == "json_schema"):
        raise RequestError("'response_format': 'json_schema' goes with type json_schema", param="response_format")
    wanted = found.json_schema.schema if found.json_schema else None
    if info.kind == "extract":
        assert info.writing is not None
        if wanted is not None and wanted != info.writing.schema:
            raise RequestError(
                "'response_format' has another schema than this 'extract' specialist, whose own always holds: "
                "leave it out, or see GET /v1/models",
                param="response_format",
                code="wrong_schema",
            )
        return None
    if wanted is not None and len(msgspec.json.encode(wanted)) > MAX_SCHEMA_BYTES:
        message = f"'response_format' has a schema of more than {MAX_SCHEMA_BYTES:,} bytes"
        raise RequestError(message, param="response_format", code="invalid_schema")
    return _ANY_OBJECT if found.type == "json_object" else wanted
