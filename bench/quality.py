"""Every public data set through the climb and `certify`: one JSON each under docs/results, and the page of all of them.

    python bench/quality.py DATA [--only banking77-gpt4,...] [--again] [--work DIR] [--rungs RUNG,...] [--budget 3h]
                                  [--sample 300]

DATA is a folder with one sub-folder a data set (`train.jsonl.gz`, `test.jsonl.gz`, ...: rows of `input` and `output`);
recorded answers are looked for in `recorded` beside it. Tasks whose answers are written need the extras `train` and
`decoder`.

It goes on where it stopped: a claim whose result is kept is skipped unless `--again`, a finished training is kept
(`trained.json` beside the bundle) and used as long as task, data and options are the same. `claims.py` says what is
claimed. Each certificate is a registered look at its sealed test; a repeated claim replays the stored verdict.

The claims of PROMPTED are bases as they are, asked by `eval`: an estimate on open rows, no look, no verdict. Only
`--only` runs them; `--sample` asks a base a seeded sample of that many rows, where the whole test takes hours.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from claims import CLAIMS, PROMPTED, TESTS, Claim, meaning
from earlier_looks import carry, told
from jangin import bundle
from jangin.errors import JanginError
from jangin.evals.certificate import CERTIFICATE
from jangin.files import hash_file, hash_json, write_atomic
from jangin.task import Task, load_task
from results_read import RESULTS
from scoreboard import write_pages
from tasks_labelled import Make

MOST_CLASSES = 12  # per-class figures of more labels are left in the certificate
Found = dict[str, Any]


def jangin(*arguments: object) -> Found:
    """One verb's JSON. Exit 1, which is a comparison that said no, is an answer too."""
    command = [sys.executable, "-m", "jangin", *map(str, arguments), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    told = json.loads(done.stdout) if done.stdout.strip() else {}
    if done.returncode not in (0, 1) or not told or "error" in told:
        raise RuntimeError(f"jangin {arguments[0]} ended with {done.returncode}: {told.get('error', 'no answer')}")
    return told


def task_folder(name: str, make: Make, data: Path, work: Path) -> tuple[Path, Found]:
    """(folder with the task file and its data, the task file's content)."""
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    document = {"name": name, **make(data, folder)}
    (folder / "task.yaml").write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return folder, document


def kept(name: str) -> Found | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def keep(name: str, result: Found) -> None:
    write_atomic(RESULTS / f"{name}.json", json.dumps(result, ensure_ascii=False, indent=1) + "\n")


def finished(found: Found | None, document: Found) -> bool:
    """Is the kept result one of this claim? One that does not say its task is older, and counts if it had a bar."""
    if found is None:
        return False
    if "task" not in found:
        return found["certified"]["verdict"] is not None
    return found["task"] == meaning(document)


def trained(folder: Path, options: list[str]) -> Found:
    """The climb's own document, from `trained.json` if that is of the same task, data and options and its bundle is
    whole, else from a climb."""
    task = load_task(folder)
    key, path = _key(task, options), folder / "trained.json"
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["key"] == key and _whole(folder / found["specialist"], task):
            return {**found["trained"], "specialist": str(folder / found["specialist"])}
    told_by_climb = jangin("train", folder, *options)
    specialist = Path(told_by_climb["specialist"])
    record = json.loads((specialist / "record.json").read_text(encoding="utf-8"))
    more = {name: record[name] for name in ("energy_wh", "energy_method", "rows", "chance")}
    told_by_climb = {**told_by_climb, **more}
    relative = os.path.relpath(specialist, folder)
    write_atomic(path, json.dumps({"key": key, "specialist": relative, "trained": told_by_climb}, indent=1) + "\n")
    return told_by_climb


def _key(task: Task, options: list[str]) -> str:
    data = {name: hash_file(task.folder / path) for name, path in task.data.named().items()}
    return hash_json([task.hash, options, data])


def _whole(specialist: Path, task: Task) -> bool:
    try:
        return bundle.verify(specialist).task["hash"] == task.hash
    except (JanginError, KeyError):
        return False


def run(name: str, data: Path, work: Path, more: list[str], again: bool) -> None:
    claim = CLAIMS[name]
    folder, document = task_folder(name, claim.make, data, work)
    if not again and finished(kept(name), document):
        print(f"{name}: kept", flush=True)
        return
    options = more or list(claim.options)
    climbed = trained(folder, options)
    register = carry(folder, claim.test)
    certified = jangin("certify", climbed["specialist"])
    full = json.loads((Path(climbed["specialist"]) / CERTIFICATE).read_text(encoding="utf-8"))
    keep(name, result(name, claim, document, options, climbed, certified, full, told(register)))
    print(f"{name}: {certified['sentence']}", flush=True)


def result(
    name: str,
    claim: Claim,
    document: Found,
    options: list[str],
    climbed: Found,
    certified: Found,
    full: Found,
    looks: list[Found],
) -> Found:
    """What docs/results keeps: everything that the page shows, and no path of one machine."""
    about = {"field": claim.field, "language": claim.language, "test": claim.test, "bar": claim.bar, "note": claim.note}
    few = len(full["per_class"]) <= MOST_CLASSES
    look = {key: value for key, value in full["look"].items() if key != "copies"}
    return {
        "claim": name,
        "about": about,
        "task": meaning(document),
        "options": options,
        "trained": {**climbed, "specialist": None},
        "certified": {**certified, "certificate": None},
        "answers_sha256": full["hashes"]["answers"],
        "reference": full["reference"],
        "scope": full["scope"],
        "per_class": full["per_class"] if few else [],
        "look": look,
        "looks": looks,
        "method": full["result"]["method"],
        "baseline": full["result"].get("baseline"),
        "exposure": full["exposure"],
        "leaks": full["leaks"],
        "parity": full["parity"],
        "speed": full["speed"],
        "cost": full["cost"],
        "energy": full["energy"],
        "versions": full["versions"],
        "machine": machine(),
    }


def machine() -> Found:
    model = ""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None  # says whether other work ran beside it
    return {"processor": model, "cores": cores, "python": platform.python_version(), "load": load}


def ask_base(name: str, data: Path, work: Path, sample: int | None) -> None:
    """A base as it is on a whole test, or on a sample of it."""
    test, base = PROMPTED[name]
    folder, _ = task_folder(f"{test}-whole", TESTS[test], data, work)
    asked = folder / "test.jsonl"
    lines = asked.read_text(encoding="utf-8").splitlines()
    if sample is not None and sample < len(lines):
        chosen = sorted(random.Random(0).sample(range(len(lines)), sample))
        asked = folder / f"sample-{sample}.jsonl"
        asked.write_text("".join(lines[row] + "\n" for row in chosen), encoding="utf-8")
    start = time.monotonic()
    found = jangin("eval", base, "--on", asked, "--task", folder)
    seconds = round(time.monotonic() - start)
    keep(name, {"claim": name, "base": base, "of": len(lines), "evaluated": found, "seconds": seconds})
    print(f"{name}: {found['metric']} {found['score']:.4f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", help="names, with commas")
    parser.add_argument("--again", action="store_true", help="run also what is kept; a new specialist is a new look")
    parser.add_argument("--work", type=Path, default=Path("runs/quality"))
    parser.add_argument("--rungs", help="instead of a claim's own options: what `jangin train --rungs` takes")
    parser.add_argument("--budget", help="instead of a claim's own options")
    parser.add_argument("--sample", type=int, help="rows that a prompted base is asked; all without it")
    arguments = parser.parse_args()
    more = [f"--{key}={value}" for key in ("rungs", "budget") if (value := getattr(arguments, key))]
    names = arguments.only.split(",") if arguments.only else list(CLAIMS)
    if unknown := [name for name in names if name not in CLAIMS and name not in PROMPTED]:
        parser.error(f"no claim {', '.join(unknown)}; they are {', '.join([*CLAIMS, *PROMPTED])}")
    failed = []
    for name in names:
        try:
            if name in PROMPTED:
                ask_base(name, arguments.data.resolve(), arguments.work, arguments.sample)
            else:
                run(name, arguments.data.resolve(), arguments.work, more, arguments.again)
        except (RuntimeError, JanginError, OSError) as error:  # the others are worth their while
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            failed.append(name)
        write_pages()
    if failed:
        print(f"not done: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
