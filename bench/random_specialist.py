"""A bundle of kind `generate` with a random adapter: it costs what a trained one costs. Not a benchmark of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin import bundle
from jangin.bases import catalogue
from jangin.files import hash_file, write_atomic
from jangin.models.base import Rule
from jangin.prompt import chatml
from jangin.train import adapters
from jangin.train.gguf_base import weights_of


def specialist(into: Path, base: str, rank: int, number: int, *, max_tokens: int, context: int) -> Path:
    """`into`/writer-`number`, asked in ChatML without instructions. One number gives one adapter."""
    folder = into / f"writer-{number}"
    folder.mkdir()
    about = catalogue.get(base).config
    adapters.write(
        folder / bundle.ADAPTER,
        lora(about, rank, number),
        architecture=about["model_type"],
        alpha=float(rank),
        heads=about["heads"],
        kv_heads=about["kv_heads"],
    )
    manifest = bundle.Manifest(
        name=folder.name,
        kind="generate",
        labels=[],
        rung="lora",
        params=catalogue.get(base).params,
        rule=Rule(),
        encoder=None,
        calibration={},
        task={"name": folder.name},
        lineage={},
        files={bundle.ADAPTER: hash_file(folder / bundle.ADAPTER)},
        decoder=bundle.DecoderSpec(
            base,
            weights_of(base).name,
            chatml(""),
            adapter=bundle.ADAPTER,
            writing=bundle.WritingSpec(max_tokens, context),
        ),
    )
    write_atomic(folder / bundle.MANIFEST, msgspec.json.encode(manifest))
    return folder


def lora(about: dict[str, Any], rank: int, seed: int) -> adapters.Lora:
    """On all linear layers; so small that the base's answers stay sentences."""
    rng = np.random.default_rng(seed)
    hidden, inner, head = about["hidden_size"], about["intermediate_size"], about["head_dim"]
    queries, keys = about["heads"] * head, about["kv_heads"] * head
    shapes = {"q_proj": (queries, hidden), "k_proj": (keys, hidden), "v_proj": (keys, hidden)}
    shapes |= {"o_proj": (hidden, queries), "gate_proj": (inner, hidden), "up_proj": (inner, hidden)}
    shapes |= {"down_proj": (hidden, inner)}
    return adapters.Lora(
        {
            (layer, name): (
                rng.normal(0, 0.02, (rank, into)).astype(np.float32),
                rng.normal(0, 0.002, (out, rank)).astype(np.float32),
            )
            for layer in range(about["layers"])
            for name, (out, into) in shapes.items()
        }
    )
