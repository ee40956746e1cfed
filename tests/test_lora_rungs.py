"""The rungs that train a decoder, on a random base: the recipe they choose, what the record and a plan keep of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jangin.bases import catalogue
from jangin.errors import BundleError, DataError
from jangin.task import load_task
from jangin.train import climb, recipes
from jangin.types import BaseModel, RungRecord

for module in ("torch", "transformers", "peft", "gguf", "xllamacpp"):
    pytest.importorskip(module, reason="the extras 'train' and 'decoder' are not installed")

import written_tasks  # noqa: E402 - only where the extras are
from jangin import bundle  # noqa: E402 - only where the extras are
from jangin.models.specialist import decoder_weights  # noqa: E402 - only where the extras are
from jangin.train import writers  # noqa: E402 - only where the extras are
from jangin.train.decoder import LoraRung  # noqa: E402 - only where the extras are
from jangin.train.workshop import Workshop  # noqa: E402 - only where the extras are
from jangin.train.writers import LoraWriter  # noqa: E402 - only where the extras are
from jangin.train.written import WritingShop  # noqa: E402 - only where the extras are
from small_tasks import classify_task  # noqa: E402 - only where the extras are


@pytest.fixture
def slow_base(tiny_decoder: BaseModel, monkeypatch: pytest.MonkeyPatch) -> BaseModel:
    """The random base, in a catalogue that says it were large, so that training it is estimated to take a while."""
    base = msgspec.structs.replace(tiny_decoder, params=2_000_000_000)
    monkeypatch.setitem(catalogue._bases(), base.id, base)
    return base


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a training of a few rows is long enough for a search of a few steps."""
    monkeypatch.setattr(recipes, "FEWEST", 1)
    monkeypatch.setattr(recipes, "MOST", 1)
    monkeypatch.setattr(recipes, "SHARE", 1.0)
    monkeypatch.setattr(writers, "recipe_for", lambda rows: writers.lora.Recipe(epochs=4.0))


def test_a_writing_rung_searches_where_there_is_room_and_a_plan_replays_what_it_chose(
    tmp_path: Path, slow_base: BaseModel, short: None
) -> None:
    folder = written_tasks.extract_task(tmp_path / "goods")
    rung = LoraWriter(slow_base.id)

    def shop(work: str) -> WritingShop:
        return WritingShop(load_task(folder), 0, tmp_path / work, True)

    poor, rich = shop("work"), shop("work")
    poor.left_s = 0.0
    rows, held_out = map(len, rich.division())
    share = recipes.cost(1, rows, 4.0, held_out)
    alone = rung.minutes(poor)
    assert share > 0.1 and alone > 0.5
    assert rung.minutes(rich) == pytest.approx(alone * (1 + share))
    found = rung.attempt(rich)
    assert len(found.details["recipe_search"]["trials"]) == recipes.TRIALS
    assert found.details["recipe_search"]["why"].startswith("6 trials of 1 or 2 steps, about ")
    assert found.details["recipe"]["rank"] in recipes.RANKS
    assert found.details["arrangement"]["rows"] == 16 and found.details["arrangement"]["processes"] == 1
    assert rung.attempt(shop("work")).details == found.details  # finished: nothing is trained again

    poor = shop("poor")
    poor.left_s = 0.0
    plain = rung.attempt(poor)
    assert plain.details["recipe"]["rank"] == 8 and plain.details["recipe_search"]["trials"] == []
    assert plain.details["recipe_search"]["why"].startswith("no room: training takes about ")

    given = {**found.details["recipe"], "rank": 16, "alpha": 32, "learning_rate": 3e-4}
    replayed = shop("replayed")
    replayed.recipes = {rung.name: given}
    assert rung.minutes(replayed) == pytest.approx(alone)
    details = rung.attempt(replayed).details
    assert details["recipe"] == given and details["recipe_search"] == {"why": "the plan names the recipe", "trials": []}


def test_a_rung_of_labels_searches_too_and_its_twin_beside_the_ngrams_trains_nothing(
    tmp_path: Path, tiny_decoder: BaseModel, short: None
) -> None:
    shop = Workshop(load_task(classify_task(tmp_path / "desk", rows=180)), 0, tmp_path / "work", True)
    found = LoraRung(tiny_decoder.id, False).attempt(shop)
    assert len(found.details["recipe_search"]["trials"]) == recipes.TRIALS
    beside = LoraRung(tiny_decoder.id, True)
    assert beside.minutes(shop) == 0.1
    assert beside.attempt(shop).details == found.details


def test_rows_that_are_too_long_are_counted_and_when_all_are_that_is_said(
    tmp_path: Path, tiny_decoder: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written_tasks.extract_task(tmp_path / "goods")
    shop = WritingShop(load_task(folder), 0, tmp_path / "work", True)
    monkeypatch.setattr(writers, "LONGEST", 20)
    with pytest.raises(DataError) as caught:
        LoraWriter(tiny_decoder.id).attempt(shop)
    assert caught.value.message == "every row of train is longer than 20 tokens"


def test_a_plan_keeps_the_recipe_of_each_rung(tmp_path: Path) -> None:
    recipe = {"rank": 8, "alpha": 16, "learning_rate": 0.001}
    records = [
        RungRecord("ngrams", None, 0, "tried", "accuracy"),
        RungRecord("smollm2-135m-lora", "smollm2-135m", 0, "tried", "accuracy", details={"recipe": recipe}),
    ]
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"plan": [climb._planned(each) for each in records], "seed": 3, "best": True}))
    found = climb._read_plan(path)
    assert found == (["ngrams", "smollm2-135m-lora"], 3, True, {"smollm2-135m-lora": recipe})


def _packed(tmp_path: Path, base: BaseModel) -> tuple[Path, dict[str, Any]]:
    folder = written_tasks.specialist(written_tasks.extract_task(tmp_path / "goods"), base)
    return folder, json.loads((folder / bundle.MANIFEST).read_text("utf-8"))


def test_a_bundle_on_other_weights_of_the_same_base_is_refused_with_both_hashes(
    tmp_path: Path, tiny_decoder: BaseModel
) -> None:
    folder, manifest = _packed(tmp_path, tiny_decoder)
    here = tiny_decoder.files[0].sha256
    assert here is not None and decoder_weights(bundle.verify(folder)).name == here
    manifest["decoder"]["sha256"] = "0" * 64
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError) as caught:
        decoder_weights(bundle.verify(folder))
    assert caught.value.message == (
        f"bundle 'made' was built on tiny-llama@000000; this machine holds tiny-llama@{here[:6]}"
    )
    assert caught.value.hint == "jangin pull tiny-llama"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({"befor": "Q: "}, "Object contains unknown field `befor` - at `$.decoder.template`"),
        ({"after": 3}, "Expected `str`, got `int` - at `$.decoder.template.after`"),
        (None, "Expected `object`, got `null` - at `$.decoder.template`"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_refused_when_the_bundle_is_read(
    template: Any, message: str, tmp_path: Path, tiny_decoder: BaseModel
) -> None:
    folder, manifest = _packed(tmp_path, tiny_decoder)
    manifest["decoder"]["template"] = template
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError) as caught:
        bundle.read_manifest(folder)
    assert caught.value.message == f"{folder / bundle.MANIFEST}: {message}"
