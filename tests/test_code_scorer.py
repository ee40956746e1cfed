"""Code by its tests: how a program is put together, verdicts from the sandbox, and pass@k."""

from __future__ import annotations

from itertools import combinations
from math import comb

import pytest

from jangin.errors import InputError
from jangin.evals.code_scorer import CodeTask, cut, extract_code, humaneval, mbpp, pass_at_k, score_code
from jangin.evals.sandbox import Limits, protection

jailed = pytest.mark.usefixtures("_sandbox")

PROMPT = 'def double(x: int) -> int:\n    """Twice the number.\n    >>> double(2)\n    4\n    """\n'
TEST = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == -2\n"
DOUBLE = humaneval(PROMPT, TEST, "double")
FENCED = "Here it is:\n\n```python\ndef double(x):\n    return x + x\n```\n\nUse it so:\n```python\ndouble(3)\n```\n"


@pytest.fixture(scope="module")
def _sandbox():
    if protection().refused is not None:
        pytest.skip(f"no sandbox here: {protection().refused}")


@jailed
def test_a_continuation_and_a_fenced_function_pass_humaneval_style_tests():
    answers = ["    return 2 * x\n", FENCED, "    return x ** 2\n", "    return y\n", "  bad", "    raise SystemExit\n"]
    scores = list(score_code((DOUBLE, answer) for answer in answers))
    assert [score.passed for score in scores] == [True, True, False, False, False, False]
    assert [score.reason for score in scores] == [
        None, None, "AssertionError", "NameError", "IndentationError", "ended before its tests did",
    ]  # fmt: skip


@jailed
def test_mbpp_style_tests_run_after_their_own_setup():
    task = mbpp(["assert area(unit) == 1", "assert area(Square(3)) == 9"], "unit = Square(1)")
    square = "class Square:\n    def __init__(self, a): self.a = a\n"
    answers = [square + "def area(s): return s.a ** 2", square + "def area(s): return s.a", "def area(s): return 1"]
    scores = list(score_code(((task, answer) for answer in answers), parallel=2))
    assert [tuple(score) for score in scores] == [(True, None), (False, "AssertionError"), (False, "NameError")]


@jailed
def test_a_task_of_ones_own_has_setup_before_and_tests_after_the_answer():
    task = CodeTask("import math\nradius = 2", "assert abs(area - 4 * math.pi) < 1e-9")
    scores = list(score_code([(task, "area = math.pi * radius ** 2"), (task, "area = 12")]))
    assert [score.passed for score in scores] == [True, False]


@jailed
def test_how_a_program_failed_is_said_without_its_text():
    task = mbpp(["f()"])
    answers = {
        "def f():\n    while True: pass": "timeout",
        "def f(): return bytearray(1 << 31)": "memory",
        "class Secret(Exception): pass\ndef f(): raise Secret('s3cret')": "an exception",
        "def f(): raise ValueError('s3cret')": "ValueError",
        "def f():\n    while True: print('s3cret' * 10000)": "output",
        "import os\ndef f(): os.abort()": "killed",
    }
    limits = Limits(wall_s=30, cpu_s=2)
    assert [score.reason for score in score_code(((task, a) for a in answers), limits=limits)] == list(answers.values())


def test_code_is_taken_from_the_first_python_block():
    assert extract_code(FENCED) == "def double(x):\n    return x + x\n"
    assert extract_code("```sh\npip install x\n```\n```py\nx = 1\n```") == "x = 1\n"
    assert extract_code("```\nx = 1\n```\n```\nx = 2\n```") == "x = 1\n"
    assert extract_code("Sure:\n~~~python title=a.py\nx = '```'\n~~~") == "x = '```'\n"


def test_a_block_that_is_cut_off_goes_on_to_the_end_and_text_without_a_block_is_kept_whole():
    assert extract_code("```python\ndef f():\n    return 1") == "def f():\n    return 1"
    assert extract_code("    return x\n") == "    return x\n"
    assert extract_code("") == ""


def test_a_continuation_is_cut_where_the_function_ends():
    assert cut("    return x\n\ndef other():\n    pass") == "    return x\n"
    assert cut("    return x\n") == "    return x\n"
    assert cut("a STOP b # c", stops=("STOP", "#")) == "a "


@pytest.mark.parametrize(("n", "c", "k", "expected"), [(5, 2, 1, 0.4), (5, 2, 2, 0.7), (5, 2, 4, 1.0), (10, 0, 3, 0.0)])
def test_pass_at_k_agrees_with_worked_numbers(n, c, k, expected):
    assert pass_at_k([[i < c for i in range(n)]], k) == pytest.approx(expected)


def test_pass_at_k_is_the_share_of_draws_that_hold_a_passing_answer():
    rows = [[i < c for i in range(7)] for c in range(8)]
    for k in range(1, 8):
        draws = [any(draw) for row in rows for draw in combinations(row, k)]
        assert pass_at_k(rows, k) == pytest.approx(sum(draws) / (8 * comb(7, k)))


def test_pass_at_k_needs_k_answers_to_each_problem():
    with pytest.raises(InputError) as error:
        pass_at_k([[True, True], [True]], 2)
    assert str(error.value) == "pass@2 needs at least 2 answers to each problem; one has 1\n  try: sample more"
    with pytest.raises(InputError):
        pass_at_k([], 1)
