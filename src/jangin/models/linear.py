"""The head: one linear layer over n-gram features, an encoder's output, or both, mapped from disk.

Calibration is folded into the weights, so the logits' softmax (or sigmoid, for `tag`) is the calibrated probability.
N-gram weights are int8 with one scale a feature; only the rows that a text touches are ever read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from jangin.errors import BundleError
from jangin.models.base import Floats
from jangin.models.ngrams import Analyzer, Block, Counts, count_block

ROWS_AT_ONCE = 64
_DTYPES = {"F32": np.float32, "F16": np.float16, "I8": np.int8, "U32": np.uint32}


class LinearHead(msgspec.Struct, frozen=True):
    """labels = k, n-gram features = v over all blocks, encoder outputs = d.

    ngram_weight (v, k) int8 and ngram_scale (v,) float32 (both empty without n-grams); encoder_weight (d, k) float16
    (d = 0 without an encoder); bias (k,) float32.
    """

    blocks: list[Block]
    ngram_weight: NDArray[np.int8]
    ngram_scale: Floats
    encoder_weight: NDArray[np.float16]
    bias: Floats

    def logits(self, texts: Sequence[str], encoded: Floats | None) -> Floats:
        """Shape (len(texts), k). `encoded` (len(texts), d) is what the encoder gave for the same texts."""
        out = np.empty((len(texts), len(self.bias)), np.float32)
        for at in range(0, len(texts), ROWS_AT_ONCE):
            part = slice(at, at + ROWS_AT_ONCE)
            out[part] = self._ngrams(texts[part])
        if len(self.encoder_weight):
            assert encoded is not None
            # einsum, not a matrix product: its sum for a row is the same whatever other rows are in the batch.
            out += np.einsum("nd,dk->nk", encoded, self.encoder_weight.astype(np.float32))
        return out

    def _ngrams(self, texts: Sequence[str]) -> Floats:
        out = np.tile(self.bias, (len(texts), 1))
        offset = 0
        for block in self.blocks:
            counts = count_block(texts, block)
            self._add(out, counts, offset)
            offset += len(block.hashes)
        return out

    def _add(self, out: Floats, counts: Counts, offset: int) -> None:
        columns = counts.columns + offset
        value = counts.values * self.ngram_scale[columns]
        for row in np.flatnonzero(np.diff(counts.start)):
            part = slice(counts.start[row], counts.start[row + 1])
            out[row] += value[part] @ self.ngram_weight[columns[part]].astype(np.float32)


def quantise(weight: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Rows to int8 with one scale each: weight ~ int8 * scale[:, None]."""
    scale = np.maximum(np.abs(weight).max(axis=1), 1e-12) / 127
    return np.rint(weight / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def save(path: Path, head: LinearHead) -> None:
    """One safetensors file. Raises: StorageError."""
    from safetensors.numpy import save as to_bytes

    from jangin.files import write_atomic

    tensors: dict[str, NDArray] = {
        "ngram.weight": head.ngram_weight,
        "ngram.scale": head.ngram_scale,
        "encoder.weight": head.encoder_weight,
        "bias": head.bias,
    }
    for number, block in enumerate(head.blocks):
        tensors[f"block{number}.hashes"] = block.hashes
        tensors[f"block{number}.idf"] = block.idf
    tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    write_atomic(
        path, to_bytes(tensors, {"analyzers": msgspec.json.encode([b.analyzer for b in head.blocks]).decode()})
    )


def load(path: Path) -> LinearHead:
    """Maps the file; nothing is read until a text needs it. Raises: BundleError."""
    try:
        tensors, metadata = _mapped(path)
        analyzers = msgspec.json.decode(metadata.get("analyzers", "[]"), type=list[Analyzer])
        blocks = [
            Block(analyzer, tensors[f"block{i}.hashes"], tensors[f"block{i}.idf"])
            for i, analyzer in enumerate(analyzers)
        ]
        names = ("ngram.weight", "ngram.scale", "encoder.weight", "bias")
        return LinearHead(blocks, *(tensors[name] for name in names))
    except (OSError, ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
        raise BundleError(f"{path}: not a head that Jangin wrote", "train again, or copy the bundle again") from error


def _mapped(path: Path) -> tuple[dict[str, NDArray], dict[str, str]]:
    """safetensors' own reader copies; the format is a length, a JSON header and raw tensors, so map it instead."""
    whole = np.memmap(path, np.uint8, mode="r").view(np.ndarray)  # whose slices cost a tenth of a text less
    length = int.from_bytes(whole[:8].tobytes(), "little")
    header = msgspec.json.decode(whole[8 : 8 + length].tobytes(), type=dict)
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, about in header.items():
        begin, end = (8 + length + at for at in about["data_offsets"])
        tensors[name] = whole[begin:end].view(_DTYPES[about["dtype"]]).reshape(about["shape"])
    return tensors, metadata
