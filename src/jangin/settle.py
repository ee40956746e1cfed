"""`jangin settle`: the threshold for another promise, from the evidence that lies beside a specialist. Nothing is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jangin import bundle
from jangin.errors import BundleError
from jangin.routing.trust import TRUST, read_trust, write_trust
from jangin.routing.trust import settle as draw


def settle(folder: Path | str, target: float, confidence: float | None = None) -> dict[str, Any]:
    """Draws the threshold again and puts it in place of the earlier one, whole; nothing else of the folder changes.

    Args: target: share of local answers that shall be right. confidence: of the promise; None: as before.
    Returns: the promise as `Trust.told` has it, and the `specialist`.
    Raises: BundleError where there is no evidence, or only that of another specialist; StorageError.
    """
    folder = Path(folder)
    manifest = bundle.read_manifest(folder)
    sha256 = bundle.identity(manifest)
    before = read_trust(folder, sha256)
    if before is None:
        there = (folder / TRUST).exists()
        what = "was gathered for another specialist than the one that lies there" if there else "is missing"
        raise BundleError(
            f"bundle '{manifest.name}': {TRUST}, the evidence that a threshold is drawn from, {what}",
            "train again: `jangin train` gathers it when it packs",
        )
    sure = round(1 - before.threshold.delta, 12) if confidence is None else confidence
    trust = draw(sha256, before.evidence, target, sure, "settle")
    write_trust(folder, trust)
    return {"specialist": str(folder), **trust.told()}
