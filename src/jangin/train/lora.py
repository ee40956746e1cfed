"""LoRA on a small decoder (extra `train`): token sequences in, an adapter file for the serving engine out.

PEFT and transformers' Trainer around a forward pass of our own (answer_model.py), on the frozen weights of weights.py.
A killed run goes on from its last checkpoint and ends with the same adapter. Memory decides how a step is computed
(bases/lora_fit.py), a short search the recipe (recipes.py), several GPUs are spread.py's matter.
"""

from __future__ import annotations

import contextlib
import gc
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from jangin.bases import lora_fit
from jangin.bases.lora_fit import Arrangement
from jangin.errors import BaseModelError
from jangin.models.base import Floats
from jangin.train import adapters, recipes, spread
from jangin.train.answer_model import agreement, answer_logits, answer_model
from jangin.train.learn import CHECKPOINTS, Learnt, learn
from jangin.train.recipes import NO_SEARCH, UNKNOWN, Recipe, Search, Sequences, Trial
from jangin.train.weights import (
    OutOfMemory,
    config_of,
    four_bit_refusal,
    free_memory_mb,
    full_precision,
    half_is_fast,
    load,
    shape_of,
)

__all__ = [
    "CHECKPOINTS",
    "UNKNOWN",
    "Recipe",
    "Sequences",
    "Trained",
    "answer_model",
    "half_is_fast",
    "load",
    "told",
    "train",
]


class Trained(Learnt, frozen=True, kw_only=True):
    """recipe, trials: what was chosen, and from what. arrangement: how a step was computed in the end. asked: the
    trainer's own logits for `ask`. agreement: the share of `probe`'s answer tokens that it would choose."""

    recipe: Recipe
    arrangement: Arrangement
    processes: int = 1
    trials: list[Trial] = []
    asked: Floats | None = None
    agreement: float | None = None


def told(trained: Trained, search: Search) -> dict[str, Any]:
    """How an adapter came about, for the record."""
    return {
        "recipe": msgspec.to_builtins(trained.recipe),
        "recipe_search": {"why": search.why, "trials": msgspec.to_builtins(trained.trials)},
        "arrangement": {**msgspec.to_builtins(trained.arrangement), "processes": trained.processes},
        "loss": trained.loss,
        "stopped": trained.stopped,
        "tokens_per_s": trained.tokens_per_s,
    }


def train(
    weights: Path,
    data: Sequences,
    held_out: Sequences,
    recipe: Recipe,
    folder: Path,
    *,
    seed: int,
    search: Search = NO_SEARCH,
    vocabulary: Sequence[int] | None = None,
    ask: Sequence[Sequence[int]] | None = None,
    probe: Callable[[Path], Sequences] | None = None,
    how: Arrangement | None = None,
    processes: int | None = None,
    quiet: bool = False,
) -> Trained:
    """Writes `folder`/adapter.gguf, and removes its checkpoints.

    Args:
        weights: a GGUF, or a folder in the Hugging Face layout. `data` holds tokens of its own tokenizer.
        search: for learning rate and rank; `recipe` is where it starts.
        vocabulary: the tokens that an answer can be, when they are few; the answers of `data` are then places in it,
            or its marks stand for them. None: any token.
        probe: from the adapter file, prompts and what the serving engine answers to them.
        ask: prompts whose next-token logits over the vocabulary the trained model is asked for, for the parity check.
        how: None: what fits in the memory that is free. processes: None: one for each GPU.
    Raises: BaseModelError for an architecture without a LoRA layout, weights that cannot be read, a loss that is not a
        number from the start, or too little memory for the leanest arrangement; StorageError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(sys.stderr):
        bench = _Bench(weights, vocabulary, data, recipe, how, processes or spread.gpus())
        trials: list[Trial] = []
        if search not in (NO_SEARCH, recipes.PLANNED):
            recipes.keep(folder, search)
        if search.steps:

            def attempt(rows: Sequences, kept: Sequences, each: Recipe, steps: int) -> float:
                return bench.learn(rows, kept, each, folder, seed, quiet, steps).best_loss

            recipe, trials = recipes.best(attempt, data, held_out, recipe, search, folder, seed)
        learnt = bench.learn(data, held_out, recipe, folder, seed, quiet)
        model, config = bench.model, bench.config.get_text_config()
        trained = Trained(
            **msgspec.structs.asdict(learnt),
            recipe=recipe,
            arrangement=bench.how,
            processes=bench.processes,
            trials=trials,
            asked=None if ask is None else answer_logits(model, ask),
        )
        state = {name: value.detach().float().cpu().numpy() for name, value in model.state_dict().items()}
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


class _Bench:
    """One base, loaded once, on which one adapter after the other is trained; `model` holds the last."""

    model: Any = None

    def __init__(
        self,
        weights: Path,
        vocabulary: Sequence[int] | None,
        data: Sequences,
        recipe: Recipe,
        how: Arrangement | None,
        processes: int,
    ):
        self.config = config_of(weights)
        self.processes = spread.usable(processes, recipe.rows)
        self._weights, self._vocabulary, self._longest = weights, vocabulary, data.longest
        self._shape = shape_of(self.config)
        self._whole: Any = None
        largest, known = data.largest, self._shape.vocabulary
        if largest >= known:
            raise BaseModelError(
                f"{weights.name[:12]} has a vocabulary of {known} tokens, the rows hold token {largest}",
                "they were made by another base's tokenizer: use this base's own",
            )
        self.how = how or self._arranged(recipe.rank)

    def learn(
        self,
        data: Sequences,
        held_out: Sequences,
        recipe: Recipe,
        folder: Path,
        seed: int,
        quiet: bool,
        steps: int | None = None,
    ) -> Learnt:
        """As learn.learn; where memory runs out, in the next leaner arrangement from the last checkpoint on."""
        from transformers import set_seed

        while True:
            try:
                if self.processes > 1:
                    job = spread.Job(
                        weights=str(self._weights),
                        vocabulary=None if self._vocabulary is None else list(self._vocabulary),
                        data=data,
                        held_out=held_out,
                        recipe=recipe,
                        how=self.how,
                        folder=str(folder),
                        seed=seed,
                        steps=steps,
                        quiet=quiet,
                    )
                    learnt, state = spread.run(job, self.processes)
                    self._put_on(recipe)
                    self.model.load_state_dict(state)
                    return learnt
                set_seed(seed)
                self._put_on(recipe)
                return learn(self.model, data, held_out, recipe, self.how, folder, seed=seed, quiet=quiet, steps=steps)
            except OutOfMemory as error:
                self.how = self._leaner(recipe.rank, error)

    def _put_on(self, recipe: Recipe) -> None:
        """A fresh adapter on the base, the last one taken off."""
        if self._whole is None:
            self._whole = load(self._weights, self.how.precision)
        self._take_off()
        self.model = answer_model(self._whole, recipe, self._vocabulary, self.how.checkpointing)

    def _take_off(self) -> None:
        if self.model is not None:
            self.model.body.unload()
        self.model = None

    def _precisions(self) -> list[lora_fit.Precision]:
        return [full_precision()] + (["4-bit"] if four_bit_refusal() is None else [])

    def _arranged(self, rank: int) -> Arrangement:
        free = free_memory_mb()
        need, fits = lora_fit.arrange(self._shape, self._longest, free, self._precisions(), rank)
        if not fits:
            raise self._too_little(rank, f"rows of {self._longest} tokens take about {need.memory_mb} MB to train on")
        rows = max(1, min(need.arrangement.rows, lora_fit.STEP_ROWS // self.processes))
        return msgspec.structs.replace(need.arrangement, rows=rows)

    def _leaner(self, rank: int, error: OutOfMemory) -> Arrangement:
        order = lora_fit.arrangements(self.how.precision)
        rest = [each for each in order if (each.checkpointing, -each.rows) > (self.how.checkpointing, -self.how.rows)]
        self._take_off()
        gc.collect()
        if not rest:
            raise self._too_little(rank, f"memory ran out at {self.how}, rows of {self._longest} tokens") from error
        return rest[0]

    def _too_little(self, rank: int, what: str) -> BaseModelError:
        free = free_memory_mb()
        if free is None:
            return BaseModelError(what, "take a smaller base, or shorten the longest rows")
        tokens = lora_fit.longest_that_fits(self._shape, free, self._precisions(), rank)
        fits = f"rows of up to {tokens} tokens would fit" if tokens else "not even its weights fit"
        refusal = four_bit_refusal()
        more = "" if refusal is None else f" ({refusal})"
        return BaseModelError(
            f"{what}, {free} MB are free, a tenth of it kept back; {fits}",
            f"shorten the longest rows, or take a smaller base{more}",
        )
