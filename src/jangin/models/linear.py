"""The head: one linear layer over n-gram features, an encoder's output, or both, mapped from disk.

Calibration is folded into the weights, so the logits' softmax (or sigmoid, for `tag`) is the calibrated probability.
N-gram weights are int8 with one scale a feature; only the rows that a text touches are ever read, and what was read may
be let go (resident.py).
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from jangin.errors import BundleError
from jangin.models.base import Floats
from jangin.models.ngrams import Analyzer, Block, Counts, Gathered, count_block, weigh
from jangin.models.resident import let_go

ROWS_AT_ONCE = 64
_SIGN_AND_NUMBER = np.int32(-0x70002000)  # 0x8FFFE000
_DTYPES = {"F32": np.float32, "F16": np.float16, "I8": np.int8, "U32": np.uint32}


class LinearHead(msgspec.Struct, frozen=True):
    """labels = k, n-gram features = v over all blocks, encoder outputs = d.

    ngram_weight (v, k) int8 and ngram_scale (v,) float32 (both empty without n-grams); encoder_weight (d, k) float16
    (d = 0 without an encoder); bias (k,) float32. file: where all of these lie; None: in this process' own memory.
    """

    blocks: list[Block]
    ngram_weight: NDArray[np.int8]
    ngram_scale: Floats
    encoder_weight: NDArray[np.float16]
    bias: Floats
    file: mmap.mmap | None = None

    def want(self, texts: Sequence[str], gathered: Gathered) -> None:
        """Before `logits` of the same texts with the same `gathered`."""
        for block in self.blocks:
            gathered.want(block.analyzer, texts)

    def logits(self, texts: Sequence[str], encoded: Floats | None, gathered: Gathered | None = None) -> Floats:
        """Shape (len(texts), k). `encoded` (len(texts), d) is what the encoder gave for the same texts."""
        out = np.empty((len(texts), len(self.bias)), np.float32)
        for at in range(0, len(texts), ROWS_AT_ONCE):
            part = slice(at, at + ROWS_AT_ONCE)
            out[part] = self._ngrams(texts[part], gathered)
        if len(self.encoder_weight):
            assert encoded is not None
            # einsum, not a matrix product: its sum for a row is the same whatever other rows are in the batch.
            out += np.einsum("nd,dk->nk", encoded, widened(self.encoder_weight))
        return out

    def _ngrams(self, texts: Sequence[str], gathered: Gathered | None) -> Floats:
        out = np.tile(self.bias, (len(texts), 1))
        offset = 0
        for block in self.blocks:
            if gathered is None:
                counts = count_block(texts, block)
            else:
                counts = weigh(gathered.get(block.analyzer, texts), block)
            self._add(out, counts, offset)
            offset += len(block.hashes)
        return out

    def _add(self, out: Floats, counts: Counts, offset: int) -> None:
        columns = counts.columns + offset
        value = counts.values * self.ngram_scale[columns]
        start = counts.start.tolist()
        for row, (begin, end) in enumerate(pairwise(start)):
            if end > begin:
                out[row] += value[begin:end] @ self.ngram_weight[columns[begin:end]].astype(np.float32)


def widened(half: NDArray[np.float16]) -> Floats:
    """As `half.astype(np.float32)`, bit for bit, of finite numbers; numpy's own goes one number at a time.

    Shifted to where float32 has them, a float16's exponent is 112 too small; the product is exact, of subnormals too.
    """
    if half.dtype != np.float16:  # a head that was never saved
        return half.astype(np.float32)
    bits = half.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= _SIGN_AND_NUMBER
    wide = bits.view(np.float32)
    wide *= np.float32(2.0**112)
    return wide


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
        tensors, metadata, file = _mapped(path)
        let_go(file)
        analyzers = msgspec.json.decode(metadata.get("analyzers", "[]"), type=list[Analyzer])
        blocks = [
            Block(analyzer, tensors[f"block{i}.hashes"], tensors[f"block{i}.idf"])
            for i, analyzer in enumerate(analyzers)
        ]
        weights = tensors["ngram.weight"], tensors["ngram.scale"], tensors["encoder.weight"], tensors["bias"]
        return LinearHead(blocks, *weights, file)
    except (OSError, ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
        raise BundleError(f"{path}: not a head that Jangin wrote", "train again, or copy the bundle again") from error


def _mapped(path: Path) -> tuple[dict[str, NDArray], dict[str, str], mmap.mmap]:
    """safetensors' own reader copies; the format is a length, a JSON header and raw tensors, so map it instead."""
    with path.open("rb") as opened:
        file = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    length = int.from_bytes(file[:8], "little")
    header = msgspec.json.decode(file[8 : 8 + length], type=dict)
    metadata = header.pop("__metadata__", {})
    whole = np.frombuffer(file, np.uint8)
    tensors = {}
    for name, about in header.items():
        begin, end = (8 + length + at for at in about["data_offsets"])
        tensors[name] = whole[begin:end].view(_DTYPES[about["dtype"]]).reshape(about["shape"])
    return tensors, metadata, file
