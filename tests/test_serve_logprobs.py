"""`logprobs` of written answers: both endpoints, whole and streamed, against a forward pass in numpy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from openai import OpenAI

import tiny_gguf as tiny
from jangin.models.generation import Token
from jangin.serve.run import start
from jangin.serve.telling import Telling
from writers import base, writer

pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
pytest.importorskip("gguf", reason="the package gguf is not installed")

LETTERS = {"type": "string", "pattern": "^[a-z]{20}$"}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": LETTERS}}
ASKED: dict[str, Any] = {
    "model": "bare",
    "messages": [{"role": "user", "content": "where is it"}],
    "response_format": FORMAT,
    "logprobs": True,
}
PROMPT = [1, *tiny.ids("where is it\n")]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("writers")
    folders = [writer(home / "bare", base(home), "bare")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JANGIN_HOME", str(home))
        with start(folders) as (_, address):
            yield address


@pytest.fixture
def client(url: str) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)


def expected(text: str) -> np.ndarray:
    """ln of every token's probability after each beginning of the text, shape (len(text), vocabulary)."""
    rows = [tiny.next_logits(tiny.weights(), [*PROMPT, *tiny.ids(text[:at])]) for at in range(len(text))]
    return np.stack([row - row.max() - np.log(np.exp(row - row.max()).sum()) for row in rows])


def test_chat_logprobs_are_the_models_own_with_the_likeliest_beside_them(client: OpenAI) -> None:
    choice = client.chat.completions.create(**ASKED, top_logprobs=3).choices[0]
    text = choice.message.content or ""
    assert choice.logprobs is not None and choice.logprobs.content is not None
    found = choice.logprobs.content
    assert "".join(each.token for each in found) == text and len(text) == 22
    assert bytes(byte for each in found for byte in each.bytes or []) == text.encode()
    logprobs = expected(text)
    np.testing.assert_allclose(
        [each.logprob for each in found], logprobs[range(22), tiny.ids(text)], atol=0.02
    )  # at temperature 1 over the whole vocabulary, whatever the schema leaves of it
    for row, each in zip(logprobs, found, strict=True):
        best = [other.logprob for other in each.top_logprobs]
        np.testing.assert_allclose(best, np.sort(row)[::-1][:3], atol=0.02)
        assert best == sorted(best, reverse=True)


def test_without_top_logprobs_none_are_told(client: OpenAI) -> None:
    found = client.chat.completions.create(**ASKED).choices[0].logprobs
    assert found is not None and all(each.top_logprobs == [] for each in found.content or [])
    assert client.chat.completions.create(**{**ASKED, "logprobs": False}).choices[0].logprobs is None


def test_a_streams_chunks_bring_the_tokens_of_their_own_text(client: OpenAI) -> None:
    whole = client.chat.completions.create(**ASKED, top_logprobs=2).choices[0]
    assert whole.logprobs is not None
    found = []
    for chunk in client.chat.completions.create(**ASKED, top_logprobs=2, stream=True):
        choice = chunk.choices[0]
        tokens = (choice.logprobs.content or []) if choice.logprobs else []
        assert "".join(each.token for each in tokens) == (choice.delta.content or "")
        found += tokens
    assert [(each.token, each.bytes) for each in found] == [
        (each.token, each.bytes) for each in whole.logprobs.content or []
    ]
    np.testing.assert_allclose(
        [each.logprob for each in found], [each.logprob for each in whole.logprobs.content or []], atol=0.02
    )


def test_a_stop_string_takes_its_tokens_along(client: OpenAI) -> None:
    text = client.chat.completions.create(**ASKED).choices[0].message.content or ""
    stop = text[5:8]
    choice = client.chat.completions.create(**ASKED, stop=stop).choices[0]
    assert choice.logprobs is not None
    assert choice.message.content == text[: text.index(stop)]
    assert "".join(each.token for each in choice.logprobs.content or []) == choice.message.content


def test_text_completions_have_the_older_shape(client: OpenAI, url: str) -> None:
    asked: dict[str, Any] = {"model": "bare", "prompt": "where is it", "max_tokens": 6}
    whole = client.completions.create(**asked, logprobs=2).choices[0]
    about = whole.logprobs
    assert about is not None and about.tokens and about.top_logprobs and about.token_logprobs
    parts = [chunk.choices[0] for chunk in client.completions.create(**asked, logprobs=2, stream=True)]
    told = [part.logprobs for part in parts if part.logprobs]
    assert [token for each in told for token in each.tokens or []] == about.tokens
    assert [at for each in told for at in each.text_offset or []] == about.text_offset
    assert all(2 <= len(each) <= 3 for each in about.top_logprobs)
    for token, logprob, others in zip(about.tokens, about.token_logprobs, about.top_logprobs, strict=True):
        assert others[token] == pytest.approx(logprob) == max(others.values())  # greedy: it is the likeliest
    bare = client.completions.create(**asked, logprobs=0).choices[0].logprobs
    assert bare is not None and bare.top_logprobs is None and bare.tokens == about.tokens
    answer = httpx.post(f"{url}/v1/completions", json={**asked, "logprobs": 6})
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "logprobs"


def told(*events: tuple[str, str], kept: str = "", skip: str = "") -> list[tuple[str, int]]:
    """(token, characters before it) after events of (a token, the text that it completed)."""
    telling = Telling()
    for piece, text in events:
        telling.token(Token(piece.encode(), -1.0))
        if text:
            telling.text(text)
    telling.skip(skip)
    return [(each.piece.decode(), each.at) for each in telling.told(kept)]


def test_tokens_of_white_space_around_the_answer_are_left_out() -> None:
    events = [("\n", "\n"), (" a", " a"), ("b", "b"), (" ", " ")]
    assert told(*events, kept=" ", skip="\n ") == [(" a", 0), ("b", 1)]


def test_a_token_kept_back_for_a_stop_string_comes_with_the_text_that_frees_it() -> None:
    assert told(("a", "a"), ("E", ""), ("N", "")) == [("a", 0)]
    assert told(("a", "a"), ("E", ""), ("N", ""), ("x", "ENx")) == [("a", 0), ("E", 1), ("N", 2), ("x", 3)]


def test_a_token_inside_a_character_of_which_the_engine_is_silent_moves_no_other() -> None:
    telling = Telling()
    for piece, text in ((b"a", "a"), (b"\x9c", "\u00dc"), (b"b", "b")):  # the first byte of the second was not told
        telling.token(Token(piece, -1.0))
        telling.text(text)
    assert [(each.piece, each.at) for each in telling.told("")] == [(b"a", 0), (b"\x9c", 1), (b"b", 2)]
