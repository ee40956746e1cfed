"""Field-level confidence: whose tokens count for which field."""

from __future__ import annotations

import math

import pytest

from jangin.models.confidence import field_confidence
from jangin.models.generation import Token


def tokens(*pieces: tuple[str, float]) -> tuple[str, list[Token]]:
    """(text, tokens) of pieces with their probabilities."""
    return "".join(piece for piece, _ in pieces), [Token(piece.encode(), math.log(p)) for piece, p in pieces]


def test_a_field_has_the_probability_of_its_own_value_s_tokens() -> None:
    text, written = tokens(("{", 0.1), ('"a":', 0.2), ('"x', 0.5), ('y"', 0.5), (',"b":', 0.3), ("12", 0.9), ("}", 0.4))
    assert field_confidence(text, written) == pytest.approx({"a": 0.25, "b": 0.9})


def test_a_token_that_ends_a_value_and_begins_the_next_name_counts_where_it_ends() -> None:
    text, written = tokens(('{"a":"x', 0.5), ('","b":', 0.1), ('"y"}', 0.8))
    assert field_confidence(text, written) == pytest.approx({"a": 0.5, "b": 1.0})


def test_half_a_character_counts_for_the_value_that_it_stands_in() -> None:
    word = "장".encode()
    written = [Token(b'{"a":"', 0.0), Token(word[:1], math.log(0.5)), Token(word[1:], math.log(0.5)), Token(b'"}', 0.0)]
    assert field_confidence('{"a":"장"}', written) == pytest.approx({"a": 0.25})


def test_nested_values_lists_escapes_and_white_space_are_walked_over() -> None:
    text = ' { "a" : {"b": [1, "}"]} , "c\\"d" : "e,\\n", "f":null}'
    assert field_confidence(text, [Token(text.encode(), 0.0)]).keys() == {"a", 'c"d', "f"}
    assert field_confidence("{}", [Token(b"{}", -1.0)]) == {}
