"""The evidence for a promise about local answers of a specialist that writes or copies; `trusting.py` has the rules.

The confidence is the one that the server reports: of what is copied the probability that all of it is right, of what a
decoder writes the geometric mean of its tokens' probabilities. A loss is the share of an object's fields that is wrong;
of a text, whether the task's metric calls it wrong. Which rows test it:

    a calibration split            a half of it, by chance; the other half ends the training or decides the thresholds
    none, LoRA                     half of the tenth of train that was held out of it
    none, copying with cues alone  answers out of fold: the whole rung made again without a third of train; a third of
                                   those answers freezes the thresholds, two thirds test them
    none, other rungs              none: to make them again takes too long
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from jangin import bundle
from jangin.evals.answering import answers
from jangin.evals.arithmetic import Answer
from jangin.evals.fields import wrong_share
from jangin.evals.predicting import Given
from jangin.evals.threshold import rows_needed
from jangin.evals.written import right_of, truth_of
from jangin.models.written import answer_of, answers_to
from jangin.pack_written import write_bundle
from jangin.routing.trust import Evidence, asked_of
from jangin.task import Task
from jangin.train.head import FOLDS, ONE_FOLD_ROWS
from jangin.train.judge import Judged
from jangin.train.spared import a_third, one_a_unit, unit_numbers, units_of
from jangin.train.trusting import trusted
from jangin.types import Example

if TYPE_CHECKING:
    from jangin.train.writers import Candidate
    from jangin.train.written import WritingShop

MOST_WRITTEN = 1_000  # rows that a decoder answers for it: seconds each
NO_CONFIDENCE = -1.0
MARKS = ("chrf", "rouge_l")


def trust_written(shop: WritingShop, candidate: Candidate, judged: Judged, folder: Path) -> dict[str, Any]:
    """Writes the sidecar of a packed specialist into its `folder`. Returns: the promise, for the record; of a metric
    that gives marks there is none, and `message` says so."""
    task = shop.task
    if task.metric in MARKS:
        message = f"no promise: {task.metric} gives marks, and a promise speaks of answers that are right or wrong"
        return {"threshold": None, "local_share": 0.0, "message": message}
    frozen = [row["confidence"] for row in judged.rows["answers"] if row["confidence"] is not None]
    tests = _tests(shop, candidate, folder)
    found = [pair for where, examples in tests for pair in _tested(task, where, examples, shop.quiet)]
    if tests and tests[0][0] != folder:
        # A rung that saw more rows is surer of itself: thresholds are frozen on answers of the same rungs.
        apart = a_third(len(found), shop.seed).tolist()
        frozen = [confidence for (confidence, _), one in zip(found, apart) if one and confidence != NO_CONFIDENCE]
        found = [pair for pair, one in zip(found, apart) if not one]
    evidence = Evidence(
        validation=frozen,
        confidence=[confidence for confidence, _ in found],
        loss=[loss for _, loss in found],
        rows="held out" if all(where == folder for where, _ in tests) else "out of fold",
        of="share of fields" if task.kind == "extract" else "answer",
    )
    return trusted(task, evidence, bundle.identity(bundle.read_manifest(folder)), folder)


def _tests(shop: WritingShop, candidate: Candidate, folder: Path) -> list[tuple[Path, list[Example]]]:
    """Which bundle answers which rows."""
    slow = candidate.spec if isinstance(candidate.spec, bundle.DecoderSpec) else None
    if shop.splits.calibration:
        rows = shop.spared
    elif slow is not None and slow.adapter is not None:
        rows = shop.apart().proof
    elif slow is None and candidate.encoder is None:
        return _again(shop, candidate)
    else:
        rows = []
    chosen = one_a_unit(units_of(rows), shop.seed)
    if slow is not None and len(chosen) > MOST_WRITTEN:
        chosen = np.sort(np.random.default_rng(shop.seed).permutation(chosen)[:MOST_WRITTEN])
    return [(folder, [rows[at] for at in chosen.tolist()])] if len(chosen) else []


def _again(shop: WritingShop, candidate: Candidate) -> list[tuple[Path, list[Example]]]:
    """The rung that copies by cues, made without each fold; without the first alone where that holds enough rows."""
    from jangin.train.spans import make

    train = shop.splits.train
    units = unit_numbers(units_of(train))
    folds = [np.flatnonzero(units % FOLDS == fold) for fold in range(FOLDS)]
    folds = folds[:1] if len(folds[0]) >= ONE_FOLD_ROWS else folds
    target, confidence, _ = asked_of(shop.task.policy)
    if sum(map(len, folds)) * 2 // 3 < rows_needed(target, 1 - confidence):
        return []  # too few to test anything
    tests = []
    for number, fold in enumerate(folds):
        inside = np.setdiff1d(np.arange(len(train)), fold)
        part = copy.copy(shop)
        part.plan = None
        part.splits = msgspec.structs.replace(shop.splits, train=[train[at] for at in inside.tolist()])
        folder = shop.work / f"{candidate.rung}-without-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        made = make(part, None, folder)
        again = msgspec.structs.replace(candidate, folder=folder, spec=made.spec, files=made.files)
        write_bundle(part, again, {}, folder)
        outside = [train[at] for at in fold.tolist()]
        tests.append((folder, [outside[at] for at in one_a_unit(units_of(outside), shop.seed).tolist()]))
    return tests


def _tested(task: Task, folder: Path, examples: Sequence[Example], quiet: bool) -> list[tuple[float, float]]:
    """(confidence, loss) of each row that can be judged."""
    written = answers_to(folder, [example.input for example in examples], quiet)
    given = Given([answer_of(each, task.kind) for each in written], None, written)
    rows = answers(task, examples, given, [])
    sure = [NO_CONFIDENCE if row.confidence is None else row.confidence for row in rows]
    return [(confidence, _loss(task, row)) for confidence, row in zip(sure, rows)]


def _loss(task: Task, row: Answer) -> float:
    if task.kind == "extract":
        return wrong_share(row.answer if isinstance(row.answer, dict) else None, truth_of(row))
    return 0.0 if right_of(row, task.kind, task.metric) else 1.0
