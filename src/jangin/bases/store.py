"""The content-addressed store: a file lies under its sha256, whole or not at all.

    <home>/blobs/sha256/53/53aa...      the files, named by what is in them
    <home>/refs/<base>/<file>.json      hashes met first for files that the catalogue does not pin
    <home>/partial/                     unfinished downloads; kept, so that the next pull goes on where this one ended
    <home>/locks/                       one lock per file being pulled; the system drops it when its owner dies

<home> is JANGIN_HOME, or ~/.cache/jangin. Reading takes no lock and writes nothing, so a read-only store serves.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from jangin.errors import HashMismatchError, StorageError
from jangin.files import hash_file

CHUNK_BYTES = 1 << 20

_STORAGE_FAULTS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than this system or its limits allow",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "the operation is not permitted",
    errno.ENOTDIR: "a part of that path is a file, not a folder",
    errno.EEXIST: "a part of that path is a file, not a folder",  # what making a folder there says
}


class Trusted(msgspec.Struct, frozen=True):
    """The hash that an unpinned file had when it was pulled first, and where it came from."""

    sha256: str
    bytes: int
    source: str


class Store:
    """One store folder. Nothing is created before something is written."""

    def __init__(self, home: Path | None = None):
        self.home = home or default_home()

    def blob(self, sha256: str) -> Path:
        """Where the file with that hash lies, whether or not it is there."""
        return self.home / "blobs" / "sha256" / sha256[:2] / sha256

    def has(self, sha256: str, size: int | None = None) -> bool:
        """True if the file is there and, when a size in bytes is given, has that size. Reads no content."""
        try:
            found = self.blob(sha256).stat().st_size
        except OSError:
            return False
        return size is None or found == size

    def path(self, sha256: str, size: int | None = None, verify: bool = False) -> Path | None:
        """The stored file, or None if it is not there.

        Args:
            size: expected bytes; the cheap check on every ordinary open.
            verify: read the whole file and compare its hash.
        Raises: HashMismatchError if the file is there but is not what its name says.
        """
        blob = self.blob(sha256)
        if not blob.is_file():
            return None
        found = blob.stat().st_size
        if size is not None and found != size:
            raise _damaged(blob, f"{found} bytes where {size} were expected")
        if verify and (actual := hash_file(blob)) != sha256:
            raise _damaged(blob, f"sha256 {actual} where {sha256} was expected")
        return blob

    def adopt(self, complete: Path, sha256: str) -> Path:
        """Moves a complete file, whose hash the caller has checked, to its place in the store."""
        blob = self.blob(sha256)
        with storage_faults(blob):
            blob.parent.mkdir(parents=True, exist_ok=True)
            with complete.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(complete, blob)
        return blob

    def partial(self, name: str) -> Path:
        """A path for an unfinished file; its folder exists."""
        path = self.home / "partial" / name
        with storage_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def trusted(self, base_id: str, name: str) -> Trusted | None:
        """The hash recorded for an unpinned file, or None before its first pull."""
        ref = self.ref(base_id, name)
        if not ref.is_file():
            return None
        try:
            return msgspec.json.decode(ref.read_bytes(), type=Trusted)
        except msgspec.DecodeError as error:
            raise StorageError(
                f"{ref}: not a record of a trusted hash: {error}",
                "delete it if you accept that the next pull trusts the hub anew",
            ) from error

    def trust(self, base_id: str, name: str, trusted: Trusted) -> None:
        write_whole(self.ref(base_id, name), msgspec.json.format(msgspec.json.encode(trusted)) + b"\n")

    def ref(self, base_id: str, name: str) -> Path:
        return self.home / "refs" / slug(base_id) / f"{slug(name)}.json"

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Holds the lock of that name. Waits for a live owner, saying so; a dead owner's lock is free."""
        import filelock

        path = self.home / "locks" / f"{slug(key)}.lock"
        with storage_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(path)
            try:
                lock.acquire(timeout=1)
            except filelock.Timeout:
                print(f"waiting: another process is pulling {key[:16]}", file=sys.stderr)
                lock.acquire()
        try:
            yield
        finally:
            lock.release()


def default_home() -> Path:
    named = os.environ.get("JANGIN_HOME")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "jangin"


def slug(name: str) -> str:
    """A name as one path component: what is not a letter, digit, dot, dash or underscore becomes two dashes."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "--" for c in name)
    return safe.lstrip(".") or "--"


def copy_hashed(source: IO[bytes], target: IO[bytes], digest: hashlib._Hash, limit: int | None = None) -> int:
    """Copies a stream chunk by chunk into `target` and `digest`; gives back the bytes copied.

    Stops one chunk above `limit`, so that a carrier that holds more than it should cannot fill the disk.
    """
    copied = 0
    while chunk := source.read(CHUNK_BYTES):
        target.write(chunk)
        digest.update(chunk)
        copied += len(chunk)
        if limit is not None and copied > limit:
            break
    return copied


def write_whole(path: Path, content: bytes) -> None:
    """Writes a small file so that a reader sees the old one or the new one, never a part."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with storage_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def storage_faults(path: Path) -> Iterator[None]:
    """Turns a full, read-only or forbidden disk into a StorageError that names the place."""
    try:
        yield
    except OSError as error:
        if error.errno not in _STORAGE_FAULTS:
            raise
        raise StorageError(
            f"cannot write {path}: {_STORAGE_FAULTS[error.errno]}",
            "free some space there, or set JANGIN_HOME to a folder on a disk that has it and may be written",
        ) from error


def _damaged(blob: Path, what: str) -> HashMismatchError:
    return HashMismatchError(f"{blob} is damaged: {what}", "'jangin pull' of its base fetches it again")
