"""Code scored by running its tests in the sandbox, and pass@k.

tasks = [humaneval(prompt, test, entry_point), mbpp(test_list), CodeTask(setup, tests)]
scores = score_code(zip(tasks, answers))      # CodeScore(passed, reason), in order
pass_at_k([[True, False], [False, False]], k=1)
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from jangin.errors import InputError
from jangin.evals.fences import unfenced
from jangin.evals.sandbox import DEFAULTS, Limits, Outcome, Program, run_many

# A right answer may chatter: what it prints is not looked at.
_LIMITS = DEFAULTS._replace(output_bytes=1 << 20)

HUMANEVAL_STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")  # Chen et al. (2021), section 2.1


class CodeTask(NamedTuple):
    """What surrounds an answer: `setup` is executed before it in the same file, `tests` after it.

    continues: the answer goes on where `setup` ends, within the same line if need be. An answer in a fenced block
        starts on a line of its own all the same, since it holds whole functions.
    """

    setup: str
    tests: str
    continues: bool = False

    def program(self, answer: str) -> Program:
        """The answer, taken out of its fenced block if it stands in one, between setup and tests."""
        code = extract_code(answer)
        apart = "" if not self.setup or (self.continues and code == answer) else "\n"
        return Program(self.setup + apart + code, self.tests)


class CodeScore(NamedTuple):
    """reason: None when passed; otherwise how it ended, without any of the program's text."""

    passed: bool
    reason: str | None


def humaneval(prompt: str, test: str, entry_point: str) -> CodeTask:
    """The answer continues the prompt, or, in a fenced block, defines the function anew.

    Source: Chen et al. (2021), arXiv 2107.03374, and its harness: prompt + answer + test + check(entry_point).
    """
    return CodeTask(prompt, f"{test}\ncheck({entry_point})\n", continues=True)


def mbpp(test_list: Sequence[str], test_setup_code: str = "") -> CodeTask:
    """The answer stands alone; then the set-up of the tests, then the asserts.

    Source: Austin et al. (2021), arXiv 2108.07732.
    """
    return CodeTask("", "\n".join([test_setup_code, *test_list, ""]))


def extract_code(answer: str) -> str:
    """The first fenced block that is marked as Python, or else the first fenced block, or else the whole text.

    A block that is cut off goes on to the end. An answer that is one indented continuation is not touched.
    """
    return unfenced(answer, ("python", "python3", "py"))


def cut(completion: str, stops: Sequence[str] = HUMANEVAL_STOPS) -> str:
    """A base model's continuation up to the first stop; a generator that stops there gives the same."""
    return completion[: min((completion.find(stop) for stop in stops if stop in completion), default=None)]


def score_code(
    pairs: Iterable[tuple[CodeTask, str]], *, limits: Limits = _LIMITS, parallel: int | None = None
) -> Iterator[CodeScore]:
    """One score per (task, answer), in order, as they come. Raises: SandboxError where nothing can be run safely."""
    programs = (task.program(answer) for task, answer in pairs)
    for outcome in run_many(programs, limits=limits, parallel=parallel):
        yield CodeScore(True, None) if outcome.status == "ok" else CodeScore(False, _reason(outcome))


def pass_at_k(passed: Sequence[Sequence[bool]], k: int) -> float:
    """Mean over problems of the chance that at least one of k answers, drawn from those given, passes.

    Args:
        passed: one row per problem, one entry per answer to it; rows may differ in length.
    Raises: InputError when a problem has fewer than k answers, or there is no problem.
    Source: Chen et al. (2021), arXiv 2107.03374, equation 1: 1 - C(n - c, k) / C(n, k), which is unbiased.
    """
    fewest = min((len(row) for row in passed), default=0)
    if not 1 <= k <= fewest:
        raise InputError(
            f"pass@{k} needs at least {max(k, 1)} answers to each problem; one has {fewest}", "sample more"
        )
    shares = [math.comb(len(row) - sum(map(bool, row)), k) / math.comb(len(row), k) for row in passed]
    return 1.0 - math.fsum(shares) / len(passed)


def _reason(outcome: Outcome) -> str:
    """Only the names of Python's own exceptions are passed on; others are the program's text."""
    if outcome.status != "failed":
        return outcome.status
    if outcome.exit_code == 0:
        return "ended before its tests did"
    last = outcome.stderr_tail.rstrip().rpartition("\n")[2].partition(":")[0]
    known = getattr(builtins, last, None)
    return last if isinstance(known, type) and issubclass(known, BaseException) else "an exception"
