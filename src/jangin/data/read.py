"""Data files -> rows, one at a time: JSONL, CSV, TSV (each also .gz) and Parquet; a bad row is a Fault, not the end."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import msgspec

from jangin.errors import DataError, MissingExtraError

FORMATS = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
MAX_ROW_BYTES = 8 << 20
FIX = "jangin check TASK names every such row; --fix DIR writes a copy without them"
_BOM = b"\xef\xbb\xbf"
Stream = BufferedReader | gzip.GzipFile
_UTF8_HINT = "save the file as UTF-8 (Korean files are often CP949)"


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row as it came; `number` counts data rows from 1."""

    number: int
    fields: dict[str, Any]


class Fault(msgspec.Struct, frozen=True):
    """Why a row cannot be used. `message` completes "FILE, row N: "."""

    number: int
    code: str
    message: str
    hint: str = FIX


def read_rows(path: Path) -> Iterator[Row | Fault]:
    """Stream a data file.

    Raises: DataError when the file as a whole cannot be read; MissingExtraError for Parquet without pyarrow.
    """
    name = path.name
    stem = name.lower().removesuffix(".gz")
    if not name.lower().endswith(FORMATS):
        raise DataError(f"{name}: unknown kind of file; expected one of {', '.join(FORMATS)}", "convert it to JSONL")
    try:
        if stem.endswith(".parquet"):
            yield from _parquet(path)
        else:
            with gzip.open(path) if name.lower().endswith(".gz") else path.open("rb") as stream:
                yield from _jsonl(stream, name) if stem.endswith(("jsonl", "ndjson")) else _csv(stream, name)
    except FileNotFoundError:
        raise DataError(f"no data file '{path}'", "paths in task.yaml count from its folder") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{name}: not a whole gzip file: {error}", "copy or compress the file again") from None
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}", "check the path and its permissions") from None


def _lines(stream: Stream, name: str) -> Iterator[bytes | None]:
    """Lines ended by newline only; `None` for one that is longer than any row may be."""
    first = True
    while line := stream.readline(MAX_ROW_BYTES):
        if first and line.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError(f"{name}: UTF-16 text; expected UTF-8", _UTF8_HINT)
        whole = line.endswith(b"\n") or len(line) < MAX_ROW_BYTES
        yield (line.removeprefix(_BOM) if first else line) if whole else None
        while not whole and (rest := stream.readline(MAX_ROW_BYTES)):
            whole = rest.endswith(b"\n")
        first = False


def _jsonl(stream: Stream, name: str) -> Iterator[Row | Fault]:
    decode = msgspec.json.Decoder().decode
    for number, line in enumerate(_lines(stream, name), start=1):
        if line is None:
            yield _too_long(number)
            continue
        try:
            value = decode(line.decode())
        except UnicodeDecodeError as error:
            yield Fault(number, "invalid_utf8", f"not valid UTF-8 at byte {error.start}", _UTF8_HINT)
        except RecursionError:
            yield Fault(number, "bad_json", "nested too deep")
        except msgspec.DecodeError as error:
            if line.strip():
                yield Fault(number, "bad_json", f"not valid JSON: {error}")
        else:
            if isinstance(value, dict):
                yield Row(number, value)
            else:
                yield Fault(number, "not_an_object", f"expected a JSON object, found {json_kind(value)}")


def _csv(stream: Stream, name: str) -> Iterator[Row | Fault]:
    lines = (_csv_text(line, name) for line in _lines(stream, name))
    head = next(lines, "")
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(_chain(head, lines), delimiter=delimiter, strict=True)
    header = _header(rows, name)
    number = 0
    while True:
        line = rows.line_num + 1
        try:
            values = next(rows, None)
        except csv.Error as error:
            number += 1
            yield _csv_fault(number, line, error)
            continue
        if values is None:
            return
        if values:
            number += 1
            yield _csv_row(number, line, header, values)


def _chain(head: str, lines: Iterator[str]) -> Iterator[str]:
    if head:
        yield head
        yield from lines


def _csv_text(line: bytes | None, name: str) -> str:
    if line is None:
        raise DataError(f"{name}: a line is longer than {MAX_ROW_BYTES:,} bytes", "look for a missing line end")
    return line.decode(errors="surrogateescape")  # undecodable bytes are found again in their row


def _header(rows: Iterator[list[str]], name: str) -> list[str]:
    try:
        header = [column.strip() for column in next(rows, [])]
    except csv.Error as error:
        raise DataError(f"{name}: the header line has wrong quoting: {error}", "quote it as the rows below") from None
    if not _is_utf8(header):
        raise DataError(f"{name}: the header is not valid UTF-8", _UTF8_HINT)
    for column, times in Counter(header).items():
        if times > 1:
            raise DataError(f"{name}: the header names column '{column}' {times} times", "name each column once")
    return header


def _csv_row(number: int, line: int, header: list[str], values: list[str]) -> Row | Fault:
    if len(values) != len(header):
        counts = f"{len(values)} columns where the header has {len(header)} (line {line})"
        return Fault(number, "wrong_columns", counts, 'put fields with a comma or a line end in "quotes"')
    if not _is_utf8(values):
        return Fault(number, "invalid_utf8", f"not valid UTF-8 (line {line})", _UTF8_HINT)
    return Row(number, dict(zip(header, values)))


def _is_utf8(values: list[str]) -> bool:
    try:
        "".join(values).encode()
    except UnicodeEncodeError:  # a surrogate that stands for an undecodable byte
        return False
    return True


def _csv_fault(number: int, line: int, error: csv.Error) -> Fault:
    hint = 'write a quote inside a quoted field twice (""), and close each quote'
    if "field limit" in str(error):
        limit = f"a field is longer than {csv.field_size_limit():,} characters, or a quote is never closed"
        return Fault(number, "bad_quoting", f"{limit} (from line {line})", hint)
    return Fault(number, "bad_quoting", f"wrong quoting from line {line}: {error}", hint)


def _parquet(path: Path) -> Iterator[Row | Fault]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("reading Parquet", "parquet") from None
    try:
        number = 0
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=8192):
                for fields in batch.to_pylist():
                    number += 1
                    yield Row(number, fields)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: not a readable Parquet file: {type(error).__name__}", "write it again") from None


def _too_long(number: int) -> Fault:
    return Fault(number, "too_long", f"longer than {MAX_ROW_BYTES:,} bytes", "shorten or split it, or drop the row")


def json_kind(value: Any) -> str:
    """How JSON calls a value's type, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    kinds = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)
