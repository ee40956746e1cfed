"""The rungs on a decoder that answers with labels, on two random layers: trained, judged, packed and served."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest

for module in ("torch", "transformers", "peft", "gguf", "xllamacpp"):
    pytest.importorskip(module, reason="the extras 'train' and 'decoder' are not installed")

import writers  # noqa: E402 - only where the extras are
from jangin.bases import catalogue  # noqa: E402 - only where the extras are
from jangin.bases.store import Store  # noqa: E402 - only where the extras are
from jangin.models.specialist import Readers, load  # noqa: E402 - only where the extras are
from jangin.serve.run import background  # noqa: E402 - only where the extras are
from jangin.task import load_task  # noqa: E402 - only where the extras are
from jangin.train import decoder, lora, rungs, weights  # noqa: E402 - only where the extras are
from jangin.train.climb import train  # noqa: E402 - only where the extras are
from jangin.train.workshop import Workshop  # noqa: E402 - only where the extras are
from jangin.types import BaseModel  # noqa: E402 - only where the extras are
from small_tasks import classify_task, tag_task  # noqa: E402 - only where the extras are


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """In the store for the server's processes, and in the catalogue of this one."""
    monkeypatch.setenv("JANGIN_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    writers.base(tmp_path / "home")
    record = Store(tmp_path / "home").ref(writers.BASE, "resolved")
    found = msgspec.json.decode(record.read_bytes(), type=BaseModel)
    monkeypatch.setitem(catalogue._bases(), found.id, found)
    monkeypatch.setattr(decoder, "FIRST_FREE_TOKEN", 40)  # a vocabulary of bytes has no tokens above them
    monkeypatch.setattr(weights, "half_is_fast", lambda: False)  # two random layers lie too near to their thresholds
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # the server's processes too: two threads on two layers wait for each other
    yield found.id
    os.sched_setaffinity(0, cores)


def smaller(folder: Path) -> Path:
    """The same task with 24 rows of its train as validation, 96 as train."""
    rows = (folder / "train.jsonl").read_text("utf-8").splitlines(keepends=True)
    (folder / "train.jsonl").write_text("".join(rows[:96]), "utf-8")
    (folder / "validation.jsonl").write_text("".join(rows[96:120]), "utf-8")
    task = (folder / "task.yaml").read_text("utf-8")
    (folder / "task.yaml").write_text(task.replace("test:", "validation: validation.jsonl, test:"), "utf-8")
    return folder


@pytest.mark.parametrize("make", [classify_task, tag_task])
def test_a_decoder_answers_with_labels_as_it_was_trained_judged_and_packed(
    make, tmp_path: Path, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = smaller(make(tmp_path / "task"))
    monkeypatch.setattr(rungs, "ladder", lambda shop: [decoder.LoraRung(base, False)])
    climbed = train(folder, tmp_path / "out", quiet=True)
    (record,) = climbed.rungs
    assert (record.status, record.rung) == ("tried", f"{base}-lora")
    parity = climbed.record["parity"]
    assert parity["trainer_packed"]["largest_probability_gap"] < 0.01
    assert parity["packed_http"]["different_answers"] == 0
    inputs = ["I lost my card; please refund it", "is the shop open today", "x"]
    with closing(load(climbed.specialist, Readers())) as made:
        spec = made.manifest.decoder
        assert spec is not None and len(set(spec.label_tokens)) == 3 == len(made.labels)
        found = made.probabilities(inputs)
        answers = made.rule.decide(made.kind, made.labels, found)
    assert found.shape == (3, 3)
    if made.kind == "classify":
        assert spec.offset_token is None
        assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)
        return
    assert spec.offset_token is not None and spec.offset_token not in spec.label_tokens
    assert np.abs(found.sum(axis=1) - 1).max() > 0.05 and len(made.rule.tag_thresholds) == 3
    with background([climbed.specialist]) as url:
        body = {"model": made.name, "input": inputs}
        told = httpx.post(f"{url}/v1/moderations", json=body, timeout=60).json()["results"]
    for row, answer in zip(told, answers):
        assert [label for label in made.labels if row["categories"][label]] == answer
    scores = [[row["category_scores"][label] for label in made.labels] for row in told]
    assert np.array(scores) == pytest.approx(found, abs=1e-5)


def test_a_decoder_for_tags_stands_where_the_one_for_labels_does(tmp_path: Path) -> None:
    names = [
        [rung.name for rung in rungs.ladder(Workshop(load_task(make(tmp_path / make.__name__)), 0, tmp_path, True))]
        for make in (classify_task, tag_task)
    ]
    assert names[0] == names[1] and names[1][-2:] == ["smollm2-135m-lora", "ngrams+smollm2-135m-lora"]


def test_rows_that_know_no_label_are_not_learnt_from(tmp_path: Path) -> None:
    shop = Workshop(load_task(tag_task(tmp_path / "task")), 0, tmp_path, True)
    assert shop.train.known is not None
    known = shop.train.known.copy()
    known[3] = False
    rows = msgspec.structs.replace(shop.train, known=known)
    found = decoder._sequences(rows, lambda text, **_: [len(text)])
    assert found.marks is not None and len(found.prompts) == len(found.marks) == len(rows) - 1
    marks, gold = np.array(found.marks), np.delete(rows.gold, 3, axis=0)
    seen = np.delete(known, 3, axis=0)
    assert (marks[seen] == gold[seen]).all() and (marks[~seen] == lora.UNKNOWN).all() and (~seen).any()
