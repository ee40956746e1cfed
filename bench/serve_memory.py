"""Memory of the server (summed PSS of all its processes) with one specialist, and with twenty on the same base.

    python bench/serve_memory.py SPECIALIST DATA [--copies 20] [--texts 500] [--rounds 3]

The twenty are copies of the one under other names, each with a head file of its own, so that they share no more than
twenty trained specialists would: the process and the encoder. Each answers `--texts` texts before the measurement,
since the heads are mapped from disk and count only once they are read. Linux only (/proc/PID/smaps_rollup).
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from jangin.serve.run import start
from load_client import children, pss_mb, texts_of

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specialist", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--texts", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is told")
    args = parser.parse_args()
    texts = texts_of(args.data, args.texts)
    with tempfile.TemporaryDirectory() as folder:
        copies = [copy(args.specialist, Path(folder), number) for number in range(args.copies)]
        ones, manies = [], []
        for _ in range(args.rounds):
            ones.append(measure(copies[:1], texts))
            manies.append(measure(copies, texts))
    one, many = (sorted(each, key=lambda found: found["pss_mb"])[args.rounds // 2] for each in (ones, manies))
    found: dict[str, Any] = {
        "specialist": args.specialist.name,
        "head_mb": round((args.specialist / "head.safetensors").stat().st_size / 1e6, 2),
        "texts_each": len(texts),
        "one": one,
        f"copies_{args.copies}": many,
        "ratio": round(many["pss_mb"] / one["pss_mb"], 3),
    }
    print(json.dumps(found, indent=2))


def copy(specialist: Path, into: Path, number: int) -> Path:
    """The bundle under another name; its files are copied, not linked."""
    folder = into / f"copy-{number}"
    shutil.copytree(specialist, folder, ignore=shutil.ignore_patterns("certificate*"))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["name"] = folder.name
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def measure(folders: list[Path], texts: list[str]) -> dict[str, Any]:
    with start(folders) as (process, url):
        for folder in folders:
            for at in range(0, len(texts), BATCH):
                ask(url, folder.name, texts[at : at + BATCH])
        pids = [process.pid, *children(process.pid)]
        each = {("http" if pid == process.pid else "engine"): pss_mb([pid]) for pid in pids}
    return {"pss_mb": round(sum(each.values()), 1), **{f"{name}_mb": mb for name, mb in each.items()}}


def ask(url: str, model: str, texts: list[str]) -> None:
    body = json.dumps({"model": model, "input": texts, "top_k": 1}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/classify", body), timeout=120) as answer:
        answer.read()


if __name__ == "__main__":
    main()
