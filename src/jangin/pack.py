"""A chosen rung -> a bundle, and the proof that the bundle answers as the trainer's copy did."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin import bundle, loopback
from jangin.bases import catalogue
from jangin.errors import BundleError, EngineError
from jangin.evals.record import RECORD
from jangin.files import hash_file, storage_error, write_atomic
from jangin.models import linear
from jangin.models.base import Floats, sigmoid, softmax
from jangin.models.specialist import Readers, Specialist
from jangin.terms import terms_of, write_terms
from jangin.train.judge import LabelsJudged
from jangin.train.profiling import write_profiles
from jangin.train.rungs import PARITY_ROWS, Attempt, Shipped
from jangin.train.trusting import trust_labels
from jangin.train.workshop import Shop, Workshop
from jangin.types import BaseModel

# More different answers than this, trainer to bundle to HTTP, and the bundle is not released.
DISAGREEMENT = 0.005
# A decoder's trainer multiplies in bfloat16, its engine in 8-bit steps: on smollm2-135m logits differ by 0.2 (standard
# deviation), more than the share above of answers lies so near to a threshold. Judged, calibrated and served is the
# engine's answer; the trainer's only tells that its adapter was written and read right.
DECODER_DISAGREEMENT = 0.05
REQUEST_BYTES = 2_000_000
Record = Callable[[dict[str, Any]], dict[str, Any]]
_TOOLS = ("jangin", "numpy", "onnxruntime", "scikit-learn", "scipy", "tokenizers")


def pack(
    shop: Workshop, rung: str, attempt: Attempt, judged: LabelsJudged, out: Path, record: Record
) -> dict[str, Any]:
    """Writes the bundle to `out` (whole and with its record, or not at all) and returns the record.

    Args: record: makes record.json's content from the parity report.
    Raises: BundleError when the packed artefact disagrees with the trainer's; StorageError.
    """
    shipped = attempt.shipped()

    def build(folder: Path) -> dict[str, Any]:
        _write_bundle(shop, rung, attempt, judged, shipped, folder)
        with ThreadPoolExecutor(2) as beside:  # both fill the time in which the parity check waits for its server
            proof, profiles = beside.submit(attempt.unseen), beside.submit(write_profiles, shop, folder)
            parity = _parity(shop, shipped.trainer, folder)
            promise = trust_labels(shop, proof.result(), judged, folder)
        write_terms(folder, terms_of(shop.task, shop.labels))  # last: by them a server keeps unsure answers back
        return {**record(parity), "promise": promise, "routing": profiles.result()}

    return put_in_place(out, build)


def put_in_place(out: Path, build: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Builds a folder beside `out`, writes the record that `build` returns into it, and puts it in place.

    Raises: what `build` raises, with nothing left behind; StorageError.
    """
    building = out.with_name(f".{out.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    try:
        building.mkdir(parents=True)
        told = build(building)
        write_atomic(building / RECORD, msgspec.json.format(msgspec.json.encode(told)))
        _swap(building, out)
    except OSError as error:
        raise storage_error(out, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return told


def _write_bundle(
    shop: Workshop, rung: str, attempt: Attempt, judged: LabelsJudged, shipped: Shipped, folder: Path
) -> None:
    linear.save(folder / bundle.HEAD, shipped.head)
    spec = shipped.spec or attempt.spec
    for name, source in (attempt.files if shipped.files is None else shipped.files).items():
        shutil.copyfile(source, folder / name)
    manifest = bundle.Manifest(
        name=shop.task.name,
        kind=shop.task.kind,
        labels=shop.labels,
        rung=rung,
        params=attempt.params,
        rule=judged.rule,
        encoder=spec if isinstance(spec, bundle.EncoderSpec) else None,
        decoder=spec if isinstance(spec, bundle.DecoderSpec) else None,
        calibration={key: value for key, value in judged.calibration.items() if key != "bins"},
        task={
            "name": shop.task.name,
            "hash": shop.task.hash,
            "description": shop.task.description,
            "metric": shop.task.metric,
        },
        lineage=lineage(shop, catalogue.get(attempt.base) if attempt.base else None, attempt.fitted_on),
        files={path.name: hash_file(path) for path in sorted(folder.iterdir())},
    )
    write_atomic(folder / bundle.MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))


def lineage(shop: Shop, known: BaseModel | None, fitted_on: str) -> dict[str, Any]:
    """Where an artefact comes from: its base, its rows, the tools."""
    base = None
    if known is not None:
        base = {"id": known.id, "sha256": known.files[0].sha256, "license": known.license, "notice": known.notice}
    return {
        "base": base,
        "data": shop.hashes,
        "rows": shop.rows,
        "fitted_on": fitted_on,
        "tools": {name: importlib.metadata.version(name) for name in _tools(known)},
        "seed": shop.seed,
    }


def _tools(known: BaseModel | None) -> tuple[str, ...]:
    return (*_TOOLS, "xllamacpp") if known is not None and known.family == "decoder" else _TOOLS


def _parity(shop: Workshop, trainer_logits: Floats, folder: Path) -> dict[str, Any]:
    """Trainer, packed files and HTTP answers on validation inputs, compared row by row."""
    from jangin.serve.run import background

    inputs = shop.validation_inputs[:PARITY_ROWS]
    packed = Specialist(folder, Readers())
    trainer = (sigmoid if packed.kind == "tag" else softmax)(trainer_logits[: len(inputs)])
    alone = np.concatenate([packed.probabilities([value]) for value in inputs[:50]])
    together = packed.probabilities(inputs)
    with background([folder]) as url:
        http = _ask(url, packed, inputs)
    decoder = packed.manifest.decoder is not None
    allowed = {"trainer_packed": DECODER_DISAGREEMENT if decoder else DISAGREEMENT}
    report: dict[str, Any] = {
        "n": len(inputs),
        "allowed_different_answers": DISAGREEMENT,
        **({"allowed_from_trainer": DECODER_DISAGREEMENT} if decoder else {}),
        "trainer_packed": _disagreement(packed, trainer, together),
        "packed_http": _disagreement(packed, together, http),
        "batched_single": _disagreement(packed, together[:50], alone),
    }
    for pair in ("trainer_packed", "packed_http", "batched_single"):
        most = allowed.get(pair, DISAGREEMENT)
        if report[pair]["different_answers"] > most:
            raise BundleError(
                f"{pair.replace('_', ' and ')} disagree on {report[pair]['different_answers']:.1%} of "
                f"{len(inputs)} validation rows; {most:.1%} is allowed",
                "report this with the record: the bundle was not released",
            )
    return report


def _disagreement(specialist: Specialist, one: Floats, other: Floats) -> dict[str, float]:
    answers = [specialist.rule.decide(specialist.kind, specialist.labels, p) for p in (one, other)]
    different = sum(a != b for a, b in zip(*answers)) / max(1, len(one))
    return {"different_answers": different, "largest_probability_gap": float(np.abs(one - other).max(initial=0.0))}


def _ask(url: str, specialist: Specialist, inputs: list[Any]) -> Floats:
    """The probabilities that the server gives for the same inputs, in label order."""
    found = np.zeros((len(inputs), len(specialist.labels)), np.float32)
    index = {label: number for number, label in enumerate(specialist.labels)}
    for rows in _requests(inputs):
        answer = post(f"{url}/v1/classify", {"model": specialist.name, "input": [inputs[row] for row in rows]})
        for row in answer["data"]:
            for label, probability in row["probabilities"].items():
                found[rows[row["index"]], index[label]] = probability
    return found


def post(url: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The answer of the server that the parity check has started. Raises: EngineError."""
    try:
        found: dict[str, Any] = loopback.ask(url, asked, 300)
    except OSError as error:
        raise EngineError(f"the parity check got no answer from the server: {error}", "run it again") from error
    return found


def _requests(inputs: list[Any]) -> list[list[int]]:
    """Row numbers of each request: as many as the server takes in one body, a hundred at most."""
    batches: list[list[int]] = [[]]
    size = 0
    for row, value in enumerate(inputs):
        room = len(msgspec.json.encode(value))
        if len(batches[-1]) == 100 or (batches[-1] and size + room > REQUEST_BYTES):
            batches.append([])
            size = 0
        batches[-1].append(row)
        size += room
    return batches


def _swap(building: Path, out: Path) -> None:
    """Puts the finished folder in place; an earlier bundle goes away only when the new one is whole."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    building.rename(out)
    shutil.rmtree(old, ignore_errors=True)
