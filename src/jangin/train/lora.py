"""LoRA on a small decoder (extra `train`): token sequences in, an adapter file for the serving engine out.

PEFT and transformers' Trainer, so accelerate's launchers work. What makes it quick on a processor: batches of like
length, no attention mask (padding stands at the end, where a causal model's real tokens never look), logits only where
an answer is, and only of the output rows that can be right; frozen weights in the half precision that the machine
multiplies in. A killed run goes on from its last checkpoint and ends with the same adapter.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin.errors import BaseModelError, DataError
from jangin.models.base import Floats
from jangin.train import adapters

CHECKPOINTS = "checkpoints"
UNKNOWN = -1
LOGIT_ROWS = 512  # positions whose logits over a whole vocabulary are held at once


class Recipe(msgspec.Struct, frozen=True):
    """What decides an adapter beside its data. `rows`: sequences a step. `evaluate`: how often an epoch the held-out
    loss is read; training ends when it got worse `patience` times in a row, and keeps the best."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    learning_rate: float = 1e-3
    rows: int = 16
    epochs: float = 2.0
    warmup: float = 0.05
    evaluate: int = 2
    patience: int = 2


class Sequences(msgspec.Struct, frozen=True, eq=False):
    """Prompts and their answers as token numbers, row by row; the loss reads the answers only.

    marks: for answers that are any subset of a vocabulary, row by row 1, 0 or UNKNOWN for each of its tokens but the
    last, which they are compared with; `answers` then says nothing but that there is one token to predict.
    """

    prompts: list[list[int]]
    answers: list[list[int]]
    marks: list[list[int]] | None = None

    def __post_init__(self) -> None:
        if not any(self.answers):
            raise DataError("all answers are empty: there is nothing to learn", "check the output column")

    @property
    def tokens(self) -> int:
        return sum(map(len, self.prompts)) + sum(map(len, self.answers))


class Trained(msgspec.Struct, frozen=True):
    """loss: of the held-out rows, by step, per answer token. tokens_per_s: without padding; None when nothing ran.
    asked: the trainer's own logits for `ask`. agreement: the share of `probe`'s answer tokens that it would choose."""

    loss: list[tuple[int, float]]
    best_loss: float
    steps: int
    tokens_per_s: float | None
    stopped: str
    asked: Floats | None = None
    agreement: float | None = None


def train(
    weights: Path,
    data: Sequences,
    held_out: Sequences,
    recipe: Recipe,
    folder: Path,
    *,
    seed: int,
    vocabulary: Sequence[int] | None = None,
    ask: Sequence[Sequence[int]] | None = None,
    probe: Callable[[Path], Sequences] | None = None,
    quiet: bool = False,
) -> Trained:
    """Writes `folder`/adapter.gguf, and removes its checkpoints.

    Args:
        weights: a GGUF, or a folder in the Hugging Face layout.
        vocabulary: the tokens that an answer can be, when they are few; the answers of `data` are then places in it,
            or its marks stand for them. None: any token.
        probe: from the adapter file, prompts and what the serving engine answers to them.
        ask: prompts whose next-token logits over the vocabulary the trained model is asked for, for the parity check.
    Raises: BaseModelError for an architecture without a LoRA layout, weights that cannot be read, or a loss that is
        not a number from the start; StorageError from the caller's disk.
    """
    from transformers import set_seed

    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(sys.stderr):
        set_seed(seed)
        whole = load(weights)
        model = answer_model(whole, recipe, vocabulary)
        trained = _run(model, data, held_out, recipe, folder, seed, quiet)
        if ask is not None:
            trained = msgspec.structs.replace(trained, asked=answer_logits(model, ask))
        state = {name: value.detach().float().cpu().numpy() for name, value in model.state_dict().items()}
        config = whole.config.get_text_config()
        adapters.write(
            folder / "adapter.gguf",
            adapters.collect(state),
            architecture=config.model_type,
            alpha=recipe.alpha,
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
        )
        if probe is not None:
            answers = probe(folder / "adapter.gguf")
            trained = msgspec.structs.replace(trained, agreement=agreement(model, answers))
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return trained


def load(weights: Path) -> Any:
    """The causal language model in the precision that this machine trains quickest in."""
    import torch
    from transformers import AutoModelForCausalLM

    found: dict[str, Any] = {"dtype": torch.bfloat16 if half_is_fast() else torch.float32}
    where = weights
    if weights.is_file():
        where, found["gguf_file"] = weights.parent, weights.name
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(where, **found)
    except (ValueError, KeyError, OSError) as error:
        raise BaseModelError(
            f"{weights.name[:12]}: transformers cannot read these weights", "pull them again"
        ) from error
    if model.config.get_text_config().model_type not in adapters.ARCHITECTURES:
        known = ", ".join(adapters.ARCHITECTURES)
        raise BaseModelError(f"LoRA is not known for {model.config.model_type}", f"the architectures are: {known}")
    return model.to("cuda") if torch.cuda.is_available() else model


def half_is_fast() -> bool:
    """Whether this machine multiplies bfloat16 in hardware; where it does not, float32 is faster."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def answer_model(whole: Any, recipe: Recipe, vocabulary: Sequence[int] | None) -> Any:
    """The decoder with LoRA on all its linear layers; forward gives the answers' loss.

    Its state is the LoRA weights alone.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from torch import nn
    from torch.utils.checkpoint import checkpoint

    settings = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, target_modules=list(adapters.LAYERS)
    )
    body = get_peft_model(whole.model, settings)
    head = whole.get_output_embeddings().weight.detach()
    if vocabulary is not None:
        head = head[list(vocabulary)].float()  # so few rows cost nothing in full precision, and parity needs it
    cap = getattr(whole.config.get_text_config(), "final_logit_softcapping", None)

    def logits_of(states: Any, head: Any) -> Any:
        logits = (states @ head.T).float()
        return torch.tanh(logits / cap) * cap if cap else logits

    def loss_of(states: Any, head: Any, targets: Any) -> Any:
        logits = logits_of(states, head)
        if targets.ndim == 1:
            return nn.functional.cross_entropy(logits, targets, reduction="sum")
        known = targets != UNKNOWN
        odds = (logits[:, :-1] - logits[:, -1:])[known]
        return nn.functional.binary_cross_entropy_with_logits(odds, targets[known].float(), reduction="sum")

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

        def logits(self, input_ids: Any, where: Any) -> Any:
            """At `where`, over the vocabulary."""
            return logits_of(self.states(input_ids, where).to(self.head.dtype), self.head)

        def forward(self, input_ids: Any, where: Any, targets: Any, real: int = 0, **_: Any) -> Any:
            if self.training:
                self.seen += int(real)
            states = self.states(input_ids, where).to(self.head.dtype)
            total = states.new_zeros((), dtype=torch.float32)
            for at in range(0, len(targets), LOGIT_ROWS):
                part = slice(at, at + LOGIT_ROWS)
                again = self.training and len(targets) > LOGIT_ROWS
                total = total + (
                    checkpoint(loss_of, states[part], self.head, targets[part], use_reentrant=False)
                    if again
                    else loss_of(states[part], self.head, targets[part])
                )
            return {"loss": total / (targets != UNKNOWN).sum().clamp(min=1)}

        def state_dict(self, *args: Any, **kwargs: Any) -> Any:
            return {name: value for name, value in super().state_dict(*args, **kwargs).items() if ".lora_" in name}

        def load_state_dict(self, state_dict: Any, strict: bool = False, assign: bool = False) -> Any:
            found = super().load_state_dict(state_dict, strict=False, assign=assign)
            found.missing_keys.clear()  # the frozen weights, which are there already
            return found

    return AnswerModel()


def answer_logits(model: Any, prompts: Sequence[Sequence[int]]) -> Floats:
    """The trainer's own logits of the token after each prompt over the model's vocabulary, (prompts, vocabulary)."""
    import torch

    asked = Sequences([list(ids) for ids in prompts], [[0]] * len(prompts))  # what stands there is not read
    found = [_read(model, part)[0].float().cpu() for part in _parts(asked)]
    return np.asarray(torch.cat(found).numpy(), np.float32)


def agreement(model: Any, answers: Sequences) -> float:
    """The share of the answers' tokens that the trainer's copy finds likeliest after the same beginning."""
    same = total = 0
    for part in _parts(answers):
        logits, targets = _read(model, part)
        same += int((logits.argmax(1).cpu() == targets).sum())
        total += len(targets)
    return same / max(1, total)


def _parts(data: Sequences, rows: int = 16) -> Iterator[list[dict[str, Any]]]:
    """Batches of the rows that have an answer."""
    table = _Rows(data)
    kept = [table[at] for at in range(len(table)) if data.answers[at]]
    for at in range(0, len(kept), rows):
        yield kept[at : at + rows]


def _read(model: Any, part: list[dict[str, Any]]) -> tuple[Any, Any]:
    """(logits, tokens) at the answers' positions of one batch."""
    import torch

    model.eval()
    batch, device = collate(part), model.head.device
    with torch.no_grad():
        return model.logits(batch["input_ids"].to(device), batch["where"].to(device)), batch["targets"]


class _Rows:
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
    """Padded at the end. `where`: the flat positions that predict an answer's tokens; `targets`: those tokens,
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
    targets = torch.tensor([row["marks"] for row in rows] if marked else [t for row in rows for t in row["answer"]])
    real = sum(len(row["input_ids"]) for row in rows)
    return {"input_ids": ids, "where": torch.cat(where), "targets": targets, "real": real}


def _run(
    model: Any, data: Sequences, held_out: Sequences, recipe: Recipe, folder: Path, seed: int, quiet: bool
) -> Trained:
    import torch
    from peft.helpers import disable_input_dtype_casting
    from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainingArguments
    from transformers.trainer_utils import get_last_checkpoint

    from jangin.train.watch import Diverged, Watch

    checkpoints = folder / CHECKPOINTS
    steps = math.ceil(len(data.prompts) / recipe.rows)
    every = max(1, steps // recipe.evaluate)
    on_cpu = not torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        per_device_train_batch_size=recipe.rows,
        per_device_eval_batch_size=recipe.rows,
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        warmup_steps=recipe.warmup,
        lr_scheduler_type="linear",
        weight_decay=0.0,
        use_cpu=on_cpu,
        bf16=half_is_fast(),
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=every,
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        prediction_loss_only=True,
        label_names=[],
        seed=seed,
        data_seed=seed,
        remove_unused_columns=False,
        report_to=[],
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=not on_cpu,
    )
    watch = Watch(model, round(data.tokens * recipe.epochs), quiet)
    trainer = Trainer(
        model,
        arguments,
        data_collator=collate,
        train_dataset=_Rows(data),
        eval_dataset=_Rows(held_out),
        callbacks=[watch, EarlyStoppingCallback(recipe.patience)],
    )
    trainer.can_return_loss = True
    trainer.remove_callback(PrinterCallback)
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    stopped = "all epochs"
    try:
        with disable_input_dtype_casting(model.body):  # autocast does it once; PEFT's own casts go there and back
            trainer.train(resume_from_checkpoint=last)
        if trainer.state.global_step < trainer.state.max_steps:
            stopped = f"the held-out loss got worse {recipe.patience} times in a row"
    except Diverged as error:
        best = trainer.state.best_model_checkpoint
        if best is None:
            raise BaseModelError(
                f"the loss is not a number at step {error.step}, and there is no earlier state",
                "lower the learning rate",
            ) from error
        trainer._load_from_checkpoint(best)
        stopped = f"the loss was not a number at step {error.step}; the state of {Path(best).name} was kept"
    finally:
        watch.close()
    losses = [(int(row["step"]), float(row["eval_loss"])) for row in trainer.state.log_history if "eval_loss" in row]
    return Trained(losses, min(loss for _, loss in losses), trainer.state.global_step, watch.tokens_per_s, stopped)
