"""The decoder as it is trained: LoRA on all its linear layers, a loss that reads the answers only, and its batches.

What makes it quick on a processor: no attention mask (padding stands at the end, where a causal model's real tokens
never look), logits only where an answer is, and only of the output rows that can be right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jangin.bases.lora_fit import LOGIT_ROWS
from jangin.models.base import Floats
from jangin.train import adapters
from jangin.train.recipes import UNKNOWN, Recipe, Sequences
from jangin.train.weights import hushed


def answer_model(whole: Any, recipe: Recipe, vocabulary: Sequence[int] | None, checkpointing: bool = False) -> Any:
    """The decoder with LoRA on all its linear layers; forward gives the answers' loss.

    Its state is the LoRA weights alone. checkpointing: keep a layer's input only, and compute the rest once more on the
    way back.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from torch import nn
    from torch.utils.checkpoint import checkpoint

    settings = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, target_modules=list(adapters.LAYERS)
    )
    if checkpointing and not any(getattr(module, "gradient_checkpointing", False) for module in whole.modules()):
        # Newer releases of transformers call it activation checkpointing.
        enable = getattr(whole, "activation_checkpointing_enable", None) or whole.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    with hushed():
        body = get_peft_model(whole.model, settings)
    head = whole.get_output_embeddings().weight.detach()
    if vocabulary is not None:
        head = head[list(vocabulary)].float()  # so few rows cost nothing in full precision, and parity needs it
    cap = getattr(whole.config.get_text_config(), "final_logit_softcapping", None)

    def logits_of(states: Any, head: Any) -> Any:
        logits = (states @ head.T).float()
        return torch.tanh(logits / cap) * cap if cap else logits

    def loss_of(states: Any, head: Any, labels: Any) -> Any:
        logits = logits_of(states, head)
        if labels.ndim == 1:
            return nn.functional.cross_entropy(logits, labels, reduction="sum")
        known = labels != UNKNOWN
        odds = (logits[:, :-1] - logits[:, -1:])[known]
        return nn.functional.binary_cross_entropy_with_logits(odds, labels[known].float(), reduction="sum")

    class AnswerModel(nn.Module):
        """`seen` counts the tokens of training batches, padding left out."""

        def __init__(self) -> None:
            super().__init__()
            self.body = body
            self.register_buffer("head", head, persistent=False)
            self.seen = 0

        def states(self, input_ids: Any, where: Any) -> Any:
            """Hidden states at `where`, flat positions rows x width."""
            found = self.body(input_ids=input_ids, use_cache=False).last_hidden_state
            return found.flatten(0, 1)[where]

        def logits(self, input_ids: Any, where: Any) -> Iterator[Any]:
            """At `where`, over the vocabulary, LOGIT_ROWS at a time."""
            states = self.states(input_ids, where).to(self.head.dtype)
            for at in range(0, len(states), LOGIT_ROWS):
                yield logits_of(states[at : at + LOGIT_ROWS], self.head)

        def forward(
            self, input_ids: Any, where: Any, labels: Any, real: int = 0, num_items_in_batch: Any = None, **_: Any
        ) -> Any:
            """num_items_in_batch: answer tokens, or known marks, of the whole step, when this is a part of it."""
            if self.training:
                self.seen += int(real)
            states = self.states(input_ids, where).to(self.head.dtype)
            total = states.new_zeros((), dtype=torch.float32)
            for at in range(0, len(labels), LOGIT_ROWS):
                part = slice(at, at + LOGIT_ROWS)
                again = self.training and len(labels) > LOGIT_ROWS
                total = total + (
                    checkpoint(loss_of, states[part], self.head, labels[part], use_reentrant=False)
                    if again
                    else loss_of(states[part], self.head, labels[part])
                )
            known = (labels != UNKNOWN).sum() if num_items_in_batch is None else num_items_in_batch
            return {"loss": total / known}

        def state_dict(self, *args: Any, **kwargs: Any) -> Any:
            return {name: value for name, value in super().state_dict(*args, **kwargs).items() if ".lora_" in name}

        def load_state_dict(self, state_dict: Any, strict: bool = False, assign: bool = False) -> Any:
            found = super().load_state_dict(state_dict, strict=False, assign=assign)
            found.missing_keys.clear()  # the frozen weights, which are there already
            return found

    return AnswerModel()


def answer_logits(model: Any, prompts: Sequence[Sequence[int]]) -> Floats:
    """The trainer's own logits of the token after each prompt over the model's vocabulary, (prompts, vocabulary)."""
    asked = Sequences([list(ids) for ids in prompts], [[0]] * len(prompts))  # what stands there is not read
    found = [logits.float().cpu().numpy() for part in _parts(asked) for logits, _ in _read(model, part)]
    return np.concatenate(found).astype(np.float32, copy=False)


def agreement(model: Any, answers: Sequences) -> float:
    """The share of the answers' tokens that the trainer's copy finds likeliest after the same beginning."""
    same = total = 0
    for part in _parts(answers):
        for logits, labels in _read(model, part):
            same += int((logits.argmax(1).cpu() == labels).sum())
            total += len(labels)
    return same / max(1, total)


def _parts(data: Sequences, rows: int = 16) -> Iterator[list[dict[str, Any]]]:
    """Batches of the rows that have an answer."""
    table = Rows(data)
    kept = [table[at] for at in range(len(table)) if data.answers[at]]
    for at in range(0, len(kept), rows):
        yield kept[at : at + rows]


def _read(model: Any, part: list[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
    """(logits, tokens) at the answers' positions of one batch, LOGIT_ROWS at a time."""
    import torch

    model.eval()
    batch, device = collate(part), model.head.device
    with torch.no_grad():
        blocks = model.logits(batch["input_ids"].to(device), batch["where"].to(device))
        for at, logits in zip(range(0, len(batch["where"]), LOGIT_ROWS), blocks):
            yield logits, batch["labels"][at : at + LOGIT_ROWS]


class Rows:
    """A map-style dataset; `length` is what the sampler groups by."""

    def __init__(self, data: Sequences):
        self._data = data

    def __len__(self) -> int:
        return len(self._data.prompts)

    def __getitem__(self, row: int) -> dict[str, Any]:
        # The last token of an answer is only ever predicted.
        prompt, answer = self._data.prompts[row], self._data.answers[row]
        ids = [*prompt, *answer[:-1]]
        found = {"input_ids": ids, "answer": answer, "length": len(ids)}
        return found if self._data.marks is None else {**found, "marks": self._data.marks[row]}


def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Padded at the end. `where`: the flat positions that predict an answer's tokens; `labels`: those tokens,
    or the rows' marks."""
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    where = []
    for at, row in enumerate(rows):
        length = len(row["input_ids"])
        ids[at, :length] = torch.tensor(row["input_ids"])
        where.append(torch.arange(length - len(row["answer"]), length) + at * width)
    marked = "marks" in rows[0]
    labels = torch.tensor([row["marks"] for row in rows] if marked else [t for row in rows for t in row["answer"]])
    real = sum(len(row["input_ids"]) for row in rows)
    return {"input_ids": ids, "where": torch.cat(where), "labels": labels, "real": real}
