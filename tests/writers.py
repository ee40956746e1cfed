"""Small real bundles that write: two random layers with an adapter each, their base in a store of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import tiny_gguf as tiny
from jangin import bundle
from jangin.bases.store import Store
from jangin.files import hash_file, write_atomic
from jangin.models import linear
from jangin.models.base import Rule
from jangin.prompt import PromptTemplate
from jangin.types import BaseFile, BaseModel

BASE = "tests/tiny-llama"
CONTEXT = 4096
MAX_TOKENS = 3_000
SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["card", "cash"]}, "paid": {"type": "boolean"}},
    "required": ["kind", "paid"],
    "additionalProperties": False,
}


def base(home: Path) -> str:
    """Puts the base into the store as one that was looked up on the hub and pulled before; gives its sha256."""
    store = Store(home)
    made = tiny.write(home / "base.gguf", tiny.weights(), CONTEXT)
    sha256 = hash_file(made)
    store.blob(sha256).parent.mkdir(parents=True, exist_ok=True)
    size = made.stat().st_size
    made.rename(store.blob(sha256))
    found = BaseModel(
        BASE, "Llama", "decoder", 50_000, "Apache-2.0", ["en"], CONTEXT, [BaseFile("model.gguf", sha256, size)]
    )
    record = store.ref(BASE, "resolved")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_bytes(msgspec.json.encode(found))
    return sha256


def writer(
    folder: Path,
    sha256: str,
    name: str,
    *,
    seed: int | None = None,
    schema: dict[str, Any] | None = None,
    max_tokens: int = MAX_TOKENS,
    context: int = CONTEXT,
) -> Path:
    """A specialist of kind `extract` with a schema, else `generate`. `seed`: of its adapter; None has none."""
    folder.mkdir(parents=True, exist_ok=True)
    if seed is not None:
        tiny.write_adapter(folder / bundle.ADAPTER, tiny.adapter(seed))
    files = {path.name: hash_file(path) for path in sorted(folder.iterdir()) if path.name != bundle.MANIFEST}
    manifest = bundle.Manifest(
        name=name,
        kind="extract" if schema else "generate",
        labels=[],
        rung="lora",
        params=50_000,
        rule=Rule(),
        encoder=None,
        calibration={},
        task={"name": name, "description": "What a shop's customer writes."},
        lineage={"seed": 0},
        files=files,
        decoder=bundle.DecoderSpec(
            BASE,
            sha256,
            PromptTemplate(before="<|turn|>", after="\n"),
            adapter=bundle.ADAPTER if seed is not None else None,
            writing=bundle.WritingSpec(max_tokens, context, schema),
        ),
    )
    write_atomic(folder / bundle.MANIFEST, msgspec.json.encode(manifest))
    return folder


def labeller(folder: Path, sha256: str, name: str = "letter", seed: int = 5) -> Path:
    """A specialist of kind `classify` whose labels A, B and C are read off the next token."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny.write_adapter(folder / bundle.ADAPTER, tiny.adapter(seed))
    nothing = np.zeros((0, 3), np.int8), np.zeros(0, np.float32)
    linear.save(
        folder / bundle.HEAD, linear.LinearHead([], *nothing, np.eye(3, dtype=np.float32), np.zeros(3, np.float32))
    )
    manifest = bundle.Manifest(
        name=name,
        kind="classify",
        labels=["A", "B", "C"],
        rung="lora",
        params=50_000,
        rule=Rule(),
        encoder=None,
        calibration={},
        task={"name": name},
        lineage={"seed": 0},
        files={name: hash_file(folder / name) for name in (bundle.ADAPTER, bundle.HEAD)},
        decoder=bundle.DecoderSpec(
            BASE,
            sha256,
            PromptTemplate(before="<|turn|>", after="\n"),
            label_tokens=tiny.ids("ABC"),
            adapter=bundle.ADAPTER,
        ),
    )
    write_atomic(folder / bundle.MANIFEST, msgspec.json.encode(manifest))
    return folder
