"""Captured exchanges, read back. A record that a kill -9 tore is counted, and costs only itself."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from jangin.errors import DataError

FORMAT = 1
HEAD = "jangin_capture"
MAX_RECORD_BYTES = 64 << 20
_BLOCK = 1 << 16


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True):
    """One question and its answer. messages: what left, redacted. model: who was asked; answered_by: as the API said.

    answer: None where there is a refusal only.
    """

    task: str
    id: str
    at: str
    model: str
    messages: list[dict[str, str]]
    answer: str | None
    finish_reason: str | None = None
    refusal: str | None = None
    answered_by: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    latency_s: float | None = None


class Torn(msgspec.Struct, frozen=True):
    """A record that is not whole; `file` is where."""

    file: str


def files_of(path: Path) -> list[Path]:
    """A captured file alone, or all of a folder, of one task. Raises: DataError."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"no capture '{path}'", "name a file or a folder that `jangin serve` captured into")
    found = sorted(path.glob("*.jsonl.gz")) or sorted(path.glob("*/*.jsonl.gz"))
    tasks = sorted({each.parent.name for each in found})
    if not found:
        raise DataError(f"'{path}' holds no captured exchanges (*.jsonl.gz)", "name the folder of one task")
    if len(tasks) > 1:
        raise DataError(f"'{path}' holds captures of {len(tasks)} tasks: {', '.join(tasks[:9])}", "name one of them")
    return found


def read(path: Path) -> Iterator[Exchange | Torn]:
    """The exchanges of a file or a folder, in the order of their files.

    Raises: DataError for what is no capture, or one of a newer version.
    """
    for file in files_of(path):
        members = _members(file)
        try:
            head = next(members, None)
        except OSError as error:
            raise DataError(f"'{file}' cannot be read: {error.strerror}", "check its permissions") from None
        if head is None:  # killed before the first record was whole
            yield Torn(str(file))
            continue
        _check(head, file)
        for raw in members:
            try:
                yield Torn(str(file)) if raw is None else msgspec.json.decode(raw, type=Exchange)
            except (msgspec.DecodeError, UnicodeError):
                yield Torn(str(file))


def head_of(path: Path) -> dict[str, Any] | None:
    """What a file says of itself; None where that cannot be read."""
    try:
        return _check(next(_members(path), None) or b"", path)
    except (OSError, DataError):
        return None


def _check(raw: bytes, file: Path) -> dict[str, Any]:
    try:
        head = msgspec.json.decode(raw)
        version, days = head[HEAD], head["keep_days"]
    except (msgspec.DecodeError, UnicodeError, KeyError, TypeError):
        raise DataError(f"'{file}' is no file of captured exchanges", "name what `jangin serve` captured") from None
    if version != FORMAT or not isinstance(days, int):
        raise DataError(f"'{file}' has format {version}; this version reads {FORMAT}", "use the Jangin that wrote it")
    return head


def _members(path: Path) -> Iterator[bytes | None]:
    """Each gzip member's content; None for one that is torn, which ends the file."""
    with path.open("rb") as stream:
        block = stream.read(_BLOCK)
        while block:
            member, pieces, size = zlib.decompressobj(wbits=31), [], 0
            while not member.eof and block and size <= MAX_RECORD_BYTES:
                try:
                    pieces.append(member.decompress(block, MAX_RECORD_BYTES))
                except zlib.error:
                    yield None
                    return
                size += len(pieces[-1])
                block = member.unused_data if member.eof else member.unconsumed_tail or stream.read(_BLOCK)
            if not member.eof:
                yield None
                return
            yield b"".join(pieces)
            block = block or stream.read(_BLOCK)
