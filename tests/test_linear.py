"""The head on disk: what is saved is what is mapped, int8 costs at most half a step, and a batch changes no answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bundles import TEXTS
from jangin.errors import BundleError, StorageError
from jangin.models import linear, ngrams
from jangin.models.base import Floats, Rule, sigmoid, softmax


def random_head(encoder: int = 0, labels: int = 5, seed: int = 0) -> linear.LinearHead:
    rng = np.random.default_rng(seed)
    blocks = [ngrams.fit_block(TEXTS, analyzer, 3_000) for analyzer in (*ngrams.LATIN, *ngrams.HANGUL)]
    weight = rng.normal(0, 2, (sum(len(block.hashes) for block in blocks), labels)).astype(np.float32)
    on_encoder = rng.normal(0, 1, (encoder, labels)).astype(np.float32)
    bias = rng.normal(0, 1, labels).astype(np.float32)
    return linear.LinearHead(blocks, *linear.quantise(weight), on_encoder, bias)


def encoded(width: int) -> Floats:
    return np.random.default_rng(1).normal(0, 1, (len(TEXTS), width)).astype(np.float32)


def test_a_saved_head_is_mapped_from_disk_and_answers_bit_for_bit(tmp_path: Path) -> None:
    head = random_head(encoder=12)
    linear.save(tmp_path / "head.safetensors", head)
    mapped = linear.load(tmp_path / "head.safetensors")
    assert isinstance(mapped.ngram_weight.base, np.ndarray) and not mapped.ngram_weight.flags.owndata
    assert not mapped.ngram_weight.flags.writeable
    assert [block.analyzer for block in mapped.blocks] == [block.analyzer for block in head.blocks]
    assert np.array_equal(mapped.logits(TEXTS, encoded(12)), head.logits(TEXTS, encoded(12)))


def test_the_same_head_is_saved_as_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        linear.save(tmp_path / name, random_head(encoder=3))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_head_without_ngrams_and_one_without_an_encoder_come_back(tmp_path: Path) -> None:
    none = np.zeros((0, 4))
    only = linear.LinearHead(
        [], none.astype(np.int8), np.zeros(0, np.float32), np.ones((2, 4), np.float32), np.arange(4, dtype=np.float32)
    )
    linear.save(tmp_path / "head", only)
    two = np.array([[1, 2], [0, -1]], np.float32)
    assert linear.load(tmp_path / "head").logits(["a", "b"], two).tolist() == [[3, 4, 5, 6], [-1, 0, 1, 2]]
    linear.save(tmp_path / "head", random_head())
    assert linear.load(tmp_path / "head").logits([""], None) == pytest.approx(random_head().bias[None])


def test_safetensors_own_reader_reads_the_file(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    head = random_head(encoder=3)
    linear.save(tmp_path / "head.safetensors", head)
    tensors = load_file(tmp_path / "head.safetensors")
    assert np.array_equal(tensors["ngram.weight"], head.ngram_weight)
    assert np.array_equal(tensors["block0.hashes"], head.blocks[0].hashes)


def test_logits_of_a_batch_equal_logits_one_by_one_bit_for_bit() -> None:
    head, vectors = random_head(encoder=40), encoded(40)
    texts = TEXTS * 20
    vectors = np.tile(vectors, (20, 1))
    together = head.logits(texts, vectors)
    alone = np.concatenate([head.logits([text], vectors[row : row + 1]) for row, text in enumerate(texts)])
    assert np.array_equal(together, alone)
    assert np.array_equal(head.logits(texts[::-1], np.ascontiguousarray(vectors[::-1])), together[::-1])


def test_half_precision_is_widened_as_numpy_does_it_bit_for_bit() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)].reshape(-1, 16)
    assert len(finite) * 16 == 63_488  # subnormals and both zeros among them
    assert linear.widened(finite).tobytes() == finite.astype(np.float32).tobytes()
    whole = np.array([[1 / 3]], np.float32)  # of a head that was never saved
    assert linear.widened(whole).tobytes() == whole.tobytes()


def test_no_texts_give_no_rows() -> None:
    assert random_head().logits([], None).shape == (0, 5)
    assert random_head(encoder=3).logits([], np.zeros((0, 3), np.float32)).shape == (0, 5)


def test_quantisation_is_off_by_at_most_half_a_step() -> None:
    weight = np.random.default_rng(3).normal(0, 5, (500, 7)).astype(np.float32)
    weight[0] = 0
    small, scale = linear.quantise(weight)
    assert small.dtype == np.int8 and np.abs(small.astype(int)).max() == 127
    error = np.abs(small.astype(np.float32) * scale[:, None] - weight)
    assert (error <= 0.5001 * np.abs(weight).max(axis=1, keepdims=True) / 127).all()


def test_logits_are_off_by_no_more_than_the_weights() -> None:
    rng = np.random.default_rng(5)
    block = ngrams.fit_block(TEXTS, ngrams.LATIN[0], 3_000)
    weight = rng.normal(0, 1, (len(block.hashes), 3)).astype(np.float32)
    head = linear.LinearHead([block], *linear.quantise(weight), np.zeros((0, 3), np.float32), np.zeros(3, np.float32))
    counts = ngrams.count_block(TEXTS, block)
    for row, logits in enumerate(head.logits(TEXTS, None)):
        part = slice(counts.start[row], counts.start[row + 1])
        columns, values = counts.columns[part], counts.values[part]
        bound = values @ (np.abs(weight[columns]).max(axis=1) / 127 / 2) + 1e-5
        assert np.abs(logits - values @ weight[columns]).max() <= bound


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 40, (2).to_bytes(8, "little") + b"[]", b"\0" * 64])
def test_a_file_that_is_no_head_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "head.safetensors"
    path.write_bytes(content)
    with pytest.raises(BundleError) as error:
        linear.load(path)
    assert error.value.message == f"{path}: not a head that Jangin wrote"
    assert error.value.hint == "train again, or copy the bundle again"


def test_a_head_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    linear.save(path, random_head())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BundleError, match="not a head that Jangin wrote"):
        linear.load(path)


def test_a_head_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        linear.save(tmp_path / "file" / "head.safetensors", random_head())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_probabilities_stay_finite_for_huge_logits() -> None:
    huge = np.array([[1e6, -1e6, 0], [0, 0, 0]], np.float32)
    assert softmax(huge.copy()) == pytest.approx(np.array([[1, 0, 0], [1 / 3] * 3]))
    assert sigmoid(huge)[0] == pytest.approx([1, 0, 0.5], abs=1e-9)


def test_a_rule_answers_by_the_best_label_the_scope_and_the_tags() -> None:
    sure = np.array([[0.7, 0.2, 0.1], [0.4, 0.3, 0.3], [0.2, 0.2, 0.6]], np.float32)
    labels = ("a", "b", "none")
    assert Rule().decide("classify", labels, sure) == ["a", "a", "none"]
    assert Rule("none", 0.5).decide("classify", labels, sure) == ["a", "none", "none"]
    assert Rule(tag_thresholds=[0.4, 0.25, 0.6]).decide("tag", labels, sure) == [["a"], ["a", "b"], ["none"]]
