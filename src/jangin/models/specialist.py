"""A bundle, loaded: the model that certification judges and the server serves, the same object for both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jangin import bundle
from jangin.models import linear
from jangin.models.base import Floats, sigmoid, softmax
from jangin.models.encoder import Encoder, EncoderFiles, base_files, check_graph, prefix_of
from jangin.prompt import render
from jangin.types import Input, Kind


class Encoders:
    """The encoders of one process, each opened once, whichever specialists stand on it."""

    def __init__(self, threads: int | None = None, bulk: bool = False):
        """`bulk`: as `Encoder` says."""
        self._threads, self._bulk = threads, bulk
        self._open: dict[str, Encoder] = {}

    def get(self, files: EncoderFiles) -> Encoder:
        if files.sha256 not in self._open:
            self._open[files.sha256] = Encoder(files, self._threads, self._bulk)
        return self._open[files.sha256]

    def keep_only(self, used: set[str]) -> None:
        """Drops the encoders that no specialist uses any more. `used`: graph hashes."""
        for sha256 in set(self._open) - used:
            del self._open[sha256]


class Specialist:
    """Implements `Model`. `sha256` is the identity; `encoder` is None for a specialist made of n-grams only."""

    def __init__(self, folder: Path, encoders: Encoders):
        self.manifest = bundle.verify(folder)
        self.folder = Path(folder)
        self.sha256 = bundle.identity(self.manifest)
        self.name: str = self.manifest.name
        self.kind: Kind = self.manifest.kind
        self.labels: tuple[str, ...] = tuple(self.manifest.labels)
        self.rule = self.manifest.rule
        self._head = linear.load(self.folder / bundle.HEAD)
        spec = self.manifest.encoder
        self.encoder = encoders.get(encoder_files(self.folder, self.manifest)) if spec else None
        self._logits = spec is not None and spec.output == "logits"

    def encode(self, texts: Sequence[str]) -> Floats | None:
        """What the encoder says of rendered texts, shape (len(texts), d); None without an encoder."""
        if self.encoder is None:
            return None
        return self.encoder.logits(texts) if self._logits else self.encoder.embed(texts)

    def from_encoded(self, texts: Sequence[str], encoded: Floats | None) -> Floats:
        """Probabilities when the encoder's output is already there (one pass serves many specialists)."""
        logits = self._head.logits(texts, encoded)
        return sigmoid(logits) if self.kind == "tag" else softmax(logits)

    def probabilities(self, inputs: Sequence[Input]) -> Floats:
        texts = [render(value) for value in inputs]
        if not texts:
            return np.zeros((0, len(self.labels)), np.float32)
        return self.from_encoded(texts, self.encode(texts))


def encoder_files(folder: Path, manifest: bundle.Manifest) -> EncoderFiles:
    """The graph and tokenizer that a bundle needs, from the store or from the bundle itself, hash checked."""
    spec = manifest.encoder
    assert spec is not None
    if spec.file is not None:
        tokenizer = Path(folder) / spec.tokenizer if spec.tokenizer else None
        return EncoderFiles(
            f"{manifest.name}/{spec.base}", Path(folder) / spec.file, tokenizer, spec.sha256, prefix_of(spec.base)
        )
    files = base_files(spec.base)
    check_graph(files, spec.sha256, manifest.name)
    return files


def load(folder: Path | str, encoders: Encoders | None = None) -> Specialist:
    """A specialist ready to answer. Raises: BundleError, BaseModelError."""
    return Specialist(Path(folder), encoders or Encoders())
