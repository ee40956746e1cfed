"""From recorded answers to a verdict: all that `certify` computes from them, and `certify --verify` computes again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from jangin.evals import stats
from jangin.evals.comparison import Comparison, Published, Recorded, observe, score_interval
from jangin.evals.perclass import per_class
from jangin.evals.register import Claim
from jangin.evals.scorers import Array
from jangin.evals.verdict import baseline_of, compare
from jangin.types import Kind


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One test example: its id, the truth, our answer, and the reference's where it was recorded. Never its text.

    confidence: of the likeliest label (`tag`: None). scores: a probability for each label, kept for auprc only.
    unscored: why the reference has no answer (a transport failure).
    """

    id: str
    gold: str | dict[str, bool] | None
    answer: str | list[str] | None
    confidence: float | None = None
    scores: list[float] | None = None
    unit: str | None = None
    reference: str | list[str] | None = None
    unscored: str | None = None


class Columns(NamedTuple):
    """Answers as arrays, in the form that `scorers.py` describes; theirs and unscored are None when not recorded."""

    gold: Array
    ours: Array
    known: Array | None
    theirs: Array | None
    unscored: Array | None
    units: Array | None


def columns(answers: Sequence[Answer], labels: Sequence[str], kind: Kind, paired: bool) -> Columns:
    """The answers as arrays. A label outside the set is -1, or in no column."""
    given = [row.unit for row in answers]
    units = None
    if any(unit is not None for unit in given):
        units = np.array([f"unit {unit}" if unit is not None else f"row {i}" for i, unit in enumerate(given)])
    unscored = np.array([row.unscored is not None for row in answers], bool) if paired else None
    index = {label: number for number, label in enumerate(labels)}
    if kind == "classify":

        def numbers(values: list[Any]) -> Array:
            return np.array([index.get(value, -1) for value in values], np.int64)

        theirs = numbers([row.reference for row in answers]) if paired else None
        gold, ours = numbers([row.gold for row in answers]), numbers([row.answer for row in answers])
        return Columns(gold, ours, None, theirs, unscored, units)
    gold, known = np.zeros((2, len(answers), len(labels)), bool)
    for i, row in enumerate(answers):
        assert isinstance(row.gold, dict)
        for label, state in row.gold.items():
            if label in index:
                known[i, index[label]], gold[i, index[label]] = True, state
    ours = _cells([row.answer for row in answers], index)
    theirs = _cells([row.reference for row in answers], index) if paired else None
    return Columns(gold, ours, known, theirs, unscored, units)


def arithmetic(
    claim: Claim,
    look: int,
    kind: Kind,
    labels: Sequence[str],
    out_of_scope: str | None,
    answers: Sequence[Answer],
) -> dict[str, Any]:
    """{"result", "per_class", "scope"} as plain JSON values; the same answers give the same values, bit for bit."""
    paired = claim.reference is not None and claim.reference["kind"] == "recorded"
    table = columns(answers, labels, kind, paired)
    spec = comparison(claim, look, labels, table, answers)
    classes = per_class(
        table.gold, table.ours, len(labels), table.theirs, table.unscored, table.known, alpha=2 * spec.alpha
    )
    named = [{**msgspec.to_builtins(each), "label": labels[each.label]} for each in classes]
    if not paired:
        named = [{key: value for key, value in each.items() if value is not None} for each in named]
    result = _estimate(spec) if claim.reference is None and claim.at_least is None else _judged(spec)
    result["metric"] = claim.metric
    return {"result": result, "per_class": named, "scope": _scope(table, labels, out_of_scope, spec)}


def comparison(claim: Claim, look: int, labels: Sequence[str], table: Columns, answers: Sequence[Answer]) -> Comparison:
    gold, ours, theirs = table.gold, table.ours, table.theirs
    known: Array | None = table.known
    metric, size = claim.metric, len(labels)
    if metric == "auprc":
        ours = np.array([row.scores for row in answers], float)
    if metric == "flagged_f1":  # is any label given? An unknown one counts as not given, as the moderation set says
        gold, ours, theirs = _flagged(gold & known), _flagged(ours), None if theirs is None else _flagged(theirs)
        known, metric, size = None, "micro_f1", 1
    reference: Recorded | Published | None = None
    if claim.reference is not None:
        if theirs is not None:
            reference = Recorded(theirs, table.unscored)
        else:
            reference = Published(claim.reference["score"], claim.reference["n"])
    return Comparison(
        metric=metric,
        gold=gold,
        ours=ours,
        labels=size,
        known=known,
        reference=reference,
        margin=claim.margin,
        at_least=claim.at_least,
        confidence=claim.confidence,
        look=look,
        units=table.units,
    )


def _flagged(cells: Array) -> Array:
    """Any label at all, as a table of one column."""
    return np.asarray(cells.any(axis=1, keepdims=True))


def _cells(values: list[Any], index: dict[str, int]) -> Array:
    cells = np.zeros((len(values), len(index)), bool)
    for i, given in enumerate(values):
        for label in given or ():
            if label in index:
                cells[i, index[label]] = True
    return cells


def _judged(spec: Comparison) -> dict[str, Any]:
    return msgspec.to_builtins(compare(spec))


def _estimate(spec: Comparison) -> dict[str, Any]:
    """No bar: the score and its limits under the same names, and a verdict of None."""
    own = score_interval(spec)
    return {
        "verdict": None,
        "score": observe(spec).score,
        "score_lower": own.lower,
        "score_upper": own.upper,
        "score_method": own.method,
        "reference_score": None,
        "baseline": baseline_of(spec),
        "difference": None,
        "lower": None,
        "upper": None,
        "confidence": own.confidence,
        "alpha": spec.alpha,
        "look": spec.look,
        "method": own.method,
        "paired": None,
        "unscored": 0,
        "n": len(spec.gold),
        "units": spec.groups,
        "bars": [],
        "notes": ["no bar was set: this is an estimate, not a verdict"],
    }


def _scope(table: Columns, labels: Sequence[str], out_of_scope: str | None, spec: Comparison) -> dict[str, Any] | None:
    """Accuracy on messages that have an intent, and the share of those without one that were recognised."""
    if out_of_scope is None or out_of_scope not in labels:
        return None
    outside = table.gold == labels.index(out_of_scope)
    right = (table.gold == table.ours) & (table.gold >= 0)
    found = {}
    for name, rows in (("in_scope_accuracy", ~outside), ("out_of_scope_recall", outside)):
        n, hits = int(rows.sum()), int(right[rows].sum())
        limits = stats.exact_limits(hits, n, spec.alpha)
        score = hits / n if n else None
        found[name] = {"score": score, "n": n, "lower": limits.lower, "upper": limits.upper, "method": limits.method}
    return found
