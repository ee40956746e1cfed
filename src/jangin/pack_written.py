"""A chosen rung of `extract` or `generate` -> a bundle, and the proof that it answers as trained and over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from jangin import bundle
from jangin.bases import catalogue
from jangin.errors import BundleError
from jangin.files import hash_file, write_atomic
from jangin.models.base import Rule
from jangin.models.writer import Written
from jangin.models.written import load_writer, write_all
from jangin.pack import lineage, post, put_in_place
from jangin.terms import terms_of, write_terms
from jangin.train.judge import Judged
from jangin.train.profiling import write_profiles

if TYPE_CHECKING:
    from jangin.train.writers import Candidate
    from jangin.train.written import WritingShop

# The trainer multiplies in bfloat16 or float32 with the base's weights unpacked, the engine in eight-bit blocks: where
# two tokens are level it may take the other, and the rest of that answer parts.
AGREEMENT = 0.9  # of the engine's own tokens, those that the trainer would have chosen
SAME_OVER_HTTP = 0.9  # of the answers, each row alone on both sides; a cached beginning may move last bits (0014)
COPIED_SAME = 1.0  # what is copied is the same arithmetic on either side, one text at a time
PARITY_ROWS = 20
Record = Callable[[dict[str, Any]], dict[str, Any]]


def pack(
    shop: WritingShop, rung: str, candidate: Candidate, judged: Judged, out: Path, record: Record
) -> dict[str, Any]:
    """Writes the bundle to `out` (whole and with its record, or not at all) and returns the record.

    Raises: BundleError when the packed artefact disagrees with the trainer's; StorageError.
    """

    from jangin.train.trusting_written import trust_written  # which writes bundles itself

    def build(folder: Path) -> dict[str, Any]:
        write_bundle(shop, candidate, judged.calibration, folder)
        parity = _parity(shop, candidate, folder)
        promise = trust_written(shop, candidate, judged, folder)
        write_terms(folder, terms_of(shop.task, schema=shop.schema))  # last: by them a server keeps unsure answers back
        return {**record(parity), "promise": promise, "routing": write_profiles(shop, folder)}

    return put_in_place(out, build)


def write_bundle(shop: WritingShop, candidate: Candidate, calibration: dict[str, Any], folder: Path) -> Path:
    """The bundle's files without a record; `folder` may be the candidate's own, where its weights lie already."""
    spec, names = candidate.spec, candidate.files
    for name in names:
        if folder != candidate.folder:
            shutil.copyfile(candidate.folder / name, folder / name)
    manifest = bundle.Manifest(
        name=shop.task.name,
        kind=shop.task.kind,
        labels=[],
        rung=candidate.rung,
        params=candidate.params,
        rule=Rule(),
        encoder=candidate.encoder,
        decoder=spec if isinstance(spec, bundle.DecoderSpec) else None,
        spans=spec if isinstance(spec, bundle.SpansSpec) else None,
        calibration={key: value for key, value in calibration.items() if key != "bins"},
        task={
            "name": shop.task.name,
            "hash": shop.task.hash,
            "description": shop.task.description,
            "metric": shop.task.metric,
        },
        lineage=lineage(shop, catalogue.get(candidate.base) if candidate.base else None, candidate.fitted_on),
        files={name: hash_file(folder / name) for name in names},
    )
    write_atomic(folder / bundle.MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    return folder


def _parity(shop: WritingShop, candidate: Candidate, folder: Path) -> dict[str, Any]:
    """Trainer, packed files and HTTP answers on validation inputs."""
    from jangin.serve.run import background

    if candidate.agreement is not None and candidate.agreement < AGREEMENT:
        raise BundleError(
            f"trainer and engine agree on {candidate.agreement:.1%} of the tokens; {AGREEMENT:.0%} is asked",
            "report this with the record: the bundle was not released",
        )
    inputs, batched, alone = _from_the_file(shop.validation_inputs[:PARITY_ROWS], folder)
    with background([folder]) as url:
        served = [_ask(url, shop.task.name, value) for value in inputs]
    same = _share(alone, served)
    asked = SAME_OVER_HTTP if isinstance(candidate.spec, bundle.DecoderSpec) else COPIED_SAME
    if same < asked:
        raise BundleError(
            f"packed file and server give the same answer to {same:.1%} of {len(inputs)} validation rows; "
            f"{asked:.0%} is asked",
            "report this with the record: the bundle was not released",
        )
    return {
        "n": len(inputs),
        "trainer_packed": {"same_tokens": candidate.agreement, "asked": AGREEMENT},
        "packed_http": {"same_answers": same, "asked": asked},
        "batched_single": {"same_answers": _share(batched, alone)},
    }


def _from_the_file(inputs: list[Any], folder: Path) -> tuple[list[Any], list[str], list[str]]:
    """The inputs that are not too long for a prompt, and what the packed file writes: beside each other, and alone.

    The server is asked row by row, so the file's answers to rows alone are those that it is held against. Beside others
    last bits of some bases move (decision 0014), and a long answer parts where two tokens are level.
    """
    with closing(load_writer(folder)) as writer:
        alone = [(value, write_all(writer, [value])[0]) for value in inputs]
        told = [(value, one.text.strip()) for value, one in alone if isinstance(one, Written)]
        fitting = [value for value, _ in told]
        return fitting, [each.text.strip() for each in writer.write(fitting)], [text for _, text in told]


def _share(one: list[str], other: list[str]) -> float:
    """Of equal answers; 1 where there are none."""
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one) if one else 1.0


def _ask(url: str, name: str, value: Any) -> str:
    messages = [{"role": "user", "content": value}] if isinstance(value, str) else value
    answer = post(f"{url}/v1/chat/completions", {"model": name, "messages": messages, "temperature": 0})
    return str(answer["choices"][0]["message"]["content"]).strip()
