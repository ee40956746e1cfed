"""OUT.part: the job on its first line, then a line for each answer as it comes; the last line of an example counts.

So a run that was killed has lost nothing but the answers that were under way, and the next one asks only for those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from jangin.errors import DataError, InputError, StorageError
from jangin.files import storage_error, write_atomic

Row = dict[str, Any]
_JOB_ALONE = re.compile(rb'\{"job":[^\n]*\n')
_encode, _decode = msgspec.json.encode, msgspec.json.Decoder(dict[str, Any]).decode


class Job(msgspec.Struct, frozen=True):
    """What answers belong to; those of another job are not mixed with them."""

    task: str
    split: str
    inputs_sha256: str
    model: str
    endpoint: str
    prompt_sha256: str
    max_tokens: int
    json_schema: bool
    redaction: str | None

    def differs(self, other: dict[str, Any]) -> list[str]:
        """Names of what is not the same, as a user knows them."""
        mine = msgspec.to_builtins(self)
        return [key.removesuffix("_sha256").replace("_", " ") for key in mine if mine[key] != other.get(key)]


class Journal:
    """An open OUT.part. `rows`: id -> the latest row of each example."""

    def __init__(self, part: Path, stream: Any, rows: dict[str, Row]):
        self.part, self.rows, self._stream = part, rows, stream

    def append(self, row: Row) -> None:
        """The row is in the system's hands when this returns: a kill -9 cannot take it back."""
        try:
            self._stream.write(_encode(row) + b"\n")
        except OSError as error:
            raise storage_error(self.part, error) from error
        self.rows[row["id"]] = row

    def finish(self, out: Path, header: Row, ids: Iterable[str]) -> None:
        """OUT appears whole: the header, then a row for each id in that order; OUT.part goes."""
        write_atomic(out, _lines([header, *(self.rows[each] for each in ids)]))
        self._stream.close()
        self.part.unlink(missing_ok=True)


@contextmanager
def opened(out: Path, job: Job, *, retry: bool) -> Iterator[Journal]:
    """The journal of OUT, begun or taken up again; one run at a time holds it.

    retry: an OUT that is finished is opened again, for its unscored rows.
    Raises: InputError where OUT is there already or another run writes it; DataError where OUT.part or OUT holds the
    answers of another job; StorageError.
    """
    import filelock

    part = out.with_name(out.name + ".part")
    lock = filelock.FileLock(out.with_name(out.name + ".lock"))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise InputError(f"another run is recording into '{out}'", "wait for it, or name another -o") from None
    except OSError as error:
        raise storage_error(out, error) from error
    try:
        if out.exists() and not retry:
            raise InputError(
                f"'{out}' is there already", "name another -o; or --retry-unscored to ask again what has no answer"
            )
        if out.exists() and not part.exists():
            head, rows = _finished(out)
            _refuse_other(out, job, head)
            write_atomic(part, _lines([{"job": job}, *rows]))
        with _stream(part, job) as stream:
            journal = Journal(part, stream, _rows(part, job, stream))
            try:
                yield journal
            finally:
                if not journal.rows:
                    stream.close()
                    part.unlink(missing_ok=True)
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _stream(part: Path, job: Job) -> Any:
    try:
        if not part.exists() or _JOB_ALONE.fullmatch(part.read_bytes()):  # nothing answered yet: any job may begin
            write_atomic(part, _lines([{"job": job}]))
        return part.open("r+b", buffering=0)
    except OSError as error:
        raise storage_error(part, error) from error


def _rows(part: Path, job: Job, stream: Any) -> dict[str, Row]:
    """The whole rows; what follows the last is cut off, and the stream stands at the end."""
    rows: dict[str, Row] = {}
    end = 0
    for number, line in enumerate(stream.read().splitlines(keepends=True)):
        try:
            row = _decode(line) if line.endswith(b"\n") else None
        except (msgspec.DecodeError, UnicodeDecodeError):  # a machine that lost its power may leave anything
            row = None
        if row is None or (number > 0 and "id" not in row):
            break
        if number == 0:
            _refuse_other(part, job, row)
        else:
            rows[row["id"]] = row
        end += len(line)
    if end == 0:
        raise DataError(f"'{part}' is no recording", "delete it to begin again")
    stream.seek(end)
    stream.truncate()
    return rows


def _finished(out: Path) -> tuple[Row, list[Row]]:
    try:
        head, *rows = [_decode(line) for line in out.read_bytes().splitlines() if line.strip()]
    except (OSError, ValueError, msgspec.DecodeError) as error:
        if isinstance(error, OSError):
            raise StorageError(f"'{out}' cannot be read ({error.strerror})", "check the path") from None
        head, rows = {}, []
    return head, rows


def _refuse_other(path: Path, job: Job, head: Row) -> None:
    given = head.get("job")
    if not isinstance(given, dict):
        raise DataError(f"'{path}' was not written by `jangin record`", "name another -o")
    if other := job.differs(given):
        raise DataError(
            f"'{path}' holds answers of another run: not the same {', '.join(other)}",
            "run with what it was begun with, name another -o, or delete it to begin again",
        )


def _lines(rows: Iterable[Any]) -> bytes:
    return b"".join(_encode(row) + b"\n" for row in rows)
