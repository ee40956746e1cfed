"""What all rungs of one climb share: the rows, the features and parts made so far, the folder that a resume reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin.errors import DataError
from jangin.models.base import Floats
from jangin.models.encoder import Encoder, EncoderFiles, base_files
from jangin.models.ngrams import Block
from jangin.prompt import render
from jangin.task import Task
from jangin.train import features, hinge, parts
from jangin.train.head import Names, held_out_rows, take
from jangin.train.names import names_of
from jangin.train.spared import halve
from jangin.train.targets import Rows, join, rows_of


class Shop:
    """The splits of one task and seed, and the folder that a resume reads. left_s: of the budget, as each rung begins.
    recipes: what a replayed plan says, by rung. spared: the half of the calibration split that tests the promise;
    `splits.calibration` is the other."""

    left_s: float = math.inf
    recipes: dict[str, Any] = {}

    def __init__(self, task: Task, seed: int, work: Path, quiet: bool):
        from jangin.data.load import hash_rows, load_splits, split_hashes

        splits = load_splits(task)
        for rows in (splits.train, splits.validation, splits.calibration):
            rows.sort(key=lambda example: example.id)  # the solvers read rows in order; the file's must not matter
        self.hashes = {name: hash_rows(getattr(splits, name)) for name in ("train", "validation", "calibration")}
        self.hashes |= {name: digest for name, digest in split_hashes(task).items() if name != "files"}
        self.task, self.seed, self.work, self.quiet = task, seed, work, quiet
        self.rows = {name: len(getattr(splits, name)) for name in ("train", "validation", "calibration")}
        deciding, self.spared = halve(splits.calibration, task.policy, seed)
        self.splits = splits = msgspec.structs.replace(splits, calibration=deciding)
        self.validation_inputs = [example.input for example in splits.validation]
        self.test_rows = len({example.unit or example.id for example in splits.test}) or len(splits.validation)
        if not splits.validation:
            raise DataError(
                f"{len(splits.train)} rows of train are too few to judge a model on",
                "give at least 20 examples, or a validation file",
            )
        texts = [render(example.input) for example in splits.train]
        self.languages = task.languages or (("ko",) if features.is_hangul(texts) else ())
        self.texts = texts

    def embedded(self, base: str, texts: list[str]) -> Floats:
        """A frozen base's embeddings, (texts, dimensions)."""
        return Encoder(base_files(base), bulk=True).embed(texts)


class Workshop(Shop):
    """Of `classify` and `tag`: rows, features and parts, computed when first asked for."""

    def __init__(self, task: Task, seed: int, work: Path, quiet: bool):
        from jangin.data.load import label_set

        super().__init__(task, seed, work, quiet)
        splits = self.splits
        self.labels = label_set(task, [*splits.train, *splits.validation])
        self.train, self.validation, self.calibration = (
            rows_of(split, self.labels, task.kind) for split in (splits.train, splits.validation, splits.calibration)
        )
        self.proof = rows_of(self.spared, self.labels, task.kind)
        self.named = names_of(self.train, self.labels, task.out_of_scope)
        hinge.warm(self.train.texts, len(self.labels))
        self._encoders: dict[str, Encoder] = {}
        self._blocks: list[Block] | None = None
        self._matrices: tuple[Any, Any, Any] | None = None
        self._encoded: dict[tuple[str, str], Floats] = {}

    @property
    def calibration_target(self) -> Rows:
        """The rows whose unseen logits calibrate: the calibration split, or those of train that a search held out."""
        if len(self.calibration):
            return self.calibration
        return take(self.train, held_out_rows(self.train, self.seed))

    def bar(self, message: str, total: int) -> Any:
        from tqdm import tqdm

        return tqdm(total=total, desc=message, unit=" texts", disable=self.quiet, leave=False, mininterval=0.5)

    def encoder(self, base: str) -> Encoder:
        if base not in self._encoders:
            self._encoders[base] = Encoder(self.encoder_files(base), bulk=True)
        return self._encoders[base]

    def encoder_files(self, base: str) -> EncoderFiles:
        return base_files(base, fetch=True, quiet=self.quiet)

    def encoded(self, base: str, split: str) -> Floats:
        """The frozen base's embeddings of 'train', 'calibration' or 'validation'."""
        if (base, split) not in self._encoded:
            texts = getattr(self, split).texts
            with self.bar(f"{base} reads {split}", len(texts)) as progress:
                self._encoded[base, split] = features.encode(self.encoder(base), texts, self.work, progress)
        return self._encoded[base, split]

    def embedded(self, base: str, texts: list[str]) -> Floats:
        """As `Shop` says; what the climb has read is not read again."""
        known: dict[str, Floats] = {}
        for split in ("train", "validation"):
            if (base, split) in self._encoded:
                known |= zip(getattr(self, split).texts, self._encoded[base, split])
        new = [text for text in texts if text not in known]
        read = self.encoder(base).embed(new)
        known |= zip(new, read)
        return np.array([known[text] for text in texts], np.float32).reshape(len(texts), read.shape[1])

    def ngrams(self) -> parts.Part:
        def compute() -> parts.Part:
            self._blocks = features.fit_blocks(self.train.texts, len(self.labels))
            return self._make("ngrams", self.matrices(self._blocks), self._blocks, self.names(None, self._blocks))

        part = parts.kept(self.work / "ngrams.safetensors", compute)
        self._blocks = part.blocks
        return part

    def frozen(self, base: str) -> parts.Part:
        def compute() -> parts.Part:
            split = tuple(self.encoded(base, name) for name in ("train", "calibration", "validation"))
            return self._make("encoder", split, [], self.names(base))  # type: ignore[arg-type]

        return parts.kept(self.work / f"frozen-{base.replace('/', '-')}.safetensors", compute)

    def matrices(self, blocks: list[Block]) -> tuple[Any, Any, Any]:
        """n-gram features of train, calibration and validation."""
        if self._matrices is None:
            split = (self.train, self.calibration, self.validation)
            self._matrices = tuple(features.sparse(rows.texts, blocks) for rows in split)
        assert self._matrices is not None
        return self._matrices

    def names(self, base: str | None, blocks: Sequence[Block] = ()) -> Names | None:
        """The labels' names with a frozen base's embeddings of them, or without a base their n-grams."""
        if self.named is None:
            return None
        if base is None:
            return Names(features.sparse(self.named.texts, blocks), self.named)
        if (base, "named") not in self._encoded:
            self._encoded[base, "named"] = self.encoder(base).embed(self.named.texts)
        return Names(self._encoded[base, "named"], self.named)

    def names_for(self, part: parts.Part, base: str | None) -> Names | None:
        """What a part that was fitted with names is fitted with once more."""
        if part.choice is None or not part.choice.named:
            return None
        return self.names(None, part.blocks) if part.solver == "ngrams" else self.names(base)

    def everything(self) -> Rows:
        """Train and validation: what the chosen rung is fitted on once more; calibration stays unseen."""
        return join(self.train, self.validation)

    def _make(self, solver: Any, split: tuple[Any, Any, Any], blocks: list[Block], names: Names | None) -> parts.Part:
        return parts.make(solver, split, self.train, len(self.labels), self.task.metric, self.seed, blocks, names)
