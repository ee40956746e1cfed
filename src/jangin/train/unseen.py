"""Answers to rows of train by models that never saw them, for the promise of a specialist without a calibration split.

They are answers of the recipe, not of the artefact: the same settings fitted without a third of train. What is packed
was fitted on all of it; docs/cascade.md has the figures of both, side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jangin.models.base import Floats
from jangin.train.head import Mix, calibrate, fit_each, folds_of, held_out_rows, judging_folds, take
from jangin.train.targets import Rows

if TYPE_CHECKING:
    from jangin.train.parts import Part
    from jangin.train.workshop import Workshop

FOLDS_MORE = 1  # folds that are answered beside the one that a search looked at: each costs another fit


class Unseen(NamedTuple):
    """Rows that test the promise.

    logits: calibrated, of models that did not see the rows; None: what is packed did not, and answers them itself.
    fitted: (calibrated logits, rows) that the thresholds of tags are decided on for these rows; None: what is packed
    decided its thresholds on other rows, and they hold.
    """

    rows: Rows
    logits: Floats | None = None
    fitted: tuple[Floats, Rows] | None = None


class Proof(NamedTuple):
    """tested: rows that test the promise. freezing: rows by whose confidences the thresholds are frozen; None:
    validation, answered by what was judged, or where the tested rows are out of fold a third of these instead. They
    must be answers of like models: one that saw more rows is surer of itself, and its strictest threshold would leave
    too few answers to test."""

    tested: list[Unseen]
    freezing: Unseen | None = None


def out_of_fold(shop: Workshop, base: str | None, found: Sequence[Part], mix: Mix) -> Proof:
    """Where a search looked at one fold alone (many rows), that fold chose the settings, calibrates what is packed and
    freezes the thresholds; the next one did none of it, and is answered by models fitted without it. Where the search
    needed all folds (few rows), each is answered by the model that was fitted without it there, calibrated by the
    answers to the other folds; of these rows the search knew which of a few settings answered most of them rightly.
    """
    rows, seed = shop.train, shop.seed
    folds = folds_of(rows, seed)
    if len(judging_folds(rows, seed)) < len(folds):
        further = folds[1 : 1 + FOLDS_MORE]
        with ThreadPoolExecutor(len(found)) as pool:  # n-grams are fitted in processes, an encoder's head here
            answers = list(pool.map(lambda part: _answers(shop, base, part, further), found))
        tested = [Unseen(take(rows, outside), mix(each)) for (_, outside), each in zip(further, zip(*answers))]
        return Proof(tested, Unseen(take(rows, held_out_rows(rows, seed)), mix([part.calibration for part in found])))
    answered, made = held_out_rows(rows, seed), []
    for _, outside in folds:
        here = np.isin(answered, outside)
        others = take(rows, answered[~here])
        cross = calibrate([part.calibration[~here] for part in found], others)
        fitted = cross([part.calibration[~here] for part in found])
        made.append(
            Unseen(take(rows, answered[here]), cross([part.calibration[here] for part in found]), (fitted, others))
        )
    return Proof(made)


def _answers(shop: Workshop, base: str | None, part: Part, folds: Sequence[tuple[Any, Any]]) -> list[Floats]:
    """Uncalibrated logits of each fold's rows, by a model of the part's settings without them."""
    assert part.choice is not None
    if part.solver == "ngrams":
        read = shop.matrices(part.blocks)[0]
    else:
        assert base is not None
        read = shop.encoded(base, "train")
    inside = [rows for rows, _ in folds]
    names = shop.names_for(part, base)
    models = fit_each(part.solver, read, shop.train, len(shop.labels), part.choice, shop.seed, inside, names)
    return [model(read[outside]) for model, (_, outside) in zip(models, folds)]
