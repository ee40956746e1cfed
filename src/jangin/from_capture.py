"""`init --from-capture`: exchanges that a pass-through kept -> data.jsonl, task.yaml, and what was left out and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from jangin.data.text import MAX_CHARS
from jangin.egress.captured import Exchange, Torn, read
from jangin.errors import DataError
from jangin.files import write_atomic
from jangin.init import MAX_LABEL_CHARS, write_task
from jangin.prompt import render
from jangin.types import Input

DATA, REPORT = "data.jsonl", "capture-report.json"
MOST = 0.9  # of the answers must have a form before the rest are left out for not having it
LABEL_SHARE = 0.2  # different labels, of the answers, at most
REASONS = {
    "torn": "records that a killed server left half written",
    "refused": "the model refused, or a filter before it",
    "cut_off": "the answer was cut off at its limit of tokens",
    "no_answer": "no text in the answer, or none in the question",
    "too_long": f"more than {MAX_CHARS:,} characters",
    "other_form": "the answer has not the form of the others",
    "contradicts": "the same question has another answer more often, or later",
    "duplicate": "the same question with the same answer",
}


class Made(msgspec.Struct):
    """What was written. left_out: reason -> rows; merged: spellings of labels that were taken for others.

    instructions: different system messages; a specialist reads none, so more than one may be several tasks.
    """

    task: str
    data: str
    report: str
    kind: str
    why: str
    read: int
    rows: int
    left_out: dict[str, int]
    merged: dict[str, str]
    instructions: int


class _Row(msgspec.Struct):
    given: Input
    answer: str
    text: str


def from_capture(path: Path, out: Path) -> Made:
    """A file or a folder of one task's captured exchanges -> a task folder.

    Raises: DataError where there is nothing to learn from, or `out` holds a task already; StorageError.
    """
    for name in ("task.yaml", DATA, REPORT):
        if (out / name).exists():
            raise DataError(f"'{out / name}' is there already", "remove it, or name another folder with -o")
    left_out: Counter[str] = Counter()
    instructions, tasks = set[str](), set[str]()
    rows: list[_Row] = []
    total = 0
    for each in read(path):
        total += 1
        if isinstance(each, Torn):
            left_out["torn"] += 1
            continue
        tasks.add(each.task)
        instructions.add("\n".join(turn["content"] for turn in each.messages if turn["role"] in _INSTRUCTING))
        found = _row(each)
        if isinstance(found, str):
            left_out[found] += 1
        else:
            rows.append(found)
    if len(tasks) > 1:
        raise DataError(f"'{path}' holds exchanges of {len(tasks)} tasks: {', '.join(sorted(tasks)[:9])}", "name one")
    if not rows:
        raise DataError(f"'{path}': none of {total:,} captured exchanges can be learnt from", _told(left_out))
    kind, why = guess_kind([row.answer for row in rows])
    rows, merged = _formed(kind, rows, left_out)
    rows = _once(rows, left_out)
    lines = [{"input": row.given, "output": _output(kind, row.answer)} for row in rows]
    write_atomic(out / DATA, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    task = write_task(out / DATA, out, name=next(iter(tasks)), kind=(kind, why))
    made = Made(
        task=str(task),
        data=str(out / DATA),
        report=str(out / REPORT),
        kind=kind,
        why=why,
        read=total,
        rows=len(rows),
        left_out={reason: left_out[reason] for reason in REASONS if left_out[reason]},
        merged=merged,
        instructions=len(instructions),
    )
    write_atomic(out / REPORT, json.dumps(msgspec.to_builtins(made), indent=2, ensure_ascii=False) + "\n")
    return made


_INSTRUCTING = ("system", "developer")


def _told(left_out: Counter[str]) -> str:
    return "; ".join(f"{count:,}: {REASONS[reason]}" for reason, count in left_out.most_common()) or "it is empty"


def _row(exchange: Exchange) -> _Row | str:
    """The row, or the reason why it is none."""
    if exchange.refusal is not None or exchange.finish_reason == "content_filter":
        return "refused"
    if exchange.finish_reason == "length":
        return "cut_off"
    answer = (exchange.answer or "").strip()
    turns = [turn for turn in exchange.messages if turn["role"] not in _INSTRUCTING] or exchange.messages
    given: Input = turns[0]["content"] if len(turns) == 1 else turns
    text = render(given)
    if not answer or not text:
        return "no_answer"
    if max(len(text), len(answer)) > MAX_CHARS:
        return "too_long"
    return _Row(given, answer, text)


def guess_kind(answers: Sequence[str]) -> tuple[str, str]:
    """(kind, why): what nine in ten answers are. JSON objects: extract; JSON lists of texts: tag; few different short
    texts: classify; else generate."""
    parsed = [_json(answer) for answer in answers]
    count = len(answers)
    if sum(isinstance(each, dict) for each in parsed) >= MOST * count:
        return "extract", "answers are JSON objects"
    if sum(_is_labels(each) for each in parsed) >= MOST * count:
        return "tag", "answers are JSON lists of labels"
    labels = _labels(answers)
    covered = sum(labels.values())
    if 2 <= len(labels) <= max(2, LABEL_SHARE * count) and covered >= MOST * count:
        return "classify", f"{covered:,} of {count:,} answers are {len(labels)} different short texts"
    return "generate", "answers are free text"


def _labels(answers: Iterable[str]) -> Counter[str]:
    """Short answers that occur more than once, each in its most frequent spelling."""
    counted = Counter(answer for answer in answers if len(answer) <= MAX_LABEL_CHARS and "\n" not in answer)
    groups: dict[str, Counter[str]] = {}
    for answer, times in counted.items():
        groups.setdefault(_spelt(answer), Counter())[answer] = times
    return Counter({group.most_common(1)[0][0]: group.total() for group in groups.values() if group.total() > 1})


def _spelt(answer: str) -> str:
    """Models waver between 'Refund.', '"refund"' and 'refund'."""
    return answer.strip().strip("\"'`*").rstrip(".").strip().casefold()


def _formed(kind: str, rows: list[_Row], left_out: Counter[str]) -> tuple[list[_Row], dict[str, str]]:
    """The rows whose answers have the kind's form, labels in one spelling; and the spellings that were merged."""
    labels = {_spelt(label): label for label in _labels(row.answer for row in rows)} if kind == "classify" else {}
    kept, merged = [], dict[str, str]()
    for row in rows:
        if kind == "classify":
            label = labels.get(_spelt(row.answer))
            good = label is not None
            if label is not None and label != row.answer:
                merged[row.answer] = label
                row.answer = label
        elif kind == "extract":
            good = isinstance(_json(row.answer), dict)
        else:
            good = kind == "generate" or _is_labels(_json(row.answer))
        if good:
            kept.append(row)
        else:
            left_out["other_form"] += 1
    return kept, merged


def _once(rows: list[_Row], left_out: Counter[str]) -> list[_Row]:
    """One row for each question: its most frequent answer, of equally frequent ones the latest."""
    asked: dict[str, list[_Row]] = {}
    for row in rows:
        asked.setdefault(row.text, []).append(row)
    kept = []
    for same in asked.values():
        times = Counter(row.answer for row in same)
        most = max(times.values())
        best = next(row for row in reversed(same) if times[row.answer] == most)
        left_out["duplicate"] += most - 1
        left_out["contradicts"] += len(same) - most
        kept.append(best)
    return kept


def _output(kind: str, answer: str) -> Any:
    return _json(answer) if kind in ("extract", "tag") else answer


def _json(answer: str) -> Any:
    """What a JSON answer holds, also one inside a fence of Markdown; None for another."""
    text = answer.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text[3:-3].strip().removeprefix("json").strip()
    if text[:1] not in ("{", "["):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _is_labels(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and len(each) <= MAX_LABEL_CHARS for each in value)
