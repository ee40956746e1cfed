"""/openapi.json: every route, what it takes and what it may answer, as OpenAPI 3.1.

What is asked comes from the structs that read it; by hand is what a struct leaves to the code: values of which one is
implemented, the length of a list. What is answered is in answer_shapes.py. A test holds it against the routes.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from jangin import __version__
from jangin.serve import admin, asked, wire
from jangin.serve.answer_shapes import SCHEMAS, Json, maybe, named, thing
from jangin.serve.feedback import FeedbackRequest

STRUCTS = (
    *(wire.ClassifyRequest, wire.ChatRequest, asked.CompletionRequest, wire.ModerationRequest),
    *(wire.PathRequest, wire.ModelRequest, admin.KeyRequest, admin.RotateRequest, admin.RevokeRequest),
    FeedbackRequest,
)
TEXT: Json = {"type": "string", "minLength": 1, "maxLength": wire.MAX_TEXT_CHARS}
_CHAT: Json = {"type": "array", "minItems": 1, "items": named("Turn")}
_STOP: Json = {"type": "string", "minLength": 1, "maxLength": asked.MAX_STOP_CHARS}
_STOPS = maybe({"anyOf": [_STOP, {"type": "array", "items": _STOP, "maxItems": asked.MAX_STOPS}]})


LIMITS = {
    **dict.fromkeys(("requests_per_minute", "tokens_per_minute", "concurrent"), "integer"),
    **dict.fromkeys(("usd_per_day", "usd_per_month"), "number"),
}
_ABOVE_ZERO: dict[str, Json] = {
    "integer": {"type": "integer", "minimum": 1},
    "number": {"type": "number", "exclusiveMinimum": 0},
}


def _texts(one: Json) -> Json:
    return {"type": "array", "minItems": 1, "maxItems": wire.MAX_BATCH, "items": one}


def _only(values: dict[str, Any]) -> Json:
    return {name: {"enum": [value, None]} for name, value in values.items()}


BY_HAND: dict[str, Json] = {
    "ClassifyRequest": {
        "input": {
            "description": "A text, a chat (a list of messages), or a list of texts and chats.",
            "anyOf": [TEXT, _CHAT, _texts({"anyOf": [TEXT, _CHAT]})],
        }
    },
    "ModerationRequest": {"input": {"anyOf": [TEXT, _texts(TEXT), _texts(named("Part"))]}},
    "ChatRequest": {
        "messages": _CHAT,
        "stop": _STOPS,
        "response_format": maybe(
            {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"enum": ["text", "json_object", "json_schema"]}},
            }
        ),
        "tool_choice": {"anyOf": [{"enum": ["none", "auto", "required", None]}, {"type": "object"}]},
        **_only(wire.ONLY),
    },
    "CompletionRequest": {"prompt": TEXT, "stop": _STOPS, **_only(asked.ONLY)},
    "StreamOptions": {"include_obfuscation": {"enum": [False]}},
    "Limits": {name: maybe(_ABOVE_ZERO[kind]) for name, kind in LIMITS.items()},
}
ABOUT = {
    "ClassifyRequest": "What a specialist of kind classify or tag is asked.",
    "ChatRequest": "OpenAI's chat request, as far as it is implemented; the rest is refused by name, never ignored.",
    "CompletionRequest": "OpenAI's completion request, for specialists of kind generate.",
    "Turn": "One message. A text, or a list of text parts.",
    "Function": "A function that the answer may call; its arguments meet the schema, strict or not.",
}


class Way(NamedTuple):
    """One operation. answer: a schema's name, or the media type of what is no JSON. stream: of its events."""

    method: str
    path: str
    tag: str
    about: str
    answer: str
    asked: str | None = None
    stream: str | None = None
    refuses: tuple[int, ...] = ()


_ANSWERS = (400, 403, 404, 408, 409, 413, 422, 429, 503)
_PASSED = (400, 403, 404, 408, 413, 422, 429, 502, 503, 504)
_ACTS = (400, 403, 404, 408, 409, 413, 415, 429, 503)
METRICS = "text/plain"
WAYS = (
    Way(
        "post",
        "/v1/classify",
        "answers",
        "Labels of one input or many",
        "Classified",
        "ClassifyRequest",
        None,
        _ANSWERS,
    ),
    Way(
        *("post", "/v1/chat/completions", "answers", "A label, a JSON object or a text as a chat's next message"),
        *("ChatCompletion", "ChatRequest", "ChatCompletionChunk", _ANSWERS),
    ),
    Way(
        *("post", "/v1/completions", "answers", "What a generate specialist writes after a prompt"),
        *("Completion", "CompletionRequest", "Completion", _ANSWERS),
    ),
    Way(
        *("post", "/v1/moderations", "answers", "What a tag specialist finds in texts"),
        *("Moderation", "ModerationRequest", None, _ANSWERS),
    ),
    Way("get", "/v1/models", "answers", "The specialists that are loaded", "Models"),
    Way("get", "/v1/models/{name}", "answers", "One of them", "Model", None, None, (403, 404, 409)),
    Way(
        *(
            "post",
            "/tasks/{task}/v1/chat/completions",
            "pass-through",
            "On to the API that the task names, by its policy",
        ),
        *("Passed", "PassedRequest", "completion of that API's", _PASSED),
    ),
    Way(
        "get",
        "/tasks/{task}/v1/models",
        "pass-through",
        "The models that it may ask",
        "PassedModels",
        None,
        None,
        (403, 404),
    ),
    Way(
        "post",
        "/v1/feedback",
        "admin",
        "Say whether an audited answer was right",
        "Promised",
        "FeedbackRequest",
        None,
        _ACTS,
    ),
    Way("post", "/v1/admin/load", "admin", "Load a folder of this machine", "Model", "PathRequest", None, _ACTS),
    Way("post", "/v1/admin/reload", "admin", "Read a folder again", "Model", "ModelRequest", None, _ACTS),
    Way("post", "/v1/admin/unload", "admin", "Take one away", "Unloaded", "ModelRequest", None, _ACTS),
    Way("get", "/v1/admin/keys", "admin", "All keys, without secrets", "Keys", None, None, (403, 409)),
    Way("post", "/v1/admin/keys", "admin", "Make a key", "NewKey", "KeyRequest", None, _ACTS),
    Way("post", "/v1/admin/keys/rotate", "admin", "A new secret for a key", "NewKey", "RotateRequest", None, _ACTS),
    Way("post", "/v1/admin/keys/revoke", "admin", "End a key at once", "Key", "RevokeRequest", None, _ACTS),
    Way("get", "/metrics", "operation", "Figures in Prometheus' text format", METRICS, None, None, (403,)),
    Way("get", "/openapi.json", "operation", "This document", "Document"),
    Way("get", "/healthz", "operation", "200 while an engine answers, else 503", "Health"),
)
OPEN = ("/openapi.json", "/healthz")
MEANS = {
    200: "Done.",
    400: "A parameter, or the body, is not one that this server can act on.",
    401: "No key in force was sent.",
    403: "This key may not.",
    404: "There is none of that name.",
    408: "The body did not arrive in time.",
    409: "It cannot be done as things stand.",
    413: "The body is too large.",
    415: "An act of administration must be sent as application/json.",
    422: "Not sure enough for what the task promises, and its policy refuses such answers; or refused elsewhere.",
    429: "Too much waits, or a limit of the key's is reached: come back after Retry-After.",
    502: "The other API gave no whole answer.",
    504: "The other API gave no answer in time.",
    503: "The engine, the ledger or the audit log cannot work now: come back after Retry-After.",
}


def document(keyed: bool) -> Json:
    """The whole document. keyed: whether this server asks for keys."""
    paths: dict[str, Json] = {}
    for way in WAYS:
        paths.setdefault(way.path, {})[way.method] = _operation(way, keyed and way.path not in OPEN)
    found: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Jangin",
            "version": __version__,
            "description": "Small specialised models behind OpenAI's API. Every answer carries its evidence.",
        },
        "paths": paths,
        "components": {"schemas": _schemas()},
    }
    if keyed:
        found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return found


def _operation(way: Way, keyed: bool) -> Json:
    found: Json = {
        "operationId": f"{way.method}{''.join(part.capitalize() for part in _words(way.path))}",
        "tags": [way.tag],
        "summary": way.about,
        "responses": {"200": _answer(way)},
    }
    for name in re.findall(r"\{(\w+)\}", way.path):
        place = {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        found.setdefault("parameters", []).append(place)
    if way.asked is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": named(way.asked)}}}
    if keyed:
        found["security"] = [{"key": []}]
    for status in sorted({*way.refuses, *((401,) if keyed else ())}):
        found["responses"][str(status)] = _refusal(status)
    if way.path == "/healthz":
        found["responses"]["503"] = {
            "description": "Down.",
            "content": {"application/json": {"schema": named("Health")}},
        }
    return found


def _words(path: str) -> list[str]:
    return [
        word for word in path.replace("{", "").replace("}", "").replace(".", "/").split("/") if word not in ("", "v1")
    ]


def _answer(way: Way) -> Json:
    found: Json = {
        "description": MEANS[200],
        "headers": {"x-request-id": _header("The client's own, or one that the server drew.")},
    }
    if way.answer == METRICS:
        return {**found, "content": {METRICS: {"schema": {"type": "string"}}}}
    content: Json = {"application/json": {"schema": named(way.answer)}}
    if way.stream is not None:
        data = {"type": "string", "description": f"A {way.stream}, an Error, or at the end [DONE]."}
        content["text/event-stream"] = {"schema": thing("Each event.", data=data)}
    found["content"] = content
    if way.tag == "answers" and way.method == "post":
        found["headers"] |= {
            "x-jangin-route": _header("local, escalated, ..."),
            "x-jangin-specialist": _header("sha256, its first 12 digits."),
            "x-jangin-certificate": _header("The certificate's id, or none."),
            "x-jangin-egress-bytes": _header("Bytes that left."),
            "x-jangin-confidence": {**_header("Of an answer to one input."), "required": False},
        }
    return found


def _refusal(status: int) -> Json:
    found: Json = {"description": MEANS[status], "content": {"application/json": {"schema": named("Error")}}}
    if status in (429, 503):
        found["headers"] = {"retry-after": {"required": True, "description": "Seconds.", "schema": {"type": "integer"}}}
    return found


def _header(about: str) -> Json:
    return {"required": True, "description": about, "schema": {"type": "string"}}


def _schemas() -> dict[str, Json]:
    _, found = msgspec.json.schema_components(STRUCTS, ref_template="#/components/schemas/{name}")
    for name, by_hand in BY_HAND.items():
        for field, schema in by_hand.items():
            found[name]["properties"][field] = schema
    for name in found:
        found[name].pop("title", None)
        found[name].pop("description", None)
        if name in ABOUT:
            found[name]["description"] = ABOUT[name]
    passed: Json = {"type": "object", "required": ["model", "messages"], "description": "As that API takes it."}
    passed["properties"] = {"model": {"type": "string"}, "messages": {"type": "array", "items": {"type": "object"}}}
    return {
        **found,
        **SCHEMAS,
        "PassedRequest": passed,
        "Document": {"type": "object", "required": ["openapi", "paths"]},
    }
