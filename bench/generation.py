"""Generation, side by side with its peers on one base, in one run: tokens/s, time to the first token, start, memory.

    python bench/generation.py [--work FOLDER] [--base smollm2-135m] [--rounds 2] [--tokens 64] [--only jangin,llama]
    python bench/generation.py --page       docs/speed.md again, from docs/results/speed-generate.json

FOLDER keeps what is made once: an environment for each peer (4 GB, package index needed), a specialist with a random
adapter, the same adapter merged into the weights, and each round of each side, so that a run that was stopped goes on
where it was (--again NAME measures one anew).

Every side is started, asked and stopped alone; a round asks them all, the next one in the opposite order. The load is a
closed loop on the same cores: 1, 8 and 32 requests under way, the same prompts for all, each answer --tokens long.
docs/speed.md says what the sides are and what is fair about it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import rounds
from generation import page, preparing
from generation.measure import LEVELS, Job, measure
from generation.sides import Side, sides, told_command
from generation.summary import summary
from load_client import machine
from process_group import free_port
from speed import venvs

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "docs" / "results" / "speed-generate.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rounds.add_options(parser, "runs/generation", 2, RESULT)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--tokens", type=int, default=64, help="of each answer")
    parser.add_argument("--each", type=int, default=2, help="requests of each client, in each level")
    parser.add_argument("--limit", type=float, default=60, help="seconds after which no request of a level begins")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a server under measurement ends too
    if not args.page:
        run(args)
    if args.out == RESULT:
        page.write(json.loads(RESULT.read_text("utf-8")))


def run(args: argparse.Namespace) -> None:
    work = args.work.resolve()
    chosen = rounds.chosen(sides(), args.only)
    before = machine()
    ready = preparing.prepare(args.base, args.tokens, work)
    absent = rounds.absent(chosen, ready.absent)
    folder = work / "rounds" / f"{args.base}-{args.tokens}x{args.each}"
    job = Job(args.tokens, args.each, args.limit, work / "scratch")
    job.scratch.mkdir(exist_ok=True)

    def measured(side: Side, number: int) -> rounds.Found:
        return measure(*filled(side, work, ready), job)

    rounds.take(folder, chosen, args, absent, measured, rates)
    levels = [str(level) for level in LEVELS]
    told_sides = [told(side, folder, args.rounds, work) for side in chosen]
    document = {
        "machine": before,
        "base": args.base,
        "tokens": args.tokens,
        "each": args.each,
        "levels": levels,
        "environments": venvs.installed([side.environment for side in chosen], ready.absent, work),
        "absent": absent,
        "sides": told_sides,
        "compared": summary(told_sides, levels),
    }
    rounds.write(document, args.out)


def filled(side: Side, work: Path, ready: preparing.Ready) -> tuple[Side, int]:
    port = free_port()
    values = {"work": work, "made": ready.made, "gguf": ready.gguf, "port": port, "python": sys.executable}
    values |= {"environment": work / "environments" / (side.environment or ""), "path": os.environ["PATH"]}
    return side.filled(**values), port


def told(side: Side, folder: Path, count: int, work: Path) -> dict[str, Any]:
    """A side with its rounds."""
    about = {"name": side.name, "peer": side.peer, "about": side.about, "environment": side.environment}
    return {**about, "command": told_command(side, work, ROOT), "rounds": rounds.kept(folder, side.name, count)}


def rates(found: rounds.Found) -> str:
    return ", ".join(f"{each['tok_per_s']:g}" for each in found["levels"].values()) + " tokens/s"


if __name__ == "__main__":
    main()
