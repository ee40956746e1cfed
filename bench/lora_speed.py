"""LoRA training: Jangin beside TRL's SFTTrainer, the same weights, data, rank, rows a step and precision.

    python bench/lora_speed.py DATA.jsonl[.gz] [--base smollm2-135m] [--steps 30] [--peer-python PYTHON]

DATA has rows of `input` and `output`. The peer runs in an environment of its own that holds torch, transformers, peft
and trl; without `--peer-python` it is left out. It is measured at its defaults and, as documented for speed, with
packing.
Reported: tokens a second without padding, over the steps alone, and the loss of each step's batch.
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

from jangin.models.decoder import Decoder
from jangin.prompt import PromptTemplate
from jangin.train import lora
from jangin.train.gguf_base import end_token, weights_of

TEMPLATE = PromptTemplate()
PEER = Path(__file__).with_name("lora_peer.py")


def sequences(path: Path, weights: Path, rows: int) -> lora.Sequences:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        found = [json.loads(line) for _, line in zip(range(rows), lines)]
    end = end_token(weights)
    with Decoder(weights, context=256) as engine:
        prompts = [TEMPLATE.tokens(row["input"], engine.tokenize) for row in found]
        texts = [row["output"] if isinstance(row["output"], str) else json.dumps(row["output"]) for row in found]
        answers = [[*engine.tokenize(text), end] for text in texts]
    return lora.Sequences(prompts, answers)


def ours(weights: Path, data: lora.Sequences, recipe: lora.Recipe) -> dict[str, Any]:
    held_out = lora.Sequences(data.prompts[-16:], data.answers[-16:])  # the last batches, as the peer's last losses
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        trained = lora.train(weights, data, held_out, recipe, Path(folder), seed=0, quiet=True)
        seconds = time.perf_counter() - start
    return {
        "tokens_per_s": trained.tokens_per_s,
        "losses": [loss for _, loss in trained.loss],
        "seconds_with_loading": seconds,
    }


def peer(python: str, weights: Path, data: lora.Sequences, recipe: lora.Recipe, packing: bool) -> dict[str, Any]:
    rows = [{"prompt": prompt, "answer": answer} for prompt, answer in zip(data.prompts, data.answers)]
    job = {
        "folder": str(weights.parent),
        "file": weights.name,
        "rank": recipe.rank,
        "alpha": recipe.alpha,
        "learning_rate": recipe.learning_rate,
        "rows_a_step": recipe.rows,
        "packing": packing,
        "half": lora.half_is_fast(),
        "rows": rows,
    }
    done = subprocess.run([python, str(PEER)], input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--peer-python")
    arguments = parser.parse_args()
    weights = weights_of(arguments.base)
    recipe = lora.Recipe(rank=16, alpha=32, epochs=1.0, evaluate=1)
    data = sequences(arguments.data, weights, arguments.steps * recipe.rows)
    found: dict[str, Any] = {"base": arguments.base, "rows": len(data.prompts), "tokens": data.tokens}
    found["jangin"] = ours(weights, data, recipe)
    if arguments.peer_python:
        found["trl"] = peer(arguments.peer_python, weights, data, recipe, packing=False)
        found["trl_packing"] = peer(arguments.peer_python, weights, data, recipe, packing=True)
        for name in ("trl", "trl_packing"):
            found[f"jangin_over_{name}"] = found["jangin"]["tokens_per_s"] / found[name]["tokens_per_s"]
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
