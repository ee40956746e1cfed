"""Gets the files of a base into the store, and says where they lie.

`local` never touches the network, `ensure` fetches what is missing, `pull` also reads every file again and compares
its hash. For each file the mirror (JANGIN_MIRROR) is asked first, then the sources of the catalogue in their order.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import msgspec

from jangin.bases.download import Corrupt, Unavailable
from jangin.bases.resolve import known, resolve
from jangin.bases.sources import Carriers, Delivered, Wanted, describe
from jangin.bases.store import Store, Trusted, slug
from jangin.errors import HashMismatchError, SourceError, StorageError
from jangin.types import BaseFile, BaseModel, FolderSource


class Pulled(msgspec.Struct, frozen=True):
    """One file after a pull. `source` is 'store' for one that was there already; `pinned` False means that its hash
    does not come from the catalogue but was trusted on first use."""

    base: str
    file: str
    sha256: str
    bytes: int
    source: str
    seconds: float
    pinned: bool


def local(base: str | BaseModel, store: Store | None = None) -> dict[str, Path] | None:
    """File name -> path of a base that is here in full, or None. Takes no lock, writes nothing, uses no network.

    A stored file whose size is wrong counts as missing. Raises: UnknownBaseError.
    """
    store = store or Store()
    model = known(base, store)
    if model is None:
        return None
    found = {file.name: _present(model, file, store) for file in model.files}
    here = {name: path for name, path in found.items() if path is not None}
    return here if len(here) == len(found) else None


def ensure(base: str | BaseModel, quiet: bool = False, store: Store | None = None) -> dict[str, Path]:
    """File name -> path of a base, fetching only what is missing.

    Raises: UnknownBaseError, SourceError, HashMismatchError, StorageError.
    """
    store = store or Store()
    model = resolve(base, store)
    here = local(model, store)
    if here is None:
        _fetch_all(model, store, quiet, verify=False)
        here = local(model, store)
    assert here is not None, "every file was fetched"
    return here


def pull(base: str | BaseModel, quiet: bool = False, store: Store | None = None) -> list[Pulled]:
    """Fetches what is missing or damaged and checks every file's full hash; one record per file.

    Raises: as `ensure`.
    """
    store = store or Store()
    return _fetch_all(resolve(base, store), store, quiet, verify=True)


def pinned(base: str | BaseModel, store: Store | None = None) -> BaseModel:
    """The base with every hash filled in: its own, or the one trusted on first use. Files never pulled keep None."""
    store = store or Store()
    model = resolve(base, store)
    files = [msgspec.structs.replace(file, sha256=_identity(model, file, store)[0]) for file in model.files]
    return msgspec.structs.replace(model, files=files)


def _identity(base: BaseModel, file: BaseFile, store: Store) -> tuple[str | None, int | None]:
    """The hash and bytes that a file must have, as far as they are known."""
    if file.sha256 is not None:
        return file.sha256, file.bytes
    trusted = store.trusted(base.id, file.name)
    return (trusted.sha256, trusted.bytes) if trusted else (None, file.bytes)


def _present(base: BaseModel, file: BaseFile, store: Store) -> Path | None:
    for source in file.sources:
        if isinstance(source, FolderSource):
            return Path(source.path)
    sha256, size = _identity(base, file, store)
    return store.blob(sha256) if sha256 and store.has(sha256, size) else None


def _fetch_all(base: BaseModel, store: Store, quiet: bool, verify: bool) -> list[Pulled]:
    carriers = Carriers(store, quiet)
    _check_space(base, store)
    done = [_fetch(base, file, store, carriers, quiet, verify) for file in base.files]
    carriers.clear()
    return done


def _fetch(base: BaseModel, file: BaseFile, store: Store, carriers: Carriers, quiet: bool, verify: bool) -> Pulled:
    started = time.monotonic()

    def record(sha256: str, path: Path, source: str) -> Pulled:
        seconds = round(time.monotonic() - started, 3)
        return Pulled(base.id, file.name, sha256, path.stat().st_size, source, seconds, file.sha256 is not None)

    for source in file.sources:
        if isinstance(source, FolderSource):
            return record(file.sha256 or "", Path(source.path), "folder")
    sha256, size = _identity(base, file, store)
    key = sha256 or f"{slug(base.id)}.{slug(file.name)}"
    with store.lock(key):
        sha256, size = _identity(base, file, store)  # another process may have met the file while this one waited
        if sha256 and (path := _sound(sha256, size, store, verify)):
            return record(sha256, path, "store")
        delivered = _deliver(file, Wanted(key, f"{base.id}/{file.name}", sha256, size), carriers)
        if sha256 is None:
            _trust(base, file, delivered, store)
        blob = store.adopt(delivered.path, delivered.sha256)
        for leftover in (store.home / "partial").glob(f"{key}.*"):  # what another source had begun
            leftover.unlink(missing_ok=True)
        return record(delivered.sha256, blob, delivered.source)


def _sound(sha256: str, size: int | None, store: Store, verify: bool) -> Path | None:
    """The stored file if it is sound; a damaged one is removed, so that it is fetched again."""
    try:
        return store.path(sha256, size, verify)
    except HashMismatchError as error:
        print(f"{error.message}; fetching it again", file=sys.stderr)
        store.blob(sha256).unlink(missing_ok=True)
        return None


def _deliver(file: BaseFile, wanted: Wanted, carriers: Carriers) -> Delivered:
    """The file from the first source that has it. Raises: SourceError, or HashMismatchError if any was corrupt."""
    mirror = os.environ.get("JANGIN_MIRROR")
    failures: list[str] = []
    corrupt = False
    for source in [*([mirror] if mirror else []), *file.sources]:
        assert not isinstance(source, FolderSource)
        try:
            return carriers.deliver(source, wanted)
        except Corrupt as error:
            corrupt = True
            failures.append(f"{describe(source)}: {error}")
            print(f"{wanted.label}: refused, {failures[-1]}", file=sys.stderr)
        except Unavailable as error:
            failures.append(f"{describe(source)}: {error}")
    reasons = "; ".join(failures) or "it has no source"
    if corrupt:
        raise HashMismatchError(
            f"{wanted.label} is not the pinned file and was deleted: {reasons}",
            "try again; if it stays so, that source was changed: use another one (JANGIN_MIRROR, JANGIN_INDEX_URL)",
        )
    raise SourceError(
        f"{wanted.label} could not be fetched: {reasons}",
        "check the network, or set JANGIN_MIRROR to a folder or URL that holds "
        + (wanted.sha256 or "the base, as a local folder"),
    )


def _trust(base: BaseModel, file: BaseFile, delivered: Delivered, store: Store) -> None:
    size = delivered.path.stat().st_size
    store.trust(base.id, file.name, Trusted(delivered.sha256, size, delivered.source))
    print(
        f"{base.id}/{file.name} is unpinned: trusting sha256 {delivered.sha256} from now on "
        f"({store.ref(base.id, file.name)})",
        file=sys.stderr,
    )


def _check_space(base: BaseModel, store: Store) -> None:
    """Raises StorageError before the first byte if the disk cannot hold what is missing (wheels not counted)."""
    needed = sum(file.bytes or 0 for file in base.files if _present(base, file, store) is None)
    for file in base.files:
        part = store.home / "partial" / f"{file.sha256}.part"
        needed -= part.stat().st_size if part.exists() else 0
    folder = next(path for path in [store.home, *store.home.parents] if path.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"{base.id} needs {needed / 1e6:.0f} MB in {store.home}, {free / 1e6:.0f} MB are free",
            "free some space there, or set JANGIN_HOME to a folder on a larger disk",
        )
