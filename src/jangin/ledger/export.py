"""Rows of the ledger as CSV or Parquet, oldest first, from one snapshot; the file appears whole or not at all."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from jangin.errors import InputError, MissingExtraError
from jangin.files import storage_error
from jangin.ledger.row import COLUMNS, spell

BATCH = 50_000
_AT = COLUMNS.index("at")
_REAL = ("confidence", "cost_usd", "energy_wh", "reference_cost_usd")
_WHOLE = ("status", "prompt_tokens", "completion_tokens", "duration_us", "ttft_us", "egress_bytes")


def write(path: Path, rows: Iterator[tuple[Any, ...]], texts: bool) -> int:
    """Writes rows (tuples of COLUMNS, with `texts` also input and output as UTF-8 bytes or None); returns how many.

    Raises: InputError for another ending than .csv or .parquet; MissingExtraError without pyarrow; StorageError.
    """
    ending = path.suffix.lower()
    writers = {".csv": _csv, ".parquet": _parquet}
    if ending not in writers:
        raise InputError(f"'{path.name}' ends in '{ending}'; expected .csv or .parquet", "name it rows.parquet, say")
    columns = [*COLUMNS, *(("input", "output") if texts else ())]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        count = writers[ending](temporary, columns, rows)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return count


def _readable(row: tuple[Any, ...]) -> list[Any]:
    return [each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in row]


def _csv(path: Path, columns: list[str], rows: Iterator[tuple[Any, ...]]) -> int:
    count = 0
    with open(_private(path), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            cells = _readable(row)
            cells[_AT] = spell(cells[_AT])
            writer.writerow(cells)
            count += 1
    return count


def _parquet(path: Path, columns: list[str], rows: Iterator[tuple[Any, ...]]) -> int:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("exporting Parquet", "parquet") from None

    def kind(name: str) -> Any:
        if name == "at":
            return pyarrow.timestamp("us", tz="UTC")
        return pyarrow.float64() if name in _REAL else pyarrow.int64() if name in _WHOLE else pyarrow.string()

    schema = pyarrow.schema([(name, kind(name)) for name in columns])
    count = 0
    with parquet.ParquetWriter(_private(path), schema, compression="zstd") as writer:
        while batch := list(islice(rows, BATCH)):
            cells = zip(*map(_readable, batch))
            arrays = [pyarrow.array(values, field.type) for values, field in zip(cells, schema)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            count += len(batch)
    return count


def _private(path: Path) -> Path:
    """An empty file that only its owner may read: an export may hold stored texts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
    return path
