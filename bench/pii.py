"""Precision and recall of the detector of personal data on a labelled file, for each entity and language.

A gold span counts as found when predicted spans of the same entity cover all of it; a predicted span counts as right
when it overlaps a gold span of the same entity. Lines: {"text", "language", "spans": [{"start", "end", "entity"}]}.
Run: python bench/pii.py FILE [--verbose] [--no-presidio] [--json]
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from pathlib import Path

from statsmodels.stats.proportion import proportion_confint

from jangin.pii import ENTITIES, Detector


def covered(start: int, end: int, spans: list[tuple[int, int]]) -> bool:
    """Whether the union of the spans holds every character."""
    for a, b in sorted(spans):
        if a > start:
            return False
        start = max(start, b)
        if start >= end:
            return True
    return start >= end


def score(row: dict, found: list[tuple[int, int, str]]) -> tuple[list[dict], list[tuple[int, int, str]]]:
    """(gold spans that were missed, predicted spans that are wrong)."""
    missed = [
        gold
        for gold in row["spans"]
        if not covered(gold["start"], gold["end"], [(a, b) for a, b, entity in found if entity == gold["entity"]])
    ]
    wrong = [
        (a, b, entity)
        for a, b, entity in found
        if not any(gold["entity"] == entity and a < gold["end"] and gold["start"] < b for gold in row["spans"])
    ]
    return missed, wrong


def checked(line: str, number: int) -> dict:
    row = json.loads(line)
    for span in row["spans"]:
        if not 0 <= span["start"] < span["end"] <= len(row["text"]):
            raise SystemExit(f"line {number}: span {span['start']}..{span['end']} lies outside the text")
        if span["entity"] not in ENTITIES:
            raise SystemExit(f"line {number}: unknown entity {span['entity']!r}; known: {', '.join(ENTITIES)}")
    return row


def share(part: int, whole: int) -> dict:
    """A share with its 95 % Wilson limits; None for nothing of nothing."""
    if not whole:
        return {"share": None, "of": 0}
    lower, upper = proportion_confint(part, whole, alpha=0.05, method="wilson")
    return {"share": round(part / whole, 4), "lower": round(lower, 4), "upper": round(upper, 4), "of": whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--verbose", action="store_true", help="list what was missed and what was wrong")
    parser.add_argument("--no-presidio", action="store_true", help="without Presidio's recognisers")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    detector = Detector(presidio=not arguments.no_presidio)
    content = arguments.file.read_bytes()
    gold, found, missed, wrong = Counter(), Counter(), Counter(), Counter()
    misses: list[str] = []
    rows = [checked(line, number) for number, line in enumerate(content.decode().splitlines(), 1) if line.strip()]
    for number, row in enumerate(rows, 1):
        spans = [(span.start, span.end, span.entity) for span in detector.find(row["text"])]
        lost, extra = score(row, spans)
        for language in (row["language"], "all"):
            for names, counter in (
                ([span["entity"] for span in row["spans"]], gold),
                ([entity for _, _, entity in spans], found),
                ([span["entity"] for span in lost], missed),
                ([entity for _, _, entity in extra], wrong),
            ):
                for name in names:
                    counter[language, name] += 1
                    if name != "PERSON":
                        counter[language, "(all but PERSON)"] += 1
        text = row["text"]
        misses += [f"{number} missed {s['entity']}: {text[s['start'] : s['end']]!r} in {text!r}" for s in lost]
        misses += [f"{number} wrong {entity}: {text[a:b]!r} in {text!r}" for a, b, entity in extra]
    report = {
        "file_sha256": hashlib.sha256(content).hexdigest(),
        "presidio": not arguments.no_presidio,
        "rows": {
            language: sum(row["language"] == language for row in rows)
            for language in sorted({row["language"] for row in rows})
        },
        "entities": {},
    }
    for language in ("all", *report["rows"]):
        for entity in (*ENTITIES, "(all but PERSON)"):
            key = (language, entity)
            if gold[key] or found[key]:
                report["entities"].setdefault(language, {})[entity] = {
                    "recall": share(gold[key] - missed[key], gold[key]),
                    "precision": share(found[key] - wrong[key], found[key]),
                    "missed": missed[key],
                    "wrong": wrong[key],
                }
    if arguments.json:
        print(json.dumps(report, ensure_ascii=False))
        return
    presidio = "on" if report["presidio"] else "off"
    print(f"{len(rows)} rows {report['rows']}, sha256 {report['file_sha256'][:16]}, Presidio {presidio}")
    for language, entities in report["entities"].items():
        heads = f"{'recall':>8}{'95 % limits':>18}{'gold':>6}{'missed':>8}{'precision':>11}{'found':>7}{'wrong':>7}"
        print(f"\n{language:<24}{heads}")
        for entity, each in entities.items():
            recall, precision = each["recall"], each["precision"]
            limits = f"{recall['lower']:.3f} to {recall['upper']:.3f}" if recall["of"] else ""
            print(
                f"{entity:<24}{_shown(recall):>8}{limits:>18}{recall['of']:>6}{each['missed']:>8}"
                f"{_shown(precision):>11}{precision['of']:>7}{each['wrong']:>7}"
            )
    if arguments.verbose:
        print("\n" + "\n".join(misses))


def _shown(value: dict) -> str:
    return f"{value['share']:.3f}" if value["of"] else "-"


if __name__ == "__main__":
    main()
