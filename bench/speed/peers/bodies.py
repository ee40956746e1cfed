"""The sentence encoder of two peers, by the backends that sentence-transformers documents, and the head they share.

torch: the default. onnx-O3: export_optimized_onnx_model. onnx-int8: export_dynamic_quantized_onnx_model for AVX-512
with VNNI. openvino-int8: export_static_quantized_openvino_model. prepare.py makes their files.
Source: the page "Speeding up Inference" of sentence-transformers' documentation.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

BACKENDS = ["torch", "onnx-O3", "onnx-int8", "openvino", "openvino-int8"]
ONNX = {"onnx-O3": "onnx/model_O3.onnx", "onnx-int8": "onnx/model_qint8_avx512_vnni.onnx"}
OPENVINO = {
    "openvino": "openvino/openvino_model.xml",
    "openvino-int8": "openvino/openvino_model_qint8_quantized.xml",
}


def encoder(args: argparse.Namespace) -> SentenceTransformer:
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.backend in ONNX:
        options: dict[str, Any] = {"file_name": ONNX[args.backend], "provider": "CPUExecutionProvider"}
        if args.threads:
            options["session_options"] = session(args.threads)
        return SentenceTransformer(f"{args.model}/onnx", backend="onnx", model_kwargs=options, device="cpu")
    if args.backend in OPENVINO:
        options = {"file_name": OPENVINO[args.backend], "device": "CPU"}
        return SentenceTransformer(f"{args.model}/openvino", backend="openvino", model_kwargs=options, device="cpu")
    return SentenceTransformer(f"{args.model}/base", device="cpu")


def session(threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return options


def head(model: str) -> LogisticRegression:
    """As it was fitted; its numbers lie in an .npz file, since nothing here is unpickled."""
    with np.load(Path(model) / "head.npz") as found:
        made = LogisticRegression()
        made.coef_, made.intercept_, made.classes_ = found["coef"], found["intercept"], found["classes"]
    return made
