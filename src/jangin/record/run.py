"""The verb: inputs of a split to the live model, in parallel and at a pace, answers into a reference."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import msgspec

from jangin import __version__
from jangin.data.load import hash_rows, label_set, load_splits, seal
from jangin.errors import InputError
from jangin.models.api import FIRST_WAIT_S, TIMEOUT_S, TRIES, ApiModel
from jangin.models.endpoint import Endpoint, endpoint
from jangin.models.pace import Pace
from jangin.prices import estimated_tokens
from jangin.record.asking import Budget, Question, ask_all
from jangin.record.journal import Job, Journal, Row, opened
from jangin.record.plan import Price, estimate, price_of, tokens_of, told
from jangin.record.prompt import Prompt, answer_text, build
from jangin.record.redact import redaction
from jangin.task import Task, load_task
from jangin.types import Example

MAX_TOKENS = {"classify": 256, "tag": 256, "extract": 1024, "generate": 1024}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the model is asked. rpm, tpm: requests and tokens a minute at most. max_usd: for all runs of one OUT.

    price: US dollars per million prompt and answer tokens, where none is known. redact: see record/redact.py.
    """

    key_env: str | None = None
    prompt: Path | None = None
    shots: int = 0
    parallel: int = 8
    rpm: float | None = None
    tpm: float | None = None
    max_tokens: int | None = None
    max_usd: float | None = None
    price: tuple[float, float] | None = None
    split: str = "test"
    out: Path | None = None
    redact: str | None = None
    json_schema: bool = False
    insecure_http: bool = False
    retry_unscored: bool = False
    timeout_s: float = TIMEOUT_S
    tries: int = TRIES
    first_wait_s: float = FIRST_WAIT_S


class Recorded(msgspec.Struct, frozen=True):
    """What is recorded of a split's `n` inputs. `reference` None: stopped at the limit of cost; `part` has the rows.

    refused: by the model or its filter, wrong. cut_off: at the limit of answer tokens. asked: in this run. cost_usd:
    None when no price is known.
    """

    reference: str | None
    part: str | None
    n: int
    answered: int
    unscored: int
    refused: int
    cut_off: int
    asked: int
    model: str
    cost_usd: float | None
    prompt_tokens: int
    completion_tokens: int
    seconds: float


class _Plan(msgspec.Struct, frozen=True):
    task: Task
    examples: list[Example]
    prompt: Prompt
    where: Endpoint
    price: Price
    job: Job
    changed: int
    answer_tokens: float
    today: date


def record(
    task: Path | str,
    url: str,
    model: str,
    settings: Settings = Settings(),  # noqa: B008  # frozen
    *,
    agree: Callable[[list[str]], None] = lambda lines: None,
    quiet: bool = False,
) -> Recorded:
    """Asks the model once for every input of the split, and freezes the answers as a recorded reference.

    Args:
        url: base URL of an OpenAI-compatible API.
        agree: gets the lines that say what will leave, where to and at what cost; raises where the user does not agree.
    Raises: InputError, DataError, TaskError; EndpointError for a key, model or address that is wrong;
    MissingExtraError; StorageError. What was answered before is kept in OUT.part.
    """
    plan = _plan(load_task(task), url, model, settings)
    out = settings.out or _default_out(plan.task, model, settings.split)
    if out.suffix != ".jsonl":
        raise InputError(f"-o {out}: a recorded reference ends in .jsonl", f"name it {out.with_suffix('.jsonl')}")
    started = time.perf_counter()
    with opened(out, plan.job, retry=settings.retry_unscored) as journal:
        questions = _questions(plan, journal, settings)
        budget = Budget(plan.price.tokens, settings.max_usd, plan.job.max_tokens, _spent(journal.rows))
        asked = 0
        if questions:
            model_api = _model(plan, settings)  # before anybody is asked to agree: without a key there is nothing to do
            agree(_told(plan, questions, settings, budget))
            progress = None if quiet else len(plan.examples)
            asked = asyncio.run(_ask(model_api, questions, journal, budget, plan, settings.parallel, progress))
        ids = [example.id for example in plan.examples]
        done = all(each in journal.rows for each in ids)
        if done:
            journal.finish(out, _header(plan, journal.rows, settings), ids)
        rows = [journal.rows[each] for each in ids if each in journal.rows]
    return _recorded(plan, out, rows, done, asked, time.perf_counter() - started)


def _plan(task: Task, url: str, model: str, settings: Settings) -> _Plan:
    """All that can be wrong before the first request is found here."""
    where = endpoint(url, insecure_http=settings.insecure_http)
    if not model.strip():
        raise InputError("--model is empty", "name the model as the API calls it")
    if settings.json_schema and task.schema is None:
        raise InputError("--json-schema: the task has no schema", "leave --json-schema out, or add 'schema'")
    splits = load_splits(task)  # the test comes sealed: inputs alone
    given = {"test": splits.test, "validation": [seal(example) for example in splits.validation]}[settings.split]
    if not given:
        raise InputError(f"the {settings.split} split is empty", "name another --split")
    known = [*splits.train, *splits.validation, *splits.calibration]
    labels = label_set(task, known) if task.kind in ("classify", "tag") else []
    hook, train, examples, changed = redaction(settings.redact), splits.train, given, 0
    if hook is not None:
        redacted = [hook.example(example) for example in given]
        examples, changed = [each for each, _ in redacted], sum(was for _, was in redacted)
    prompt = build(task, labels, train, file=settings.prompt, shots=settings.shots, hook=hook)
    price = price_of(where, model, settings.price, date.today())
    if settings.max_usd is not None and price.tokens is None:
        raise InputError(
            f"--max-usd cannot be kept: no price is known for model '{model}'",
            "--price IN,OUT names it, in US dollars per million prompt and answer tokens",
        )
    job = Job(
        task=task.name,
        split=settings.split,
        inputs_sha256=hash_rows(examples),
        model=model,
        endpoint=where.host,
        prompt_sha256=prompt.sha256,
        max_tokens=settings.max_tokens or MAX_TOKENS[task.kind],
        json_schema=settings.json_schema,
        redaction=settings.redact,
    )
    answers = [estimated_tokens([answer_text(task, example.output)]) for example in train]
    return _Plan(
        task, examples, prompt, where, price, job, changed, 2 + sum(answers) / max(len(answers), 1), date.today()
    )


def _model(plan: _Plan, settings: Settings) -> ApiModel:
    return ApiModel(
        plan.where,
        plan.job.model,
        key_env=settings.key_env,
        max_tokens=plan.job.max_tokens,
        timeout_s=settings.timeout_s,
        tries=settings.tries,
        first_wait_s=settings.first_wait_s,
        pace=Pace(settings.rpm, settings.tpm),
    )


def _questions(plan: _Plan, journal: Journal, settings: Settings) -> list[Question]:
    """What has no row yet; with `retry_unscored`, also what has only a reason."""
    found = []
    for example in plan.examples:
        row = journal.rows.get(example.id)
        if row is None or (settings.retry_unscored and "unscored" in row):
            chat = plan.prompt.messages(example.input)
            found.append(Question(example.id, chat, tokens_of(chat)))
    return found


def _told(plan: _Plan, questions: Sequence[Question], settings: Settings, budget: Budget) -> list[str]:
    found = estimate([each.tokens for each in questions], plan.answer_tokens, plan.job.max_tokens, plan.price.tokens)
    return told(
        plan.where,
        plan.job.model,
        found,
        plan.price.tokens,
        split=settings.split,
        shots=settings.shots,
        redacted=(settings.redact, plan.changed) if settings.redact else None,
        max_usd=settings.max_usd,
        spent=budget.spent,
    )


async def _ask(
    model: ApiModel,
    questions: Sequence[Question],
    journal: Journal,
    budget: Budget,
    plan: _Plan,
    parallel: int,
    progress: int | None,
) -> int:
    schema = None
    if plan.job.json_schema:
        name = re.sub(r"[^\w-]+", "-", plan.task.name, flags=re.ASCII) or "answer"
        schema = {"type": "json_schema", "json_schema": {"name": name, "schema": plan.task.schema}}
    async with model:
        return await ask_all(
            model, questions, journal, budget, plan.task.kind, parallel, plan.answer_tokens, schema, progress
        )


def _header(plan: _Plan, rows: dict[str, Row], settings: Settings) -> Row:
    """The first line of the reference: who answered what, how, when, at what price and on what terms."""
    models = Counter(row["model"] for row in rows.values() if "model" in row)
    reported = [name for name, _ in models.most_common()]
    exact = reported[0] if len(reported) == 1 and reported[0].startswith(plan.job.model) else plan.job.model
    price = {"model": plan.job.model} | ({"provider": plan.price.provider} if plan.price.provider else {})
    schema = ", JSON schema enforced" if plan.job.json_schema else ""
    return {
        "model": exact,
        "setting": f"{plan.prompt.setting}, at most {plan.job.max_tokens:,} answer tokens{schema}",
        "parameters": "temperature 0 and seed 0, where the server takes them",
        "date": str(plan.today),
        "source": f"recorded with jangin {__version__} from {plan.where.host}",
        "endpoint": plan.where.host,
        "test": f"{plan.task.name}, {plan.job.split} split",
        "price": price,
        "usd_per_million_tokens": plan.price.tokens,
        "terms": "recorded under the user's own account; the provider's terms for its answers apply; not checked",
        "rows": {"n": len(plan.examples), "without_answer": sum("unscored" in row for row in rows.values())},
        "models_reported": reported,
        "task_hash": plan.task.hash,
        "redaction": {"name": settings.redact, "inputs_changed": plan.changed} if settings.redact else None,
        "job": plan.job,
    }


def _recorded(plan: _Plan, out: Path, rows: Sequence[Row], done: bool, asked: int, seconds: float) -> Recorded:
    unscored = sum("unscored" in row for row in rows)
    return Recorded(
        reference=str(out) if done else None,
        part=None if done else f"{out}.part",
        n=len(plan.examples),
        answered=len(rows) - unscored,
        unscored=unscored,
        refused=sum("unscored" not in row and row["output"] is None for row in rows),
        cut_off=sum(row.get("finish_reason") == "length" for row in rows),
        asked=asked,
        model=plan.job.model,
        cost_usd=None if plan.price.tokens is None else _spent({row["id"]: row for row in rows}),
        prompt_tokens=sum(row.get("prompt_tokens", 0) for row in rows),
        completion_tokens=sum(row.get("completion_tokens", 0) for row in rows),
        seconds=seconds,
    )


def _spent(rows: dict[str, Row]) -> float:
    return sum(row.get("cost_usd", 0.0) for row in rows.values())


def _default_out(task: Task, model: str, split: str) -> Path:
    name = re.sub(r"[^\w.-]+", "-", model).strip("-.") or "model"
    return task.folder / f"reference.{name}{'' if split == 'test' else '.' + split}.jsonl"
