"""The evidence for a promise about local answers, gathered when a specialist that names labels is packed.

"Of the answers given here at least `target` are right, with `confidence`": thresholds are frozen on confidences of
validation, each is tested on answers that decided nothing else (`evals/threshold.py`), and what holds is written beside
the bundle (`routing/trust.py`). The confidence is the one that the server reports. Which rows test it:

    a calibration split            a half of it, by chance, answered by what was packed; the other half fits the
                                   temperature, Platt scaling and the thresholds of tags (`spared.py`)
    none, linear heads             answers out of fold on train; thresholds are frozen on others such (`unseen.py`)
    none, fine-tuned or LoRA       half of the tenth of train that was held out of it, the other half calibrates

The threshold of out-of-scope is decided on validation. A row of a unit with several stands for it alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jangin.models.base import Floats, Rule, sigmoid, softmax
from jangin.models.specialist import Readers, Specialist
from jangin.routing.trust import Evidence, asked_of, settle, write_trust
from jangin.task import Task
from jangin.train.judge import LabelsJudged
from jangin.train.rules import tag_thresholds
from jangin.train.spared import a_third, one_a_unit
from jangin.train.targets import Rows
from jangin.train.unseen import Proof, Unseen
from jangin.train.workshop import Workshop


def trust_labels(shop: Workshop, proof: Proof, judged: LabelsJudged, folder: Path) -> dict[str, Any]:
    """Writes the sidecar of a packed specialist into its `folder`. Returns: the promise, for the record."""
    packed = Specialist(folder, Readers(bulk=True))
    found = [_tested(packed, judged.rule, each, shop.seed) for each in proof.tested if len(each.rows)]
    confidence, loss = (np.concatenate([np.zeros(0), *parts]) for parts in (zip(*found) if found else ((), ())))
    held_out = all(each.logits is None for each in proof.tested)
    if proof.freezing is not None:
        frozen, _ = _tested(packed, judged.rule, proof.freezing, shop.seed)
    elif held_out:
        _, frozen = judged.rule.sure(packed.kind, packed.labels, judged.probabilities)
    else:
        apart = a_third(len(loss), shop.seed)
        frozen, confidence, loss = confidence[apart], confidence[~apart], loss[~apart]
    packed.close()
    evidence = Evidence(frozen.tolist(), confidence.tolist(), loss.tolist(), "held out" if held_out else "out of fold")
    return trusted(shop.task, evidence, packed.sha256, folder)


def trusted(task: Task, evidence: Evidence, specialist: str, folder: Path) -> dict[str, Any]:
    """Settles the task's promise, or the default one, and writes it."""
    trust = settle(specialist, evidence, *asked_of(task.policy))
    write_trust(folder, trust)
    return trust.told()


def _tested(packed: Specialist, rule: Rule, unseen: Unseen, seed: int) -> tuple[Floats, NDArray[np.float64]]:
    """(confidence, loss) of the rows' answers, (n,) each."""
    rows, kind = unseen.rows, packed.kind
    if unseen.logits is None:
        probabilities = packed.from_encoded(rows.texts, packed.encode(rows.texts))
    else:
        to_probabilities = sigmoid if kind == "tag" else softmax
        probabilities = to_probabilities(unseen.logits)
        if kind == "tag" and unseen.fitted is not None:
            logits, others = unseen.fitted
            rule = Rule(tag_thresholds=tag_thresholds(to_probabilities(logits), others))
    given, confidence = rule.sure(kind, packed.labels, probabilities)
    usable = _usable(rows, seed)
    return confidence[usable], wrong(given, rows)[usable].astype(float)


def wrong(given: NDArray[np.uint8], rows: Rows) -> NDArray[np.bool_]:
    """Which answers are wrong, (n,): a label that is not the row's, out of scope or not; a set of tags of which any
    known one differs."""
    if rows.known is None:
        return given.argmax(axis=1) != rows.gold
    return ((given.astype(bool) != rows.gold) & rows.known).any(axis=1)


def _usable(rows: Rows, seed: int) -> NDArray[np.intp]:
    """One row a unit, of those that know any label."""
    known = np.arange(len(rows)) if rows.known is None else np.flatnonzero(rows.known.any(axis=1))
    return known if rows.groups is None else known[one_a_unit(rows.groups[known].tolist(), seed)]
