"""A rung whose base gives one logit a label by itself (fine-tuned): what it is calibrated on, alone or with n-grams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from jangin.bases import catalogue
from jangin.bundle import DecoderSpec, EncoderSpec
from jangin.models.base import Floats
from jangin.train.head import Linear, calibrate, held_out_rows, take
from jangin.train.parts import Part
from jangin.train.rungs import Attempt, Shipped, head_of
from jangin.train.spared import spared
from jangin.train.targets import Rows
from jangin.train.unseen import Proof, Unseen
from jangin.train.workshop import Workshop


class Division(NamedTuple):
    """Rows to train on, rows to calibrate on, rows that test the promise, and the indices of the latter two in train
    (None: splits of their own)."""

    train: Rows
    held_out: Rows
    proof: Rows
    index: Any
    proof_index: Any


def divide(shop: Workshop) -> Division:
    """Small data has no calibration split: a fine-tuned model cannot answer out of fold at a fair price, so a tenth of
    train is held out for it: of the rows that the n-grams' search held out too. Half of the tenth tests the promise."""
    if len(shop.calibration):
        return Division(shop.train, shop.calibration, shop.proof, None, None)
    rows = held_out_rows(shop.train, shop.seed)
    index = np.sort(np.random.default_rng(shop.seed).permutation(rows)[: max(1, len(shop.train) // 10)])
    rest = np.setdiff1d(np.arange(len(shop.train)), index)
    groups = np.arange(len(shop.train)) if shop.train.groups is None else shop.train.groups
    alone = ~np.isin(groups[index], groups[rest])  # a unit that is also trained on tests nothing
    proof = np.zeros(len(index), bool)
    proof[alone] = spared(groups[index][alone].tolist(), shop.task.policy, shop.seed)
    train, held_out, apart = (take(shop.train, rows) for rows in (rest, index[~proof], index[proof]))
    return Division(train, held_out, apart, index[~proof], index[proof])


def on_logits(
    shop: Workshop,
    division: Division,
    spec: EncoderSpec | DecoderSpec,
    read: Callable[[Sequence[str]], Floats],
    files: dict[str, Path],
    with_ngrams: bool,
    trainer: Floats | None = None,
) -> Attempt:
    """Calibrates what `read` says, beside the n-grams' logits or alone.

    Args: trainer: what the trainer's own copy says of validation's first rows, where `read` is another engine.
    """
    labels = len(shop.labels)
    identity = Linear(np.eye(labels, dtype=np.float32), np.zeros(labels, np.float32))
    validation = read(shop.validation.texts)
    where = "held out" if division.index is None else "held out of train"
    found = [Part("encoder", identity, read(division.held_out.texts), validation, where)]
    ngrams = np.zeros((0, labels), np.float32)
    if with_ngrams:
        part = shop.ngrams()
        ngrams = part.calibration
        if division.index is not None:
            answered = np.searchsorted(held_out_rows(shop.train, shop.seed), division.index)
            part = msgspec.structs.replace(part, calibration=part.calibration[answered])
        found.insert(0, part)
    mix = calibrate([part.calibration for part in found], division.held_out)
    head = head_of(found, [part.linear for part in found], mix)

    def unseen() -> Proof:
        if division.index is None or not with_ngrams:
            return Proof([Unseen(division.proof)])
        # What is packed has n-grams of all of train: these rows get the answers of the search, which held them out.
        answered = np.searchsorted(held_out_rows(shop.train, shop.seed), division.proof_index)
        tested = Unseen(division.proof, mix([ngrams[answered], read(division.proof.texts)]))
        return Proof([tested], Unseen(division.held_out, mix([part.calibration for part in found])))

    own = [part.validation for part in found]
    if trainer is not None:
        own = [*(logits[: len(trainer)] for logits in own[:-1]), trainer]
    return Attempt(
        base=spec.base,
        params=catalogue.get(spec.base).params + sum(part.linear.weight.size for part in found),
        head=head,
        shipped=lambda: Shipped(head, mix(own)),
        mix=mix,
        parts=found,
        calibration_rows=division.held_out,
        unseen=unseen,
        encoded=validation,
        spec=spec,
        read=read,
        files=files,
        fitted_on="train",
    )
