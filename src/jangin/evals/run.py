"""The verb `eval`: a specialist, or a base as it is, on open, labelled data. No seal, no verdict, no look spent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from jangin import bundle
from jangin.bases import pull
from jangin.data.load import complete, load_splits, schema_of
from jangin.data.read import Fault
from jangin.data.rows import Notes, read_examples
from jangin.errors import BaseModelError, DataError, InputError
from jangin.evals import answering
from jangin.evals.arithmetic import arithmetic
from jangin.evals.predicting import predictions
from jangin.evals.register import Claim
from jangin.evals.written import RUN
from jangin.files import write_atomic
from jangin.models.base import Rule
from jangin.models.specialist import Readers, Specialist
from jangin.models.writer import Writer
from jangin.models.written import open_specialist
from jangin.prompt import chatml
from jangin.task import METRICS, WRITTEN, Data, Task, load_task
from jangin.types import Example

ANSWER_TOKENS, CONTEXT = 512, 4096  # of a bare base: one answer; prompt and answer together


def evaluate(
    specialist: Path | str, data: Path | str, metric: str | None = None, task: Path | str | None = None
) -> dict[str, Any]:
    """{"specialist", "metric", "score", "lower", "upper", "confidence", "method", "n", "per_class", "scope"}.

    Args:
        specialist: a bundle's folder; or, with `task`, the id of a base, which is asked as it is (greedy, ChatML, the
            task's description as its instructions, its schema binding what it writes).
        metric: default the task's. Limits are two-sided at 95 %.
        task: names the columns and what answers run on; None: a plain file's.
    Raises: BundleError, BaseModelError, TaskError, DataError for the first row that cannot be read.
    """
    named = load_task(task) if task is not None else None
    with _opened(specialist, named) as model:
        job = _job(model, named, Path(data), metric)
        examples = _labelled(Path(data), job, model.labels)
        given = predictions(model, [example.input for example in examples])
    answers = answering.answers(job, examples, given, model.labels)
    claim = Claim(
        specialist=model.sha256, metric=job.metric, reference=None, margin=0.0, at_least=None, confidence=0.95
    )
    found = arithmetic(claim, 1, model.kind, model.labels, model.manifest.rule.out_of_scope, answers)
    result = found["result"]
    return {
        "specialist": model.name,
        "metric": job.metric,
        "score": result["score"],
        "lower": result["score_lower"],
        "upper": result["score_upper"],
        "confidence": result["confidence"],
        "method": result["score_method"],
        "n": result["n"],
        "per_class": found["per_class"],
        "scope": found["scope"],
    }


@contextmanager
def _opened(specialist: Path | str, task: Task | None) -> Iterator[Specialist | Writer]:
    if (Path(specialist) / bundle.MANIFEST).is_file() or task is None:
        with closing(open_specialist(specialist, Readers(bulk=True))) as model:
            yield model
        return
    with tempfile.TemporaryDirectory(prefix="jangin-base-") as folder:
        write_bare_base(Path(folder), str(specialist), task)
        with closing(open_specialist(folder, Readers())) as model:
            yield model


def write_bare_base(folder: Path, base: str, task: Task) -> None:
    """A bundle of a base as it is, for a task whose answers are written. Raises: InputError, BaseModelError."""
    if task.kind not in WRITTEN:
        raise InputError(f"a base alone answers no task of kind {task.kind}", "train a specialist: jangin train TASK")
    known, files = pull.pinned(base), pull.local(base)
    if files is None:
        raise BaseModelError(f"base '{base}' is not in the store", f"jangin pull {base}")
    weights = next((file for file in known.files if file.name.endswith(".gguf")), None)
    if weights is None or weights.sha256 is None:
        raise InputError(f"base '{base}' has no GGUF weights: it cannot write", "name a decoder of the catalogue")
    examples: list[Example] = []
    if task.kind == "extract" and task.schema is None:
        splits = load_splits(task)
        examples = [*splits.train, *splits.validation]
    writing = bundle.WritingSpec(ANSWER_TOKENS, min(CONTEXT, known.context), schema_of(task, examples))
    manifest = bundle.Manifest(
        name=known.id,
        kind=task.kind,
        labels=[],
        rung="base",
        params=known.params,
        rule=Rule(),
        encoder=None,
        calibration={},
        task={"name": task.name, "hash": task.hash, "description": task.description, "metric": task.metric},
        lineage={"base": {"id": known.id, "sha256": weights.sha256, "license": known.license}},
        files={},
        decoder=bundle.DecoderSpec(known.id, weights.sha256, chatml(task.description), writing=writing),
    )
    write_atomic(folder / bundle.MANIFEST, msgspec.json.encode(manifest))


def _job(model: Specialist | Writer, named: Task | None, data: Path, metric: str | None) -> Task:
    """The task by which the file is read and scored."""
    metric = metric or (named.metric if named else model.manifest.task["metric"])
    if metric not in METRICS[model.kind]:
        raise DataError(f"no metric '{metric}' for {model.kind}", f"one of {', '.join(METRICS[model.kind])}")
    if metric in RUN and (named is None or (named.execution if metric == "execution" else named.code) is None):
        raise InputError(f"metric {metric} runs answers, and no task says on what", "name one with it: --task TASK")
    if named is None:
        return Task(name="eval", kind=model.kind, data=Data(file=data.name), metric=metric, folder=data.parent)
    if named.kind != model.kind:
        raise InputError(f"the task is of kind {named.kind}, the specialist of {model.kind}", "name its own task")
    return msgspec.structs.replace(named, metric=metric, labels=None)


def _labelled(path: Path, task: Task, labels: tuple[str, ...]) -> list[Example]:
    found = []
    for row in read_examples(path, task, "test", Notes()):
        if isinstance(row, Fault):
            raise DataError(f"{path.name}, row {row.number}: {row.message}", row.hint)
        found.append(row)
    if not found:
        raise DataError(f"{path.name}: no rows", "give at least one labelled example")
    return complete(found, labels)  # a plain list of tags says no to all others
