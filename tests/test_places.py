"""The prefix cache: which place reads a prompt, and that what it saves changes no bit of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny_gguf as tiny
from jangin.models.decoder import Decoder
from jangin.models.generation import Generation
from jangin.models.places import Places


def read(places: Places, tokens: list[int], adapter: str | None = None, loose: bool = False) -> tuple[int, bool]:
    with places.take(tokens, adapter, loose) as found:
        return found


def test_a_prompt_reads_on_where_the_most_of_it_was_read() -> None:
    places = Places(2)
    one, _ = read(places, [1, 2, 3, 4, 5])
    other, reuse = read(places, [9, 9, 9])
    assert one != other and not reuse
    assert read(places, [1, 2, 3, 7, 7]) == (one, True)
    assert read(places, [9, 9, 8, 8]) == (other, True)


def test_at_least_two_tokens_are_read_and_nothing_that_was_written_is_taken_for_read() -> None:
    prompt = [1, 2, 3, 4]
    for again in (prompt, [1, 2, 3, 5], [1, 2, 3], [1, 2, 3, 4, 6, 6, 6]):
        places = Places(1)
        read(places, prompt)
        assert read(places, again) == (0, False)
    places = Places(1)
    read(places, prompt)
    assert read(places, [1, 2, 8, 8]) == (0, True)


def test_a_conversation_may_read_on_from_an_answer_and_what_it_left_serves_no_other() -> None:
    places = Places(1)
    read(places, [1, 2, 3, 4])
    assert read(places, [1, 2, 3, 4, 5, 6, 7, 8], loose=True) == (0, True)
    assert read(places, [1, 2, 3, 4, 5, 6, 9, 9]) == (0, False)  # 5 and 6 may have been written
    places = Places(1)
    read(places, [1, 2, 3, 4])
    read(places, [1, 2, 3, 4, 5, 6, 7, 8], loose=True)
    assert read(places, [1, 2, 3, 9, 9]) == (0, True)  # these were read


def test_another_adapter_and_a_request_that_failed_leave_nothing_to_read_on_from() -> None:
    places = Places(1)
    read(places, [1, 2, 3, 4], "one")
    assert read(places, [1, 2, 3, 5, 5], "two") == (0, False)
    with pytest.raises(KeyError), places.take([1, 2, 3, 6, 6], "two"):
        raise KeyError
    assert read(places, [1, 2, 3, 7, 7], "two") == (0, False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    return tiny.write(tmp_path_factory.mktemp("gguf") / "base.gguf", tiny.weights())


def prompts() -> Iterator[list[int]]:
    """Alike, longer, shorter, the same again, one that goes on from an answer."""
    start = tiny.ids("instructions that all of them begin with: ")
    for text in ("one?", "two, and longer?", "two, and?", "on", "one?", "one?"):
        yield [*start, *tiny.ids(text)]


def answers(decoder: Decoder) -> list[Generation]:
    found = []
    for prompt in prompts():
        found.append(decoder.generate([prompt], 6, logprobs=True)[0])
        written = b"".join(token.piece for token in found[-1].tokens or [])
        later = [*prompt, *(byte + len(tiny.CONTROL) for byte in written), *tiny.ids("; and then?")]
        found.append(decoder.generate([later], 3, logprobs=True)[0])
    return found


@pytest.mark.parametrize("places", [1, 3])
def test_no_bit_of_an_answer_depends_on_what_was_asked_before(weights: Path, places: int) -> None:
    with Decoder(weights, context=256, threads=1, parallel=places) as plain:
        wanted = answers(plain)
    with Decoder(weights, context=256, threads=1, parallel=places, prefix_cache=True) as caching:
        found = answers(caching)
    assert [(each.text, each.tokens) for each in found] == [(each.text, each.tokens) for each in wanted]
    assert sum(each.cached_tokens for each in found) > 100
    assert not any(each.cached_tokens for each in wanted)
