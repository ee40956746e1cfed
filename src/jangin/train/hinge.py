"""One-against-rest squared hinge by dual coordinate descent (liblinear), spread over processes.

liblinear draws from one random generator for the whole process: fits side by side in threads would not repeat with
their seed. So a fit is cut into groups of labels, each with the seed as its own start, and the groups go to processes
when the work is worth it. The groups do not depend on the machine: same seed, same model, whatever the cores.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from threading import Lock, Thread
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jangin.bases.machine import available_cores
from jangin.models.base import Floats

GROUP = 16
# Non-zero features x labels that a core fits in about three seconds: less is not worth starting processes for.
WORTH_PROCESSES = 75_000_000
# liblinear's own default; a tighter one costs time and moved no score.
TOLERANCE, MOST_PASSES = 0.1, 200
_ONE_GENERATOR = Lock()


class Fit(NamedTuple):
    """features (n, v) CSR float64; gold (n,) holds the labels to tell apart, at least two."""

    features: Any
    gold: NDArray
    c: float
    balanced: bool
    seed: int


class Vectors(NamedTuple):
    """classes (k,); weight (v, k) and bias (k,), float32: the margin of each class against all others."""

    classes: NDArray
    weight: Floats
    bias: Floats


def warm(texts: Sequence[str], labels: int) -> None:
    """Starts the processes in the background when a fit on these texts will want them: they take two seconds."""
    characters = sum(map(len, texts))  # a text has about three known n-grams a character
    if 3 * characters * labels > WORTH_PROCESSES and available_cores() > 1:
        Thread(target=_start, daemon=True).start()


def _start() -> None:
    from joblib import Parallel, delayed

    Parallel(n_jobs=available_cores())(delayed(_import)() for _ in range(available_cores()))


def _import() -> None:
    import sklearn.svm  # noqa: F401 - what every fit needs first


def fit_all(fits: Sequence[Fit]) -> list[Vectors]:
    """Every fit, in order; results do not depend on how many processes shared the work."""
    groups = [_groups(each) for each in fits]
    tasks = [(number, group) for number, found in enumerate(groups) for group in found]
    work = sum(each.features.nnz * max(1, len(np.unique(each.gold))) for each in fits)
    done: list[tuple[Floats, Floats]]
    if work > WORTH_PROCESSES and available_cores() > 1 and len(tasks) > 1:
        from joblib import Parallel, delayed

        done = Parallel(n_jobs=available_cores())(delayed(_fit_group)(fits[number], group) for number, group in tasks)
    else:
        with _ONE_GENERATOR:
            done = [_fit_group(fits[number], group) for number, group in tasks]
    found = []
    for number, each in enumerate(fits):
        mine = [result for (owner, _), result in zip(tasks, done) if owner == number]
        weight, bias = np.concatenate([w for w, _ in mine], 1), np.concatenate([b for _, b in mine])
        found.append(Vectors(np.unique(each.gold), weight, bias))
    return found


def _groups(each: Fit) -> list[NDArray]:
    classes = np.unique(each.gold)
    return [classes[at : at + GROUP] for at in range(0, len(classes), GROUP)]


def _fit_group(each: Fit, group: NDArray) -> tuple[Floats, Floats]:
    from sklearn.svm import LinearSVC
    from threadpoolctl import threadpool_limits

    classes, count = np.unique(each.gold, return_counts=True)
    others = int(classes.max()) + 1
    inside = np.isin(each.gold, group)
    gold = np.where(inside, each.gold, others)
    weights = None
    if each.balanced:
        weights = dict(zip(classes.tolist(), (len(each.gold) / (len(classes) * count)).tolist()))
        weights = {label: weight for label, weight in weights.items() if label in group} | {others: 1.0}
        if inside.all():
            del weights[others]
    model = LinearSVC(C=each.c, tol=TOLERANCE, class_weight=weights, random_state=each.seed, max_iter=MOST_PASSES)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # a search point that stops early is judged by its score like any other
        model.fit(each.features, gold)
    coef, bias = np.asarray(model.coef_, np.float32), np.asarray(model.intercept_, np.float32)
    if len(coef) == 1:  # two classes: one vector says how much more the second one is
        coef, bias = np.concatenate((-coef, coef)), np.concatenate((-bias, bias))
    return np.ascontiguousarray(coef[: len(group)].T), bias[: len(group)]
