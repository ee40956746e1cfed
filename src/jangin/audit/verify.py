"""Verifying an audit log: the chain holds from line to line, and reaches the head that was kept elsewhere.

The chain alone shows an edit, a removal and a change of order anywhere before the last line. Whoever may write the file
can also cut its end, or write all of it anew with hashes that fit: only a head that lies elsewhere shows that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from jangin.audit import files
from jangin.audit.chain import GENESIS, MOST_BYTES, Entry, Head, PublicKey, Signer, read_line
from jangin.errors import InputError, StorageError


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found. `file` and `line` (from 1) name the first bad line, `why` says what is wrong.

    `begins_at`: number of the first entry read; above 1 the entries before were not read. `did` says what it can know.
    """

    valid: bool
    entries: int
    begins_at: int | None
    ends_at: int | None
    hash: str | None
    file: str | None = None
    line: int | None = None
    why: str | None = None
    did: str


def verify(
    file: str | Path, head: Head | Sequence[Head] | None = None, public_key: str | Path | None = None
) -> Verified:
    """Verifies one file of a log, or a folder's whole log. A file must follow the one before it, if that is there.

    head: one or more that were kept elsewhere; each must be of this log. public_key: PEM file; each head must then be
    signed by its owner. Raises: InputError (nothing to verify, a public key without a head), StorageError.
    """
    heads = [] if head is None else [head] if isinstance(head, Head) else list(head)
    if public_key is not None and not heads:
        raise InputError("a public key was given, but no head that it could have signed", "add --head")
    key = None if public_key is None else PublicKey(Path(public_key))
    path = Path(file)
    try:
        paths = _paths(path)
        walk = _Walk({each.seq for each in heads}, *_before(path))
        for each in paths:
            if walk.why is None:
                walk.file(each)
    except OSError as error:
        raise _unreadable(path, error) from error
    if walk.why is None:
        walk.why = _heads(walk, heads, key)
    if walk.why is None and not walk.count:
        walk.why = "there is no entry in it"
    return _result(walk, heads, key)


def _before(path: Path) -> tuple[bool, Entry | None]:
    """Whether the log must begin with entry 1, and the entry that a single file must follow, if that can be known."""
    if path.is_dir():
        return True, None
    number = files.number_in(path.name)
    before = None if number is None or number == 1 else path.with_name(files.name(number - 1))
    return number == 1, files.last_entry(before)[0] if before is not None and before.is_file() else None


class _Walk:
    """The chain so far, and the first thing that is wrong with it."""

    def __init__(self, wanted: set[int], from_first: bool, before: Entry | None):
        self.wanted, self.from_first, self.last = wanted, from_first, before
        self.hashes: dict[int, str] = {}  # of the entries that a head was kept of
        self.first: int | None = None
        self.count = 0
        self.path: Path | None = None
        self.line: int | None = None
        self.why: str | None = None

    def file(self, path: Path) -> None:
        with open(path, "rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(MOST_BYTES + 1), b""), 1):
                self.why = self._next(line)
                if self.why is not None:
                    self.path, self.line = path, number
                    return

    def _next(self, line: bytes) -> str | None:
        if len(line) > MOST_BYTES:
            return f"it is longer than {MOST_BYTES:,} bytes"
        if not line.endswith(b"\n"):
            return "it has no end: a crash cut it off, or somebody did"
        found = read_line(line[:-1])
        if isinstance(found, str):
            return found
        if self.last is None:
            if found.seq < 1 or (found.seq == 1) != (found.previous == GENESIS):
                return "it begins no log: a first entry has number 1 and follows no other"
            if self.from_first and found.seq != 1:
                return f"it is entry {found.seq}: the files with the entries before it are not there"
        elif found.seq != self.last.seq + 1:
            return f"it is entry {found.seq}, and {self.last.seq + 1} was expected: lines were removed, added or moved"
        elif found.previous != self.last.hash:
            return f"it does not follow entry {self.last.seq} as that stands: one of the two was changed"
        self.first = found.seq if self.first is None else self.first
        self.last, self.count = found, self.count + 1
        if found.seq in self.wanted:
            self.hashes[found.seq] = found.hash
        return None


def _heads(walk: _Walk, heads: list[Head], key: PublicKey | None) -> str | None:
    for head in heads:
        if key is not None and not key.signed(head):
            return f"the head of entry {head.seq} is not signed by this key"
        found = walk.hashes.get(head.seq)
        if found is None:
            ends = 0 if walk.last is None else walk.last.seq
            if walk.first is not None and head.seq < walk.first:
                return f"the head is of entry {head.seq}, and what was read begins at entry {walk.first}"
            return f"the log ends at entry {ends}, and a head of entry {head.seq} was kept: its end was cut off"
        if found != head.hash:
            return f"entry {head.seq} is not the one whose head was kept: the log was written anew"
    return None


def _result(walk: _Walk, heads: list[Head], key: PublicKey | None) -> Verified:
    reach = max((head.seq for head in heads), default=0)
    if reach:
        signed = ", signed by this key" if key is not None else ""
        did = (
            f"compared the chain with a head of entry {reach} that was kept elsewhere{signed}; what came after it, and "
        )
        did += "was then cut off or written anew, would not show"
    else:
        did = "checked the chain only: without a head that was kept elsewhere, a log that was cut off at its end or "
        did += "written anew does not show"
    if walk.first is not None and walk.first > 1:
        did += f"; the entries before {walk.first} were not read"
    last = walk.last if walk.count else None
    return Verified(
        valid=walk.why is None,
        entries=walk.count,
        begins_at=walk.first,
        ends_at=None if last is None else last.seq,
        hash=None if last is None else last.hash,
        file=None if walk.path is None else str(walk.path),
        line=walk.line,
        why=walk.why,
        did=did,
    )


def read(file: str | Path) -> tuple[list[Entry], str | None]:
    """The entries of a file, or of a folder's whole log, and where the first unreadable line stands, if there is one.

    The chain is not verified. Raises: InputError, StorageError.
    """
    path = Path(file)
    found: list[Entry] = []
    try:
        for each in _paths(path):
            with open(each, "rb") as lines:
                for number, line in enumerate(lines, 1):
                    entry = read_line(line.removesuffix(b"\n"))
                    if isinstance(entry, str):
                        return found, f"{each}, line {number}: {entry}"
                    found.append(entry)
    except OSError as error:
        raise _unreadable(path, error) from error
    return found, None


def newest(file: str | Path, key: str | Path | None = None) -> Head:
    """The head of a log as it stands, signed when a key is given; writes nothing, also while a server appends.

    Raises: AuditError when the last line is damaged; InputError, StorageError, MissingExtraError.
    """
    path = Path(file)
    try:
        for each in reversed(_paths(path)):
            last, _ = files.last_entry(each)
            if last is not None:
                head = Head(seq=last.seq, hash=last.hash, at=last.at)
                return head if key is None else Signer(Path(key)).sign(head)
    except OSError as error:
        raise _unreadable(path, error) from error
    raise InputError(f"{path}: holds no audit log", "name the folder that holds audit-000001.jsonl")


def _paths(path: Path) -> list[Path]:
    """The files of a log. Raises: InputError when there are none."""
    paths = files.log_files(path) if path.is_dir() else [path]
    if not paths:
        raise InputError(f"{path}: holds no audit log", "name the folder that holds audit-000001.jsonl")
    return paths


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: cannot be read ({error.strerror})", "check the path and its permissions")
