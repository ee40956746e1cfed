"""Small tasks with real sentences for the tests of the climb: enough rows to learn from, a sealed test, ids on each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

WAYS = {
    "card_lost": [
        "I lost my {a} card {b}",
        "my {a} card was stolen {b}",
        "block the {a} card, it is gone since {b}",
        "cannot find the {a} card after {b}",
        "somebody took my {a} card {b}",
    ],
    "refund": [
        "I want my money back for the {a} order from {b}",
        "please refund the {a} purchase of {b}",
        "the {a} thing was broken, give me a refund, bought {b}",
        "return the {a} payment made {b}",
        "when does the {a} refund arrive, promised {b}",
    ],
    "opening_hours": [
        "when does the {a} branch open {b}",
        "is the {a} shop open {b}",
        "opening hours of the {a} office {b}",
        "until what time is the {a} counter open {b}",
        "is the {a} desk closed {b}",
    ],
}
FIRST = ["blue", "main", "old", "second", "gold", "small", "city", "joint", "green", "north", "travel", "family"]
SECOND = ["yesterday", "on Sunday", "this morning", "last week", "in May", "at noon", "today", "on Monday", "tonight"]


def messages(count: int, seed: int, hard: float = 0.05) -> list[dict[str, str]]:
    """Messages of known intent; a `hard` share of them is worded like another intent, so that no model is perfect."""
    rng, labels = np.random.default_rng(seed), sorted(WAYS)
    rows = []
    for number in range(count):
        label = labels[number % len(labels)]
        shown = labels[rng.integers(len(labels))] if rng.random() < hard else label
        way = WAYS[shown][rng.integers(len(WAYS[shown]))]
        text = way.format(a=rng.choice(FIRST), b=rng.choice(SECOND))
        rows.append({"id": f"m{seed}-{number:04d}", "input": f"{text} (case {seed}{number:04d})", "output": label})
    return rows


def classify_task(
    folder: Path, *, bar: str | None = "{at_least: 0.6}", rows: int = 180, extra: str = "", hard: float = 0.05
) -> Path:
    """A task folder named `desk`, its labels the three intents."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "train.jsonl", messages(rows, 1, hard))
    write(folder / "test.jsonl", messages(90, 2, hard))
    return _task(folder, "classify", (f"bar: {bar}\n" if bar else "") + extra)


def tag_task(folder: Path) -> Path:
    """The same messages, up to two joined, with a yes or no for each intent; some cells unknown."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed, count in (("train", 3, 240), ("test", 5, 60)):
        one, other = messages(count, seed, 0.0), messages(count, seed + 1, 0.0)
        np.random.default_rng(seed).shuffle(other)
        rows = []
        for number, (a, b) in enumerate(zip(one, other)):
            said = {a["output"], b["output"]} if number % 2 else {a["output"]}
            output: dict[str, bool | None] = {label: label in said for label in sorted(WAYS)}
            if number % 7 == 0:
                output["refund"] = None
            text = f"{a['input']}; {b['input']}" if number % 2 else a["input"]
            rows.append({"id": a["id"], "input": text, "output": output})
        write(folder / f"{name}.jsonl", rows)
    return _task(folder, "tag", "bar: {at_least: 0.6}\n")


def write(path: Path, rows: list) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def _task(folder: Path, kind: str, more: str) -> Path:
    data = "data: {train: train.jsonl, test: test.jsonl}\n"
    (folder / "task.yaml").write_text(f"name: desk\nkind: {kind}\nlanguages: [en]\n{data}{more}", "utf-8")
    return folder
