"""The export `hf`: the adapter as PEFT's folder, for transformers and vLLM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from jangin.errors import BundleError
from jangin.export.source import PERMUTED, Source, heads
from jangin.files import write_atomic
from jangin.models.base import Floats
from jangin.train import adapters

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
_HUGGING = {gguf: name for name, gguf in adapters.LAYERS.items()}
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


def write(source: Source, folder: Path) -> dict[str, Any]:
    """Writes both files and returns the parity: what was written, read again and put back into llama.cpp's order.

    Raises: InputError without a repository to lay it over; BundleError when the two differ; StorageError.
    """
    from safetensors.numpy import save

    tensors = tensors_of(source.adapter, source.weights)
    write_atomic(folder / CONFIG, json.dumps(config_of(source), indent=2) + "\n")
    write_atomic(folder / WEIGHTS, save(tensors, {"format": "pt"}))
    return _parity(source, folder / WEIGHTS)


def tensors_of(adapter: adapters.GgufAdapter, weights: Path) -> dict[str, Floats]:
    """PEFT's name -> values, the rows of q and k in transformers' order. Raises: BundleError for another base's."""
    counts = _heads(adapter, weights)
    found = {}
    for name, (a, b) in adapter.tensors.items():
        layer, linear = _linear(name)
        if linear in counts:
            b = adapters.unpermute(b, counts[linear])
        block = "self_attn" if linear in _ATTENTION else "mlp"
        prefix = f"base_model.model.model.layers.{layer}.{block}.{linear}"
        found[f"{prefix}.lora_A.weight"] = np.ascontiguousarray(a)
        found[f"{prefix}.lora_B.weight"] = np.ascontiguousarray(b)
    return found


def config_of(source: Source) -> dict[str, Any]:
    """adapter_config.json."""
    adapter = source.adapter
    alpha = int(adapter.alpha) if adapter.alpha.is_integer() else adapter.alpha
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": source.original,
        "revision": None,
        "r": adapter.rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "target_modules": sorted({_linear(name)[1] for name in adapter.tensors}),
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "inference_mode": True,
    }


def _linear(name: str) -> tuple[int, str]:
    """(layer, transformers' name) from 'blk.3.attn_q.weight'."""
    try:
        _, layer, part, _ = name.split(".")
        return int(layer), _HUGGING[part]
    except (ValueError, KeyError) as error:
        raise BundleError(f"the adapter names '{name}', which no decoder here has", "train again") from error


def _heads(adapter: adapters.GgufAdapter, weights: Path) -> dict[str, int]:
    """Of q and of k where their rows stand in another order, else {}."""
    architecture, queries, keys = heads(weights)
    if architecture != adapter.architecture:
        raise BundleError(
            f"the adapter is for {adapter.architecture}, the base is {architecture}", "copy the bundle again"
        )
    return {"q_proj": queries, "k_proj": keys} if architecture in PERMUTED else {}


def _parity(source: Source, path: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    again = adapters.collect(load_file(path))
    counts = _heads(source.adapter, source.weights)
    gap = 0.0
    for name, (a, b) in source.adapter.tensors.items():
        layer, linear = _linear(name)
        ours_a, ours_b = again[layer, linear]
        if linear in counts:
            ours_b = adapters.permute(ours_b, counts[linear])
        gap = max(gap, float(np.abs(ours_a - a).max()), float(np.abs(ours_b - b).max()))
    if gap > 0:
        raise BundleError(f"the folder read again differs from the bundle's adapter by {gap:.3g}", "report this")
    return {
        "method": "the folder was read again and compared with the bundle's adapter, weight by weight",
        "tensors": 2 * len(again),
        "largest_weight_gap": gap,
    }
