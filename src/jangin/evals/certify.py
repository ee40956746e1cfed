"""The verb `certify`: registers a look, predicts the sealed test with the artefact that serves, opens the answers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec

from jangin import bundle
from jangin.errors import BundleError, CertificateError, InputError
from jangin.evals import answering, costs, provenance, render, wording
from jangin.evals.arithmetic import Answer, arithmetic
from jangin.evals.certificate import (
    ANSWERS,
    CERTIFICATE,
    VALID_DAYS,
    Certificate,
    answers_file,
    identified,
    read,
    to_json,
    verify,
)
from jangin.evals.predicting import Progress, predict_and_measure
from jangin.evals.record import read_record, task_of
from jangin.evals.references import Reference, match
from jangin.evals.references import load as load_reference
from jangin.evals.register import Claim, Look, Register
from jangin.files import hash_file, hash_json, write_atomic
from jangin.meter import Figure, machine_price
from jangin.models.specialist import Readers, Specialist
from jangin.models.writer import Writer
from jangin.models.written import open_specialist
from jangin.task import Bar, Task
from jangin.types import Splits

_OUTCOME = ("verdict", "score", "reference_score", "difference", "lower", "upper", "n")


def certify(
    specialist_folder: Path | str,
    task_path: Path | str | None = None,
    reference: str | None = None,
    *,
    monthly_requests: int | None = None,
    usd_per_hour: float | None = None,
    today: date | None = None,
    home: Path | None = None,
    progress: Progress | None = None,
) -> Certificate:
    """Judges a packed specialist on its task's sealed test; certificate.json, .md, .html appear in its folder.

    Args:
        task_path: the task; None: the one that record.json names.
        reference: an id or a recorded file instead of the bar's own.
        monthly_requests: the user's volume, to say whether replacing is worth it.
        usd_per_hour: price of this machine; today: date of a new look and of prices; home: instead of JANGIN_HOME.
    Raises: BundleError, TaskError, DataError, InputError; StorageError when the look cannot be registered.
    """
    from jangin.data.load import load_splits, split_hashes

    folder = Path(specialist_folder)
    today = today or date.today()
    if monthly_requests is not None and monthly_requests < 1:
        raise InputError(f"monthly requests are {monthly_requests}; expected a count of at least 1", "use 100000, say")
    machine = machine_price(usd_per_hour)
    manifest, task = bundle.verify(folder), task_of(folder, task_path)
    _same_task(manifest, task)
    against = _reference(task, reference)
    splits, hashes = load_splits(task), split_hashes(task)
    _same_data(manifest, splits, hashes["test"])
    sealed = splits.test
    matched = match(against, sealed, task.kind, manifest.labels) if against and against.kind == "recorded" else None
    register = Register(task.folder, hashes["test"], home)
    with closing(open_specialist(folder, Readers())) as specialist:
        claim = claim_of(specialist.sha256, task, against)
        look = register.open(claim, str(today))
        if look.outcome and (stored := _stored(folder, look, monthly_requests, usd_per_hour)):
            return stored
        predicted = predict_and_measure(specialist, [example.input for example in sealed], progress)
    opened = load_splits(task, open_test_outputs=True).test
    answers = answering.answers(task, opened, predicted.given, specialist.labels, matched)
    record = read_record(folder)
    said = {
        **_verdict(task, specialist, against, look, register.copies(claim), answers),
        **_origins(task, specialist, against, hashes, answers),
        "date": look.date,  # of the evidence: repeating a look does not make it younger
        "renew_by": str(date.fromisoformat(look.date) + timedelta(days=VALID_DAYS)),
        "look": _look(look, register),
        "looks": len(register.looks()),
        "calibration": answering.calibration(task, answers, predicted.given, specialist.labels),
        "speed": predicted.speed,
        "cost": costs.cost(against, sealed, specialist, predicted, record, monthly_requests, machine, today),
        "energy": costs.energy(predicted.meter, predicted.timed, record),
        "leaks": _leaks(task),
        "parity": record.get("parity"),
    }
    certificate = identified(Certificate(**said))
    _write(certificate, answers, folder)
    if not look.outcome:
        outcome = {"certificate": certificate.id, **{name: certificate.result[name] for name in _OUTCOME}}
        register.close(look, outcome)
    return certificate


def _write(certificate: Certificate, answers: Sequence[Answer], folder: Path) -> None:
    """The JSON last: it is the one that others read. An earlier one of another id is kept under a name of its own."""
    write_atomic(folder / ANSWERS, answers_file(answers))
    write_atomic(folder / "certificate.md", render.markdown(certificate))
    write_atomic(folder / "certificate.html", render.html(certificate, answers))
    _keep_earlier(folder / CERTIFICATE, certificate.id)
    write_atomic(folder / CERTIFICATE, to_json(certificate))


def _keep_earlier(path: Path, new: str) -> None:
    """Copied, not renamed: a crash must not leave the folder without a certificate."""
    if not path.is_file():
        return
    try:
        earlier = read(path).id
    except CertificateError:
        earlier = ""
    if not re.fullmatch("[0-9a-f]{64}", earlier):  # an id made by hand must not name a file
        earlier = hash_file(path)
    if earlier != new:
        write_atomic(path.with_name(f"{path.stem}-{earlier[:8]}{path.suffix}"), path.read_bytes())


def _same_task(manifest: bundle.Manifest, task: Task) -> None:
    trained = manifest.task.get("hash")
    if trained != task.hash:
        raise BundleError(
            f"specialist '{manifest.name}' was trained for task {str(trained)[:12]}; '{task.name}' is {task.hash[:12]}",
            "train again with this task file, or name the one it was trained with by --task",
        )


def _same_data(manifest: bundle.Manifest, splits: Splits, test: str) -> None:
    """Refuses rows changed after training. A bundle that records no data at all passes, and its certificate says so."""
    from jangin.data.load import hash_rows

    recorded = manifest.lineage.get("data") or {}
    if not recorded:
        return
    for name, now in (("test", test), ("train", hash_rows(splits.train))):
        if (then := recorded.get(name)) != now:
            raise BundleError(
                f"the {name} is not the one that this specialist was trained {'against' if name == 'test' else 'on'}: "
                f"sha256 {now[:12]} now, {str(then)[:12]} in the manifest",
                "jangin train TASK again, or bring the data back as they were",
            )


def _reference(task: Task, named: str | None) -> Reference | None:
    name = named or (task.bar.reference if task.bar else None)
    reference = load_reference(name, task) if name else None
    if reference and reference.kind == "recorded" and task.metric == "auprc":
        raise InputError(f"'{name}' holds labels; auprc needs a score for each label", "compare by micro_f1 instead")
    return reference


def claim_of(specialist: str, task: Task, reference: Reference | None) -> Claim:
    """The bar; a reference named on the command line, for a task without a bar, is met with the default margin."""
    bar = task.bar or Bar()
    return Claim(
        specialist=specialist,
        metric=task.metric,
        reference=reference.claimed() if reference else None,
        margin=bar.margin if reference else 0.0,
        at_least=bar.at_least,
        confidence=bar.confidence,
    )


def _stored(folder: Path, look: Look, monthly_requests: int | None, usd_per_hour: float | None) -> Certificate | None:
    """The certificate of a repeated look, if it is still there, whole, and says all that is asked now."""
    if monthly_requests is not None or usd_per_hour is not None:
        return None
    path = folder / CERTIFICATE
    try:
        stored = read(path)
    except CertificateError:
        return None
    return stored if stored.claim == look.claim and stored.look["number"] == look.k and verify(path).valid else None


def _verdict(
    task: Task,
    specialist: Specialist | Writer,
    reference: Reference | None,
    look: Look,
    copies: int,
    answers: list[Answer],
) -> dict[str, Any]:
    claim, trained = look.claim, specialist.manifest.lineage.get("data")
    sums = arithmetic(claim, look.k, task.kind, specialist.labels, task.out_of_scope, answers)
    exposure = provenance.exposure(specialist.manifest, reference)
    about = _about(reference, answers)
    return {
        **sums,
        "claim": claim,
        "reference": about,
        "exposure": exposure,
        "sentence": wording.sentence(specialist.name, sums["result"], about, claim),
        "not_said": wording.not_said(exposure, sums["result"], look, about, copies=copies, trained=trained),
    }


def _origins(
    task: Task,
    specialist: Specialist | Writer,
    reference: Reference | None,
    hashes: dict[str, Any],
    answers: list[Answer],
) -> dict[str, Any]:
    manifest = specialist.manifest
    return {
        "specialist": {
            "name": manifest.name,
            "sha256": specialist.sha256,
            "kind": manifest.kind,
            "rung": manifest.rung,
            "params": manifest.params,
            "labels": manifest.labels,
        },
        "task": {
            "name": task.name,
            "hash": task.hash,
            "description": task.description,
            "out_of_scope": task.out_of_scope,
        },
        "egress_bytes": Figure(
            0, "bytes", f"by construction: the engine runs in this process; policy.egress is {task.policy.egress}"
        ),
        "lineage": provenance.lineage(manifest, reference),
        "versions": provenance.versions(),
        "hashes": {
            "task": task.hash,
            "data": hashes["files"],
            "test": hashes["test"],
            "base": (manifest.lineage.get("base") or {}).get("sha256"),
            "specialist": specialist.sha256,
            "manifest_files": manifest.files,
            "answers": hashlib.sha256(answers_file(answers)).hexdigest(),
            "code": provenance.code_hash(),
            "reference": reference.sha256 or hash_json(reference.claimed()) if reference else None,
        },
    }


def _look(look: Look, register: Register) -> dict[str, Any]:
    return {
        "number": look.k,
        "registered": look.date,
        "spent": wording.spent(look.claim.confidence, look.k),
        "copies": register.copies(look.claim),
        "first_outcome": look.outcome,
    }


def _about(reference: Reference | None, answers: Sequence[Answer]) -> dict[str, Any] | None:
    if reference is None:
        return None
    names = ("id", "kind", "model", "setting", "metric", "score", "n", "source", "date", "second_hand", "test")
    found = {name: getattr(reference, name) for name in names}
    recorded = reference.kind == "recorded"
    unparsed = sum(row.reference is None and row.unscored is None for row in answers)
    return {**found, "unparsed": unparsed if recorded else None}


def _leaks(task: Task) -> dict[str, Any]:
    """What `jangin check` says of the splits; the rows of train it names were never trained on."""
    from jangin.data.check import check

    report = check(task)
    return {
        **msgspec.to_builtins(report.leaks),
        "rows": report.rows,
        "duplicates": msgspec.to_builtins(report.duplicates),
    }
