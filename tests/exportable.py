"""Bundles on the tiny random decoders of tiny_models.py, trained for a few steps: what `export` is given."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

import tiny_gguf
import tiny_models
from jangin import bundle
from jangin.files import hash_file, write_atomic
from jangin.models import linear
from jangin.models.base import Rule
from jangin.prompt import PromptTemplate
from jangin.task import load_task
from jangin.train import lora
from jangin.types import BaseFile, BaseModel, FolderSource

WORDS = ["card lost", "card found", "refund please", "refund done", "open today", "closed today", "yes", "no"]
LETTERS = "abcdefgh"
LABELS = tiny_gguf.ids(LETTERS)
TEMPLATE = PromptTemplate(after="\n> ")
RECIPE = lora.Recipe(rank=8, alpha=16, rows=8, epochs=5.0, learning_rate=5e-3, patience=9)
NOTICE = 'Tiny licence. Who passes this on must add a file that reads "Tiny is provided under the Tiny Terms".'
SCHEMA = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"], "additionalProperties": False}


class Made(NamedTuple):
    """Weights in both layouts, what was trained on them, and the trainer's own logits for `asked`."""

    architecture: str
    hugging: Path
    base: Path
    adapter: Path
    asked: list[list[int]]
    trained: lora.Trained


def text(row: int) -> str:
    return f"{WORDS[row % len(WORDS)]} {row}"


def make(folder: Path, architecture: str, epochs: float = RECIPE.epochs) -> Made:
    """Each word asks for a letter of its own, in the template that the bundles have."""
    hugging, base = tiny_models.make(folder, architecture)

    def rows(numbers: range) -> lora.Sequences:
        prompts = [tiny_gguf.ids(f"{text(row)}{TEMPLATE.after}") for row in numbers]
        return lora.Sequences(prompts, [[LABELS[row % len(WORDS)], 0] for row in numbers])

    asked = rows(range(200, 208)).prompts
    run, recipe = folder / "run", msgspec.structs.replace(RECIPE, epochs=epochs)
    trained = lora.train(hugging, rows(range(96)), rows(range(96, 112)), recipe, run, seed=0, ask=asked, quiet=True)
    return Made(architecture, hugging, base, run / "adapter.gguf", asked, trained)


def add_base(made: Made, bases: dict[str, BaseModel], **more: Any) -> BaseModel:
    """The base in a catalogue; its file is named by its hash, as in the store."""
    sha256 = hash_file(made.base)
    weights = made.base.with_name(sha256)
    if not weights.exists():
        shutil.copyfile(made.base, weights)
    files = [BaseFile("model.gguf", sha256, None, [FolderSource(str(weights))])]
    settings: dict[str, Any] = {"license": "LicenseRef-Tiny", "notice": NOTICE, "original": "owner/tiny", **more}
    base = BaseModel(
        id="tiny-decoder",
        architecture="Llama",
        family="decoder",
        params=20_000,
        languages=["en"],
        context=512,
        files=files,
        **settings,
    )
    bases[base.id] = base
    return base


def task(folder: Path, kind: str = "generate", margin: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, numbers in (("train", range(96)), ("validation", range(300, 332)), ("test", range(400, 432))):
        lines = [
            json.dumps({"id": f"{name}-{row}", "input": text(row), "output": LETTERS[row % len(WORDS)]})
            for row in numbers
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    metric = "exact_match" if kind == "generate" else "accuracy"
    (folder / "task.yaml").write_text(
        f"name: letters\nkind: {kind}\ndescription: Which letter a word asks for.\n"
        "data: {train: train.jsonl, validation: validation.jsonl, test: test.jsonl}\n"
        f"metric: {metric}\n{margin}"
    )
    return folder


def specialist(made: Made, base: BaseModel, folder: Path, kind: str = "generate", job: Path | None = None) -> Path:
    """A bundle with the trained adapter; `job`: the task that its record names."""
    folder.mkdir(parents=True)
    shutil.copyfile(made.adapter, folder / bundle.ADAPTER)
    written = kind in ("extract", "generate")
    schema = SCHEMA if kind == "extract" else None
    spec = bundle.DecoderSpec(
        base.id,
        hash_file(made.base),
        TEMPLATE,
        [] if written else LABELS,
        bundle.ADAPTER,
        bundle.WritingSpec(8, 256, schema) if written else None,
    )
    if not written:
        width = len(LABELS)
        none = (np.zeros((0, width), np.int8), np.zeros(0, np.float32))
        head = linear.LinearHead([], *none, np.eye(width, dtype=np.float16), np.zeros(width, np.float32))
        linear.save(folder / bundle.HEAD, head)
    manifest = bundle.Manifest(
        name="letters",
        kind=kind,  # type: ignore[arg-type]
        labels=[] if written else list(LETTERS),
        rung="tiny-lora",
        params=20_000,
        rule=Rule(),
        encoder=None,
        decoder=spec,
        calibration={},
        task={"name": "letters", "hash": load_task(job).hash if job else "", "description": "Which letter."},
        lineage={"data": {"train": "11" * 32}, "rows": {"train": 96}, "seed": 0, "tools": {"jangin": "0.1"}},
        files={path.name: hash_file(path) for path in sorted(folder.iterdir())},
    )
    write_atomic(folder / bundle.MANIFEST, msgspec.json.encode(manifest))
    record = {"task_path": str(job), "metric": "exact_match", "validation": {"n": 32, "score": 0.9}} if job else {}
    (folder / "record.json").write_text(json.dumps(record))
    return folder
