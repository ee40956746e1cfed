"""What the next specialist on a base costs a server: memory, start and requests/s with 1, 10 and 100 of them; `predict`
on a million rows.

    python bench/scale.py SPECIALIST... --data FILE [--ngrams SPECIALIST] [--seconds 10] [--rounds 3] [--check]

The specialists named stand on one base. Where more are served than were named, the others are made from them in turn:
another name, the n-gram weights' scales changed by up to a thousandth and the bias by noise, by a fixed seed. So their
files, hashes and answers differ, and no page of memory is shared between any two.

Each server of each round is new: started (with every hash checked), warmed with as many batches as the largest has
specialists, each of which gets one at least, then asked by 32 clients in a closed loop (load_client.c), the same texts
in the same order, spread evenly over its specialists in an order drawn by a fixed seed. Memory is the summed PSS of its
processes, after that. Medians of the rounds are told, and each round. The client's work is part of the measurement: it
shares the machine's cores. Linux only.

`predict` runs as a process of its own on made-up texts of check_million.py's kind: a million rows with `--ngrams`,
fewer with the first SPECIALIST. `--check` adds check_million.py's figures. Writes JSON, also to --out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from check_million import SEED, sentences, vocabulary
from jangin import bundle
from jangin.files import hash_file
from jangin.models import linear
from jangin.serve.run import start
from load_client import Load, LoadClient, children, cpu_s, figures, load_client, machine, pss_mb, texts_of, write_bodies

BODIES = 16_000
WARM_TEXTS = 48
KEPT = Path(__file__).parent.parent / "docs" / "results" / "scale.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specialists", type=Path, nargs="+", metavar="SPECIALIST")
    parser.add_argument("--data", type=Path, required=True, help="inputs that all of them are asked")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0, help="of load, each server of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ngrams", type=Path, help="a specialist without a base, for `predict`")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of `predict` with --ngrams; 0: no `predict`")
    parser.add_argument("--encoder-rows", type=int, default=50_000, help="of `predict` with the first SPECIALIST")
    parser.add_argument("--check", action="store_true", help="also check_million.py, on --rows rows")
    parser.add_argument("--out", type=Path, default=KEPT)
    args = parser.parse_args()
    found: dict[str, Any] = {
        "measured": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "clients": args.clients,
        "seconds": args.seconds,
    }
    with tempfile.TemporaryDirectory() as name, load_client() as client:
        folder = Path(name)
        folders = made(args.specialists, max(args.counts), folder / "fleet")
        found["specialists"] = about(args.specialists, folders)
        found["servers"] = servers(client, folders, args, folder)
        shutil.rmtree(folder / "fleet")
        if args.rows:
            found["predict"] = predictions(args, folder)
    if args.check:
        found["check"] = check_million(args.rows)
    text = json.dumps(found, indent=2)
    args.out.write_text(text + "\n")
    print(text)


def made(given: list[Path], count: int, into: Path) -> list[Path]:
    """`count` bundles, no two alike."""
    folders = []
    for number in range(count):
        source, folder = given[number % len(given)], into / f"specialist-{number:03d}"
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("certificate*", "answers*", "trust*", "terms*"))
        manifest = bundle.read_manifest(folder)
        files = manifest.files
        if number >= len(given):
            change(folder / bundle.HEAD, number)
            files = files | {bundle.HEAD: hash_file(folder / bundle.HEAD)}
        renamed = msgspec.structs.replace(manifest, name=folder.name, files=files)
        (folder / bundle.MANIFEST).write_bytes(msgspec.json.encode(renamed))
        folders.append(folder)
    return folders


def change(path: Path, seed: int) -> None:
    head, drawn = linear.load(path), np.random.default_rng(seed)
    scale = head.ngram_scale * (1 + drawn.uniform(-1e-3, 1e-3, head.ngram_scale.shape))
    bias = head.bias + drawn.normal(0, 1e-3, head.bias.shape)
    changed = msgspec.structs.replace(head, ngram_scale=scale.astype(np.float32), bias=bias.astype(np.float32))
    linear.save(path, changed)


def about(given: list[Path], folders: list[Path]) -> dict[str, Any]:
    manifests = [bundle.read_manifest(each) for each in given]
    return {
        "trained": len(given),
        "rungs": sorted({each.rung for each in manifests}),
        "bases": sorted({str(each.base) for each in manifests}),
        "labels": sorted({len(each.labels) for each in manifests}),
        "head_mb": [round((each / bundle.HEAD).stat().st_size / 1e6, 3) for each in given],
        "heads_in_all_mb": round(sum((each / bundle.HEAD).stat().st_size for each in folders) / 1e6, 1),
        "different_hashes": len({bundle.identity(bundle.read_manifest(each)) for each in folders}),
        "how": "the trained ones, then copies of them in turn, scales and bias changed by a fixed seed",
    }


def servers(client: LoadClient, folders: list[Path], args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    texts = texts_of(args.data)
    rounds: list[dict[int, dict[str, Any]]] = []
    for _ in range(args.rounds):
        rounds.append({count: measured(client, folders[:count], texts, args, folder) for count in args.counts})
        print(f"round {len(rounds)} of {args.rounds} is done", file=sys.stderr, flush=True)
    first = args.counts[0]
    told: dict[str, Any] = {}
    for count in args.counts:
        mine = [each[count] for each in rounds]
        told[str(count)] = {name: middle([each[name] for each in mine]) for name in mine[0] if name != "by_status"} | {
            "by_status": mine[0]["by_status"],
            "pss_over_first": spread([each[count]["pss_mb"] / each[first]["pss_mb"] for each in rounds]),
            "per_s_over_first": spread([each[count]["per_s"] / each[first]["per_s"] for each in rounds]),
        }
    return {"texts": len(texts), "rounds": args.rounds, **told, "each_round": rounds}


def middle(values: list[float]) -> float:
    return round(statistics.median(values), 3)


def spread(values: list[float]) -> dict[str, float]:
    return {"median": middle(values), "least": round(min(values), 3), "most": round(max(values), 3)}


def measured(
    client: LoadClient, folders: list[Path], texts: list[str], args: argparse.Namespace, folder: Path
) -> dict[str, Any]:
    names = [each.name for each in folders]
    order = [names[at % len(names)] for at in range(BODIES)]
    random.Random(SEED).shuffle(order)
    bodies = [{"model": name, "input": texts[at % len(texts)], "top_k": 3} for at, name in enumerate(order)]
    path = write_bodies(folder / "bodies", bodies)
    began = time.perf_counter()
    with start(folders) as (process, url):
        start_s = time.perf_counter() - began
        pids = [process.pid, *children(process.pid)]
        idle_mb = pss_mb(pids)
        for at in range(max(args.counts)):  # as much for each server: its heap grows with what it has done
            ask(url, names[at % len(names)], [texts[(at * WARM_TEXTS + i) % len(texts)] for i in range(WARM_TEXTS)])
        load = Load(url, "/v1/classify", path, args.clients, headers=("content-type: application/json",))
        before = [cpu_s(pid) for pid in pids]
        found = figures(client.run(load, args.seconds))
        used = [(cpu_s(pid) - earlier) * 1e3 / found["requests"] for pid, earlier in zip(pids, before)]
        roles = ["http" if pid == process.pid else "engine" for pid in pids]
        memory = {role: of_process(pid) for role, pid in zip(roles, pids)}
    return {
        "start_s": round(start_s, 3),
        "per_s": found["per_s"],
        "p50_ms": found["p50_ms"],
        "p99_ms": found["p99_ms"],
        "by_status": found["by_status"],
        **{f"{role}_cpu_ms_a_request": round(each, 4) for role, each in zip(roles, used)},
        "idle_pss_mb": idle_mb,
        "pss_mb": round(sum(each["pss_mb"] for each in memory.values()), 1),
        **{f"{name}_{kind}": value for name, each in memory.items() for kind, value in each.items()},
    }


def of_process(pid: int) -> dict[str, float]:
    """PSS; of that, what no file is behind; and what of mapped heads is resident."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    heads, inside = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(bundle.HEAD)
        elif inside and line.startswith("Rss:"):
            heads += int(line.split()[1])
    kb = {name: int(re.search(rf"^{name}:\s+(\d+) kB", rollup, re.MULTILINE)[1]) for name in ("Pss", "Pss_Anon")}  # type: ignore[index]
    return {
        "pss_mb": round(kb["Pss"] * 1024 / 1e6, 1),
        "anonymous_mb": round(kb["Pss_Anon"] * 1024 / 1e6, 1),
        "heads_mb": round(heads * 1024 / 1e6, 1),
    }


def ask(url: str, model: str, texts: list[str]) -> None:
    body = json.dumps({"model": model, "input": texts, "top_k": 1}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/classify", body), timeout=120) as answer:
        answer.read()


def predictions(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    wanted = [(args.specialists[0], min(args.encoder_rows, args.rows))]
    if args.ngrams is not None:
        wanted.insert(0, (args.ngrams, args.rows))
    return {bundle.read_manifest(each).rung: predicted(each, rows, folder) for each, rows in wanted}


def predicted(specialist: Path, rows: int, folder: Path) -> dict[str, Any]:
    """`resident_mb`: RSS at each tenth of the output, as it grows."""
    data, out = folder / "rows.jsonl", folder / "answers.jsonl"
    drawn = np.random.default_rng(SEED)
    with data.open("w") as stream:
        words = vocabulary(drawn)
        for at in range(0, rows, 50_000):
            stream.writelines(
                json.dumps({"input": each}) + "\n" for each in sentences(drawn, words, min(50_000, rows - at))
            )
    command = [sys.executable, "-m", "jangin", "predict", specialist, data, "-o", out, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    samples: list[tuple[int, float]] = []  # bytes of the output, MB
    part = out.with_name(out.name + ".part")
    while process.poll() is None:
        with contextlib.suppress(OSError, ValueError):  # not begun, or over
            samples.append((part.stat().st_size, resident_mb(process.pid)))
        time.sleep(max(0.05, rows / 1e6))
    assert process.stdout is not None
    told = process.stdout.read()
    if process.returncode:
        sys.exit("predict failed")
    end = out.stat().st_size
    out.unlink()
    tenths = [next((mb for size, mb in samples if size >= end * tenth / 10), samples[-1][1]) for tenth in range(1, 10)]
    found = json.loads(told)
    return {
        "rows": found["rows"],
        "errors": found["errors"],
        "seconds": round(found["seconds"], 1),
        "rows_per_s": round(found["rows_per_s"], 1),
        "resident_mb": tenths,
        "peak_mb": max(mb for _, mb in samples),
        "last_tenth_over_first": round(tenths[-1] / tenths[0], 3),
    }


def resident_mb(pid: int) -> float:
    return round(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6, 1)


def check_million(rows: int) -> dict[str, Any]:
    script = Path(__file__).with_name("check_million.py")
    command = [sys.executable, script, "--rows", str(rows), "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


if __name__ == "__main__":
    main()
