"""A decoder base of the catalogue as the file that both training and serving read, and what its header says.

The header is read here and not by the package gguf: of a vocabulary of 150,000 tokens that makes as many arrays, which
takes seconds and is thrown away.
Source: the GGUF file format, version 3, ggml-org/ggml, docs/gguf.md.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from jangin.errors import BaseModelError

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_MOST_KEYS, _MOST_TENSORS, _LONGEST_TEXT = 10_000, 1_000_000, 1 << 24


class Tensor(NamedTuple):
    """shape: outermost first. kind: GGML's number of the number format. offset: of its first byte in the file."""

    shape: tuple[int, ...]
    kind: int
    offset: int
    bytes: int


class Header(NamedTuple):
    """values: the metadata without its lists, of which only the length is kept."""

    path: Path
    values: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def architecture(self) -> str:
        return str(self.values.get("general.architecture"))

    def own(self, key: str, default: Any = None) -> Any:
        """A value under the architecture's own name. Raises: BaseModelError where it is missing and has no default."""
        found = self.values.get(f"{self.architecture}.{key}", default)
        if found is None:
            raise BaseModelError(f"{self.path.name[:12]}: its header lacks '{self.architecture}.{key}'", _AGAIN)
        return found

    def raw(self, name: str) -> Any:
        """A tensor's bytes, uint8 of shape (..., bytes of a row); mapped, not read."""
        tensor = self.tensors[name]
        shape = (*tensor.shape[:-1], tensor.bytes // int(np.prod(tensor.shape[:-1], dtype=np.int64)))
        return np.memmap(self.path, np.uint8, "r", tensor.offset, shape)


_AGAIN = "pull the base again"


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
    found = header(weights).values.get("tokenizer.ggml.eos_token_id")
    if found is None:
        raise BaseModelError(f"{weights.name[:12]}: its header names no token that ends an answer", "take another base")
    return int(found)


def header(weights: Path) -> Header:
    """Raises: BaseModelError for a file that is no GGUF of a version known here, or that was cut short."""
    try:
        with weights.open("rb") as file:
            return _read(weights, file, weights.stat().st_size)
    except (struct.error, UnicodeDecodeError, KeyError, OverflowError, ValueError) as error:
        raise BaseModelError(f"{weights.name[:12]}: not a whole GGUF file ({error})", _AGAIN) from error


def _read(path: Path, file: IO[bytes], size: int) -> Header:
    import gguf

    if file.read(4) != b"GGUF":
        raise ValueError("it does not begin with 'GGUF'")
    version, count, keys = _number(file, "IQQ")
    if version not in _VERSIONS:
        raise ValueError(f"version {version}; known are {_VERSIONS[0]} and {_VERSIONS[1]}")
    if keys > _MOST_KEYS or count > _MOST_TENSORS:
        raise ValueError(f"{keys} keys and {count} tensors")
    values = {}
    for _ in range(keys):
        key = _text(file)
        values[key] = _value(file, _number(file, "I")[0])
    found = []
    for _ in range(count):
        name, (dimensions,) = _text(file), _number(file, "I")
        shape = tuple(reversed(_number(file, "Q" * dimensions)))
        kind, offset = _number(file, "IQ")
        block, block_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(kind)]
        found.append((name, Tensor(shape, kind, offset, int(np.prod(shape, dtype=object)) // block * block_bytes)))
    aligned = int(values.get("general.alignment", 32))
    start = -(-file.tell() // aligned) * aligned
    tensors = {name: tensor._replace(offset=start + tensor.offset) for name, tensor in found}
    end = max((tensor.offset + tensor.bytes for tensor in tensors.values()), default=start)
    if end > size:
        raise ValueError(f"it has {size:,} bytes, its header tells of {end:,}")
    return Header(path, values, tensors)


def _number(file: IO[bytes], form: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))


def _text(file: IO[bytes]) -> str:
    (length,) = _number(file, "Q")
    if length > _LONGEST_TEXT:
        raise ValueError(f"a text of {length} bytes in its header")
    return file.read(length).decode()


def _value(file: IO[bytes], kind: int) -> Any:
    if kind == _TEXT:
        return _text(file)
    if kind != _ARRAY:
        return _number(file, _NUMBERS[kind])[0]
    inner, length = _number(file, "IQ")
    if inner in (_TEXT, _ARRAY):
        for _ in range(length):
            _ = _value(file, inner) if inner == _ARRAY else file.seek(_number(file, "Q")[0], 1)
    else:
        file.seek(struct.calcsize(f"<{_NUMBERS[inner]}") * length, 1)
    return length
