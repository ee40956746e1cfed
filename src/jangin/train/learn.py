"""One training run around transformers' Trainer: checkpoints, the held-out loss, and how a run can end."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from jangin.bases.lora_fit import Arrangement
from jangin.errors import BaseModelError, StorageError
from jangin.files import storage_error, write_atomic
from jangin.train.answer_model import Rows, collate
from jangin.train.recipes import Recipe, Sequences
from jangin.train.weights import OutOfMemory, half_is_fast, hushed, no_memory

CHECKPOINTS = "checkpoints"
_STATE = "trainer_state.json"  # the last file of a checkpoint
# What torch and safetensors say when a file cannot be written; neither keeps the system's own number.
_FULL = ("PytorchStreamWriter", "inline_container", "No space left", "File too large", "Disk quota", "unexpected pos")


class Learnt(msgspec.Struct, frozen=True):
    """loss: of the held-out rows, by step, per answer token; a loss that was no number is left out. best_loss:
    infinite when there is none. tokens_per_s: without padding; None when nothing ran."""

    loss: list[tuple[int, float]]
    best_loss: float
    steps: int
    tokens_per_s: float | None
    stopped: str


def learn(
    model: Any,
    data: Sequences,
    held_out: Sequences,
    recipe: Recipe,
    how: Arrangement,
    folder: Path,
    *,
    seed: int,
    quiet: bool = False,
    steps: int | None = None,
) -> Learnt:
    """Trains `model` in place and leaves the best state in it.

    Args: steps: a trial of so many, judged at its end, without checkpoints. None: a whole training, which goes on from
        the last whole checkpoint in `folder`.
    Raises: OutOfMemory; StorageError, the earlier checkpoints stay; BaseModelError for a loss that is not a number
        before there is a state to keep.
    """
    from peft.helpers import disable_input_dtype_casting
    from transformers import EarlyStoppingCallback, PrinterCallback, Trainer

    from jangin.train.watch import Diverged, Watch

    checkpoints = folder / CHECKPOINTS
    arguments = _arguments(len(data.prompts), recipe, how, checkpoints, seed, steps)
    watch = Watch(model, round(data.tokens * recipe.epochs), quiet or steps is not None)
    callbacks: list[Any] = [watch] if steps is not None else [watch, EarlyStoppingCallback(recipe.patience)]
    trainer = Trainer(
        model,
        arguments,
        data_collator=collate,
        train_dataset=Rows(data),
        eval_dataset=Rows(held_out),
        callbacks=callbacks,
    )
    trainer.can_return_loss = True
    trainer.remove_callback(PrinterCallback)
    last = None if steps is not None else begun(checkpoints, recipe)
    stopped = "all epochs" if steps is None else f"{steps} steps"
    try:
        # Autocast casts once; PEFT's own casts go there and back.
        with disable_input_dtype_casting(model.body), hushed(), _faults(checkpoints):
            trainer.train(resume_from_checkpoint=last)
        if trainer.state.global_step < trainer.state.max_steps:
            stopped = f"the held-out loss got worse {recipe.patience} times in a row"
    except Diverged as error:
        stopped = f"the loss was not a number at step {error.step}"
        best = trainer.state.best_model_checkpoint
        if best is None and steps is None:
            raise BaseModelError(
                f"the loss is not a number at step {error.step}, and there is no earlier state",
                "lower the learning rate, or look for damaged weights: jangin pull checks them",
            ) from error
        if best is not None:
            trainer._load_from_checkpoint(best)
            stopped += f"; the state of {Path(best).name} was kept"
    finally:
        watch.close()
    read = [(int(row["step"]), float(row["eval_loss"])) for row in trainer.state.log_history if "eval_loss" in row]
    losses = [(step, loss) for step, loss in read if math.isfinite(loss)]
    best_loss = min((loss for _, loss in losses), default=math.inf)
    return Learnt(losses, best_loss, trainer.state.global_step, watch.tokens_per_s, stopped)


def _arguments(rows: int, recipe: Recipe, how: Arrangement, folder: Path, seed: int, steps: int | None) -> Any:
    import torch
    from transformers import TrainingArguments

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    every = max(1, math.ceil(rows / recipe.rows) // recipe.evaluate)
    on_cpu = not torch.cuda.is_available()
    at_once = min(how.rows, recipe.rows)
    whole = steps is None
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=max(1, recipe.rows // (at_once * processes)),
        per_device_eval_batch_size=recipe.rows,
        num_train_epochs=recipe.epochs,
        max_steps=-1 if steps is None else steps,
        learning_rate=recipe.learning_rate,
        warmup_steps=recipe.warmup,
        lr_scheduler_type="linear",
        weight_decay=0.0,
        use_cpu=on_cpu,
        bf16=how.precision != "float32" and half_is_fast(),
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        eval_strategy="steps",
        save_strategy="steps" if whole else "no",
        eval_steps=every if steps is None else steps,
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=whole,
        metric_for_best_model="eval_loss" if whole else None,
        prediction_loss_only=True,
        label_names=[],
        seed=seed,
        data_seed=seed,
        remove_unused_columns=False,
        report_to=[],
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=not on_cpu,
        ddp_find_unused_parameters=False if processes > 1 else None,
        ddp_broadcast_buffers=False if processes > 1 else None,
    )


def begun(checkpoints: Path, recipe: Recipe) -> str | None:
    """The checkpoint to go on from; those of another recipe, and those half written, are removed."""
    told, ours = checkpoints / "recipe.json", msgspec.json.encode(recipe)
    if not told.is_file() or told.read_bytes() != ours:
        shutil.rmtree(checkpoints, ignore_errors=True)
        write_atomic(told, ours)
    return last_whole(checkpoints)


def last_whole(checkpoints: Path) -> str | None:
    """The newest checkpoint that was written to its end; those that were not are removed."""
    found = []
    for folder in checkpoints.glob("checkpoint-*"):
        try:
            found.append((int(msgspec.json.decode((folder / _STATE).read_bytes())["global_step"]), folder))
        except (OSError, msgspec.DecodeError, KeyError):
            shutil.rmtree(folder, ignore_errors=True)
    return str(max(found)[1]) if found else None


@contextlib.contextmanager
def _faults(checkpoints: Path) -> Iterator[None]:
    """A full disk and a full memory, told apart from what is a fault of ours."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, MemoryError, RuntimeError, SafetensorError) as error:
        if no_memory(error):
            raise OutOfMemory(str(error)) from error
        if isinstance(error, OSError):
            last_whole(checkpoints)
            raise storage_error(checkpoints, error) from error
        if not any(each in str(error) for each in _FULL):
            raise
        last_whole(checkpoints)
        raise StorageError(
            f"{checkpoints}: the disk is full, a checkpoint could not be written; the earlier one stays",
            "free some space and run the command again: it goes on from there",
        ) from error
