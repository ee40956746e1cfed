"""What a climb left behind, as a reader asks for it: mistakes with their texts, classes, two versions side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from jangin.bundle import Manifest, identity, read_manifest
from jangin.console.figures import task_of
from jangin.errors import JanginError
from jangin.page import number, small
from jangin.prompt import render
from jangin.report import Found
from jangin.types import Example

MOST_PAIRS, MOST_TEXTS, MOST_CHARS = 12, 3, 400


class Confused(msgspec.Struct):
    """One pair of labels with some of the validation rows where the second was given for the first."""

    truth: str
    answer: str
    times: int
    texts: list[str]


class OfClass(msgspec.Struct):
    label: str
    n: int
    right: int


def manifest_of(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except JanginError:
        return None


def _validation(found: Found) -> tuple[list[int], list[int], list[float]]:
    """(gold, answer, confidence) of the validation rows in the order of their ids; empty where they are not single
    labels."""
    kept = found.record.get("validation") or {}
    gold, answer, confidence = (kept.get(name) or [] for name in ("gold", "answer", "confidence"))
    labels = len(found.manifest.labels) if found.manifest else 0
    whole = all(isinstance(each, int) and each < labels for each in (*gold, *answer))
    if not gold or not whole or not len(gold) == len(answer) == len(confidence):
        return [], [], []
    return gold, answer, confidence


def validation_examples(found: Found) -> list[Example]:
    """The rows of validation in the order of their ids; empty where the task is not here, or is no longer the one that
    this specialist learnt."""
    from jangin.data.load import load_splits

    task = task_of(found.folder)
    if task is None or found.manifest is None or task.hash != found.manifest.task.get("hash"):
        return []
    try:
        return sorted(load_splits(task).validation, key=lambda example: example.id)
    except JanginError:
        return []


def validation_rows(found: Found) -> list[dict[str, Any]]:
    """Of single labels, as the climb judged them: {"input", "truth", "answer", "confidence"}; empty as
    `validation_examples`."""
    gold, answer, confidence = _validation(found)
    rows = validation_examples(found) if gold else []
    if found.manifest is None or len(rows) != len(gold):
        return []
    labels = found.manifest.labels
    return [
        {"input": render(row.input), "truth": labels[g] if g >= 0 else None, "answer": labels[a], "confidence": c}
        for row, g, a, c in zip(rows, gold, answer, confidence)
    ]


def confused(found: Found) -> list[Confused]:
    """The commonest confusions on validation, with texts."""
    rows = [row for row in validation_rows(found) if row["truth"] is not None and row["truth"] != row["answer"]]
    counted = Counter((row["truth"], row["answer"]) for row in rows)
    pairs = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:MOST_PAIRS]
    return [
        Confused(
            truth,
            answer,
            times,
            [_clip(row["input"]) for row in rows if (row["truth"], row["answer"]) == (truth, answer)][:MOST_TEXTS],
        )
        for (truth, answer), times in pairs
    ]


def classes(found: Found) -> list[OfClass]:
    """Share right of each class on validation, the weakest first."""
    gold, answer, _ = _validation(found)
    if not gold or found.manifest is None:
        return []
    n, right = Counter(gold), Counter(g for g, a in zip(gold, answer) if g == a)
    rows = [OfClass(label, n[at], right[at]) for at, label in enumerate(found.manifest.labels) if n[at]]
    return sorted(rows, key=lambda each: (each.right / each.n, each.label))


def compared(say: Callable[..., str], ours: Found, other: Found) -> list[tuple[str, str, str]]:
    """(what, this one, the other)."""
    facts: list[tuple[str, Callable[[Found], str]]] = [
        ("Identity", lambda f: identity(f.manifest)[:12] if f.manifest else "–"),
        ("Rung", lambda f: f.manifest.rung if f.manifest else "–"),
        ("Base", lambda f: (f.manifest.base if f.manifest else None) or "–"),
        ("Weights", lambda f: f"{f.manifest.params:,}" if f.manifest else "–"),
        ("Score on validation", lambda f: number((f.record.get("validation") or {}).get("score"))),
        ("Score on the sealed test", lambda f: number(f.certificate.result["score"]) if f.certificate else "–"),
        (
            "Verdict",
            lambda f: say(f.certificate.result["verdict"] or "no bar") if f.certificate else say("not certified"),
        ),
        ("Cost of 1,000 requests", _cost),
        ("Seconds of training", lambda f: number(f.record.get("seconds"), 1)),
        ("Seed", lambda f: str(f.record.get("seed", "–"))),
        ("Folder", lambda f: str(f.folder)),
    ]
    return [(say(name), show(ours), show(other)) for name, show in facts]


def _cost(found: Found) -> str:
    if found.certificate:
        return f"${small(found.certificate.cost.own.value)}"
    rung = found.rungs[found.chosen] if found.chosen is not None else None
    return f"${small(rung.cost_per_1k_usd)}" if rung and rung.cost_per_1k_usd is not None else "–"


def both(ours: Found, other: Found) -> dict[str, int] | None:
    """On validation rows that both were judged on: how many both have right, one alone, none. None: other rows."""
    (gold, mine, _), (gold_other, theirs, _) = _validation(ours), _validation(other)
    hashes = [(f.manifest.lineage.get("data") or {}).get("validation") if f.manifest else None for f in (ours, other)]
    if not gold or gold != gold_other or hashes[0] is None or hashes[0] != hashes[1]:
        return None
    found = Counter((g == a, g == b) for g, a, b in zip(gold, mine, theirs))
    names = {"both right": (True, True), "only this one": (True, False), "only the other": (False, True)}
    return {name: found[pair] for name, pair in {**names, "both wrong": (False, False)}.items()}


def _clip(text: str) -> str:
    return text if len(text) <= MOST_CHARS else text[: MOST_CHARS - 1] + "…"
