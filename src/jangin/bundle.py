"""A specialist on disk: a folder whose manifest names every file by hash. Its identity is the manifest's hash.

bank-intents/
  manifest.json      what it is, what it was built from; no timestamp, no certificate
  head.safetensors   vocabulary, weights, calibration; not with a specialist that writes
  encoder.onnx       only when the encoder was fine-tuned (with tokenizer.json)
  adapter.gguf       only on a decoder that was trained: its LoRA weights
  shots.jsonl        only on a decoder that was not: the examples that its prompts are made of
  tagger.safetensors, cues.json, choice-N.safetensors    of one that copies: the chain's weights, what each of them is
                     about, and of the Nth field, when it is chosen from a few values, a linear head
  record.json        the climb: every rung tried, seconds, energy, parity (not part of the identity)
  terms.json         the task's policy and instruction, for the server (not part of the identity)
  routing-BASE.safetensors   where the task's inputs lie in that encoder's space, for `model: auto` (not part of the
                     identity; the profile names it)
  certificate.*      written by `certify` (not part of the identity)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from jangin.errors import BundleError
from jangin.files import hash_file, hash_json
from jangin.models.base import Rule
from jangin.models.form import Leaf
from jangin.prompt import PromptTemplate
from jangin.types import Kind

FORMAT = 2
MANIFEST = "manifest.json"
HEAD = "head.safetensors"
ADAPTER = "adapter.gguf"
SHOTS = "shots.jsonl"
TAGGER = "tagger.safetensors"
CUES = "cues.json"


class EncoderSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which encoder the head stands on. `file` is set when it is the bundle's own; `sha256` is the graph's."""

    base: str
    sha256: str
    output: Literal["embedding", "logits"] = "embedding"
    file: str | None = None
    tokenizer: str | None = None


class DecoderSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which decoder the specialist stands on, and how it is asked.

    sha256: of the base's weights. adapter: the LoRA's file, None for the base as it is.
    label_tokens: of `classify` and `tag`: in label order the one token that means each label; their log-probabilities
    after the prompt are what the head reads. offset_token: of `tag`: what the head reads is how much likelier each
    label's token is than this one. writing: of `extract` and `generate`.
    """

    base: str
    sha256: str
    template: PromptTemplate
    label_tokens: list[int] = []
    adapter: str | None = None
    writing: WritingSpec | None = None
    offset_token: int | None = None


class WritingSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an answer is written.

    max_tokens: of one answer. context: tokens of prompt and answer together. schema: the JSON schema that every answer
    satisfies (`extract`). shots: how many examples of SHOTS each prompt shows, the nearest to the input.
    """

    max_tokens: int
    context: int
    schema: dict[str, Any] | None = None
    shots: int = 0


class SpansSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an answer is copied from the input (`extract`); `models/copier.py` reads it.

    form: the schema's fields; thresholds: one a field, the probability from which a copied value is given. longest:
    pieces of a value at most. contexts: the heads before a colon that cues are conjoined with; context_field: else the
    chosen field, by its number in the form, whose value they are conjoined with. weights: of the cues' scores and of
    the encoder's.
    """

    schema: dict[str, Any]
    form: list[Leaf]
    thresholds: list[float]
    longest: int
    contexts: list[str] = []
    context_field: int | None = None
    weights: tuple[float, float] = (1.0, 0.0)


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that decides an answer, and where it came from.

    params: weights of base and head together. task: {name, hash, description, metric}.
    lineage: {base: {id, sha256, license}, data: {split: sha256 of its rows by id}, tools: {package: version}, seed}.
    files: name -> sha256, the manifest itself excepted.
    """

    name: str
    kind: Kind
    labels: list[str]
    rung: str
    params: int
    rule: Rule
    encoder: EncoderSpec | None
    calibration: dict[str, Any]
    task: dict[str, Any]
    lineage: dict[str, Any]
    files: dict[str, str]
    decoder: DecoderSpec | None = None
    spans: SpansSpec | None = None
    format: int = FORMAT

    @property
    def base(self) -> str | None:
        """The catalogue's id of the base; None for n-grams only."""
        spec = self.encoder or self.decoder
        return spec.base if spec else None


def identity(manifest: Manifest) -> str:
    """sha256 of the canonical manifest: the specialist's name for certificates and servers."""
    told = msgspec.to_builtins(manifest)
    if manifest.spans is None:
        del told["spans"]  # bundles that were named before there were any keep their name
    return hash_json(told)


def read_manifest(folder: Path) -> Manifest:
    """The manifest, its shape checked. Raises: BundleError."""
    path = Path(folder) / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise BundleError(
            f"{folder}: not a specialist (no readable {MANIFEST})", "name a folder that `jangin train` wrote"
        ) from error
    except msgspec.DecodeError as error:
        raise BundleError(f"{path}: {error}", "copy the bundle again, or train again") from error
    if manifest.format != FORMAT:
        hint = "pip install -U jangin" if manifest.format > FORMAT else "train again: an earlier version wrote it"
        raise BundleError(f"{path}: format {manifest.format}; this version reads {FORMAT}", hint)
    for name in manifest.files:
        if Path(name).name != name:
            raise BundleError(f"{path}: file name '{name}' leaves the bundle", "do not use this bundle")
    _refuse_unnamed(path, manifest)
    return manifest


def _refuse_unnamed(path: Path, manifest: Manifest) -> None:
    """What decides answers must be among the hashed files, or the identity would not bind it."""
    spec, decoder = manifest.encoder, manifest.decoder
    writes = manifest.spans is not None or (decoder is not None and decoder.writing is not None)
    own = [] if writes else [HEAD]
    if manifest.spans is not None:
        own += [TAGGER, CUES]
        own += [f"choice-{number}.safetensors" for number, leaf in enumerate(manifest.spans.form) if leaf.chosen]
    if spec is not None:
        own += [name for name in (spec.file, spec.tokenizer) if name is not None]
    if decoder is not None:
        own += [decoder.adapter] if decoder.adapter is not None else []
        own += [SHOTS] if decoder.writing is not None and decoder.writing.shots else []
    for name in own:
        if name not in manifest.files:
            raise BundleError(f"{path}: 'files' has no hash of '{name}'", "copy the bundle again, or train again")
    if spec is not None and spec.file is not None and manifest.files[spec.file] != spec.sha256:
        raise BundleError(
            f"{path}: 'encoder' says that {spec.file} is {spec.sha256[:12]}, 'files' says "
            f"{manifest.files[spec.file][:12]}",
            "copy the bundle again, or train again",
        )


def verify(folder: Path) -> Manifest:
    """Reads the manifest and every file's hash. Raises: BundleError naming the file that changed."""
    manifest = read_manifest(folder)
    for name, expected in manifest.files.items():
        path = Path(folder) / name
        if not path.is_file():
            raise BundleError(f"bundle '{manifest.name}': {name} is missing", "copy the bundle again, or train again")
        if (found := hash_file(path)) != expected:
            raise BundleError(
                f"bundle '{manifest.name}': {name} has sha256 {found[:12]}, the manifest says {expected[:12]}",
                "copy the bundle again, or train again",
            )
    return manifest
