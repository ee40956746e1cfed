"""Small data files for the tests of task, data and init."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from jangin.errors import JanginError
from jangin.task import Task, load_task

TWO_FILES = "data: {train: train.jsonl, test: test.jsonl}"


def jsonl(path: Path, rows: Iterable[Any]) -> Path:
    """One JSON value a line; bytes and strings are written as they are."""
    raw = b"".join(
        (row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode()) + b"\n"
        for row in rows
    )
    path.write_bytes(gzip.compress(raw) if path.name.endswith(".gz") else raw)
    return path


def rows(count: int, labels: int = 2, start: int = 0) -> list[dict[str, str]]:
    """Rows whose texts share few pieces, so that they are no near-duplicates of each other."""
    words = ["apple", "river", "stone", "cloud", "tiger", "piano", "lemon", "forest", "candle", "window"]
    return [
        {
            "input": " ".join(
                [words[n % 10], str(n * 7919 % 104_729), words[n // 10 % 10], str(n * 104_651 % 15_485_863)]
            ),
            "output": f"label-{n % labels}",
        }
        for n in range(start, start + count)
    ]


def task_in(folder: Path, text: str = "", **files: Iterable[Any]) -> Task:
    """A task folder with `train` and `test` (twenty plain rows each where not given) and further lines of task.yaml."""
    given = {"train": rows(20), "test": rows(20, start=5_000), **files}
    for name, lines in given.items():
        jsonl(folder / f"{name}.jsonl", lines)
    names = ", ".join(f"{name}: {name}.jsonl" for name in given)
    kind = "" if "kind:" in text else "kind: classify\n"
    (folder / "task.yaml").write_text(f"name: tickets\n{kind}data: {{{names}}}\n{text}\n", encoding="utf-8")
    return load_task(folder)


def refused(error: pytest.ExceptionInfo[JanginError]) -> tuple[str, str | None]:
    return error.value.message, error.value.hint
