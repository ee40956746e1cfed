"""API keys: 256 random bits each, kept as their sha256 in one JSON file that servers read again when it changes.

A key has an identity, `id`, that survives rotation: limits, budgets and the ledger count by it. Its secrets come and
go: rotating adds one and lets the older ones end after a grace. A secret is as long as a hash and as random, so its
plain sha256 cannot be turned back, and a look-up by hash tells nothing by its time.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from jangin.errors import InputError, StorageError
from jangin.files import storage_error, write_atomic

Role = Literal["ask", "admin", "metrics"]
ROLES: tuple[Role, ...] = ("ask", "admin", "metrics")
PREFIX = "jk-"
FORMAT = 1
GRACE_S = 24 * 3600.0
LOOK_AGAIN_S = 0.5
LONGEST_S = 100 * 365 * 24 * 3600.0
NAME = r"[A-Za-z0-9가-힣][A-Za-z0-9가-힣 ._@-]{0,63}"
_NAME = re.compile(NAME)


class Limits(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Of one key on one server; None: no limit. Tokens are those of prompts and answers together."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None
    usd_per_day: float | None = None
    usd_per_month: float | None = None

    @property
    def money(self) -> bool:
        """Is there a budget?"""
        return self.usd_per_day is not None or self.usd_per_month is not None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} is {value}; expected more than 0")


class Secret(msgspec.Struct, frozen=True):
    """sha256: of the whole secret, hexadecimal. Times: seconds since 1970, UTC; expires None: never."""

    sha256: str
    created: float
    expires: float | None = None


class Key(msgspec.Struct, frozen=True):
    """tasks: names of the specialists it may ask, None for all. expires: of the whole key."""

    id: str
    name: str
    roles: tuple[Role, ...] = ("ask",)
    tasks: tuple[str, ...] | None = None
    limits: Limits = Limits()
    created: float = 0.0
    expires: float | None = None
    revoked: float | None = None
    secrets: tuple[Secret, ...] = ()

    def may(self, task: str) -> bool:
        return self.tasks is None or task in self.tasks


class _File(msgspec.Struct):
    format: int = FORMAT
    keys: list[Key] = []


class Keys:
    """The keys of one file. Reading is for one thread; writing takes a lock that every process respects."""

    def __init__(self, path: Path):
        """Raises: InputError for a file that is no key file, StorageError."""
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._look_at = 0.0
        self._by_hash: dict[str, tuple[Key, Secret]] = {}
        self._keys: list[Key] = []
        self.refresh()

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, secret: bytes, now: float | None = None) -> Key | None:
        """The key that has this secret now; None: unknown, expired or revoked."""
        return self.of_hash(hash_of(secret), now)

    def of_hash(self, sha256: str, now: float | None = None) -> Key | None:
        """As `find`, of a secret's hash."""
        now = time.time() if now is None else now
        found = self._by_hash.get(sha256)
        if found is None:
            return None
        key, one = found
        ended = key.revoked is not None or _over(key.expires, now) or _over(one.expires, now)
        return None if ended else key

    def refresh(self, now: float | None = None) -> bool:
        """Reads the file again if it changed; looks at most twice a second. True: it did.

        A file that is broken for a moment changes nothing: the keys known last stay. Raises: InputError at the first
        reading only.
        """
        now = time.monotonic() if now is None else now
        if self._seen is not None and now < self._look_at:
            return False
        self._look_at = now + LOOK_AGAIN_S
        try:
            seen = _mark(self.path)
            if seen == self._seen:
                return False
            keys = _read(self.path)
        except InputError:
            if self._seen is None:
                raise
            return False
        self._seen, self._keys = seen, keys
        self._by_hash = {secret.sha256: (key, secret) for key in keys for secret in key.secrets}
        return True

    def reread(self) -> None:
        """Looks at the file now, after a change that must hold at once."""
        self._look_at = 0.0
        self.refresh()

    def add(
        self,
        name: str,
        *,
        roles: Sequence[Role] = ("ask",),
        tasks: Iterable[str] | None = None,
        limits: Limits | None = None,
        lasts_s: float | None = None,
    ) -> tuple[Key, str]:
        """A new key and its secret, which is shown this once. Raises: InputError, StorageError."""
        if not _NAME.fullmatch(name):
            raise InputError(
                f"'{name[:80]}' cannot name a key", "use 1 to 64 letters, digits, spaces and . _ @ -, a letter first"
            )
        if not roles or set(roles) - set(ROLES):
            raise InputError(f"roles are {', '.join(roles) or 'none'}", f"expected some of: {', '.join(ROLES)}")
        if lasts_s is not None and not 0 < lasts_s <= LONGEST_S:
            raise InputError(f"a key cannot last {lasts_s:g} seconds", "expected more than 0 and at most 100 years")
        now, secret = time.time(), new_secret()
        key = Key(
            id="key_" + os.urandom(6).hex(),
            name=name,
            roles=tuple(roles),
            tasks=None if tasks is None else tuple(tasks),
            limits=limits or Limits(),
            created=now,
            expires=None if lasts_s is None else now + lasts_s,
            secrets=(Secret(hash_of(secret.encode()), now),),
        )
        with self._changing() as keys:
            if any(other.name == name and other.revoked is None for other in keys):
                raise InputError(f"there is a key named '{name}' already", "rotate or revoke it, or take another name")
            keys.append(key)
        return key, secret

    def rotate(self, which: str, grace_s: float = GRACE_S) -> tuple[Key, str]:
        """A new secret for a key; the older ones hold for `grace_s` seconds yet. Raises: InputError, StorageError."""
        now, secret = time.time(), new_secret()
        with self._changing() as keys:
            at = _place(keys, which)
            until = now + grace_s
            older = [
                msgspec.structs.replace(one, expires=min(until, one.expires or until))
                for one in keys[at].secrets
                if not _over(one.expires, now)
            ]
            secrets = (*(older if grace_s > 0 else ()), Secret(hash_of(secret.encode()), now))
            keys[at] = msgspec.structs.replace(keys[at], secrets=secrets)
            return keys[at], secret

    def revoke(self, which: str) -> Key:
        """Ends a key at once. Raises: InputError, StorageError."""
        with self._changing() as keys:
            at = _place(keys, which)
            keys[at] = msgspec.structs.replace(keys[at], revoked=time.time(), secrets=())
            return keys[at]

    @contextmanager
    def _changing(self) -> Iterator[list[Key]]:
        from filelock import FileLock, Timeout

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(self.path.with_name(self.path.name + ".lock"), timeout=10, mode=0o600):
                keys = _read(self.path)
                yield keys
                write_atomic(self.path, msgspec.json.format(msgspec.json.encode(_File(FORMAT, keys)), indent=1))
                self.path.chmod(0o600)
        except Timeout:
            raise StorageError(f"{self.path}: another command is changing the keys", "try again in a moment") from None
        except OSError as error:
            raise storage_error(self.path, error) from error
        self.reread()


def new_secret() -> str:
    return PREFIX + base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


def hash_of(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def _over(expires: float | None, now: float) -> bool:
    return expires is not None and now >= expires


def _mark(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    except OSError as error:
        raise InputError(f"{path}: the key file cannot be read ({error.strerror})", "check its permissions") from error
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _read(path: Path) -> list[Key]:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path}: the key file cannot be read ({error.strerror})", "check its permissions") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a key file ({error})", "restore it from a backup; no key was changed") from error
    if found.format != FORMAT:
        raise InputError(
            f"{path}: key file of format {found.format}; this version reads {FORMAT}", "use the version that wrote it"
        )
    return found.keys


def _place(keys: list[Key], which: str) -> int:
    """By id, or by the name of a key that is in force."""
    for at, key in enumerate(keys):
        if key.id == which or (key.name == which and key.revoked is None):
            if key.revoked is not None:
                raise InputError(f"key '{which}' is revoked", "make a new one: jangin keys add")
            return at
    there = ", ".join(f"'{key.name}'" for key in keys if key.revoked is None) or "none"
    raise InputError(f"no key '{which[:80]}'", f"the keys in force: {there}")
