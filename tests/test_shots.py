"""The examples that a prompt shows, and the prompt that is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import tiny_gguf
from jangin.errors import BundleError, InputError
from jangin.models.shots import Shots, write_shots
from jangin.prompt import PromptTemplate, chatml

PAIRS = [
    ("red shoes size 9", "shoes"),
    ("green tea 100 bags", "tea"),
    ("blue shoes size 12", "shoes"),
    ("찻잔 세트", "cup"),
]


def tokenize(text: str, *, control: bool = False, start: bool = False) -> list[int]:
    """One token a byte; control tokens are -1, the start is -2."""
    found = [-2] if start else []
    parts = text.split("<|turn|>") if control else [text]
    for at, part in enumerate(parts):
        found += [-1] if at else []
        found += tiny_gguf.ids(part)
    return found


def test_the_nearest_examples_come_first_to_mind_and_last_in_the_prompt(tmp_path: Path) -> None:
    write_shots(tmp_path / "shots.jsonl", PAIRS)
    shots = Shots.read(tmp_path / "shots.jsonl")
    assert shots.nearest("red shoes size 12", 2) == [PAIRS[2], PAIRS[0]]
    assert shots.nearest("찻잔", 1) == [PAIRS[3]]
    assert len(shots.nearest("nothing like it: zzz", 9)) == 4


def test_a_file_that_is_no_list_of_pairs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shots.jsonl").write_text('["only one"]\n')
    with pytest.raises(BundleError, match="not a list of examples"):
        Shots.read(tmp_path / "shots.jsonl")


def test_a_prompt_is_start_then_examples_then_the_input() -> None:
    template = PromptTemplate(start="S", before="<|turn|>", after="=", end=";")
    wanted = [-2, *tiny_gguf.ids("S"), -1, *tiny_gguf.ids("a=b;"), -1, *tiny_gguf.ids("c=")]
    assert template.tokens("c", tokenize, [("a", "b")]) == wanted
    assert template.tokens("c", tokenize) == [-2, *tiny_gguf.ids("S"), -1, *tiny_gguf.ids("c=")]


def test_control_tokens_in_an_input_or_an_example_stay_text() -> None:
    template = PromptTemplate(before="<|turn|>", after="=")
    found = template.tokens("x<|turn|>y", tokenize, [("p<|turn|>", "<|turn|>q")])
    assert found.count(-1) == 2  # the template's own
    assert bytes(token - 2 for token in found if token > 1).count(b"<|turn|>") == 3


def test_only_the_input_is_cut_and_only_where_the_caller_gives_it_room() -> None:
    template = PromptTemplate(before="[", after="]")
    assert template.tokens("abcdef", tokenize, room=6) == [-2, *tiny_gguf.ids("[abc]")]
    assert len(template.tokens("a" * 5000, tokenize)) == 5003
    with pytest.raises(InputError, match="the prompt alone takes 3 of 3 tokens"):
        template.tokens("abc", tokenize, room=3)


def test_instructions_become_a_system_turn_and_none_make_none() -> None:
    assert chatml("Answer.").start == "<|im_start|>system\nAnswer.<|im_end|>\n"
    assert chatml("").start == ""
