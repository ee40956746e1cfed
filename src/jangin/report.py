"""`jangin report`: one page of everything tried and proven, made from records and certificates. No stage calls it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from jangin import charts
from jangin.bundle import MANIFEST, Manifest, identity, read_manifest
from jangin.errors import BundleError, CertificateError, InputError
from jangin.evals.certificate import CERTIFICATE, Certificate, read, read_answers, verify
from jangin.evals.record import RECORD
from jangin.evals.references import published
from jangin.evals.wording import METRIC_NAMES, parity_words
from jangin.files import write_atomic
from jangin.page import TONE, number, page, small, table
from jangin.routing.trust import TRUST, Trust, read_trust
from jangin.types import RungRecord

PAGE = "report.html"
NOT_VALID = "certificate not valid"


class Found(msgspec.Struct):
    """One folder of a climb: what could be read of it, and in words what could not."""

    folder: Path
    manifest: Manifest | None = None
    record: dict[str, Any] = {}
    rungs: list[RungRecord] = []
    certificate: Certificate | None = None
    trust: Trust | None = None
    invalid: bool = False
    problems: list[str] = []

    @property
    def name(self) -> str:
        return self.manifest.name if self.manifest else self.folder.name

    @property
    def chosen(self) -> int | None:
        named = self.record.get("chosen")
        return next((i for i, rung in enumerate(self.rungs) if rung.rung == named), None)


def report(folder: Path | str) -> Path:
    """Writes report.html into the folder: every specialist in it, at any depth. Raises: InputError, StorageError."""
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"'{root}' is not a folder", "name the folder that holds your specialists")
    homes = {path.parent for name in (MANIFEST, RECORD) for path in root.rglob(name)}
    found = [look_at(home) for home in sorted(homes)]
    path = root / PAGE
    write_atomic(path, page("Jangin report", _body(root, found)))
    return path


def look_at(folder: Path) -> Found:
    """Reads what is there; a broken file is told on the page and does not hide the others."""
    found = Found(folder)
    if (folder / RECORD).is_file():
        try:
            found.record = msgspec.json.decode((folder / RECORD).read_bytes(), type=dict[str, Any])
            found.rungs = msgspec.convert(found.record.get("rungs", []), list[RungRecord])
        except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
            found.problems.append(f"{RECORD} cannot be read: {error}")
    if (folder / MANIFEST).is_file():
        try:
            found.manifest = read_manifest(folder)
        except BundleError as error:
            found.problems.append(error.message)
    if found.manifest is not None:
        try:
            found.trust = read_trust(folder, identity(found.manifest))
            if found.trust is None and (folder / TRUST).is_file():
                found.problems.append(f"{TRUST} was gathered for another specialist: its promise is stale")
        except BundleError as error:
            found.problems.append(error.message)
    if (folder / CERTIFICATE).is_file():
        try:
            found.certificate = read(folder)
            checked = verify(folder)
            found.invalid = not checked.valid
            found.problems += [f"the certificate is not valid: {each}" for each in checked.differs]
        except CertificateError as error:
            found.invalid = True
            found.problems.append(error.message)
    return found


def _body(root: Path, found: list[Found]) -> str:
    head = "<h1>Jangin report</h1>"
    if not found:
        return f"{head}<p>No specialist in this folder yet. <code>jangin train TASK</code> makes one.</p>"
    headers = ["specialist", "rung", "weights", "score", "verdict", "USD per 1,000"]
    rows = [_overview(each) for each in found]
    parts = [head, f"<p class=soft>{len(found):,} found</p>", table(headers, rows, numeric=(2, 3, 5))]
    parts += [f'<section id="s{i}">{_section(root, each)}</section>' for i, each in enumerate(found)]
    return "\n<hr>\n".join(["\n".join(parts[:3]), *parts[3:]])


def _overview(found: Found) -> list[str]:
    certificate, chosen = None if found.invalid else found.certificate, found.chosen
    rung = found.rungs[chosen] if chosen is not None else None
    score = (
        number(certificate.result["score"]) if certificate else number(rung.score if rung else None) + " (validation)"
    )
    verdict = (certificate.result["verdict"] or "no bar") if certificate else "not certified"
    cost = certificate.cost.own.value if certificate else rung.cost_per_1k_usd if rung else None
    return [
        found.name,
        found.manifest.rung if found.manifest else "none",
        f"{found.manifest.params:,}" if found.manifest else "–",
        "–" if found.invalid else score,
        NOT_VALID if found.invalid else verdict,
        small(cost),
    ]


def _section(root: Path, found: Found) -> str:
    parts = [f"<h2>{escape(found.name)}</h2>"]
    if found.manifest and (said := found.manifest.task.get("description")):
        parts.append(f"<p>{escape(str(said))}</p>")
    parts += [f'<p class="bad">{escape(problem)}</p>' for problem in found.problems]
    parts += [
        _certificate(root, found),
        _promise(found),
        _tried(found),
        _ladder(found),
        _calibration(found),
        _confusions(found),
    ]
    return "\n".join(part for part in parts if part)


def _certificate(root: Path, found: Found) -> str:
    certificate = found.certificate
    if certificate is None:
        missing = (
            "Not certified. <code>jangin certify SPECIALIST</code> opens the sealed test."
            if found.manifest
            else "No specialist came of this climb: no rung was likely enough to pass, so the test stays sealed."
        )
        return f'<div class="card"><h3>Certificate</h3><p>{missing}</p></div>'
    verdict = certificate.result["verdict"]
    tone, shown = ("bad", NOT_VALID) if found.invalid else (TONE[verdict], verdict or "no bar")
    badge = f'<span class="verdict {tone}">{escape(shown)}</span>'
    where = quote((found.folder / "certificate.html").relative_to(root).as_posix())
    dates = f"Issued {certificate.date}, renew by {certificate.renew_by}; looks at this test: {certificate.looks:,}."
    return (
        f'<div class="card"><h3>Certificate {badge}</h3><p>{escape(certificate.sentence)}</p>'
        f'<p class="soft">{escape(dates)} <a href="{where}">The whole certificate</a></p></div>'
    )


def _promise(found: Found) -> str:
    """The promise about local answers in one line."""
    if found.trust is None:
        return ""
    told = found.trust.told()
    least, rows = told["threshold"], f"{told['n']:,} rows, {told['rows']}"
    what = f"target {told['target']:g}, confidence {told['confidence']:g}"
    if told["asked"] == "default":
        what += " (the default: the task asks for no promise)"
    if least is None:
        shown = f"{what}: nothing is answered locally under it: {told['message']} ({rows})"
    else:
        shown = f"{what}: {told['local_share']:.1%} answered locally, from a confidence of {least:.4f} on ({rows})"
    return f"<h3>Answered locally</h3><p>{escape(shown)}</p>"


def _tried(found: Found) -> str:
    if not found.rungs:
        return "<h3>What was tried</h3><p class=soft>No record of the climb.</p>"
    headers = ["rung", "weights", "score on validation", "chance", "seconds", "Wh", "USD per 1,000", "status"]
    rows = [
        [
            rung.rung + (f" ({rung.base})" if rung.base else ""),
            f"{rung.params:,}",
            number(rung.score)
            + ("" if rung.lower is None or rung.upper is None else f" ({rung.lower:.3f} to {rung.upper:.3f})"),
            "–" if rung.chance is None else f"{rung.chance:.2f}",
            "–" if rung.seconds is None else f"{rung.seconds:.1f}",
            "–" if rung.energy_wh is None else small(rung.energy_wh),
            "–" if rung.cost_per_1k_usd is None else small(rung.cost_per_1k_usd),
            rung.status + (f": {rung.why}" if rung.why else ""),
        ]
        for rung in found.rungs
    ]
    return (
        f"<h3>What was tried</h3>{table(headers, rows, numeric=(1, 2, 3, 4, 5, 6), chosen=found.chosen)}"
        f"<p class=soft>{escape(_spent(found.record))}</p>"
    )


def _spent(record: dict[str, Any]) -> str:
    """Seed, budget, seconds and energy of the climb in one line."""
    parts = [
        f"{name} {record[key]:g}{unit}"
        for key, name, unit in (("seed", "seed", ""), ("budget_s", "budget", " s"))
        if isinstance(record.get(key), int | float)
    ]
    if record.get("seconds") is not None:
        parts.append(f"{record['seconds']:.1f} s in all")
    if record.get("energy_wh") is not None:
        parts.append(f"{small(record['energy_wh'])} Wh ({record.get('energy_method', 'method not recorded')})")
    if isinstance(parity := record.get("parity"), dict):
        parts.append(f"parity: {parity_words(parity)}")
    return "; ".join(parts)


def points(found: Found) -> list[charts.Point]:
    """The rungs that have a score and a cost."""
    return [
        charts.Point(rung.rung, rung.cost_per_1k_usd, rung.score, rung.lower, rung.upper)
        for rung in found.rungs
        if rung.score is not None and rung.cost_per_1k_usd is not None
    ]


def _ladder(found: Found) -> str:
    tried = points(found)
    if not tried:
        return ""
    metric = METRIC_NAMES.get(found.rungs[0].metric, found.rungs[0].metric)
    chart = charts.ladder(tried, f"{metric} on validation", bars(found))
    caption = "<figcaption>The higher and further left, the better.</figcaption>"
    return f"<h3>Score against cost</h3><figure>{chart}{caption}</figure>"


def bars(found: Found) -> list[tuple[str, float]]:
    """What must be reached, as lines of a chart."""
    bars = []
    if found.certificate and (score := found.certificate.result["reference_score"]) is not None:
        assert found.certificate.reference is not None
        bars.append((f"{found.certificate.reference['model']} {score:.3f}", score))
    named = found.record.get("bar") or {}
    if not bars and (known := published().get(str(named.get("reference")))) is not None and known.score is not None:
        bars.append((f"{known.id} {known.score:.3f}", known.score))
    if isinstance(least := named.get("at_least"), int | float):
        bars.append((f"bar {least:g}", least))
    return bars


def bins(found: Found) -> tuple[list[dict[str, Any]], str]:
    """The calibration curve's bins, empty where there are none, and where they were counted."""
    if found.certificate:
        return found.certificate.calibration.get("bins") or [], "the sealed test"
    return _validation_bins(found.record.get("validation") or {}), "validation"


def _calibration(found: Found) -> str:
    counted, where = bins(found)
    if not counted:
        return ""
    caption = f"On {where}. Points below the diagonal are overconfident; larger points stand for more answers."
    return f"<h3>Calibration</h3><figure>{charts.calibration(counted)}<figcaption>{caption}</figcaption></figure>"


def _validation_bins(validation: dict[str, Any]) -> list[dict[str, Any]]:
    gold, answer, confidence = (validation.get(key) or [] for key in ("gold", "answer", "confidence"))
    if not confidence or len(gold) != len(confidence) or len(answer) != len(confidence) or isinstance(gold[0], list):
        return []
    import numpy as np

    from jangin.evals.calibration import reliability

    return msgspec.to_builtins(reliability(np.array(confidence), np.array(gold) == np.array(answer)))


def _confusions(found: Found) -> str:
    counted, where = pairs(found)
    if counted is None:
        return ""
    if not counted:
        return f"<h3>Commonest mistakes</h3><p>None on {where}.</p>"
    rows = [[truth, answer, f"{count:,}", f"{share:.0%}"] for truth, answer, count, share in counted]
    shown = table(["truth", "answered", "times", "of that class"], rows, numeric=(2, 3))
    return f"<h3>Commonest mistakes</h3><p class=soft>On {where}.</p>{shown}"


def pairs(found: Found) -> tuple[list[tuple[str, str, int, float]] | None, str]:
    """Confusion pairs and where they were seen; None where there is nothing to tell."""
    if found.certificate and found.certificate.specialist["kind"] == "classify":
        try:
            answers = read_answers(found.folder)
        except CertificateError:
            return None, ""
        return charts.confusions([row.gold for row in answers], [row.answer for row in answers]), "the sealed test"
    validation = found.record.get("validation") or {}
    gold, answer = validation.get("gold") or [], validation.get("answer") or []
    if not gold or len(gold) != len(answer) or not all(isinstance(each, int) for each in (*gold, *answer)):
        return None, ""
    labels = found.manifest.labels if found.manifest else []

    def named(index: int) -> str:
        return labels[index] if 0 <= index < len(labels) else f"label {index}"

    return charts.confusions([named(i) for i in gold], [named(i) for i in answer]), "validation"
