"""A decoder with LoRA as a classifier: one token a label, no decoding (extras `train` and `decoder`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin.bundle import ADAPTER, DecoderSpec
from jangin.files import hash_file, hash_json, write_atomic
from jangin.models.base import Floats
from jangin.models.labelling import LabelReader, against_last
from jangin.prompt import PromptTemplate, Tokenize
from jangin.train import lora, recipes
from jangin.train.extras import missing_extra
from jangin.train.features import load_array, save_array
from jangin.train.logits import divide, on_logits
from jangin.train.rungs import MAX_TOKENS, PARITY_ROWS, Attempt, will_fit
from jangin.train.targets import Rows
from jangin.train.workshop import Workshop

TEMPLATE = PromptTemplate(before="Text: ", after="\nLabel:")
OFFSET = "no"  # of `tag`: what each label is compared with
FIRST_FREE_TOKEN = 256  # below are single bytes and marks


class LoraRung:
    """A decoder with LoRA, alone or beside the n-grams."""

    def __init__(self, base: str, with_ngrams: bool):
        self.base = base
        self.with_ngrams = with_ngrams
        self.name = f"ngrams+{base}-lora" if with_ngrams else f"{base}-lora"

    def why_not(self, shop: Workshop) -> str | None:
        absent = missing_extra()
        if absent is not None:
            return absent.message
        found = will_fit(shop, self.base, "lora")
        return None if found.fits else found.why

    def minutes(self, shop: Workshop) -> float:
        if self.with_ngrams and (shop.work / f"lora-{self.base}" / "trained.json").is_file():
            return 0.1
        division, training = divide(shop), will_fit(shop, self.base, "lora").minutes
        rows, held_out = len(division.train), len(division.held_out)
        search = _search(shop, self.base, rows, held_out)
        return training * (1 + recipes.cost(search.steps, rows, lora.Recipe().epochs, held_out))

    def attempt(self, shop: Workshop) -> Attempt:
        from jangin.models.shared import SharedDecoder
        from jangin.models.specialist import CONTEXT
        from jangin.train.gguf_base import weights_of

        division = divide(shop)
        weights = weights_of(self.base, shop.quiet)
        told, adapter = _trained(shop, self.base, weights, division.train, division.held_out)
        tokens = told.tokens
        trainer = load_array(adapter.with_name("trainer.npy"))
        tokens, offset = (tokens[:-1], tokens[-1]) if shop.task.kind == "tag" else (tokens, None)
        spec = DecoderSpec(self.base, weights.name, TEMPLATE, tokens, ADAPTER, offset_token=offset)
        held = SharedDecoder(weights, context=CONTEXT).hold(adapter)
        read = _Kept(LabelReader(held, TEMPLATE, tokens, offset), adapter)
        made = on_logits(shop, division, spec, read, {ADAPTER: adapter}, self.with_ngrams, trainer)
        return msgspec.structs.replace(made, details=told.details)


class _Kept:
    """Reads long lists once: what an earlier rung or run has read lies in the work folder."""

    def __init__(self, reader: LabelReader, adapter: Path):
        self._reader, self._folder = reader, adapter.parent
        self._adapter = hash_file(adapter)

    def __call__(self, texts: Sequence[str]) -> Any:
        path = self._folder / f"read-{hash_json([self._adapter, list(texts)])[:24]}.npy"
        found = load_array(path)
        if found is None:
            found = self._reader.logits(texts)
            save_array(path, found)
        return found


def label_tokens(tokenize: Tokenize, labels: Sequence[str]) -> list[int]:
    """One token a label, no two alike: the first token of one of its words where it is free, else the next free one."""
    taken: dict[int, None] = {}
    spare = iter(range(FIRST_FREE_TOKEN, FIRST_FREE_TOKEN + 2 * len(labels) + 1))
    for label in labels:
        first = (tokenize(f" {word}") for word in re.findall(r"[^\W_]+", label))
        wanted = next((ids[0] for ids in first if ids and ids[0] not in taken), None)
        taken[next(token for token in spare if token not in taken) if wanted is None else wanted] = None
    return list(taken)


class _Told(msgspec.Struct, frozen=True):
    """What a finished training leaves beside its adapter: the labels' tokens (of `tag` with the offset's last), and how
    it went, for the record."""

    tokens: list[int]
    details: dict[str, Any]


def _planned(shop: Workshop, base: str) -> dict[str, Any]:
    """The recipe that a replayed plan names; empty without one."""
    found = (shop.recipes.get(name, {}) for name in (f"{base}-lora", f"ngrams+{base}-lora"))
    return next((recipe for recipe in found if recipe), {})


def _search(shop: Workshop, base: str, rows: int, held_out: int) -> recipes.Search:
    """For learning rate and rank, where the budget has room for it beside the training."""
    if _planned(shop, base):
        return recipes.PLANNED
    minutes = will_fit(shop, base, "lora").minutes
    folder = shop.work / f"lora-{base}"
    return recipes.plan(folder, rows, lora.Recipe().epochs, held_out, minutes, shop.left_s / 60)


def _trained(shop: Workshop, base: str, weights: Path, rows: Rows, held_out: Rows) -> tuple[_Told, Path]:
    """(what is told of it, adapter file); trains unless an earlier run of this climb finished."""
    from jangin.models.decoder import Decoder

    folder = shop.work / f"lora-{base}"
    adapter, told = folder / "adapter.gguf", folder / "trained.json"
    if not told.is_file():
        with Decoder(weights) as engine:
            tokens = label_tokens(engine.tokenize, shop.labels + ([OFFSET] if shop.task.kind == "tag" else []))
            data, kept = (_sequences(part, engine.tokenize) for part in (rows, held_out))
            asked = _prompts(shop.validation.texts[:PARITY_ROWS], engine.tokenize)
        search = _search(shop, base, len(rows), len(held_out))
        trained = lora.train(
            weights,
            data,
            kept,
            msgspec.convert(_planned(shop, base), lora.Recipe),
            folder,
            seed=shop.seed,
            search=search,
            vocabulary=tokens,
            quiet=shop.quiet,
            ask=asked,
        )
        assert trained.asked is not None
        as_read = against_last if shop.task.kind == "tag" else _log_softmax
        save_array(folder / "trainer.npy", as_read(trained.asked))
        write_atomic(told, msgspec.json.encode(_Told(tokens, lora.told(trained, search))))
    return msgspec.json.decode(told.read_bytes(), type=_Told), adapter


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float32)


def _prompts(texts: Sequence[str], tokenize: Tokenize) -> list[list[int]]:
    return [TEMPLATE.tokens(text, tokenize, room=MAX_TOKENS) for text in texts]


def _sequences(rows: Rows, tokenize: Tokenize) -> lora.Sequences:
    """The answers are places among the label tokens; of `tag`, marks for all of them. Rows whose label is outside the
    set, or that know none, are left out."""
    keep = np.flatnonzero(rows.gold >= 0 if rows.known is None else rows.known.any(axis=1)).tolist()
    prompts = _prompts([rows.texts[row] for row in keep], tokenize)
    if rows.known is None:
        return lora.Sequences(prompts, [[int(rows.gold[row])] for row in keep])
    marks = np.where(rows.known, rows.gold, lora.UNKNOWN)
    return lora.Sequences(prompts, [[0]] * len(keep), marks[keep].tolist())
