"""From which confidence on a specialist's answers may be given here: the evidence, and the threshold drawn from it.

`trust.json` lies beside a bundle like its certificate, bound to the specialist's hash and no part of its identity: a
task's policy may change without another model. `settle` draws the threshold again for another target.
`train/trusting.py` gathers the evidence when a specialist is packed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from jangin.errors import BundleError
from jangin.evals.threshold import Threshold, freeze_thresholds, learn_then_test
from jangin.files import write_atomic
from jangin.policy import PROMISED, Policy

TRUST = "trust.json"
TARGET = PROMISED  # what is settled where no task asks for a promise
Rows = Literal["held out", "out of fold"]
Loss = Literal["answer", "share of fields"]
Asked = Literal["policy", "default", "settle"]


class Evidence(msgspec.Struct, frozen=True):
    """validation: confidences by which thresholds are frozen, of validation or of further rows out of fold.
    confidence, loss: of calibration rows, which chose neither the model nor the thresholds; confidence -1: an answer
    without one, which no threshold takes. rows: "held out", answered by this specialist, which never saw them; "out of
    fold", answered by the same recipe without the row. of: what a loss is; an answer is right (0) or wrong (1), or a
    share of its fields is wrong."""

    validation: list[float]
    confidence: list[float]
    loss: list[float]
    rows: Rows = "held out"
    of: Loss = "answer"


class Trust(msgspec.Struct, frozen=True):
    """specialist: the hash that the evidence was gathered for. asked: who named the target: the task's policy, nobody
    (then it is TARGET), or `jangin settle`."""

    specialist: str
    evidence: Evidence
    threshold: Threshold
    asked: Asked = "policy"

    @property
    def local_share(self) -> float:
        """Of the rows that tested it, those that the threshold takes; 0 without one."""
        return 0.0 if self.threshold.threshold is None else self.threshold.coverage

    def told(self) -> dict[str, Any]:
        """The promise without its evidence, for records and verbs."""
        found = self.threshold
        return {
            "target": found.target,
            "confidence": round(1 - found.delta, 12),
            "asked": self.asked,
            "threshold": found.threshold,
            "local_share": self.local_share,
            "n": found.n,
            "rows": self.evidence.rows,
            "of": self.evidence.of,
            "message": found.message,
        }

    def local(self, confidence: float | None) -> bool:
        """May an answer of this confidence be given here, by the promise?"""
        least = self.threshold.threshold
        return least is not None and confidence is not None and confidence >= least


def asked_of(policy: Policy) -> tuple[float, float, Asked]:
    """(target, confidence, who named the target) of a task."""
    target = policy.target
    return (TARGET if target is None else target, policy.confidence, "default" if target is None else "policy")


def settle(specialist: str, evidence: Evidence, target: float, confidence: float, asked: Asked = "policy") -> Trust:
    """The threshold for a promise: `target` of the local answers right, with `confidence`."""
    delta = round(1 - confidence, 12)
    thresholds = freeze_thresholds(np.array(evidence.validation), len(evidence.confidence), target, delta)
    shares = "fields" if evidence.of == "share of fields" else None
    tested = np.array(evidence.confidence, float), np.array(evidence.loss, float)
    return Trust(specialist, evidence, learn_then_test(thresholds, *tested, target, delta, shares), asked)


def write_trust(folder: Path, trust: Trust) -> None:
    """Raises: StorageError."""
    write_atomic(folder / TRUST, msgspec.json.format(msgspec.json.encode(trust)))


def read_trust(folder: Path, specialist: str) -> Trust | None:
    """None without one, or when it was gathered for another specialist. Raises: BundleError for a broken file."""
    path = folder / TRUST
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Trust)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise BundleError(f"{path}: not readable ({error})", "settle it again, or remove it") from error
    return found if found.specialist == specialist else None
