"""The rungs of the ladder for `classify` and `tag`, cheapest to serve first.

A rung turns a workshop into an `Attempt`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
import numpy as np

from jangin.bases import catalogue
from jangin.bases.fit import Fit
from jangin.bases.fit import fit as fit_base
from jangin.bases.machine import available_cores
from jangin.bundle import DecoderSpec, EncoderSpec
from jangin.models.base import Floats
from jangin.models.linear import LinearHead, quantise
from jangin.train.features import sparse
from jangin.train.head import Linear, Mix, calibrate, fit
from jangin.train.parts import Part
from jangin.train.targets import Rows
from jangin.train.unseen import Proof, Unseen, out_of_fold
from jangin.train.workshop import Workshop

ENGLISH, MULTILINGUAL = "minilm-l6-q8", "use-multilingual-3"
IN_FLOAT = "minilm-l6"  # what is fine-tuned; frozen it is twice as dear and no better (decision 0019)
DECODER, MULTILINGUAL_DECODER = "smollm2-135m", "qwen2.5-coder-0.5b"


class Attempt(msgspec.Struct, frozen=True, eq=False):
    """A fitted rung.

    head: fitted on train, quantised as it would be served; it judges the rung. shipped: makes what is packed, fitted
    once more on train and validation (`fitted_on` says so) with the settings that were chosen. calibration_rows: what
    `parts` answered for the mix. spec: what the bundle says of the base it stands on, None for n-grams. files: what the
    bundle carries of it, by name. read: texts to what the head reads, `encoded` being that of validation. details: how
    the base was tuned, for the record. unseen: makes the rows that test the promise.
    """

    base: str | None
    params: int
    head: LinearHead
    shipped: Callable[[], Shipped]
    mix: Mix
    parts: list[Part]
    calibration_rows: Rows
    unseen: Callable[[], Proof]
    encoded: Floats | None = None
    spec: EncoderSpec | DecoderSpec | None = None
    read: Callable[[Sequence[str]], Floats] | None = None
    files: dict[str, Path] = {}
    fitted_on: str = "train and validation"
    details: dict[str, Any] = {}


MAX_TOKENS = 256  # of what a decoder reads for a label; the rest of a longer text is cut
# Validation rows on which trainer, bundle and HTTP answers are compared.
PARITY_ROWS = 300


class Shipped(NamedTuple):
    """The head that is packed, and the logits that the trainer's own float copy gives for validation's first
    PARITY_ROWS rows at least, (rows, labels). spec, files, read: of a base that was tuned once more, in place of
    the attempt's."""

    head: LinearHead
    trainer: Floats
    spec: EncoderSpec | None = None
    files: dict[str, Path] | None = None
    read: Callable[[Sequence[str]], Floats] | None = None


class Rung(Protocol):
    """`minutes` estimates the training time before anything is downloaded; `why_not` is None when the rung can run."""

    @property
    def name(self) -> str: ...
    @property
    def base(self) -> str | None: ...
    def why_not(self, shop: Workshop) -> str | None: ...
    def minutes(self, shop: Workshop) -> float: ...
    def attempt(self, shop: Workshop) -> Attempt: ...


class NgramRung:
    """No weights but its own: the honest baseline, and the control for exposure."""

    name, base = "ngrams", None

    def why_not(self, shop: Workshop) -> str | None:
        return None

    def minutes(self, shop: Workshop) -> float:
        # 10,000 short texts of 77 labels take about 15 s on two cores, search included.
        return len(shop.train) * len(shop.labels) / 770_000 * 0.25

    def attempt(self, shop: Workshop) -> Attempt:
        part = shop.ngrams()
        return _assemble(shop, None, [part], None)


class FrozenRung:
    """A linear head on a frozen encoder, alone or beside the n-grams."""

    def __init__(self, base: str, with_ngrams: bool, named_only: bool = False):
        """named_only: a climb tries it only where it is asked for by its name."""
        self.base = base
        self.with_ngrams = with_ngrams
        self.named_only = named_only
        self.name = f"ngrams+{base}" if with_ngrams else base

    def why_not(self, shop: Workshop) -> str | None:
        found = will_fit(shop, self.base, "head")
        return None if found.fits else found.why

    def minutes(self, shop: Workshop) -> float:
        # Beside the n-grams nothing new is read: both parts are there, only their weights are fitted.
        return 0.05 if self.with_ngrams else will_fit(shop, self.base, "head").minutes

    def attempt(self, shop: Workshop) -> Attempt:
        found = [shop.ngrams()] if self.with_ngrams else []
        found.append(shop.frozen(self.base))
        return _assemble(shop, self.base, found, shop.encoded(self.base, "validation"))


def _assemble(shop: Workshop, base: str | None, found: list[Part], encoded: Floats | None) -> Attempt:
    mix = calibrate([part.calibration for part in found], shop.calibration_target)
    head = head_of(found, [part.linear for part in found], mix)

    def shipped() -> Shipped:
        rows = shop.everything()

        def again(part: Part) -> tuple[Linear, Floats]:
            if part.solver == "ngrams":
                read: Any = sparse(rows.texts, part.blocks)
            else:
                assert base is not None
                read = np.concatenate([shop.encoded(base, split) for split in ("train", "validation")])
            assert part.choice is not None
            names = shop.names_for(part, base)
            model = fit(part.solver, read, rows, len(shop.labels), part.choice, shop.seed, names)
            return model, model(read[len(shop.train) :])

        with ThreadPoolExecutor(available_cores()) as pool:
            models, answers = zip(*pool.map(again, found))
        return Shipped(head_of(found, models, mix), mix(answers))

    def unseen() -> Proof:
        return Proof([Unseen(shop.proof)]) if len(shop.calibration) else out_of_fold(shop, base, found, mix)

    own = sum(part.linear.weight.size + part.linear.bias.size for part in found)
    rows = shop.calibration_target
    if base is None:
        return Attempt(None, own, head, shipped, mix, found, rows, unseen)
    encoder = shop.encoder(base)
    spec = EncoderSpec(base, encoder.files.sha256)
    params = own + catalogue.get(base).params
    return Attempt(base, params, head, shipped, mix, found, rows, unseen, encoded, spec, encoder.embed)


def head_of(found: Sequence[Part], models: Sequence[Linear], mix: Mix) -> LinearHead:
    """The sources and their calibrated mix as one linear head."""
    labels = len(mix.shift)
    blocks, weight = [], np.zeros((0, labels), np.float32)
    encoder, bias = np.zeros((0, labels), np.float32), mix.shift.copy()
    for part, model, scale in zip(found, models, mix.scale):
        bias += model.bias * scale
        if part.solver == "ngrams":
            blocks, weight = part.blocks, model.weight * scale
        else:
            encoder = model.weight * scale
    quantised, scales = quantise(weight)
    return LinearHead(blocks, quantised, scales, encoder.astype(np.float16), bias.astype(np.float32))


def will_fit(shop: Workshop, base: str, method: Literal["head", "finetune", "lora"]) -> Fit:
    """Memory and minutes of one base on this machine, before anything is downloaded."""
    texts = shop.train.texts[:500]
    tokens = sum(map(len, texts)) / max(1, len(texts)) / 4
    longest = max((len(text) for text in shop.train.texts), default=0) / 4
    rows = len(shop.train) + len(shop.validation)
    return fit_base(catalogue.get(base), rows, tokens, method=method, longest=min(longest, MAX_TOKENS))


def ladder(shop: Workshop) -> list[Rung]:
    """Every rung for this task's kind and languages, in the order of the climb."""
    from jangin.train.decoder import LoraRung
    from jangin.train.encoder import TunedRung

    english = not shop.languages or set(shop.languages) == {"en"}
    base, tuned = (ENGLISH, IN_FLOAT) if english else (MULTILINGUAL, "multilingual-e5-small")
    decoder = DECODER if english else MULTILINGUAL_DECODER
    in_float = [FrozenRung(IN_FLOAT, each, named_only=True) for each in (False, True)] if english else []
    return [
        NgramRung(),
        FrozenRung(base, False),
        FrozenRung(base, True),
        *in_float,
        TunedRung(tuned, False),
        TunedRung(tuned, True),
        LoraRung(decoder, False),
        LoraRung(decoder, True),
    ]
