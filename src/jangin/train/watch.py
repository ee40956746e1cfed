"""What is seen of a training run: tokens, tokens/s, loss and the time left; and its end when the loss is no number."""

from __future__ import annotations

import math
import time
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback


class Diverged(Exception):
    """The held-out loss is not a number any more."""

    def __init__(self, step: int):
        super().__init__(step)
        self.step = step


class Watch(TrainerCallback):
    """tokens_per_s: over the steps of this run, padding and evaluation left out; None before the first."""

    def __init__(self, model: Any, total: int, quiet: bool):
        self._model = model
        self._bar = tqdm(total=total, unit=" tokens", unit_scale=True, disable=quiet, leave=False, desc="LoRA")
        self._seen = 0
        self._started_s = self._training_s = 0.0
        self._loss: float | None = None

    @property
    def tokens_per_s(self) -> float | None:
        return self._model.seen / self._training_s if self._training_s else None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.max_steps and state.global_step:  # a resumed run
            self._bar.update(round(self._bar.total * state.global_step / state.max_steps))

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._started_s = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._training_s += time.perf_counter() - self._started_s
        self._bar.update(self._model.seen - self._seen)
        self._seen = self._model.seen

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **_: Any
    ) -> None:
        self._loss = (metrics or {}).get("eval_loss")
        self._bar.set_postfix_str(f"held-out loss {self._loss:.4f}" if self._loss is not None else "")
        if self._loss is not None and not math.isfinite(self._loss):
            raise Diverged(state.global_step)

    def close(self) -> None:
        self._bar.close()
