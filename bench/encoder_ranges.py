"""The ranges of `minilm-l6-q8`: what goes into each matrix product of the float32 encoder, over public texts.

    python bench/encoder_ranges.py DATA

DATA is a folder with the data sets that are named below; texts are drawn from their trains. Printed as catalogue.yaml
has them: a line for each layer, least and greatest of each of its four products.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from jangin.bases import catalogue
from jangin.models.encoder import _tokenizer, base_files
from tasks_written import read

BASE = "minilm-l6"
TEXTS = {
    "banking77": 150,
    "clinc150": 150,
    "davidson_hate_offensive": 150,
    "medquad": 80,
    "pubmedqa": 40,
    "sentfin": 100,
    "snips_nlu": 100,
    "bitext_customer_support_intent": 100,
}
INTO = ("merged", "attended", "gelu")  # of attention's output and the feed-forward part's two


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    rng = random.Random(0)
    texts = []
    for name, count in TEXTS.items():
        rows = [row["input"] for row in read(data / name / "train.jsonl.gz")]
        texts += rng.sample([text for text in rows if isinstance(text, str)], count)
    found = ranges(texts)
    for layer in range(0, len(found), 4):
        print("[" + ", ".join(f"[{low:.2f}, {high:.2f}]" for low, high in found[layer : layer + 4]) + "],")


def ranges(texts: list[str]) -> list[tuple[float, float]]:
    files = base_files(BASE)
    assert files.tokenizer is not None
    tokenizer = _tokenizer(files.tokenizer)
    names = []
    for layer in range(catalogue.get(BASE).config["layers"]):
        names.append(f"encoder.layer.{layer - 1}.out" if layer else "input")
        names += [f"encoder.layer.{layer}.{part}" for part in INTO]
    model = onnx.load(files.graph)
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = [(0.0, 0.0)] * len(names)
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids])
        values = session.run(names, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        found = [(min(low, each.min()), max(high, each.max())) for (low, high), each in zip(found, values)]
    return found


if __name__ == "__main__":
    main()
