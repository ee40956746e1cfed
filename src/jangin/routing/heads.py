"""Which encoders a bundle has routing profiles for, read without numpy: the server's HTTP process only needs to know.

A profile lies beside a bundle as `routing-BASE.safetensors`, like its certificate bound to the specialist's hash and no
part of its identity.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from jangin.bases.store import slug

ABOUT = "about"  # the one key of the file's metadata: several would come in an order that changes
_PREFIX, _SUFFIX = "routing-", ".safetensors"
_MOST_HEADER = 100_000


class Head(msgspec.Struct, frozen=True):
    """base: of the catalogue; encoder: sha256 of its graph; specialist: the hash of the bundle that it was made for;
    sha256: of the tensors."""

    base: str
    encoder: str
    specialist: str
    sha256: str


class Found(msgspec.Struct, frozen=True):
    """A profile on the disk; only its head has been read."""

    head: Head
    path: Path


class _Metadata(msgspec.Struct):
    about: str


class _Header(msgspec.Struct):
    metadata: _Metadata = msgspec.field(name="__metadata__")


def file_name(base: str) -> str:
    return f"{_PREFIX}{slug(base)}{_SUFFIX}"


def find_profiles(folder: Path, specialist: str) -> dict[str, Found]:
    """Encoder -> profile, of those that were made for this specialist; what cannot be read is left out."""
    found = {}
    for path in sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}")):
        head = _read(path)
        if head is not None and head.specialist == specialist:
            found[head.encoder] = Found(head, path)
    return found


def _read(path: Path) -> Head | None:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(length) if length <= _MOST_HEADER else b""
        return msgspec.json.decode(msgspec.json.decode(header, type=_Header).metadata.about, type=Head)
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
