"""Seconds from a CSV of labelled messages to a certificate, all torch-free rungs tried, base already in the store.

    python bench/csv_to_certificate.py DATA [--label output]

DATA is a folder with `train.jsonl.gz` and `test.jsonl.gz` (Banking77, say). A new JANGIN_HOME keeps the looks of this
benchmark out of the user's register; its store is the user's.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jangin.bases.store import default_home

TORCH_FREE = "ngrams,minilm-l6-q8,ngrams+minilm-l6-q8"  # also where torch is installed


def to_csv(source: Path, target: Path) -> int:
    with gzip.open(source, "rt", encoding="utf-8") as rows, target.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["input", "output"])
        found = [json.loads(row) for row in rows]
        writer.writerows([row["input"], row["output"]] for row in found)
    return len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name), Path(name) / "home"
        home.mkdir()
        for shared in ("blobs", "derived"):
            (default_home() / shared).mkdir(parents=True, exist_ok=True)
            (home / shared).symlink_to(default_home() / shared)
        environment = {**os.environ, "JANGIN_HOME": str(home)}
        rows = sum(to_csv(arguments.data / f"{split}.jsonl.gz", folder / f"{split}.csv") for split in ("train", "test"))
        (folder / "task.yaml").write_text(
            "name: timed\nkind: classify\ndata: {train: train.csv, test: test.csv}\nbar: {at_least: 0.99}\n"
        )
        seconds = {}
        for verb, *options in (
            ["check", name],
            ["train", name, "--rungs", TORCH_FREE],
            ["certify", f"{name}/runs/timed"],
        ):
            start = time.perf_counter()
            command = [sys.executable, "-m", "jangin", verb, *options, "--json"]
            done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
            if done.returncode > 1:
                sys.exit(done.stderr)
            seconds[verb] = round(time.perf_counter() - start, 1)
            if verb == "train":
                rungs = {each["rung"]: each.get("seconds") for each in json.loads(done.stdout)["rungs"]}
        total = seconds["train"] + seconds["certify"]
        print(json.dumps({"rows": rows, "seconds": seconds, "rungs_s": rungs, "train_and_certify_s": round(total, 1)}))


if __name__ == "__main__":
    main()
