"""Accuracy with 8, 16, 32 and 64 examples a class: Jangin's rungs, and SetFit on the same base and rows.

    python -m venv peer && peer/bin/pip install setfit==1.2.0 'transformers<5' 'torch==2.13.0'
    python bench/few_shot.py DATA [--peer-python peer/bin/python] [--only banking77,...] [--seeds 3] [--sizes 8,16]
                                  [--tuned] [--minutes 20] [--on test] [--setfit 20|defaults] [--peer-limit 600]

DATA is a folder with a sub-folder a data set. For each seed and size a sample of train is drawn; what is judged on is a
part of train that no sample sees (`--on test`: the public test). A rung is fitted as `jangin train` fits it, up to the
head that would be packed; its seconds hold reading the rows, the encoder's included. SetFit's are those of its training
alone: loading its packages and weights is not counted. `--setfit 20` is the setting of its paper (num_iterations=20);
`defaults` makes every pair of the sample, which for 77 labels is an hour and a half. A run of the peer that meets
`--peer-limit` seconds is cut and judged as it is, and says so.

Results are kept in docs/results/few-shot.json after each run and never made twice; `--minutes` starts no more after
that. The table and the chart of docs/few-shot.md are written from it (`--page` does only that).
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from jangin.bases import pull
from jangin.models.base import Floats
from jangin.task import load_task
from jangin.train.encoder import TunedRung
from jangin.train.rungs import Attempt, Shipped, ladder
from jangin.train.workshop import Workshop
from load_client import machine

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "few-shot.json"
SIZES, JUDGED_ROWS, JUDGED_SEED = (8, 16, 32, 64), 1_000, 0
TASKS = ("banking77", "clinc150", "ko_nsmc_raw")
ENGLISH = ("banking77", "clinc150")
PEER_BASE = "minilm-l6"
READ: dict[Any, Floats] = {}


class Row(NamedTuple):
    text: str
    label: str


class Cell(NamedTuple):
    """One sample: of which task, how many examples a class, drawn with which seed."""

    task: str
    size: int
    seed: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--only", default=",".join(TASKS))
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tuned", action="store_true", help="the fine-tuned rung too (extra train)")
    parser.add_argument("--setfit", default="20", help="its num_iterations, or 'defaults'")
    parser.add_argument("--peer-limit", type=float, default=600.0)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--on", choices=("held-out", "test"), default="held-out")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--json", type=Path, default=RESULTS)
    given = parser.parse_args()
    book = Book(given.json)
    if not given.page:
        if given.data is None:
            parser.error("name the folder of the data sets")
        work(given, book)
        print(json.dumps(book.runs, indent=1))
    if given.json == RESULTS:  # a trial's figures stay out of the page
        from few_shot_page import write

        write(book.runs, ROOT / "docs")


def work(given: argparse.Namespace, book: Book) -> None:
    """Every cell that is not in the book yet: all of ours, smallest samples first, then the peer's."""
    end = time.perf_counter() + 60 * given.minutes
    names, sizes = given.only.split(","), [int(size) for size in given.sizes.split(",")]
    cells = [Cell(name, size, seed) for size in sizes for seed in range(given.seeds) for name in names]
    methods = ["jangin", *(["jangin-tuned"] if given.tuned else []), *(["setfit"] if given.peer_python else [])]
    for method in methods:
        for cell in cells:
            if method != "jangin" and cell.task not in ENGLISH:
                continue  # the multilingual base is an int8 graph: there are no weights to tune
            name = f"setfit-{given.setfit}" if method == "setfit" else method
            if book.holds(name, cell, given.on):
                continue
            if time.perf_counter() > end:
                return
            print(f"{name} {cell.task} {cell.size} a class, seed {cell.seed}", file=sys.stderr, flush=True)
            rows, judged = sample(given.data, cell, given.on)
            found = peer(given, cell, rows, judged) if method == "setfit" else ours(method, cell, rows, judged)
            about = {**cell._asdict(), "on": given.on, "judged_rows": len(judged)}
            book.add([{**about, **each} for each in found])


class Book:
    """The runs so far, written whole after each."""

    def __init__(self, path: Path):
        self.path = path
        self.runs: list[dict[str, Any]] = json.loads(path.read_text())["runs"] if path.is_file() else []

    def holds(self, method: str, cell: Cell, on: str) -> bool:
        wanted = {"of": method, **cell._asdict(), "on": on}
        return any(all(run[key] == value for key, value in wanted.items()) for run in self.runs)

    def add(self, runs: list[dict[str, Any]]) -> None:
        self.runs += runs
        about = {"machine": machine(), "runs": self.runs}
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")
        new.replace(self.path)


def sample(data: Path, cell: Cell, on: str) -> tuple[list[Row], list[Row]]:
    """(the sample, the rows that judge it): the latter are the same for every sample of a task."""
    train = list(rows_of(data / cell.task / "train.jsonl.gz"))
    if len({row.label for row in train}) * max(SIZES) > len(train):
        raise SystemExit(f"{cell.task}: {len(train)} rows of train are too few for {max(SIZES)} a class")
    order = np.random.default_rng(JUDGED_SEED).permutation(len(train))
    judged = [train[row] for row in order[:JUDGED_ROWS]]
    if on == "test":
        judged = list(rows_of(data / cell.task / "test.jsonl.gz"))
    known = {row.text for row in judged}
    pool = [train[row] for row in order[JUDGED_ROWS:] if train[row].text not in known]
    taken: dict[str, list[Row]] = {}
    for row in np.random.default_rng(cell.seed).permutation(len(pool)):
        of_label = taken.setdefault(pool[row].label, [])
        if len(of_label) < cell.size:
            of_label.append(pool[row])
    return [row for label in sorted(taken) for row in taken[label]], judged


def rows_of(path: Path) -> Iterator[Row]:
    """In scope only: what belongs to no label is another question."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["output"] != "oos":
                yield Row(row["input"], row["output"])


def ours(method: str, cell: Cell, rows: list[Row], judged: list[Row]) -> Iterator[dict[str, Any]]:
    """Each rung of the ladder that needs no torch, or with 'jangin-tuned' the fine-tuned ones, as `train` fits it."""
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "task"
        task.mkdir()
        write_rows(task / "train.jsonl", rows)
        write_rows(task / "test.jsonl", judged)
        (task / "task.yaml").write_text(
            f"name: few\nkind: classify\ndata: {{train: train.jsonl, test: test.jsonl}}\nseed: {cell.seed}\n"
        )
        begin = time.perf_counter()
        shop = Workshop(load_task(task), cell.seed, Path(folder) / "work", True)
        ready_s, parts_s = time.perf_counter() - begin, {"ngrams": 0.0}
        for rung in ladder(shop):
            tuned = isinstance(rung, TunedRung)
            # SetFit tunes the base in float32, so its rungs are those that stand beside it.
            if rung.name.endswith(("-lora", "-q8")) or tuned != (method == "jangin-tuned"):
                continue
            begin = time.perf_counter()
            attempt = rung.attempt(shop)
            fitted_s = time.perf_counter() - begin
            shipped = attempt.shipped()
            seconds = ready_s + time.perf_counter() - begin
            # What stands beside the n-grams found both parts made; alone it would have had to make them.
            if rung.name.startswith("ngrams+"):
                seconds += parts_s["ngrams"] + parts_s[rung.name.removeprefix("ngrams+")]
            # A tuned encoder is not tuned a second time for the rung beside it, neither to judge nor to pack.
            parts_s[rung.name] = seconds - ready_s if tuned else fitted_s
            yield {
                "of": method,
                "rung": rung.name,
                "rows": len(rows),
                "accuracy": accuracy(cell, shop, attempt, shipped, judged),
                "seconds": seconds,
                "settings": [msgspec.to_builtins(part.choice) for part in attempt.parts],
            }


def accuracy(cell: Cell, shop: Workshop, attempt: Attempt, shipped: Shipped, judged: list[Row]) -> float:
    texts = [row.text for row in judged]
    encoded: Floats | None = None
    read = shipped.read or attempt.read
    if read is not None:
        # A frozen base says the same of the same rows, whatever the sample.
        key = (cell.task, len(judged), attempt.base) if not attempt.files else None
        encoded = READ[key] if key in READ else read(texts)
        if key is not None:
            READ[key] = encoded
    answers = shipped.head.logits(texts, encoded).argmax(axis=1)
    return sum(shop.labels[answer] == row.label for answer, row in zip(answers, judged)) / len(judged)


def peer(given: argparse.Namespace, cell: Cell, rows: list[Row], judged: list[Row]) -> Iterator[dict[str, Any]]:
    settings = {} if given.setfit == "defaults" else {"num_iterations": int(given.setfit)}
    job = {"method": "setfit", "seed": cell.seed, "settings": settings, "limit_s": given.peer_limit}
    found = tuned_by_peer(given.peer_python, job, rows, judged)
    yield {
        "of": f"setfit-{given.setfit}",
        "rung": f"setfit {PEER_BASE}",
        "rows": len(rows),
        "settings": settings,
        **found,
    }


def tuned_by_peer(python: Path, job: dict[str, Any], rows: list[Row], judged: list[Row]) -> dict[str, Any]:
    """What tuning_peers.py says of a job, run in the environment of `python`."""
    labels = {label: number for number, label in enumerate(sorted({row.label for row in rows}))}

    def told(some: list[Row]) -> dict[str, Any]:
        return {"texts": [row.text for row in some], "labels": [labels.get(row.label, -1) for row in some]}

    with tempfile.TemporaryDirectory() as folder:
        for name, path in pull.ensure(PEER_BASE).items():
            shutil.copy(path, Path(folder) / name)
        whole = {"check_every_s": None, "stop_at": None, **job, "folder": folder, "rows": told(rows)}
        done = subprocess.run(
            [str(python), str(Path(__file__).with_name("tuning_peers.py"))],
            input=json.dumps({**whole, "judged": told(judged)}),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return json.loads(done.stdout)


def write_rows(path: Path, rows: list[Row]) -> None:
    lines = [json.dumps({"input": row.text, "output": row.label}, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
