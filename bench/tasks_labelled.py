"""The public data sets whose answers are labels, as tasks. Used by claims.py.

Each function takes the folder of data sets and the task's own folder, and gives the task file's content without its
name. What a data set's README warns of is dealt with here: which rows are one unit, which split is whose, what must not
be read.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Make = Callable[[Path, Path], dict[str, Any]]
MODERATION = ["sexual", "hate", "violence", "harassment", "self-harm", "sexual/minors", "hate/threatening"]
MODERATION.append("violence/graphic")


def files(folder: Path, *splits: str) -> dict[str, str]:
    return {split: str(folder / f"{split}.jsonl.gz") for split in splits}


def plain(
    name: str, bar: Row, metric: str = "accuracy", splits: tuple[str, ...] = ("train", "validation", "test")
) -> Make:
    """Splits and fields as they come."""

    def task(data: Path, folder: Path) -> Row:
        return {"kind": "classify", "data": files(data / name, *splits), "metric": metric, "bar": bar}

    return task


def banking(bar: Row) -> Make:
    return lambda data, folder: {"kind": "classify", "data": files(data / "banking77", "train", "test"), "bar": bar}


def clinc(data: Path, folder: Path) -> Row:
    """The metric is over all 5,500 messages, a thousand of them out of scope; both parts are reported apart, as the
    README asks."""
    named = files(data / "clinc150", "train", "validation", "test")
    return {"kind": "classify", "data": named, "out_of_scope": "oos", "bar": {"at_least": 0.882}}


def sentfin(data: Path, folder: Path) -> Row:
    """One headline may name several entities: the headline is the unit, and no split or limit divides it."""
    named = files(data / "sentfin", "train", "validation", "test")
    return {"kind": "classify", "data": named, "unit": "id", "bar": {"at_least": 0.788}}


def beep(data: Path, folder: Path) -> Row:
    """The official dev set is the test: the official test's labels are not public."""
    source = data / "beep_korean_hate"
    named = {"train": str(source / "train.jsonl.gz"), "test": str(source / "validation.jsonl.gz")}
    return {"kind": "classify", "data": named, "metric": "macro_f1", "bar": {"at_least": 0.567}}


def medquad(data: Path, folder: Path) -> Row:
    """The kind of question, out of its words alone. No disease is in two splits. Several questions ask about one
    disease, but what kind they are of follows from their template, so the limits take them as independent; with
    diseases as units no limit could be given where fewer than 20 of them hold a mistake."""
    return {
        "kind": "classify",
        "data": files(data / "medquad", "train", "validation", "test"),
        "fields": {"output": "qtype"},
        "bar": {"at_least": 0.95},
    }


def pubmedqa(data: Path, folder: Path) -> Row:
    """The setting in which the answer must be reasoned: abstract and question, never the authors' conclusion."""
    named = files(data / "pubmedqa", "train", "validation", "test")
    return {"kind": "classify", "data": named, "bar": {"reference": "gpt-4/pubmedqa", "margin": 0.02}}


def moderation(data: Path, folder: Path) -> Row:
    """Trained on tweets (davidson_hate_offensive): hate speech is `hate`, offensive language is `harassment`; the
    other categories are unknown there, so they are never given, and their test rows are lost. Messages to assistants
    (clinc150) and medical texts (medquad) are added to train as rows with no category: tweets alone are four fifths
    offensive."""

    def tweet(row: Row) -> Row:
        hate = row["output"] == "hate_speech"
        known = {"hate": hate}
        if not hate:
            known["harassment"] = row["output"] == "offensive_language"
        return {"input": row["input"], "output": known}

    def sample(row: Row) -> Row:
        return {"input": row["input"], "output": {label: bool(value) for label, value in row["labels"].items()}}

    source = data / "davidson_hate_offensive"
    convert(source / "train.jsonl.gz", folder / "train.jsonl", tweet)
    convert(source / "validation.jsonl.gz", folder / "validation.jsonl", tweet)
    convert(data / "openai_moderation" / "test.jsonl.gz", folder / "test.jsonl", sample)
    harmless = dict.fromkeys(MODERATION, False)
    with (folder / "train.jsonl").open("a", encoding="utf-8") as out:
        for name in ("clinc150", "medquad"):
            with gzip.open(data / name / "train.jsonl.gz", "rt", encoding="utf-8") as rows:
                for row in rows:
                    made = {"input": json.loads(row)["input"], "output": harmless}
                    out.write(json.dumps(made, ensure_ascii=False) + "\n")
    named = {name: f"{name}.jsonl" for name in ("train", "validation", "test")}
    bar = {"reference": "gpt-4/openai-moderation", "margin": 0.02}
    return {"kind": "tag", "data": named, "labels": MODERATION, "metric": "flagged_f1", "bar": bar}


def convert(source: Path, target: Path, change: Callable[[Row], Row]) -> None:
    with gzip.open(source, "rt", encoding="utf-8") as rows, target.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(change(json.loads(row)), ensure_ascii=False) + "\n" for row in rows)
