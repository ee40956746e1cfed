"""The rungs of `extract` that copy: a chain over hand-made cues, alone or beside a fine-tuned encoder. No decoder.

Fields that do not stand in the inputs are chosen by n-gram models, fitted and calibrated as the labels of `classify`
are. From which probability a value is given is decided on rows held out of train, by the task's own metric.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from jangin import bundle
from jangin.bases import catalogue
from jangin.evals.fields import Truth, all_right, count_fields
from jangin.files import write_atomic
from jangin.models import linear
from jangin.models.copier import Lexicon, Read, chooser_file, context_of, decide
from jangin.models.cues import cues, know
from jangin.models.form import Leaf, assemble, why_no_form
from jangin.train import chain, features, parts
from jangin.train.copying import Aligned, Plan, plan_of, raw_value
from jangin.train.head import calibrate, held_out_rows, take
from jangin.train.rungs import head_of
from jangin.train.targets import Rows
from jangin.train.writers import Candidate
from jangin.types import Example

if TYPE_CHECKING:
    from jangin.train.written import WritingShop

ENOUGH = 0.8  # of train's values must be copied or chosen, or the rung is not worth its time
FEWEST_SEEN = 2  # a cue of one piece teaches nothing about others
# Every so many rows of train decide weights and thresholds. The chain is fitted on them afterwards, the encoder is not.
HELD_OUT, HELD_OUT_OF_ENCODER = 5, 10
FEWEST_ROWS = 10
THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Chooser(NamedTuple):
    """Of one chosen field: its head, and the share of unseen rows that it is right about."""

    head: linear.LinearHead
    accuracy: float


class Scored(NamedTuple):
    """A text that no model has seen, and what they say of it, split by source: of the chain, and of the encoder."""

    example: Example
    aligned: Aligned
    context: str | None
    cue_scores: Any
    token_scores: Any
    chosen: dict[int, Any]


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


class Chain(NamedTuple):
    lexicon: Lexicon
    row_of: dict[str, int]
    weights: chain.Weights


def fit_chain(rows: Sequence[Aligned], contexts: Sequence[str | None], plan: Plan, shop: WritingShop) -> Chain:
    """Cues, known values and weights of these rows."""
    from tqdm import tqdm

    known = know([(row.pieces, row.own) for row in rows])
    seen: Counter[str] = Counter()
    told = []
    for row, context in zip(rows, contexts):
        told.append(cues(row.pieces, known, context, frozenset(row.own)))
        for each in told[-1]:
            seen.update(set(each))
    labels = 1 + 2 * sum(leaf.copied for leaf in plan.form)
    kept = sorted((-count, cue) for cue, count in seen.items() if count >= FEWEST_SEEN)[: MOST_WEIGHTS // labels]
    names = sorted(cue for _, cue in kept)
    index = {cue: number for number, cue in enumerate(names)}
    tagged = chain.Tagged(
        csr([sorted({index[cue] for cue in each if cue in index}) for row in told for each in row], len(names)),
        np.cumsum([0, *(len(row.pieces) for row in rows)]),
        np.array([tag for row in rows for tag in row.tags], np.int64),
    )
    recipe = chain.Recipe()
    total = len(rows) * recipe.passes
    with tqdm(total=total, desc="learning to copy", unit=" rows", disable=shop.quiet, leave=False) as bar:
        weights = chain.fit(tagged, (labels - 1) // 2, recipe, shop.seed, bar)
    return Chain(Lexicon(names, known), index, weights)


MOST_WEIGHTS = 40_000_000


def csr(columns: Sequence[Sequence[int]], width: int) -> Any:
    from scipy.sparse import csr_matrix

    start = np.cumsum([0, *map(len, columns)])
    flat = np.array([column for row in columns for column in row], np.int32)
    return csr_matrix((np.ones(len(flat), np.float32), flat, start), shape=(len(columns), width))


def save_chain(folder: Path, fitted: Chain) -> None:
    """Weights to int8 with one scale a cue; the transitions as they are."""
    from safetensors.numpy import save

    weight, scale = linear.quantise(fitted.weights.cue)
    tensors = {"cue.weight": weight, "cue.scale": scale, "move": fitted.weights.move}
    write_atomic(folder / bundle.TAGGER, save({name: np.ascontiguousarray(value) for name, value in tensors.items()}))
    write_atomic(folder / bundle.CUES, msgspec.json.encode(fitted.lexicon))


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


def settle(
    unseen: Sequence[Scored], fitted: Chain, plan: Plan, schema: Mapping[str, Any], metric: str, two: bool
) -> tuple[tuple[float, float], list[float], float]:
    """(weights of the two sources, a threshold a field, the metric's score with them), best on unseen rows.

    One threshold for all fields that hold a value, one for all that hold lists: more would be fitted to noise.
    """
    grid = [(cue, token) for cue in (0.5, 0.75, 1.0) for token in (0.3, 0.6, 1.0)] if two else [(1.0, 0.0)]
    best: tuple[float, tuple[float, float], list[float]] | None = None
    for weights in grid:
        read = [reading(each, fitted, plan, weights) for each in unseen]
        thresholds = [0.5] * len(plan.form)
        score = -1.0
        for many in (False, True):
            places = [at for at, leaf in enumerate(plan.form) if leaf.copied and leaf.many == many]
            if not places:
                continue
            found = []
            for value in THRESHOLDS:
                for at in places:
                    thresholds[at] = value
                found.append((score_of(unseen, read, plan.form, thresholds, schema, metric), -abs(value - 0.3), value))
            score, _, value = max(found)
            for at in places:
                thresholds[at] = value
        if best is None or score > best[0]:
            best = score, weights, list(thresholds)
    assert best is not None
    return best[1], best[2], best[0]


def reading(each: Scored, fitted: Chain, plan: Plan, weights: tuple[float, float]) -> Read:
    """As `Copier.read` gives it, from scores that are there already."""
    from jangin.models.chain import allowed, spans

    copied = [number for number, leaf in enumerate(plan.form) if leaf.copied]
    scores = weights[0] * each.cue_scores
    if each.token_scores is not None:
        scores = scores + weights[1] * each.token_scores
    move = weights[0] * fitted.weights.move.astype(np.float64)
    moves = np.where(allowed(len(copied)), np.exp(move), 0.0)
    found = [span._replace(field=copied[span.field]) for span in spans(scores, moves, plan.longest)]
    return Read(each.aligned.text, each.aligned.pieces, found, each.chosen)


def score_of(
    unseen: Sequence[Scored],
    read: Sequence[Read],
    form: Sequence[Leaf],
    thresholds: Sequence[float],
    schema: Mapping[str, Any],
    metric: str,
) -> float:
    """Field micro-F1, or the share of whole objects that are right."""
    right = size = whole = 0
    for each, one in zip(unseen, read):
        found = decide(form, one, thresholds)
        given = {
            number: [value for value, _ in part.values] if form[number].many else part.values[0][0]
            for number, part in found.items()
            if part.values
        }
        output = assemble(form, given, schema)
        gold = each.example.gold
        truth = Truth(each.example.output, gold if isinstance(gold, dict) else None)
        if metric == "exact_match":
            whole += all_right(output, truth)
            continue
        for count in count_fields(output, truth).values():
            right += count.right
            size += count.expected + count.right + count.wrong
    return whole / max(1, len(unseen)) if metric == "exact_match" else 2 * right / max(1, size)


def _fits(shop: WritingShop, base: str) -> Any:
    from jangin.bases.fit import fit

    sample = [len(row.pieces) for row in plan_for(shop).rows[:500]]
    return fit(catalogue.get(base), len(shop.splits.train), 1.3 * sum(sample) / max(1, len(sample)), method="finetune")
