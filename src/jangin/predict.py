"""`jangin predict`: a file in, one line of JSON out per row, streaming; a killed run goes on where it stopped.

Answers are appended to OUT.part, a line for each row, also for a row that cannot be answered (`error` says why). So the
number of whole lines is the number of rows done, and nothing else has to be remembered but what the run was about
(OUT.part.json). The last step renames OUT.part to OUT.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from jangin.bundle import read_manifest
from jangin.data.read import Fault, Row, read_rows
from jangin.errors import DataError, InputError, RequestError
from jangin.files import storage_error, write_atomic
from jangin.models.base import Floats
from jangin.models.specialist import Readers, Specialist
from jangin.models.writer import Writer
from jangin.models.written import answer_of, open_specialist, write_all
from jangin.prompt import render
from jangin.task import WRITTEN
from jangin.types import Input

BATCH_ROWS, WRITTEN_ROWS = 256, 16
BATCH_CHARS = 400_000
MAX_CHARS = 100_000
HEAD_ROWS = 100  # readable rows that are looked at for the input's column
_BLOCK = 1 << 20
_NAMES = ("input", "text", "messages")


class Predicted(msgspec.Struct, frozen=True):
    """`rows` in the output, `errors` of them with an `error`; `resumed_at` rows were there from an earlier run.

    rows_per_s: of this run.
    """

    rows: int
    errors: int
    resumed_at: int
    seconds: float
    rows_per_s: float
    output: str | None


class Job(msgspec.Struct, frozen=True):
    """What OUT.part belongs to: another input or specialist must not go on writing it."""

    input_sha256: str
    specialist: str
    field: str | None
    probabilities: bool


class _Done(NamedTuple):
    """Rows that OUT.part holds already, and how many of them have an `error`."""

    rows: int
    errors: int


class _Line(msgspec.Struct):
    error: str | None = None


class _Item(msgspec.Struct, frozen=True):
    id: str
    input: Input
    error: str | None = None


def predict(
    folder: Path,
    data: Path,
    out: Path | None = None,
    *,
    field: str | None = None,
    probabilities: bool = False,
    quiet: bool = False,
) -> Predicted:
    """Answers every row of a JSONL, CSV or Parquet file; to stdout without `out`.

    Args:
        field: the column to read; without it `input`, `text` or OpenAI's `messages`.
        probabilities: write every label's probability too; no such thing where answers are written.
    Raises: BundleError, BaseModelError, DataError for a file without the input's column, InputError for an output that
    is there already, StorageError. A bad row is no error: its line says why.
    """
    if out is not None:
        _refuse_output(out, data)
    kind = read_manifest(folder).kind
    if probabilities and kind in WRITTEN:
        raise InputError(f"a specialist of kind {kind} has no probabilities of labels", "leave --probabilities out")
    with closing(open_specialist(folder, Readers(bulk=True))) as specialist:
        return _predict(specialist, data, out, (field,) if field else _NAMES, probabilities, quiet)


def _predict(
    specialist: Specialist | Writer,
    data: Path,
    out: Path | None,
    names: tuple[str, ...],
    probabilities: bool,
    quiet: bool,
) -> Predicted:
    if out is None:
        rows = _with_input(read_rows(data), data, names)
        return _run(specialist, rows, sys.stdout.buffer, None, _Done(0, 0), names, probabilities, quiet)
    sha256, lines = _survey(data)
    field = None if names == _NAMES else names[0]
    rows = _with_input(read_rows(data), data, names)
    part = out.with_name(out.name + ".part")
    try:
        with _resumed(part, Job(sha256, specialist.sha256, field, probabilities)) as stream:
            found = _run(specialist, rows, stream, lines, _whole_lines(stream), names, probabilities, quiet)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, out)
        _about(part).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(out, error) from error
    return msgspec.structs.replace(found, output=str(out))


def decide(specialist: Specialist, probabilities: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """(labels given, confidence) of each row, as `Rule.sure` says."""
    return specialist.rule.sure(specialist.kind, specialist.labels, probabilities)


def _refuse_output(out: Path, data: Path) -> None:
    """What stands at `out` is never replaced: it may be anybody's file. Raises: DataError, InputError."""
    if out.exists() and data.exists() and out.samefile(data):
        raise DataError(f"the output '{out}' is the input", "choose another -o")
    if out.is_dir():
        raise InputError(f"'{out}' is a folder", "name a file for the answers")
    if os.path.lexists(out):
        raise InputError(f"'{out}' is there already", "name another file, or remove it")


def _with_input(rows: Iterator[Row | Fault], data: Path, names: tuple[str, ...]) -> Iterator[Row | Fault]:
    """The same rows, after a look at the first ones. Raises: DataError when none of them has one of the columns."""
    seen: list[Row | Fault] = []
    columns: dict[str, None] = {}
    for row in islice(rows, HEAD_ROWS):
        seen.append(row)
        if isinstance(row, Row):
            columns |= dict.fromkeys(row.fields)
            if not columns.keys().isdisjoint(names):
                return chain(seen, rows)
    if any(isinstance(row, Row) for row in seen):
        found = ", ".join(f"'{name}'" for name in columns) or "none"
        raise DataError(f"{data.name}: no column {_either(names)}; found: {found}", "name the column: --field NAME")
    return chain(seen, rows)


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(f"'{name}'" for name in names)


def _run(
    specialist: Specialist | Writer,
    source: Iterator[Row | Fault],
    stream: IO[bytes],
    lines: int | None,
    done: _Done,
    names: tuple[str, ...],
    probabilities: bool,
    quiet: bool,
) -> Predicted:
    from tqdm import tqdm

    started, rows, errors = time.perf_counter(), done.rows, done.errors
    items = (_item(row, names) for row in islice(source, done.rows, None))
    with tqdm(total=lines, initial=done.rows, unit="row", disable=True if quiet else None, file=sys.stderr) as bar:
        for batch in _batches(items, WRITTEN_ROWS if isinstance(specialist, Writer) else BATCH_ROWS):
            if isinstance(specialist, Writer):
                answered, failed = _written(specialist, batch)
            else:
                answered, failed = _answers(specialist, batch, probabilities)
            stream.write(answered)
            stream.flush()
            rows += len(batch)
            errors += failed
            bar.update(len(batch))
    seconds = time.perf_counter() - started
    return Predicted(rows, errors, done.rows, seconds, (rows - done.rows) / max(seconds, 1e-9), None)


def _batches(items: Iterator[_Item], most: int) -> Iterator[list[_Item]]:
    batch: list[_Item] = []
    chars = 0
    for item in items:
        batch.append(item)
        chars += len(item.input)
        if len(batch) == most or chars > BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def _written(writer: Writer, batch: list[_Item]) -> tuple[bytes, int]:
    """Lines, and how many of them are errors: a prompt longer than the context is one."""
    found = iter(write_all(writer, [item.input for item in batch if item.error is None]))
    lines, failed = [], 0
    for item in batch:
        answer = next(found) if item.error is None else None
        error = answer.message if isinstance(answer, RequestError) else item.error
        line: dict[str, Any] = {"id": item.id}
        if error is not None or answer is None or isinstance(answer, RequestError):
            line["error"] = error
            failed += 1
        else:
            line["output" if writer.kind == "extract" else "text"] = answer_of(answer, writer.kind)
            line |= {"confidence": answer.confidence, "finish": answer.finish}
        lines.append(msgspec.json.encode(line))
    return b"\n".join(lines) + b"\n", failed


def _answers(specialist: Specialist, batch: list[_Item], with_probabilities: bool) -> tuple[bytes, int]:
    good = [item for item in batch if item.error is None]
    found = specialist.probabilities([item.input for item in good])
    given, confidence = decide(specialist, found) if good else (None, None)
    lines, at = [], 0
    for item in batch:
        line: dict[str, Any] = {"id": item.id}
        if item.error is not None:
            line["error"] = item.error
        else:
            assert given is not None and confidence is not None
            names = [specialist.labels[j] for j in np.flatnonzero(given[at])]
            line |= {"labels": names} if specialist.kind == "tag" else {"label": names[0]}
            line["confidence"] = float(confidence[at])
            if with_probabilities:
                line["probabilities"] = dict(zip(specialist.labels, found[at].tolist()))
            at += 1
        lines.append(msgspec.json.encode(line))
    return b"\n".join(lines) + b"\n", len(batch) - len(good)


def _item(row: Row | Fault, names: tuple[str, ...]) -> _Item:
    """A row as the model reads it; the text is rendered here so that an empty one is seen."""
    identity = f"row-{row.number}"
    if isinstance(row, Fault):
        return _Item(identity, "", f"row {row.number}: {row.message}")
    given = row.fields.get("id")
    if isinstance(given, str | int) and not isinstance(given, bool) and str(given).strip():
        identity = str(given)
    value = next((row.fields[name] for name in names if row.fields.get(name) is not None), None)
    if value is None:
        return _Item(identity, "", f"row {row.number}: no field {_either(names)}")
    try:
        text = render(_input(value))
    except msgspec.ValidationError as error:
        return _Item(identity, "", f"row {row.number}: not a text or chat messages: {error}")
    if not text or len(text) > MAX_CHARS:
        what = f"{len(text):,} characters; the limit is {MAX_CHARS:,}" if text else "the input is empty"
        return _Item(identity, "", f"row {row.number}: {what}")
    return _Item(identity, text)


class _Part(msgspec.Struct):
    text: str


class _Turn(msgspec.Struct):
    role: str
    content: str | list[_Part]


def _input(value: Any) -> Input:
    """A text, or chat messages without the answer that a fine-tuning file ends with."""
    if isinstance(value, str):
        return value
    turns = msgspec.convert(value, list[_Turn])
    if len(turns) > 1 and turns[-1].role == "assistant":
        turns = turns[:-1]
    return [
        {"role": t.role, "content": t.content if isinstance(t.content, str) else "".join(p.text for p in t.content)}
        for t in turns
    ]


def _survey(path: Path) -> tuple[str, int | None]:
    """(sha256, line ends); a compressed or columnar file's rows are not known beforehand."""
    hashed, lines = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                hashed.update(block)
                lines += block.count(b"\n")
    except FileNotFoundError:
        raise DataError(f"no data file '{path}'", "check the path") from None
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}", "check the path and its permissions") from None
    return hashed.hexdigest(), None if path.suffix.lower() in (".gz", ".parquet") else lines


def _about(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _resumed(part: Path, job: Job) -> IO[bytes]:
    """OUT.part, opened for going on. Raises: DataError when it belongs to another run."""
    about = _about(part)
    if part.exists() and about.exists():
        try:
            same = msgspec.json.decode(about.read_bytes(), type=Job) == job
        except msgspec.DecodeError:
            same = False
        if not same:
            raise DataError(
                f"'{part}' was begun with another input, specialist or option",
                f"delete it to begin again, or run with what it was begun with ({about.name})",
            )
        return part.open("r+b")
    part.unlink(missing_ok=True)
    write_atomic(about, msgspec.json.encode(job))
    return part.open("w+b")


def _whole_lines(stream: IO[bytes]) -> _Done:
    """Counts the whole lines, cuts off what follows the last, and stands at the end."""
    decode = msgspec.json.Decoder(_Line).decode
    rows, errors, end = 0, 0, 0
    for line in stream:
        if not line.endswith(b"\n"):
            break
        try:
            error = decode(line).error
        except (msgspec.DecodeError, UnicodeDecodeError):  # a machine that lost its power may leave anything
            break
        rows, errors, end = rows + 1, errors + (error is not None), end + len(line)
    stream.seek(end)
    stream.truncate()
    return _Done(rows, errors)
