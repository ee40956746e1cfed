"""Which rungs a climb tries: all but those that must be named, or those that are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jangin.errors import InputError
from jangin.train.climb import chosen_rungs
from jangin.train.rungs import ladder


def names(languages: list[str], only: list[str] | None = None) -> list[str]:
    shop: Any = SimpleNamespace(languages=languages)
    return [rung.name for rung in chosen_rungs(ladder(shop), only)]


def test_the_frozen_encoder_works_in_integers_and_in_float32_only_where_it_is_named() -> None:
    assert names(["en"])[:4] == ["ngrams", "minilm-l6-q8", "ngrams+minilm-l6-q8", "minilm-l6-tuned"]
    named = ["ngrams+minilm-l6", "minilm-l6", "ngrams"]
    assert names(["en"], named) == ["ngrams", "minilm-l6", "ngrams+minilm-l6"]  # in the order of the climb
    with pytest.raises(InputError, match=r"no rung 'ngrams\+minilm-l6' for this task"):
        names(["ko"], named)
