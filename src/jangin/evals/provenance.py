"""Where everything came from: code, packages, licences, and whether base or reference could have seen the test."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jangin
from jangin.bundle import Manifest
from jangin.errors import UnknownBaseError
from jangin.evals.certificate import Exposure
from jangin.evals.references import Reference

PACKAGES = ("jangin", "numpy", "scipy", "statsmodels", "scikit-learn", "onnxruntime", "tokenizers", "msgspec")


@cache
def code_hash() -> str:
    """sha256 over the names and bytes of this package's source files."""
    root = Path(jangin.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in (".py", ".yaml")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of the installed packages that a verdict depends on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def lineage(manifest: Manifest, reference: Reference | None) -> dict[str, Any]:
    """Licences and origins: base, data, the reference's terms, tools."""
    base = manifest.lineage.get("base") or {
        "id": None,
        "license": "no base: the weights come from the task's data alone",
    }
    named = None
    if reference is not None:
        named = {"id": reference.id, "model": reference.model, "source": reference.source, "terms": reference.terms}
    return {
        "base": base,
        "data": manifest.lineage.get("data", {}),
        "reference": named,
        "tools": manifest.lineage.get("tools", {}),
        "seed": manifest.lineage.get("seed"),
    }


def exposure(manifest: Manifest, reference: Reference | None) -> Exposure:
    """By the test's publication date against the cutoff of base and reference; what is not stated is unknown."""
    test = reference.test_published if reference else None
    base, why = _base_exposure(manifest, test)
    other = None if reference is None else _exposed(reference.cutoff, test)
    if reference is not None:
        cutoff = reference.cutoff or "not stated"
        why += (
            f"; {reference.model}: training data end {cutoff}; the test was published {test or 'at a date not stated'}"
        )
    public = base != "clean" or other not in (None, "clean")
    return Exposure(base=base, reference=other, test_published=test, public_test=public, why=why)


def _base_exposure(manifest: Manifest, test: str | None) -> tuple[str, str]:
    from jangin.bases import catalogue

    base = manifest.lineage.get("base")
    if not base:
        return "clean", "the specialist has no pretrained weights"
    try:
        known = catalogue.get(base["id"])
    except UnknownBaseError:
        return "unknown", f"{base['id']}: nothing is known of its training data"
    until = known.cutoff or known.published
    found = _exposed(until, test)
    if found == "exposed" and not known.cutoff:
        found = "unknown"  # published after the test, but nobody says when its data end
    return (
        found,
        f"{base['id']}: training data end {known.cutoff or 'not stated'}, published {known.published or 'not stated'}",
    )


def _exposed(until: str | None, test: str | None) -> str:
    """Dates are compared as far as both are known; a tie counts as exposed."""
    if not until or not test:
        return "unknown"
    shared = min(len(until), len(test))
    return "clean" if until[:shared] < test[:shared] else "exposed"
