"""The verb `eval`: a specialist, or a base as it is, on open, labelled data. No seal, no verdict, no look spent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
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
from jangin.evals.predicting import Given, Progress, predictions
from jangin.evals.register import Claim
from jangin.files import write_atomic
from jangin.models.base import Rule
from jangin.models.specialist import Readers, Specialist
from jangin.models.writer import Writer
from jangin.models.written import open_specialist
from jangin.prompt import PromptTemplate, chatml, render
from jangin.task import METRICS, WRITTEN, Data, Task, load_task
from jangin.types import Example, Input

ANSWER_TOKENS, CONTEXT = 512, 4096  # of a bare base: one answer; prompt and answer together


def evaluate(
    specialist: Path | str,
    data: Path | str,
    metric: str | None = None,
    task: Path | str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """{"specialist", "metric", "score", "lower", "upper", "confidence", "method", "n", "per_class", "scope"}.

    Args:
        specialist: a bundle's folder; or, with `task`, the id of a base, which is asked as it is (greedy, ChatML, the
            task's description as its instructions, its schema binding what it writes, SQL in a fenced block), in an
            order in which what prompts begin with alike is read once.
        metric: default the task's. Limits are two-sided at 95 %.
        task: names the columns and what answers run on; None: a plain file's.
    Raises: BundleError, BaseModelError, TaskError, DataError for the first row that cannot be read.
    """
    named = load_task(task) if task is not None else None
    with _bundle(specialist, named) as folder:
        manifest = bundle.read_manifest(folder)
        job = _job(manifest, named, Path(data), metric)
        examples = _labelled(Path(data), job, tuple(manifest.labels))
        bare = folder != Path(specialist)
        with closing(open_specialist(folder, Readers(bulk=True, prefix_cache=bare))) as model:
            inputs = [example.input for example in examples]
            given = (_by_beginning if bare else predictions)(model, inputs, progress)
    answers = answering.answers(job, examples, given, model.labels)
    claim = Claim(
        specialist=model.sha256, metric=job.metric, reference=None, margin=0.0, at_least=None, confidence=0.95
    )
    found = arithmetic(claim, 1, model.kind, model.labels, manifest.rule.out_of_scope, answers)
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


def _by_beginning(model: Specialist | Writer, inputs: Sequence[Input], progress: Progress | None) -> Given:
    """The answers to a whole file, in its order; asked sorted, so that one schema's questions follow one another."""
    order = sorted(range(len(inputs)), key=lambda at: render(inputs[at]))
    given = predictions(model, [inputs[at] for at in order], progress)
    asked = sorted(range(len(order)), key=order.__getitem__)  # row -> when it was asked
    return Given([given.answers[at] for at in asked], None, [given.written[at] for at in asked])


@contextmanager
def _bundle(specialist: Path | str, task: Task | None) -> Iterator[Path]:
    """The folder named, or one made for the base named."""
    if (Path(specialist) / bundle.MANIFEST).is_file() or task is None:
        yield Path(specialist)
        return
    with tempfile.TemporaryDirectory(prefix="jangin-base-") as folder:
        write_bare_base(Path(folder), str(specialist), task)
        yield Path(folder)


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
        decoder=bundle.DecoderSpec(known.id, weights.sha256, _template(task), writing=writing),
    )
    write_atomic(folder / bundle.MANIFEST, msgspec.json.encode(manifest))


def _template(task: Task) -> PromptTemplate:
    """SQL is begun for the base as a fenced block, which it would open anyway, and ends with it: no explanations."""
    template = chatml(task.description)
    if task.metric not in ("execution", "sql_match"):
        return template
    return msgspec.structs.replace(template, after=f"{template.after}```sql\n", stop=["```"])


def _job(manifest: bundle.Manifest, named: Task | None, data: Path, metric: str | None) -> Task:
    """The task by which the file is read and scored."""
    metric = metric or (named.metric if named else manifest.task["metric"])
    if metric not in METRICS[manifest.kind]:
        raise DataError(f"no metric '{metric}' for {manifest.kind}", f"one of {', '.join(METRICS[manifest.kind])}")
    key = {"execution": "execution", "pass_at_1": "code"}.get(metric)
    if key is not None and getattr(named, key, None) is None:
        raise InputError(f"metric {metric} runs answers, and no task says on what", "name one with it: --task TASK")
    if named is None:
        return Task(name="eval", kind=manifest.kind, data=Data(file=data.name), metric=metric, folder=data.parent)
    if named.kind != manifest.kind:
        raise InputError(f"the task is of kind {named.kind}, the specialist of {manifest.kind}", "name its own task")
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
