"""One rung on validation: answers, score with limits, and the chance that it would pass the sealed test."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import numpy as np

from jangin.evals.arithmetic import Answer, columns, comparison
from jangin.evals.calibration import calibration_of
from jangin.evals.chance import chance_of_passing
from jangin.evals.comparison import Comparison, observe, score_interval
from jangin.evals.register import Claim
from jangin.meter import machine_price, per_thousand
from jangin.models.base import Floats, Output, Rule, sigmoid, softmax
from jangin.train.rules import make_rule
from jangin.train.rungs import Attempt
from jangin.train.workshop import Shop, Workshop

TIMED_TEXTS = 256


class Judged(msgspec.Struct, frozen=True, eq=False):
    """What any rung's judgement says. `standard_error` of the score on validation; `chance` None without a bar.

    details: of the rung, for its line in the record. rows: what the record keeps of the validation rows' answers.
    """

    score: float
    lower: float | None
    upper: float | None
    standard_error: float
    chance: float | None
    calibration: dict[str, Any]
    cost_per_1k_usd: float
    details: dict[str, Any]
    rows: dict[str, Any]


class LabelsJudged(Judged, frozen=True, eq=False):
    """Of a rung that gives labels."""

    rule: Rule
    probabilities: Floats
    answers: list[Output]


def claim_of(shop: Shop) -> Claim:
    """What `certify` will claim of this task's specialist; its name is not known yet and does not matter here."""
    from jangin.evals.references import load as load_reference

    bar = shop.task.bar
    reference = None
    if bar and bar.reference:
        reference = load_reference(bar.reference, shop.task).claimed()
    return Claim(
        specialist="",
        metric=shop.task.metric,
        reference=reference,
        margin=bar.margin if bar else 0.0,
        at_least=bar.at_least if bar else None,
        confidence=bar.confidence if bar else 0.95,
    )


def judge(shop: Workshop, attempt: Attempt, claim: Claim, look: int) -> LabelsJudged:
    """Scores the quantised head, as it would be served, on validation."""
    kind, labels = shop.task.kind, shop.labels
    to_probabilities = sigmoid if kind == "tag" else softmax
    start = time.perf_counter()
    logits = attempt.head.logits(shop.validation.texts, attempt.encoded)
    head_s = (time.perf_counter() - start) / len(shop.validation)
    probabilities = to_probabilities(logits)
    mixed = to_probabilities(attempt.mix([part.calibration for part in attempt.parts]))
    rule = make_rule(
        shop.task.out_of_scope, labels, (mixed, attempt.calibration_rows), (probabilities, shop.validation)
    )
    answers = rule.decide(kind, labels, probabilities)
    spec = _comparison(shop, claim, look, answers, probabilities)
    calibration = _calibration(shop, attempt, probabilities)
    return LabelsJudged(
        rule=rule,
        probabilities=probabilities,
        answers=answers,
        calibration=calibration,
        cost_per_1k_usd=per_thousand(machine_price().value or 0.0, 1 / (head_s + _read_s(shop, attempt))),
        details=_details(attempt, calibration),
        rows=_kept_rows(shop, answers, probabilities),
        **scored(spec, shop.test_rows),
    )


def scored(spec: Comparison, test_rows: int) -> dict[str, Any]:
    """Score, limits, standard error and chance of passing, by the names that `Judged` gives them."""
    limits = score_interval(spec)
    alone = observe(msgspec.structs.replace(spec, reference=None))
    return {
        "score": alone.score,
        "lower": limits.lower,
        "upper": limits.upper,
        "standard_error": float(np.sqrt(alone.variance / spec.groups)),
        "chance": chance_of_passing(spec, test_rows) if spec.reference or spec.at_least is not None else None,
    }


def on_validation(claim: Claim) -> Claim:
    """Recorded answers belong to the test; on validation the reference is its score, with an error of its own."""
    usable = claim.reference if claim.reference and claim.reference["score"] is not None else None
    if usable is not None:
        usable = {**usable, "kind": "published"}
    return msgspec.structs.replace(claim, reference=usable)


def _details(attempt: Attempt, calibration: dict[str, Any]) -> dict[str, Any]:
    search = [
        {"features": part.solver, "c": c, "balanced": balanced, "named": named, "cross_validated": score}
        for part in attempt.parts
        for c, balanced, named, score in part.tried
    ]
    return {"calibration_error": calibration["ece"], "search": search, **attempt.details}


def _kept_rows(shop: Workshop, answers: list[Output], probabilities: Floats) -> dict[str, Any]:
    rows = shop.validation
    if rows.known is not None:
        return {}
    index = {label: number for number, label in enumerate(shop.labels)}
    return {
        "gold": rows.gold.tolist(),
        "answer": [index[answer] for answer in answers if isinstance(answer, str)],
        "confidence": [round(float(p), 4) for p in probabilities.max(axis=1)],
    }


def _comparison(shop: Workshop, claim: Claim, look: int, answers: list[Output], probabilities: Floats) -> Comparison:
    labels, rows = shop.labels, shop.validation
    judged = []
    for i, answer in enumerate(answers):
        gold: Any = labels[rows.gold[i]] if rows.known is None and rows.gold[i] >= 0 else None
        if rows.known is not None:
            gold = {label: bool(rows.gold[i, j]) for j, label in enumerate(labels) if rows.known[i, j]}
        scores = probabilities[i].tolist() if claim.metric == "auprc" else None
        unit = None if rows.groups is None else str(rows.groups[i])
        judged.append(Answer(str(i), gold, answer, scores=scores, unit=unit))
    return comparison(on_validation(claim), look, labels, columns(judged, labels, shop.task.kind, False), judged)


def _calibration(shop: Workshop, attempt: Attempt, probabilities: Floats) -> dict[str, Any]:
    errors = calibration_of(probabilities, shop.validation.gold, shop.validation.known)
    method = "Platt scaling" if shop.task.kind == "tag" else "temperature scaling"
    ece = errors.marginal_error if errors.top_label_error is None else errors.top_label_error
    return {
        "method": f"{method}, one weight a source",
        "fitted_on": attempt.parts[0].calibration_rows,
        "fitted_rows": len(attempt.calibration_rows),
        "ece": ece,
        "brier": errors.brier,
        "log_loss": errors.log_loss,
        "n": errors.n,
        "bins": msgspec.to_builtins(errors.bins),
    }


def _read_s(shop: Workshop, attempt: Attempt) -> float:
    """Seconds a text in the encoder or decoder, measured on validation texts."""
    if attempt.read is None:
        return 0.0
    texts = shop.validation.texts[:TIMED_TEXTS]
    start = time.perf_counter()
    attempt.read(texts)
    return (time.perf_counter() - start) / len(texts)
