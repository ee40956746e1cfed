"""An encoder fine-tuned to tag every token (extra `train`), exported to the graph that ONNX Runtime serves.

One linear layer on the last layer's tokens; a piece is read at the token that its first character lies in. The recipe
is fixed but for its length. A checkpoint is written after each pass: a killed run goes on from it, and ends in the same
weights.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin.errors import BaseModelError
from jangin.files import write_atomic
from jangin.models import graph
from jangin.models.encoder import prefix_of
from jangin.models.pieces import Piece
from jangin.models.token_scores import MAX_TOKENS, TokenFiles, place_pieces

LEARNING_RATE = 1e-4
HEAD_LEARNING_RATE = 2e-3
BATCH_ROWS = 16
ROWS_READ, FEWEST_PASSES, MOST_PASSES = 20_000, 2, 10
IGNORED = -100


class TaggedTexts(msgspec.Struct, frozen=True, eq=False):
    """texts, their pieces, and of each piece its label's number."""

    texts: list[str]
    pieces: list[list[Piece]]
    tags: list[list[int]]


def passes_for(rows: int) -> int:
    return max(FEWEST_PASSES, min(MOST_PASSES, math.ceil(ROWS_READ / max(1, rows))))


def train_tagger(
    base: str, data: TaggedTexts, labels: int, folder: Path, seed: int, *, quiet: bool, passes: int | None = None
) -> TokenFiles:
    """The exported files in `folder`; trains unless an earlier run of this climb finished."""
    from jangin.bases import pull

    found = pull.ensure(base, quiet=quiet)
    path, tokenizer = folder / "encoder.onnx", folder / "tokenizer.json"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        config = msgspec.json.decode(found["config.json"].read_bytes())
        weights = _train(base, data, labels, found, config, folder, seed, quiet, passes or passes_for(len(data.texts)))
        head = (weights.pop("head.weight"), weights.pop("head.bias"))
        write_atomic(tokenizer, found["tokenizer.json"].read_bytes())
        write_atomic(path, graph.build(weights, config, head, each_token=True))
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return TokenFiles(path, tokenizer, prefix_of(base))


def _train(
    base: str,
    data: TaggedTexts,
    labels: int,
    found: dict[str, Path],
    config: dict[str, Any],
    folder: Path,
    seed: int,
    quiet: bool,
    passes: int,
) -> dict[str, Any]:
    import torch
    from tqdm import tqdm

    torch.manual_seed(seed)
    model = module(found["model.safetensors"], config, labels)
    rows = read_tokens(found["tokenizer.json"], prefix_of(base), data)
    if not rows:
        raise BaseModelError("no row of train has a token to tag", "look at `jangin check`")
    head = list(model.head.parameters())
    body = [p for name, p in model.named_parameters() if not name.startswith("head.")]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in body if p.ndim >= 2], "lr": LEARNING_RATE, "weight_decay": 0.01},
            {"params": [p for p in body if p.ndim < 2], "lr": LEARNING_RATE, "weight_decay": 0.0},
            {"params": head, "lr": HEAD_LEARNING_RATE, "weight_decay": 0.0},
        ]
    )
    steps = passes * -(-len(rows) // BATCH_ROWS)
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))
    )
    kept = folder / "checkpoint" / "state.pt"
    begun = _resume(kept, model, optimizer, schedule)
    bar = tqdm(total=steps, initial=begun * (steps // passes), desc=f"{base} learns", disable=quiet, leave=False)
    model.train()
    for turn in range(begun, passes):
        torch.manual_seed(seed + 1 + turn)
        for batch in _batches(rows, np.random.default_rng([seed, turn])):
            ids, mask, gold = collate([rows[at] for at in batch])
            logits = model(ids, mask)
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), gold.flatten(), ignore_index=IGNORED, label_smoothing=0.05
            )
            if not torch.isfinite(loss):
                raise BaseModelError(f"{base}: the loss is no number in pass {turn + 1}", "look at `jangin check`")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            bar.update(1)
        _keep(kept, model, optimizer, schedule, turn + 1)
    bar.close()
    state = model.to("cpu").state_dict()
    return {name.removeprefix("body."): value.float().numpy() for name, value in state.items()}


def module(weights: Path, config: dict[str, Any], labels: int) -> Any:
    """Encoder and linear layer; called with ids and mask it gives logits (rows, tokens, labels)."""
    import torch
    from safetensors.torch import load_file
    from torch import nn
    from transformers import AutoConfig, AutoModel

    kind = config.pop("model_type", "bert")
    body = AutoModel.from_config(AutoConfig.for_model(kind, **config))
    config["model_type"] = body.config.model_type
    found = load_file(weights)
    prefix = graph.prefix_of(found)
    own = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
    lacking = [name for name in body.load_state_dict(own, strict=False).missing_keys if not name.startswith("pooler.")]
    if lacking:
        raise BaseModelError(
            f"{weights}: {len(lacking)} of the encoder's tensors are missing, first '{lacking[0]}'", "use another base"
        )

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body
            self.head = nn.Linear(body.config.hidden_size, labels)
            self.dropout = nn.Dropout(0.1)

        def forward(self, ids: Any, mask: Any) -> Any:
            return self.head(self.dropout(self.body(input_ids=ids, attention_mask=mask).last_hidden_state))

    model = Tagger()
    torch.nn.init.normal_(model.head.weight, std=0.02)
    torch.nn.init.zeros_(model.head.bias)
    return model


def read_tokens(tokenizer: Path, prefix: str, data: TaggedTexts) -> list[tuple[list[int], list[int]]]:
    """Of each row with a tagged token: ids, and labels, IGNORED where a token begins no piece."""
    from tokenizers import Tokenizer

    reader = Tokenizer.from_file(str(tokenizer))
    reader.no_padding()
    reader.enable_truncation(MAX_TOKENS)
    found = []
    for text, parts, tags in zip(data.texts, data.pieces, data.tags):
        encoding = reader.encode(prefix + text)
        gold = [IGNORED] * len(encoding.ids)
        for token, tag in zip(place_pieces(encoding.offsets, len(prefix), parts), tags):
            if token >= 0 and gold[token] == IGNORED:
                gold[token] = tag
        if any(label != IGNORED for label in gold):
            found.append((encoding.ids, gold))
    return found


def collate(rows: Sequence[tuple[list[int], list[int]]]) -> tuple[Any, Any, Any]:
    import torch

    width = max(len(ids) for ids, _ in rows)
    ids, mask = torch.zeros(2, len(rows), width, dtype=torch.long)
    gold = torch.full((len(rows), width), IGNORED)
    for at, (own, labels) in enumerate(rows):
        ids[at, : len(own)] = torch.tensor(own)
        mask[at, : len(own)] = 1
        gold[at, : len(own)] = torch.tensor(labels)
    return ids, mask, gold


def _batches(rows: Sequence[tuple[list[int], list[int]]], rng: np.random.Generator) -> list[Any]:
    """Rows of like length together, in an order of their own each pass."""
    order = rng.permutation(len(rows))
    order = order[np.argsort([len(rows[at][0]) // 4 for at in order], kind="stable")]
    batches = [order[at : at + BATCH_ROWS] for at in range(0, len(order), BATCH_ROWS)]
    return [batches[at] for at in rng.permutation(len(batches))]


def _keep(path: Path, model: Any, optimizer: Any, schedule: Any, turns: int) -> None:
    import io

    import torch

    content = io.BytesIO()
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": {"last_epoch": schedule.last_epoch, "count": schedule._step_count},
            "turns": turns,
        },
        content,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content.getvalue())


def _resume(path: Path, model: Any, optimizer: Any, schedule: Any) -> int:
    """Passes that an earlier run finished."""
    import torch

    if not path.is_file():
        return 0
    found = torch.load(path, weights_only=True)
    model.load_state_dict(found["model"])
    optimizer.load_state_dict(found["optimizer"])
    schedule.last_epoch, schedule._step_count = found["schedule"]["last_epoch"], found["schedule"]["count"]
    return int(found["turns"])
