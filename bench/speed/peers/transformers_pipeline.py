"""transformers' text-classification pipeline on a BertForSequenceClassification with 77 labels.

torch: as the pipeline is by default. onnx: Optimum's ORTModelForSequenceClassification in the same pipeline.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from transformers import pipeline
from waiting import Answer, Classify

from serving import main


def load(args: argparse.Namespace) -> Classify:
    if args.threads:
        torch.set_num_threads(args.threads)
    pipe = pipeline("text-classification", model=f"{args.model}/classifier", device="cpu")
    options = {"batch_size": args.batch} if args.batch else {}

    def classify(texts: Sequence[str]) -> list[Answer]:
        return [(found["label"], found["score"]) for found in pipe(list(texts), **options)]

    return classify


if __name__ == "__main__":
    main(load, ["torch"])
