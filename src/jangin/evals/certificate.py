"""The certificate as a file: what it holds, its id, and the two ways to check it, `--verify` and `--rerun`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from jangin import bundle
from jangin.errors import BundleError, CertificateError, JanginError
from jangin.evals.arithmetic import Answer, arithmetic
from jangin.evals.register import Claim
from jangin.files import hash_file, hash_json
from jangin.meter import Figure
from jangin.prices import BreakEven
from jangin.types import Kind

FORMAT = 1
CERTIFICATE, ANSWERS = "certificate.json", "answers.jsonl"
VALID_DAYS = 180
VERIFY_SCOPE = (
    "recomputed the arithmetic and its sentences from the recorded answers, wrote both pages again, and checked the "
    "hashes of certificate, answers and bundle, and those of task and test against the manifest; the test was not "
    "read and the model not asked again (--rerun does both). Recorded and not checked: timings, costs, energy, "
    "calibration, exposure, leaks, parity, licences, versions, description, the date, the count of looks, and what "
    "is told of the reference"
)
RERUN_SCOPE = (
    "did all that --verify does, opened the sealed test, compared every truth and unit, predicted it again with the "
    "bundle in this folder, compared every answer, and the claim and the reference's answers with task and reference. "
    "Recorded and not checked: timings, costs, energy, calibration, exposure, leaks, parity, licences, versions, "
    "description, the date, and the count of looks"
)

_NEEDED = {
    "specialist": ("name", "sha256", "kind", "labels"),
    "task": ("out_of_scope",),
    "look": ("number",),
    "hashes": ("test", "answers", "manifest_files"),
}
MOST_LOOKS = 30  # a forged count would make the bootstrap draw without end
_SUMMARY = (
    *("verdict", "metric", "score", "score_lower", "score_upper", "confidence", "reference_score"),
    *("difference", "lower", "upper", "n", "paired"),
)


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Money. own, reference, cheap_tier: US dollars per 1,000 requests; training: US dollars, once."""

    machine: Figure
    training: Figure
    own: Figure
    reference: Figure | None
    cheap_tier: Figure
    break_even: list[BreakEven]


class Speed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """latency_ms: {p50, p95, p99} of `requests` single requests in one process; throughput: of batches.

    Where answers are written: ttft_ms, the same of the time to the first text, and tok_per_s, written by the batches.
    """

    latency_ms: dict[str, float]
    requests: int
    throughput: Figure
    ttft_ms: dict[str, float] | None = None
    tok_per_s: Figure | None = None


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """Watt-hours: of 1,000 requests, of training, and what others published for one query."""

    per_1k: Figure
    training: Figure
    published: list[dict[str, Any]]
    note: str


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """`clean`, `unknown` or `exposed`: could base and reference have seen the test? reference None: there is none."""

    base: str
    reference: str | None
    test_published: str | None
    public_test: bool
    why: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The verdict on (specialist, reference, sealed test), with everything needed to recompute it.

    id: sha256 of the canonical JSON of all other fields. sentence, not_said: the verdict in words, and its limits.
    specialist: {name, sha256, kind, rung, params, labels}. task: {name, hash, description, out_of_scope}.
    reference: {id, kind, model, setting, metric, score, n, source, date, second_hand, test, unparsed} or None.
    look: {number, registered, spent, copies, first_outcome}; the number decides the level.
    looks: claims on this test so far. result, per_class, scope: what `arithmetic` gives.
    calibration: {n, brier, log_loss, top_label_error, marginal_error, bins}; of `extract` over the fields given, empty
    where an answer is not simply right or wrong. hashes: {task, data, test, base,
    specialist, manifest_files, answers, code, reference}.
    """

    id: str = ""
    format: int = FORMAT
    date: str
    renew_by: str
    sentence: str
    not_said: list[str]
    specialist: dict[str, Any]
    task: dict[str, Any]
    reference: dict[str, Any] | None
    claim: Claim
    look: dict[str, Any]
    looks: int
    result: dict[str, Any]
    per_class: list[dict[str, Any]]
    scope: dict[str, Any] | None
    calibration: dict[str, Any]
    speed: Speed
    cost: Cost
    energy: Energy
    egress_bytes: Figure
    exposure: Exposure
    leaks: dict[str, Any]
    parity: dict[str, Any] | None
    lineage: dict[str, Any]
    hashes: dict[str, Any]
    versions: dict[str, str]

    def summary(self) -> dict[str, Any]:
        """What `certify --json` prints: the figures that decide, by the names of the command line's documentation."""
        found = {name: self.result[name] for name in _SUMMARY}
        reference = self.reference["id"] if self.reference else None
        return {**found, "reference": reference, "looks": self.looks, "certificate": self.id, "sentence": self.sentence}


class Check(msgspec.Struct, frozen=True):
    """Outcome of `--verify` or `--rerun`; `differs` names every figure or hash that is not as recorded."""

    valid: bool
    differs: list[str]
    did: str

    @property
    def exit_code(self) -> int:
        return 0 if self.valid else 1


def identified(certificate: Certificate) -> Certificate:
    """The certificate as it will be read back (a whole number in a float's place becomes a float), with its id."""
    as_read = msgspec.json.decode(msgspec.json.encode(certificate), type=Certificate)
    return msgspec.structs.replace(as_read, id=_id(as_read))


def to_json(certificate: Certificate) -> str:
    """The file's content, indented for readers."""
    return json.dumps(msgspec.to_builtins(certificate), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def answers_file(answers: Sequence[Answer]) -> bytes:
    encode = msgspec.json.Encoder(order="sorted").encode
    return b"".join(encode(answer) + b"\n" for answer in answers)


def read(file: Path) -> Certificate:
    """Raises: CertificateError when it is not a certificate of this version."""
    path = Path(file) / CERTIFICATE if Path(file).is_dir() else Path(file)
    try:
        certificate = msgspec.json.decode(path.read_bytes(), type=Certificate)
    except OSError as error:
        raise CertificateError(f"{path}: no readable certificate", "jangin certify writes one") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise CertificateError(f"{path}: not a certificate: {error}", "jangin certify writes one") from error
    for part, keys in _NEEDED.items():
        if missing := [key for key in keys if key not in getattr(certificate, part)]:
            raise CertificateError(f"{path}: not a certificate: no {part}.{missing[0]}", "jangin certify writes one")
    if certificate.format != FORMAT:
        raise CertificateError(
            f"{path}: format {certificate.format}; this version reads {FORMAT}", "pip install -U jangin"
        )
    return certificate


def read_answers(folder: Path) -> list[Answer]:
    """Raises: CertificateError."""
    path = Path(folder) / ANSWERS
    try:
        lines = path.read_bytes().splitlines()
        return [msgspec.json.decode(line, type=Answer) for line in lines]
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise CertificateError(
            f"{path}: the recorded answers cannot be read", "keep answers.jsonl beside the certificate"
        ) from error


def verify(file: Path) -> Check:
    """Recomputes arithmetic, sentences and pages; checks the hashes of certificate, answers and bundle. Opens no test.

    Raises: CertificateError when the certificate itself cannot be read.
    """
    from jangin.evals import recheck

    certificate = read(file)
    folder = Path(file) if Path(file).is_dir() else Path(file).parent
    differs = []
    if certificate.id != _id(certificate):
        differs.append("id: the certificate was changed after it was written")
    differs += _bundle_differs(folder, certificate)
    answers: list[Answer] | None = None
    try:
        if hash_file(folder / ANSWERS) != certificate.hashes["answers"]:
            differs.append(f"{ANSWERS}: sha256 is not the recorded one")
        answers = read_answers(folder)
    except (OSError, CertificateError):
        differs.append(f"{ANSWERS}: cannot be read")
    if certificate.claim.specialist != certificate.specialist["sha256"]:
        differs.append("claim.specialist: not the certified specialist")
    if answers is not None:
        differs += _arithmetic_differs(certificate, answers)
    if answers is not None and not differs:  # a page that agrees with a wrong certificate.json proves nothing
        differs += recheck.pages_differ(folder, certificate, answers)
    return Check(not differs, differs, VERIFY_SCOPE)


def rerun(file: Path, task_path: Path | str | None = None) -> Check:
    """`verify`, and the opened test: its truths, units and every answer; not a look, since it opens no new claim.

    Raises: CertificateError, BundleError, TaskError, DataError.
    """
    from jangin.data.load import load_splits, split_hashes
    from jangin.evals import recheck
    from jangin.evals.predicting import predictions
    from jangin.evals.record import task_of
    from jangin.models.specialist import Readers
    from jangin.models.written import open_specialist

    certificate = read(file)
    folder = Path(file) if Path(file).is_dir() else Path(file).parent
    answers = read_answers(folder)
    task = task_of(folder, task_path)
    differs = verify(file).differs
    if bundle.identity(bundle.verify(folder)) != certificate.specialist["sha256"]:
        differs.append("specialist: sha256 is not the certified one")
    if split_hashes(task)["test"] != certificate.hashes["test"]:
        differs.append("test: its rows are not the certified ones")
    test = load_splits(task, open_test_outputs=True).test
    if [example.id for example in test] != [answer.id for answer in answers]:
        differs.append("test: its ids are not those of the recorded answers")
        return Check(False, differs, RERUN_SCOPE)
    differs += recheck.rows_differ(answers, test)
    with closing(open_specialist(folder, Readers(bulk=True))) as specialist:
        given = predictions(specialist, [example.input for example in test])
    differs += recheck.predictions_differ(answers, specialist.labels, given)
    differs += recheck.outcomes_differ(answers, task, test)
    differs += recheck.claim_differs(certificate, task, answers, test)
    return Check(not differs, differs, RERUN_SCOPE)


def _id(certificate: Certificate) -> str:
    plain = msgspec.to_builtins(certificate)
    del plain["id"]
    return hash_json(plain)


def _bundle_differs(folder: Path, certificate: Certificate) -> list[str]:
    from jangin.evals import recheck

    try:
        manifest = bundle.verify(folder)
    except BundleError as error:
        return [f"bundle: {error.message}"]
    differs = []
    if bundle.identity(manifest) != certificate.specialist["sha256"]:
        differs.append("manifest.json: the specialist is not the certified one")
    if manifest.files != certificate.hashes["manifest_files"]:
        differs.append("manifest.json: its files are not the certified ones")
    return differs + recheck.origins_differ(certificate, manifest)


def _arithmetic_differs(certificate: Certificate, answers: list[Answer]) -> list[str]:
    """Every recomputed figure and sentence that is not equal, by name."""
    from jangin.evals import recheck

    number = certificate.look["number"]
    if not isinstance(number, int) or not 1 <= number <= min(certificate.looks, MOST_LOOKS):
        return [f"look.number: {_short(number)} of {certificate.looks} looks"]
    kind: Kind = certificate.specialist["kind"]
    try:
        again = arithmetic(
            certificate.claim,
            number,
            kind,
            certificate.specialist["labels"],
            certificate.task["out_of_scope"],
            answers,
        )
    except (JanginError, LookupError, TypeError, ValueError, ArithmeticError, AssertionError) as error:
        return [f"answers: do not fit the certificate ({type(error).__name__})"]
    differs = []
    for name, value in again["result"].items():
        if certificate.result.get(name) != value:
            differs.append(
                f"result.{name}: recorded {_short(certificate.result.get(name))}, recomputed {_short(value)}"
            )
    differs += [f"result.{name}: not a computed figure" for name in certificate.result if name not in again["result"]]
    if certificate.per_class != again["per_class"]:
        differs.append("per_class: not what the recorded answers give")
    if certificate.scope != again["scope"]:
        differs.append("scope: not what the recorded answers give")
    return differs + recheck.words_differ(certificate, again["result"])


def _short(value: Any) -> str:
    shown = f"{value:.6g}" if isinstance(value, float) else str(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
