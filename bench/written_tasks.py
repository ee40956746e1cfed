"""The public data sets whose answers are written, as tasks: extraction, SQL, Korean rewriting. Used by quality.py.

A decoder learns at most about a million tokens an hour on two cores, so train is a seeded sample where it is larger;
`rows` says its size. Everything is judged on validation; the sealed test is the whole one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
SEED = 0


def read(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        yield from map(json.loads, rows)


def write(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def sampled(rows: list[Row], size: int | None) -> list[Row]:
    if size is None or size >= len(rows):
        return rows
    return [rows[at] for at in sorted(random.Random(SEED).sample(range(len(rows)), size))]


def made(source: Path, folder: Path, change: Callable[[Row, str], Row], size: int | None, *splits: str) -> Row:
    """Writes each split, changed row by row, into `folder`; train is sampled. Returns the task's `data`."""
    for split in splits:
        rows = [change(row, split) for row in read(source / f"{split}.jsonl.gz")]
        write(folder / f"{split}.jsonl", sampled(rows, size) if split == "train" else rows)
    return {split: f"{split}.jsonl" for split in splits}


def oa_mine(recorded: Path, folder: Path) -> Row:
    """Product titles to attributes. The category's list of attributes, which GPT-4's prompt repeated each time, is left
    out of the input: it follows from the category and is learnt."""
    source = recorded / "oa_mine"

    def change(row: Row, split: str) -> Row:
        text = f"{row['category']}: {row['title']}"
        return {"id": row["id"], "input": text, "output": json.loads(row["output"]), "gold": row["gold"]}

    header = {
        "model": "gpt-4-0613",
        "setting": "3 prompts with shuffled attributes, schema, example values and 10 nearest examples each; majority",
        "source": "wbsg-uni-mannheim/ExtractGPT, recorded runs of 2024-05",
        "score": 0.8343,
        "test": "OA-Mine",
    }
    write(folder / "gpt-4.jsonl", [header, *read(source / "reference.gpt-4.jsonl.gz")])
    return {
        "kind": "extract",
        "description": "Find the attributes of a product in its category and title.",
        "data": made(source, folder, change, None, "train", "validation", "test"),
        "fields": {"gold": "gold"},
        "bar": {"reference": "gpt-4.jsonl", "margin": 0.02},
        "languages": ["en"],
    }


def wikisql(data: Path, folder: Path, rows: int = 2_000) -> Row:
    """One-table questions to SQL, scored by running it."""
    source = data / "wikisql_tabfact_exec"

    def change(row: Row, split: str) -> Row:
        return {"input": row["input"], "output": row["output"], "db": split}

    return {
        "kind": "generate",
        "description": "Write one SQLite query that answers the question about the table.",
        "metric": "execution",
        "execution": {"database": str(source), "column": "db"},
        "data": made(source, folder, change, rows, "train", "validation", "test"),
        "languages": ["en"],
    }


SQL_ONLY = "Answer with the query alone."


def spider(recorded: Path, folder: Path, rows: int = 3_000) -> Row:
    """Questions over whole schemas of databases never seen in train; no databases here, so exact set match only.

    GPT-4's answers are those of the strongest recorded setting. Questions with one gold query are paraphrases of one
    another: the query is the unit, so that limits do not count them as independent.
    """
    source = recorded / "spider_dev"

    def change(row: Row, split: str) -> Row:
        unit = f"{row['db_id']} {hashlib.sha256(row['output'].encode()).hexdigest()[:12]}"
        return {"id": row["id"], "input": row["input"], "output": row["output"], "query": unit}

    answers = [{"id": row["id"], "output": row["output"]} for row in read(source / "reference.gpt-4.jsonl.gz")]
    header = {
        "model": "gpt-4",
        "setting": "few examples chosen by question and query (DAIL-SQL), greedy; alias, snapshot not recorded",
        "source": "BeachWang/DAIL-SQL, recorded runs of 2023",
        "date": "2023",
        "score": 0.7002,
        "test": "Spider dev",
    }
    write(folder / "gpt-4.jsonl", [header, *answers])
    return {
        "kind": "generate",
        "description": f"Write one SQLite query that answers the question about the database. {SQL_ONLY}",
        "metric": "sql_match",
        "data": made(source, folder, change, rows, "train", "validation", "test"),
        "unit": "query",
        "bar": {"reference": "gpt-4.jsonl", "margin": 0.02},
        "languages": ["en"],
    }


def defog(data: Path, folder: Path) -> Row:
    """Questions about eleven databases, scored by running them; a test only: for a base as it is, with `eval`."""
    source = data / "defog_sql_eval"

    def change(row: Row, split: str) -> Row:
        kept = {"input": row["input"], "output": row["output"], "db": row["db"]}
        return {**kept, "accepted": row["alternatives"]}

    return {
        "kind": "generate",
        "description": f"Write one SQLite query that answers the question about the database. {SQL_ONLY}",
        "metric": "execution",
        "execution": {"database": str(source), "column": "db", "frozen_time": "2024-06-14 12:00:00"},
        "fields": {"gold": "accepted"},
        "data": made(source, folder, change, None, "test")["test"],
        "languages": ["en"],
    }


def snips(data: Path, folder: Path, rows: int = 3_000) -> Row:
    """Intent and slots of a spoken request as one object."""

    def change(row: Row, split: str) -> Row:
        return {"input": row["input"], "output": json.loads(row["output"])}

    return {
        "kind": "extract",
        "description": "Name the intent of a request to an assistant and its slots.",
        "data": made(data / "snips_nlu", folder, change, rows, "train", "test"),
        "languages": ["en"],
    }


def sae4k(data: Path, folder: Path, rows: int = 2_000) -> Row:
    """A colloquial Korean question or command, to the phrase that says what is asked."""

    def change(row: Row, split: str) -> Row:
        return {"input": row["input"], "output": row["output"]}

    return {
        "kind": "generate",
        "description": "질문이나 부탁에서 무엇을 묻거나 바라는지를 짧은 구로 쓰세요.",
        "metric": "chrf",
        "data": made(data / "ko_sae4k_argument", folder, change, rows, "train", "validation", "test"),
        "languages": ["ko"],
    }
