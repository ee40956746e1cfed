"""`jangin settle`: the threshold for another promise, from the evidence beside a specialist. Nothing is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from jangin import bundle
from jangin.errors import BundleError
from jangin.routing.trust import TARGET, TRUST, read_trust, write_trust
from jangin.routing.trust import settle as draw
from jangin.terms import Terms, read_terms, write_terms


def settle(folder: Path | str, target: float | None = None, confidence: float | None = None) -> dict[str, Any]:
    """Draws the threshold again and puts it in place of the earlier one, each file whole or not at all.

    A server holds a threshold against the policy in `terms.json` and refuses one that was drawn for another promise, so
    a target or confidence that is given is written there too. Nothing else of the folder changes.

    Args: target: share of local answers that shall be right; confidence: of the promise. None: as the policy has it.
    Returns: the promise as `Trust.told` has it, and the `specialist`.
    Raises: BundleError where there is no evidence, or only that of another specialist; StorageError.
    """
    folder = Path(folder)
    manifest = bundle.read_manifest(folder)
    sha256 = bundle.identity(manifest)
    before, terms = read_trust(folder, sha256), read_terms(folder)
    if before is None:
        there = (folder / TRUST).exists()
        what = "was gathered for another specialist than the one that lies there" if there else "is missing"
        raise BundleError(
            f"bundle '{manifest.name}': {TRUST}, the evidence that a threshold is drawn from, {what}",
            "train again: `jangin train` gathers it when it packs",
        )
    policy = terms.policy
    wanted = target if target is not None else policy.target
    sure = policy.confidence if confidence is None else confidence
    asked = "settle" if target is not None or confidence is not None else before.asked
    trust = draw(sha256, before.evidence, TARGET if wanted is None else wanted, sure, asked)
    write_trust(folder, trust)
    if wanted is not None and (wanted, sure) != (policy.target, policy.confidence):
        changed = msgspec.structs.replace(policy, target=wanted, confidence=sure)
        write_terms(folder, Terms(changed, terms.instruction))
    return {"specialist": str(folder), **trust.told()}
