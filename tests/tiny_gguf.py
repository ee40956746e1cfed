"""A Llama of two random layers and a byte-level vocabulary as GGUF, its LoRA adapters, its forward pass in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

HIDDEN, INNER, LAYERS, HEADS, KV_HEADS = 32, 64, 2, 4, 2
HEAD = HIDDEN // HEADS
CONTROL = ["<|end|>", "<|turn|>"]
RANK, ALPHA = 4, 8.0


def _bytes_shown() -> list[str]:
    """The printable stand-in of each byte in byte-level BPE, in byte order."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte if byte in kept else next(spare)) for byte in range(256)]


VOCABULARY = CONTROL + _bytes_shown()


def ids(text: str) -> list[int]:
    """Token numbers: one a byte, since there are no merges to speak of."""
    return [byte + len(CONTROL) for byte in text.encode()]


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {"token_embd.weight": (len(VOCABULARY), HIDDEN), "output.weight": (len(VOCABULARY), HIDDEN)}
    for layer in range(LAYERS):
        p = f"blk.{layer}."
        shapes |= {f"{p}attn_q.weight": (HIDDEN, HIDDEN), f"{p}attn_output.weight": (HIDDEN, HIDDEN)}
        shapes |= {f"{p}attn_k.weight": (KV_HEADS * HEAD, HIDDEN), f"{p}attn_v.weight": (KV_HEADS * HEAD, HIDDEN)}
        shapes |= {f"{p}ffn_gate.weight": (INNER, HIDDEN), f"{p}ffn_up.weight": (INNER, HIDDEN)}
        shapes |= {f"{p}ffn_down.weight": (HIDDEN, INNER)}
    found = {name: rng.normal(0, 0.25, shape).astype(np.float32) for name, shape in shapes.items()}
    for name in ["output_norm", *(f"blk.{i}.{part}" for i in range(LAYERS) for part in ("attn_norm", "ffn_norm"))]:
        found[f"{name}.weight"] = np.ones(HIDDEN, np.float32)
    return found


def adapter(seed: int, width: int = HIDDEN) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A and B of the query and down projections."""
    rng = np.random.default_rng(seed)

    def pair(out: int, into: int) -> tuple[np.ndarray, np.ndarray]:
        a, b = rng.normal(0, 0.3, (RANK, into)), rng.normal(0, 0.3, (out, RANK))
        return a.astype(np.float32), b.astype(np.float32)

    return {"blk.0.attn_q.weight": pair(width, width), "blk.1.ffn_down.weight": pair(width, INNER)}


def merged(base: dict[str, np.ndarray], lora: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    return base | {name: base[name] + ALPHA / RANK * b @ a for name, (a, b) in lora.items()}


def write(path: Path, tensors: dict[str, np.ndarray], context: int = 512) -> Path:
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(context)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD)
    writer.add_vocab_size(len(VOCABULARY))
    add_vocabulary(writer)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    return close(writer, path)


def add_vocabulary(writer) -> None:  # type: ignore[no-untyped-def]
    import gguf

    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(VOCABULARY)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(CONTROL) + [gguf.TokenType.NORMAL] * 256)
    writer.add_token_merges(["\u0120 \u0120"])  # the format wants a list; two spaces have no token, so it never applies
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)


def write_adapter(path: Path, lora: dict[str, tuple[np.ndarray, np.ndarray]]) -> Path:
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", ALPHA)
    for name, (a, b) in lora.items():
        writer.add_tensor(f"{name}.lora_a", a)
        writer.add_tensor(f"{name}.lora_b", b)
    return close(writer, path)


def close(writer, path: Path) -> Path:  # type: ignore[no-untyped-def]
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def next_logits(tensors: dict[str, np.ndarray], tokens: list[int]) -> np.ndarray:
    """Logits of the token after `tokens`, shape (vocabulary,)."""
    x = tensors["token_embd.weight"][tokens].astype(np.float64)
    n = len(tokens)
    for layer in range(LAYERS):
        part = {name.split(".")[2]: w for name, w in tensors.items() if name.startswith(f"blk.{layer}.")}
        h = _norm(x) * part["attn_norm"]
        q = _turn((h @ part["attn_q"].T).reshape(n, HEADS, HEAD))
        k = _turn((h @ part["attn_k"].T).reshape(n, KV_HEADS, HEAD)).repeat(HEADS // KV_HEADS, axis=1)
        v = (h @ part["attn_v"].T).reshape(n, KV_HEADS, HEAD).repeat(HEADS // KV_HEADS, axis=1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(HEAD)
        scores = np.where(np.tril(np.ones((n, n), bool)), scores, -np.inf)
        share = np.exp(scores - scores.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        x = x + np.einsum("hqk,khd->qhd", share, v).reshape(n, HIDDEN) @ part["attn_output"].T
        h = _norm(x) * part["ffn_norm"]
        gate = h @ part["ffn_gate"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ part["ffn_up"].T)) @ part["ffn_down"].T
    return (_norm(x[-1]) * tensors["output_norm.weight"]) @ tensors["output.weight"].T


def _norm(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5)


def _turn(x: np.ndarray) -> np.ndarray:
    """Rotary positions over neighbouring pairs: the order that GGUF stores Llama's queries and keys in."""
    angles = np.arange(len(x))[:, None, None] * 10000.0 ** (-np.arange(0, HEAD, 2) / HEAD)
    even, odd = x[..., ::2], x[..., 1::2]
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)
