"""The one renderer: what a model reads for an input, the same for a string, a chat, and the text as data cleaned it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jangin.data.text import normalise_text
from jangin.prompt import render

TEXTS = st.text(st.characters(exclude_categories=[]), max_size=60)


def test_a_text_is_itself_without_the_white_space_around_it() -> None:
    assert render("  where is my card?\n") == "where is my card?"


def test_one_user_turn_reads_as_the_bare_text() -> None:
    assert render([{"role": "user", "content": "where is my card?"}]) == "where is my card?"


def test_several_turns_name_who_speaks() -> None:
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": ""}, {"role": "user", "content": "ok"}]
    assert render(chat) == "user: hi\nassistant: \nuser: ok"


@pytest.mark.parametrize("role", ["system", "developer"])
def test_the_giant_model_s_instructions_change_nothing(role: str) -> None:
    prompt = {"role": role, "content": "Answer with one intent."}
    assert render([prompt, {"role": "user", "content": "where is my card?"}]) == "where is my card?"
    assert render([prompt]) == "Answer with one intent."


@pytest.mark.parametrize("nothing", ["", " \t\n", "\x00\x1f", [], [{"role": "user"}], "\ufeff"])
def test_nothing_to_read_is_the_empty_text(nothing: object) -> None:
    assert render(nothing) == ""  # type: ignore[arg-type]


def test_decomposed_korean_reads_as_composed() -> None:
    assert render(unicodedata.normalize("NFD", "카드를 잃어버렸어요")) == "카드를 잃어버렸어요"


def test_control_characters_become_spaces_and_odd_separators_line_ends() -> None:
    assert render("a\x00b\x7fc\x85d\u2028e\u2029f\tg\r\nh") == "a b c d\ne\nf\tg\r\nh"


def test_an_invisible_character_between_a_letter_and_its_accent_changes_nothing() -> None:
    assert render("caf\ufeffe\ufeff\u0301") == "caf\u00e9"


@given(TEXTS)
def test_rendering_twice_is_rendering_once(text: str) -> None:
    assert render(render(text)) == render(text)


@given(TEXTS)
def test_training_data_and_requests_are_read_alike(text: str) -> None:
    assert render(normalise_text(text)) == render(text)
