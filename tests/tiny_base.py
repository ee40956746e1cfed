"""A base of two random layers under a name of the catalogue, its files in a folder: everything but the knowledge."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from jangin.bases import catalogue
from jangin.files import hash_file
from jangin.types import BaseFile, BaseModel, FolderSource

HIDDEN, INNER, LAYERS = 24, 48, 2
WORDS = """
i lost my card was stolen block the it is gone since cannot find after somebody took want money back for order from
please refund purchase of thing broken give me a bought return payment made when does arrive promised branch open shop
opening hours office until what time counter desk closed blue main old second gold small city joint green north travel
family yesterday on sunday this morning last week in may at noon today monday tonight case
"""


def add(folder: Path, seed: int = 0) -> BaseModel:
    """Writes config.json, tokenizer.json and model.safetensors and gives the base that points at them."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *dict.fromkeys(WORDS.split())])}
    config = {
        "model_type": "bert",
        "hidden_size": HIDDEN,
        "num_attention_heads": 2,
        "num_hidden_layers": LAYERS,
        "intermediate_size": INNER,
        "vocab_size": len(vocabulary),
        "max_position_embeddings": 260,
    }
    (folder / "config.json").write_text(json.dumps(config))
    _tokenizer(folder / "tokenizer.json", vocabulary)
    save_file(_weights(len(vocabulary), seed), folder / "model.safetensors")
    names = ("model.safetensors", "tokenizer.json", "config.json")
    files = [BaseFile(name, hash_file(folder / name), None, [FolderSource(str(folder / name))]) for name in names]
    config_facts = {"hidden_size": HIDDEN, "layers": LAYERS, "heads": 2, "intermediate_size": INNER}
    return BaseModel(
        "tiny-bert", "BERT", "encoder", 20_000, "Apache-2.0", ["en"], 256, files, HIDDEN, config=config_facts
    )


def register(base: BaseModel) -> None:
    """Adds it to this process's catalogue."""
    catalogue._bases()[base.id] = base


def _tokenizer(path: Path, vocabulary: dict[str, int]) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))


def _weights(words: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (words, HIDDEN),
        "embeddings.position_embeddings.weight": (260, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        p = f"encoder.layer.{layer}."
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= {f"{p}{part}.weight": (HIDDEN, HIDDEN), f"{p}{part}.bias": (HIDDEN,)}
        shapes |= {f"{p}intermediate.dense.weight": (INNER, HIDDEN), f"{p}intermediate.dense.bias": (INNER,)}
        shapes |= {f"{p}output.dense.weight": (HIDDEN, INNER), f"{p}output.dense.bias": (HIDDEN,)}
        norms += [f"{p}attention.output.LayerNorm", f"{p}output.LayerNorm"]
    weights = {name: rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
    for name in norms:
        weights |= {f"{name}.weight": np.ones(HIDDEN, np.float32), f"{name}.bias": np.zeros(HIDDEN, np.float32)}
    return weights
