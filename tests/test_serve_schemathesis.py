"""Schemathesis, an independent reader of /openapi.json, asks real servers what the document allows and what it forbids.

Every answer must be documented, of the documented shape, and below 500; what the document forbids must be refused. Run
on demand: `pip install 'jangin[compat]'`, then `pytest --slow tests/test_serve_schemathesis.py`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bundles import ngram_bundle
from jangin.access.keys import Keys
from jangin.serve.run import start

EXAMPLES = 40  # drawn for each route; the bounds of every parameter come on top
LIMIT_S = 900
TEXT = {"type": "string", "minLength": 1}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="the extra 'compat' is not installed"),
]


def test_every_answer_of_a_server_with_keys_is_documented(tmp_path: Path) -> None:
    folders, spare = labels(tmp_path), ngram_bundle(tmp_path / "spare", "spare")
    secret = Keys(tmp_path / "state" / "keys.json").add("root", roles=("ask", "admin", "metrics"))[1]
    with start(folders, state=str(tmp_path / "state"), open_to_all=False) as (_, url):
        document = described(url)
        fix(document, "PathRequest", path=[str(spare)])  # so that it comes and goes, and the others stay
        fix(document, "ModelRequest", model=["spare"])
        for name, key in (("RotateRequest", "turned"), ("RevokeRequest", "ended")):
            Keys(tmp_path / "state" / "keys.json").add(key)
            fix(document, name, key=[key, "none"])
        answered = fuzz(url, document, tmp_path, secret=secret)
    assert {
        "admin/keys",
        "admin/keys/rotate",
        "admin/keys/revoke",
        "admin/load",
        "admin/unload",
        "classify",
    } <= answered


def test_every_answer_of_an_open_server_is_documented(tmp_path: Path) -> None:
    with start(labels(tmp_path), state=str(tmp_path / "state")) as (_, url):
        document = described(url)
        schemas = document["components"]["schemas"]
        for name in ("stop", "tools", "tool_choice", "parallel_tool_calls", "response_format", "top_logprobs"):
            del schemas["ChatRequest"]["properties"][name]  # of labels, refused: chats that are answered are to be many
        del schemas["ChatRequest"]["properties"]["stream_options"]
        fix_turns(document)
        answered = fuzz(url, document, tmp_path, ["--exclude-path-regex", "admin"])
    assert answered == {"classify", "chat/completions", "moderations"}


def test_every_answer_of_specialists_that_write_is_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    import tiny_chain as chain
    from writers import SCHEMA, base, writer

    sha256 = base(tmp_path)
    folders = [
        chain.specialist(tmp_path, "calls", chain.CALLS),
        writer(tmp_path / "free", sha256, "free", seed=1, max_tokens=24),
        writer(tmp_path / "fields", sha256, "fields", seed=1, schema=SCHEMA, max_tokens=24),
    ]
    monkeypatch.setenv("JANGIN_HOME", str(tmp_path))
    with start(folders, state=str(tmp_path / "state")) as (_, url):
        document = described(url)
        fix(document, "ChatRequest", model=["calls", "free", "fields"])
        fix(document, "CompletionRequest", model=["free"])
        fix_turns(document)
        answered = fuzz(url, document, tmp_path, ["--include-path-regex", "completions"])
    assert answered == {"chat/completions", "completions"}


def labels(folder: Path) -> list[Path]:
    return [ngram_bundle(folder / "desk"), ngram_bundle(folder / "mod", "mod", kind="tag")]


def described(url: str) -> Any:
    """The document; the models that it is asked for are loaded, since nothing lies behind a name at random."""
    document = httpx.get(f"{url}/openapi.json").json()
    for name in ("ClassifyRequest", "ChatRequest", "CompletionRequest"):
        fix(document, name, model=["desk"])
    fix(document, "ModerationRequest", model=["mod"])
    return document


def fix(document: Any, name: str, **values: list[str]) -> None:
    for field, allowed in values.items():
        document["components"]["schemas"][name]["properties"][field] = {"enum": allowed}


def fix_turns(document: Any) -> None:
    turn = {"role": {"enum": ["system", "user", "assistant"]}, "content": TEXT}
    about = {"type": "object", "properties": turn, "required": list(turn), "additionalProperties": False}
    document["components"]["schemas"]["Turn"] = about


def fuzz(url: str, document: Any, folder: Path, more: Iterable[str] = (), secret: str | None = None) -> set[str]:
    """The endpoints that answered with 200 at least once, as /metrics tells."""
    (folder / "openapi.json").write_text(json.dumps(document), "utf-8")
    # Schemathesis leaves a header of this spelling out to see whether keys are asked for.
    headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(folder / "openapi.json"), "--url", url, *more]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "20261126"]
    # Whether a text has something to read in it, or whether a specialist can do what is asked, no schema says.
    command += ["--exclude-checks", "positive_data_acceptance", "--continue-on-failure", "--workers", "1"]
    command += ["--warnings", "off", "--request-timeout", "60", "--generation-database", "none"]
    command += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    quiet = {**os.environ, "NO_COLOR": "1"}
    run = subprocess.run(command, cwd=folder, timeout=LIMIT_S, capture_output=True, text=True, env=quiet)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    assert httpx.get(f"{url}/healthz").json()["status"] == "ok"
    tested = re.search(r"Test cases:\n\s+([\d,]+) generated", run.stdout)
    assert tested and int(tested[1].replace(",", "")) > 200, run.stdout
    print(tested[1], "cases")
    told = httpx.get(f"{url}/metrics", headers=headers).text
    samples = [sample for family in text_string_to_metric_families(told) for sample in family.samples]
    asked = [each.labels for each in samples if each.name == "jangin_requests_total"]
    assert not [labels for labels in asked if labels["status"] in ("500", "503")]
    return {labels["endpoint"] for labels in asked if labels["status"] == "200"}
