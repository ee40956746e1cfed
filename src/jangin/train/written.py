"""The climb of `extract` and `generate`: their rows, their ladder, how a rung is judged."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

from jangin.data import schema
from jangin.evals.answering import answers, calibration
from jangin.evals.arithmetic import Answer, written_comparison
from jangin.evals.predicting import Given
from jangin.evals.register import Claim
from jangin.evals.written import grade, right_of
from jangin.meter import machine_price, per_thousand
from jangin.models.writer import Written
from jangin.models.written import answer_of, answers_to
from jangin.pack_written import pack, write_bundle
from jangin.task import Task
from jangin.train.copying import Plan
from jangin.train.judge import Judged, on_validation, scored
from jangin.train.spans import SpansRung
from jangin.train.spared import spared, unit_numbers, units_of
from jangin.train.workshop import Shop
from jangin.train.writers import Candidate, LoraWriter, ShotsWriter, answer_text
from jangin.types import Example

__all__ = ["WritingShop", "judge", "ladder", "pack"]

TAGGER, KOREAN_TAGGER = "minilm-l6", "multilingual-e5-small"
ENGLISH, KOREAN, SMALL, LARGE = "smollm2-135m", "gemma-3-270m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"

WritingRung = SpansRung | LoraWriter | ShotsWriter


class Apart(NamedTuple):
    """Rows to train on, rows whose loss ends the training, rows that test the promise."""

    train: list[Example]
    held_out: list[Example]
    proof: list[Example]


class WritingShop(Shop):
    """Examples as they are; what is fitted, and what is held out to end the training by."""

    def __init__(self, task: Task, seed: int, work: Path, quiet: bool):
        from jangin.data.load import schema_of

        super().__init__(task, seed, work, quiet)
        given = self.splits
        self.plan: Plan | None = None  # of the rungs that copy
        self.schema = schema_of(task, [*given.train, *given.validation, *given.calibration])

    def answer(self, example: Example) -> str:
        """What the model learns to write: a text, or compact JSON in the schema's order."""
        return answer_text(example.output if self.schema is None else schema.in_order(example.output, self.schema))

    def apart(self) -> Apart:
        """The calibration split, or a tenth of a small train: a half of either tests the promise."""
        if self.splits.calibration:
            return Apart(self.splits.train, self.splits.calibration, self.spared)
        train = self.splits.train
        tenth = unit_numbers(units_of(train)) % 10 == 0
        held_out = [example for example, apart in zip(train, tenth) if apart]
        proof = spared(units_of(held_out), self.task.policy, self.seed)
        return Apart(
            [example for example, apart in zip(train, tenth) if not apart],
            [example for example, apart in zip(held_out, proof) if not apart],
            [example for example, apart in zip(held_out, proof) if apart],
        )

    def division(self) -> tuple[list[Example], list[Example]]:
        """(rows to train on, rows whose loss ends the training)."""
        return self.apart()[:2]


def ladder(shop: WritingShop) -> list[WritingRung]:
    """Every rung for this task's languages, cheapest to serve first."""
    english = not shop.languages or set(shop.languages) == {"en"}
    rungs: list[WritingRung] = []
    if shop.task.kind == "extract":
        rungs += [SpansRung(), SpansRung(TAGGER if english else KOREAN_TAGGER)]
    rungs.append(LoraWriter(ENGLISH if english else KOREAN))
    for base in (SMALL, LARGE):
        rungs += [LoraWriter(base), ShotsWriter(base)]
    return rungs


def judge(shop: WritingShop, candidate: Candidate, claim: Claim, look: int) -> Judged:
    """Answers validation with the files that would serve, and scores that."""
    task, examples = shop.task, shop.splits.validation
    folder = write_bundle(shop, candidate, {}, candidate.folder)
    start = time.perf_counter()
    written = answers_to(folder, [example.input for example in examples], shop.quiet)
    row_s = (time.perf_counter() - start) / len(examples)
    given = Given([answer_of(each, task.kind) for each in written], None, written)
    rows = answers(task, examples, given, [])
    spec = written_comparison(on_validation(claim), look, grade(rows, task.kind, task.metric, False), rows)
    good = [each for each in written if isinstance(each, Written)]
    tokens = sum(each.completion_tokens for each in good)
    return Judged(
        calibration=calibration(task, rows, given, []),
        cost_per_1k_usd=per_thousand(machine_price().value or 0.0, 1 / row_s),
        details={
            **candidate.details,
            "completion_tokens_per_s": round(tokens / (row_s * len(examples)), 1),
            "cut": sum(each.finish == "length" for each in good),
            "prompt_too_long": len(written) - len(good),
        },
        rows={"answers": [_kept(task, each) for each in rows]},
        **scored(spec, shop.test_rows),
    )


def _kept(task: Task, answer: Answer) -> dict[str, Any]:
    """A row as the record keeps it, without its text."""
    return {"id": answer.id, "right": right_of(answer, task.kind, task.metric), "confidence": answer.confidence}
