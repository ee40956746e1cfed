"""The score taken again: a merged model against the adapter it was made of, on the task's validation inputs."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jangin import bundle
from jangin.errors import BundleError
from jangin.export.source import Source
from jangin.models.specialist import CONTEXT, Readers
from jangin.task import Bar, Task
from jangin.types import Example

if TYPE_CHECKING:
    from jangin.evals.predicting import Given, Progress
    from jangin.models.shared import Held

ROWS = 200  # of validation, spaced evenly: both models answer them all


class Merged(Readers):
    """Opens the merged file wherever a bundle names its base and adapter; all else of the bundle stays as it is."""

    def __init__(self, weights: Path):
        super().__init__()
        self._merged = weights

    def decoder(self, folder: Path, manifest: bundle.Manifest) -> Held:
        from jangin.models.shared import SharedDecoder

        spec = manifest.decoder
        assert spec is not None
        context = spec.writing.context if spec.writing else CONTEXT
        return SharedDecoder(self._merged, context=context, threads=self._threads).hold(None)


def validation_of(source: Source, task: Task) -> list[Example]:
    """The rows that are compared. Raises: BundleError for another task than the specialist's; DataError."""
    from jangin.data.load import load_splits

    if source.manifest.task.get("hash") != task.hash:
        raise BundleError(
            f"specialist '{source.manifest.name}' was trained for task "
            f"{str(source.manifest.task.get('hash'))[:12]}; '{task.name}' is {task.hash[:12]}",
            "name the one it was trained with by --task",
        )
    rows = load_splits(task).validation
    return rows if len(rows) <= ROWS else [rows[at * len(rows) // ROWS] for at in range(ROWS)]


def compare(
    source: Source, merged: Path, task: Task, examples: list[Example], progress: Progress | None = None
) -> dict[str, Any]:
    """Answers and scores of both on `validation_of` the task; what `export` writes down as its parity.

    Raises: BundleError when the score falls by more than the bar's margin (0.02 without a bar); EngineError.
    """
    before = _answers(source, examples, Readers(), _named("the bundle answers validation", progress))
    after = _answers(source, examples, Merged(merged), _named("the merged file answers validation", progress))
    scores = [_score(source, task, examples, given) for given in (before, after)]
    margin = (task.bar or Bar()).margin
    same = sum(one == other for one, other in zip(before.answers, after.answers)) / max(1, len(examples))
    found = {
        "method": "merged file and adapter answered the same validation inputs, in the bundle's own prompt and head",
        "n": len(examples),
        "metric": task.metric,
        "same_answers": same,
        "largest_confidence_gap": _gap(before, after, source.manifest.labels),
        "score_before": scores[0],
        "score_after": scores[1],
        "margin": margin,
    }
    if scores[1] < scores[0] - margin:
        raise BundleError(
            f"{task.metric} falls from {scores[0]:.4f} to {scores[1]:.4f} on {len(examples)} validation rows; "
            f"{margin:g} is allowed",
            "quantise less: --quantise f16 or bf16; nothing was written",
        )
    return found


def _answers(source: Source, examples: list[Example], readers: Readers, progress: Progress | None) -> Given:
    from jangin.evals.predicting import predictions
    from jangin.models.written import open_specialist

    with closing(open_specialist(source.folder, readers)) as model:
        return predictions(model, [example.input for example in examples], progress)


def _named(stage: str, progress: Progress | None) -> Progress | None:
    return None if progress is None else lambda _, done, total: progress(stage, done, total)


def _score(source: Source, task: Task, examples: list[Example], given: Given) -> float:
    from jangin.evals import answering
    from jangin.evals.arithmetic import arithmetic
    from jangin.evals.register import Claim

    labels = source.manifest.labels
    rows = answering.answers(task, examples, given, labels)
    claim = Claim(
        specialist=source.identity, metric=task.metric, reference=None, margin=0.0, at_least=None, confidence=0.95
    )
    found = arithmetic(claim, 1, task.kind, labels, source.manifest.rule.out_of_scope, rows)
    return float(found["result"]["score"])


def _gap(before: Given, after: Given, labels: list[str]) -> float | None:
    """Of the probabilities where labels have them, else of the written answers' confidences."""
    if before.probabilities is not None and after.probabilities is not None:
        return float(np.abs(before.probabilities - after.probabilities).max(initial=0.0))
    pairs = [(before.confidence(at, labels), after.confidence(at, labels)) for at in range(len(before.answers))]
    gaps = [abs(one - other) for one, other in pairs if one is not None and other is not None]
    return max(gaps, default=None)
