"""Files that appear whole or not at all, and the hashes that name them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from jangin.errors import StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def storage_error(path: Path, error: OSError) -> StorageError:
    """What the user reads when the disk says no."""
    if error.errno in _FULL:
        return StorageError(f"{path}: the disk is full ({error.strerror})", "free some space and run the command again")
    return StorageError(f"{path}: cannot be written ({error.strerror})", "check the path and its permissions")


def write_atomic(path: Path, content: bytes | str) -> None:
    """Writes beside `path`, then renames: a reader sees the old file or the new one, never a part.

    Raises: StorageError (disk full, read-only, not permitted); nothing is left behind then.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):  # what went wrong first is what the user must read
            temporary.unlink(missing_ok=True)
        raise storage_error(path, error) from error


def hash_file(path: Path) -> str:
    """sha256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> bytes:
    """One spelling for one value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def hash_json(value: Any) -> str:
    """sha256 of the canonical JSON of a value made of dicts, lists, strings, numbers, booleans and None."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
