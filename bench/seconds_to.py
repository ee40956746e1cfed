"""Seconds to validation accuracy 0.92 on Banking77: `jangin train`, SetFit, a plain fine-tune of the same base.

    python -m venv peer && peer/bin/pip install setfit==1.2.0 'transformers<5' 'torch==2.13.0'
    python bench/seconds_to.py DATA --peer-python peer/bin/python [--accuracy 0.92] [--times 10] [--most 1500]

DATA is a folder with `banking77/train.jsonl.gz`; validation is the part of it that Jangin splits off, for all three.
Ours is the whole command, from the start of Python to the packed specialist: the rungs are climbed in their order up
to the first that reaches the accuracy, and its parity is checked. A peer's clock starts with its training, after its
packages and weights are loaded; it is judged about every `--every` seconds, its clock standing still meanwhile, and
ends at the accuracy, or at `--times` our seconds, but not after `--most`. SetFit is judged before its first step too,
when its head alone is fitted; what fitting the head takes is counted once. Its pairs are bounded by `max_steps`:
unbounded it makes 50 million of them. The plain fine-tune is Trainer's default but for 10 epochs in place of 3 and 16
rows a step. The table of docs/few-shot.md is written from the result (`--page` does only that).
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from few_shot import ROOT, Row, tuned_by_peer
from jangin.data.load import load_splits
from jangin.task import load_task
from jangin.types import Example
from load_client import machine

RESULTS = ROOT / "docs" / "results" / "seconds-to.json"
# The climb's first three, in its order; without a bar it tries all that are named.
RUNGS = ["ngrams", "minilm-l6-q8", "ngrams+minilm-l6-q8"]
SETFIT_STEPS = 2_500  # more than two cores take in 25 minutes
PEERS: dict[str, dict[str, Any]] = {
    "setfit": {"max_steps": SETFIT_STEPS},
    "finetune": {"num_train_epochs": 10, "per_device_train_batch_size": 16},
}


NAMED = {"jangin": "`jangin train`", "setfit": "SetFit", "finetune": "Trainer, the whole encoder"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--accuracy", type=float, default=0.92)
    parser.add_argument("--times", type=float, default=10.0)
    parser.add_argument("--most", type=float, default=1_500.0)
    parser.add_argument("--every", type=float, default=120.0)
    parser.add_argument("--json", type=Path, default=RESULTS)
    given = parser.parse_args()
    if not given.page:
        if given.data is None or given.peer_python is None:
            parser.error("name the folder of the data sets, and --peer-python")
        measure(given)
    if given.json == RESULTS:
        write_page(json.loads(RESULTS.read_text()))


def measure(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        task = banking(given.data, Path(folder) / "task")
        found: dict[str, Any] = {
            "accuracy": given.accuracy,
            "machine": machine(),
            "jangin": ours(task, given.accuracy),
        }
        keep(given.json, found)
        splits = load_splits(load_task(task))
        rows, judged = told(splits.train), told(splits.validation)
        limit = min(given.most, given.times * found["jangin"]["seconds"])
        for name in given.peers.split(","):
            job = {"method": name, "seed": 0, "settings": PEERS[name], "check_every_s": given.every}
            job |= {"stop_at": given.accuracy, "limit_s": limit}
            result = tuned_by_peer(given.peer_python, job, rows, judged)
            result |= {"settings": PEERS[name], "limit_s": limit, "reached": result["accuracy"] >= given.accuracy}
            result["times_ours"] = result["seconds"] / found["jangin"]["seconds"]
            found[name] = result
            keep(given.json, found)
    print(json.dumps(found, indent=1))


def banking(data: Path, folder: Path) -> Path:
    """The test is a stand-in of one row: this benchmark opens none."""
    folder.mkdir()
    content = gzip.decompress((data / "banking77" / "train.jsonl.gz").read_bytes())
    (folder / "train.jsonl").write_bytes(content)
    stand_in = {"input": "a message of no customer, which no row of train is like", "output": "card_arrival"}
    (folder / "test.jsonl").write_text(json.dumps(stand_in) + "\n")
    (folder / "task.yaml").write_text(
        "name: banking\nkind: classify\ndata: {train: train.jsonl, test: test.jsonl}\nseed: 0\n"
    )
    return folder


def ours(task: Path, accuracy: float) -> dict[str, Any]:
    """The command as a user gives it, with the rungs up to the one that reaches the accuracy; None of them: all."""
    for count in range(1, len(RUNGS) + 1):
        out = task.parent / f"specialist-{count}"
        command = ["-m", "jangin", "train", str(task), "-o", str(out), "--rungs", ",".join(RUNGS[:count]), "--json"]
        begin = time.perf_counter()
        done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True)
        seconds = time.perf_counter() - begin
        rungs = json.loads(done.stdout)["rungs"]
        if rungs[-1]["score"] >= accuracy:
            break
    scores = [{name: rung[name] for name in ("rung", "score", "seconds")} for rung in rungs]
    reached = rungs[-1]["score"] >= accuracy
    return {"seconds": seconds, "accuracy": rungs[-1]["score"], "reached": reached, "rungs": scores}


def told(examples: list[Example]) -> list[Row]:
    return [Row(str(example.input), str(example.output)) for example in examples]


def write_page(found: dict[str, Any]) -> None:
    """The table between the marks of docs/few-shot.md."""
    page = ROOT / "docs" / "few-shot.md"
    text = page.read_text(encoding="utf-8")
    start, end = "<!-- seconds-to: start -->", "<!-- seconds-to: end -->"
    head = ["| | seconds | accuracy there | best on the way | seconds in ours | |", "|---|---|---|---|---|---|"]
    rows = [row(NAMED[name], found[name], found["jangin"]["seconds"]) for name in ("jangin", *PEERS) if name in found]
    before, after = text[: text.index(start) + len(start)], text[text.index(end) :]
    page.write_text(f"{before}\n\n" + "\n".join(head + rows) + f"\n\n{after}", encoding="utf-8")


def row(name: str, found: dict[str, Any], ours_s: float) -> str:
    best = max([found["accuracy"], *(check["accuracy"] for check in found.get("checks", []))])
    ended = "reached" if found["reached"] else "not reached, cut off"
    seconds = found["seconds"]
    return f"| {name} | {seconds:,.0f} | {found['accuracy']:.3f} | {best:.3f} | {seconds / ours_s:.1f} | {ended} |"


def keep(path: Path, found: dict[str, Any]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(found, indent=1) + "\n")
    new.replace(path)


if __name__ == "__main__":
    main()
