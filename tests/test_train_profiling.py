"""Profiles at packing: what they are made of, what stands in the record, what a bundle without one needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jangin import bundle
from jangin.errors import BundleError, DataError
from jangin.models.specialist import load
from jangin.routing.heads import file_name, find_profiles
from jangin.routing.profile import read_profile
from jangin.routing.router import Router
from jangin.task import load_task
from jangin.train import profiling, rungs
from jangin.train.climb import train
from jangin.train.workshop import Shop, Workshop
from small_tasks import classify_task, messages

FILE = file_name("tiny-bert")


@pytest.fixture
def english(tiny_base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The random base reads English; the multilingual one is not in the store."""
    monkeypatch.setattr(rungs, "ENGLISH", "tiny-bert")


def packed(folder: Path, out: Path) -> tuple[Path, list[dict[str, Any]]]:
    specialist = train(folder, out, quiet=True, only=["ngrams"]).specialist
    return specialist, json.loads((specialist / "record.json").read_text())["routing"]


def test_a_packed_specialist_has_a_profile_that_is_no_part_of_its_identity(english: None, tmp_path: Path) -> None:
    folder, (told,) = packed(classify_task(tmp_path / "task"), tmp_path / "desk")
    assert (told["base"], told["file"]) == ("tiny-bert", FILE) and told["held_out"] > 5
    assert told["inputs"] > 4 * told["held_out"] and told["seconds"] > 0
    specialist = load(folder)
    assert FILE not in specialist.manifest.files
    (found,) = find_profiles(folder, specialist.sha256).values()
    assert (found.head.base, found.path.name) == ("tiny-bert", FILE)
    profile = read_profile(found.path)
    assert len(profile.held_out) == told["held_out"] and profile.counts.sum() == told["inputs"]
    shop = Shop(load_task(tmp_path / "task"), 0, tmp_path, True)
    texts = [each["input"] for each in messages(60, 9, 0.0)]
    routes = Router({"desk": profile}).route(shop.embedded("tiny-bert", [*texts, "gold gold north joint noon travel"]))
    assert np.mean([each.name == "desk" for each in routes[:-1]]) > 0.8 and routes[-1].name is None
    (folder / FILE).unlink()
    assert load(folder).sha256 == specialist.sha256
    assert find_profiles(folder, specialist.sha256) == {}


def test_without_the_encoder_it_is_packed_and_says_how_to_get_a_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_base: Any
) -> None:
    folder, told = packed(classify_task(tmp_path / "task"), tmp_path / "desk")
    why = "base 'minilm-l6-q8' is not in the store: jangin route fetches it"
    assert told == [{"base": "minilm-l6-q8", "why": why}]
    assert not list(folder.glob("routing-*"))
    monkeypatch.setattr(rungs, "ENGLISH", "tiny-bert")
    (found,) = profiling.add_profiles(folder, quiet=True)
    assert found.file == FILE and (folder / FILE).is_file()
    before = (folder / FILE).read_bytes()
    profiling.add_profiles(folder, quiet=True)
    assert (folder / FILE).read_bytes() == before  # one seed, one file
    rows = (tmp_path / "task" / "train.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "task" / "train.jsonl").write_text("".join(rows[:-30]))
    with pytest.raises(BundleError, match="are not those that 'desk' was trained on"):
        profiling.add_profiles(folder, quiet=True)
    (folder / "record.json").unlink()
    with pytest.raises(BundleError, match="no record of its task") as caught:
        profiling.add_profiles(folder, quiet=True)
    assert caught.value.hint == "train it again"


def test_what_goes_wrong_is_told_in_the_record_and_does_not_stop_the_packing(
    english: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise DataError("no room for numbers")

    monkeypatch.setattr(profiling, "fit_profile", broken)
    folder, told = packed(classify_task(tmp_path / "task"), tmp_path / "desk")
    assert told == [{"base": "tiny-bert", "why": "no room for numbers"}] and load(folder).name == "desk"


def test_rows_that_are_out_of_scope_and_the_test_are_left_out(english: None, tmp_path: Path) -> None:
    task = load_task(classify_task(tmp_path / "task", extra="out_of_scope: opening_hours\n"))
    shop = Shop(task, 0, tmp_path, True)
    asked: list[str] = []
    real = shop.embedded

    def embedded(base: str, texts: list[str]) -> Any:
        asked.extend(texts)
        return real(base, texts)

    shop.embedded = embedded  # type: ignore[method-assign]
    folder = bundle_of(tmp_path / "made")
    (told,) = profiling.write_profiles(shop, folder)
    assert told["inputs"] + told["held_out"] == len(asked) == len(set(asked))
    aside = {each.input for each in shop.splits.train if each.output == "opening_hours"}
    assert aside and not aside & set(asked)
    assert set(asked) <= {each.input for each in [*shop.splits.train, *shop.splits.validation]}


def test_long_inputs_and_many_of_them_are_bounded() -> None:
    texts = {f"{number:05d}" * 100 for number in range(3_000)}
    assert len(profiling._sample(texts, profiling.MOST_INPUTS, profiling.MOST_CHARS, 0)) == 600
    assert len(profiling._sample({text[:5] for text in texts}, 2_000, 300_000, 0)) == 2_000
    assert profiling._sample({"a" * 10}, 5, 3, 0) == ["a" * 10]
    assert profiling._sample(texts, 9, 10**6, 1) == profiling._sample(texts, 9, 10**6, 1)
    assert profiling._sample(texts, 9, 10**6, 1) != profiling._sample(texts, 9, 10**6, 2)


def test_what_the_climb_has_read_is_not_read_again(english: None, tmp_path: Path) -> None:
    task = load_task(classify_task(tmp_path / "task"))
    shop = Workshop(task, 0, tmp_path / "work", True)
    (tmp_path / "work").mkdir()
    read = shop.encoded("tiny-bert", "train")
    encoder = shop.encoder("tiny-bert")
    asked: list[str] = []
    real = encoder.embed

    def embed(texts: Any) -> Any:
        asked.extend(texts)
        return real(texts)

    encoder.embed = embed  # type: ignore[method-assign]
    found = shop.embedded("tiny-bert", [shop.train.texts[3], "a new one", shop.train.texts[0]])
    assert asked == ["a new one"]
    np.testing.assert_array_equal(found[[0, 2]], read[[3, 0]])
    assert shop.embedded("tiny-bert", []).shape == (0, read.shape[1])


def bundle_of(folder: Path) -> Path:
    from bundles import ngram_bundle

    made = ngram_bundle(folder)
    assert bundle.read_manifest(made).name == "desk"
    return made
