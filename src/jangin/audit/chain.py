"""One line of the log, and the head that stands for all lines up to it.

A line is the canonical JSON (sorted keys, no spaces, UTF-8) of {"at", "fields", "hash", "kind", "previous", "seq"}:
`at` is ISO 8601 in UTC, `previous` the hash of the line before (64 zeros for the first), `hash` the sha256 of the
canonical JSON of the other five. A head is {"at", "hash", "seq"} of a line, and an Ed25519 signature of just that.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from jangin.errors import InputError, MissingExtraError
from jangin.files import canonical_json

GENESIS = "0" * 64
KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
MOST_BYTES = 65_536  # of one line: a log of acts, not of texts
_SIGNED = b"jangin audit head\n"  # so that a signature of something else is never one of a head


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `at`: ISO 8601, UTC."""

    seq: int
    at: str
    kind: str
    fields: dict[str, Any]
    previous: str
    hash: str

    def line(self) -> bytes:
        return canonical_json(msgspec.to_builtins(self)) + b"\n"


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a log after line `seq`: whoever keeps it elsewhere can tell that nothing up to there was changed.

    `signature`: base64 of Ed25519 over {"at", "hash", "seq"}; None when the log has no key.
    """

    seq: int
    hash: str
    at: str
    signature: str | None = None

    def text(self) -> str:
        """One line of JSON, to keep elsewhere."""
        return canonical_json(msgspec.to_builtins(self)).decode()

    def signed_bytes(self) -> bytes:
        return _SIGNED + canonical_json({"at": self.at, "hash": self.hash, "seq": self.seq})


def entry(seq: int, kind: str, fields: dict[str, Any], previous: str) -> Entry:
    """The next line. Raises: InputError when kind or fields do not fit into a line."""
    if not KIND.fullmatch(kind) or len(kind) > 64:
        raise InputError(f"audit kind '{kind[:80]}' is not a name; expected words like policy.changed")
    at = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    body = {"seq": seq, "at": at, "kind": kind, "fields": fields, "previous": previous}
    try:
        spelt = canonical_json(body)
        fields = json.loads(spelt)["fields"]  # as it will be read: tuples are lists, keys are texts
        whole = Entry(seq=seq, at=at, kind=kind, fields=fields, previous=previous, hash=hash_of(body))
        if hash_of({**body, "fields": fields}) != whole.hash:
            raise ValueError
    except (TypeError, ValueError, RecursionError):
        raise InputError(
            f"the fields of an audit entry '{kind}' are not JSON", "give texts, finite numbers, lists and objects"
        ) from None
    if not isinstance(fields, dict) or len(spelt) > MOST_BYTES - 100:
        raise InputError(
            f"the fields of an audit entry '{kind}' take {len(spelt):,} bytes; expected an object of at most "
            f"{MOST_BYTES - 100:,}",
            "log a hash of what is large",
        )
    return whole


def hash_of(body: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body)).hexdigest()


def read_line(line: bytes) -> Entry | str:
    """The entry of one line (without its line end), or what is wrong with it as it stands."""
    try:
        found = json.loads(line)
        same = isinstance(found, dict) and canonical_json(found) == line
        read = msgspec.convert(found, Entry) if same and set(found) == set(Entry.__struct_fields__) else None
    except (ValueError, RecursionError, msgspec.ValidationError):
        return "it is not an entry of an audit log"
    if read is None:
        return "it is not spelt as an audit log spells its entries"
    if hash_of({name: value for name, value in found.items() if name != "hash"}) != read.hash:
        return "its hash is not that of its content: it was changed"
    return read


def read_head(text: str) -> Head:
    """A head as `Head.text` wrote it. Raises: InputError."""
    try:
        return msgspec.json.decode(text.strip(), type=Head)
    except (msgspec.DecodeError, UnicodeError):
        raise InputError(
            "this is not a head of an audit log", "give the line that `jangin audit head` printed"
        ) from None


def read_heads(given: str) -> list[Head]:
    """The heads of one line of JSON, or of a file that holds one on each line. Raises: InputError."""
    if given.lstrip().startswith("{"):
        return [read_head(given)]
    try:
        lines = Path(given).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        raise InputError(
            f"'{given}' is neither a head nor a file of heads", "give the line that `jangin audit head` printed"
        ) from None
    if not (heads := [read_head(line) for line in lines if line.strip()]):
        raise InputError(f"'{given}' holds no head", "`jangin audit head LOG >> heads.jsonl` adds one")
    return heads


class Signer:
    """An Ed25519 private key from a PEM file. Raises: InputError, MissingExtraError."""

    def __init__(self, path: Path):
        serialization, ed25519, _ = _cryptography()
        try:
            key = serialization.load_pem_private_key(Path(path).read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise _no_key(path, "private", error) from None
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise _no_key(path, "private", None)
        self._key = key

    def sign(self, head: Head) -> Head:
        signature = base64.b64encode(self._key.sign(head.signed_bytes())).decode()
        return msgspec.structs.replace(head, signature=signature)


class PublicKey:
    """An Ed25519 public key from a PEM file. Raises: InputError, MissingExtraError."""

    def __init__(self, path: Path):
        serialization, ed25519, self._invalid = _cryptography()
        try:
            key = serialization.load_pem_public_key(Path(path).read_bytes())
        except (OSError, ValueError, TypeError) as error:
            raise _no_key(path, "public", error) from None
        if not isinstance(key, ed25519.Ed25519PublicKey):
            raise _no_key(path, "public", None)
        self._key = key

    def signed(self, head: Head) -> bool:
        """True if this key's owner signed the head."""
        try:
            self._key.verify(base64.b64decode(head.signature or "", validate=True), head.signed_bytes())
        except (self._invalid, binascii.Error, ValueError):
            return False
        return True


def _cryptography() -> tuple[Any, Any, Any]:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise MissingExtraError("signing the audit log", "audit") from None
    return serialization, ed25519, InvalidSignature


def _no_key(path: Path, which: str, error: Exception | None) -> InputError:
    why = error.strerror if isinstance(error, OSError) else "not such a key"
    make = "openssl genpkey -algorithm ed25519 -out audit.key; openssl pkey -in audit.key -pubout -out audit.pub"
    return InputError(f"{path}: expected an Ed25519 {which} key in PEM, without a password ({why})", make)
