"""The rungs of `extract` and `generate`: a decoder with LoRA, or as it is with examples in its prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from jangin.bases import catalogue
from jangin.bases.fit import EPOCHS, Fit
from jangin.bases.fit import fit as fit_base
from jangin.bundle import ADAPTER, SHOTS, DecoderSpec, EncoderSpec, SpansSpec, WritingSpec
from jangin.errors import DataError
from jangin.files import write_atomic
from jangin.models.shots import write_shots
from jangin.prompt import PromptTemplate, chatml, render
from jangin.tools import Convention
from jangin.train import lora, recipes
from jangin.train.extras import missing_extra
from jangin.train.gguf_base import end_token, weights_of
from jangin.types import Example

if TYPE_CHECKING:
    from jangin.models.decoder import Decoder
    from jangin.train.written import WritingShop

TEMPLATE = PromptTemplate()
LONGEST = 2048  # tokens of prompt and answer together
ROOM = 1.5  # an answer may be this much longer than the longest of train
UNIT = 256
SHOTS_SHOWN = 5
PROBES = 16  # validation rows on which trainer and engine are compared
CHARS_PER_TOKEN = 3.5


class Candidate(msgspec.Struct, frozen=True):
    """A fitted rung. `folder` holds its files, which `files` names; details: how it was made, for the record.

    spec: of the decoder that writes, or of how values are copied, perhaps with an `encoder`.
    agreement: the share of the engine's own greedy tokens that the trainer would have chosen too; None untrained.
    """

    rung: str
    base: str | None
    params: int
    folder: Path
    spec: DecoderSpec | SpansSpec
    fitted_on: str
    details: dict[str, Any]
    agreement: float | None = None
    encoder: EncoderSpec | None = None
    files: list[str] = []


def answer_text(output: Any) -> str:
    """What the model learns to write: a text, or compact JSON."""
    return output if isinstance(output, str) else msgspec.json.encode(output).decode()


class LoraWriter:
    """A decoder trained on the task's own answers."""

    def __init__(self, base: str):
        self.base = base
        self.name = f"{base}-lora"

    def why_not(self, shop: WritingShop) -> str | None:
        absent = missing_extra()
        if absent is not None:
            return absent.message
        found = _fit(shop, self.base)
        return None if found.fits else found.why

    def minutes(self, shop: WritingShop) -> float:
        if (shop.work / self.name / "made.json").is_file():
            return 0.1
        rows, held_out = map(len, shop.division())
        recipe, training = recipe_for(rows), self._training_minutes(shop)
        search = self._search(shop, rows, held_out)
        return training * (1 + recipes.cost(search.steps, rows, recipe.epochs, held_out))

    def _training_minutes(self, shop: WritingShop) -> float:
        return _fit(shop, self.base).minutes * recipe_for(len(shop.division()[0])).epochs / EPOCHS["lora"]

    def _search(self, shop: WritingShop, rows: int, held_out: int) -> recipes.Search:
        """For learning rate and rank, where the budget has room for it beside the training."""
        if self.name in shop.recipes:
            return recipes.PLANNED
        return recipes.plan(
            shop.work / self.name,
            rows,
            recipe_for(rows).epochs,
            held_out,
            self._training_minutes(shop),
            shop.left_s / 60,
        )

    def attempt(self, shop: WritingShop) -> Candidate:
        folder = shop.work / self.name
        made = folder / "made.json"
        if not made.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(made, msgspec.json.encode(self._make(shop, folder)))
        found = msgspec.json.decode(made.read_bytes(), type=_Made)
        spec = DecoderSpec(
            self.base,
            found.sha256,
            TEMPLATE,
            adapter=ADAPTER,
            writing=WritingSpec(found.max_tokens, found.context, shop.schema),
        )
        return Candidate(
            rung=self.name,
            base=self.base,
            params=catalogue.get(self.base).params + adapter_size(folder / ADAPTER),
            folder=folder,
            spec=spec,
            fitted_on="train",
            details=found.details,
            agreement=found.agreement,
            files=[ADAPTER],
        )

    def _make(self, shop: WritingShop, folder: Path) -> _Made:
        from jangin.models.decoder import Decoder

        weights = weights_of(self.base, shop.quiet)
        end = end_token(weights)
        rows, held_out = shop.division()
        with Decoder(weights, context=UNIT) as engine:
            data, too_long = _sequences(shop, rows, engine, end)
            kept, _ = _sequences(shop, held_out, engine, end)
        longest = max(map(len, data.answers))
        max_tokens = math.ceil(ROOM * longest) + 16
        context = math.ceil((max(map(len, data.prompts)) * ROOM + max_tokens) / UNIT) * UNIT
        search = self._search(shop, len(rows), len(held_out))
        recipe = recipe_for(len(rows))
        if self.name in shop.recipes:
            recipe = msgspec.convert(shop.recipes[self.name], lora.Recipe)
        inputs = [render(value) for value in shop.validation_inputs[:PROBES]]

        def probe(adapter: Path) -> lora.Sequences:
            with Decoder(weights, {"own": adapter}, context=context) as engine:
                prompts = [TEMPLATE.tokens(text, engine.tokenize) for text in inputs]
                found = engine.generate(prompts, max_tokens, adapter="own", logprobs=True)
                answers = [engine.tokenize(each.text) for each in found]
            return lora.Sequences(prompts, answers)

        trained = lora.train(
            weights,
            data,
            kept,
            recipe,
            folder,
            seed=shop.seed,
            search=search,
            probe=probe if inputs else None,
            quiet=shop.quiet,
        )
        return _Made(
            sha256=weights.name,
            max_tokens=max_tokens,
            context=context,
            agreement=trained.agreement,
            details={
                **lora.told(trained, search),
                "tokens": data.tokens,
                "rows_too_long": too_long,
                "agreement": trained.agreement,
            },
        )


class _Made(msgspec.Struct, frozen=True):
    """What a finished training leaves beside its adapter."""

    sha256: str
    max_tokens: int
    context: int
    agreement: float | None
    details: dict[str, Any]


class ShotsWriter:
    """An instruct model as it is: the task's description, the nearest examples of train, and the input. No training."""

    def __init__(self, base: str):
        self.base = base
        self.name = f"{base}-shots"

    def why_not(self, shop: WritingShop) -> str | None:
        from importlib.util import find_spec

        from jangin.errors import MissingExtraError

        if find_spec("xllamacpp") is None:
            return MissingExtraError("a decoder", "decoder").message
        return None

    def minutes(self, shop: WritingShop) -> float:
        """Of answering validation, which is all it takes."""
        tokens = (SHOTS_SHOWN + 1) * _mean_tokens(shop.splits.train) * len(shop.splits.validation)
        return fit_base(catalogue.get(self.base), 1, tokens, method="lora").minutes / (2 * EPOCHS["lora"])

    def attempt(self, shop: WritingShop) -> Candidate:
        from jangin.models.decoder import Decoder

        folder = shop.work / self.name
        folder.mkdir(parents=True, exist_ok=True)
        weights = weights_of(self.base, shop.quiet)
        shots = [(render(each.input), shop.answer(each)) for each in shop.splits.train]
        write_shots(folder / SHOTS, shots)
        with Decoder(weights, context=UNIT) as engine:
            sample = shots[:: max(1, len(shots) // 200)]
            answers = [len(engine.tokenize(answer)) for _, answer in sample]
            both = [len(engine.tokenize(asked)) + size for (asked, _), size in zip(sample, answers)]
        max_tokens = math.ceil(ROOM * max(answers)) + 16
        wanted = (SHOTS_SHOWN + 1) * float(np.percentile(both, 95)) + max_tokens + 200
        context = min(8192, math.ceil(wanted / UNIT) * UNIT)
        spec = DecoderSpec(
            self.base,
            weights.name,
            chatml(instructions(shop), _convention(self.base) if shop.schema is None else None),
            writing=WritingSpec(max_tokens, context, shop.schema, SHOTS_SHOWN),
        )
        details = {"shots": SHOTS_SHOWN, "examples": len(shots)}
        params = catalogue.get(self.base).params
        return Candidate(self.name, self.base, params, folder, spec, "no training", details, files=[SHOTS])


def instructions(shop: WritingShop) -> str:
    """The system turn: the task's own description, and what an answer looks like."""
    form = "Answer with one JSON object and nothing else." if shop.task.kind == "extract" else "Answer as shown."
    return f"{shop.task.description} {form}".strip()


def _convention(base: str) -> Convention | None:
    """How a base calls functions, as the catalogue says; None: its publisher taught it no way."""
    return catalogue.get(base).config.get("tools")


def recipe_for(rows: int) -> lora.Recipe:
    """Fewer rows are read more often; the held-out loss ends what is too much."""
    return lora.Recipe(epochs=float(min(8, max(2, round(5000 / max(1, rows))))))


def adapter_size(path: Path) -> int:
    """Weights in an adapter file."""
    import gguf

    return sum(int(np.prod(tensor.shape)) for tensor in gguf.GGUFReader(path).tensors)


def _fit(shop: WritingShop, base: str) -> Fit:
    train = shop.splits.train
    mean = _mean_tokens(train)
    # A step's rows are of like length, so the longest decide its memory; beyond LONGEST a row is left out.
    longest = min(LONGEST, max(mean, max(_tokens(each) for each in train)))
    return fit_base(catalogue.get(base), len(train), mean, method="lora", longest=longest)


def _mean_tokens(examples: Sequence[Example]) -> float:
    sample = examples[:500]
    return sum(map(_tokens, sample)) / max(1, len(sample))


def _tokens(example: Example) -> float:
    """An estimate, without a tokenizer."""
    return (len(render(example.input)) + len(answer_text(example.output))) / CHARS_PER_TOKEN


def _sequences(shop: WritingShop, examples: Sequence[Example], engine: Decoder, end: int) -> tuple[lora.Sequences, int]:
    """(prompts and answers as tokens, rows left out because they are longer than LONGEST)."""
    prompts, answers, too_long = [], [], 0
    for example in examples:
        prompt = TEMPLATE.tokens(render(example.input), engine.tokenize)
        answer = [*engine.tokenize(shop.answer(example)), end]
        if len(prompt) + len(answer) > LONGEST:
            too_long += 1
            continue
        prompts.append(prompt)
        answers.append(answer)
    if not prompts:
        raise DataError(f"every row of train is longer than {LONGEST:,} tokens", "shorten the inputs")
    return lora.Sequences(prompts, answers), too_long
