"""Public data sets through the climb and `certify`, one JSON each under docs/results, a table in docs/results.md.

    python bench/quality.py DATA [--only banking77,...] [--work DIR] [--rungs RUNG,...] [--budget 3h]
                                  [--sample 300]

DATA is a folder with one sub-folder a data set (`train.jsonl.gz`, `test.jsonl.gz`, ...: rows of `input` and `output`);
recorded answers are looked for in `recorded` beside it. Tasks whose answers are written need the extras `train` and
`decoder`.
Each certificate is a registered look at its sealed test; a repeated claim replays the stored verdict. The claims of
PROMPTED are bases as they are, asked by `eval`: an estimate on open rows, no look, no verdict. Only `--only` runs them;
`--sample` asks a base a seeded sample of that many rows, where the whole test takes hours, and the result says so.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

import written_tasks

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
RAG20 = "gpt-4/banking77-rag20"
MODERATION = ["sexual", "hate", "violence", "harassment", "self-harm", "sexual/minors", "hate/threatening"]
MODERATION.append("violence/graphic")


def banking(data: Path, folder: Path, bar: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "classify", "data": files(data / "banking77", "train", "test"), "bar": bar}


def clinc(data: Path, folder: Path) -> dict[str, Any]:
    named = files(data / "clinc150", "train", "validation", "test")
    return {"kind": "classify", "data": named, "out_of_scope": "oos"}


def moderation(data: Path, folder: Path) -> dict[str, Any]:
    """Trained on tweets (davidson_hate_offensive): hate speech is `hate`, offensive language is `harassment`; the
    other categories are unknown there, so they are never given, and their test rows are lost. Messages to assistants
    (clinc150) and medical texts (medquad) are added to train as rows with no category: tweets alone are four fifths
    offensive."""

    def tweet(row: dict[str, Any]) -> dict[str, Any]:
        hate = row["output"] == "hate_speech"
        known = {"hate": hate}
        if not hate:
            known["harassment"] = row["output"] == "offensive_language"
        return {"input": row["input"], "output": known}

    def sample(row: dict[str, Any]) -> dict[str, Any]:
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


def plain(name: str, metric: str, *splits: str) -> Callable[[Path, Path], dict[str, Any]]:
    def task(data: Path, folder: Path) -> dict[str, Any]:
        return {"kind": "classify", "data": files(data / name, *splits), "metric": metric}

    return task


def sentfin(data: Path, folder: Path) -> dict[str, Any]:
    """One headline may name several entities: the headline is the unit, and no split or limit divides it."""
    named = files(data / "sentfin", "train", "validation", "test")
    return {"kind": "classify", "data": named, "unit": "id"}


def beep(data: Path, folder: Path) -> dict[str, Any]:
    """The official dev set is the test: the official test's labels are not public."""
    source = data / "beep_korean_hate"
    named = {"train": str(source / "train.jsonl.gz"), "test": str(source / "validation.jsonl.gz")}
    return {"kind": "classify", "data": named, "metric": "macro_f1"}


SMALLEST = ["--rungs", "smollm2-135m-lora"]  # what two cores train within the hour; larger rungs on demand
COPYING = ["--rungs", "spans-ngrams,spans-minilm-l6"]
SPIDER = ["--rungs", "qwen2.5-coder-0.5b-lora"]  # hours on two cores; less learns too little of it
CLAIMS: dict[str, tuple[Callable[[Path, Path], dict[str, Any]], list[str]]] = {
    "banking77-gpt4": (lambda d, f: banking(d, f, {"reference": RAG20}), []),
    "banking77-at-least": (lambda d, f: banking(d, f, {"reference": RAG20, "at_least": 0.92}), []),
    "banking77-best": (
        lambda d, f: banking(d, f, {"reference": RAG20, "at_least": 0.92}),
        ["--best", "--budget", "2h"],
    ),
    "clinc150": (clinc, []),
    "openai_moderation": (moderation, []),
    "ko_nsmc_raw": (plain("ko_nsmc_raw", "accuracy", "train", "validation", "test"), []),
    "beep_korean_hate": (beep, []),
    "sentfin": (sentfin, []),
    "oa_mine": (lambda d, f: written_tasks.oa_mine(d.parent / "recorded", f), COPYING),
    "wikisql": (written_tasks.wikisql, SMALLEST),
    "snips_nlu": (written_tasks.snips, ["--rungs", "spans-ngrams"]),
    "spider_dev": (lambda d, f: written_tasks.spider(d.parent / "recorded", f), SPIDER),
    "ko_sae4k_argument": (written_tasks.sae4k, ["--rungs", "gemma-3-270m-lora", "--budget", "2h"]),
}

BASES = {"0.5b": "qwen2.5-coder-0.5b", "1.5b": "qwen2.5-coder-1.5b"}
TESTS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "spider_dev": CLAIMS["spider_dev"][0],
    "defog_sql_eval": written_tasks.defog,
    "wikisql": written_tasks.wikisql,
}
PROMPTED = {f"{test}-{size}": (test, base) for test in ("spider_dev", "defog_sql_eval") for size, base in BASES.items()}
PROMPTED["wikisql-base"] = ("wikisql", "smollm2-135m")  # of the specialist


def files(folder: Path, *splits: str) -> dict[str, str]:
    return {split: str(folder / f"{split}.jsonl.gz") for split in splits}


def convert(source: Path, target: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    with gzip.open(source, "rt", encoding="utf-8") as rows, target.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(change(json.loads(row)), ensure_ascii=False) + "\n" for row in rows)


def jangin(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "jangin", *map(str, arguments), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode > 1:
        raise SystemExit(done.returncode)
    return json.loads(done.stdout)


def task_folder(name: str, make: Callable[[Path, Path], dict[str, Any]], data: Path, work: Path) -> Path:
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    document = {"name": name, **make(data, folder)}
    (folder / "task.yaml").write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return folder


def kept(name: str, result: dict[str, Any]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def prompted(name: str, data: Path, work: Path, sample: int | None) -> None:
    """A base as it is on a whole test, or on a sample of it."""
    test, base = PROMPTED[name]
    folder = task_folder(test, TESTS[test], data, work)
    asked = folder / "test.jsonl"
    lines = asked.read_text(encoding="utf-8").splitlines()
    if sample is not None and sample < len(lines):
        chosen = sorted(random.Random(0).sample(range(len(lines)), sample))
        asked = folder / f"sample-{sample}.jsonl"
        asked.write_text("".join(lines[row] + "\n" for row in chosen), encoding="utf-8")
    start = time.monotonic()
    found = jangin("eval", base, "--on", asked, "--task", folder)
    seconds = round(time.monotonic() - start)
    kept(name, {"claim": name, "base": base, "of": len(lines), "evaluated": found, "seconds": seconds})
    print(f"{name}: {found['metric']} {found['score']:.4f}", flush=True)


def run(name: str, data: Path, work: Path, more: list[str]) -> None:
    make, options = CLAIMS[name]
    folder = task_folder(name, make, data, work)
    trained = jangin("train", folder, *options, *more)
    certified = jangin("certify", trained["specialist"])
    full = json.loads(Path(certified["certificate"]).read_text(encoding="utf-8"))
    result = {"claim": name, "trained": trained, "certified": certified, "scope": full["scope"], "look": full["look"]}
    result["trained"]["specialist"] = result["certified"]["certificate"] = None  # paths of one machine
    result["method"], result["cost"], result["versions"] = full["result"]["method"], full["cost"], full["versions"]
    result["look"].pop("copies", None)
    kept(name, result)
    print(f"{name}: {certified['sentence']}", flush=True)


def table() -> None:
    """docs/results.md from what is under docs/results."""
    lines = [
        "# Results",
        "",
        "Written by `python bench/quality.py DATA`. Every row is one registered look at a sealed test; the level of",
        "its limits follows from the look's number. All these tests are public, and trials on some of them were known",
        "before this code was written: read them as *on a public test*. Splits of ko_nsmc_raw, sentfin and",
        "beep_korean_hate are not the published ones, so they are compared with nothing.",
        "",
        "| claim | metric | rung | parameters | score | limits | n | look | reference | verdict | training |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in CLAIMS:
        path = RESULTS / f"{name}.json"
        if not path.is_file():
            continue
        found = json.loads(path.read_text(encoding="utf-8"))
        trained, certified = found["trained"], found["certified"]
        reference = certified["reference"] or ""
        if reference:
            reference += f" {certified['reference_score']:.3f}" + ("" if certified["paired"] else ", unpaired")
        limits = "none"
        if certified["score_lower"] is not None:
            limits = f"{certified['score_lower']:.3f} to {certified['score_upper']:.3f}"
        lines.append(
            f"| {name} | {certified['metric']} | {trained['rung']} | {trained['params'] / 1e6:.1f} M | "
            f"{certified['score']:.4f} | {limits} | {certified['n']:,} | {found['look']['number']} | {reference} | "
            f"{certified['verdict'] or 'none (no bar)'} | {trained['seconds']:.0f} s |"
        )
        for part, value in (found["scope"] or {}).items():
            shown = part.replace("_", " ")
            limits = f"{value['lower']:.3f} to {value['upper']:.3f}"
            lines.append(f"| {name}: {shown} | share | | | {value['score']:.4f} | {limits} | {value['n']:,} | | | | |")
    lines += prompted_table()
    (RESULTS.parent / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def prompted_table() -> list[str]:
    found = [json.loads(path.read_text("utf-8")) for name in PROMPTED if (path := RESULTS / f"{name}.json").is_file()]
    if not found:
        return []
    lines = [
        "",
        "Bases as they are, prompted, on the same tests: estimates by `jangin eval`, no looks, no verdicts.",
        "",
        "| base on test | metric | score | limits | n |",
        "|---|---|---|---|---|",
    ]
    for each in found:
        told, test = each["evaluated"], PROMPTED[each["claim"]][0]
        limits = "none" if told["lower"] is None else f"{told['lower']:.3f} to {told['upper']:.3f}"
        whole = each.get("of", told["n"])
        asked = f"{told['n']:,}" + (f", a sample of {whole:,}" if whole > told["n"] else "")
        lines.append(f"| {each['base']} on {test} | {told['metric']} | {told['score']:.4f} | {limits} | {asked} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", help="names, with commas")
    parser.add_argument("--work", type=Path, default=Path("runs/quality"))
    parser.add_argument("--rungs", help="instead of a claim's own: what `jangin train --rungs` takes")
    parser.add_argument("--budget", help="instead of a claim's own")
    parser.add_argument("--sample", type=int, help="rows that a prompted base is asked; all without it")
    arguments = parser.parse_args()
    more = [f"--{key}={value}" for key in ("rungs", "budget") if (value := getattr(arguments, key))]
    for name in arguments.only.split(",") if arguments.only else CLAIMS:
        if name in PROMPTED:
            prompted(name, arguments.data.resolve(), arguments.work, arguments.sample)
        else:
            run(name, arguments.data.resolve(), arguments.work, more)
        table()


if __name__ == "__main__":
    main()
