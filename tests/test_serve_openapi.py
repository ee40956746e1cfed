"""/openapi.json against the server that it describes: the same routes, and answers of the shapes that it promises.

`test_serve_schemathesis.py` has an independent program read it, on demand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from bundles import ngram_bundle
from jangin.access.keys import Keys
from jangin.data.schema import fault
from jangin.serve import openapi
from jangin.serve.door import Door
from routed import NONSENSE, encoder_base, messages, with_encoder
from scraped import scrape
from serving import drive

DOCUMENT = openapi.document(keyed=True)
SCHEMAS = DOCUMENT["components"]["schemas"]


def resolved(schema: Any) -> Any:
    """The same schema with what it refers to in its place."""
    if isinstance(schema, list):
        return [resolved(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolved(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    return {name: resolved(value) for name, value in schema.items()}


def wrong(value: Any, schema: Any) -> str | None:
    """As `fault`, which knows no `anyOf`."""
    if "anyOf" in schema:
        faults = [wrong(value, each) for each in schema["anyOf"]]
        return None if None in faults else str(faults)
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        within = [wrong(each, known.get(name, others) or {}) for name, each in value.items()]
    else:
        within = [wrong(each, schema.get("items", {})) for each in value] if isinstance(value, list) else []
    return next((found for found in [fault(value, schema), *within] if found), None)


def conforms(answered: httpx.Response, path: str, method: str = "post") -> None:
    """Its status is documented, and its body has the shape that goes with it."""
    about = DOCUMENT["paths"][path][method]["responses"][str(answered.status_code)]
    kind = answered.headers["content-type"].partition(";")[0]
    schema = resolved(about["content"][kind]["schema"])
    if kind == "application/json":
        found = wrong(answered.json(), schema)
        assert found is None, f"{path}: {found}"
    for name, header in about.get("headers", {}).items():
        assert not header["required"] or name in answered.headers, f"{path}: no {name}"


def test_the_document_and_the_server_have_the_same_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    served: set[tuple[str, str]] = set()

    class Watching(Starlette):
        def __init__(self, routes: list[Route], **options: Any):
            for route in routes:
                path = re.sub(r":\w+}", "}", route.path)
                served.update((method, path) for method in (route.methods or ()) if method != "HEAD")
            super().__init__(routes=routes, **options)

    monkeypatch.setattr("jangin.serve.app.Starlette", Watching)

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        told = (await client.get("/openapi.json")).json()
        assert told == json.loads(json.dumps(openapi.document(keyed=False)))
        assert "securitySchemes" not in told["components"]

    drive([], work)
    described = {(method.upper(), path) for path, ways in DOCUMENT["paths"].items() for method in ways}
    assert described == served


def test_everything_that_it_refers_to_is_there_and_nothing_is_named_twice() -> None:
    text = str(DOCUMENT)
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(SCHEMAS)
    names = [way["operationId"] for ways in DOCUMENT["paths"].values() for way in ways.values()]
    assert len(names) == len(set(names))
    without = {path for path, ways in DOCUMENT["paths"].items() for way in ways.values() if "security" not in way}
    assert without == {"/openapi.json", "/healthz"}
    for name in ("ChatRequest", "ClassifyRequest", "KeyRequest", "Turn", "Limits"):
        assert SCHEMAS[name]["additionalProperties"] is False, name  # what is not implemented is refused


def test_what_is_answered_has_the_documented_shape(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    headers = {"authorization": f"Bearer {keys.add('root', roles=('ask', 'admin', 'metrics'))[1]}"}
    folders = [ngram_bundle(tmp_path / "desk"), ngram_bundle(tmp_path / "mod", "mod", kind="tag")]
    spare = ngram_bundle(tmp_path / "spare", "spare")
    chat = {"model": "desk", "messages": [{"role": "user", "content": "lost my card"}]}
    posts: list[tuple[str, Any, int]] = [
        ("/v1/classify", {"model": "desk", "input": "lost my card"}, 200),
        ("/v1/classify", {"model": "mod", "input": ["lost my card", "hello"], "top_k": 1}, 200),
        ("/v1/classify", {"model": "desk", "input": []}, 400),
        ("/v1/chat/completions", {**chat, "logprobs": True, "top_logprobs": 2}, 200),
        ("/v1/chat/completions", {**chat, "stream": True, "stream_options": {"include_usage": True}}, 200),
        ("/v1/chat/completions", {**chat, "n": 2}, 400),
        ("/v1/completions", {"model": "desk", "prompt": "x"}, 400),
        ("/v1/moderations", {"model": "mod", "input": "lost my card"}, 200),
        ("/v1/feedback", {"id": "x", "right": True}, 409),
        ("/tasks/{task}/v1/chat/completions", {"model": "m", "messages": []}, 404),
        ("/v1/admin/load", {"path": str(spare)}, 200),
        ("/v1/admin/load", {"path": str(spare)}, 409),
        ("/v1/admin/reload", {"model": "spare"}, 200),
        ("/v1/admin/unload", {"model": "spare"}, 200),
        ("/v1/admin/unload", {"model": "spare"}, 404),
        ("/v1/admin/keys", {"name": "app", "limits": {"concurrent": 2}}, 200),
        ("/v1/admin/keys", {"name": "app"}, 409),
        ("/v1/admin/keys/rotate", {"key": "app"}, 200),
        ("/v1/admin/keys/revoke", {"key": "app"}, 200),
    ]

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        for path, body, status in posts:
            unknown = await client.post(path, json=body)
            assert unknown.status_code == 401
            conforms(unknown, path)
            answered = await client.post(path, json=body, headers=headers)
            assert answered.status_code == status, (path, answered.text)
            conforms(answered, path)
        for path in ("/v1/models", "/v1/models/{name}", "/v1/admin/keys", "/metrics", "/openapi.json", "/healthz"):
            answered = await client.get(path.replace("{name}", "desk"), headers=headers)
            assert answered.status_code == 200
            conforms(answered, path, "get")
        for path, status in (("/v1/models/nobody", 404), ("/tasks/nobody/v1/models", 404)):
            answered = await client.get(path, headers=headers)
            assert answered.status_code == status
            conforms(
                answered,
                path.replace("/v1/models/nobody", "/v1/models/{name}").replace("/tasks/nobody", "/tasks/{task}"),
                "get",
            )

    drive(folders, work, door=Door(keys))


def test_what_the_router_answers_has_the_documented_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JANGIN_HOME", str(tmp_path))
    files = encoder_base(tmp_path)
    folders = [with_encoder(tmp_path / name, name, files, seed=seed) for seed, name in enumerate(("cards", "refunds"))]
    text = messages("cards", 1, 7)[0]

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        for given in (text, NONSENSE, [text, NONSENSE, messages("refunds", 1, 7)[0]]):
            answered = await client.post("/v1/classify", json={"model": "auto", "input": given})
            assert answered.status_code == 200
            conforms(answered, "/v1/classify")
        for given in (text, NONSENSE):
            chat = {"model": "auto", "messages": [{"role": "user", "content": given}]}
            answered = await client.post("/v1/chat/completions", json=chat)
            assert answered.status_code == 200
            conforms(answered, "/v1/chat/completions")
        conforms(await client.get("/v1/models"), "/v1/models", "get")
        conforms(await client.get("/v1/models/auto"), "/v1/models/{name}", "get")
        told = await scrape(client)
        assert told("out_of_scope_total", task="auto") == 3 and told("below_threshold_total", task="auto") == 0

    drive(folders, work)
