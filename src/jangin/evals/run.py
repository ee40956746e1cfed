"""The verb `eval`: a specialist on open, labelled data. No seal, no verdict, no look spent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jangin.data.read import Fault
from jangin.data.rows import Notes, read_examples
from jangin.errors import DataError
from jangin.evals.arithmetic import Answer, arithmetic
from jangin.evals.register import Claim
from jangin.models.specialist import Readers, load
from jangin.task import METRICS, Data, Task
from jangin.types import Example


def evaluate(folder: Path | str, data: Path | str, metric: str | None = None) -> dict[str, Any]:
    """{"specialist", "metric", "score", "lower", "upper", "confidence", "method", "n", "per_class", "scope"}.

    Args: metric: default the task's. Limits are two-sided at 95 %.
    Raises: BundleError, BaseModelError, DataError for the first row that cannot be read.
    """
    specialist = load(folder, Readers(bulk=True))
    manifest, data = specialist.manifest, Path(data)
    metric = metric or manifest.task["metric"]
    if metric not in METRICS[specialist.kind]:
        raise DataError(f"no metric '{metric}' for {specialist.kind}", f"one of {', '.join(METRICS[specialist.kind])}")
    examples = list(_labelled(data, specialist.kind, specialist.labels))
    probabilities = specialist.probabilities([example.input for example in examples])
    given = specialist.rule.decide(specialist.kind, specialist.labels, probabilities)
    answers = [
        Answer(e.id, e.output, answer, scores=p.tolist() if metric == "auprc" else None, unit=e.unit)
        for e, answer, p in zip(examples, given, probabilities)
    ]
    claim = Claim(
        specialist=specialist.sha256, metric=metric, reference=None, margin=0.0, at_least=None, confidence=0.95
    )
    found = arithmetic(claim, 1, specialist.kind, specialist.labels, specialist.rule.out_of_scope, answers)
    result = found["result"]
    return {
        "specialist": specialist.name,
        "metric": metric,
        "score": result["score"],
        "lower": result["score_lower"],
        "upper": result["score_upper"],
        "confidence": result["confidence"],
        "method": result["score_method"],
        "n": result["n"],
        "per_class": found["per_class"],
        "scope": found["scope"],
    }


def _labelled(path: Path, kind: Any, labels: tuple[str, ...]) -> list[Example]:
    task = Task(name="eval", kind=kind, data=Data(file=path.name), metric=METRICS[kind][0], folder=path.parent)
    found = []
    for row in read_examples(path, task, "test", Notes()):
        if isinstance(row, Fault):
            raise DataError(f"{path.name}, row {row.number}: {row.message}", row.hint)
        output = row.output
        if isinstance(output, tuple):  # a plain list of tags says no to all others
            output = {label: label in output for label in labels}
        found.append(Example(row.id, row.input, output, row.unit, row.row))
    if not found:
        raise DataError(f"{path.name}: no rows", "give at least one labelled example")
    return found
