"""What was predicted beside the opened truth, row by row, and whether its confidences are true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from jangin.errors import RequestError
from jangin.evals.arithmetic import Answer, columns
from jangin.evals.calibration import calibration_of
from jangin.evals.fields import field_right
from jangin.evals.predicting import Given
from jangin.evals.references import Matched
from jangin.evals.running import passed
from jangin.evals.written import JUDGED, right_of, truth_of
from jangin.task import LABELLED, Task
from jangin.types import Example


def answers(
    task: Task,
    examples: Sequence[Example],
    given: Given,
    labels: Sequence[str],
    matched: Sequence[Matched] | None = None,
) -> list[Answer]:
    """One Answer an example, in order; by a metric of JUDGED, ours and the reference's are judged here.

    Args: examples: opened. matched: the reference's answers, where it was recorded.
    Raises: as `running.passed`.
    """
    ours: list[bool | None] = [None] * len(examples)
    theirs: list[bool | None] = [None] * len(examples)
    if task.metric in JUDGED:
        ours = list(passed(task, examples, given.answers))
        if matched:
            scored = [at for at, each in enumerate(matched) if each.unscored is None]
            outcomes = passed(task, [examples[at] for at in scored], [matched[at].answer for at in scored])
            for at, right in zip(scored, outcomes):
                theirs[at] = right
    rows = []
    for at, example in enumerate(examples):
        reference = matched[at] if matched else Matched(None)
        scores = None
        if task.metric == "auprc" and given.probabilities is not None:
            scores = given.probabilities[at].astype(float).tolist()
        rows.append(
            Answer(
                id=example.id,
                gold=example.output,
                answer=given.answers[at],
                confidence=given.confidence(at, labels),
                scores=scores,
                unit=example.unit,
                reference=reference.answer,
                unscored=reference.unscored,
                accepted=example.gold,
                right=ours[at],
                reference_right=theirs[at],
            )
        )
    return rows


def calibration(task: Task, rows: Sequence[Answer], given: Given, labels: Sequence[str]) -> dict[str, Any]:
    """Errors of the confidences: of labels; of `extract`, of every field given that is scored; of other written
    answers, of whole ones that are right or wrong. Empty where there is none, or answers get marks."""
    if task.kind in LABELLED:
        assert given.probabilities is not None
        table = columns(rows, labels, task.kind, paired=False)
        return msgspec.to_builtins(calibration_of(given.probabilities, table.gold, table.known))
    sure: list[float] = []
    right: list[bool] = []
    for row, each in zip(rows, given.written):
        if isinstance(each, RequestError):
            continue
        if task.kind == "extract" and each.fields is not None and isinstance(row.answer, dict):
            truly = field_right(row.answer, truth_of(row))
            sure += [each.fields[name] for name in truly if name in each.fields]
            right += [truly[name] for name in truly if name in each.fields]
        elif task.kind == "generate" and each.confidence is not None:
            whole = right_of(row, task.kind, task.metric)
            sure += [] if whole is None else [each.confidence]
            right += [] if whole is None else [whole]
    if not sure:
        return {}
    return msgspec.to_builtins(calibration_of(np.array(sure)[:, None], np.array(right)[:, None]))
