"""The search for learning rate and rank: what it prefers, what it costs, and that a killed one goes on."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from jangin.train import recipes
from jangin.train.recipes import MARGIN, Recipe, Search, Sequences

ROWS = Sequences([[at, at + 1] for at in range(400)], [[7]] * 400)
HELD_OUT = Sequences([[at] for at in range(200)], [[7]] * 200)
SEARCH = Search(6, "for a test")


class Bowl:
    """A stand-in for training: a loss that depends on the recipe alone; it keeps what it was asked."""

    def __init__(self, rates: dict[float, float], larger_rank: float = 1.0, dies_at: int | None = None):
        self.rates, self.larger_rank, self.dies_at = rates, larger_rank, dies_at
        self.asked: list[tuple[Sequences, Sequences, Recipe, int]] = []

    def __call__(self, rows: Sequences, held_out: Sequences, recipe: Recipe, steps: int) -> float:
        if len(self.asked) == self.dies_at:
            raise KeyboardInterrupt
        self.asked.append((rows, held_out, recipe, steps))
        return self.rates[recipe.learning_rate] * (self.larger_rank if recipe.rank == 16 else 1.0)


def chosen(bowl: Bowl, folder: Path, seed: int = 0) -> tuple[float, int]:
    recipe, _ = recipes.best(bowl, ROWS, HELD_OUT, Recipe(), SEARCH, folder, seed)
    assert recipe.alpha == 2 * recipe.rank  # what is added keeps its scale
    return recipe.learning_rate, recipe.rank


@pytest.mark.parametrize(
    ("rates", "larger_rank", "expected"),
    [
        ({3e-4: 1.2, 1e-3: 1.0, 2e-3: 1.1}, 1.0, (1e-3, 8)),
        ({3e-4: 1.2, 1e-3: 1.0, 2e-3: 1 - MARGIN / 2}, 1.0, (1e-3, 8)),
        ({3e-4: 1.2, 1e-3: 1.0, 2e-3: 1 - 2 * MARGIN}, 1.0, (2e-3, 8)),
        ({3e-4: 0.7, 1e-3: 1.0, 2e-3: 1.1}, 1.0, (3e-4, 8)),
        ({3e-4: 0.8, 1e-3: 1.0, 2e-3: 0.9}, 1.0, (3e-4, 8)),
        ({3e-4: 1.2, 1e-3: 1.0, 2e-3: 1.1}, 1 - MARGIN / 2, (1e-3, 8)),
        ({3e-4: 1.2, 1e-3: 1.0, 2e-3: 1.1}, 1 - 2 * MARGIN, (1e-3, 16)),
        ({3e-4: 1.2, 1e-3: 1.0, 2e-3: math.nan}, math.nan, (1e-3, 8)),
        ({3e-4: math.inf, 1e-3: math.inf, 2e-3: math.inf}, 1.0, (1e-3, 8)),
    ],
)
def test_the_usual_recipe_and_the_smaller_rank_are_left_only_for_a_clearly_lower_loss(
    rates: dict[float, float], larger_rank: float, expected: tuple[float, int], tmp_path: Path
) -> None:
    assert chosen(Bowl(rates, larger_rank), tmp_path) == expected


def test_trials_read_the_beginning_of_one_order_and_are_judged_on_the_same_rows(tmp_path: Path) -> None:
    bowl = Bowl({3e-4: 1.2, 1e-3: 1.0, 2e-3: 1.1})
    chosen(bowl, tmp_path)
    assert [steps for *_, steps in bowl.asked] == [6, 6, 6, 12, 12, 12]
    assert [recipe.rank for _, _, recipe, _ in bowl.asked] == [8, 8, 8, 8, 8, 16]
    assert len(bowl.asked) == recipes.TRIALS
    short, long = bowl.asked[0][0].prompts, bowl.asked[-1][0].prompts
    assert len(short) == 6 * 16 and long[: len(short)] == short and long != ROWS.prompts[: len(long)]
    judged = [held_out.prompts for _, held_out, _, _ in bowl.asked]
    assert len(judged[0]) == recipes.JUDGED_ROWS and all(each == judged[0] for each in judged)
    other = Bowl(bowl.rates)
    chosen(other, tmp_path / "other", seed=1)
    assert other.asked[0][0].prompts != short


def test_a_killed_search_goes_on_with_the_trial_it_was_at(tmp_path: Path) -> None:
    rates = {3e-4: 1.2, 1e-3: 1.0, 2e-3: 1.1}
    with pytest.raises(KeyboardInterrupt):
        chosen(Bowl(rates, dies_at=4), tmp_path)
    resumed = Bowl(rates)
    assert chosen(resumed, tmp_path) == (1e-3, 8)
    assert len(resumed.asked) == recipes.TRIALS - 4
    again = Bowl(rates)
    _, trials = recipes.best(again, ROWS, HELD_OUT, Recipe(), SEARCH, tmp_path, 0)
    assert not again.asked and [trial.loss for trial in trials] == [1.2, 1.0, 1.1, 1.0, 1.1, 1.0]


def test_a_loss_that_is_no_number_is_recorded_as_none(tmp_path: Path) -> None:
    _, trials = recipes.best(
        Bowl({3e-4: 1.0, 1e-3: math.nan, 2e-3: math.inf}), ROWS, HELD_OUT, Recipe(), SEARCH, tmp_path, 0
    )
    assert [trial.loss for trial in trials[:3]] == [1.0, None, None]
    assert msgspec.json.decode(msgspec.json.encode(trials), type=list[recipes.Trial]) == trials


@pytest.mark.parametrize(("rows", "epochs", "held_out"), [(1187, 4.0, 132), (5000, 2.0, 500), (700, 7.0, 70)])
def test_a_search_costs_at_most_a_quarter_of_the_training(rows: int, epochs: float, held_out: int) -> None:
    steps = recipes.steps_of(rows, epochs, held_out)
    assert recipes.FEWEST <= steps <= recipes.MOST
    assert 0.05 < recipes.cost(steps, rows, epochs, held_out) <= recipes.SHARE


def test_a_search_is_made_only_where_the_budget_has_room_for_it() -> None:
    def found(minutes: float, left: float) -> Search:
        return recipes.decide(1187, 4.0, 132, minutes, left)

    share = recipes.cost(found(20, 30).steps, 1187, 4.0, 132)
    assert found(20, 20 * (1 + share) + 0.01).steps and not found(20, 20 * (1 + share) - 0.01).steps
    assert found(20, 21).why == (
        f"no room: training takes about 20.0 minutes and a search {20 * share:.1f}, 21.0 of the budget are left"
    )
    assert found(20, math.inf).why.startswith(f"{recipes.TRIALS} trials of ")
    assert recipes.decide(100, 8.0, 10, 1, 60) == Search(
        0, "100 rows read 8 times are too short a training for a search"
    )


def test_a_resumed_run_searches_exactly_if_the_killed_one_did(tmp_path: Path) -> None:
    (tmp_path / "no").mkdir()
    no = recipes.plan(tmp_path / "no", 1187, 4.0, 132, 20, 21)
    recipes.keep(tmp_path / "no", no)
    assert recipes.plan(tmp_path / "no", 1187, 4.0, 132, 20, math.inf) == no
    assert recipes.plan(tmp_path / "fresh", 1187, 4.0, 132, 20, math.inf).steps
