"""Precision and recall of the detector of personal data on a labelled file, for each entity and language.

A gold span counts as found when predicted spans of the same entity cover all of it; a predicted span counts as right
when it overlaps a gold span of the same entity. Lines: {"id", "text", "language",
"spans": [{"start", "end", "entity"}]}; ids only where halves are wanted.

The first set, bench/pii_set/pii-sentences.jsonl, was mended by in two steps: first by its development half, its
held-out half counted and never shown; then by all of it. It is development data as a whole now, and says nothing about
other sentences; nor does the second set, whose misses have been read since its first run. The halves follow from the
ids and are kept so that the figures of that time can be counted again:
within a language they are put in the order of their SHA-256, and take turns. A set that shall stay a measure is run
without --verbose.

Run: python bench/pii.py FILE [--half dev|held-out|all] [--verbose] [--no-presidio] [--json] [--result FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from pathlib import Path

from jangin.pii import ENTITIES, Detector

HALVES = ("dev", "held-out")
SUMS = {  # name of a sum -> entities it leaves out
    "(all but PERSON)": ("PERSON",),
    "(identifiers)": ("PERSON", "LOCATION", "DATE_OF_BIRTH"),
}


def halves(rows: list[dict]) -> dict[str, str]:
    """id -> "dev" or "held-out"; in each language the two halves differ by one row at most."""
    half: dict[str, str] = {}
    for language in sorted({row["language"] for row in rows}):
        ids = [row["id"] for row in rows if row["language"] == language]
        ids.sort(key=lambda each: hashlib.sha256(each.encode()).hexdigest())
        half.update({each: HALVES[place % 2] for place, each in enumerate(ids)})
    return half


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
    from statsmodels.stats.proportion import proportion_confint  # a second and more; the halves do without

    lower, upper = proportion_confint(part, whole, alpha=0.05, method="wilson")
    return {"share": round(part / whole, 4), "lower": round(lower, 4), "upper": round(upper, 4), "of": whole}


class Tally:
    """Counts of gold, found, missed and wrong spans by (language, entity), sums included."""

    def __init__(self) -> None:
        self.rows: Counter = Counter()
        self.counts = {kind: Counter() for kind in ("gold", "found", "missed", "wrong")}

    def add(self, language: str, **entities: list[str]) -> None:
        self.rows[language] += 1
        for kind, names in entities.items():
            for name in names:
                sums = [each for each, without in SUMS.items() if name not in without]
                for key in (name, *sums):
                    self.counts[kind][language, key] += 1
                    self.counts[kind]["all", key] += 1

    def report(self) -> dict:
        gold, found, missed, wrong = (self.counts[kind] for kind in ("gold", "found", "missed", "wrong"))
        entities: dict[str, dict] = {}
        for language in ("all", *sorted(self.rows)):
            for entity in (*ENTITIES, *SUMS):
                key = (language, entity)
                if gold[key] or found[key]:
                    entities.setdefault(language, {})[entity] = {
                        "recall": share(gold[key] - missed[key], gold[key]),
                        "precision": share(found[key] - wrong[key], found[key]),
                        "missed": missed[key],
                        "wrong": wrong[key],
                    }
        return {"rows": dict(sorted(self.rows.items())), "entities": entities}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--half", choices=(*HALVES, "all"), default="all", help="all: the whole and both halves")
    parser.add_argument(
        "--verbose", action="store_true", help="list misses and false finds: the file is development data from then on"
    )
    parser.add_argument("--no-presidio", action="store_true", help="without Presidio's recognisers")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--result", type=Path, help="a JSON file: its first run stays, the present one stands beside it"
    )
    arguments = parser.parse_args()
    detector = Detector(presidio=not arguments.no_presidio)
    content = arguments.file.read_bytes()
    rows = [checked(line, number) for number, line in enumerate(content.decode().splitlines(), 1) if line.strip()]
    half = halves(rows) if all("id" in row for row in rows) else {}
    if arguments.half != "all" and not half:
        raise SystemExit(f"{arguments.file}: a half is chosen by the rows' ids, and not every row has one")
    tallies = {"all": Tally(), **{name: Tally() for name in HALVES if half}}
    listed: list[str] = []
    for number, row in enumerate(rows, 1):
        mine = half.get(row.get("id", ""))
        if arguments.half not in ("all", mine):
            continue
        text = row["text"]
        spans = [(span.start, span.end, span.entity) for span in detector.find(text)]
        lost, extra = score(row, spans)
        for name in ("all", mine) if mine else ("all",):
            tallies[name].add(
                row["language"],
                gold=[span["entity"] for span in row["spans"]],
                found=[entity for _, _, entity in spans],
                missed=[span["entity"] for span in lost],
                wrong=[entity for _, _, entity in extra],
            )
        listed += [f"{number} missed {s['entity']}: {text[s['start'] : s['end']]!r} in {text!r}" for s in lost]
        listed += [f"{number} wrong {entity}: {text[a:b]!r} in {text!r}" for a, b, entity in extra]
    wanted = tuple(tallies) if arguments.half == "all" else (arguments.half,)
    report = {
        "file_sha256": hashlib.sha256(content).hexdigest(),
        "presidio": not arguments.no_presidio,
        "halves": {name: tallies[name].report() for name in wanted},
    }
    if arguments.result:
        kept = json.loads(arguments.result.read_text("utf-8")) if arguments.result.is_file() else {}
        kept["now" if "first run, before any mending" in kept else "first run, before any mending"] = report
        arguments.result.write_text(json.dumps(kept, ensure_ascii=False) + "\n", "utf-8")
    if arguments.json:
        print(json.dumps(report, ensure_ascii=False))
        return
    presidio = "on" if report["presidio"] else "off"
    print(f"sha256 {report['file_sha256'][:16]}, Presidio {presidio}")
    for name, each in report["halves"].items():
        _table(name, each)
    if arguments.verbose:
        print("\n" + "\n".join(listed))


def _table(half: str, report: dict) -> None:
    for language, entities in report["entities"].items():
        title = f"{half}, {language}: {sum(report['rows'].values()) if language == 'all' else report['rows'][language]}"
        heads = f"{'recall':>8}{'95 % limits':>18}{'gold':>6}{'missed':>8}{'precision':>11}{'found':>7}{'wrong':>7}"
        print(f"\n{title + ' rows':<24}{heads}")
        for entity, each in entities.items():
            recall, precision = each["recall"], each["precision"]
            limits = f"{recall['lower']:.3f} to {recall['upper']:.3f}" if recall["of"] else ""
            print(
                f"{entity:<24}{_shown(recall):>8}{limits:>18}{recall['of']:>6}{each['missed']:>8}"
                f"{_shown(precision):>11}{precision['of']:>7}{each['wrong']:>7}"
            )


def _shown(value: dict) -> str:
    return f"{value['share']:.3f}" if value["of"] else "-"


if __name__ == "__main__":
    main()
