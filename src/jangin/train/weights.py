"""Frozen weights for training: a GGUF, or a folder in the Hugging Face layout, as transformers' model.

A GGUF is unpacked here. transformers can do it too, but it reads the header twice, value by value, and looks every
tensor's name up in a table that it builds anew each time: nine tenths of its time (decision 0008). What this machine
multiplies quickest in decides the precision, unless 4-bit is asked for.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jangin.bases.lora_fit import Precision, Shape
from jangin.bases.machine import memory_mb
from jangin.errors import BaseModelError
from jangin.train import adapters
from jangin.train.gguf_base import Header, header

# GGUF's architecture -> transformers' model_type.
_MODEL_TYPES = {ours: theirs for theirs, ours in adapters.ARCHITECTURES.items() if theirs != "mistral"}
_TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_NORMS = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}
_GEMMA_NORMS = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_PARTS = {ours: ("mlp." if ours.startswith("ffn") else "self_attn.") + name for name, ours in adapters.LAYERS.items()}
_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "Cannot allocate memory",
    "can't start new thread",
)
_AGAIN = "pull the base again"


class OutOfMemory(Exception):
    """More was asked for than there is."""


def no_memory(error: Exception) -> bool:
    """Whether that is what it says: torch has a class of its own for it only on a GPU."""
    return isinstance(error, MemoryError) or any(each in str(error) for each in _NO_MEMORY)


def load(weights: Path, precision: Precision | None = None) -> Any:
    """The causal language model, on the GPU where there is one.

    Args: precision: None takes the one that this machine trains quickest in.
    Raises: BaseModelError for an architecture without a LoRA layout, for weights that cannot be read, and for 4-bit
        where it cannot run; OutOfMemory.
    """
    import torch
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    precision = precision or full_precision()
    more: dict[str, Any] = {}
    if precision == "4-bit":
        refusal = four_bit_refusal()
        if refusal is not None:
            raise BaseModelError(refusal, "pip install 'jangin[cuda]' where there is a GPU, or take a smaller base")
        more["quantization_config"] = _nf4()
        more["device_map"] = {"": torch.cuda.current_device()}
    config = config_of(weights)
    half = torch.float32 if precision == "float32" else torch.bfloat16
    where = weights
    if weights.is_file():
        where, more["state_dict"] = None, _unpacked(header(weights), half)  # type: ignore[assignment]
    try:
        with hushed():
            kind: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
            model, told = kind.from_pretrained(where, config=config, dtype=half, output_loading_info=True, **more)
    except (ValueError, KeyError, OSError, RuntimeError, MemoryError) as error:
        if no_memory(error):
            raise OutOfMemory(str(error)) from error
        raise BaseModelError(f"{weights.name[:12]}: transformers cannot read these weights", _AGAIN) from error
    lacking = sorted(told["missing_keys"])
    if lacking:
        raise BaseModelError(f"{weights.name[:12]}: {len(lacking)} tensors are missing, first '{lacking[0]}'", _AGAIN)
    if precision != "4-bit" and torch.cuda.is_available():
        model = model.to("cuda")
    return model


def half_is_fast() -> bool:
    """Whether this machine multiplies bfloat16 in hardware; where it does not, float32 is faster."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def full_precision() -> Precision:
    return "bfloat16" if half_is_fast() else "float32"


def free_memory_mb() -> int | None:
    """What is free now where a training would run; None where the system does not say."""
    import torch

    return int(torch.cuda.mem_get_info()[0]) // 2**20 if torch.cuda.is_available() else memory_mb()


def four_bit_refusal() -> str | None:
    """Why 4-bit cannot run here; None when it can."""
    import torch

    found = {"CUDA": torch.cuda.is_available(), "bitsandbytes": find_spec("bitsandbytes") is not None}
    absent = [name for name, there in found.items() if not there]
    return f"4-bit needs CUDA and bitsandbytes; missing here: {', '.join(absent)}" if absent else None


def _nf4() -> Any:
    """Dettmers et al. 2023, QLoRA: NF4 with its scales quantised once more; products in bfloat16."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def config_of(weights: Path) -> Any:
    """transformers' configuration of the base. Raises: BaseModelError for an architecture without a LoRA layout."""
    from transformers import AutoConfig

    if weights.is_file():
        return _config(header(weights))
    try:
        with hushed():
            config = AutoConfig.from_pretrained(weights)
    except (ValueError, KeyError, OSError) as error:
        raise BaseModelError(f"{weights.name[:12]}: transformers cannot read these weights", _AGAIN) from error
    if config.get_text_config().model_type not in adapters.ARCHITECTURES:
        raise _unknown(config.model_type)
    return config


def shape_of(config: Any) -> Shape:
    """What memory is estimated from."""
    text = config.get_text_config()
    heads, tied = text.num_attention_heads, bool(text.tie_word_embeddings)
    shape = Shape(
        hidden=text.hidden_size,
        layers=text.num_hidden_layers,
        heads=heads,
        kv_heads=text.num_key_value_heads,
        head_dim=getattr(text, "head_dim", None) or text.hidden_size // heads,
        intermediate=text.intermediate_size,
        vocabulary=text.vocab_size,
        norms=4 if text.model_type.startswith("gemma") else 2,
    )
    return shape.with_params((1 if tied else 2) * text.vocab_size * text.hidden_size + shape.linear_params)


def _unknown(architecture: str) -> BaseModelError:
    known = ", ".join(adapters.ARCHITECTURES)
    return BaseModelError(f"LoRA is not known for {architecture}", f"the architectures are: {known}")


def _config(found: Header) -> Any:
    from transformers import AutoConfig

    if found.architecture not in _MODEL_TYPES:
        raise _unknown(found.architecture)
    kind = _MODEL_TYPES[found.architecture]
    scaling = found.own("rope.scaling.type", "none")
    if scaling != "none" or "rope_freqs.weight" in found.tensors:
        # Positions would be turned in one way here and in another in the engine.
        raise BaseModelError(
            f"{found.path.name[:12]}: its positions are scaled ('{scaling}'), which training from a GGUF does not know",
            "take another base",
        )
    hidden, heads = int(found.own("embedding_length")), int(found.own("attention.head_count"))
    head_dim = int(found.own("attention.key_length", hidden // heads))
    theta = {"rope_type": "default", "rope_theta": float(found.own("rope.freq_base", 10_000.0))}
    values = {
        "vocab_size": found.tensors["token_embd.weight"].shape[0],
        "hidden_size": hidden,
        "intermediate_size": int(found.own("feed_forward_length")),
        "num_hidden_layers": int(found.own("block_count")),
        "num_attention_heads": heads,
        "num_key_value_heads": int(found.own("attention.head_count_kv", heads)),
        "head_dim": head_dim,
        "max_position_embeddings": int(found.own("context_length")),
        "rms_norm_eps": float(found.own("attention.layer_norm_rms_epsilon")),
        "tie_word_embeddings": "output.weight" not in found.tensors,
        "rope_parameters": theta,
        "pad_token_id": None,
    }
    if kind.startswith("gemma"):
        values |= _gemma(found, kind, theta, head_dim)
    return AutoConfig.for_model(kind, **values)


def _gemma(found: Header, kind: str, theta: dict[str, Any], head_dim: int) -> dict[str, Any]:
    """llama.cpp divides scores by the root of a head's width, but for the 27B of both, which no ladder has."""
    values: dict[str, Any] = {
        "sliding_window": int(found.own("attention.sliding_window")),
        "query_pre_attn_scalar": head_dim,
    }
    if kind == "gemma2":
        return values | {key: float(found.own(key)) for key in ("attn_logit_softcapping", "final_logit_softcapping")}
    near = {"rope_type": "default", "rope_theta": float(found.own("rope.freq_base_swa", 10_000.0))}
    return {**values, "rope_parameters": {"full_attention": theta, "sliding_attention": near}}


def _unpacked(found: Header, dtype: Any) -> dict[str, Any]:
    """transformers' names -> tensors. Raises: BaseModelError for a tensor that has no place in the architecture."""
    import gguf
    import torch

    gemma = found.architecture.startswith("gemma")
    heads = int(found.own("attention.head_count"))
    kv_heads = int(found.own("attention.head_count_kv", heads))
    state = {}
    for name, tensor in found.tensors.items():
        values = gguf.quants.dequantize(found.raw(name), gguf.GGMLQuantizationType(tensor.kind))
        if found.architecture == "llama" and (".attn_q." in name or ".attn_k." in name):
            values = adapters.unpermute(values, heads if ".attn_q." in name else kv_heads)
        if gemma and name.endswith("norm.weight"):
            values = values - 1  # Gemma's norms are stored as what is added to one
        state[_renamed(name, gemma)] = torch.from_numpy(values.copy()).to(dtype)
    return state


def _renamed(name: str, gemma: bool) -> str:
    *path, kind = name.split(".")
    if path[0] in _TOP:
        return f"{_TOP[path[0]]}.{kind}"
    names = {**_PARTS, **_NORMS, **(_GEMMA_NORMS if gemma else {})}
    if path[0] != "blk" or len(path) != 3 or path[2] not in names:
        raise BaseModelError(f"tensor '{name}' is not known", "take another base")
    return f"model.layers.{path[1]}.{names[path[2]]}.{kind}"


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """transformers' notes and bars speak of files and flags that a user of Jangin never sees."""
    from transformers.utils import logging as theirs

    before, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity(logging.ERROR)
    theirs.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of names that other libraries will change
            yield
    finally:
        theirs.set_verbosity(before)
        if bars:
            theirs.enable_progress_bar()
