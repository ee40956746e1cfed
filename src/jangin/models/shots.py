"""The examples that a prompt shows: those of a file whose inputs are nearest to what is asked.

Near means the cosine between TF-IDF counts of character n-grams: no weights, no language, no order of arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from jangin.errors import BundleError
from jangin.files import write_atomic

Shot = tuple[str, str]


class Shots:
    """(rendered input, answer) pairs, by nearness."""

    def __init__(self, shots: Sequence[Shot]):
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._shots = list(shots)
        self._vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32)
        self._known = self._vectors.fit_transform([asked for asked, _ in self._shots])

    def nearest(self, text: str, count: int) -> list[Shot]:
        """The `count` nearest, the nearest last: what stands closest to the question weighs most. Equal ones keep the
        file's order."""
        near = (self._known @ self._vectors.transform([text]).T).toarray()[:, 0]
        return [self._shots[row] for row in np.argsort(-near, kind="stable")[:count][::-1].tolist()]

    @staticmethod
    def read(path: Path) -> Shots:
        """Raises: BundleError."""
        try:
            lines = path.read_bytes().splitlines()
            return Shots([msgspec.json.decode(line, type=tuple[str, str]) for line in lines])
        except (OSError, msgspec.DecodeError, ValueError) as error:
            raise BundleError(f"{path}: not a list of examples", "copy the bundle again, or train again") from error


def write_shots(path: Path, shots: Sequence[Shot]) -> None:
    """One JSON pair a line."""
    write_atomic(path, b"".join(msgspec.json.encode(shot) + b"\n" for shot in shots))
