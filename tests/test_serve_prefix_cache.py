"""A prompt that begins as an earlier one did is not read again; nothing crosses from one adapter to another."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from jangin.cli import build_parser
from jangin.serve.fleet import Fleet
from serving import drive
from writers import base, writer

pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
pytest.importorskip("gguf", reason="the package gguf is not installed")

SHARED = "the same long beginning, " * 8  # a byte a token
LETTERS = {"type": "string", "pattern": "^[a-z]{20}$"}


@pytest.fixture
def folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    home = tmp_path_factory.mktemp("writers")
    monkeypatch.setenv("JANGIN_HOME", str(home))
    sha256 = base(home)
    return [writer(home / name, sha256, name, seed=seed) for seed, name in enumerate(("one", "two"))]


async def ask(client: httpx.AsyncClient, model: str, text: str, **more: Any) -> tuple[str, int, int]:
    """(answer, tokens of the prompt, those of them that were not read again)."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": LETTERS}},
        **more,
    }
    answer = (await client.post("/v1/chat/completions", json=body)).raise_for_status().json()
    usage = answer["usage"]
    return (
        answer["choices"][0]["message"]["content"],
        usage["prompt_tokens"],
        usage["prompt_tokens_details"]["cached_tokens"],
    )


def test_a_shared_beginning_is_read_once_and_the_usage_says_how_many_tokens_that_saved(folders: list[Path]) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        first, size, cached = await ask(client, "one", f"{SHARED}first")
        assert (size, cached) == (len(SHARED) + 5 + 2, 0)  # and the template's two
        _, _, cached = await ask(client, "one", f"{SHARED}second")
        assert cached == len(SHARED) + 1  # all that both share: 201 of 208 tokens
        again, _, cached = await ask(client, "one", f"{SHARED}first")  # the place that read it is passed over
        assert again == first and cached == len(SHARED) + 1

    drive(folders[:1], work)


def test_switched_off_every_prompt_is_read_whole(folders: list[Path]) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        for _ in range(2):
            assert (await ask(client, "one", f"{SHARED}first"))[2] == 0

    drive(folders[:1], work, prefix_cache=False)
    assert build_parser().parse_args(["serve", "x", "--no-prefix-cache"]).prefix_cache is False
    assert build_parser().parse_args(["serve", "x"]).prefix_cache is True


def test_an_adapter_never_reads_on_from_what_another_has_read(folders: list[Path]) -> None:
    wanted: dict[str, str] = {}

    async def apart(client: httpx.AsyncClient, fleet: Fleet) -> None:
        for name in ("one", "two"):
            wanted[name] = (await ask(client, name, f"{SHARED}x"))[0]

    async def mixed(client: httpx.AsyncClient, fleet: Fleet) -> None:
        for name in ("one", "two", "one", "two"):
            assert (await ask(client, name, f"{SHARED}x"))[0] == wanted[name]
        answers = await asyncio.gather(*(ask(client, name, f"{SHARED}x") for name in ("one", "two") * 6))
        assert [text for text, _, _ in answers] == [wanted["one"], wanted["two"]] * 6
        assert wanted["one"] != wanted["two"]

    drive(folders, apart, prefix_cache=False)
    drive(folders, mixed)


def test_a_streams_usage_tells_it_too(folders: list[Path]) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        await ask(client, "one", f"{SHARED}first")
        body = {
            "model": "one",
            "prompt": f"{SHARED}second",
            "max_tokens": 3,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        events = (await client.post("/v1/completions", json=body)).raise_for_status().text
        assert f'"prompt_tokens_details":{{"cached_tokens":{len(SHARED) + 1}}}' in events

    drive(folders[:1], work)
