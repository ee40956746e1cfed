"""The encoder session: batching changes no answer, the graph of a base is built once, a broken file is named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from bundles import TEXTS, encoder_bundle
from jangin.bases import catalogue
from jangin.errors import BaseModelError, BundleError, UnknownBaseError
from jangin.files import hash_file
from jangin.models import encoder as encoders
from jangin.models.encoder import Encoder, EncoderFiles, base_files, check_graph, prefix_of
from jangin.types import BaseModel


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = encoder_bundle(tmp_path_factory.mktemp("tiny"))
    graph = folder / "encoder.onnx"
    return Encoder(EncoderFiles("tiny", graph, folder / "tokenizer.json", hash_file(graph)), threads=1)


def test_an_embedding_does_not_depend_on_its_batch(tiny: Encoder) -> None:
    texts = [" ".join(TEXTS[: 1 + number % 9]) for number in range(150)]
    together = tiny.embed(texts)
    assert together.shape == (150, 32) and together.dtype == np.float32
    assert np.linalg.norm(together[:, :16], axis=1) == pytest.approx(np.ones(150), abs=1e-5)
    alone = np.concatenate([tiny.embed([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-5
    turned = tiny.embed(texts[::-1])[::-1]
    assert np.abs(together - turned).max() < 1e-5


def test_texts_run_with_texts_of_their_length() -> None:
    mixed = sorted([6, 7, 7, 8, 8, 9, 9, 10, 11, 12, 13, 14, 15, 20, 38, 41])
    runs = encoders._runs(mixed)
    assert [at for run in runs for at in range(run.start, run.stop)] == list(range(16))
    assert sum((run.stop - run.start) * mixed[run.stop - 1] for run in runs) < 1.3 * sum(mixed) < 0.6 * 16 * 41
    assert encoders._runs([9] * 40) == [slice(0, 8), slice(8, 24), slice(24, 40)]  # nothing to gain, so few runs
    assert encoders._runs([1, 256]) == [slice(0, 1), slice(1, 2)]
    assert encoders._runs([]) == []


def test_the_runs_cost_least_of_all_that_there_are() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        lengths = sorted(rng.integers(1, 60, 9).tolist())
        choices = []
        for cuts in range(1 << 8):
            ends = [n + 1 for n in range(8) if cuts >> n & 1] + [9]
            starts = [0, *ends[:-1]]
            choices.append(sum((e - s) * lengths[e - 1] + encoders.RUN_TOKENS for s, e in zip(starts, ends)))
        found = encoders._runs(lengths)
        assert sum((r.stop - r.start) * lengths[r.stop - 1] + encoders.RUN_TOKENS for r in found) == min(choices)


def test_no_texts_give_no_rows(tiny: Encoder) -> None:
    assert tiny.embed([]).shape == (0, 32)


def test_a_text_longer_than_the_limit_is_read_to_the_limit(tiny: Encoder) -> None:
    words = "lost " * encoders.MAX_TOKENS
    assert tiny.embed([words])[0] == pytest.approx(tiny.embed([words + "refund " * 500])[0], abs=1e-6)


def test_what_is_no_graph_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "encoder.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(BaseModelError) as error:
        Encoder(EncoderFiles("tiny", path, tmp_path / "tokenizer.json", ""))
    assert error.value.message == f"{path}: not a graph that ONNX Runtime can run"
    assert error.value.hint == "jangin pull the base again"


def test_what_is_no_tokenizer_is_refused_by_name(tiny: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(BaseModelError) as error:
        Encoder(msgspec.structs.replace(tiny.files, tokenizer=path))
    assert error.value.message == f"{path}: not a tokenizer.json"


def test_a_bundle_built_on_another_graph_is_refused() -> None:
    files = EncoderFiles("minilm-l6", Path("x"), None, "09f3c1" + "0" * 58)
    with pytest.raises(BundleError) as error:
        check_graph(files, "53aa51" + "0" * 58, "intents")
    expected = "bundle 'intents' was built on minilm-l6@53aa51; this machine holds minilm-l6@09f3c1"
    assert (error.value.message, error.value.hint) == (expected, "jangin pull minilm-l6")
    check_graph(files, files.sha256, "intents")


def test_a_base_that_is_not_here_names_the_command_that_brings_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("JANGIN_HOME", str(tmp_path))
    with pytest.raises(BaseModelError) as error:
        base_files("minilm-l6")
    expected = ("base 'minilm-l6' is not in the store", "jangin pull minilm-l6")
    assert (error.value.message, error.value.hint) == expected


def test_an_unknown_base_names_the_nearest() -> None:
    with pytest.raises(UnknownBaseError) as error:
        base_files("minilm-l7")
    assert error.value.message == "base 'minilm-l7' is not in the catalogue"
    assert error.value.hint is not None and error.value.hint.startswith("did you mean 'minilm-l6'")


def test_only_the_e5_family_wants_words_before_a_text() -> None:
    assert prefix_of("multilingual-e5-small") == "query: "
    assert [base.id for base in catalogue.all() if prefix_of(base.id) and "e5" not in base.id] == []


def test_the_graph_of_a_base_is_built_once_and_kept(tiny_base: BaseModel, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("JANGIN_HOME", str(tmp_path / "home"))
    encoders._built.cache_clear()
    first = base_files("tiny-bert")
    assert first.graph.parent == tmp_path / "home" / "derived" and first.sha256 == hash_file(first.graph)
    built = first.graph.stat().st_mtime_ns
    encoders._built.cache_clear()
    assert base_files("tiny-bert") == first and first.graph.stat().st_mtime_ns == built
    assert Encoder(first).embed(["i lost my card"]).shape == (1, 48)


@pytest.mark.weights
@pytest.mark.parametrize(("base", "width"), [("minilm-l6", 768), ("minilm-l6-q8", 768), ("use-multilingual-3", 512)])
def test_a_published_base_finds_what_is_alike_and_batches_without_a_trace(base: str, width: int) -> None:
    encoder = Encoder(base_files(base, fetch=True))
    texts = ["I lost my card", "my credit card is missing", "when do you open on Sunday?"]
    found = encoder.embed(texts)
    assert found.shape == (3, width)
    assert found[0] @ found[1] > found[0] @ found[2] + 0.1
    more = encoder.embed([*texts, "a much longer text that shares the batch with the short ones " * 5])
    assert np.abs(more[:3] - found).max() < 1e-5
    if base == "use-multilingual-3":
        korean = encoder.embed(["카드를 잃어버렸어요"])[0]
        assert korean @ found[0] > korean @ found[2] + 0.1
