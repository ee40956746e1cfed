"""Label names as rows of train: how they are read, when they are tried, and that cross-validation decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jangin.models.base import Floats
from jangin.task import load_task
from jangin.train.head import Choice, Names, fit, search
from jangin.train.names import ROWS_A_LABEL, names_of, spoken
from jangin.train.rungs import NgramRung
from jangin.train.targets import Rows
from jangin.train.workshop import Workshop
from small_tasks import classify_task, tag_task


def rows(count: int, labels: int) -> Rows:
    return Rows([f"row {i}" for i in range(count)], np.arange(count, dtype=np.int64) % labels, None, None)


def clouds(a_label: int, labels: int = 12, seed: int = 0) -> tuple[Floats, Rows, Floats]:
    """Wide clouds around corners, and the corners."""
    rng, of = np.random.default_rng(seed), rows(a_label * labels, labels)
    corners = np.eye(labels, 2 * labels, dtype=np.float32)
    features = corners[of.gold] + rng.normal(0, 0.45, (len(of), 2 * labels)).astype(np.float32)
    return features.astype(np.float32), of, corners


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("card_arrival", "card arrival"),
        ("cardArrival", "card arrival"),
        ("CARD-ARRIVAL", "card arrival"),
        ("reverted_card_payment?", "reverted card payment"),
        ("카드_분실", "카드 분실"),
        ("__", ""),
    ],
)
def test_a_label_is_read_as_words(label: str, said: str) -> None:
    assert spoken(label) == said


def test_names_are_rows_of_their_labels_but_for_the_one_out_of_scope() -> None:
    found = names_of(rows(30, 4), ["card_lost", "?", "oos", "refund"], "oos")
    assert found is not None
    assert found.texts == ["card lost", "refund"] and found.gold.tolist() == [0, 3]


def test_many_rows_a_label_need_no_names() -> None:
    assert names_of(rows(ROWS_A_LABEL * 2, 2), ["yes", "no"]) is not None
    assert names_of(rows(ROWS_A_LABEL * 2 + 1, 2), ["yes", "no"]) is None


def test_tags_have_no_names(tmp_path: Path) -> None:
    assert Workshop(load_task(tag_task(tmp_path / "task")), 0, tmp_path / "work", True).named is None


def test_names_that_tell_the_label_are_taken_and_names_that_mislead_are_not() -> None:
    features, of, corners = clouds(4)
    gold = np.arange(12, dtype=np.int64)
    helpful = Names(corners, Rows([""] * 12, gold, None, None))
    misleading = Names(3 * corners[::-1], helpful.rows)
    plain = search("encoder", features, of, 12, "accuracy", 0)
    good, bad = (search("encoder", features, of, 12, "accuracy", 0, names) for names in (helpful, misleading))
    assert good.choice.named and good.score > plain.score
    assert not bad.choice.named and bad.score == plain.score and bad.tried[-1][2]
    np.testing.assert_array_equal(bad.oof, plain.oof)


@pytest.mark.parametrize("solver", ["ngrams", "encoder"])
def test_a_name_counts_as_one_more_row(solver) -> None:
    from scipy.sparse import csr_matrix

    features, of, corners = clouds(3, labels=4)
    names = Names(corners, Rows([""] * 4, np.arange(4, dtype=np.int64), None, None))
    both = np.concatenate((features, corners))
    joined = Rows(of.texts + [""] * 4, np.concatenate((of.gold, names.rows.gold)), None, None)
    if solver == "ngrams":
        features, both = csr_matrix(features.astype(np.float64)), csr_matrix(both.astype(np.float64))
        names = Names(csr_matrix(corners.astype(np.float64)), names.rows)
    with_names = fit(solver, features, of, 4, Choice(1.0, named=True), 0, names)
    as_rows = fit(solver, both, joined, 4, Choice(1.0), 0)
    np.testing.assert_array_equal(with_names.weight, as_rows.weight)


def test_a_rung_that_took_the_names_is_fitted_with_them_again(tmp_path: Path, monkeypatch) -> None:
    shop = Workshop(load_task(classify_task(tmp_path / "task", rows=60)), 0, tmp_path / "work", True)
    assert shop.named is not None and shop.named.texts == ["card lost", "opening hours", "refund"]
    attempt = NgramRung().attempt(shop)
    (part,) = attempt.parts
    assert [named for _, _, named, _ in part.tried].count(True) == 1
    asked = []
    names = shop.names
    monkeypatch.setattr(shop, "names", lambda base, blocks=(): asked.append(base) or names(base, blocks))
    attempt.shipped()
    assert asked == ([None] if part.choice.named else [])
    attempt.parts[0] = part = type(part)(**{**_fields(part), "choice": Choice(1.0, named=True)})
    assert shop.names_for(part, None) is not None


def _fields(part) -> dict:
    return {name: getattr(part, name) for name in part.__struct_fields__}
