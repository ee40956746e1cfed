"""SetFit's `predict`: SetFitModel over a sentence-transformers body and its scikit-learn head.

torch is the default. The other backends put a body of theirs into the same model, which is what SetFit's page on
Optimum does by a class of its own. `predict` gives no probability, so none is told: less than the others give.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from bodies import BACKENDS, encoder, head
from setfit import SetFitModel
from waiting import Answer, Classify

from serving import main


def load(args: argparse.Namespace) -> Classify:
    model = SetFitModel(model_body=encoder(args), model_head=head(args.model))
    options = {"batch_size": args.batch} if args.batch else {}

    def classify(texts: Sequence[str]) -> list[Answer]:
        found = model.predict(list(texts), show_progress_bar=False, **options)
        return [(str(label), 0.0) for label in found]

    return classify


if __name__ == "__main__":
    main(load, BACKENDS)
