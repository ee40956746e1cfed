"""Few rows a label: the top layers are tuned on the states of those below, on a base of two random layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jangin.bundle import verify
from jangin.models.encoder import base_files
from jangin.models.specialist import Readers, Specialist
from jangin.pack import pack
from jangin.task import load_task
from jangin.train import few_rows, top_layers
from jangin.train.encoder import TunedRung
from jangin.train.judge import claim_of, judge
from jangin.train.workshop import Workshop
from small_tasks import classify_task, tag_task
from tiny_base import HIDDEN

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")


def workshop(folder: Path, work: Path) -> Workshop:
    return Workshop(load_task(folder), 0, work, True)


@pytest.fixture
def few(tmp_path: Path, tiny_base, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setattr(top_layers, "LEARNING_RATE", 5e-3)  # for 24 dimensions that know nothing yet
    monkeypatch.setattr(top_layers, "MOST_EPOCHS", 12)
    return workshop(classify_task(tmp_path / "task", rows=96, hard=0.0), tmp_path / "work")


def test_few_rows_a_label_tune_the_top_layers_and_many_the_whole(tmp_path: Path, few: Workshop) -> None:
    assert top_layers.is_for(few)
    assert not top_layers.is_for(workshop(classify_task(tmp_path / "many"), tmp_path / "other"))
    assert not top_layers.is_for(workshop(tag_task(tmp_path / "tags"), tmp_path / "another"))


def test_what_is_packed_is_tuned_again_on_all_rows_and_answers_as_the_trainer(tmp_path: Path, few: Workshop) -> None:
    attempt = TunedRung("tiny-bert", True).attempt(few)
    assert [part.solver for part in attempt.parts] == ["ngrams", "encoder"]
    assert attempt.fitted_on == "train and validation"
    judged = judge(few, attempt, claim_of(few), 1)
    assert judged.score > 0.7
    parity: dict = {}
    pack(few, "ngrams+tiny-bert-tuned", attempt, judged, tmp_path / "out", lambda found: parity.update(found) or {})
    assert parity["trainer_packed"]["different_answers"] == 0 and parity["packed_http"]["different_answers"] == 0
    spec = verify(tmp_path / "out").encoder
    assert spec is not None and attempt.spec is not None
    assert spec.output == "embedding" and spec.file == "encoder.onnx" and spec.sha256 != attempt.spec.sha256
    packed = Specialist(tmp_path / "out", Readers())
    texts = few.train.texts
    assert (packed.probabilities(texts).argmax(1) == few.train.gold).mean() > 0.9


def test_the_layers_below_stay_the_bases_own(few: Workshop) -> None:
    before = few.encoder("tiny-bert").embed(few.validation.texts)
    made = top_layers.tuned(few, "tiny-bert", few.train, few.work / "tuned")
    after = made.encoder.embed(few.validation.texts)
    # Of two layers the second is tuned; the other half of the embedding is the mean after the first.
    np.testing.assert_allclose(after[:, HIDDEN:], before[:, HIDDEN:], atol=1e-5)
    assert np.abs(after[:, :HIDDEN] - before[:, :HIDDEN]).max() > 0.05
    assert made.spec.sha256 != base_files("tiny-bert").sha256


def test_rows_of_a_class_are_drawn_together(few: Workshop) -> None:
    gold = few.validation.gold

    def contrast(embeddings: np.ndarray) -> float:
        of_last = embeddings[:, :HIDDEN] - embeddings[:, :HIDDEN].mean(0)
        cosine = of_last @ of_last.T / np.outer(*[np.linalg.norm(of_last, axis=1)] * 2)
        same, other = gold[:, None] == gold, ~np.eye(len(gold), dtype=bool)
        return float(cosine[same & other].mean() - cosine[~same].mean())

    made = top_layers.tuned(few, "tiny-bert", few.train, few.work / "tuned")
    texts = few.validation.texts
    assert contrast(made.encoder.embed(texts)) > contrast(few.encoder("tiny-bert").embed(texts)) + 0.1


def test_the_same_seed_gives_the_same_weights_and_a_finished_one_is_not_tuned_again(few: Workshop, monkeypatch) -> None:
    first, second = (few.work / name for name in ("first", "second"))
    made = [top_layers.tuned(few, "tiny-bert", few.train, folder).spec.sha256 for folder in (first, second)]
    assert made[0] == made[1]
    monkeypatch.setattr(top_layers, "_train", None)
    assert top_layers.tuned(few, "tiny-bert", few.train, first).spec.sha256 == made[0]


def test_the_promise_is_tested_by_a_model_that_did_not_see_the_rows(few: Workshop) -> None:
    proof = few_rows.attempt(few, "tiny-bert", False).unseen()
    (tested,) = proof.tested
    assert tested.logits is not None and proof.freezing is not None and proof.freezing.logits is not None
    assert len(tested.logits) == len(tested.rows) and len(proof.freezing.logits) == len(proof.freezing.rows)
    assert not set(tested.rows.texts) & set(proof.freezing.rows.texts)
