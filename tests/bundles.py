"""Small real bundles for tests: an n-gram head fitted on a few sentences, and a head on a tiny random encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from jangin import bundle
from jangin.files import hash_file, write_atomic
from jangin.models import graph, linear, ngrams
from jangin.models.base import Floats, Rule
from jangin.models.encoder import Encoder, EncoderFiles

SENTENCES = {
    "card_lost": ["I lost my card", "my card was stolen yesterday", "block the card please", "카드를 잃어버렸어요"],
    "refund": ["I want my money back", "please refund this order", "when is the refund coming", "환불해 주세요"],
    "opening_hours": ["when do you open", "are you open on Sunday", "what are your hours", "몇 시에 열어요"],
}
LABELS = sorted(SENTENCES)
TEXTS = [text for label in LABELS for text in SENTENCES[label]]
ANSWERS = [label for label in LABELS for _ in SENTENCES[label]]


def ngram_bundle(
    folder: Path,
    name: str = "desk",
    *,
    kind: str = "classify",
    scale: float = 8.0,
    rule: Rule | None = None,
    analyzers: Sequence[ngrams.Analyzer] = ngrams.LATIN,
) -> Path:
    """A specialist without an encoder. `scale`: how sure of itself it is; another scale is another specialist."""
    blocks = [ngrams.fit_block(TEXTS, analyzer, 5_000) for analyzer in analyzers]
    features = np.concatenate([_dense(ngrams.count_block(TEXTS, b), len(b.hashes)) for b in blocks], axis=1)
    weight, bias = _fit(features, scale)
    quantised, scales = linear.quantise(weight)
    head = linear.LinearHead(blocks, quantised, scales, np.zeros((0, len(LABELS)), np.float32), bias)
    return _write(folder, name, kind, head, None, rule)


def encoder_bundle(folder: Path, name: str = "tiny", *, kind: str = "classify", seed: int = 0) -> Path:
    """A specialist on an encoder of its own: two random layers, a tokenizer of whole words."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "encoder.onnx", graph.build(_random_bert(seed), _CONFIG))
    _tokenizer(folder / "tokenizer.json")
    files = EncoderFiles("tiny", folder / "encoder.onnx", folder / "tokenizer.json", hash_file(folder / "encoder.onnx"))
    spec = bundle.EncoderSpec("tiny-bert", files.sha256, "embedding", files.graph.name, "tokenizer.json")
    encoder = Encoder(files, threads=1)
    weight, bias = _fit(encoder.embed(TEXTS), 40.0)
    head = linear.LinearHead([], np.zeros((0, len(LABELS)), np.int8), np.zeros(0, np.float32), weight, bias)
    return _write(folder, name, kind, head, spec, None)


def _write(
    folder: Path,
    name: str,
    kind: str,
    head: linear.LinearHead,
    spec: bundle.EncoderSpec | None,
    rule: Rule | None,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    linear.save(folder / "head.safetensors", head)
    files = {path.name: hash_file(path) for path in sorted(folder.iterdir()) if path.name != bundle.MANIFEST}
    manifest = bundle.Manifest(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        labels=LABELS,
        rung="ngrams" if spec is None else "encoder",
        params=int(head.ngram_weight.size + head.encoder_weight.size + head.bias.size),
        rule=rule or Rule(tag_thresholds=[0.6] * len(LABELS) if kind == "tag" else []),
        encoder=spec,
        calibration={},
        task={"name": name, "description": "What a shop's customer wants."},
        lineage={"seed": 0},
        files=files,
    )
    write_atomic(folder / bundle.MANIFEST, msgspec.json.encode(manifest))
    return folder


def _dense(counts: ngrams.Counts, width: int) -> Floats:
    out = np.zeros((len(counts.start) - 1, width), np.float32)
    for row in range(len(out)):
        part = slice(counts.start[row], counts.start[row + 1])
        out[row, counts.columns[part]] = counts.values[part]
    return out


def _fit(features: Floats, scale: float) -> tuple[Floats, Floats]:
    """Ridge regression onto one-hot labels, as logits: (features, labels) weights and a bias."""
    want = np.eye(len(LABELS), dtype=np.float32)[[LABELS.index(label) for label in ANSWERS]] - 1 / len(LABELS)
    gram = features @ features.T + 0.01 * np.eye(len(features), dtype=np.float32)
    weight = features.T @ np.linalg.solve(gram, want) * scale
    return np.ascontiguousarray(weight, np.float32), np.zeros(len(LABELS), np.float32)


_CONFIG = {"model_type": "bert", "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2}


def _random_bert(seed: int) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    d, inner = 16, 32
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(_vocabulary()), d),
        "embeddings.position_embeddings.weight": (512, d),
        "embeddings.token_type_embeddings.weight": (2, d),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(2):
        p = f"encoder.layer.{layer}."
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= {f"{p}{part}.weight": (d, d), f"{p}{part}.bias": (d,)}
        shapes |= {f"{p}intermediate.dense.weight": (inner, d), f"{p}intermediate.dense.bias": (inner,)}
        shapes |= {f"{p}output.dense.weight": (d, inner), f"{p}output.dense.bias": (d,)}
        norms += [f"{p}attention.output.LayerNorm", f"{p}output.LayerNorm"]
    weights = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    for name in norms:
        weights |= {f"{name}.weight": np.ones(d, np.float32), f"{name}.bias": np.zeros(d, np.float32)}
    return weights


def _vocabulary() -> dict[str, int]:
    words = sorted({word for text in TEXTS for word in text.split()})
    return {word: number for number, word in enumerate(["[UNK]", *words])}


def _tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(_vocabulary(), unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))
