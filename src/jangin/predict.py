"""placeholder"""
from __future__ import annotations
import numpy as np
from numpy.typing import NDArray
from jangin.models.base import Floats
from jangin.models.specialist import Specialist

def decide(specialist: Specialist, probabilities: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """(labels given, confidence): uint8 (n, k) and float32 (n,).

    Confidence is the probability of the answered label; for `tag`, of the least certain of its yes-or-no answers.
    """
    if specialist.kind == "tag":
        given = probabilities >= np.asarray(specialist.rule.tag_thresholds, np.float32)
        return given.astype(np.uint8), np.where(given, probabilities, 1 - probabilities).min(axis=1)
    top = specialist.rule.top(specialist.labels, probabilities)
    given = np.zeros(probabilities.shape, np.uint8)
    rows = np.arange(len(top))
    given[rows, top] = 1
    return given, probabilities[rows, top]
