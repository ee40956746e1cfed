"""A base that says what it was told to: each token is followed by one other, whatever stood before it; as GGUF.

Its vocabulary has ChatML's control tokens and, as Qwen's, the tags around a tool call as tokens that are text; and the
beginning of a call as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

import tiny_gguf as tiny
from jangin import bundle
from jangin.bases.store import Store
from jangin.files import hash_file, write_atomic
from jangin.models.base import Rule
from jangin.prompt import PromptTemplate, chatml
from jangin.types import BaseFile, BaseModel

HIDDEN, HEADS, CONTEXT = 288, 4, 2048
CONTROL = ["<|im_end|>", "<|im_start|>"]
TAGS = ["<tool_call>", "</tool_call>", '{"name": "']
VOCABULARY = [*CONTROL, *tiny.VOCABULARY[len(tiny.CONTROL) :], *TAGS]
END = CONTROL[0]
# A prompt ends with a line end. The first says "Ok" and calls, the second calls without tags, the third says "No", and
# after a call goes on.
CALLS = {"\n": "O", "O": "k", "k": TAGS[0], ">": END}
BARE = {"\n": TAGS[2], "}": END}
TALKS = {"\n": "N", "N": "o", "o": END, ">": "\n"}


def write(path: Path, follows: Mapping[str, str]) -> Path:
    import gguf

    place = {token: at for at, token in enumerate(CONTROL)} | {
        token: len(VOCABULARY) - len(TAGS) + i for i, token in enumerate(TAGS)
    }
    place |= {chr(code): tiny.ids(chr(code))[0] for code in range(128)}
    output = np.zeros((len(VOCABULARY), HIDDEN), np.float32)
    for token, following in follows.items():
        output[place[following], place[token]] = 1
    layer = {f"attn_{name}": (HIDDEN, HIDDEN) for name in ("q", "k", "v", "output")}
    layer |= {"ffn_gate": (32, HIDDEN), "ffn_up": (32, HIDDEN), "ffn_down": (HIDDEN, 32)}
    tensors = {
        "token_embd.weight": np.eye(len(VOCABULARY), HIDDEN, dtype=np.float32),
        "output.weight": output,
        "output_norm.weight": np.ones(HIDDEN, np.float32),
        **{f"blk.0.{name}.weight": np.ones(HIDDEN, np.float32) for name in ("attn_norm", "ffn_norm")},
        **{f"blk.0.{name}.weight": np.zeros(shape, np.float32) for name, shape in layer.items()},
    }
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(len(VOCABULARY))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(VOCABULARY)
    kinds = gguf.TokenType
    writer.add_token_types([kinds.CONTROL] * 2 + [kinds.NORMAL] * 256 + [kinds.USER_DEFINED] * len(TAGS))
    writer.add_token_merges(["\u0120 \u0120"])
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    return tiny.close(writer, path)


def specialist(home: Path, name: str, follows: Mapping[str, str], template: PromptTemplate | None = None) -> Path:
    """A `generate` specialist on a chain of its own in the store `home`."""
    store, base = Store(home), f"tests/chain-{name}"
    home.mkdir(parents=True, exist_ok=True)
    made = write(home / f"{name}.gguf", follows)
    sha256, size = hash_file(made), made.stat().st_size
    store.blob(sha256).parent.mkdir(parents=True, exist_ok=True)
    made.rename(store.blob(sha256))
    known = BaseModel(
        base, "Llama", "decoder", 1, "Apache-2.0", ["en"], CONTEXT, [BaseFile("model.gguf", sha256, size)]
    )
    record = store.ref(base, "resolved")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_bytes(msgspec.json.encode(known))
    manifest = bundle.Manifest(
        name=name,
        kind="generate",
        labels=[],
        rung="shots",
        params=1,
        rule=Rule(),
        encoder=None,
        calibration={},
        task={"name": name},
        lineage={"seed": 0},
        files={},
        decoder=bundle.DecoderSpec(
            base, sha256, template or chatml("Be brief.", "hermes"), writing=bundle.WritingSpec(400, CONTEXT)
        ),
    )
    folder = home / name
    folder.mkdir()
    write_atomic(folder / bundle.MANIFEST, msgspec.json.encode(manifest))
    return folder
