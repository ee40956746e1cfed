"""Class by class: what is right, and where specialist and reference differ."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from jangin.evals.scorers import Array

Finding = Literal["better", "worse", "no difference shown"]


class ClassResult(msgspec.Struct, frozen=True):
    """One label. n: rows that truly have it; recall, precision, f1: ours, 0/0 = 0.

    ours_only, theirs_only: rows of these that only one has right; p_value: exact McNemar; p_adjusted: Holm over all
    labels. They and `finding` are None without a paired reference. "no difference shown" is not "equal".
    """

    label: int
    n: int
    recall: float
    precision: float
    f1: float
    ours_only: int | None = None
    theirs_only: int | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    finding: Finding | None = None


def per_class(
    gold: Array,
    ours: Array,
    labels: int,
    theirs: Array | None = None,
    unscored: Array | None = None,
    known: Array | None = None,
    alpha: float = 0.05,
) -> list[ClassResult]:
    """One result for each of the labels, in order.

    Args: gold, ours, theirs, known: as in `scorers`; unscored: rows that the reference has no answer to, left out of
        the comparison; alpha: two-sided, for all labels together.
    Source: McNemar (1947), Psychometrika 12:153, exact form; Holm (1979), Scandinavian Journal of Statistics 6:65;
        statsmodels `mcnemar`, `multipletests`. Rows are taken as independent.
    """
    results = [_own(label, *_cells(gold, ours, label, known)[:2]) for label in range(labels)]
    if theirs is None:
        return results
    scored = np.ones(len(gold), bool) if unscored is None else ~unscored
    return compared(results, [_discordant(gold, ours, theirs, label, known, scored) for label in range(labels)], alpha)


def compared(results: list[ClassResult], pairs: list[tuple[int, int]], alpha: float) -> list[ClassResult]:
    """The results with their (ours only, theirs only) counts tested, all labels together at `alpha`."""
    if not results:
        return results
    p_values = [float(mcnemar([[0, a], [b, 0]], exact=True).pvalue) if a + b else 1.0 for a, b in pairs]
    adjusted = multipletests(p_values, method="holm")[1]
    return [
        msgspec.structs.replace(
            result,
            ours_only=a,
            theirs_only=b,
            p_value=p,
            p_adjusted=float(holm),
            finding="no difference shown" if holm > alpha else "better" if a > b else "worse",
        )
        for result, (a, b), p, holm in zip(results, pairs, p_values, adjusted)
    ]


def _cells(gold: Array, answers: Array, label: int, known: Array | None) -> tuple[Array, Array, Array]:
    """Of one label: truly there, answered, known; each shape (n,)."""
    if gold.ndim == 1:
        return gold == label, answers == label, np.ones(len(gold), bool)
    sure = np.ones(len(gold), bool) if known is None else known[:, label]
    return gold[:, label].astype(bool) & sure, answers[:, label].astype(bool) & sure, sure


def _own(label: int, true: Array, answered: Array) -> ClassResult:
    hits, n, guesses = int((true & answered).sum()), int(true.sum()), int(answered.sum())
    return ClassResult(label, n, hits / max(n, 1), hits / max(guesses, 1), 2 * hits / max(n + guesses, 1))


def _discordant(
    gold: Array, ours: Array, theirs: Array, label: int, known: Array | None, scored: Array
) -> tuple[int, int]:
    """Rows that only we, only they, have right: of `classify` among rows of this label, of `tag` in this column."""
    true, we, sure = _cells(gold, ours, label, known)
    _, they, _ = _cells(gold, theirs, label, known)
    among = scored & (true if gold.ndim == 1 else sure)
    we_right, they_right = we == true, they == true
    return int((among & we_right & ~they_right).sum()), int((among & ~we_right & they_right).sum())
