"""What `--verify` and `--rerun` compute again beside the arithmetic: words, dates, pages, origins, the opened test."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from jangin.bundle import Manifest
from jangin.errors import JanginError
from jangin.evals import provenance, render, wording
from jangin.evals.arithmetic import Answer
from jangin.evals.certificate import VALID_DAYS, Certificate
from jangin.evals.predicting import Given
from jangin.evals.register import Look
from jangin.evals.written import JUDGED
from jangin.task import Task
from jangin.types import Example

PAGES = ("certificate.md", "certificate.html")
SAME_SCORE = 1e-4  # another machine's arithmetic moves a probability by less
SAME_TEXT = 1e-2  # and that of a whole text by less: a decoder's last bits depend on what it writes beside it
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError)


def origins_differ(certificate: Certificate, manifest: Manifest) -> list[str]:
    """What the certificate repeats of the manifest."""
    trained = manifest.lineage.get("data") or {}
    pairs = {
        "hashes.task": (certificate.hashes.get("task"), manifest.task.get("hash")),
        "hashes.specialist": (certificate.hashes.get("specialist"), certificate.specialist["sha256"]),
        "lineage.data": (certificate.lineage.get("data"), manifest.lineage.get("data", {})),
    }
    if trained:
        pairs["hashes.test"] = (certificate.hashes["test"], trained.get("test"))
    for name in ("name", "kind", "rung", "params", "labels"):
        pairs[f"specialist.{name}"] = (certificate.specialist.get(name), getattr(manifest, name))
    return [f"{name}: not what manifest.json says" for name, (here, there) in pairs.items() if here != there]


def words_differ(certificate: Certificate, result: dict[str, Any]) -> list[str]:
    """The sentences and the date to renew by, from the recomputed result."""
    differs = []
    about, claim, look = certificate.reference, certificate.claim, certificate.look
    try:
        if certificate.renew_by != str(date.fromisoformat(certificate.date) + timedelta(days=VALID_DAYS)):
            differs.append(f"renew_by: not {VALID_DAYS} days after the date")
        if certificate.sentence != wording.sentence(certificate.specialist["name"], result, about, claim):
            differs.append("sentence: not what the recorded answers give")
        registered = Look(look["number"], claim, look["registered"], look["first_outcome"])
        trained, copies = certificate.lineage.get("data"), look["copies"]
        if certificate.not_said != wording.not_said(
            certificate.exposure, result, registered, about, copies=copies, trained=trained
        ):
            differs.append("not_said: not what the certificate's own figures give")
        if look["spent"] != wording.spent(claim.confidence, look["number"]):
            differs.append("look.spent: not the level of this look")
    except _MALFORMED as error:
        differs.append(f"sentence: cannot be written again ({type(error).__name__})")
    return differs


def pages_differ(folder: Path, certificate: Certificate, answers: Sequence[Answer]) -> list[str]:
    """Both pages rendered again, byte for byte."""
    try:
        again = (render.markdown(certificate), render.html(certificate, answers))
    except _MALFORMED as error:
        return [f"certificate.html: cannot be written again ({type(error).__name__})"]
    differs = []
    other = "" if certificate.hashes.get("code") == provenance.code_hash() else "; it was written by other code"
    for name, page in zip(PAGES, again):
        try:
            if (folder / name).read_bytes() != page.encode():
                differs.append(f"{name}: not what certificate.json gives{other}")
        except OSError:
            differs.append(f"{name}: cannot be read")
    return differs


def rows_differ(recorded: Sequence[Answer], opened: Sequence[Example]) -> list[str]:
    """Truth and sampling unit of every answer against the opened test; both in one order."""
    golds = [row.id for row, each in zip(recorded, opened) if (row.gold, row.accepted) != (each.output, each.gold)]
    units = [row.id for row, example in zip(recorded, opened) if row.unit != example.unit]
    return _counted("gold", golds, recorded) + _counted("unit", units, recorded)


def predictions_differ(recorded: Sequence[Answer], labels: Sequence[str], given: Given) -> list[str]:
    """Every answer, and the probabilities recorded with it."""
    answers = [row.id for row, now in zip(recorded, given.answers) if row.answer != now]
    scores = []
    for at, row in enumerate(recorded):
        if given.probabilities is None and row.answer != given.answers[at]:
            continue  # the confidence of another text
        sure = given.confidence(at, labels)
        same = (row.confidence is None) == (sure is None)
        if same and sure is not None and row.confidence is not None:
            same = abs(row.confidence - sure) <= (SAME_SCORE if given.probabilities is not None else SAME_TEXT)
        if row.scores is not None and given.probabilities is not None:
            now = given.probabilities[at]
            same &= len(row.scores) == len(now) and bool(np.abs(np.array(row.scores) - now).max() <= SAME_SCORE)
        if not same:
            scores.append(row.id)
    return _counted("answers", answers, recorded) + _counted("probabilities", scores, recorded)


def outcomes_differ(recorded: Sequence[Answer], task: Task, opened: Sequence[Example]) -> list[str]:
    """Where answers are judged by more than their text: each recorded answer, and the reference's, judged again."""
    from jangin.evals.running import passed

    if task.metric not in JUDGED:
        return []
    differs = []
    for what, field, answers in (
        ("right", "right", [row.answer for row in recorded]),
        ("reference's right", "reference_right", [row.reference for row in recorded]),
    ):
        scored = [at for at, row in enumerate(recorded) if getattr(row, field) is not None]
        again = passed(task, [opened[at] for at in scored], [answers[at] for at in scored])
        unequal = [recorded[at].id for at, now in zip(scored, again) if getattr(recorded[at], field) is not now]
        differs += _counted(what, unequal, recorded)
    return differs


def claim_differs(
    certificate: Certificate, task: Task, recorded: Sequence[Answer], test: Sequence[Example]
) -> list[str]:
    """The claim, against the task's bar and the reference as it is found now, and the reference's answers."""
    from jangin.evals.certify import claim_of
    from jangin.evals.references import load, match

    differs = [] if task.hash == certificate.hashes.get("task") else ["task: its hash is not the certified one"]
    claimed = certificate.claim.reference
    try:
        reference = load(claimed["id"], task) if claimed else None
        if claim_of(certificate.specialist["sha256"], task, reference) != certificate.claim:
            differs.append("claim: not what the task's bar and the reference give")
        if reference is not None and reference.kind == "recorded":
            matched = match(reference, test, task.kind, certificate.specialist["labels"])
            unequal = [
                row.id
                for row, now in zip(recorded, matched)
                if (row.reference, row.unscored) != (now.answer, now.unscored)
            ]
            differs += _counted("reference's answers", unequal, recorded)
    except JanginError as error:
        differs.append(f"reference: cannot be compared: {error.message}")
    except _MALFORMED as error:
        differs.append(f"reference: cannot be compared ({type(error).__name__})")
    return differs


def _counted(what: str, unequal: Sequence[str], recorded: Sequence[Answer]) -> list[str]:
    return [f"{what}: {len(unequal):,} of {len(recorded):,} differ (first: '{unequal[0]}')"] if unequal else []
