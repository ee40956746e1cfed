"""Fine-tuning for few rows a label (extra `train`): the top third of an encoder's layers, on states of those below.

The states below are computed once, so that a pass costs a third and needs no gradient through them, and what the base
knows of words stays. A row is drawn to its label's class vector and away from the others (cross-entropy over cosines);
the class vectors begin as the means of their rows, so that a few dozen steps do. The labels' names are rows too. On
what the encoder then gives, the head of the frozen rungs is fitted. What is packed is tuned once more on train and
validation. Figures: docs/decisions/0016-few-shot.md.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin.bundle import EncoderSpec
from jangin.files import hash_file, write_atomic
from jangin.models import graph
from jangin.models.base import Floats
from jangin.models.encoder import Encoder, EncoderFiles, prefix_of
from jangin.train.head import Choice, Linear, Names, fit
from jangin.train.targets import Rows, join
from jangin.train.workshop import Workshop

# With more rows a label the whole encoder is tuned (`encoder.py`).
ROWS_A_LABEL = 40
LEARNING_RATE, VECTORS_LEARNING_RATE, SHARPNESS = 1e-4, 2e-3, 20.0
BATCH_ROWS, EPOCHS, FEWEST_STEPS, MOST_EPOCHS = 64, 8, 80, 30
# The frozen rungs' search nearly always ends here with few rows; on rows that were tuned on it would find nothing.
C = 10.0


class Tuned(msgspec.Struct, frozen=True, eq=False):
    """An encoder of the bundle's own, and the head fitted on its embeddings of the rows that it was tuned on."""

    encoder: Encoder
    spec: EncoderSpec
    files: dict[str, Path]
    linear: Linear


def is_for(shop: Workshop) -> bool:
    """Where each row has one label and few rows share it; the labels' names are rows of train too."""
    return shop.named is not None and len(shop.train) <= ROWS_A_LABEL * len(shop.labels)


def tuned(shop: Workshop, base: str, rows: Rows, folder: Path) -> Tuned:
    """Tunes on `rows` unless an earlier run of this climb did, and fits the head."""
    from jangin.bases import pull

    found = pull.ensure(base, quiet=shop.quiet)
    path, tokenizer = folder / "encoder.onnx", folder / "tokenizer.json"
    assert shop.named is not None
    if not path.is_file():
        config = msgspec.json.decode(found["config.json"].read_bytes())
        weights = _train(shop, base, join(rows, shop.named), found, config)
        write_atomic(tokenizer, found["tokenizer.json"].read_bytes())
        write_atomic(path, graph.build(weights, config))
    files = EncoderFiles(f"{base}-tuned", path, tokenizer, hash_file(path), prefix_of(base))
    encoder = Encoder(files, bulk=True)
    names = Names(encoder.embed(shop.named.texts), shop.named)
    linear = fit("encoder", encoder.embed(rows.texts), rows, len(shop.labels), Choice(C, named=True), shop.seed, names)
    spec = EncoderSpec(base, files.sha256, "embedding", path.name, tokenizer.name)
    return Tuned(encoder, spec, {path.name: path, tokenizer.name: tokenizer}, linear)


def _train(shop: Workshop, base: str, rows: Rows, found: dict[str, Path], config: dict[str, Any]) -> dict[str, Floats]:
    import torch
    from torch.nn.functional import cross_entropy, normalize

    from jangin.train.encoder import _module, _Texts

    torch.manual_seed(shop.seed)
    data = _Texts(rows, found["tokenizer.json"], prefix_of(base))
    body = _module(found["model.safetensors"], config, rows, len(shop.labels)).body
    below = len(body.encoder.layer) * 2 // 3  # as far as the graph's second embedding, which so stays the base's
    top = torch.nn.ModuleList(list(body.encoder.layer)[below:])
    body.eval()
    with torch.no_grad():
        states = [_states(body, data[row]["input_ids"], below) for row in range(len(data))]
        gold = torch.tensor([int(data[row]["labels"]) for row in range(len(data))])
        means = normalize(torch.cat([_pooled(top, [state]) for state in states]), dim=1)
        vectors = torch.nn.Parameter(_class_means(means, gold, len(shop.labels)))
    top.train()
    optimizer = torch.optim.AdamW(
        [
            {"params": top.parameters(), "lr": LEARNING_RATE, "weight_decay": 0.01},
            {"params": [vectors], "lr": VECTORS_LEARNING_RATE, "weight_decay": 0.0},
        ]
    )
    a_pass = math.ceil(len(states) / BATCH_ROWS)
    passes = min(MOST_EPOCHS, max(EPOCHS, math.ceil(FEWEST_STEPS / a_pass)))
    steps, order = passes * a_pass, np.random.default_rng(shop.seed)
    pace = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(10 * (step + 1) / steps, 1 - step / steps))
    for _ in range(passes):
        drawn = order.permutation(len(states))
        for at in range(0, len(drawn), BATCH_ROWS):
            part = drawn[at : at + BATCH_ROWS]
            given = normalize(_pooled(top, [states[row] for row in part]), dim=1)
            loss = cross_entropy(SHARPNESS * given @ normalize(vectors, dim=1).T, gold[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            pace.step()
    return {name: value.float().numpy() for name, value in body.state_dict().items()}


def _states(body: Any, ids: list[int], below: int) -> Any:
    """One text's states after the layers below, (tokens, hidden)."""
    import torch

    state = body.embeddings(torch.tensor([ids]))
    if hasattr(body, "embeddings_project"):
        state = body.embeddings_project(state)
    for layer in body.encoder.layer[:below]:
        state = _through(layer, state, None)
    return state[0]


def _pooled(top: Any, states: list[Any]) -> Any:
    """(texts, hidden): the mean of the last layer over each text's tokens."""
    import torch

    width = max(len(state) for state in states)
    batch = torch.zeros(len(states), width, states[0].shape[1])
    mask = torch.zeros(len(states), width)
    for row, state in enumerate(states):
        batch[row, : len(state)], mask[row, : len(state)] = state, 1.0
    away = (1.0 - mask)[:, None, None, :] * torch.finfo(batch.dtype).min
    for layer in top:
        batch = _through(layer, batch, away)
    return (batch * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)


def _through(layer: Any, state: Any, away: Any) -> Any:
    found = layer(state, away)
    return found[0] if isinstance(found, tuple) else found  # a tuple before transformers 5


def _class_means(means: Any, gold: Any, labels: int) -> Any:
    """(labels, hidden); a label without a row begins as the mean of all."""
    import torch

    vectors = means.mean(0).repeat(labels, 1)
    for label in torch.unique(gold).tolist():
        vectors[label] = means[gold == label].mean(0)
    return vectors
