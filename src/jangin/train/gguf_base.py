"""A decoder base of the catalogue as the file that both training and serving read."""

from __future__ import annotations

from pathlib import Path

from jangin.errors import BaseModelError


def weights_of(base: str, quiet: bool = False) -> Path:
    """The GGUF in the store, fetched when it is not there. Raises: SourceError, BaseModelError without a GGUF."""
    from jangin.bases import pull

    found = pull.ensure(base, quiet=quiet)
    for name, path in found.items():
        if name.endswith(".gguf"):
            return path
    raise BaseModelError(f"base '{base}' has no GGUF file; the embedded engine reads nothing else", "take another base")


def end_token(weights: Path) -> int:
    """The token that ends this base's answers."""
    import gguf

    field = gguf.GGUFReader(weights).fields["tokenizer.ggml.eos_token_id"]
    return int(field.contents())
