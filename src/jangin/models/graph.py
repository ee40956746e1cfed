"""BERT-family weights (safetensors) -> one ONNX graph that ends in sentence features.

No torch and no exporter: the graph is written down here, so that a frozen base from the catalogue and a fine-tuned one
take the same road to the same engine. Inputs `input_ids` and `attention_mask`, int64 (batch, tokens); output
`embedding`, float32 (batch, 2 x hidden): the mean over the mask of the last layer and that of the layer two thirds up,
each of length 1 (the middle one keeps wording that the last has abstracted away: half a point on Banking77), and, for
a fine-tuned classifier, `logits` (batch, labels). Arithmetic is float32, or, with `ranges`, the layers' matrix products
are in integers whose scales are fixed: never scales that a batch decides, which would make an answer depend on its
neighbours. docs/decisions/0001-encoder-engine.md and 0019-integers.md have the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jangin.errors import BaseModelError
from jangin.files import write_atomic

BUILDER = 2  # raised whenever the same weights would give other bytes
_ROBERTA = ("roberta", "xlm-roberta", "camembert")
SUPPORTED = ("bert", "electra", *_ROBERTA)
# The graph knows no other; a base that says otherwise would be run wrongly without a word.
_FIXED = {"hidden_act": "gelu", "position_embedding_type": "absolute"}
# Processors without VNNI add two products of 8 bits in 16: with 7 bits for the weights that cannot overflow, so that
# all of them compute the same.
_WEIGHT_MOST, _VALUE_MOST = 63, 255
_MICROSOFT = "com.microsoft"  # ONNX Runtime's own operators

_PRODUCTS = ("qkv", "mixed", "inner", "outer")

Range = tuple[float, float]


class _Graph:
    """Collects nodes and weights under names; every method returns the name of its output."""

    def __init__(self, ranges: Mapping[str, Range] | None = None) -> None:
        """ranges: name of a linear layer -> the least and greatest of what goes into it; it is computed in integers."""
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}
        self.ranges = ranges or {}

    def const(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        if name not in self.weights:
            self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def op(self, kind: str, inputs: list[str], out: str, outputs: list[str] | None = None, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, outputs or [out], **attributes))
        return out

    def linear(self, x: str, weight: np.ndarray, bias: np.ndarray, out: str) -> str:
        """`weight` as PyTorch keeps it, (out, in)."""
        if out in self.ranges:
            return self._whole_linear(x, weight.T, bias, out)
        product = self.op("MatMul", [x, self.const(out + ".weight", weight.T)], out + ".product")
        return self.op("Add", [product, self.const(out + ".bias", bias)], out)

    def _whole_linear(self, x: str, weight: np.ndarray, bias: np.ndarray, out: str) -> str:
        """`weight` (in, out): one scale a column; what goes in: one scale and zero point for all."""
        low, high = self.ranges[out]
        scale = np.float32((high - low) / _VALUE_MOST)
        zero = np.uint8(np.clip(np.rint(-low / scale), 0, _VALUE_MOST))
        scales = (np.maximum(np.abs(weight).max(axis=0), 1e-12) / _WEIGHT_MOST).astype(np.float32)
        whole = self.const(out + ".weight", np.rint(weight / scales).astype(np.int8))
        by, at = self.const(out + ".input_scale", scale), self.const(out + ".input_zero", zero)
        values = self.op("QuantizeLinear", [x, by, at], out + ".whole")
        inputs = [values, whole, by, self.const(out + ".scale", scales), at, "", self.const(out + ".bias", bias)]
        return self.op("MatMulIntegerToFloat", inputs, out, domain=_MICROSOFT)

    def norm(self, x: str, weight: np.ndarray, bias: np.ndarray, out: str, epsilon: float) -> str:
        ends = [self.const(out + ".weight", weight), self.const(out + ".bias", bias)]
        return self.op("LayerNormalization", [x, *ends], out, axis=-1, epsilon=epsilon)


def prefix_of(weights: Mapping[str, Any]) -> str:
    """What stands before the encoder's own tensor names, such as 'bert.'; empty for a bare encoder."""
    key = "embeddings.word_embeddings.weight"
    found = [name for name in weights if name.endswith(key)]
    if len(found) != 1:
        raise BaseModelError(
            f"the weights hold {len(found)} tensors named '*{key}', 1 was expected",
            "use a BERT, RoBERTa, XLM-R or ELECTRA encoder in safetensors",
        )
    return found[0].removesuffix(key)


def build(
    weights: Mapping[str, np.ndarray],
    config: Mapping[str, Any],
    head: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    each_token: bool = False,
    ranges: Sequence[Sequence[Range]] = (),
) -> bytes:
    """The serialised graph. `head`: weight (labels, hidden) and bias (labels,) over the *unnormalised* mean.

    ranges: of each layer four, of what goes into query, key and value; attention's output; the feed-forward part's two.

    each_token: the head reads every token of the last layer instead, and `logits` (batch, tokens, labels) is all there
    is: nothing is pooled.
    """
    from onnx import TensorProto, helper

    kind = config.get("model_type", "bert")
    if kind not in SUPPORTED:
        raise BaseModelError(f"architecture '{kind}' is not a BERT-family encoder", f"one of {', '.join(SUPPORTED)}")
    for key, expected in _FIXED.items():
        if (found := config.get(key, expected)) != expected:
            raise BaseModelError(f"the base's config says {key} '{found}'; expected '{expected}'", "use another base")
    layers = int(config["num_hidden_layers"])
    if ranges and (len(ranges) != layers or any(len(of) != len(_PRODUCTS) for of in ranges)):
        raise BaseModelError(f"ranges of {len(ranges)} layers; the base has {layers}", "four ranges for each layer")
    g = _Graph({_place(layer) + name: pair for layer, of in enumerate(ranges) for name, pair in zip(_PRODUCTS, of)})
    p = prefix_of(weights)
    w = {name.removeprefix(p): np.asarray(value, np.float32) for name, value in weights.items() if name.startswith(p)}
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    epsilon = float(config.get("layer_norm_eps", 1e-12))
    x = _embeddings(g, w, kind, epsilon)
    mask = g.op("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    away = _attention_bias(g, mask)
    middle = x
    for layer in range(layers):
        x = _layer(g, w, _place(layer), x, away, hidden, heads, epsilon)
        if layer == layers * 2 // 3 - 1:
            middle = x
    if each_token:
        assert head is not None
        g.linear(x, np.asarray(head[0], np.float32), np.asarray(head[1], np.float32), "logits")
        shape: list[str | int | None] = ["batch", "tokens", len(head[1])]
        return _serialised(g, [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)])
    column = g.op("Unsqueeze", [mask, g.const("last_axis", np.array([2], np.int64))], "mask_column")
    last = _mean(g, x, column, "last")
    parts = [_unit(g, last, "last"), _unit(g, _mean(g, middle, column, "middle"), "middle")]
    g.op("Concat", parts, "embedding", axis=1)
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 2 * hidden])]
    if head is not None:
        g.linear(last, np.asarray(head[0], np.float32), np.asarray(head[1], np.float32), "logits")
        outputs.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(head[1])]))
    return _serialised(g, outputs)


def _place(layer: int) -> str:
    return f"encoder.layer.{layer}."


def _serialised(g: _Graph, outputs: list[Any]) -> bytes:
    from onnx import TensorProto, helper

    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    graph = helper.make_graph(g.nodes, "encoder", inputs, outputs, list(g.weights.values()))
    opsets = [helper.make_opsetid("", 20), *([helper.make_opsetid(_MICROSOFT, 1)] if g.ranges else [])]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return model.SerializeToString(deterministic=True)


def _embeddings(g: _Graph, w: Mapping[str, np.ndarray], kind: str, epsilon: float) -> str:
    one, zero = g.const("one", np.array([1], np.int64)), g.const("zero", np.array([0], np.int64))
    positions = w["embeddings.position_embeddings.weight"]
    if kind in _ROBERTA:
        positions = positions[2:]  # RoBERTa counts positions from padding_idx + 1
    if "embeddings.token_type_embeddings.weight" in w:
        positions = positions + w["embeddings.token_type_embeddings.weight"][0]
    length = g.op("Gather", [g.op("Shape", ["input_ids"], "shape"), one], "length", axis=0)
    place = g.op("Slice", [g.const("positions", positions), zero, length, zero], "place")
    words = g.op("Gather", [g.const("words", w["embeddings.word_embeddings.weight"]), "input_ids"], "word")
    both = g.op("Add", [words, place], "embedded")
    x = g.norm(both, w["embeddings.LayerNorm.weight"], w["embeddings.LayerNorm.bias"], "input", epsilon)
    if "embeddings_project.weight" in w:
        x = g.linear(x, w["embeddings_project.weight"], w["embeddings_project.bias"], "projected")
    return x


def _attention_bias(g: _Graph, mask: str) -> str:
    wide = g.op("Unsqueeze", [mask, g.const("heads_and_queries", np.array([1, 2], np.int64))], "mask_wide")
    absent = g.op("Sub", [g.const("unit", np.float32(1)), wide], "absent")
    return g.op("Mul", [absent, g.const("far", np.float32(-10_000))], "away")


def _layer(
    g: _Graph, w: Mapping[str, np.ndarray], p: str, x: str, away: str, hidden: int, heads: int, epsilon: float
) -> str:
    size = hidden // heads
    names = [p + f"attention.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([w[n + ".weight"] for n in names])
    bias = np.concatenate([w[n + ".bias"] for n in names])
    split = g.const("split_heads", np.array([0, 0, 3, heads, size], np.int64))
    packed = g.op("Reshape", [g.linear(x, weight, bias, p + "qkv"), split], p + "packed")
    turned = g.op("Transpose", [packed], p + "turned", perm=[2, 0, 3, 1, 4])
    parts = [p + part for part in ("q1", "k1", "v1")]
    g.op("Split", [turned], "", parts, axis=0, num_outputs=3)
    q, k, v = (g.op("Squeeze", [part, g.const("zero", np.array([0], np.int64))], part[:-1]) for part in parts)
    keys = g.op("Transpose", [k], p + "kt", perm=[0, 1, 3, 2])
    score = g.op("Mul", [g.op("MatMul", [q, keys], p + "dot"), g.const("scale", np.float32(size**-0.5))], p + "score")
    share = g.op("Softmax", [g.op("Add", [score, away], p + "masked")], p + "share", axis=-1)
    seen = g.op("Transpose", [g.op("MatMul", [share, v], p + "seen")], p + "seen_turned", perm=[0, 2, 1, 3])
    seen = g.op("Reshape", [seen, g.const("merge_heads", np.array([0, 0, hidden], np.int64))], p + "merged")

    def dense(name: str, of: str, out: str) -> str:
        return g.linear(of, w[p + name + ".weight"], w[p + name + ".bias"], p + out)

    def add_norm(a: str, b: str, name: str, out: str) -> str:
        total = g.op("Add", [a, b], p + out + "_sum")
        return g.norm(total, w[p + name + ".weight"], w[p + name + ".bias"], p + out, epsilon)

    y = add_norm(dense("attention.output.dense", seen, "mixed"), x, "attention.output.LayerNorm", "attended")
    inner = g.op("Gelu", [dense("intermediate.dense", y, "inner")], p + "gelu")
    return add_norm(dense("output.dense", inner, "outer"), y, "output.LayerNorm", "out")


def _mean(g: _Graph, x: str, column: str, name: str) -> str:
    axis = g.const("one", np.array([1], np.int64))
    total = g.op("ReduceSum", [g.op("Mul", [x, column], name + "_kept"), axis], name + "_total", keepdims=0)
    return g.op("Div", [total, g.op("ReduceSum", [column, axis], name + "_count", keepdims=0)], name + "_mean")


def _unit(g: _Graph, x: str, name: str) -> str:
    axis = g.const("one", np.array([1], np.int64))
    return g.op("Div", [x, g.op("ReduceL2", [x, axis], name + "_length", keepdims=1)], name + "_unit")


def write(path: Path, weights: Mapping[str, np.ndarray], config: Mapping[str, Any], **kwargs: Any) -> Path:
    """Builds and writes the graph whole."""
    write_atomic(path, build(weights, config, **kwargs))
    return path
