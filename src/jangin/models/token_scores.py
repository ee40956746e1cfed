"""An encoder's score of every label for every piece of a text, from ONNX Runtime.

A text runs alone, so that an answer does not depend on its neighbours. What lies past MAX_TOKENS is not read: its
pieces score nothing, and the cues alone decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jangin.bases.machine import available_cores
from jangin.errors import BundleError
from jangin.models.base import Floats
from jangin.models.pieces import Piece

MAX_TOKENS = 256


class TokenFiles(NamedTuple):
    """`prefix` is what the base was trained to find before a text."""

    graph: Path
    tokenizer: Path
    prefix: str = ""


class TokenScores:
    """One session; safe to call from several threads."""

    def __init__(self, files: TokenFiles, threads: int | None = None):
        """Raises: BundleError for files that cannot be run."""
        import onnxruntime as ort
        from tokenizers import Tokenizer

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(files.graph), options, providers=["CPUExecutionProvider"])
            self._tokenizer = Tokenizer.from_file(str(files.tokenizer))
            self.labels = int(self._session.get_outputs()[0].shape[-1])
        except Exception as error:
            raise BundleError(f"{files.graph}: not a tagger that ONNX Runtime can run", "train again") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._prefix = files.prefix

    def scores(self, text: str, parts: Sequence[Piece]) -> tuple[Floats, int]:
        """(log-probabilities (pieces, labels), 0 where nothing was read; tokens read)."""
        encoding = self._tokenizer.encode(self._prefix + text)
        found = np.zeros((len(parts), self.labels), np.float32)
        if not encoding.ids:
            return found, 0
        ids = np.array([encoding.ids], np.int64)
        logits = np.asarray(
            self._session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
        )
        logits = logits - logits.max(axis=1, keepdims=True)
        logits = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        places = np.array(place_pieces(encoding.offsets, len(self._prefix), parts), np.int64)
        read = places >= 0
        found[read] = logits[places[read]]
        return found, len(encoding.ids)


def place_pieces(offsets: Sequence[tuple[int, int]], shift: int, parts: Sequence[Piece]) -> list[int]:
    """Of each piece the token that its first character lies in; -1 where none is."""
    found, token = [], 0
    for part in parts:
        start = part.start + shift
        while token < len(offsets) and offsets[token][1] <= start:
            token += 1
        inside = token < len(offsets) and offsets[token][0] <= start < offsets[token][1]
        found.append(token if inside else -1)
    return found
