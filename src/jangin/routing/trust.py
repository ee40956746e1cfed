"""From which confidence on a specialist's answers may be given here: the evidence, and the threshold drawn from it.

`trust.json` lies beside a bundle like its certificate, bound to the specialist's hash and no part of its identity: a
task's policy may change without another model. `settle` draws the threshold again for another target.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from jangin.errors import BundleError
from jangin.evals.threshold import Threshold, freeze_thresholds, learn_then_test
from jangin.files import write_atomic

TRUST = "trust.json"
Rows = Literal["held out", "out of fold"]
Loss = Literal["answer", "share of fields"]


class Evidence(msgspec.Struct, frozen=True):
    """validation: confidences, by which thresholds are frozen. confidence, loss: of the calibration rows, which chose
    neither the model nor the thresholds. rows: where those come from. of: what a loss is; an answer is right (0) or
    wrong (1), or a share of its fields is wrong."""

    validation: list[float]
    confidence: list[float]
    loss: list[float]
    rows: Rows = "held out"
    of: Loss = "answer"


class Trust(msgspec.Struct, frozen=True):
    """specialist: the hash that the evidence was gathered for."""

    specialist: str
    evidence: Evidence
    threshold: Threshold

    def local(self, confidence: float | None) -> bool:
        """May an answer of this confidence be given here, by the promise?"""
        least = self.threshold.threshold
        return least is not None and confidence is not None and confidence >= least


def settle(specialist: str, evidence: Evidence, target: float, confidence: float) -> Trust:
    """The threshold for a promise: `target` of the local answers right, with `confidence`."""
    delta = round(1 - confidence, 12)
    thresholds = freeze_thresholds(np.array(evidence.validation), len(evidence.confidence), target, delta)
    found = learn_then_test(thresholds, np.array(evidence.confidence), np.array(evidence.loss), target, delta)
    return Trust(specialist, evidence, found)


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
