"""What is made once in the work folder: environments, Jangin's specialists, the peers' model, codes for llama.cpp."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jangin.bases import pull
from jangin.bundle import read_manifest
from jangin.export.merged_gguf import merge
from jangin.train.adapters import GgufAdapter
from jangin.train.adapters import read as read_adapter
from speed import venvs
from speed.sides import PEERS, specialist_name

RUNGS = ("minilm-l6", "ngrams+minilm-l6", "ngrams", "minilm-l6-q8")
BASE, DECODER = "minilm-l6", "smollm2-135m"
STEPS = {"setfit": ("encoder", "onnx"), "openvino": ("openvino",), "transformers": ("classifier",)}


class Ready(NamedTuple):
    """wanted: the arguments of `sides`. absent: environments that could not be made here, and why."""

    absent: dict[str, str]
    texts: list[str]
    labels: list[str]
    gguf: Path
    wanted: tuple[list[str], list[str], tuple[str, list[str]] | None]


def prepare(data: Path, work: Path, adapter: Path | None) -> Ready:
    for folder in ("data", "weights", "model", "tasks"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    train, test = (
        unpacked(data / f"{split}.jsonl.gz", work / "data" / f"{split}.jsonl") for split in ("train", "test")
    )
    for rung in RUNGS:
        specialist(rung, data, work)
    for name, path in pull.ensure(BASE).items():
        shutil.copyfile(path, work / "weights" / name)
    absent = {}
    for name in venvs.REQUIREMENTS:
        try:
            peer(name, work, train)
        except subprocess.CalledProcessError as error:
            absent[name] = (
                f"{' '.join(map(str, error.cmd[1:4]))} ended with {error.returncode}; its message stands above"
            )
    published = next(path for name, path in pull.ensure(DECODER).items() if name.endswith(".gguf"))
    gguf = rewritten(published, work / "weights" / f"{DECODER}-q8_0.gguf", nothing(published))
    tests = [json.loads(line) for line in test.read_text("utf-8").splitlines()]
    names = sorted({row["output"] for row in tests})
    llama, codes = work / "environments" / "llama", [" "] * len(names)
    if "llama" not in absent:
        codes = json.loads(python(llama, "llama_server.py", str(gguf), "--codes", str(len(names))))
    named = None if adapter is None else adapted(adapter, published, llama, names)
    texts, labels = [row["input"] for row in tests], [row["output"] for row in tests]
    return Ready(absent, texts, labels, gguf, (names, codes, named))


def peer(name: str, work: Path, train: Path) -> None:
    """An environment and what its programs make of our base. Raises: CalledProcessError."""
    environment = venvs.made(name, work)
    if name == "openvino":  # it would tell its maker of each run
        subprocess.run([environment / "bin" / "opt_in_out", "--opt_out"], stdout=subprocess.DEVNULL, check=True)
    rows = ("--weights", str(work / "weights"), "--train", str(train))
    for step in STEPS.get(name, ()):
        if not (work / "model" / f"{step}.done").is_file():
            python(environment, "prepare.py", step, str(work / "model"), *rows)


def unpacked(source: Path, target: Path) -> Path:
    if not target.is_file():
        with gzip.open(source, "rt", encoding="utf-8") as rows:
            found = [{name: row[name] for name in ("input", "output")} for row in map(json.loads, rows)]
        target.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found), encoding="utf-8")
    return target


def specialist(rung: str, data: Path, work: Path) -> None:
    """One rung, trained as a user would."""
    name = specialist_name(rung)
    folder = work / "tasks" / name
    if (folder / "runs" / name / "manifest.json").is_file():
        return
    folder.mkdir(exist_ok=True)
    named = {split: str(data / f"{split}.jsonl.gz") for split in ("train", "test")}
    (folder / "task.yaml").write_text(json.dumps({"name": name, "kind": "classify", "data": named}), encoding="utf-8")
    command = [sys.executable, "-m", "jangin", "train", folder, "--rungs", rung, "--json"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def adapted(bundle: Path, gguf: Path, environment: Path, labels: Sequence[str]) -> tuple[str, list[str]]:
    """The base with the adapter of a bundle in it, and the strings of its labels' tokens.

    Raises: SystemExit for another kind of bundle.
    """
    manifest = read_manifest(bundle)
    spec = manifest.decoder
    if (
        spec is None
        or spec.adapter is None
        or sorted(manifest.labels) != list(labels)
        or manifest.rung != f"{DECODER}-lora"
    ):
        sys.exit(f"--adapter {bundle}: not a bundle of the rung {DECODER}-lora on these labels")
    tokens = dict(zip(manifest.labels, spec.label_tokens))
    asked = json.dumps([tokens[label] for label in labels])
    merged = rewritten(
        gguf, environment.parent.parent / "weights" / f"{DECODER}-tuned.gguf", read_adapter(bundle / spec.adapter)
    )
    return str(merged), json.loads(python(environment, "llama_server.py", str(gguf), "--pieces", asked))


def rewritten(published: Path, made: Path, adapter: GgufAdapter, kind: str = "q8_0") -> Path:
    """The weights with an adapter in them. llama.cpp reads prompts 1.6 times as fast in Q8_0 as in the published Q4_1
    (decision 0007): its best is asked."""
    if not made.is_file():
        part = made.with_suffix(".part")
        merge(published, adapter, part, kind, "for a benchmark of speed")
        part.rename(made)
    return made


def nothing(published: Path) -> GgufAdapter:
    """An adapter that adds zero to every matrix in Q4_1, so that `merge` rewrites what is there."""
    import gguf

    reader = gguf.GGUFReader(published)
    zeros = {
        tensor.name: (np.zeros((1, int(tensor.shape[0])), np.float32), np.zeros((int(tensor.shape[1]), 1), np.float32))
        for tensor in reader.tensors
        if tensor.tensor_type == gguf.GGMLQuantizationType.Q4_1
    }
    return GgufAdapter(str(reader.fields[gguf.Keys.General.ARCHITECTURE].contents()), 1.0, zeros)


def python(environment: Path, program: str, *arguments: str) -> str:
    """Runs a program of peers/ in its environment; what it prints."""
    command: list[Any] = [environment / "bin" / "python", PEERS / program, *arguments]
    variables = venvs.without_path() | {"HF_HUB_OFFLINE": os.environ.get("HF_HUB_OFFLINE", "1")}
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=variables).stdout
