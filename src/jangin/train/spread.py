"""One training on several GPUs: accelerate starts a process for each, and each takes its share of every step's rows.

Only the training is spread: the climb stays one process. Run as a module by accelerate's launcher.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from jangin.bases.lora_fit import Arrangement
from jangin.errors import BaseModelError, StorageError
from jangin.train.recipes import Recipe, Sequences

_JOB, _RESULT, _STATE = "job.msgpack", "learnt.json", "state.safetensors"


class Job(msgspec.Struct, frozen=True):
    """As lora.train and learn.learn say."""

    weights: str
    vocabulary: list[int] | None
    data: Sequences
    held_out: Sequences
    recipe: Recipe
    how: Arrangement
    folder: str
    seed: int
    steps: int | None
    quiet: bool


def gpus() -> int:
    """How many processes a training here is spread over: one for each GPU, one without any."""
    import torch

    return max(1, torch.cuda.device_count())


def usable(processes: int, rows: int) -> int:
    """The most of them that a step's rows can be divided among evenly."""
    return next(each for each in range(min(processes, rows), 0, -1) if rows % each == 0)


def run(job: Job, processes: int) -> tuple[Any, Any]:
    """(what was learnt, the LoRA weights by name). Raises: as learn.learn."""
    import torch
    from safetensors.torch import load_file

    from jangin.train.learn import CHECKPOINTS, Learnt, begun
    from jangin.train.weights import OutOfMemory

    folder = Path(job.folder)
    for name in (_RESULT, _STATE):
        (folder / name).unlink(missing_ok=True)
    if job.steps is None:
        begun(folder / CHECKPOINTS, job.recipe)  # once, before several processes look
    (folder / _JOB).write_bytes(msgspec.msgpack.encode(job))
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(processes)]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command += ["--multi_gpu"] if torch.cuda.is_available() else ["--cpu"]
    done = subprocess.run(
        [*command, "--module", "jangin.train.spread", str(folder / _JOB)],
        stdout=sys.stderr,
        stderr=subprocess.PIPE,
        check=False,
    )
    result = folder / _RESULT
    told = msgspec.json.decode(result.read_bytes()) if result.is_file() else {}
    if "learnt" not in told:
        kinds = {"memory": OutOfMemory, "storage": StorageError, "base": BaseModelError}
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        reason = told.get("message") or f"one of {processes} training processes ended with {done.returncode}: {last}"
        raise kinds[told.get("fault", "base")](reason)
    learnt = msgspec.convert(told["learnt"], Learnt)
    state = load_file(folder / _STATE)
    for name in (_JOB, _RESULT, _STATE):
        (folder / name).unlink(missing_ok=True)
    return learnt, state


def main(path: Path) -> None:
    """What each process does; the first leaves the result."""
    import torch
    from safetensors.torch import save_file
    from transformers import set_seed

    from jangin.train.answer_model import answer_model
    from jangin.train.learn import learn
    from jangin.train.weights import OutOfMemory, load

    job = msgspec.msgpack.decode(path.read_bytes(), type=Job)
    first, folder = os.environ.get("RANK", "0") == "0", Path(job.folder)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    set_seed(job.seed)
    told: dict[str, Any]
    try:
        whole = load(Path(job.weights), job.how.precision)
        model = answer_model(whole, job.recipe, job.vocabulary, job.how.checkpointing)
        quiet = job.quiet or not first
        learnt = learn(
            model, job.data, job.held_out, job.recipe, job.how, folder, seed=job.seed, quiet=quiet, steps=job.steps
        )
        told = {"learnt": learnt}
    except OutOfMemory as error:
        told = {"fault": "memory", "message": str(error)}
    except StorageError as error:
        told = {"fault": "storage", "message": error.message}
    except BaseModelError as error:
        told = {"fault": "base", "message": error.message}
    if first or "learnt" not in told:
        if "learnt" in told:
            state = {name: value.detach().float().cpu().contiguous() for name, value in model.state_dict().items()}
            save_file(state, folder / _STATE)
        (folder / _RESULT).write_bytes(msgspec.json.encode(told))
    if "learnt" not in told:
        sys.exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
