"""The fine-tuned tagger (extra `train`) on a base of two random layers: our graph scores as torch does, a kill loses
nothing, and the rung goes the whole way into a bundle."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

import orders
from jangin.bases import pull
from jangin.data.schema import fault
from jangin.models.copier import Copier
from jangin.models.pieces import pieces
from jangin.models.token_scores import TokenScores, place_pieces
from jangin.models.written import load_writer
from jangin.pack_written import write_bundle
from jangin.task import load_task
from jangin.train import token_tagger as tagging
from jangin.train.spans import SpansRung
from jangin.train.written import WritingShop

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

ROWS = orders.english(48, 1)


def data() -> tagging.TaggedTexts:
    texts = [row["input"] for row in ROWS]
    parts = [pieces(text) for text in texts]
    return tagging.TaggedTexts(texts, parts, [[int(part.text.isdigit()) for part in each] for each in parts])


def test_our_graph_gives_each_piece_the_scores_that_torch_gives(tmp_path: Path, tiny_base) -> None:
    found = pull.ensure("tiny-bert", quiet=True)
    config = msgspec.json.decode(found["config.json"].read_bytes())
    weights = tagging._train("tiny-bert", data(), 3, found, config, tmp_path, 0, True, 1)
    model = tagging.module(found["model.safetensors"], config, 3).eval()
    state = {name if name.startswith("head.") else f"body.{name}": torch.tensor(w) for name, w in weights.items()}
    model.load_state_dict(state)
    files = tagging.train_tagger("tiny-bert", data(), 3, tmp_path, 0, quiet=True, passes=1)
    scores = TokenScores(files, 1)
    for text in [ROWS[0]["input"], ROWS[1]["input"], "서울 x 12"]:
        ours, read = scores.scores(text, parts := pieces(text))
        encoding = scores._tokenizer.encode(text)
        assert read == len(encoding.ids)
        ids = torch.tensor([encoding.ids])
        with torch.no_grad():
            theirs = torch.log_softmax(model(ids, torch.ones_like(ids)), -1)[0].numpy()
        places = place_pieces(encoding.offsets, 0, parts)
        assert np.abs(ours - theirs[places]).max() < 1e-4


def test_a_killed_training_goes_on_from_its_last_pass_and_ends_in_the_same_weights(
    tmp_path: Path, tiny_base, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tagging.train_tagger("tiny-bert", data(), 3, tmp_path / "whole", 0, quiet=True, passes=2)
    keep = tagging._keep

    def killed(path, model, optimizer, schedule, turns):
        keep(path, model, optimizer, schedule, turns)
        if turns == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(tagging, "_keep", killed)
    with pytest.raises(KeyboardInterrupt):
        tagging.train_tagger("tiny-bert", data(), 3, tmp_path / "killed", 0, quiet=True, passes=2)
    monkeypatch.setattr(tagging, "_keep", keep)
    again = tagging.train_tagger("tiny-bert", data(), 3, tmp_path / "killed", 0, quiet=True, passes=2)
    assert again.graph.read_bytes() == whole.graph.read_bytes()
    assert not (tmp_path / "killed" / "checkpoint").exists()


def test_a_text_longer_than_the_encoder_reads_is_scored_as_far_as_it_reads(tmp_path: Path, tiny_base) -> None:
    files = tagging.train_tagger("tiny-bert", data(), 3, tmp_path, 0, quiet=True, passes=1)
    text = "send 3 x Acme soap " * 200
    scores, read = TokenScores(files, 1).scores(text, pieces(text))
    assert read <= 256 and scores.shape == (1_000, 3)
    assert (scores[0] != 0).any() and not scores[-1].any()


def test_the_rung_packs_an_encoder_and_a_chain_that_answer_together(
    tmp_path: Path, tiny_base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagging, "MOST_PASSES", 2)
    shop = WritingShop(load_task(orders.task(tmp_path / "orders", rows=80)), 0, tmp_path / "work", True)
    rung = SpansRung("tiny-bert")
    assert rung.why_not(shop) is None and rung.minutes(shop) > 0
    candidate = rung.attempt(shop)
    assert candidate.encoder is not None and {"encoder.onnx", "tokenizer.json"} <= set(candidate.files)
    (tmp_path / "made").mkdir()
    copier = load_writer(write_bundle(shop, candidate, {}, tmp_path / "made"))
    assert isinstance(copier, Copier) and copier.manifest.base == "tiny-bert"
    assert copier.spec.weights[1] > 0
    found = copier.write([example.input for example in shop.splits.validation])
    assert all(fault(each.output, copier.spec.schema) is None for each in found)
    again = rung.attempt(shop)  # a resume finds it made
    assert (again.spec, again.files) == (candidate.spec, candidate.files)
