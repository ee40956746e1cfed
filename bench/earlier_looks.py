"""Looks at a test that results in docs/results tell of and this machine's register has never seen.

A register counts what happened on its own machine. The results of a repository were made on several, so before a test
is opened here every look at it that a result tells of is written into the register. It is never counted down.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from claims import CLAIMS
from jangin.data.load import split_hashes
from jangin.evals.register import Claim, Look, Register
from jangin.files import hash_json
from jangin.task import load_task
from results_read import RESULTS

Told = dict[str, Any]


def carry(folder: Path, test: str) -> Register:
    """The register of the task's test, with every look at `test` that the results tell of."""
    task = load_task(folder)
    register = Register(task.folder, split_hashes(task)["test"])
    held = {_key(look) for look in told(register)}
    for look in recorded(test):
        if _key(look) in held:
            continue
        held.add(_key(look))
        claim = Claim(
            specialist=hash_json(look),  # its own hash was not kept
            metric=look["metric"],
            reference={"id": look["reference"]} if look["reference"] else None,
            margin=0.0,
            at_least=look["at_least"],
            confidence=0.95,
        )
        outcome = {name: look[name] for name in ("verdict", "score", "n")}
        register.close(register.open(claim, look["date"]), {**outcome, "told_by": "docs/results"})
    return register


def recorded(test: str) -> list[Told]:
    """Every look at a test that the results tell of, oldest first."""
    looks: list[Told] = []
    for name, claim in CLAIMS.items():
        path = RESULTS / f"{name}.json"
        if claim.test != test or not path.is_file():
            continue
        found = json.loads(path.read_text(encoding="utf-8"))
        certified, bar = found["certified"], found.get("task", {}).get("bar", {})
        own = {
            "date": found["look"]["registered"],
            "metric": certified["metric"],
            "reference": certified["reference"],
            "at_least": bar.get("at_least"),
            **{key: certified[key] for key in ("verdict", "score", "n")},
        }
        looks += [*found.get("looks", []), own]
    return sorted(looks, key=lambda look: look["date"])


def told(register: Register) -> list[Told]:
    """What a result keeps of the looks at its test, its own among them."""
    return [_told(look) for look in register.looks()]


def _told(look: Look) -> Told:
    outcome = look.outcome or {}
    return {
        "date": look.date,
        "metric": look.claim.metric,
        "reference": look.claim.reference["id"] if look.claim.reference else None,
        "at_least": look.claim.at_least,
        **{key: outcome.get(key) for key in ("verdict", "score", "n")},
    }


def _key(look: Told) -> tuple[Any, ...]:
    """A look is known again by its outcome; one that was stopped before it had any, by its day."""
    score = look["score"]
    return (look["date"], look["metric"], None if score is None else round(score, 9), look["n"])
