"""The rungs of `extract` that copy: a chain over hand-made cues, alone or beside a fine-tuned encoder. No decoder.

Fields that do not stand in the inputs are chosen by n-gram models, fitted and calibrated as the labels of `classify`
are. From which probability a value is given is decided on rows held out of train, by the task's own metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from jangin import bundle
from jangin.bases import catalogue
from jangin.files import write_atomic
from jangin.models import linear
from jangin.models.copier import chooser_file, context_of
from jangin.models.cues import cues
from jangin.models.form import Leaf, why_no_form
from jangin.train import chain, features, parts
from jangin.train.copying import Aligned, Plan, plan_of, raw_value
from jangin.train.cue_chain import Chain, fit_chain, save_chain
from jangin.train.head import calibrate, held_out_rows, take
from jangin.train.rungs import head_of
from jangin.train.settling import Scored, settle
from jangin.train.targets import Rows
from jangin.train.writers import Candidate
from jangin.types import Example

if TYPE_CHECKING:
    from jangin.train.written import WritingShop

ENOUGH = 0.8  # of train's values must be copied or chosen, or the rung is not worth its time
# Every so many rows of train decide weights and thresholds. The chain is fitted on them afterwards, the encoder is not.
HELD_OUT, HELD_OUT_OF_ENCODER = 5, 10
FEWEST_ROWS = 10


class Chooser(NamedTuple):
    """Of one chosen field: its head, and the share of unseen rows that it is right about."""

    head: linear.LinearHead
    accuracy: float


class SpansRung:
    """Values are copied by a chain over hand-made cues; with a `base` an encoder that is fine-tuned helps it."""

    def __init__(self, base: str | None = None):
        self.base = base
        self.name = f"spans-{base}" if base else "spans-ngrams"

    def why_not(self, shop: WritingShop) -> str | None:
        assert shop.schema is not None
        why = why_no_form(shop.schema)
        if why is not None:
            return why
        if len(shop.splits.train) < FEWEST_ROWS:
            return f"train has {len(shop.splits.train)} rows; copying is learnt from {FEWEST_ROWS} at least"
        plan = plan_for(shop)
        if plan.share < ENOUGH:
            worst = sorted(plan.by_field.items(), key=lambda each: each[1])[:3]
            told = ", ".join(f"{name} {share:.0%}" for name, share in worst)
            return (
                f"{plan.share:.0%} of train's values stand in their inputs or are one of a few; {ENOUGH:.0%} are asked "
                f"(least: {told})"
            )
        if not any(leaf.copied for leaf in plan.form):
            return "no field's values stand in the inputs: nothing is copied"
        if self.base is None:
            return None
        from jangin.train.extras import missing_extra

        absent = missing_extra()
        if absent is not None:
            return absent.message
        found = _fits(shop, self.base)
        return None if found.fits else found.why

    def minutes(self, shop: WritingShop) -> float:
        if (shop.work / self.name / "made.json").is_file():
            return 0.1
        plan = plan_for(shop)
        labels = 1 + 2 * sum(leaf.copied for leaf in plan.form)
        work = sum(len(row.pieces) for row in plan.rows) * labels * chain.Recipe().passes * 2
        minutes = 0.1 + work * 3e-7 / 60
        if self.base is not None:
            from jangin.bases.fit import EPOCHS
            from jangin.train.token_tagger import passes_for

            minutes += _fits(shop, self.base).minutes * passes_for(len(plan.rows)) / EPOCHS["finetune"]
        return minutes

    def attempt(self, shop: WritingShop) -> Candidate:
        folder = shop.work / self.name
        made = folder / "made.json"
        if not made.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(made, msgspec.json.encode(make(shop, self.base, folder)))
        found = msgspec.json.decode(made.read_bytes(), type=_Made)
        params = found.params + (catalogue.get(self.base).params if self.base else 0)
        return Candidate(
            rung=self.name,
            base=self.base,
            params=params,
            folder=folder,
            spec=found.spec,
            fitted_on="train",
            details=found.details,
            agreement=None,
            encoder=found.encoder,
            files=found.files,
        )


class _Made(msgspec.Struct, frozen=True):
    """What a finished training leaves beside its files."""

    spec: bundle.SpansSpec
    encoder: bundle.EncoderSpec | None
    files: list[str]
    params: int
    details: dict[str, Any]


def plan_for(shop: WritingShop) -> Plan:
    """Computed once a climb."""
    if shop.plan is None:
        assert shop.schema is not None
        shop.plan = plan_of(shop.splits.train, shop.schema)
    return shop.plan


def make(shop: WritingShop, base: str | None, folder: Path) -> _Made:
    """Fits everything, writes the files into `folder`."""
    plan = plan_for(shop)
    assert shop.schema is not None
    choosers = {number: choose(shop, plan, number) for number, leaf in enumerate(plan.form) if leaf.chosen}
    context_field = None if plan.contexts else _context_field(plan.form, choosers)
    contexts = [_context(plan, context_field, example, row) for example, row in zip(shop.splits.train, plan.rows)]
    apart, held_out = _division(shop, plan, HELD_OUT_OF_ENCODER if base else HELD_OUT)
    tokens = _token_tagger(shop, base, [plan.rows[at] for at in apart], plan, folder) if base else None
    first = fit_chain([plan.rows[at] for at in apart], [contexts[at] for at in apart], plan, shop)
    unseen = [_scored(first, tokens, choosers, plan, context_field, example, row) for example, row in held_out]
    weights, thresholds, score = settle(unseen, first, plan, shop.schema, shop.task.metric, tokens is not None)
    whole = first if len(apart) == len(plan.rows) else fit_chain(plan.rows, contexts, plan, shop)
    files = [bundle.TAGGER, bundle.CUES]
    save_chain(folder, whole)
    for number, chooser in choosers.items():
        linear.save(folder / chooser_file(number), chooser.head)
        files.append(chooser_file(number))
    encoder = None
    if tokens is not None and base is not None:
        from jangin.files import hash_file

        encoder = bundle.EncoderSpec(
            base, hash_file(folder / "encoder.onnx"), "logits", "encoder.onnx", "tokenizer.json"
        )
        files += ["encoder.onnx", "tokenizer.json"]
    spec = bundle.SpansSpec(
        schema=shop.schema,
        form=plan.form,
        thresholds=thresholds,
        longest=plan.longest,
        contexts=plan.contexts,
        context_field=context_field,
        weights=weights,
    )
    heads = sum(each.head.ngram_weight.size for each in choosers.values())
    details = {
        "ceiling": round(plan.share, 4),
        "ceiling_by_field": {name: round(share, 3) for name, share in plan.by_field.items() if share < 1},
        "copied": [leaf.name for leaf in plan.form if leaf.copied],
        "chosen": {plan.form[number].name: round(each.accuracy, 4) for number, each in choosers.items()},
        "cues": len(whole.lexicon.cues),
        "contexts": len(plan.contexts),
        "thresholds": sorted(set(thresholds)),
        "weights": list(weights),
        "held_out_score": round(score, 4),
        "held_out_rows": len(unseen),
        "recipe": msgspec.to_builtins(chain.Recipe()),
    }
    return _Made(spec, encoder, files, whole.weights.cue.size + whole.weights.move.size + heads, details)


def choose(shop: WritingShop, plan: Plan, number: int) -> Chooser:
    """An n-gram model of one field's value, as `classify` would have it."""
    leaf = plan.form[number]
    place = {msgspec.json.encode(value): at for at, value in enumerate(leaf.values)}
    gold = [place.get(msgspec.json.encode(raw_value(example.output, leaf.path)), -1) for example in shop.splits.train]
    rows = Rows([row.text for row in plan.rows], np.array(gold, np.int64), None, None)
    rows = take(rows, np.flatnonzero(rows.gold >= 0))
    blocks = features.fit_blocks(rows.texts, len(leaf.values))
    nothing = features.sparse([], blocks)
    read = features.sparse(rows.texts, blocks), nothing, nothing
    part = parts.make("ngrams", read, rows, len(leaf.values), "accuracy", shop.seed, blocks)
    unseen = take(rows, held_out_rows(rows, shop.seed))
    mix = calibrate([part.calibration], unseen)
    accuracy = float((part.calibration.argmax(axis=1) == unseen.gold).mean())
    return Chooser(head_of([part], [part.linear], mix), accuracy)


SURE = 0.95  # a chosen field that is right this often says what a row is about


def _context_field(form: Sequence[Leaf], choosers: Mapping[int, Chooser]) -> int | None:
    """The chosen field that is most surely right, of those that tell most."""
    sure = [(len(form[number].values), number) for number, each in choosers.items() if each.accuracy >= SURE]
    return max(sure)[1] if sure else None


def _context(plan: Plan, field: int | None, example: Example, row: Aligned) -> str | None:
    if plan.contexts:
        return context_of(row.text, plan.contexts)
    if field is None:
        return None
    value = raw_value(example.output, plan.form[field].path)
    values = plan.form[field].values
    return str(values.index(value)) if value in values else None


def _division(shop: WritingShop, plan: Plan, every: int) -> tuple[list[int], list[tuple[Example, Aligned]]]:
    """(places in train to learn from, the rows that decide weights and thresholds)."""
    if shop.splits.calibration:
        assert shop.schema is not None
        other = plan_of(shop.splits.calibration, shop.schema).rows
        return list(range(len(plan.rows))), list(zip(shop.splits.calibration, other))
    inside = [at for at in range(len(plan.rows)) if at % every]
    return inside, [(shop.splits.train[at], plan.rows[at]) for at in range(0, len(plan.rows), every)]


def _token_tagger(shop: WritingShop, base: str, rows: Sequence[Aligned], plan: Plan, folder: Path) -> Any:
    from jangin.models.token_scores import TokenScores
    from jangin.train.token_tagger import TaggedTexts, train_tagger

    data = TaggedTexts([row.text for row in rows], [row.pieces for row in rows], [row.tags for row in rows])
    labels = 1 + 2 * sum(leaf.copied for leaf in plan.form)
    return TokenScores(train_tagger(base, data, labels, folder, shop.seed, quiet=shop.quiet))


def _scored(
    fitted: Chain,
    tokens: Any,
    choosers: Mapping[int, Chooser],
    plan: Plan,
    field: int | None,
    example: Example,
    row: Aligned,
) -> Scored:
    from jangin.models.base import softmax

    chosen = {number: softmax(each.head.logits([row.text], None))[0] for number, each in choosers.items()}
    context = context_of(row.text, plan.contexts)
    if field is not None:
        context = str(int(np.argmax(chosen[field])))
    row_of, weight = fitted.row_of, fitted.weights.cue
    scores = np.zeros((len(row.pieces), weight.shape[1]))
    for at, names in enumerate(cues(row.pieces, fitted.lexicon.known, context)):
        scores[at] = weight[sorted({row_of[name] for name in names if name in row_of})].sum(axis=0)
    read = tokens.scores(row.text, row.pieces)[0] if tokens is not None else None
    return Scored(example, row, context, scores, read, chosen)


def _fits(shop: WritingShop, base: str) -> Any:
    from jangin.bases.fit import fit

    sample = [len(row.pieces) for row in plan_for(shop).rows[:500]]
    return fit(catalogue.get(base), len(shop.splits.train), 1.3 * sum(sample) / max(1, len(sample)), method="finetune")
