"""Answers that are scored by running them: SQL on the task's databases, code against its tests. Never in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jangin.errors import DataError, InputError
from jangin.task import Task
from jangin.types import Example


def passed(task: Task, examples: Sequence[Example], answers: Sequence[Any]) -> list[bool]:
    """Whether each answer does what its opened example asks; one that is no text does not.

    Raises: InputError without databases; DataError for a row whose own answers cannot be run; SandboxError where code
        cannot be run safely.
    """
    texts = [answer if isinstance(answer, str) and answer.strip() else None for answer in answers]
    asked = [(example, text) for example, text in zip(examples, texts) if text is not None]
    outcomes = iter(_queries(task, asked) if task.metric == "execution" else _programs(asked))
    return [text is not None and next(outcomes) for text in texts]


def _queries(task: Task, asked: list[tuple[Example, str]]) -> list[bool]:
    from jangin.evals.sql_scorer import Databases, SqlCase

    assert task.execution is not None
    if not asked:
        return []
    cases = [SqlCase(_database(each), text, [each.output, *_others(each)]) for each, text in asked]
    path = task.folder / task.execution.database
    if not path.exists():
        raise InputError(f"no database '{path}'", "'execution.database' counts from the task's folder")
    with Databases(path, now=task.execution.frozen_time) as databases:
        return [score.right for score in databases.same_results(cases)]


def _programs(asked: list[tuple[Example, str]]) -> list[bool]:
    from jangin.evals.code_scorer import CodeTask, humaneval, mbpp, score_code

    def test_of(example: Example) -> CodeTask:
        setup, tests, name = (example.runs_on.get(key) for key in ("setup", "tests", "entry_point"))
        if isinstance(tests, list):
            return mbpp([str(test) for test in tests], str(setup or ""))
        if not isinstance(tests, str):
            raise DataError(f"example '{example.id}': its tests are neither text nor a list", "mend or drop the row")
        return humaneval(str(setup or ""), tests, str(name)) if name else CodeTask(str(setup or ""), tests)

    return [score.passed for score in score_code([(test_of(example), text) for example, text in asked])]


def _database(example: Example) -> str | None:
    name = example.runs_on.get("database")
    return None if name is None else str(name)


def _others(example: Example) -> list[str]:
    return example.gold if isinstance(example.gold, list) else []
