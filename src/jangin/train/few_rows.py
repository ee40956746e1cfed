"""The fine-tuned rung where rows are few (`top_layers.py`): judged on part of train, packed from all rows."""

from __future__ import annotations

import msgspec
import numpy as np

from jangin.bases import catalogue
from jangin.models.base import Floats
from jangin.train.features import sparse
from jangin.train.head import Choice, Linear, calibrate, fit, held_out_rows
from jangin.train.logits import divide
from jangin.train.parts import Part
from jangin.train.rungs import Attempt, Shipped, head_of
from jangin.train.top_layers import C, tuned
from jangin.train.unseen import Proof, Unseen
from jangin.train.workshop import Workshop


def attempt(shop: Workshop, base: str, with_ngrams: bool) -> Attempt:
    """Tuned on what `divide` leaves of train; its held-out rows calibrate and test the promise."""
    division, labels = divide(shop), len(shop.labels)
    made = tuned(shop, base, division.train, shop.work / f"tuned-{base}")
    read = made.encoder.embed
    encoded = read(shop.validation.texts)

    def told(texts: list[str]) -> Floats:
        return made.linear(read(texts))

    where = "held out" if division.index is None else "held out of train"
    choice = Choice(C, named=True)
    found = [Part("encoder", made.linear, told(division.held_out.texts), made.linear(encoded), where, choice)]
    ngrams = np.zeros((0, labels), np.float32)
    answered = held_out_rows(shop.train, shop.seed)
    if with_ngrams:
        part = shop.ngrams()
        ngrams = part.calibration
        if division.index is not None:
            part = msgspec.structs.replace(part, calibration=ngrams[np.searchsorted(answered, division.index)])
        found.insert(0, part)
    mix = calibrate([part.calibration for part in found], division.held_out)

    def shipped() -> Shipped:
        rows = shop.everything()
        again = tuned(shop, base, rows, shop.work / f"tuned-{base}-all")
        models: list[Linear] = [again.linear]
        answers = [again.linear(again.encoder.embed(shop.validation.texts))]
        if with_ngrams:
            part = found[0]
            assert part.choice is not None
            names = shop.names_for(part, None)
            texts = sparse(rows.texts, part.blocks)
            models.insert(0, fit("ngrams", texts, rows, labels, part.choice, shop.seed, names))
            answers.insert(0, models[0](texts[len(shop.train) :]))
        return Shipped(head_of(found, models, mix), mix(answers), again.spec, again.files, again.encoder.embed)

    def unseen() -> Proof:
        if division.index is None:  # a calibration split, which what is packed did not see either
            return Proof([Unseen(division.proof)])
        # What is packed has seen these rows; what was judged has not, and answers for it, as out of fold.
        own = [told(division.proof.texts)]
        if with_ngrams:
            own.insert(0, ngrams[np.searchsorted(answered, division.proof_index)])
        calibrated = mix([part.calibration for part in found])
        return Proof([Unseen(division.proof, mix(own))], Unseen(division.held_out, calibrated))

    return Attempt(
        base=base,
        params=catalogue.get(base).params + sum(part.linear.weight.size for part in found),
        head=head_of(found, [part.linear for part in found], mix),
        shipped=shipped,
        mix=mix,
        parts=found,
        calibration_rows=division.held_out,
        unseen=unseen,
        encoded=encoded,
        spec=made.spec,
        read=read,
        files=made.files,
    )
