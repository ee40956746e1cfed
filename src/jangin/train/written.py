"""The climb of `extract` and `generate`: their rows, their ladder, how a rung is judged."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from jangin.evals.arithmetic import Answer, columns, comparison
from jangin.evals.register import Claim
from jangin.evals.written import answers_of, calibration_of_fields
from jangin.meter import machine_price, per_thousand
from jangin.models.specialist import Readers
from jangin.models.writer import Writer, Written
from jangin.pack_written import pack, write_bundle
from jangin.task import Task
from jangin.train.judge import Judged, on_validation, scored
from jangin.train.workshop import Shop
from jangin.train.writers import Candidate, LoraWriter, ShotsWriter
from jangin.types import Example

__all__ = ["WritingShop", "judge", "ladder", "pack"]

ENGLISH, SMALL, LARGE = "smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"


class WritingShop(Shop):
    """Examples as they are; what is fitted, and what is held out to end the training by."""

    def __init__(self, task: Task, seed: int, work: Path, quiet: bool):
        from jangin.data.schema import schema_of

        super().__init__(task, seed, work, quiet)
        self.schema = schema_of(task, self.splits.train) if task.kind == "extract" else None

    def division(self) -> tuple[list[Example], list[Example]]:
        """(rows to train on, rows whose loss ends the training): the calibration split, or a tenth of a small train."""
        if self.splits.calibration:
            return self.splits.train, self.splits.calibration
        held_out = [example for at, example in enumerate(self.splits.train) if at % 10 == 0]
        return [example for at, example in enumerate(self.splits.train) if at % 10], held_out


def ladder(shop: WritingShop) -> list[LoraWriter | ShotsWriter]:
    """Every rung for this task's languages, cheapest to serve first."""
    english = not shop.languages or set(shop.languages) == {"en"}
    rungs: list[LoraWriter | ShotsWriter] = [LoraWriter(ENGLISH)] if english else []
    for base in (SMALL, LARGE):
        rungs += [LoraWriter(base), ShotsWriter(base)]
    return rungs


def judge(shop: WritingShop, candidate: Candidate, claim: Claim, look: int) -> Judged:
    """Answers validation with the files that would serve, and scores that."""
    examples = shop.splits.validation
    folder = write_bundle(shop, candidate, {}, candidate.folder)
    start = time.perf_counter()
    written = answers_to(folder, examples, shop.quiet)
    row_s = (time.perf_counter() - start) / len(examples)
    answers = answers_of(shop.task, examples, written)
    table = columns(answers, [], shop.task.kind, False)
    spec = comparison(on_validation(claim), look, [], table, answers)
    tokens = sum(each.completion_tokens for each in written)
    return Judged(
        calibration=calibration_of_fields(shop.task, answers, written),
        cost_per_1k_usd=per_thousand(machine_price().value or 0.0, 1 / row_s),
        details={
            **candidate.details,
            "completion_tokens_per_s": round(tokens / (row_s * len(examples)), 1),
            "cut": sum(each.finish == "length" for each in written),
        },
        rows={"answers": [_kept(each) for each in answers]},
        **scored(spec, shop.test_rows),
    )


def answers_to(folder: Path, examples: Sequence[Example], quiet: bool) -> list[Written]:
    """What a bundle writes for the examples' inputs; kept beside it, so that a killed climb does not ask again."""
    from tqdm import tqdm

    writer = Writer(folder, Readers())
    kept = folder / f".written-{writer.sha256[:16]}.json"
    if kept.is_file():
        writer.close()
        return msgspec.json.decode(kept.read_bytes(), type=list[Written])
    found: list[Written] = []
    try:
        with tqdm(total=len(examples), desc=f"{folder.name} writes", unit=" rows", disable=quiet, leave=False) as bar:
            for at in range(0, len(examples), 16):
                part = [example.input for example in examples[at : at + 16]]
                found += writer.write(part, confidence=True)
                bar.update(len(part))
    finally:
        writer.close()
    from jangin.files import write_atomic

    write_atomic(kept, msgspec.json.encode(found))
    return found


def _kept(answer: Answer) -> dict[str, Any]:
    """An answer as the record shows it: which row, and whether it was right where that can be said."""
    return {"id": answer.id, "right": answer.right, "confidence": answer.confidence}
