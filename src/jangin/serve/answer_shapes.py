"""JSON schemas of what the server answers, for openapi.py. Objects are open: a later version may tell more."""

from __future__ import annotations

from typing import Any

from jangin.access.keys import ROLES
from jangin.ledger.row import ROUTES
from jangin.task import KINDS

Json = dict[str, Any]
STRING: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
COUNT: Json = {"type": "integer", "minimum": 0}
BOOLEAN: Json = {"type": "boolean"}
SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}
TIME: Json = {"type": ["string", "null"], "description": "UTC, ISO 8601."}


def named(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def thing(about: str, optional: Json | None = None, /, **needed: Json) -> Json:
    """An object: what it always holds, and what it may."""
    return {
        "type": "object",
        "description": about,
        "required": list(needed),
        "properties": {**needed, **(optional or {})},
    }


def listed(items: Json) -> Json:
    return {"type": "array", "items": items}


def by_name(values: Json) -> Json:
    return {"type": "object", "additionalProperties": values}


def maybe(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def only(*values: Any) -> Json:
    return {"enum": list(values)}


ERROR = thing(
    "OpenAI's error shape. No message holds a text.",
    error=thing(
        "What, which value, what was expected, what to do.",
        message=STRING,
        type=only(
            *("invalid_request_error", "authentication_error", "permission_error", "rate_limit_error", "server_error")
        ),
        param={"type": ["string", "null"], "description": "The parameter that it is about."},
        code={"type": "string", "description": "Stable: unsupported_parameter, model_not_found, overloaded, ..."},
    ),
)
_NEAR: Json = {
    "nearest": {"type": "string", "description": "Of what auto sends to none: the specialist that it came nearest to."},
    "margin": {"type": ["number", "null"], "description": "Of auto: how far inside its specialist's scope it lies."},
}
EVIDENCE = thing(
    "How this answer came about.",
    {
        "confidence": {**SHARE, "description": "Of an answer to one input."},
        "cost_usd": NUMBER,
        "energy_wh": maybe(NUMBER),
        "promise": {
            "type": "object",
            "description": "Where something is promised of local answers: target, confidence, threshold, stale.",
        },
        "audit": {"type": "boolean", "description": "Drawn: POST /v1/feedback whether it was right."},
        "why": {"type": "string", "description": "What stood in the way of an answer."},
        "egress": {"type": "object", "description": "What left: to whom, which fields, how many bytes, at what cost."},
        "routed": {"type": "boolean", "description": "By auto."},
        "specialists": {"type": "object", "description": "Of several: each one's hash and certificate."},
        "refusal": STRING,
        **_NEAR,
        "routes": {**by_name(COUNT), "description": "Of several inputs: how many went which way."},
        "fields": {**by_name(NUMBER), "description": "Of extract: each field's probability."},
        "waited_ms": NUMBER,
        "ttft_ms": maybe(NUMBER),
        "tok_per_s": maybe(NUMBER),
    },
    route={**only(*ROUTES), "description": "local: nothing left this server."},
    specialist={"type": ["string", "null"], "description": "sha256 of the specialist that answered."},
    certificate={"type": ["string", "null"], "description": "The id of its certificate; null without one."},
    egress_bytes={**COUNT, "description": "Bytes that left for this answer."},
)
USAGE = thing(
    "A classifier counts words, and one token a label; a specialist that writes the tokens of its base.",
    {"prompt_tokens_details": thing("Those that were not read again.", cached_tokens=COUNT)},
    prompt_tokens=COUNT,
    completion_tokens=COUNT,
    total_tokens=COUNT,
)
LABELLED = thing(
    "One input's answer.",
    {
        "model": {"type": ["string", "null"], "description": "Of auto: the specialist; null: it is for none."},
        "refusal": STRING,
        **_NEAR,
        "label": {"type": ["string", "null"], "description": "Of a classify specialist; null: no answer is given."},
        "labels": {**maybe(listed(STRING)), "description": "Of a tag specialist."},
        "route": only(*ROUTES),
        "why": STRING,
    },
    index=COUNT,
    confidence={**SHARE, "type": ["number", "null"]},
    probabilities={**by_name(SHARE), "description": "Calibrated, highest first, at most top_k of them."},
)
CLASSIFIED = thing(
    "One answer an input, in their order.",
    object=only("list"),
    model=STRING,
    data=listed(LABELLED),
    usage=named("Usage"),
    jangin=named("Evidence"),
)
CALL = thing("", {"index": COUNT, "id": STRING, "type": only("function")}, function={"type": "object"})
_FINISH = only("stop", "length", "tool_calls")
_HEAD: Json = {
    "id": STRING,
    "created": COUNT,
    "model": STRING,
    "system_fingerprint": {"type": ["string", "null"], "description": "The specialist's sha256, its first 12 digits."},
}


def _completion(about: str, object: str, choice: Json, **more: Json) -> Json:
    return thing(about, {"usage": maybe(named("Usage")), **more}, **_HEAD, object=only(object), choices=listed(choice))


MESSAGE = thing(
    "Of a classifier the content is the label; the labels of a tag task are separated by commas.",
    {"tool_calls": listed(CALL), "refusal": {"type": ["string", "null"]}},
    role=only("assistant"),
    content={"type": ["string", "null"]},
)
CHAT = _completion(
    "A chat completion.",
    "chat.completion",
    thing("", index=COUNT, message=MESSAGE, logprobs={"type": ["object", "null"]}, finish_reason=_FINISH),
    jangin=named("Evidence"),
)
CHUNK = _completion(
    "One event of a streamed chat; the stream ends with [DONE]. What fails later is an event with `error`.",
    "chat.completion.chunk",
    thing(
        "",
        {"logprobs": {"type": ["object", "null"]}},
        index=COUNT,
        delta={"type": "object"},
        finish_reason=maybe(_FINISH),
    ),
    jangin=named("Evidence"),
)
COMPLETION = _completion(
    "A text completion; streamed, each event has this shape too.",
    "text_completion",
    thing("", index=COUNT, text=STRING, logprobs={"type": ["object", "null"]}, finish_reason=maybe(_FINISH)),
    jangin=named("Evidence"),
)
MODERATED = thing(
    "One input's answer.",
    {"model": {"type": ["string", "null"]}, "refusal": STRING, **_NEAR},
    flagged={"type": ["boolean", "null"], "description": "null, of auto: neither flagged nor cleared."},
    categories=by_name(BOOLEAN),
    category_scores=by_name(SHARE),
    category_applied_input_types=by_name(listed(STRING)),
)
MODERATION = thing(
    "OpenAI's moderation object; the categories are the specialist's labels.",
    id=STRING,
    model=STRING,
    results=listed(MODERATED),
    jangin=named("Evidence"),
)
SPECIALIST = thing(
    "What a specialist is.",
    {
        "schema": {"type": ["object", "null"]},
        "max_tokens": COUNT,
        "context": COUNT,
        "tools": BOOLEAN,
        "policy": {"type": "object"},
        "promise": {"type": "object"},
    },
    kind=only(*KINDS),
    labels=listed(STRING),
    description={"type": ["string", "null"]},
    sha256=STRING,
    rung=STRING,
    base={"type": ["string", "null"]},
    params=COUNT,
    certificate=maybe(thing("", id=STRING, verdict={"type": ["string", "null"]})),
)
ROUTER = thing("What `auto` is.", kind=only("router"), specialists=listed(STRING))
MODEL = thing(
    "One specialist that is loaded, or auto.",
    {"status": only("loaded", "reloaded")},
    id=STRING,
    object=only("model"),
    created=COUNT,
    owned_by=STRING,
    jangin={"anyOf": [SPECIALIST, ROUTER]},
)
MODELS = thing("Those that the key may see.", object=only("list"), data=listed(named("Model")))
PROMISED = thing(
    "What is promised, and what became of it.",
    model=STRING,
    promise=thing(
        "", target=SHARE, confidence=SHARE, threshold=maybe(NUMBER), stale=BOOLEAN, audited=COUNT, wrong=COUNT
    ),
)
PASSED = thing(
    "Another API's completion, as it came; what was redacted is put back.", choices=listed({"type": "object"})
)
PASSED_MODELS = thing(
    "Those that the task may ask.", object=only("list"), data=listed(thing("", id=STRING, object=only("model")))
)
UNLOADED = thing("", status=only("unloaded"), model=STRING)
HEALTH = thing(
    "ok: every engine answers; degraded: some do; down: none.",
    status=only("ok", "degraded", "down"),
    engines=by_name(thing("", up=BOOLEAN, restarts=COUNT, writing=COUNT)),
)
KEY = thing(
    "All that may be shown of a key.",
    object=only("key"),
    id=STRING,
    name=STRING,
    roles=listed(only(*ROLES)),
    tasks=maybe(listed(STRING)),
    limits=by_name(NUMBER),
    created=TIME,
    expires=TIME,
    revoked=TIME,
    secrets=listed(thing("", created=TIME, expires=TIME)),
)
NEW_KEY = thing(
    "A key with its secret, which is shown this once.",
    KEY["properties"],
    id=STRING,
    secret={"type": "string", "pattern": "^jk-"},
)
KEYS = thing("Those in force, and those that ended.", object=only("list"), data=listed(named("Key")))

SCHEMAS: dict[str, Json] = {
    "Error": ERROR,
    "Evidence": EVIDENCE,
    "Usage": USAGE,
    "Classified": CLASSIFIED,
    "ChatCompletion": CHAT,
    "ChatCompletionChunk": CHUNK,
    "Completion": COMPLETION,
    "Moderation": MODERATION,
    "Model": MODEL,
    "Models": MODELS,
    "Promised": PROMISED,
    "Passed": PASSED,
    "PassedModels": PASSED_MODELS,
    "Unloaded": UNLOADED,
    "Health": HEALTH,
    "Key": KEY,
    "NewKey": NEW_KEY,
    "Keys": KEYS,
}
