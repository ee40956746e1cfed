"""The ONNX graph written by hand against two other implementations: numpy's sums, and transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import erf

from jangin.errors import BaseModelError
from jangin.models import graph
from jangin.models.base import Floats

HIDDEN, HEADS, LAYERS, INNER, WORDS, PLACES = 24, 3, 3, 40, 50, 40
CONFIG = {
    "model_type": "bert",
    "hidden_size": HIDDEN,
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "intermediate_size": INNER,
    "vocab_size": WORDS,
    "max_position_embeddings": PLACES,
    "layer_norm_eps": 1e-7,
    "hidden_act": "gelu",
}


def random_weights(prefix: str = "", seed: int = 0) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (WORDS, HIDDEN),
        "embeddings.position_embeddings.weight": (PLACES, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
        "embeddings.LayerNorm.weight": (HIDDEN,),
        "embeddings.LayerNorm.bias": (HIDDEN,),
    }
    for layer in range(LAYERS):
        p = f"encoder.layer.{layer}."
        square = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
        sizes = dict.fromkeys(square, (HIDDEN, HIDDEN))
        sizes |= {"intermediate.dense": (INNER, HIDDEN), "output.dense": (HIDDEN, INNER)}
        for part, shape in sizes.items():
            shapes |= {f"{p}{part}.weight": shape, f"{p}{part}.bias": shape[:1]}
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{p}{norm}.weight": (HIDDEN,), f"{p}{norm}.bias": (HIDDEN,)}
    return {prefix + name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}


def layer_norm(x: Floats, weight: Floats, bias: Floats) -> Floats:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + CONFIG["layer_norm_eps"]) * weight + bias


def by_hand(w: dict[str, Floats], ids: list[int], first_place: int = 0) -> list[Floats]:
    """The states after each layer, the embeddings first, of one text without padding: BERT's paper in numpy."""
    at = slice(first_place, first_place + len(ids))
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][at]
    x = x + w["embeddings.token_type_embeddings.weight"][0]
    states = [layer_norm(x, w["embeddings.LayerNorm.weight"], w["embeddings.LayerNorm.bias"])]
    for layer in range(LAYERS):
        p = f"encoder.layer.{layer}."

        def dense(name: str, of: Floats, p: str = p) -> Floats:
            return of @ w[f"{p}{name}.weight"].T + w[f"{p}{name}.bias"]

        x = states[-1]
        q, k, v = (
            dense(f"attention.self.{part}", x).reshape(len(ids), HEADS, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        score = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(HIDDEN / HEADS))
        seen = (score / score.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(ids), HIDDEN)
        n = f"{p}attention.output.LayerNorm"
        y = layer_norm(dense("attention.output.dense", seen) + x, w[f"{n}.weight"], w[f"{n}.bias"])
        inner = dense("intermediate.dense", y)
        inner = inner * 0.5 * (1 + erf(inner / np.sqrt(2)))
        n = f"{p}output.LayerNorm"
        states.append(layer_norm(dense("output.dense", inner) + y, w[f"{n}.weight"], w[f"{n}.bias"]))
    return states


def embedding(states: list[Floats]) -> Floats:
    means = [states[-1].mean(0), states[LAYERS * 2 // 3].mean(0)]
    return np.concatenate([mean / np.linalg.norm(mean) for mean in means])


TEXTS = [[3, 7, 1], [5], [2, 9, 9, 4, 11, 20, 30, 49], list(range(38))]


def run(model: bytes, texts: list[list[int]] = TEXTS, outputs: list[str] | None = None) -> list[Any]:
    import onnxruntime as ort

    width = max(map(len, texts))
    ids, mask = np.zeros((2, len(texts), width), np.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(outputs, {"input_ids": ids, "attention_mask": mask})


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_embeddings_equal_the_sums_by_hand_whatever_the_padding(prefix: str) -> None:
    model = graph.build(random_weights(prefix), CONFIG)
    want = np.stack([embedding(by_hand(random_weights(), ids)) for ids in TEXTS])
    assert run(model)[0] == pytest.approx(want, abs=2e-5)
    assert run(model, TEXTS[1:2])[0] == pytest.approx(want[1:2], abs=2e-5)


def test_roberta_counts_places_from_two() -> None:
    model = graph.build(random_weights("roberta."), {**CONFIG, "model_type": "roberta"})
    want = np.stack([embedding(by_hand(random_weights(), ids, 2)) for ids in TEXTS])
    assert run(model)[0] == pytest.approx(want, abs=2e-5)


def test_a_fine_tuned_head_stands_on_the_plain_mean() -> None:
    rng = np.random.default_rng(9)
    head = (rng.normal(0, 1, (4, HIDDEN)).astype(np.float32), rng.normal(0, 1, 4).astype(np.float32))
    found = run(graph.build(random_weights(), CONFIG, head), outputs=["logits"])[0]
    want = np.stack([by_hand(random_weights(), ids)[-1].mean(0) @ head[0].T + head[1] for ids in TEXTS])
    assert found == pytest.approx(want, abs=2e-5)


def test_the_same_weights_give_the_same_bytes() -> None:
    shuffled = dict(reversed(random_weights().items()))
    assert graph.build(random_weights(), CONFIG) == graph.build(shuffled, CONFIG)


def ranges_of(states: list[Floats], w: dict[str, Floats]) -> list[list[tuple[float, float]]]:
    """Wide ones, by the norms alone: what goes into each product of each layer."""
    most = 3 * max(float(np.abs(state).max()) for state in states)
    inner = max(float(np.abs(w[f"encoder.layer.{n}.intermediate.dense.weight"]).sum(1).max()) for n in range(LAYERS))
    return [[(-most, most), (-most, most), (-most, most), (-0.17, most * inner / 4)] for _ in range(LAYERS)]


def in_whole_numbers(x: Floats, weight: Floats, low: float, high: float) -> Floats:
    """`x @ weight.T` by the words of decision 0019, in Python's own whole numbers."""
    scale, scales = np.float32((high - low) / 255), np.abs(weight).max(1) / 63
    zero = round(float(-low / scale))
    values = np.clip(np.rint(x / scale) + zero, 0, 255).astype(int) - zero
    return (values @ np.rint(weight / scales[:, None]).astype(int).T) * (scale * scales)


def test_a_product_in_integers_equals_the_one_by_hand() -> None:
    rng = np.random.default_rng(2)
    weight = rng.normal(0, 1, (7, 24)).astype(np.float32)
    bias, x = rng.normal(0, 1, 7).astype(np.float32), rng.normal(0, 2, (5, 24)).astype(np.float32)
    found = _alone(weight, bias, x, (-3.0, 5.0))  # what lies beyond is cut
    assert found == pytest.approx(in_whole_numbers(x, weight, -3.0, 5.0) + bias, abs=1e-4)
    assert np.abs(found - (x.clip(-3, 5) @ weight.T + bias)).max() < 0.4


def _alone(weight: Floats, bias: Floats, x: Floats, bounds: tuple[float, float]) -> Floats:
    import onnxruntime as ort
    from onnx import TensorProto, helper

    g = graph._Graph({"y": bounds})
    g.linear("x", weight, bias, "y")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in ("x", "y")]
    made = helper.make_graph(g.nodes, "one", ends[:1], ends[1:], list(g.weights.values()))
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=9)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def test_in_integers_an_answer_is_near_and_does_not_depend_on_its_batch() -> None:
    w = random_weights()
    states = [by_hand(w, ids) for ids in TEXTS]
    model = graph.build(w, CONFIG, ranges=ranges_of([each for of in states for each in of], w))
    found = run(model)[0]
    want = np.stack([embedding(of) for of in states])
    assert (found * want).sum(1) / 2 == pytest.approx(np.ones(len(TEXTS)), abs=0.03)
    assert np.abs(found - want).max() > 1e-4  # it is not the float graph
    for at in range(len(TEXTS)):
        assert run(model, TEXTS[at : at + 1])[0] == pytest.approx(found[at : at + 1], abs=1e-6)


def test_ranges_that_are_not_those_of_the_layers_are_refused() -> None:
    for ranges in ([[(-1.0, 1.0)] * 4] * 2, [[(-1.0, 1.0)] * 3] * LAYERS):
        with pytest.raises(BaseModelError, match="the base has 3"):
            graph.build(random_weights(), CONFIG, ranges=ranges)


def test_half_precision_weights_are_read() -> None:
    half = {name: value.astype(np.float16) for name, value in random_weights().items()}
    want = np.stack([embedding(by_hand({n: v.astype(np.float32) for n, v in half.items()}, ids)) for ids in TEXTS])
    assert run(graph.build(half, CONFIG))[0] == pytest.approx(want, abs=2e-5)


def test_a_written_graph_is_the_built_one(tmp_path: Path) -> None:
    path = graph.write(tmp_path / "encoder.onnx", random_weights(), CONFIG)
    assert path.read_bytes() == graph.build(random_weights(), CONFIG)


def refusal(weights: dict[str, Floats], config: dict[str, Any]) -> tuple[str, str | None]:
    with pytest.raises(BaseModelError) as error:
        graph.build(weights, config)
    return error.value.message, error.value.hint


def test_another_architecture_is_refused_by_name() -> None:
    assert refusal(random_weights(), {**CONFIG, "model_type": "llama"}) == (
        "architecture 'llama' is not a BERT-family encoder",
        "one of bert, electra, roberta, xlm-roberta, camembert",
    )


@pytest.mark.parametrize(("key", "value"), [("hidden_act", "relu"), ("position_embedding_type", "relative_key")])
def test_a_base_that_the_graph_would_run_wrongly_is_refused(key: str, value: str) -> None:
    expected = {"hidden_act": "gelu", "position_embedding_type": "absolute"}[key]
    message = f"the base's config says {key} '{value}'; expected '{expected}'"
    assert refusal(random_weights(), {**CONFIG, key: value}) == (message, "use another base")


def test_weights_without_an_encoder_are_refused() -> None:
    assert refusal({"lm_head.weight": np.zeros((2, 2), np.float32)}, CONFIG) == (
        "the weights hold 0 tensors named '*embeddings.word_embeddings.weight', 1 was expected",
        "use a BERT, RoBERTa, XLM-R or ELECTRA encoder in safetensors",
    )


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta", "camembert", "electra"])
def test_transformers_gives_the_same_states(kind: str) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        kind, **{key: value for key, value in CONFIG.items() if key != "model_type"}, pad_token_id=1
    )
    if kind == "electra":
        config.embedding_size = 16  # so that the projection is there
    if kind in ("bert", "electra"):
        config.pad_token_id = 0
    model = transformers.AutoModel.from_config(config).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.randn_like(value) * 0.2)
    texts = [[token if token != config.pad_token_id else 5 for token in text] for text in TEXTS]
    head = (np.eye(4, HIDDEN, dtype=np.float32), np.zeros(4, np.float32))
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    found, logits = run(graph.build(weights, config.to_dict(), head), texts)
    for row, ids in enumerate(texts):
        with torch.no_grad():
            seen = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
        states = [state[0].numpy() for state in seen.hidden_states]
        assert found[row] == pytest.approx(embedding(states), abs=5e-5)
        assert logits[row] == pytest.approx(states[-1].mean(0)[:4], abs=1e-4)
