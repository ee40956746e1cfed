"""What a decoder's training needs beside the core."""

from __future__ import annotations

import importlib.util

from jangin.errors import MissingExtraError

EXTRAS = {"train": ("torch", "transformers", "accelerate", "peft", "gguf"), "decoder": ("xllamacpp",)}


def missing_extra() -> MissingExtraError | None:
    """The first extra that is not installed, or None."""
    for extra, modules in EXTRAS.items():
        if not all(importlib.util.find_spec(name) for name in modules):
            return MissingExtraError("LoRA on a decoder", extra)
    return None
