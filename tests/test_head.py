"""Fitting and searching linear models: what a row's own label can never reach, thin labels, and calibration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from jangin.errors import DataError
from jangin.models.base import Floats, sigmoid, softmax
from jangin.train import head, hinge
from jangin.train.head import (
    ABSENT,
    CLEAR,
    GRID,
    WORTH_MORE,
    Choice,
    Linear,
    Searched,
    _better,
    calibrate,
    fit,
    folds_of,
    held_out_rows,
    score_of,
    search,
    take,
)
from jangin.train.parts import Part, kept
from jangin.train.targets import Rows, join


def classes(count: int = 120, labels: int = 3, seed: int = 0, noise: float = 1.5) -> tuple[Floats, Rows]:
    """Overlapping clouds around the corners of a simplex."""
    rng = np.random.default_rng(seed)
    gold = np.arange(count) % labels
    features = np.eye(labels, 6, dtype=np.float32)[gold] * 2 + rng.normal(0, noise, (count, 6)).astype(np.float32)
    return features.astype(np.float32), Rows([f"row {i}" for i in range(count)], gold.astype(np.int64), None, None)


def tags(count: int = 150, seed: int = 0) -> tuple[Floats, Rows]:
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (count, 5)).astype(np.float32)
    gold = features[:, :3] + rng.normal(0, 0.7, (count, 3)) > 0.3
    return features, Rows([f"row {i}" for i in range(count)], gold, np.ones((count, 3), bool), None)


def features_for(solver: str, features: Floats):
    return csr_matrix(features.astype(np.float64)) if solver == "ngrams" else features


@pytest.mark.parametrize("noise", [0.01, 1.5, 3.0])
@pytest.mark.parametrize("solver", ["ngrams", "encoder"])
def test_the_search_goes_past_the_middle_where_it_makes_a_difference(solver: str, noise: float) -> None:
    features, rows = classes(noise=noise)
    found = search(solver, features_for(solver, features), rows, 3, "accuracy", 0)  # type: ignore[arg-type]
    grid = GRID[solver]
    tried, scores = [c for c, _, _, _ in found.tried], [score for _, _, _, score in found.tried]
    assert tried[:2] == list(grid[1:3])
    if abs(scores[1] - scores[0]) < WORTH_MORE:
        assert tried[2:] == []
    elif abs(scores[1] - scores[0]) > CLEAR * np.sqrt(1 / len(rows)):
        assert tried[2:] == [grid[3] if scores[1] > scores[0] else grid[0]]
    else:  # on the side of what the likelihood prefers
        assert tried[2:] in ([grid[0]], [grid[3]])
    # What is less than the best is so by less than such rows can tell.
    assert found.score > max(score for _, _, _, score in found.tried) - CLEAR * np.sqrt(1 / len(rows))
    assert (found.choice.c, found.choice.balanced, False, found.score) in found.tried


def test_only_accuracy_takes_rarity_for_granted() -> None:
    features, rows = classes()
    assert {b for _, b, _, _ in search("encoder", features, rows, 3, "accuracy", 0).tried} == {False}
    assert {b for _, b, _, _ in search("encoder", features, rows, 3, "macro_f1", 0).tried} == {False, True}


def test_what_accuracy_cannot_tell_apart_the_likelihood_does() -> None:
    rows = Rows([""] * 40, np.arange(40, dtype=np.int64) % 2, None, None)
    sure = np.where(np.eye(2, dtype=bool)[rows.gold], 4.0, 0.0).astype(np.float32)
    wrong = sure.copy()
    wrong[:4] = wrong[:4, ::-1]  # four rows of forty: two standard errors and more
    barely, surely = sure.copy(), sure.copy()  # each wrong about one row
    barely[0], surely[1] = (0.0, 0.1), (4.0, 0.0)

    def searched(oof: Floats) -> Searched:
        return Searched(Choice(1.0), score_of("accuracy", rows, oof), oof, [])

    def better(new: Floats, old: Floats, metric: str = "accuracy") -> bool:
        return _better(metric, rows, searched(new), searched(old))

    assert better(sure, wrong) and not better(wrong, sure)
    assert not better(sure, sure) and not better(2 * sure, sure)
    assert better(barely, surely) and not better(surely, barely)
    assert not better(barely, surely, "macro_f1")


def test_ties_go_to_the_stronger_regularisation() -> None:
    gold = np.arange(60) % 2
    features = np.stack([gold * 20.0 - 10, np.ones(60)], 1).astype(np.float32)
    rows = Rows([""] * 60, gold.astype(np.int64), None, None)
    found = search("encoder", features, rows, 2, "accuracy", 0)
    assert {score for _, _, _, score in found.tried} == {1.0}
    assert found.choice.c == GRID["encoder"][1]


@pytest.mark.parametrize("solver", ["ngrams", "encoder"])
def test_an_out_of_fold_answer_never_saw_its_own_row(solver: str) -> None:
    rng = np.random.default_rng(2)
    gold = rng.integers(0, 2, 90)
    features = np.eye(90, dtype=np.float32)  # each row can be learnt by heart and says nothing of the others
    rows = Rows([""] * 90, gold.astype(np.int64), None, None)
    given = features_for(solver, features)
    found = search(solver, given, rows, 2, "accuracy", 0)  # type: ignore[arg-type]
    learnt = fit(solver, given, rows, 2, Choice(100.0), 0)(given)  # type: ignore[arg-type]
    assert (learnt.argmax(1) == gold).all()
    assert abs(found.score - 0.5) < 0.15


def test_every_row_is_held_out_once_and_units_stay_together() -> None:
    rng = np.random.default_rng(0)
    for known in (None, np.ones((60, 3), bool)):
        gold = np.arange(60) % 3 if known is None else rng.random((60, 3)) > 0.5
        groups = rng.integers(0, 12, 60)
        rows = Rows([""] * 60, gold, known, groups.astype(np.int64))
        folds = folds_of(rows, 0)
        assert sorted(np.concatenate([outside for _, outside in folds]).tolist()) == list(range(60))
        for inside, outside in folds:
            assert not set(inside) & set(outside) and not set(groups[inside]) & set(groups[outside])


def test_the_same_seed_gives_the_same_folds_and_another_others() -> None:
    _, rows = classes()
    assert all((a[1] == b[1]).all() for a, b in zip(folds_of(rows, 3), folds_of(rows, 3)))
    assert any((a[1] != b[1]).any() for a, b in zip(folds_of(rows, 3), folds_of(rows, 4)))


@pytest.mark.parametrize("solver", ["ngrams", "encoder"])
@pytest.mark.parametrize("gold", [[0] * 9 + [1], [0, 1], [0, 0, 1, 1], list(range(8)), [0, 1, 2] * 6 + [3]], ids=len)
def test_labels_with_fewer_rows_than_folds_are_learnt_without_an_error(solver: str, gold: list[int]) -> None:
    labels = max(gold) + 2  # one label of the task's list has no row at all
    rng = np.random.default_rng(1)
    features = np.eye(labels, 12)[gold] * 3 + rng.normal(0, 0.3, (len(gold), 12))
    rows = Rows([""] * len(gold), np.array(gold, np.int64), None, None)
    given = features_for(solver, features.astype(np.float32))
    found = search(solver, given, rows, labels, "accuracy", 0)  # type: ignore[arg-type]
    assert found.oof.shape == (len(gold), labels) and np.isfinite(found.oof).all()
    assert (found.oof[:, -1] == ABSENT).all()
    model = fit(solver, given, rows, labels, found.choice, 0)  # type: ignore[arg-type]
    assert (model(given).argmax(1) == gold).all()
    assert np.isfinite(softmax(calibrate([found.oof], rows)([model(given)]))).all()


def test_train_of_one_unit_cannot_hold_a_row_out() -> None:
    rows = Rows([""] * 6, np.array([0, 1] * 3), None, np.zeros(6, np.int64))
    with pytest.raises(DataError) as error:
        folds_of(rows, 0)
    assert error.value.message == "all rows of train belong to one unit: no row can be held out"
    assert error.value.hint == "give rows of more units"


def test_rows_of_labels_outside_the_set_are_not_learnt() -> None:
    features, rows = classes()
    odd = Rows([*rows.texts, "odd"], np.append(rows.gold, -1), None, None)
    more = np.concatenate((features, np.full((1, 6), 50, np.float32)))
    one, other = fit("encoder", features, rows, 3, Choice(10.0), 0), fit("encoder", more, odd, 3, Choice(10.0), 0)
    assert np.array_equal(one.weight, other.weight) and np.array_equal(one.bias, other.bias)


def test_an_unknown_tag_cell_teaches_nothing() -> None:
    features, rows = tags()
    assert rows.known is not None
    known = rows.known.copy()
    known[:50, 1] = False
    lies = rows.gold.copy()
    lies[:50, 1] = ~lies[:50, 1]
    models = [
        fit("encoder", features, Rows(rows.texts, gold, known, None), 3, Choice(10.0), 0) for gold in (rows.gold, lies)
    ]
    assert np.array_equal(models[0].weight, models[1].weight)
    alone = fit("encoder", features[50:], take(rows, np.arange(50, 150)), 3, Choice(10.0), 0)
    assert np.array_equal(models[0].weight[:, 1], alone.weight[:, 1])


def test_a_tag_without_both_answers_gets_the_one_it_has() -> None:
    features, rows = tags()
    gold, known = rows.gold.copy(), np.ones((150, 3), bool)
    gold[:, 0], gold[:, 1], known[:, 2] = True, False, False
    model = fit("encoder", features, Rows(rows.texts, gold, known, None), 3, Choice(10.0), 0)
    assert model(features)[0].tolist() == [-ABSENT, ABSENT, ABSENT]


def log_loss(logits: Floats, rows: Rows) -> float:
    if rows.known is None:
        return float(-np.log(softmax(logits.copy())[np.arange(len(rows)), rows.gold] + 1e-12).mean())
    p = np.clip(sigmoid(logits), 1e-9, 1 - 1e-9)
    return float(-np.log(np.where(rows.gold, p, 1 - p))[rows.known].mean())


@pytest.mark.parametrize("make", [classes, tags])
def test_calibration_makes_unseen_rows_more_likely(make) -> None:
    features, rows = make(seed=1)
    labels = 3
    found = search("ngrams", csr_matrix(features.astype(np.float64)), rows, labels, "macro_f1", 0)
    model = fit("ngrams", csr_matrix(features.astype(np.float64)), rows, labels, found.choice, 0)
    mix = calibrate([found.oof], rows)
    fresh, later = make(count=900, seed=2)
    raw = model(csr_matrix(fresh.astype(np.float64)))
    assert log_loss(mix([raw]), later) < log_loss(raw, later) - 0.005
    assert log_loss(mix([raw]), later) < log_loss(raw * 4, later)


def test_calibration_of_classes_never_changes_the_answer_of_a_single_source() -> None:
    features, rows = classes()
    logits = fit("encoder", features, rows, 3, Choice(10.0), 0)(features)
    assert (calibrate([logits], rows)([logits]).argmax(1) == logits.argmax(1)).all()


def test_a_source_that_knows_nothing_is_hardly_heard() -> None:
    features, rows = classes()
    good = search("encoder", features, rows, 3, "accuracy", 0).oof
    noise = np.random.default_rng(4).normal(0, 1, good.shape).astype(np.float32)
    mix = calibrate([good, noise], rows)
    assert mix.scale[1].max() < 0.25 * mix.scale[0].min()
    assert log_loss(mix([good, noise]), rows) <= log_loss(calibrate([good], rows)([good]), rows) + 0.01


def test_rows_that_are_all_right_leave_the_scales_finite() -> None:
    gold = np.arange(30) % 3
    logits = np.eye(3, dtype=np.float32)[gold] * 5
    mix = calibrate([logits], Rows([""] * 30, gold, None, None))
    assert np.isfinite(mix.scale).all() and 0 < mix.scale.max() < 100


def test_one_positive_row_does_not_turn_a_tag_upside_down() -> None:
    """Held out, the only positive row gets the lowest logit: fitted on that, a sure yes would become a no."""
    features, rows = tags()
    gold = np.zeros((150, 3), bool)
    gold[7, 1], features[7] = True, [0, 0, 0, 0, 8]
    rows = Rows(rows.texts, gold, np.ones((150, 3), bool), None)
    found = search("encoder", features, rows, 3, "micro_f1", 0)
    mix = calibrate([found.oof], rows)
    assert (mix.scale > 0).all()
    model = fit("encoder", features, rows, 3, found.choice, 0)
    given = mix([model(features)])[:, 1]
    assert given[7] == given.max() and (given[np.arange(150) != 7] < 0).all()


def test_a_tag_source_that_says_the_opposite_is_left_out() -> None:
    features, rows = tags(seed=3)
    good = search("encoder", features, rows, 3, "micro_f1", 0).oof
    mix = calibrate([good, -good + np.random.default_rng(0).normal(0, 2, good.shape).astype(np.float32)], rows)
    assert (mix.scale[0] > 0).all() and (mix.scale[1] >= 0).all()


def test_joined_rows_share_no_unit() -> None:
    one = Rows(["a", "b"], np.array([0, 1]), None, np.array([0, 0]))
    other = Rows(["c"], np.array([1]), None, None)
    both = join(one, other)
    assert both.texts == ["a", "b", "c"] and both.groups is not None and both.groups.tolist() == [0, 0, 1]
    assert join(one, take(other, np.array([], np.int64))) is one


def test_a_part_comes_back_from_disk_as_it_was_computed(tmp_path) -> None:
    logits = np.arange(6, dtype=np.float32).reshape(3, 2)
    linear = Linear(np.ones((4, 2), np.float32), np.zeros(2, np.float32))
    part = Part("encoder", linear, logits, logits + 1, "out of fold", Choice(3.0, True), [(3.0, True, 0.5)])
    kept(tmp_path / "part.safetensors", lambda: part)

    def never() -> Part:
        raise AssertionError("computed again")

    again = kept(tmp_path / "part.safetensors", never)
    assert np.array_equal(again.linear.weight, linear.weight) and np.array_equal(again.validation, logits + 1)
    assert (again.choice, again.tried, again.blocks, again.solver) == (part.choice, part.tried, [], "encoder")


@pytest.mark.parametrize("solver", ["ngrams", "encoder"])
def test_the_threads_of_the_search_do_not_change_its_result(solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    features, rows = classes(count=600)
    given = features_for(solver, features)
    found = []
    for threads in (1, 6, 6):
        monkeypatch.setattr(head, "available_cores", lambda threads=threads: threads)
        found.append(search(solver, given, rows, 3, "macro_f1", 0))  # type: ignore[arg-type]
    for other in found[1:]:
        assert np.array_equal(other.oof, found[0].oof) and other.tried == found[0].tried


@pytest.mark.parametrize("balanced", [False, True])
def test_labels_fitted_in_groups_and_in_processes_give_the_same_model(
    balanced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, rows = classes(count=600, labels=40, noise=0.3)
    asked = [hinge.Fit(csr_matrix(features.astype(np.float64)), rows.gold, c, balanced, 7) for c in (0.3, 1.0)]
    alone = hinge.fit_all(asked)
    monkeypatch.setattr(hinge, "WORTH_PROCESSES", 0)
    monkeypatch.setattr(hinge, "available_cores", lambda: 2)
    for one, other in zip(alone, hinge.fit_all(asked)):
        assert one.weight.shape == (6, 40) and one.classes.tolist() == list(range(40))
        assert np.array_equal(one.weight, other.weight) and np.array_equal(one.bias, other.bias)


def test_a_group_of_labels_is_fitted_as_liblinear_fits_them_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.svm import LinearSVC

    monkeypatch.setattr(hinge, "TOLERANCE", 1e-6)
    monkeypatch.setattr(hinge, "MOST_PASSES", 50_000)
    features, rows = classes(count=600, labels=20, noise=0.3)
    for weights in (None, "balanced"):
        whole = LinearSVC(C=1.0, tol=1e-6, max_iter=50_000, class_weight=weights).fit(features, rows.gold)
        given = csr_matrix(features.astype(np.float64))
        ours = hinge.fit_all([hinge.Fit(given, rows.gold, 1.0, weights is not None, 0)])[0]
        margins = features @ ours.weight + ours.bias
        assert np.abs(margins - whole.decision_function(features)).max() < 1e-3


def test_one_fold_judges_the_search_where_it_holds_enough_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    features, rows = classes(count=300)
    assert held_out_rows(rows, 0).tolist() == list(range(300))
    monkeypatch.setattr(head, "ONE_FOLD_ROWS", 100)
    answered = held_out_rows(rows, 0)
    assert len(answered) == 100 and (np.diff(answered) > 0).all()
    found = search("encoder", features, rows, 3, "accuracy", 0)
    assert found.oof.shape == (100, 3)
    assert found.score == (found.oof.argmax(1) == rows.gold[answered]).mean()
