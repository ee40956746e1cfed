"""The threshold beside a bundle: drawn, written, read, bound to its specialist."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jangin.errors import BundleError
from jangin.routing.trust import TRUST, Evidence, read_trust, settle, write_trust


def evidence(n: int = 2_000) -> Evidence:
    """Confidences that are true: an answer of confidence p is right with probability p."""
    rng = np.random.default_rng(0)
    validation, confidence = rng.beta(12, 1, n), rng.beta(12, 1, n)
    wrong = rng.random(n) > confidence
    return Evidence(validation.tolist(), confidence.tolist(), wrong.astype(float).tolist())


def test_the_threshold_keeps_the_promise_and_a_stricter_one_answers_less(tmp_path: Path) -> None:
    loose, strict = (settle("abc", evidence(), target, 0.95) for target in (0.9, 0.95))
    assert loose.threshold.threshold is not None and strict.threshold.threshold is not None
    assert loose.threshold.threshold < strict.threshold.threshold
    assert loose.threshold.coverage > strict.threshold.coverage > 0.1
    write_trust(tmp_path, strict)
    again = read_trust(tmp_path, "abc")
    assert again == strict
    least = strict.threshold.threshold
    assert again.local(least) and not again.local(np.nextafter(least, 0)) and not again.local(None)


def test_a_promise_that_cannot_be_shown_leaves_no_answer_local() -> None:
    found = settle("abc", evidence(100), 0.97, 0.95)
    assert found.threshold.threshold is None and not found.local(1.0)
    assert "at least 197 are needed" in found.threshold.message


def test_it_is_bound_to_the_specialist_and_a_broken_file_is_named(tmp_path: Path) -> None:
    assert read_trust(tmp_path, "abc") is None
    write_trust(tmp_path, settle("abc", evidence(), 0.9, 0.95))
    assert read_trust(tmp_path, "another") is None
    whole = (tmp_path / TRUST).read_text()
    (tmp_path / TRUST).write_text(whole[: len(whole) // 2])
    with pytest.raises(BundleError, match=TRUST):
        read_trust(tmp_path, "abc")
