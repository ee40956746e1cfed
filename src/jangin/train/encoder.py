"""The fine-tuned encoder (extra `train`): trained with transformers' Trainer, exported to the same graph and engine.

Mean pooling and one linear layer, cross-entropy over the labels (or over each known `tag` cell). The recipe is fixed
but for its length, so that nothing is tuned on validation. Checkpoints are written each epoch: a killed run goes on
from the last one and ends in the same weights.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin.bundle import EncoderSpec
from jangin.errors import BaseModelError, MissingExtraError
from jangin.files import hash_file, write_atomic
from jangin.models import graph
from jangin.models.base import Floats
from jangin.models.encoder import Encoder, EncoderFiles, prefix_of
from jangin.train.logits import divide, on_logits
from jangin.train.rungs import Attempt, will_fit
from jangin.train.targets import Rows
from jangin.train.workshop import Workshop

LEARNING_RATE = 1e-4
HEAD_LEARNING_RATE = 1e-3
BATCH_ROWS = 32
MAX_TOKENS = 128
# Enough passes over small data, few over large: about this many rows are read in all, within these bounds.
ROWS_READ, FEWEST_EPOCHS, MOST_EPOCHS = 45_000, 2, 10


class TunedRung:
    """A fine-tuned encoder, alone or beside the n-grams."""

    def __init__(self, base: str, with_ngrams: bool):
        self.base = base
        self.with_ngrams = with_ngrams
        self.name = f"ngrams+{base}-tuned" if with_ngrams else f"{base}-tuned"

    def why_not(self, shop: Workshop) -> str | None:
        if not _installed():
            return MissingExtraError("fine-tuning", "train").message
        found = will_fit(shop, self.base, "finetune")
        return None if found.fits else found.why

    def minutes(self, shop: Workshop) -> float:
        if self.with_ngrams and (shop.work / f"tuned-{self.base}" / "encoder.onnx").is_file():
            return 0.1
        from jangin.bases.fit import EPOCHS

        return will_fit(shop, self.base, "finetune").minutes * epochs_for(len(shop.train)) / EPOCHS["finetune"]

    def attempt(self, shop: Workshop) -> Attempt:
        from jangin.train import few_rows, top_layers

        if top_layers.is_for(shop):
            return few_rows.attempt(shop, self.base, self.with_ngrams)
        division = divide(shop)
        folder = shop.work / f"tuned-{self.base}"
        encoder = Encoder(_tuned(shop, self.base, division.train, folder), bulk=True)
        files = encoder.files
        assert files.tokenizer is not None
        spec = EncoderSpec(self.base, files.sha256, "logits", "encoder.onnx", "tokenizer.json")
        carried = {"encoder.onnx": files.graph, "tokenizer.json": files.tokenizer}
        return on_logits(shop, division, spec, encoder.logits, carried, self.with_ngrams)


def epochs_for(rows: int) -> int:
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, math.ceil(ROWS_READ / max(1, rows))))


def _installed() -> bool:
    return all(importlib.util.find_spec(name) for name in ("torch", "transformers", "accelerate"))


def _tuned(shop: Workshop, base: str, rows: Rows, folder: Path) -> EncoderFiles:
    """The exported graph; trains unless an earlier run of this climb finished."""
    from jangin.bases import pull

    found = pull.ensure(base, quiet=shop.quiet)
    path, tokenizer = folder / "encoder.onnx", folder / "tokenizer.json"
    if not path.is_file():
        config = msgspec.json.decode(found["config.json"].read_bytes())
        weights = _train(shop, base, rows, found, config, folder)
        head = (weights.pop("head.weight"), weights.pop("head.bias"))
        write_atomic(tokenizer, found["tokenizer.json"].read_bytes())
        write_atomic(path, graph.build(weights, config, head))
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return EncoderFiles(f"{base}-tuned", path, tokenizer, hash_file(path), prefix_of(base))


def _train(
    shop: Workshop, base: str, rows: Rows, found: dict[str, Path], config: dict[str, Any], folder: Path
) -> dict[str, Floats]:
    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed
    from transformers.trainer_utils import get_last_checkpoint

    set_seed(shop.seed)
    model = _module(found["model.safetensors"], config, rows, len(shop.labels))
    checkpoints = folder / "checkpoints"
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        per_device_train_batch_size=BATCH_ROWS,
        num_train_epochs=epochs_for(len(rows)),
        warmup_steps=0.1,
        lr_scheduler_type="linear",
        weight_decay=0.01,
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        save_strategy="epoch",
        save_total_limit=1,
        seed=shop.seed,
        data_seed=shop.seed,
        full_determinism=False,
        remove_unused_columns=False,
        report_to=[],
        logging_strategy="no",
        disable_tqdm=shop.quiet,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    data = _Texts(rows, found["tokenizer.json"], prefix_of(base))
    no_decay = [p for name, p in model.named_parameters() if p.ndim < 2 and not name.startswith("head.")]
    decay = [p for name, p in model.named_parameters() if p.ndim >= 2 and not name.startswith("head.")]
    optimizer = torch.optim.AdamW(
        [
            {"params": decay, "lr": LEARNING_RATE, "weight_decay": 0.01},
            {"params": no_decay, "lr": LEARNING_RATE, "weight_decay": 0.0},
            {"params": list(model.head.parameters()), "lr": HEAD_LEARNING_RATE, "weight_decay": 0.0},
        ]
    )
    trainer = Trainer(model, arguments, data_collator=_collate, train_dataset=data, optimizers=(optimizer, None))
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    trainer.remove_callback(PrinterCallback)
    with contextlib.redirect_stdout(sys.stderr):  # its progress bar writes a summary; stdout is the verb's own
        trainer.train(resume_from_checkpoint=last)
    state = model.to("cpu").state_dict()
    return {name.removeprefix("body."): value.float().numpy() for name, value in state.items()}


def _module(weights: Path, config: dict[str, Any], rows: Rows, labels: int) -> Any:
    """Encoder, mean pooling, linear layer; returns {"loss", "logits"} as Trainer wants it."""
    import torch
    from safetensors.torch import load_file
    from torch import nn
    from transformers import AutoConfig, AutoModel

    body = AutoModel.from_config(AutoConfig.for_model(config.pop("model_type", "bert"), **config))
    config["model_type"] = body.config.model_type
    found = load_file(weights)
    prefix = graph.prefix_of(found)  # a checkpoint with a head keeps the encoder under 'bert.' or the like
    own = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
    lacking = [name for name in body.load_state_dict(own, strict=False).missing_keys if not name.startswith("pooler.")]
    if lacking:
        raise BaseModelError(
            f"{weights}: {len(lacking)} of the encoder's tensors are missing, first '{lacking[0]}'", "use another base"
        )

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body
            self.head = nn.Linear(body.config.hidden_size, labels)
            self.dropout = nn.Dropout(0.1)

        def forward(self, input_ids: Any, attention_mask: Any, labels: Any = None, known: Any = None) -> Any:
            states = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(states.dtype)
            logits = self.head(self.dropout((states * mask).sum(1) / mask.sum(1)))
            if labels is None:
                return {"logits": logits}
            if known is None:
                loss = nn.functional.cross_entropy(logits, labels, label_smoothing=0.05)
            else:
                each = nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
                loss = (each * known).sum() / known.sum().clamp(min=1)
            return {"loss": loss, "logits": logits}

    model = Classifier()
    torch.nn.init.normal_(model.head.weight, std=0.02)
    torch.nn.init.zeros_(model.head.bias)
    return model


class _Texts:
    """A map-style dataset of token ids; rows without a known label are left out."""

    def __init__(self, rows: Rows, tokenizer: Path, prefix: str):
        from tokenizers import Tokenizer

        reader = Tokenizer.from_file(str(tokenizer))
        reader.no_padding()
        reader.enable_truncation(MAX_TOKENS)
        keep = np.flatnonzero(rows.gold >= 0) if rows.known is None else np.flatnonzero(rows.known.any(axis=1))
        self._ids = [e.ids for e in reader.encode_batch_fast([prefix + rows.texts[i] for i in keep])]
        self._gold = rows.gold[keep]
        self._known = None if rows.known is None else rows.known[keep]

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, row: int) -> dict[str, Any]:
        found = {"input_ids": self._ids[row], "length": len(self._ids[row]), "labels": self._gold[row]}
        return found if self._known is None else {**found, "known": self._known[row]}


def _collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    import torch

    width = max(row["length"] for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for at, row in enumerate(rows):
        ids[at, : row["length"]] = torch.tensor(row["input_ids"])
        mask[at, : row["length"]] = 1
    batch = {"input_ids": ids, "attention_mask": mask}
    if "known" not in rows[0]:
        return {**batch, "labels": torch.tensor([int(row["labels"]) for row in rows])}
    gold, known = (
        torch.tensor(np.stack([row[key] for row in rows]), dtype=torch.float32) for key in ("labels", "known")
    )
    return {**batch, "labels": gold, "known": known}
