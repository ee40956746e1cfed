"""What is exported: a bundle with an adapter on a decoder, its base, and what its record and certificate say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from jangin import bundle
from jangin.errors import BundleError, InputError, MissingExtraError
from jangin.evals.certificate import CERTIFICATE
from jangin.evals.record import read_record
from jangin.models.specialist import decoder_weights
from jangin.train import adapters
from jangin.types import BaseModel, HubSource

# GGUF's architectures whose q and k rows stand in another order there.
PERMUTED = tuple(adapters.ARCHITECTURES[name] for name in adapters.PERMUTED)


class Source(NamedTuple):
    """A verified bundle, opened for export. certificate: its id, verdict and sentence, or {}. head_ngrams: the bundle
    mixes n-grams in, which no export of the decoder does."""

    folder: Path
    manifest: bundle.Manifest
    identity: str
    spec: bundle.DecoderSpec
    adapter_path: Path
    adapter: adapters.GgufAdapter
    base: BaseModel
    weights: Path
    record: dict[str, Any]
    certificate: dict[str, Any]
    head_ngrams: bool

    @property
    def name(self) -> str:
        """The name that the export serves under; Meta's licence asks a derived model's name to begin with Llama."""
        name = self.manifest.name
        must = self.base.license.startswith("LicenseRef-Llama") and not name.lower().startswith("llama")
        return f"llama-{name}" if must else name

    @property
    def original(self) -> str:
        """The hub repository of the base in transformers' layout. Raises: InputError where none is known."""
        if self.base.original:
            return self.base.original
        for file in self.base.files:
            for source in file.sources:
                if isinstance(source, HubSource) and file.name.endswith(".safetensors"):
                    return source.repo
        raise InputError(
            f"no repository of '{self.base.id}' in transformers' layout is known", "use --to gguf or --to ollama"
        )


def read_source(folder: Path | str) -> Source:
    """Verifies the bundle and finds its base.

    Raises: InputError for a specialist that has nothing to export; BundleError; BaseModelError when the base is not
        here (`jangin pull`); MissingExtraError.
    """
    folder = Path(folder)
    manifest = bundle.verify(folder)
    spec = manifest.decoder
    if spec is None:
        raise InputError(f"'{manifest.name}' is {_kind_of(manifest)}: there is no decoder in it to export", PORTABLE)
    if spec.adapter is None:
        raise InputError(
            f"'{manifest.name}' is {spec.base} as it is, with examples in its prompt: it has no weights of its own",
            f"use the base's own file, with the template of {bundle.MANIFEST} and the examples of {bundle.SHOTS}",
        )
    try:
        adapter = adapters.read(folder / spec.adapter)
    except ImportError as error:
        raise MissingExtraError("export", "decoder") from error
    weights = decoder_weights(manifest)
    return Source(
        folder=folder,
        manifest=manifest,
        identity=bundle.identity(manifest),
        spec=spec,
        adapter_path=folder / spec.adapter,
        adapter=adapter,
        base=_base(spec.base),
        weights=weights,
        record=read_record(folder),
        certificate=_certificate(folder, bundle.identity(manifest)),
        head_ngrams=_has_ngrams(folder, spec),
    )


PORTABLE = (
    "the bundle itself is portable: its head is safetensors, its encoder ONNX, its manifest JSON; copy the folder, or "
    "serve it with `jangin serve`"
)


def heads(weights: Path) -> tuple[str, int, int]:
    """(GGUF's architecture, heads of q, heads of k) of a base. Raises: BundleError."""
    import gguf

    fields = gguf.GGUFReader(weights).fields
    try:
        architecture = str(fields["general.architecture"].contents())
        queries = int(fields[f"{architecture}.attention.head_count"].contents())
        found = fields.get(f"{architecture}.attention.head_count_kv")
        return architecture, queries, queries if found is None else int(found.contents())
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{weights.name[:12]}: a GGUF that does not say its heads", "pull the base again") from error


def _kind_of(manifest: bundle.Manifest) -> str:
    if manifest.spans is not None:
        return f"made to copy ({manifest.rung})"
    parts = [manifest.encoder.base if manifest.encoder else "", "n-grams" if "ngrams" in manifest.rung else ""]
    return f"made of {' and '.join(part for part in parts if part) or manifest.rung} and a linear head"


def _base(name: str) -> BaseModel:
    from jangin.bases.resolve import known
    from jangin.bases.store import Store

    found = known(name, Store())
    assert found is not None, "its weights were found"
    return found


def _has_ngrams(folder: Path, spec: bundle.DecoderSpec) -> bool:
    from jangin.models import linear

    return spec.writing is None and bool(linear.load(folder / bundle.HEAD).blocks)


def _certificate(folder: Path, identity: str) -> dict[str, Any]:
    """What the bundle's certificate says of itself; not checked here, and {} where it is another specialist's."""
    try:
        found = msgspec.json.decode((folder / CERTIFICATE).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return {}
    if (found.get("specialist") or {}).get("sha256") != identity:
        return {}
    return {
        "id": found.get("id"),
        "verdict": (found.get("result") or {}).get("verdict"),
        "sentence": found.get("sentence"),
    }
