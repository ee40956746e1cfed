"""sentence-transformers' `encode`, then scikit-learn's `LogisticRegression.predict_proba`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from bodies import BACKENDS, encoder, head
from waiting import Answer, Classify

from serving import main


def load(args: argparse.Namespace) -> Classify:
    body, top = encoder(args), head(args.model)
    size = args.batch or 32  # of encode; 32 is its default

    def classify(texts: Sequence[str]) -> list[Answer]:
        embedded = body.encode(list(texts), batch_size=size, show_progress_bar=False)
        probabilities = top.predict_proba(embedded)
        best = probabilities.argmax(axis=1)
        return [(str(top.classes_[at]), float(row[at])) for row, at in zip(probabilities, best)]

    return classify


if __name__ == "__main__":
    main(load, BACKENDS)
