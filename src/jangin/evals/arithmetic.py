"""From recorded answers to a verdict: all that `certify` computes from them, and `certify --verify` computes again.

Kinds that name labels are told apart here; what is written is graded in `written.py` and compared the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from jangin.evals import stats, written
from jangin.evals.comparison import Comparison, Published, Recorded, observe, score_interval
from jangin.evals.perclass import per_class
from jangin.evals.register import Claim
from jangin.evals.scorers import Array
from jangin.evals.verdict import baseline_of, compare
from jangin.task import WRITTEN
from jangin.types import Kind


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One test example: its id, the truth, our answer, and the reference's where it was recorded. Never its text.

    confidence: of the likeliest label (`tag`: None), or of a written answer as a whole. scores: a probability for each
    label, kept for auprc only. unscored: why the reference has no answer (a transport failure).
    accepted: what else is right in `extract` and `generate`. right, reference_right: where answers were run, or matched
    under a schema, whether each passed, so that nothing has to be run to verify.
    """

    id: str
    gold: str | dict[str, Any] | None
    answer: str | list[str] | dict[str, Any] | None
    confidence: float | None = None
    scores: list[float] | None = None
    unit: str | None = None
    reference: str | list[str] | dict[str, Any] | None = None
    unscored: str | None = None
    accepted: dict[str, list[Any]] | list[str] | None = None
    right: bool | None = None
    reference_right: bool | None = None


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
    units, unscored = _units(answers), _unscored(answers) if paired else None
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
            assert isinstance(state, bool)
            if label in index:
                known[i, index[label]], gold[i, index[label]] = True, state
    ours = _cells([row.answer for row in answers], index)
    theirs = _cells([row.reference for row in answers], index) if paired else None
    return Columns(gold, ours, known, theirs, unscored, units)


def _units(answers: Sequence[Answer]) -> Array | None:
    given = [row.unit for row in answers]
    if all(unit is None for unit in given):
        return None
    return np.array([f"unit {unit}" if unit is not None else f"row {i}" for i, unit in enumerate(given)])


def _unscored(answers: Sequence[Answer]) -> Array:
    return np.array([row.unscored is not None for row in answers], bool)


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
    scope = None
    if kind in WRITTEN:
        graded = written.grade(answers, kind, claim.metric, paired)
        spec = written_comparison(claim, look, graded, answers)
        names, unscored = graded.names, _unscored(answers) if paired else None
        classes = written.by_field(graded, unscored, 2 * spec.alpha)
    else:
        table, names = columns(answers, labels, kind, paired), list(labels)
        spec = comparison(claim, look, labels, table, answers)
        classes = per_class(
            table.gold, table.ours, len(labels), table.theirs, table.unscored, table.known, alpha=2 * spec.alpha
        )
        scope = _scope(table, labels, out_of_scope, spec)
    named = [{**msgspec.to_builtins(each), "label": names[each.label]} for each in classes]
    if not paired:
        named = [{key: value for key, value in each.items() if value is not None} for each in named]
    result = _estimate(spec) if claim.reference is None and claim.at_least is None else _judged(spec)
    result["metric"] = claim.metric
    return {"result": result, "per_class": named, "scope": scope}


def written_comparison(claim: Claim, look: int, graded: written.Graded, answers: Sequence[Answer]) -> Comparison:
    """What is compared, of a kind whose answers are written. `graded`: of the same answers, by the claim's metric."""
    return Comparison(
        metric=graded.metric,
        gold=graded.gold,
        ours=graded.ours,
        labels=graded.labels,
        known=graded.known,
        reference=_reference(claim, graded.theirs, _unscored(answers)),
        margin=claim.margin,
        at_least=claim.at_least,
        confidence=claim.confidence,
        look=look,
        units=_units(answers),
        baseline=graded.baseline,
    )


def comparison(claim: Claim, look: int, labels: Sequence[str], table: Columns, answers: Sequence[Answer]) -> Comparison:
    """What is compared, of a kind that names labels."""
    gold, ours, theirs = table.gold, table.ours, table.theirs
    known: Array | None = table.known
    metric, size = claim.metric, len(labels)
    if metric == "auprc":
        ours = np.array([row.scores for row in answers], float)
    if metric == "flagged_f1":  # is any label given? An unknown one counts as not given, as the moderation set says
        gold, ours, theirs = _flagged(gold & known), _flagged(ours), None if theirs is None else _flagged(theirs)
        known, metric, size = None, "micro_f1", 1
    return Comparison(
        metric=metric,
        gold=gold,
        ours=ours,
        labels=size,
        known=known,
        reference=_reference(claim, theirs, table.unscored),
        margin=claim.margin,
        at_least=claim.at_least,
        confidence=claim.confidence,
        look=look,
        units=table.units,
    )


def _reference(claim: Claim, theirs: Array | None, unscored: Array | None) -> Recorded | Published | None:
    if claim.reference is None:
        return None
    if theirs is not None:
        return Recorded(theirs, unscored)
    return Published(claim.reference["score"], claim.reference["n"])


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
