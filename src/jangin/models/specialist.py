"""A bundle, loaded: the model that certification judges and the server serves, the same object for both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from jangin import bundle
from jangin.errors import BaseModelError, BundleError
from jangin.models import linear
from jangin.models.base import Floats, sigmoid, softmax
from jangin.models.encoder import Encoder, EncoderFiles, base_files, check_graph, prefix_of
from jangin.models.ngrams import Gathered
from jangin.prompt import render
from jangin.types import Input, Kind

if TYPE_CHECKING:
    from jangin.models.shared import Held, SharedDecoder

CONTEXT = 1024  # tokens of a prompt that asks for a label; longer texts are cut


class Reader(Protocol):
    """What a head stands on: an encoder, or a decoder asked for one token a label."""

    def embed(self, texts: Sequence[str]) -> Floats: ...
    def logits(self, texts: Sequence[str]) -> Floats: ...


class Readers:
    """The bases of one process, each opened once, whichever specialists stand on it."""

    def __init__(self, threads: int | None = None, bulk: bool = False, prefix_cache: bool = False):
        """`bulk`: as `Encoder` says; `prefix_cache`: as `Decoder` does."""
        self._threads, self._bulk, self._cache = threads, bulk, prefix_cache
        self._open: dict[str, Encoder] = {}
        self._later = False
        self._decoders: dict[tuple[str, bool], SharedDecoder] = {}

    @property
    def threads(self) -> int | None:
        return self._threads

    def get(self, files: EncoderFiles) -> Encoder:
        if files.sha256 not in self._open:
            self._open[files.sha256] = Encoder(files, self._threads, self._bulk)
        return self._open[files.sha256]

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Specialists on a decoder that are loaded meanwhile are not asked before their `open`; the first one's opens
        all, with one engine instead of one each."""
        self._later = True
        try:
            yield
        finally:
            self._later = False

    def decoder(self, folder: Path, manifest: bundle.Manifest) -> Held:
        """A place on the decoder that a bundle names. Raises: MissingExtraError, BaseModelError, BundleError."""
        from jangin.models.shared import SharedDecoder

        spec = manifest.decoder
        assert spec is not None
        weights = decoder_weights(manifest)
        # Labels take one pass, answers many: on one engine a label would wait until the answers in work are written.
        key = spec.sha256, spec.writing is None
        if key not in self._decoders:
            self._decoders[key] = SharedDecoder(
                weights, context=CONTEXT, threads=self._threads, prefix_cache=self._cache
            )
        adapter = Path(folder) / spec.adapter if spec.adapter else None
        return self._decoders[key].hold(adapter, spec.writing.context if spec.writing else None, self._later)


class Specialist:
    """Implements `Model`. `sha256` is the identity. `reader` is None for a specialist made of n-grams only; specialists
    with the same `reading` share one pass."""

    def __init__(self, folder: Path, readers: Readers):
        self.manifest = bundle.verify(folder)
        self.folder = Path(folder)
        self.sha256 = bundle.identity(self.manifest)
        self.name: str = self.manifest.name
        self.kind: Kind = self.manifest.kind
        self.labels: tuple[str, ...] = tuple(self.manifest.labels)
        self.rule = self.manifest.rule
        self.head = linear.load(self.folder / bundle.HEAD)
        self.reader: Reader | None = None
        self._held: Held | None = None
        self.reading: str | None = None
        encoder, decoder = self.manifest.encoder, self.manifest.decoder
        if encoder is not None:
            self.reader = readers.get(encoder_files(self.folder, self.manifest))
            self.reading = encoder.sha256
        elif decoder is not None:
            from jangin.models.labelling import LabelReader

            self._held = readers.decoder(self.folder, self.manifest)
            self.reader = LabelReader(self._held, decoder.template, decoder.label_tokens, decoder.offset_token)
            self.reading = self.sha256
        self._logits = decoder is not None or (encoder is not None and encoder.output == "logits")

    @property
    def place(self) -> tuple[int, str | None] | None:
        """On a decoder: which one, and with which adapter. None on an encoder and without one."""
        return None if self._held is None else self._held.place

    def open(self) -> None:
        """Needed only after `Readers.together`. Raises: as loading does."""
        if self._held is not None:
            self._held.open()

    def close(self) -> None:
        """Gives up its place on a shared decoder; it is not asked again."""
        if self._held is not None:
            self._held.release()

    def encode(self, texts: Sequence[str]) -> Floats | None:
        """What the reader says of rendered texts, shape (len(texts), d); None without one."""
        if self.reader is None:
            return None
        return self.reader.logits(texts) if self._logits else self.reader.embed(texts)

    def want(self, texts: Sequence[str], gathered: Gathered) -> None:
        """Before `from_encoded` of the same texts with the same `gathered`."""
        self.head.want(texts, gathered)

    def from_encoded(self, texts: Sequence[str], encoded: Floats | None, gathered: Gathered | None = None) -> Floats:
        """Probabilities when the encoder's output is already there (one pass serves many specialists), and perhaps the
        texts' n-grams."""
        logits = self.head.logits(texts, encoded, gathered)
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


def decoder_weights(manifest: bundle.Manifest) -> Path:
    """The GGUF of the decoder that a bundle stands on, from the store. Raises: BaseModelError, BundleError."""
    from jangin.bases import pull

    spec = manifest.decoder
    assert spec is not None
    found = pull.local(spec.base)
    if found is None:
        raise BaseModelError(f"base '{spec.base}' is not in the store", f"jangin pull {spec.base}")
    weights = next(path for name, path in found.items() if name.endswith(".gguf"))
    if weights.name != spec.sha256:  # blobs are named by their hash
        raise BundleError(
            f"bundle '{manifest.name}' was built on {spec.base}@{spec.sha256[:6]}; this machine holds "
            f"{spec.base}@{weights.name[:6]}",
            f"jangin pull {spec.base}",
        )
    return weights


def load(folder: Path | str, readers: Readers | None = None) -> Specialist:
    """A specialist ready to answer. Raises: BundleError, BaseModelError."""
    return Specialist(Path(folder), readers or Readers())
