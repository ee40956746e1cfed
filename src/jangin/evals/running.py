"""Answers judged by more than their text: SQL on the task's databases or under a schema, code against its tests.

What has to be run never runs in this process. SQL in a fenced block is taken out of it, as code is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jangin.errors import DataError, InputError
from jangin.evals.fences import unfenced
from jangin.prompt import render
from jangin.task import Task
from jangin.types import Example

Asked = list[tuple[Example, str]]
SQL = ("sql", "sqlite")


def passed(task: Task, examples: Sequence[Example], answers: Sequence[Any]) -> list[bool]:
    """Whether each answer does what its opened example asks; one that is no text does not.

    Raises: InputError without databases; DataError for a row whose own answers cannot be run or read; SandboxError
        where code cannot be run safely.
    """
    texts = [answer if isinstance(answer, str) and answer.strip() else None for answer in answers]
    asked = [(example, text) for example, text in zip(examples, texts) if text is not None]
    outcomes = iter(_JUDGES[task.metric](task, asked))
    return [text is not None and next(outcomes) for text in texts]


def _queries(task: Task, asked: Asked) -> list[bool]:
    from jangin.evals.sql_scorer import Databases, SqlCase

    assert task.execution is not None
    if not asked:
        return []
    cases = [SqlCase(_database(each), unfenced(text, SQL), _golds(each)) for each, text in asked]
    path = task.folder / task.execution.database
    if not path.exists():
        raise InputError(f"no database '{path}'", "'execution.database' counts from the task's folder")
    with Databases(path, now=task.execution.frozen_time) as databases:
        return [score.right for score in databases.same_results(cases)]


def _matches(task: Task, asked: Asked) -> list[bool]:
    from jangin.evals.spider_match import exact_set_match, read_schema
    from jangin.evals.spider_parse import Schema

    read: dict[str, Schema] = {}  # many rows ask about one database

    def right(example: Example, text: str) -> bool:
        stated = str(example.runs_on.get("schema") or render(example.input))
        try:
            if stated not in read:
                read[stated] = read_schema(stated)
            return any(exact_set_match(unfenced(text, SQL), gold, read[stated]) for gold in _golds(example))
        except DataError as error:
            raise DataError(f"example '{example.id}': {error.message}", error.hint) from error

    return [right(example, text) for example, text in asked]


def _programs(task: Task, asked: Asked) -> list[bool]:
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


def _golds(example: Example) -> list[str]:
    return [example.output, *(example.gold if isinstance(example.gold, list) else [])]


_JUDGES: dict[str, Callable[[Task, Asked], list[bool]]] = {
    "execution": _queries,
    "pass_at_1": _programs,
    "sql_match": _matches,
}
