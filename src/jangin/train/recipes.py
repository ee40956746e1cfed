"""What decides an adapter beside its data, and the short search for it.

Successive halving in small (Jamieson and Talwalkar 2016): three learning rates at the smallest rank for a few steps,
the two best for twice as many, then the winner once more at the larger rank. All trials read the beginning of one
order of train's rows and are judged on the same held-out rows, never on validation. The default recipe is left only for
one whose held-out loss is lower by more than MARGIN: a short trial favours a high learning rate, and rank 8 is half as
large as rank 16 when twenty adapters share a base.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from jangin.errors import DataError
from jangin.files import write_atomic

UNKNOWN = -100  # what the Trainer leaves out of a step's count too
RATES, RANKS = (3e-4, 1e-3, 2e-3), (8, 16)
MARGIN = 0.02  # of the held-out loss
SHARE = 0.25  # of the training that follows, at most
FEWEST, MOST = 6, 16  # steps of the first trials
JUDGED_ROWS = 64
_UNITS = len(RATES) + 2 * 2 + 2 * (len(RANKS) - 1)  # all trials together, in units of the first ones' steps
TRIALS = len(RATES) + 2 + len(RANKS) - 1


class Recipe(msgspec.Struct, frozen=True):
    """What decides an adapter beside its data. `rows`: sequences a step. `evaluate`: how often an epoch the held-out
    loss is read; training ends when it got worse `patience` times in a row, and keeps the best."""

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.0
    learning_rate: float = 1e-3
    rows: int = 16
    epochs: float = 2.0
    warmup: float = 0.05
    evaluate: int = 2
    patience: int = 2

    def at(self, learning_rate: float, rank: int) -> Recipe:
        """alpha goes with the rank, so that what is added keeps its scale."""
        return msgspec.structs.replace(
            self, learning_rate=learning_rate, rank=rank, alpha=round(self.alpha / self.rank * rank)
        )


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

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return max(len(prompt) + len(answer) for prompt, answer in zip(self.prompts, self.answers))

    @property
    def largest(self) -> int:
        """The largest token number."""
        return max(max(ids, default=0) for part in (self.prompts, self.answers) for ids in part)

    def take(self, rows: list[int]) -> Sequences:
        prompts, answers = ([part[row] for row in rows] for part in (self.prompts, self.answers))
        return Sequences(prompts, answers, None if self.marks is None else [self.marks[row] for row in rows])


class Trial(msgspec.Struct, frozen=True):
    """loss: of the held-out rows after the last step, per answer token; None when it was no number."""

    learning_rate: float
    rank: int
    steps: int
    loss: float | None
    seconds: float


class Search(msgspec.Struct, frozen=True):
    """Whether there is a search and why. steps: of its first trials; 0: none."""

    steps: int
    why: str


NO_SEARCH, PLANNED = Search(0, "none was asked for"), Search(0, "the plan names the recipe")
Try = Callable[[Sequences, Sequences, Recipe, int], float]  # rows, held-out rows, recipe, steps -> held-out loss


def steps_of(rows: int, epochs: float, held_out: int, recipe_rows: int = 16) -> int:
    """Steps of the first trials for a training of that size; 0 when it is too short for a search."""
    wanted = (SHARE * rows * epochs - TRIALS * _judging(held_out)) / recipe_rows / _UNITS
    return 0 if wanted < FEWEST else min(MOST, int(wanted))


def cost(steps: int, rows: int, epochs: float, held_out: int, recipe_rows: int = 16) -> float:
    """What a search costs, as a share of the training that follows."""
    return (steps * _UNITS * recipe_rows + TRIALS * _judging(held_out)) / max(1.0, rows * epochs) if steps else 0.0


def _judging(held_out: int) -> float:
    """Rows trained on for the price of reading the held-out ones: no backward pass, which is half of LoRA's work."""
    return min(held_out, JUDGED_ROWS) / 2


def plan(folder: Path, rows: int, epochs: float, held_out: int, training_minutes: float, left_minutes: float) -> Search:
    """Whether the budget has room for a search; decided once, so that a killed run goes on with the same."""
    kept = folder / "search.json"
    if kept.is_file():
        return msgspec.json.decode(kept.read_bytes(), type=Search)
    return decide(rows, epochs, held_out, training_minutes, left_minutes)


def decide(rows: int, epochs: float, held_out: int, training_minutes: float, left_minutes: float) -> Search:
    """A search is made when training and search together are estimated to end within the budget."""
    steps = steps_of(rows, epochs, held_out)
    if not steps:
        return Search(0, f"{rows} rows read {epochs:g} times are too short a training for a search")
    minutes = training_minutes * cost(steps, rows, epochs, held_out)
    if training_minutes + minutes > left_minutes:
        return Search(
            0,
            f"no room: training takes about {training_minutes:.1f} minutes and a search {minutes:.1f}, "
            f"{max(0.0, left_minutes):.1f} of the budget are left",
        )
    return Search(steps, f"{TRIALS} trials of {steps} or {2 * steps} steps, about {minutes:.1f} minutes")


def keep(folder: Path, search: Search) -> None:
    write_atomic(folder / "search.json", msgspec.json.encode(search))


def best(
    attempt: Try, data: Sequences, held_out: Sequences, recipe: Recipe, search: Search, folder: Path, seed: int
) -> tuple[Recipe, list[Trial]]:
    """(the chosen recipe, every trial in its order). Trials that ended are kept in `folder`/trials."""
    order = np.random.default_rng(seed).permutation(len(data.prompts)).tolist()
    judged = np.random.default_rng(seed).permutation(len(held_out.prompts))[:JUDGED_ROWS].tolist()
    kept = held_out.take(sorted(judged))
    trials: list[Trial] = []

    def loss(rate: float, rank: int, steps: int) -> float:
        path = folder / "trials" / f"{rate:g}-{rank}-{steps}.json"
        if not path.is_file():
            started = time.perf_counter()
            rows = data.take(order[: steps * recipe.rows])
            found = attempt(rows, kept, recipe.at(rate, rank), steps)
            known = found if math.isfinite(found) else None
            made = Trial(rate, rank, steps, known, round(time.perf_counter() - started, 1))
            write_atomic(path, msgspec.json.encode(made))
        trials.append(msgspec.json.decode(path.read_bytes(), type=Trial))
        return math.inf if trials[-1].loss is None else trials[-1].loss

    small, steps = recipe.rank, search.steps
    first = {rate: loss(rate, small, steps) for rate in RATES}
    finalists = sorted(RATES, key=lambda rate: first[rate])[:2]
    second = {rate: loss(rate, small, 2 * steps) for rate in finalists}
    rate = min(second, key=lambda each: second[each])
    usual = recipe.learning_rate
    if usual in second and not _better(second[rate], second[usual]):
        rate = usual
    rank = small
    for larger in (each for each in RANKS if each > small):
        if _better(loss(rate, larger, 2 * steps), second[rate]):
            rank = larger
    return recipe.at(rate, rank), trials


def _better(loss: float, than: float) -> bool:
    return loss < than * (1 - MARGIN)
