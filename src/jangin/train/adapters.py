"""LoRA weights as transformers knows them -> the GGUF adapter file that llama.cpp lays over the base.

llama.cpp keeps the rows of Llama's q and k in another order than transformers does (each head's two halves are
interleaved), so the B matrices of a LoRA on them are put in that order too.
Source: the layout of GGUF adapters, ggml-org/llama.cpp, convert_lora_to_gguf.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jangin.errors import BundleError
from jangin.models.base import Floats

# transformers' name of a linear layer -> GGUF's.
LAYERS = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
}
PERMUTED = ("llama", "mistral")
_BLOCK = 32  # values that share a scale in Q8_0
_TYPE, _ALPHA = "adapter.type", "adapter.lora.alpha"
# transformers' model_type -> GGUF's architecture: Mistral is a llama there.
ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
}


class Lora(dict[tuple[int, str], tuple[Floats, Floats]]):
    """(layer number, transformers' name of the linear layer) -> A (rank, in) and B (out, rank)."""


def collect(state: Mapping[str, Floats]) -> Lora:
    """From PEFT's names, '...layers.3.self_attn.q_proj.lora_A.default.weight'."""
    halves: dict[tuple[int, str], dict[str, Floats]] = {}
    for name, value in state.items():
        if ".lora_A." not in name and ".lora_B." not in name:
            continue
        path = name.split(".")
        side = "A" if "lora_A" in path else "B"
        at = path.index("layers")
        halves.setdefault((int(path[at + 1]), path[path.index(f"lora_{side}") - 1]), {})[side] = value
    return Lora({key: (pair["A"], pair["B"]) for key, pair in sorted(halves.items())})


def permute(rows: Floats, heads: int) -> Floats:
    """(out, n) from transformers' order of the rows of q or k into llama.cpp's; `heads`: of q, or of k."""
    out, width = rows.shape
    return rows.reshape(heads, 2, out // heads // 2, width).swapaxes(1, 2).reshape(out, width)


def unpermute(rows: Floats, heads: int) -> Floats:
    """What `permute` did, undone."""
    out, width = rows.shape
    return rows.reshape(heads, out // heads // 2, 2, width).swapaxes(1, 2).reshape(out, width)


class GgufAdapter(NamedTuple):
    """An adapter file as it lies: GGUF's name of a base tensor -> A (rank, in) and B (out, rank), rows in llama.cpp's
    order. What is added to the base is alpha / rank * B A."""

    architecture: str
    alpha: float
    tensors: dict[str, tuple[Floats, Floats]]

    @property
    def rank(self) -> int:
        """The largest, should they differ."""
        return max(b.shape[1] for _, b in self.tensors.values())


def read(path: Path) -> GgufAdapter:
    """Raises: BundleError for a file that is no LoRA adapter in GGUF."""
    import gguf

    try:
        reader = gguf.GGUFReader(path)
        found = {key: reader.fields[key].contents() for key in (gguf.Keys.General.ARCHITECTURE, _TYPE, _ALPHA)}
        values = {
            tensor.name: np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type), np.float32)
            for tensor in reader.tensors
        }
        names = sorted({name.removesuffix(".lora_a").removesuffix(".lora_b") for name in values})
        tensors = {name: (values[f"{name}.lora_a"], values[f"{name}.lora_b"]) for name in names}
    except (ValueError, KeyError, IndexError) as error:
        raise BundleError(f"{path}: not a LoRA adapter in GGUF", "copy the bundle again, or train again") from error
    if found[_TYPE] != "lora" or not tensors:
        raise BundleError(f"{path}: an adapter of type '{found[_TYPE]}'; 'lora' was expected", "train again")
    return GgufAdapter(str(found[gguf.Keys.General.ARCHITECTURE]), float(found[_ALPHA]), tensors)


def write(path: Path, lora: Lora, *, architecture: str, alpha: float, heads: int, kv_heads: int) -> None:
    """`architecture`: transformers' model_type. The same weights give the same bytes. Raises: OSError.

    A lies in eight-bit blocks (Q8_0) where its rows divide into them, B, whose rows are as short as the rank, in half
    precision: a quarter less than half precision alone, as many adapters on one base are held side by side.
    """
    import gguf

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    writer = gguf.GGUFWriter(temporary, ARCHITECTURES[architecture])
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    for (layer, name), (a, b) in lora.items():
        if architecture in PERMUTED and name in ("q_proj", "k_proj"):
            b = permute(b, heads if name == "q_proj" else kv_heads)
        to = f"blk.{layer}.{LAYERS[name]}.weight.lora_"
        if a.shape[1] % _BLOCK:
            writer.add_tensor(f"{to}a", np.ascontiguousarray(a, np.float16))
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(f"{to}a", gguf.quants.quantize(np.ascontiguousarray(a, np.float32), kind), raw_dtype=kind)
        writer.add_tensor(f"{to}b", np.ascontiguousarray(b, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(temporary, path)
