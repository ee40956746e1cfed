"""What a label is called, as one more example of it: with few rows a label, its name says something that they do not.

Whether the names help is decided by cross-validation inside train, for each feature set; a label that is called 'B2'
teaches nothing and is left out by it. Figures: docs/decisions/0016-few-shot.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from jangin.train.targets import Rows

# With more rows a label than this a name is one voice among many: on Banking77 it moved nothing, and is not tried.
ROWS_A_LABEL = 80


def names_of(rows: Rows, labels: Sequence[str], out_of_scope: str | None = None) -> Rows | None:
    """The labels' names as rows of train; None for `tag`, or where there are rows enough.

    The out-of-scope label is left out: its name is not what such a message says.
    """
    if rows.known is not None or len(rows) > ROWS_A_LABEL * len(labels):
        return None
    said = [number for number, label in enumerate(labels) if label != out_of_scope and spoken(label)]
    if not said:
        return None
    return Rows([spoken(labels[number]) for number in said], np.array(said, np.int64), None, None)


def spoken(label: str) -> str:
    """'card_arrival', 'cardArrival' and 'CARD-ARRIVAL' as 'card arrival'."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", label)
    return " ".join(re.sub(r"[\W_]+", " ", parted).split()).lower()
