"""The seam: what every model is to the rest of Jangin, and how probabilities become an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from jangin.types import Input, Kind

Floats = NDArray[np.float32]
Output = str | list[str]


@runtime_checkable
class Model(Protocol):
    """Anything that answers `classify` and `tag` inputs. The embedded engine, a fake and a remote API look alike."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    rule: Rule

    def probabilities(self, inputs: Sequence[Input]) -> Floats:
        """Calibrated probabilities, shape (len(inputs), len(labels)); rows of `classify` sum to 1."""
        ...


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """From probabilities to an answer.

    out_of_scope: the label meaning none of the others; when the best other label's probability is below `threshold`
        the answer is this label.
    tag_thresholds: one per label, in label order; a label is given when its probability reaches it.
    """

    out_of_scope: str | None = None
    threshold: float = 0.0
    tag_thresholds: list[float] = []

    def decide(self, kind: Kind, labels: Sequence[str], probabilities: Floats) -> list[Output]:
        """One answer per row: a label for `classify`, a list of labels for `tag`."""
        if kind == "tag":
            given = probabilities >= np.asarray(self.tag_thresholds, np.float32)
            return [[labels[j] for j in np.flatnonzero(row).tolist()] for row in given]
        return [labels[i] for i in self.top(labels, probabilities).tolist()]

    def sure(self, kind: Kind, labels: Sequence[str], probabilities: Floats) -> tuple[NDArray[np.uint8], Floats]:
        """(labels given, confidence) of each row: uint8 (n, k) and float32 (n,).

        Confidence is the probability of the answered label; for `tag`, of the least certain of its yes-or-no answers.
        """
        if kind == "tag":
            yes = probabilities >= np.asarray(self.tag_thresholds, np.float32)
            return yes.astype(np.uint8), np.where(yes, probabilities, 1 - probabilities).min(axis=1)
        top = self.top(labels, probabilities)
        given = np.zeros(probabilities.shape, np.uint8)
        rows = np.arange(len(top))
        given[rows, top] = 1
        return given, probabilities[rows, top]

    def top(self, labels: Sequence[str], probabilities: Floats) -> NDArray[np.intp]:
        """Index of the answered label of each row of a `classify` task."""
        best = probabilities.argmax(axis=1)
        if self.out_of_scope is None or self.threshold <= 0:
            return best
        none = labels.index(self.out_of_scope)
        others = probabilities.copy()
        others[:, none] = -1
        return np.where(others.max(axis=1) < self.threshold, none, best)


def softmax(logits: Floats) -> Floats:
    """Row-wise, shape kept."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


def sigmoid(logits: Floats) -> Floats:
    return (1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32)
