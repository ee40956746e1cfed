"""A frozen (or fine-tuned) sentence encoder in ONNX Runtime: texts in, embeddings of length 1 out.

Texts are sorted by length and run in small batches of like lengths, which waste little on padding and stay in cache. A
whole file of them is read in bulk: batches side by side, one core each, need not wait for each other inside every
layer. An answer must not depend on the texts it happens to share a batch with: float32 graphs keep that to rounding,
and so do integers of fixed ranges; a graph published with dynamic int8 (its scales come from the whole batch) is run
one text at a time.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin.bases.machine import available_cores
from jangin.errors import BaseModelError, BundleError, UnknownBaseError
from jangin.files import hash_file, write_atomic
from jangin.models import graph
from jangin.models.base import Floats

Batches = Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]
BATCH = 16  # a batch's activations stay in cache: 8 to 16 beat 32 and 64 on two cores
RUN_TOKENS = 16  # what one more run costs, as tokens of arithmetic: decision 0018 has the figures
MAX_TOKENS = 256


class EncoderFiles(msgspec.Struct, frozen=True):
    """Where one encoder lies. `tokenizer` is None when the graph reads strings itself. `sha256` is the graph's."""

    key: str
    graph: Path
    tokenizer: Path | None
    sha256: str
    prefix: str = ""


class Encoder:
    """One ONNX Runtime session; safe to share between the specialists of one process."""

    def __init__(self, files: EncoderFiles, threads: int | None = None, bulk: bool = False):
        """`bulk`: for files, not requests: each batch keeps one core, and as many run as there are cores."""
        import onnxruntime as ort

        options = ort.SessionOptions()
        cores = threads or available_cores()
        # Two batches of one request, or of requests that waited together, fill the pauses that each has between layers.
        self._side_by_side = cores if bulk else min(cores, 2)
        self._pool = ThreadPoolExecutor(self._side_by_side, "encoder")  # its threads begin when they are needed
        options.intra_op_num_threads = 1 if bulk else cores
        options.log_severity_level = 3
        # The arena keeps every peak it has seen; a server wants its memory back after one long batch.
        options.enable_cpu_mem_arena = bulk
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if files.tokenizer is None:
            from onnxruntime_extensions import get_library_path

            options.register_custom_ops_library(get_library_path())
        self.files = files
        try:
            self._session = ort.InferenceSession(str(files.graph), options, providers=ort.get_available_providers())
        except Exception as error:
            raise BaseModelError(
                f"{files.graph}: not a graph that ONNX Runtime can run", "jangin pull the base again"
            ) from error
        self._names = [output.name for output in self._session.get_outputs()]
        self._tokenizer = _tokenizer(files.tokenizer) if files.tokenizer else None

    def embed(self, texts: Sequence[str]) -> Floats:
        """Embeddings, shape (len(texts), dimensions), each of length 1."""
        return self._run(texts, 0)

    def logits(self, texts: Sequence[str]) -> Floats:
        """The classifier of a fine-tuned encoder, shape (len(texts), labels)."""
        return self._run(texts, self._names.index("logits"))

    def _run(self, texts: Sequence[str], output: int) -> Floats:
        if not len(texts):
            return np.zeros((0, self._session.get_outputs()[output].shape[-1]), np.float32)
        texts = [self.files.prefix + text for text in texts]
        batches = list(self._strings(texts) if self._tokenizer is None else self._tokens(texts))

        def run(batch: tuple[np.ndarray, dict[str, np.ndarray]]) -> np.ndarray:
            return np.asarray(self._session.run([self._names[output]], batch[1])[0])

        if self._side_by_side == 1 or len(batches) == 1:
            found = [run(batch) for batch in batches]
        else:
            found = list(self._pool.map(run, batches))
        result = np.empty((len(texts), found[0].shape[1]), np.float32)
        for (rows, _), values in zip(batches, found):
            result[rows] = values
        if self._tokenizer is None:  # a graph taken as published may not normalise
            result /= np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-12)
        return result

    def _strings(self, texts: list[str]) -> Batches:
        name = self._session.get_inputs()[0].name
        for row, text in enumerate(texts):
            yield np.array([row]), {name: np.array([text], dtype=object)}

    def _tokens(self, texts: list[str]) -> Batches:
        tokenizer: Any = self._tokenizer
        ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
        lengths = [len(i) for i in ids]
        order = np.argsort(lengths, kind="stable")
        for part in _runs([lengths[i] for i in order]):
            yield order[part], _pad([ids[i] for i in order[part]])


def _runs(lengths: Sequence[int]) -> list[slice]:
    """Ascending lengths in tokens -> which run together, at most BATCH: least padding and fewest runs, weighed.

    Sixteen requests that happen to wait together are as unlike as messages are: padded to their longest they would take
    more than twice the arithmetic of what is in them.
    """
    cost, first = [0], [0]  # of the first n; where the last run of the first n begins
    for end in range(1, len(lengths) + 1):
        each = ((cost[at] + (end - at) * lengths[end - 1] + RUN_TOKENS, at) for at in range(max(0, end - BATCH), end))
        least, begin = min(each)
        cost.append(least)
        first.append(begin)
    found, end = [], len(lengths)
    while end:
        found.append(slice(first[end], end))
        end = first[end]
    return found[::-1]


def _pad(ids: list[list[int]]) -> dict[str, np.ndarray]:
    width = max(map(len, ids))
    tokens, mask = np.zeros((2, len(ids), width), np.int64)
    for row, one in enumerate(ids):
        tokens[row, : len(one)] = one
        mask[row, : len(one)] = 1
    return {"input_ids": tokens, "attention_mask": mask}


def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise BaseModelError(f"{path}: not a tokenizer.json", "jangin pull the base again") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def base_files(base_id: str, *, fetch: bool = False, quiet: bool = True) -> EncoderFiles:
    """The runnable files of a catalogue base; the graph is built from safetensors once and kept beside the store.

    Args: fetch: pull what is missing (otherwise a missing base is an error that names the command).
    """
    from jangin.bases import pull

    found = pull.ensure(base_id, quiet=quiet) if fetch else pull.local(base_id)
    if found is None:
        raise BaseModelError(f"base '{base_id}' is not in the store", f"jangin pull {base_id}")
    weights = found.get("model.safetensors")
    if weights is None:
        published = next((path for name, path in found.items() if name.endswith(".onnx")), None)
        if published is None:
            raise BaseModelError(f"base '{base_id}' is not an encoder that can be run", "choose an encoder base")
        return EncoderFiles(base_id, published, found.get("tokenizer.json"), published.name)
    return _built(base_id, weights, found["config.json"], found["tokenizer.json"], _ranges(base_id))


@functools.lru_cache(maxsize=8)
def _built(base_id: str, weights: Path, config: Path, tokenizer: Path, ranges: bytes) -> EncoderFiles:
    """ranges: JSON, as `graph.build` takes them."""
    from jangin.bases.store import default_home

    # Blobs are named by their hash, so the name of the derived file binds weights, configuration, ranges and builder.
    whole = f"-q{hashlib.sha256(ranges).hexdigest()[:8]}" if ranges else ""
    path = default_home() / "derived" / f"{weights.name[:16]}-{config.name[:8]}-b{graph.BUILDER}{whole}.onnx"
    if not path.is_file():
        from safetensors.numpy import load_file

        about = msgspec.json.decode(config.read_bytes())
        write_atomic(path, graph.build(load_file(weights), about, ranges=msgspec.json.decode(ranges or b"[]")))
    return EncoderFiles(base_id, path, tokenizer, hash_file(path), prefix_of(base_id))


def _ranges(base_id: str) -> bytes:
    """What the catalogue says of a base that is computed in integers; nothing for others."""
    from jangin.bases import catalogue

    try:
        found = catalogue.get(base_id).config.get("ranges")
    except UnknownBaseError:
        return b""
    return msgspec.json.encode(found) if found else b""


def prefix_of(base: str) -> str:
    """What a base was trained to find before a text (the E5 family: its model cards)."""
    return "query: " if "e5" in base.lower() else ""


def check_graph(files: EncoderFiles, expected_sha256: str, bundle: str) -> None:
    """A bundle is tied to one graph, bit for bit."""
    if files.sha256 != expected_sha256:
        raise BundleError(
            f"bundle '{bundle}' was built on {files.key}@{expected_sha256[:6]}; "
            f"this machine holds {files.key}@{files.sha256[:6]}",
            f"jangin pull {files.key}",
        )
