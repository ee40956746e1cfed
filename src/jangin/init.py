"""`init`: looks at a data file and writes a commented task.yaml; it asks nothing and says what it guessed and why."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from jangin.data.read import FORMATS, Row, read_rows
from jangin.errors import DataError
from jangin.files import write_atomic
from jangin.task import LABELLED, METRICS

LOOKED_AT = 2_000  # rows
INPUT_NAMES = ("input", "text", "message", "query", "question", "prompt", "utterance", "sentence", "content", "body")
OUTPUT_NAMES = ("output", "label", "labels", "intent", "category", "class", "target", "answer", "tags", "completion")
SIBLINGS = {"test": ("test",), "validation": ("validation", "valid", "val", "dev"), "calibration": ("calibration",)}
MAX_LABEL_CHARS = 100


class Guess(msgspec.Struct):
    """What the task file will say; each `why` becomes a comment."""

    kind: str
    kind_why: str
    files: dict[str, str]
    fields: dict[str, str]
    fields_why: str
    unit: str | None


def write_task(
    data_path: Path | str, out_dir: Path | str, *, name: str | None = None, kind: tuple[str, str] | None = None
) -> Path:
    """Write `task.yaml` into `out_dir` (made if missing) for a data file. Returns its path.

    name: None for one made from the file's. kind: (kind, why) where that is known better than by a look.

    Raises: DataError when the file cannot be read, holds no answers, or a task file is there already; StorageError.
    """
    data, out = Path(data_path), Path(out_dir)
    target = out / "task.yaml"
    if target.exists():
        raise DataError(f"'{target}' is there already", "remove it, or name another folder with -o")
    rows = [row.fields for row in itertools.islice(read_rows(data), LOOKED_AT) if isinstance(row, Row)]
    if not rows:
        raise DataError(f"{data.name}: no readable rows", "give at least one example for each label")
    guess = _guess(data, rows, out)
    if kind is not None:
        guess.kind, guess.kind_why = kind
    write_atomic(target, _task_text(name or _name(data), guess, len(rows)))
    return target


def _guess(data: Path, rows: list[dict[str, Any]], out: Path) -> Guess:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    files = {
        name: Path(os.path.relpath(path.resolve(), out.resolve())).as_posix() for name, path in _files(data).items()
    }
    if "messages" in columns and not set(columns) & set(INPUT_NAMES):
        answers = [_last_content(row.get("messages")) for row in rows]
        kind, why = _kind(answers)
        because = "OpenAI's chat format: the last assistant message of `messages` is the answer"
        return Guess(kind, why, files, {}, because, None)
    given, asked = _input_column(columns, rows)
    output, answered = _output_column([column for column in columns if column != given], rows, data.name)
    kind, why = _kind([row.get(output) for row in rows])
    fields = {} if (given, output) == ("input", "output") else {"input": given, "output": output}
    unit = "id" if _repeats([row.get("id") for row in rows]) and "id" not in (given, output) else None
    return Guess(kind, why, files, fields, f"{asked}; {answered}", unit)


def _files(data: Path) -> dict[str, Path]:
    """The file alone, or train with the splits that stand beside it under the usual names."""
    name = data.name
    suffix = next((suffix for suffix in sorted(FORMATS, key=len, reverse=True) if name.lower().endswith(suffix)), "")
    if name[: len(name) - len(suffix)].lower() != "train":
        return {"file": data}
    beside = {
        split: path
        for split, names in SIBLINGS.items()
        for word in reversed(names)
        if (path := data.with_name(word + name[len(name) - len(suffix) :])).is_file()
    }
    return {"train": data, **beside} if "test" in beside else {"file": data}


def _input_column(columns: list[str], rows: list[dict[str, Any]]) -> tuple[str, str]:
    by_name = {column.lower(): column for column in reversed(columns)}
    for name in INPUT_NAMES:
        if name in by_name:
            return by_name[name], f"column {_quoted(by_name[name])} is the input by its name"
    longest = max(columns, key=lambda column: sum(len(row[column]) for row in rows if isinstance(row.get(column), str)))
    return longest, f"column {_quoted(longest)} is the input because its texts are the longest"


def _output_column(columns: list[str], rows: list[dict[str, Any]], file: str) -> tuple[str, str]:
    by_name = {column.lower(): column for column in reversed(columns)}
    for name in OUTPUT_NAMES:
        if name in by_name:
            return by_name[name], f"column {_quoted(by_name[name])} is the answer by its name"
    distinct = {column: len({str(row.get(column)) for row in rows}) for column in columns}
    repeated = [column for column in columns if 1 < distinct[column] <= max(2, len(rows) // 2)]
    if not repeated:
        known = ", ".join(columns) or "none"
        raise DataError(f"{file}: no column for the answer (other columns: {known})", "name it 'output' or 'label'")
    fewest = min(repeated, key=distinct.__getitem__)
    why = f"column {_quoted(fewest)} is the answer because it has the fewest different values, {distinct[fewest]}"
    return fewest, why


def _kind(answers: Sequence[Any]) -> tuple[str, str]:
    """(kind, why)."""
    answers = [_parsed(answer) for answer in answers if answer is not None]
    objects = [answer for answer in answers if isinstance(answer, dict)]
    if any(isinstance(answer, list) for answer in answers):
        return "tag", "answers are lists of labels"
    if objects:
        marks = [mark for answer in objects for mark in answer.values()]
        if all(mark is None or (not isinstance(mark, str | list | dict) and mark in (0, 1)) for mark in marks):
            return "tag", "answers say 0 or 1 for each label"
        return "extract", "answers are JSON objects"
    texts = [str(answer) for answer in answers]
    distinct = len(set(texts))
    pieces = [piece.strip() for text in texts for piece in text.split(",")]
    often = sum("," in text for text in texts) >= 0.05 * len(texts)
    if often and len(set(pieces)) < distinct and max(map(len, pieces)) <= MAX_LABEL_CHARS:
        return "tag", f"answers combine {len(set(pieces))} labels, separated by commas"
    short = max(map(len, texts), default=0) <= MAX_LABEL_CHARS
    if short and (distinct <= max(2, len(texts) // 2) or all(len(text.split()) <= 3 for text in texts)):
        return "classify", f"answers are {distinct} different short texts"
    return "generate", "answers are free text"


def _parsed(answer: Any) -> Any:
    if isinstance(answer, str) and answer.lstrip()[:1] in ("{", "["):
        try:
            return msgspec.json.decode(answer)
        except (msgspec.DecodeError, RecursionError):
            return answer
    return answer


def _last_content(messages: Any) -> Any:
    last = messages[-1] if isinstance(messages, list) and messages else None
    return last.get("content") if isinstance(last, dict) else None


def _repeats(values: list[Any]) -> bool:
    known = [str(value) for value in values if value is not None]
    return len(set(known)) < len(known)


def _name(data: Path) -> str:
    stem = data.name.split(".")[0]
    if stem.lower() in ("train", "data", "dataset", "examples"):
        stem = data.resolve().parent.name
    return re.sub(r"[^\w.\-]+", "-", stem).strip("-.")[:64] or "task"


def _task_text(name: str, guess: Guess, count: int) -> str:
    """YAML with comments; strings are written as JSON, which YAML reads the same."""
    lines = [
        f"# Written by `jangin init` after a look at {count:,} rows. Guesses are marked: mend what is wrong.",
        f"name: {json.dumps(name, ensure_ascii=False)}",
        "# description: What the task is, in one sentence.",
        f"kind: {guess.kind}  # guess: {guess.kind_why}",
    ]
    if "file" in guess.files:
        lines.append(f"data: {_quoted(guess.files['file'])}  # a fifth becomes the test, drawn with the seed below")
    else:
        lines.append("data:  # guess: files beside each other, by their names")
        lines += [f"  {split}: {_quoted(path)}" for split, path in guess.files.items()]
    lines.append(f"# guess: {guess.fields_why}")
    if guess.fields:
        lines.append(f"fields: {{{', '.join(f'{key}: {_quoted(column)}' for key, column in guess.fields.items())}}}")
    if guess.unit:
        lines.append(f"unit: {guess.unit}  # guess: the column repeats, so it names what rows belong together")
    labels = ["labels: auto  # those of train; or a list"] if guess.kind in LABELLED else []
    labels += ["schema: auto  # what the answers of train have; or a JSON schema"] if guess.kind == "extract" else []
    others = [metric for metric in METRICS[guess.kind] if metric != METRICS[guess.kind][0]]
    lines += [
        *labels,
        f"metric: {METRICS[guess.kind][0]}" + (f"  # or {', '.join(others)}" if others else ""),
        "# bar:  # what the model must reach before it may replace another",
        "#   at_least: 0.90",
        "#   reference: gpt-4/banking77-rag20  # a published score, or the path of recorded answers",
        "#   margin: 0.02",
        "#   confidence: 0.95",
        "policy: {egress: deny, unsure: abstain}",
        "seed: 0",
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
