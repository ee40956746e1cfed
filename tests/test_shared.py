"""One engine for the adapters of many specialists: they come and go while others are answered."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import tiny_gguf as tiny
from jangin.errors import BaseModelError
from jangin.models import shared as sharing
from jangin.models.shared import Held, SharedDecoder

LABELS = tiny.ids("ABCDEFG")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    made = tmp_path_factory.mktemp("gguf")
    tiny.write(made / "base.gguf", tiny.weights())
    for seed in (1, 2):
        tiny.write_adapter(made / f"{seed}.gguf", tiny.adapter(seed))
    return made


@pytest.fixture
def shared(folder: Path) -> SharedDecoder:
    return SharedDecoder(folder / "base.gguf", context=256, threads=1)


def expected(adapter: int | None) -> np.ndarray:
    tensors = tiny.weights() if adapter is None else tiny.merged(tiny.weights(), tiny.adapter(adapter))
    logits = tiny.next_logits(tensors, tiny.ids("which? "))[LABELS]
    return logits - np.log(np.exp(logits).sum())


def ask(held: Held) -> np.ndarray:
    with held.engine() as engine:
        return engine.score_labels(["which? "], LABELS, adapter=held.adapter)[0]


def test_each_place_answers_with_its_own_adapter_also_after_others_came_and_went(
    shared: SharedDecoder, folder: Path
) -> None:
    bare = shared.hold(None)
    one = shared.hold(folder / "1.gguf")
    two = shared.hold(folder / "2.gguf")
    for held, adapter in ((one, 1), (two, 2), (bare, None)):
        np.testing.assert_allclose(ask(held), expected(adapter), atol=0.02)
    one.release()
    np.testing.assert_allclose(ask(two), expected(2), atol=0.02)
    again = shared.hold(folder / "1.gguf")
    np.testing.assert_allclose(ask(again), expected(1), atol=0.02)
    for held in (again, two, bare):
        held.release()


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many adapters each engine that is opened holds."""
    found: list[int] = []
    whole = sharing.Decoder

    def counted(weights: Path, adapters: dict[str, Path], **more: object) -> object:
        found.append(len(adapters))
        return whole(weights, adapters, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(sharing, "Decoder", counted)
    return found


def test_places_taken_for_later_are_opened_together_by_one_engine(
    shared: SharedDecoder, folder: Path, openings: list[int]
) -> None:
    first = shared.hold(folder / "1.gguf")
    later = [shared.hold(path, later=True) for path in (folder / "2.gguf", None, folder / "1.gguf")]
    assert openings == [1]
    for held, adapter in zip(later, (2, None, 1)):
        held.open()
        np.testing.assert_allclose(ask(held), expected(adapter), atol=0.02)
    np.testing.assert_allclose(ask(first), expected(1), atol=0.02)
    assert openings == [1, 3]
    for held in (first, *later):
        held.release()


def test_of_places_opened_together_only_the_one_that_does_not_fit_is_refused(
    shared: SharedDecoder, folder: Path, tmp_path: Path
) -> None:
    wide = tiny.write_adapter(tmp_path / "wide.gguf", tiny.adapter(1, width=48))
    one, bad, two = (shared.hold(path, later=True) for path in (folder / "1.gguf", wide, folder / "2.gguf"))
    one.open()
    with pytest.raises(BaseModelError, match="cannot load it with the adapters"):
        bad.open()
    bad.release()
    two.open()
    for held, adapter in ((one, 1), (two, 2)):
        np.testing.assert_allclose(ask(held), expected(adapter), atol=0.02)
        held.release()


def test_a_place_given_up_before_it_was_opened_leaves_the_engine_as_it_is(
    shared: SharedDecoder, folder: Path, openings: list[int]
) -> None:
    one = shared.hold(folder / "1.gguf")
    shared.hold(folder / "2.gguf", later=True).release()
    np.testing.assert_allclose(ask(one), expected(1), atol=0.02)
    assert openings == [1]
    one.release()


def test_a_request_that_runs_keeps_its_engine_while_a_specialist_is_loaded(shared: SharedDecoder, folder: Path) -> None:
    one = shared.hold(folder / "1.gguf")
    texts: list[str] = []
    writing, loaded = threading.Event(), threading.Event()

    def on_text(at: int, text: str) -> None:
        texts.append(text)
        writing.set()
        loaded.wait(30)

    def write() -> None:
        with one.engine() as engine:
            engine.generate(["x"], 30, grammar='root ::= "abcdefghij"', adapter=one.adapter, on_text=on_text)

    thread = threading.Thread(target=write)
    thread.start()
    assert writing.wait(30)
    two = shared.hold(folder / "2.gguf")
    np.testing.assert_allclose(ask(two), expected(2), atol=0.02)
    loaded.set()
    thread.join(30)
    assert "".join(texts) == "abcdefghij"
    one.release()
    two.release()


def test_an_adapter_that_does_not_fit_is_refused_and_the_others_go_on(
    shared: SharedDecoder, folder: Path, tmp_path: Path
) -> None:
    one = shared.hold(folder / "1.gguf")
    wide = tiny.write_adapter(tmp_path / "wide.gguf", tiny.adapter(1, width=48))
    with pytest.raises(BaseModelError, match="cannot load it with the adapters"):
        shared.hold(wide)
    np.testing.assert_allclose(ask(one), expected(1), atol=0.02)
    one.release()


def test_the_engine_holds_the_longest_context_of_those_that_stand_on_it(shared: SharedDecoder, folder: Path) -> None:
    def context() -> int:
        with shared.engine() as engine:
            return engine.context

    short = shared.hold(folder / "1.gguf", 256)
    long = shared.hold(None, 512)
    assert context() == 512
    other = shared.hold(folder / "2.gguf", 300)
    assert context() == 512
    long.release()
    other.release()
    assert context() == 256
    np.testing.assert_allclose(ask(short), expected(1), atol=0.02)
    short.release()
