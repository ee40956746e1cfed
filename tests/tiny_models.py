"""Random decoders of two layers, one for each architecture that can be trained: as transformers' folder and as GGUF.

The vocabulary is that of tiny_gguf.py, one token a byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import tiny_gguf
from jangin.train.adapters import ARCHITECTURES, PERMUTED, permute

COMMON: dict[str, Any] = {
    "vocab_size": len(tiny_gguf.VOCABULARY),
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": None,
}
OWN: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": None},
    "qwen2": {},
    "qwen3": {},
    "gemma2": {"query_pre_attn_scalar": 16, "sliding_window": 512, "tie_word_embeddings": True},
    "gemma3_text": {"query_pre_attn_scalar": 16, "sliding_window": 512, "tie_word_embeddings": True},
}
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
GEMMA = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def make(folder: Path, architecture: str, seed: int = 0) -> tuple[Path, Path]:
    """(folder in the Hugging Face layout, GGUF) of the same weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    config = AutoConfig.for_model(architecture, **{**COMMON, **OWN[architecture]})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim > 1 or name.endswith("bias"):  # random ones of transformers are too small to tell apart
                value.normal_(0, 0.15)
    model.save_pretrained(folder / "hf")
    return folder / "hf", _gguf(folder / "base.gguf", model, architecture)


def _gguf(path: Path, model: Any, architecture: str) -> Path:
    import gguf

    config, gemma = model.config, architecture.startswith("gemma")
    writer = gguf.GGUFWriter(path, ARCHITECTURES[architecture])
    writer.add_context_length(512)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(1_000_000.0 if architecture == "gemma3_text" else 10_000.0)
    if gemma:
        writer.add_sliding_window(512)
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    writer.add_vocab_size(len(tiny_gguf.VOCABULARY))
    tiny_gguf.add_vocabulary(writer)
    for name, value in model.state_dict().items():
        renamed = _renamed(name, gemma)
        if renamed is None or (name == "lm_head.weight" and config.tie_word_embeddings):
            continue
        values = value.detach().numpy().astype(np.float32)
        if gemma and "norm" in name:
            values = values + 1  # Gemma's norms are stored as what is added to one
        if architecture in PERMUTED and ".q_proj." in name:
            values = permute(values, config.num_attention_heads)
        if architecture in PERMUTED and ".k_proj." in name:
            values = permute(values, config.num_key_value_heads)
        writer.add_tensor(renamed, np.ascontiguousarray(values))
    return tiny_gguf.close(writer, path)


def _renamed(name: str, gemma: bool) -> str | None:
    top = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name == "lm_head.weight":
        return "output.weight"
    if name in top:
        return top[name]
    _, _, layer, *rest, kind = name.split(".")
    names = NAMES | (GEMMA if gemma else {})
    return f"blk.{layer}.{names['.'.join(rest)]}.{kind}"
