"""Texts -> the features that the linear models are fitted on: sparse n-grams, or an encoder's output kept on disk."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jangin.files import hash_json, write_atomic
from jangin.models.base import Floats
from jangin.models.encoder import Encoder
from jangin.models.ngrams import CHUNK_ROWS, HANGUL, LATIN, Block, count_block, fit_block, hangul_share

# What an n-gram head may take on disk, and so in a server's memory: twenty of them must not outweigh their encoder.
HEAD_BYTES = 2_350_000
HANGUL_SHARE = 0.05
EMBED_ROWS = 4_096


def fit_blocks(texts: Sequence[str], labels: int) -> list[Block]:
    """The vocabulary: analyzers by script, as many features as HEAD_BYTES allows, the ones in fewest texts left out."""
    room = HEAD_BYTES // (labels + 10)
    blocks = [fit_block(texts, analyzer, room) for analyzer in (HANGUL if is_hangul(texts) else LATIN)]
    total = sum(len(block.hashes) for block in blocks)
    return blocks if total <= room else [_commonest(block, len(block.hashes) * room // total) for block in blocks]


def is_hangul(texts: Sequence[str]) -> bool:
    return hangul_share(texts) >= HANGUL_SHARE


def _commonest(block: Block, count: int) -> Block:
    keep = np.sort(np.lexsort((block.hashes, block.idf))[:count])
    return Block(block.analyzer, block.hashes[keep], block.idf[keep])


def sparse(texts: Sequence[str], blocks: Sequence[Block]) -> Any:
    """scipy CSR matrix, (texts, features of all blocks), float64 as liblinear wants it."""
    from scipy.sparse import csr_matrix, hstack, vstack

    chunks = []
    for at in range(0, max(len(texts), 1), CHUNK_ROWS):
        part, columns = texts[at : at + CHUNK_ROWS], []
        for block in blocks:
            counts = count_block(part, block)
            shape = (len(part), len(block.hashes))
            columns.append(csr_matrix((counts.values.astype(np.float64), counts.columns, counts.start), shape=shape))
        chunks.append(hstack(columns, format="csr"))
    return vstack(chunks, format="csr")


def encode(encoder: Encoder, texts: Sequence[str], work: Path, progress: Any) -> Floats:
    """The encoder's embeddings of all texts, (texts, dimensions); finished parts are kept in `work` for a resume."""
    parts = []
    for at in range(0, len(texts), EMBED_ROWS):
        part = list(texts[at : at + EMBED_ROWS])
        path = work / f"embedded-{hash_json([encoder.files.sha256, part])[:24]}.npy"
        found = load_array(path)
        if found is None:
            found = encoder.embed(part)
            save_array(path, found)
        parts.append(found)
        progress.update(len(part))
    return np.concatenate(parts) if parts else encoder.embed([])


def save_array(path: Path, value: np.ndarray) -> None:
    """Whole or not at all."""
    content = io.BytesIO()  # to a file, numpy hides the reason when the disk is full
    np.save(content, value, allow_pickle=False)
    write_atomic(path, content.getvalue())


def load_array(path: Path) -> np.ndarray | None:
    return np.load(path, allow_pickle=False) if path.is_file() else None
