"""The adapter file: what is written is what is read, in as few bytes as its shapes allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jangin.train import adapters

gguf = pytest.importorskip("gguf", reason="the package gguf is not installed")
RANK = 8


def lora(into: int) -> adapters.Lora:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 0.3, (RANK, into)), rng.normal(0, 0.3, (24, RANK))
    return adapters.Lora({(0, "down_proj"): (a.astype(np.float32), b.astype(np.float32))})


def write(path: Path, into: int) -> Path:
    adapters.write(path, lora(into), architecture="qwen2", alpha=16.0, heads=2, kv_heads=1)
    return path


@pytest.mark.parametrize(("into", "kind", "error"), [(96, "Q8_0", 1 / 100), (72, "F16", 1 / 1000)])
def test_a_lies_in_eight_bit_blocks_where_its_rows_divide_into_them(
    tmp_path: Path, into: int, kind: str, error: float
) -> None:
    path = write(tmp_path / "adapter.gguf", into)
    kinds = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors}
    assert kinds == {"blk.0.ffn_down.weight.lora_a": kind, "blk.0.ffn_down.weight.lora_b": "F16"}
    found = adapters.read(path)
    a, b = found.tensors["blk.0.ffn_down.weight"]
    wanted_a, wanted_b = lora(into)[0, "down_proj"]
    assert (found.rank, found.alpha, a.dtype, a.shape) == (RANK, 16.0, np.float32, wanted_a.shape)
    assert np.abs(a - wanted_a).max() <= np.abs(wanted_a).max() * error
    assert np.abs(b - wanted_b).max() <= np.abs(wanted_b).max() / 1000


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "1.gguf", 96).read_bytes() == write(tmp_path / "2.gguf", 96).read_bytes()
