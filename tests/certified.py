"""A small real task with a specialist trained on it: n-grams and a linear SVM, a few hundred rows, a sealed test."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np

from jangin import bundle
from jangin.data.load import load_splits
from jangin.files import hash_file, write_atomic
from jangin.models import linear, ngrams
from jangin.models.base import Rule
from jangin.prompt import render
from jangin.task import load_task

WORDS = {
    "카드 분실": ["lost card", "card stolen", "카드 분실", "카드를 잃어버렸어요"],
    "refund|<b>": ["refund please", "money back", "환불 요청", "돈을 돌려주세요"],
    "opening_hours": ["open today", "closing time", "영업 시간", "몇 시에 열어요"],
}
PLACES = ["Seoul", "Busan", "Paris", "Oslo", "Lima", "Rome", "Cairo", "Delhi"]
LABELS = sorted(WORDS)
BAR = "{at_least: 0.6}"


def rows(count: int, seed: int, hard: float = 0.1) -> list[dict[str, str]]:
    """Messages of known intent; a `hard` share of them holds the words of another intent."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        label = LABELS[number % len(LABELS)]
        shown = LABELS[rng.integers(len(LABELS))] if rng.random() < hard else label
        words = WORDS[shown][rng.integers(len(WORDS[shown]))]
        made.append(
            {
                "id": f"r{seed}-{number}",
                "input": f"{words} in {rng.choice(PLACES)}, case {seed}{number:04d}",
                "output": label,
            }
        )
    return made


def make(
    folder: Path, *, bar: str | None = BAR, metric: str = "accuracy", extra: str = "", test_rows: int = 120
) -> Path:
    """A task folder with a packed specialist in `folder/desk`; gives the specialist's folder back."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count, seed in (("train", 240, 1), ("test", test_rows, 2)):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows(count, seed)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    data = "data: {train: train.jsonl, test: test.jsonl}\n"
    text = f"name: desk\ndescription: What a customer wants <script>.\nkind: classify\n{data}metric: {metric}\n{extra}"
    (folder / "task.yaml").write_text(text + (f"bar: {bar}\n" if bar else ""), "utf-8")
    return train(folder)


def train(folder: Path, rule: Rule | None = None, kind: str = "classify") -> Path:
    """Fits and packs a specialist for the task in `folder`."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.svm import LinearSVC

    task = load_task(folder)
    examples = load_splits(task).train
    labels = list(task.labels) if task.labels else sorted({example.output for example in examples})
    texts = [render(example.input) for example in examples]
    blocks = [ngrams.fit_block(texts, analyzer, 3_000) for analyzer in ngrams.LATIN]
    parts = []
    for block in blocks:
        counts = ngrams.count_block(texts, block)
        shape = (len(texts), len(block.hashes))
        parts.append(csr_matrix((counts.values, counts.columns, counts.start), shape=shape))
    features = hstack(parts).tocsr()
    if kind == "classify":
        fitted = LinearSVC().fit(features, [labels.index(example.output) for example in examples])
        weight, bias = fitted.coef_.T * 4, fitted.intercept_ * 4
    else:
        columns = [
            LinearSVC().fit(features, [bool(example.output.get(label)) for example in examples]) for label in labels
        ]
        weight = np.concatenate([each.coef_ for each in columns]).T * 4
        bias = np.concatenate([each.intercept_ for each in columns]) * 4
    quantised, scales = linear.quantise(np.ascontiguousarray(weight, np.float32))
    none = np.zeros((0, len(labels)), np.float32)
    out = folder / "desk"
    out.mkdir()
    linear.save(out / "head.safetensors", linear.LinearHead(blocks, quantised, scales, none, bias.astype(np.float32)))
    manifest = bundle.Manifest(
        name="desk",
        kind=kind,  # type: ignore[arg-type]
        labels=labels,
        rung="ngrams",
        params=int(quantised.size),
        rule=rule or Rule(tag_thresholds=[0.5] * len(labels) if kind == "tag" else []),
        encoder=None,
        calibration={},
        task={"name": task.name, "hash": task.hash, "description": task.description, "metric": task.metric},
        lineage={"base": None, "data": {}, "tools": {"jangin": "0.1.0"}, "seed": 0},
        files={"head.safetensors": hash_file(out / "head.safetensors")},
    )
    write_atomic(out / bundle.MANIFEST, msgspec.json.encode(manifest))
    record = {"task_path": str(folder / "task.yaml"), "seconds": 2.0, "energy_wh": 0.01, "energy_method": "modelled"}
    write_atomic(out / "record.json", json.dumps(record))
    return out
