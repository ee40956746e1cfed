"""Classification, side by side with its peers on one base, in one run: requests/s, latency, memory, accuracy.

    python bench/speed.py DATA --work FOLDER [--rounds 3] [--seconds 6] [--clients 32] [--only st,llama-bare]
    python bench/speed.py --page       docs/speed.md again, from docs/results/speed-classify.json

DATA: Banking77 (`train.jsonl.gz`, `test.jsonl.gz`). FOLDER keeps what is made once: an environment for each peer (5 GB,
package index needed), the two specialists that Jangin trains, the peers' model on the same weights and train split,
and each round of each side, so that a run that was stopped goes on where it was (--again NAME measures one anew).

Every side is started, asked and stopped alone; a round asks them all, the next one in the opposite order. The load is a
closed loop of a compiled client (load_client.c) on the same cores: --clients connections for --seconds, then one.
docs/speed.md says what the sides are and what is fair about it.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

import rounds
from load_client import load_client, machine
from process_group import free_port
from speed import page, preparing, venvs
from speed.measure import Job, measure
from speed.sides import Side, sides
from speed.summary import summary

RESULT = Path(__file__).resolve().parent.parent / "docs" / "results" / "speed-classify.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    rounds.add_options(parser, "runs/speed", 3, RESULT)
    parser.add_argument("--seconds", type=float, default=6, help="of the load of each side in each round")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--adapter", type=Path, help="a bundle of the rung smollm2-135m-lora on DATA, for llama.cpp")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a server under measurement ends too
    if not args.page:
        if args.data is None:
            parser.error("name DATA, the folder of Banking77")
        run(args)
    if args.out == RESULT:
        page.write(json.loads(RESULT.read_text("utf-8")))


def run(args: argparse.Namespace) -> None:
    work = args.work.resolve()
    ready = preparing.prepare(args.data.resolve(), work, args.adapter)
    chosen = rounds.chosen(sides(*ready.wanted), args.only)
    absent = rounds.absent(chosen, ready.absent)
    job = Job(ready.texts, ready.labels, args.seconds, args.clients, work / "scratch")
    job.scratch.mkdir(exist_ok=True)
    with load_client() as client:

        def measured(side: Side, number: int) -> rounds.Found:
            return measure(*filled(side, work, ready), client, job._replace(whole=number == 0))

        rounds.take(work / "rounds", chosen, args, absent, measured, rates)
    document = {
        "machine": machine(),
        "clients": args.clients,
        "seconds": args.seconds,
        "texts": len(ready.texts),
        "environments": venvs.installed([side.environment for side in chosen], ready.absent, work),
        "absent": absent,
        "sides": [told(side, work, args.rounds) for side in chosen],
    }
    document["compared"] = summary(document["sides"])
    rounds.write(document, args.out)


def filled(side: Side, work: Path, ready: preparing.Ready) -> tuple[Side, int]:
    port = free_port()
    environment = work / "environments" / (side.environment or "")
    values = {"work": work, "environment": environment, "port": port, "gguf": ready.gguf, "python": sys.executable}
    return side.filled(**values), port


def told(side: Side, work: Path, count: int) -> dict[str, Any]:
    """A side with its rounds; no path of this machine."""
    command = (
        " ".join(side.command).replace(str(Path(__file__).resolve().parent.parent), ".").replace(str(work), "{work}")
    )
    about = {"name": side.name, "peer": side.peer, "setting": side.setting, "about": side.about}
    found = rounds.kept(work / "rounds", side.name, count)
    return {**about, "environment": side.environment, "command": command, "sample": side.sample, "rounds": found}


def rates(found: rounds.Found) -> str:
    return f"{found['busy'].get('per_s')}/s, alone {found['alone'].get('p50_ms')} ms"


if __name__ == "__main__":
    main()
