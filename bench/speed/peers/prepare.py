"""A peer's model from our base: its folder, its head, the faster files that its documentation tells how to make.

    python prepare.py encoder OUT --weights FOLDER --train rows.jsonl     sentence-transformers, SetFit
    python prepare.py classifier OUT --weights FOLDER --train rows.jsonl  transformers
    python prepare.py onnx OUT / openvino OUT --train rows.jsonl

FOLDER holds model.safetensors, tokenizer.json and config.json of all-MiniLM-L6-v2; rows are {"input", "output"}.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

MODULES = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
POOLING = {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}
TOKENIZER = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 256}


def rows(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    found = [json.loads(line) for line in args.train.read_text("utf-8").splitlines()]
    return [row["input"] for row in found], [row["output"] for row in found]


def folder(args: argparse.Namespace, name: str) -> Path:
    made = args.out / name
    made.mkdir(parents=True, exist_ok=True)
    for file in ("model.safetensors", "tokenizer.json", "config.json"):
        shutil.copyfile(args.weights / file, made / file)
    (made / "tokenizer_config.json").write_text(json.dumps(TOKENIZER))
    return made


def fitted(features: np.ndarray, labels: list[str]) -> LogisticRegression:
    """scikit-learn's, with the C that our own search takes for these features most often."""
    return LogisticRegression(C=10, max_iter=1000).fit(features, labels)


def encoder(args: argparse.Namespace) -> None:
    """The layout of the published repository, and the head on its embeddings."""
    from sentence_transformers import SentenceTransformer

    made = folder(args, "base")
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(MODULES)
    ]
    (made / "modules.json").write_text(json.dumps(modules))
    (made / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 256, "do_lower_case": False}))
    for path, _ in MODULES[1:]:
        (made / path).mkdir(exist_ok=True)
    (made / "1_Pooling" / "config.json").write_text(json.dumps(POOLING))
    texts, labels = rows(args)
    head = fitted(SentenceTransformer(str(made), device="cpu").encode(texts, show_progress_bar=False), labels)
    found = {"coef": head.coef_, "intercept": head.intercept_, "classes": np.array(head.classes_, dtype=str)}
    np.savez(args.out / "head.npz", **found)


def classifier(args: argparse.Namespace) -> None:
    """BertForSequenceClassification: its pooler is set to pass the first token on, its classifier is fitted on that.

    The pooler of the published file belongs to another training. tanh(x / 100) is x / 100 for what an encoder gives.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    made = folder(args, "classifier")
    texts, labels = rows(args)
    names = sorted(set(labels))
    ids = {name: at for at, name in enumerate(names)}
    model = AutoModelForSequenceClassification.from_pretrained(
        made, num_labels=len(names), label2id=ids, id2label=dict(enumerate(names))
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(made)
    features = []
    with torch.inference_mode():
        model.bert.pooler.dense.weight.copy_(torch.eye(384) / 100)
        model.bert.pooler.dense.bias.zero_()
        for at in range(0, len(texts), 64):
            batch = tokenizer(texts[at : at + 64], padding=True, truncation=True, return_tensors="pt")
            features.append(model.bert(**batch).pooler_output.numpy())
    # Of the size that a penalty of C = 10 is meant for: the classifier takes the scale back.
    scale = float(np.linalg.norm(np.concatenate(features), axis=1).mean())
    head = fitted(np.concatenate(features) / scale, labels)
    with torch.no_grad():
        model.classifier.weight.copy_(torch.tensor(head.coef_ / scale))
        model.classifier.bias.copy_(torch.tensor(head.intercept_))
    model.save_pretrained(made)
    tokenizer.save_pretrained(made)


def onnx(args: argparse.Namespace) -> None:
    """A folder of its own: what one release of sentence-transformers saves, another cannot read."""
    import sentence_transformers as st
    from sentence_transformers import backend

    source, base = str(args.out / "base"), str(args.out / "onnx")
    model = st.SentenceTransformer(source, backend="onnx", device="cpu", model_kwargs={"export": True})
    model.save_pretrained(base)
    backend.export_optimized_onnx_model(model, "O3", base)
    backend.export_dynamic_quantized_onnx_model(model, "avx512_vnni", base)


def openvino(args: argparse.Namespace) -> None:
    """int8 with our training texts for calibration: the default data set is on a hub."""
    import sentence_transformers as st
    from sentence_transformers import backend

    source, base = str(args.out / "base"), str(args.out / "openvino")
    model = st.SentenceTransformer(source, backend="openvino", device="cpu", model_kwargs={"export": True})
    model.save_pretrained(base)
    texts = args.out / "calibration"
    texts.mkdir(exist_ok=True)
    shutil.copyfile(args.train, texts / "train.jsonl")
    backend.export_static_quantized_openvino_model(
        model,
        None,
        base,
        dataset_name=str(texts),
        dataset_config_name="default",
        dataset_split="train",
        column_name="input",
    )


STEPS: dict[str, Callable[[argparse.Namespace], None]] = {
    "encoder": encoder,
    "classifier": classifier,
    "onnx": onnx,
    "openvino": openvino,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--train", type=Path)
    args = parser.parse_args()
    STEPS[args.step](args)
    (args.out / f"{args.step}.done").touch()


if __name__ == "__main__":
    main()
