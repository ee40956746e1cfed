"""Small tasks whose answers are written, and specialists for them on a random base: everything but the knowledge."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

import tiny_gguf
from jangin import bundle
from jangin.data.load import hash_rows, load_splits, schema_of, split_hashes
from jangin.files import hash_file, write_atomic
from jangin.models.base import Rule
from jangin.prompt import PromptTemplate
from jangin.task import load_task
from jangin.types import BaseFile, BaseModel, FolderSource

BRANDS = ["Acme", "Birch", "Cobalt", "Dune", "Ember"]
SIZES = ["10", "12 US", "7"]
SCHEMA = (
    "schema: {type: object, properties: {brand: {type: string, enum: [Acme, Birch, Cobalt, Dune, Ember]}, "
    "size: {type: string, enum: ['10', 12 US, '7', n/a]}}, required: [brand, size], additionalProperties: false}\n"
)


def decoder_base(folder: Path, seed: int = 0) -> BaseModel:
    """The random Llama as a base: its file is named by its hash, as in the store."""
    folder.mkdir(parents=True, exist_ok=True)
    written = tiny_gguf.write(folder / "made.gguf", tiny_gguf.weights(seed))
    sha256 = hash_file(written)
    weights = written.rename(folder / sha256)
    files = [BaseFile("model.gguf", sha256, None, [FolderSource(str(weights))])]
    return BaseModel("tiny-llama", "Llama", "decoder", 20_000, "Apache-2.0", ["en"], 512, files)


def goods(count: int, seed: int, gold: bool = False) -> list[dict[str, object]]:
    """Titles of goods with brand and size; every fourth has no size."""
    rows = []
    for number in range(count):
        brand, size = BRANDS[(number * 7 + seed) % 5], "n/a" if number % 4 == 0 else SIZES[number % 3]
        row: dict[str, object] = {
            "id": f"g{seed}-{number}",
            "input": f"{brand} shoe no. {seed}{number:03d}, {size}",
            "output": {"brand": brand, "size": size},
        }
        if gold:
            row["gold"] = {"brand": [brand, brand.upper()], "size": [size]}
        rows.append(row)
    return rows


def extract_task(folder: Path, *, bar: str = "", gold: bool = True, test_rows: int = 60, metric: str = "") -> Path:
    """A task folder `goods`; the specialist for it is made by `specialist`."""
    more = ("fields: {gold: gold}\n" if gold else "") + metric + (f"bar: {bar}\n" if bar else "")
    return task(folder, "extract", goods(80, 1, gold), goods(test_rows, 2, gold), SCHEMA + more)


def task(folder: Path, kind: str, train: list, test: list, more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("test", test)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, "utf-8")
    data = "data: {train: train.jsonl, test: test.jsonl}\n"
    (folder / "task.yaml").write_text(f"name: goods\ndescription: Goods.\nkind: {kind}\n{data}{more}", "utf-8")
    return folder


def specialist(task_folder: Path, base: BaseModel, *, max_tokens: int = 60, context: int = 256) -> Path:
    """Packs the untrained base as the task's specialist, in `task_folder/made`."""
    job = load_task(task_folder)
    splits = load_splits(job)
    folder = task_folder / "made"
    folder.mkdir()
    sha256 = base.files[0].sha256
    assert sha256 is not None
    writing = bundle.WritingSpec(max_tokens, context, schema_of(job, splits.train))
    manifest = bundle.Manifest(
        name="made",
        kind=job.kind,
        labels=[],
        rung="base",
        params=base.params,
        rule=Rule(),
        encoder=None,
        calibration={},
        task={"name": job.name, "hash": job.hash, "description": job.description, "metric": job.metric},
        lineage={
            "base": {"id": base.id, "sha256": sha256, "license": base.license},
            "data": {"test": split_hashes(job)["test"], "train": hash_rows(splits.train)},
            "tools": {"jangin": "0.1.0"},
            "seed": 0,
        },
        files={},
        decoder=bundle.DecoderSpec(base.id, sha256, PromptTemplate(after="\n"), writing=writing),
    )
    write_atomic(folder / bundle.MANIFEST, msgspec.json.encode(manifest))
    record = {
        "task_path": str(task_folder / "task.yaml"),
        "seconds": 2.0,
        "energy_wh": 0.01,
        "energy_method": "modelled",
    }
    write_atomic(folder / "record.json", json.dumps(record))
    return folder
