"""From what a user names to a BaseModel: an id of the catalogue, a folder of their own, or `owner/name` on the hub."""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from jangin.bases import catalogue, hub
from jangin.bases.layout import describe, small_files, weight_files
from jangin.bases.store import Store, write_whole
from jangin.errors import BaseModelError, StorageError
from jangin.files import hash_file
from jangin.types import BaseFile, BaseModel, FolderSource

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(@\w[\w./-]*)?", re.ASCII)
_HEADER_LIMIT_BYTES = 100_000_000  # as the safetensors format itself sets it


def resolve(name: str | BaseModel, store: Store | None = None) -> BaseModel:
    """The base of that name.

    A hub id is looked up on the hub once. What was found there is kept in the store, so the base stays the same and
    the next time needs no network. A folder must hold config.json, tokenizer.json and safetensors weights.
    Raises: UnknownBaseError; BaseModelError if Jangin cannot use the folder or repository; SourceError if the hub
        does not answer; StorageError.
    """
    store = store or Store()
    base = known(name, store)
    if base is not None:
        return base
    assert isinstance(name, str), "a BaseModel is known"
    base = hub.look_up(name)
    write_whole(_record(name, store), msgspec.json.format(msgspec.json.encode(base)) + b"\n")
    return base


def known(name: str | BaseModel, store: Store) -> BaseModel | None:
    """As `resolve`, without the network: None for a hub id that was never looked up."""
    if isinstance(name, BaseModel):
        return name
    if name in {base.id for base in catalogue.all()}:
        return catalogue.get(name)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _from_folder(name, folder)
    if not _HUB_ID.fullmatch(name):
        return catalogue.get(name)  # raises, naming the ids nearest to it
    record = _record(name, store)
    if not record.is_file():
        return None
    try:
        return msgspec.json.decode(record.read_bytes(), type=BaseModel)
    except msgspec.DecodeError as error:
        raise StorageError(
            f"{record}: not the record of a base: {error}", "delete it and pull the base again"
        ) from error


def _record(name: str, store: Store) -> Path:
    return store.ref(name, "resolved")


def _from_folder(name: str, folder: Path) -> BaseModel:
    names = sorted(path.name for path in folder.iterdir())
    weights = weight_files(names, name)
    files = [_local_file(folder / file) for file in [*weights, *small_files(names)]]
    params = sum(_count_params(folder / weight) for weight in weights)
    pooling = folder / "1_Pooling" / "config.json"
    return describe(
        name, _read_json(folder / "config.json"), _read_json(pooling) if pooling.is_file() else {}, params, files
    )


def _local_file(path: Path) -> BaseFile:
    path = path.resolve()
    status = path.stat()
    sha256 = _hash_once(path, status.st_size, status.st_mtime_ns)
    return BaseFile(path.name, sha256, status.st_size, [FolderSource(str(path))])


@lru_cache(maxsize=64)
def _hash_once(path: Path, size: int, changed_ns: int) -> str:
    """A file's hash, computed again only when its size or time of change differs: gigabytes take seconds."""
    return hash_file(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise BaseModelError(f"{path}: not JSON: {error}", "take it again from where the base came from") from error


def _count_params(weights: Path) -> int:
    """The number of values in a safetensors file, from its header: 8 bytes that give its length, then JSON."""
    with weights.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(min(length, _HEADER_LIMIT_BYTES)))
            return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise BaseModelError(
                f"{weights}: not a safetensors file", "take it again from where the base came from"
            ) from error
