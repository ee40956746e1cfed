"""Linear models over one feature set: fitted, searched by cross-validation, and combined into one calibrated head.

Two kinds of features, two solvers, each the one that is fast and accurate for its kind (figures in
docs/decisions/0003-ngram-features.md): one-against-rest squared hinge by dual coordinate descent (liblinear) for sparse
n-grams, multinomial logistic regression by L-BFGS for an encoder's dense output. "Both together" costs no third fit:
their logits are added with weights fitted on rows that neither has seen, which also calibrates them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from jangin.bases.machine import available_cores
from jangin.errors import DataError
from jangin.models.base import Floats, sigmoid
from jangin.train import hinge
from jangin.train.targets import Rows, join

FOLDS = 3
# With so many rows in a fold, one fold tells the points of the grid apart as well as three do, at a third of the time.
ONE_FOLD_ROWS = 2_000
# Inverse regularisation, weakest last: the middle two are tried, then the neighbour of the better one, unless the two
# differ by less than WORTH_MORE, which is less than the search can tell.
WORTH_MORE = 0.003
GRID: dict[str, tuple[float, ...]] = {"ngrams": (0.1, 0.3, 1.0, 3.0), "encoder": (1.0, 3.0, 10.0, 30.0)}
# One-sided 95 %: what lies closer is no difference.
CLEAR = 1.645
# A fold that never saw a label answers this margin for it: clearly no, without breaking the calibration fit.
ABSENT = -2.0
Solver = Literal["ngrams", "encoder"]


class Linear(msgspec.Struct, frozen=True, eq=False):
    """logits = features @ weight + bias; weight (features, labels) float32, bias (labels,) float32."""

    weight: Floats
    bias: Floats

    def __call__(self, features: Any) -> Floats:
        return np.asarray(features @ self.weight, np.float32) + self.bias


class Choice(msgspec.Struct, frozen=True):
    """A point of the search: inverse regularisation, whether labels are weighted by rarity, and whether the labels'
    names are rows of train too."""

    c: float
    balanced: bool = False
    named: bool = False


# A point that was tried and its cross-validated score.
Tried = tuple[float, bool, bool, float]


class Searched(msgspec.Struct, frozen=True, eq=False):
    """The best point, its cross-validated score, every point tried, and the out-of-fold logits (held-out rows, labels)
    of the best one; `held_out_rows` says which these are."""

    choice: Choice
    score: float
    oof: Floats
    tried: list[Tried]


class Names(NamedTuple):
    """Rows that are the names of labels, and their features: `names.py`."""

    features: Any
    rows: Rows


class _Job(NamedTuple):
    """One model to fit: on `rows` whose features are `features`."""

    features: Any
    rows: Rows
    choice: Choice


def fit(
    solver: Solver, features: Any, rows: Rows, labels: int, choice: Choice, seed: int, names: Names | None = None
) -> Linear:
    """One linear model. Rows whose gold label is outside the set are left out; so are unknown `tag` cells."""
    return _fit_jobs(solver, [_job(features, rows, choice, names)], labels, seed)[0]


def fit_each(
    solver: Solver,
    features: Any,
    rows: Rows,
    labels: int,
    choice: Choice,
    seed: int,
    parts: Sequence[NDArray],
    names: Names | None = None,
) -> list[Linear]:
    """One model for each of `parts`, which are row numbers."""
    jobs = [_job(features[part], take(rows, part), choice, names) for part in parts]
    return _fit_jobs(solver, jobs, labels, seed)


def _job(features: Any, rows: Rows, choice: Choice, names: Names | None) -> _Job:
    if not choice.named:
        return _Job(features, rows, choice)
    assert names is not None, "a choice with names is made where there are names"
    if isinstance(features, np.ndarray):
        return _Job(np.concatenate((features, names.features)), join(rows, names.rows), choice)
    from scipy.sparse import vstack

    return _Job(vstack((features, names.features), format="csr"), join(rows, names.rows), choice)


def _fit_jobs(solver: Solver, jobs: Sequence[_Job], labels: int, seed: int) -> list[Linear]:
    """All of them, side by side; a `tag` model is one model of two classes for each label."""
    pieces = [_pieces(job, labels) for job in jobs]
    wanted = [(j, p) for j, found in enumerate(pieces) for p, (_, gold) in enumerate(found) if len(np.unique(gold)) > 1]
    fits = [hinge.Fit(jobs[j].features[pieces[j][p][0]], pieces[j][p][1], *_settings(jobs[j]), seed) for j, p in wanted]
    vectors = dict(zip(wanted, hinge.fit_all(fits) if solver == "ngrams" else _logistic_all(fits)))
    found = []
    for j, job in enumerate(jobs):
        size, known = job.features.shape[1], job.rows.known is not None
        parts = [
            _spread(vectors.get((j, p)), gold, size, 2 if known else labels) for p, (_, gold) in enumerate(pieces[j])
        ]
        if known:
            weight = np.concatenate([part.weight[:, 1:] for part in parts], 1)
            parts = [Linear(weight, np.concatenate([part.bias[1:] for part in parts]))]
        found.append(parts[0])
    return found


def _settings(job: _Job) -> tuple[float, bool]:
    return job.choice.c, job.choice.balanced


def _pieces(job: _Job, labels: int) -> list[tuple[NDArray, NDArray]]:
    """(row numbers, gold) of each model: one for `classify`, one for each label of `tag`."""
    rows = job.rows
    if rows.known is None:
        inside = np.flatnonzero(rows.gold >= 0)
        return [(inside, rows.gold[inside])]
    seen = [np.flatnonzero(rows.known[:, label]) for label in range(labels)]
    return [(at, rows.gold[at, label].astype(np.int64)) for label, at in enumerate(seen)]


def _spread(vectors: hinge.Vectors | None, gold: NDArray, size: int, labels: int) -> Linear:
    """The fitted classes in their places among all labels. One class only (or none): it is always the answer."""
    weight, bias = np.zeros((size, labels), np.float32), np.full(labels, ABSENT, np.float32)
    if vectors is None:
        bias[np.unique(gold)] = -ABSENT
    else:
        weight[:, vectors.classes], bias[vectors.classes] = vectors.weight, vectors.bias
    return Linear(weight, bias)


def _logistic_all(fits: Sequence[hinge.Fit]) -> list[hinge.Vectors]:
    if len(fits) < 2:
        return [_logistic(each) for each in fits]
    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(_logistic, fits))


def _logistic(each: hinge.Fit) -> hinge.Vectors:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    weights = "balanced" if each.balanced else None
    model = LogisticRegression(C=each.c, tol=1e-4, max_iter=100, class_weight=weights)
    # One thread a fit: the search runs fits side by side, and threads inside each product made it ten times slower.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # a search point that stops early is judged by its score like any other
        model.fit(each.features, each.gold)
    coef, bias = np.asarray(model.coef_, np.float32), np.asarray(model.intercept_, np.float32)
    if len(coef) == 1:  # two classes: one vector says how much more the second one is
        coef, bias = np.concatenate((-coef, coef)), np.concatenate((-bias, bias))
    return hinge.Vectors(model.classes_, coef.T, bias)


def folds_of(rows: Rows, seed: int) -> list[tuple[NDArray, NDArray]]:
    """(fit rows, held-out rows) of each fold; stratified by label, never through a unit."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    units = len(rows) if rows.groups is None else len(np.unique(rows.groups))
    if units < 2:
        raise DataError("all rows of train belong to one unit: no row can be held out", "give rows of more units")
    count = max(2, min(FOLDS, units // 2))
    kind: Any
    # Stratifying wants a label with a row for each fold.
    if rows.known is None and np.unique(rows.gold, return_counts=True)[1].max() >= count:
        kind = StratifiedKFold if rows.groups is None else StratifiedGroupKFold
    else:
        kind = KFold if rows.groups is None else GroupKFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # labels with fewer rows than folds: they are absent from some, as ABSENT says
        splitter = kind(count, shuffle=True, random_state=seed)
        gold = rows.gold if rows.known is None else np.zeros(len(rows))
        return list(splitter.split(np.zeros(len(rows)), gold, rows.groups))


def take(rows: Rows, index: NDArray) -> Rows:
    known = None if rows.known is None else rows.known[index]
    groups = None if rows.groups is None else rows.groups[index]
    return Rows([rows.texts[i] for i in index], rows.gold[index], known, groups)


def judging_folds(rows: Rows, seed: int) -> list[tuple[NDArray, NDArray]]:
    """The folds that a search fits: all, or the first alone where it holds out enough rows."""
    folds = folds_of(rows, seed)
    return folds[:1] if min(len(outside) for _, outside in folds) >= ONE_FOLD_ROWS else folds


def held_out_rows(rows: Rows, seed: int) -> NDArray:
    """The rows, in order, that some model of a search answers without having seen them."""
    return np.sort(np.concatenate([outside for _, outside in judging_folds(rows, seed)]))


def search(
    solver: Solver, features: Any, rows: Rows, labels: int, metric: str, seed: int, names: Names | None = None
) -> Searched:
    """Cross-validation inside train over the grid; ties go to the stronger regularisation, and to no names
    (`_better`)."""
    folds, answered = judging_folds(rows, seed), held_out_rows(rows, seed)
    parts, judged = [take(rows, inside) for inside, _ in folds], take(rows, answered)
    tried: list[Tried] = []

    def attempt(choices: Sequence[Choice], best: Searched | None) -> Searched:
        wanted = [(choice, fold) for choice in choices for fold in range(len(folds))]
        jobs = [_job(features[folds[fold][0]], parts[fold], choice, names) for choice, fold in wanted]
        models = dict(zip(wanted, _fit_jobs(solver, jobs, labels, seed)))
        for choice in choices:
            oof = np.empty((len(answered), labels), np.float32)
            for fold, (_, outside) in enumerate(folds):
                oof[np.searchsorted(answered, outside)] = models[choice, fold](features[outside])
            score = score_of(metric, judged, oof)
            tried.append((choice.c, choice.balanced, choice.named, score))
            found = Searched(choice, score, oof, tried)
            if best is None or _better(metric, judged, found, best):
                best = found
        assert best is not None
        return best

    grid = GRID[solver]
    balanced = (False,) if metric == "accuracy" else (False, True)
    best = attempt([Choice(c, weighted) for weighted in balanced for c in grid[1:3]], None)
    if abs(tried[1][3] - tried[0][3]) >= WORTH_MORE or balanced[1:]:
        further = grid[3] if best.choice.c == grid[2] else grid[0]
        best = attempt([Choice(further, best.choice.balanced)], best)
    return best if names is None else attempt([msgspec.structs.replace(best.choice, named=True)], best)


def _better(metric: str, rows: Rows, new: Searched, old: Searched) -> bool:
    """By the metric; what accuracy cannot tell apart on so few rows (CLEAR standard errors of the paired difference) by
    the likelihood of the calibrated answers, which says something of every row, right or wrong."""
    if metric != "accuracy" or rows.known is not None:
        return new.score > old.score
    inside = rows.gold >= 0
    right, was = ((each.oof.argmax(axis=1) == rows.gold)[inside] for each in (new, old))
    changed = right.astype(np.int64) - was
    if not changed.any() or abs(changed.mean()) > CLEAR * changed.std() / np.sqrt(len(changed)):
        return new.score > old.score
    return _loss(new.oof, rows) < _loss(old.oof, rows)


def _loss(logits: Floats, rows: Rows) -> float:
    """Mean negative log-likelihood of the true labels, at the best temperature."""
    from scipy.special import log_softmax

    inside = np.flatnonzero(rows.gold >= 0)
    told = log_softmax(calibrate([logits], rows)([logits])[inside].astype(np.float64), axis=1)
    return -float(told[np.arange(len(inside)), rows.gold[inside]].mean())


def score_of(metric: str, rows: Rows, logits: Floats) -> float:
    """The task's metric of uncalibrated logits: the best label, or for `tag` every positive logit."""
    from jangin.evals.scorers import score

    if rows.known is None:
        return score(metric, rows.gold, logits.argmax(axis=1), logits.shape[1])
    answers = sigmoid(logits) if metric == "auprc" else logits > 0
    if metric == "flagged_f1":  # any tag at all, as certification reads it
        gold = np.asarray((rows.gold & rows.known).any(axis=1))
        return score("micro_f1", gold[:, None], np.asarray(answers.any(axis=1))[:, None], 1)
    return score(metric, rows.gold, answers, logits.shape[1], rows.known)


class Mix(msgspec.Struct, frozen=True, eq=False):
    """Calibrated logits = sum over sources of scale * source + shift; scale (sources, labels), shift (labels,).

    For `classify` a source has one scale for all labels and there is no shift: two sources have two numbers to fit.
    """

    scale: Floats
    shift: Floats

    def __call__(self, sources: Sequence[Floats]) -> Floats:
        total = np.zeros(sources[0].shape, np.float32)
        for scale, source in zip(self.scale, sources):
            total += scale * source
        return total + self.shift


def calibrate(sources: Sequence[Floats], rows: Rows) -> Mix:
    """The Mix that makes rows, unseen by the sources, most likely (temperature scaling with one scale a source).

    Source: Guo et al. (2017), On Calibration of Modern Neural Networks; Platt (1999) for `tag`.
    """
    return _calibrate_classes(sources, rows) if rows.known is None else _calibrate_tags(sources, rows)


def _calibrate_classes(sources: Sequence[Floats], rows: Rows) -> Mix:
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    inside = np.flatnonzero(rows.gold >= 0)
    parts = np.stack([np.asarray(source[inside], np.float64) for source in sources])
    gold, at = rows.gold[inside], np.arange(len(inside))
    true = parts[:, at, gold]

    def loss(log_scale: NDArray) -> tuple[float, NDArray]:
        scale = np.exp(log_scale)
        logits = np.tensordot(scale, parts, 1)
        norm = logsumexp(logits, axis=1)
        share = np.exp(logits - norm[:, None])
        expected = (share[None] * parts).sum(axis=2)
        # A weak prior around 1 keeps the scales finite when every row is right.
        prior = 1e-3 * (log_scale**2).sum()
        gradient = scale * (expected - true).mean(axis=1) + 2e-3 * log_scale
        return float((norm - scale @ true).mean() + prior), gradient

    found = minimize(loss, np.zeros(len(sources)), jac=True, method="L-BFGS-B", bounds=[(-6, 6)] * len(sources))
    labels = sources[0].shape[1]
    scale = np.repeat(np.exp(found.x)[:, None], labels, axis=1)
    return Mix(scale.astype(np.float32), np.zeros(labels, np.float32))


def _calibrate_tags(sources: Sequence[Floats], rows: Rows) -> Mix:
    from sklearn.linear_model import LogisticRegression

    assert rows.known is not None
    labels = sources[0].shape[1]
    scale, shift = np.ones((len(sources), labels), np.float32), np.zeros(labels, np.float32)
    for label in range(labels):
        seen = np.flatnonzero(rows.known[:, label])
        gold = rows.gold[seen, label]
        used = list(range(len(sources))) if 0 < gold.sum() < len(gold) else []
        while used:
            model = LogisticRegression(C=100.0).fit(np.stack([sources[s][seen, label] for s in used], 1), gold)
            if (model.coef_[0] > 0).all():
                scale[:, label] = 0
                scale[used, label], shift[label] = model.coef_[0], model.intercept_[0]
                break
            # A source that seems to say the opposite has too few positive rows to be believed, either way.
            used = [s for s, weight in zip(used, model.coef_[0]) if weight > 0]
    return Mix(scale, shift)
