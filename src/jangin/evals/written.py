"""Grades of written answers, in the three forms that `comparison.py` can compare.

field_f1                             cells, right or wrong (`fields.py`): micro-F1 of a table
exact_match, sql_match,
execution, pass_at_1                 right or not: the accuracy of answers "1" to a truth of ones
chrf, rouge_l                        marks in [0, 1]: their mean

So the limits, tests and bounds of labels hold for what is written too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from jangin.evals.fields import FieldTable, Truth, all_right, field_table, trivial_score
from jangin.evals.perclass import ClassResult, compared
from jangin.evals.scorers import Array
from jangin.evals.texts import chrf, rouge_l, same_text
from jangin.types import Kind

if TYPE_CHECKING:
    from jangin.evals.arithmetic import Answer

# Judged where the test is opened, by what stands beside an example: a database, tests, a schema (`running.py`).
JUDGED = ("execution", "pass_at_1", "sql_match")
_MARKS: dict[str, Callable[[str | None, Sequence[str]], float]] = {"chrf": chrf, "rouge_l": rouge_l}


class Graded(NamedTuple):
    """Arguments of a Comparison. `theirs` None without recorded answers; `fields` of `extract` only."""

    metric: str
    gold: Array
    ours: Array
    theirs: Array | None
    known: Array | None
    labels: int
    baseline: float
    fields: FieldTable | None = None

    @property
    def names(self) -> list[str]:
        return self.fields.names if self.fields else []


def truth_of(row: Answer) -> Truth:
    """What is right, of `extract`."""
    assert isinstance(row.gold, dict) and not isinstance(row.accepted, list)
    return Truth(row.gold, row.accepted)


def texts_of(row: Answer) -> list[str]:
    """Every accepted text, of `generate`."""
    assert isinstance(row.gold, str) and not isinstance(row.accepted, dict)
    return [row.gold, *(row.accepted or ())]


def grade(answers: Sequence[Answer], kind: Kind, metric: str, paired: bool) -> Graded:
    """The answers, and with `paired` the reference's, graded by one of the kind's metrics."""
    sides: list[list[Any]] = [[row.answer for row in answers]]
    sides += [[row.reference for row in answers]] if paired else []
    if kind == "extract":
        return _objects(answers, metric, sides)
    if metric in _MARKS:
        golds = [texts_of(row) for row in answers]
        marks = [_marked(metric, side, golds) for side in sides]
        trivial = _marked(metric, [_commonest([row.gold for row in answers])] * len(answers), golds)
        return Graded("mean", np.ones(len(answers)), marks[0], _second(marks), None, 1, float(trivial.mean()))
    if metric in JUDGED:
        marked = [[row.right for row in answers]] + ([[row.reference_right for row in answers]] if paired else [])
        return _shares([[right is True for right in side] for side in marked], 0.0)
    golds = [texts_of(row) for row in answers]
    guess = _commonest([row.gold for row in answers])
    trivially = np.mean([same_text(guess, accepted) for accepted in golds])
    return _shares([[same_text(text, gold) for text, gold in zip(side, golds)] for side in sides], float(trivially))


def right_of(row: Answer, kind: Kind, metric: str) -> bool | None:
    """Is a single answer right as a whole? None where the metric gives marks."""
    if metric in JUDGED:
        return row.right
    if kind == "extract":
        return all_right(row.answer if isinstance(row.answer, dict) else None, truth_of(row))
    if metric in _MARKS:
        return None
    return same_text(row.answer if isinstance(row.answer, str) else None, texts_of(row))


def by_field(graded: Graded, unscored: Array | None, alpha: float) -> list[ClassResult]:
    """Field by field, as `per_class` does label by label; a row is right when all of its field is."""
    table = graded.fields
    if table is None:
        return []
    results, pairs = [], []
    for place in range(len(table.names)):
        columns = table.field == place
        gold, known, ours = (cells[:, columns] for cells in (table.gold, table.known, table.ours))
        right, expected, given = int((gold & ours).sum()), int(gold.sum()), int((ours & known).sum())
        f1 = 2 * right / max(expected + given, 1)
        results.append(ClassResult(place, expected, right / max(expected, 1), right / max(given, 1), f1))
        if table.theirs is not None:
            theirs, among = table.theirs[:, columns], known.any(axis=1)
            if unscored is not None:
                among = among & ~unscored
            wrong, theirs_wrong = (((cells != gold) & known).any(axis=1) for cells in (ours, theirs))
            pairs.append((int((among & ~wrong & theirs_wrong).sum()), int((among & wrong & ~theirs_wrong).sum())))
    return compared(results, pairs, alpha) if table.theirs is not None else results


def _objects(answers: Sequence[Answer], metric: str, sides: list[list[Any]]) -> Graded:
    truths = [truth_of(row) for row in answers]
    table = field_table(truths, sides[0], sides[1] if len(sides) > 1 else None)
    if metric == "field_f1":
        score = trivial_score(truths)
        return Graded("micro_f1", table.gold, table.ours, table.theirs, table.known, 1, score, table)
    commonest = Counter(msgspec.json.encode(row.gold, order="sorted") for row in answers).most_common(1)
    guess = msgspec.json.decode(commonest[0][0]) if commonest else {}
    trivially = float(np.mean([all_right(guess, truth) for truth in truths]))
    right = [[all_right(given, truth) for given, truth in zip(side, truths)] for side in sides]
    return _shares(right, trivially)._replace(fields=table)


def _shares(right: list[list[bool]], baseline: float) -> Graded:
    marks = [np.array(side, np.int64) for side in right]
    return Graded("accuracy", np.ones(len(marks[0]), np.int64), marks[0], _second(marks), None, 2, baseline)


def _marked(metric: str, side: list[Any], golds: list[list[str]]) -> Array:
    return np.array([_MARKS[metric](text, gold) for text, gold in zip(side, golds)], float)


def _commonest(golds: list[Any]) -> str:
    counts = Counter(golds)
    return str(max(counts, key=lambda text: (counts[text], text)))


def _second(marks: list[Array]) -> Array | None:
    return marks[1] if len(marks) > 1 else None
