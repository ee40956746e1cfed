"""The climb from a task folder to a packed specialist: which rung it stops at, what it records, what it repeats."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jangin import bundle
from jangin.errors import BaseModelError, DataError, InputError, JanginError
from jangin.models.specialist import load
from jangin.train import climb as climbing
from jangin.train import rungs as rungs_of_labels
from jangin.train.climb import Climbed, train
from jangin.train.rungs import Attempt, FrozenRung, NgramRung
from jangin.train.workshop import Workshop
from small_tasks import classify_task, messages, tag_task, write


class Twin(NgramRung):
    """The n-grams under another name, so that a ladder of several rungs costs one fit."""

    def __init__(self, name: str, minutes: float = 0.01):
        self.name, self._minutes = name, minutes

    def minutes(self, shop: Workshop) -> float:
        return self._minutes


class Weak(Twin):
    """Answers a share of the messages at random."""

    def attempt(self, shop: Workshop) -> Attempt:
        found = super().attempt(shop)
        found.head.bias[:] = [9, 0, -9]
        return found


class Broken(Twin):
    def attempt(self, shop: Workshop) -> Attempt:
        raise BaseModelError("the weights are broken", "pull them again")


@pytest.fixture
def ladder(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts rungs of one's own on the ladder."""
    return lambda *rungs: monkeypatch.setattr(rungs_of_labels, "ladder", lambda shop: list(rungs))


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the parity check's server out, for tests of the choice alone."""
    monkeypatch.setattr("jangin.pack._ask", lambda url, specialist, inputs: specialist.probabilities(inputs))
    monkeypatch.setattr("jangin.serve.run.background", lambda folders: _no_server())


class _no_server:
    def __enter__(self) -> str:
        return ""

    def __exit__(self, *error: object) -> None:
        pass


def statuses(climbed: Climbed) -> dict[str, str]:
    return {record.rung: record.status for record in climbed.rungs}


def identity(climbed: Climbed) -> str:
    return bundle.identity(bundle.verify(climbed.specialist))


def test_a_classify_task_is_climbed_to_a_specialist_that_answers(tmp_path: Path) -> None:
    folder = classify_task(tmp_path / "task")
    lines: list[str] = []
    climbed = train(folder, quiet=True, only=["ngrams"], say=lines.append)
    assert climbed.specialist == folder / "runs" / "desk"
    assert sorted(path.name for path in climbed.specialist.iterdir()) == [
        "head.safetensors",
        "manifest.json",
        "record.json",
        "terms.json",
        "trust.json",
    ]
    assert [path.name for path in (folder / "runs").iterdir()] == ["desk"]
    specialist = load(climbed.specialist)
    fresh = messages(300, 9, 0.0)
    answers = specialist.rule.decide(
        "classify", specialist.labels, specialist.probabilities([row["input"] for row in fresh])
    )
    assert np.mean([answer == row["output"] for answer, row in zip(answers, fresh)]) > 0.95
    assert (climbed.rung, climbed.base, climbed.passes) == ("ngrams", None, True)
    assert climbed.params == specialist.manifest.params > 1_000
    (record,) = climbed.rungs
    assert record.status == "tried" and record.score is not None and record.lower is not None
    assert record.lower < record.score <= record.upper  # type: ignore[operator]
    assert record.seconds and record.energy_wh and record.cost_per_1k_usd and record.chance == climbed.record["chance"]
    assert lines == [climbing._line(record)]
    written = json.loads((climbed.specialist / "record.json").read_text())
    assert written == json.loads(json.dumps(climbed.record))
    assert written["plan"] == [{"rung": "ngrams"}] and written["task_path"] == str(folder / "task.yaml")
    assert written["parity"]["n"] == written["rows"]["validation"] == len(written["validation"]["gold"])
    assert all(written["parity"][pair]["different_answers"] == 0 for pair in ("trainer_packed", "packed_http"))


def test_a_tag_task_is_climbed_to_a_specialist_that_gives_tags(tmp_path: Path) -> None:
    climbed = train(tag_task(tmp_path / "task"), quiet=True, only=["ngrams"])
    specialist = load(climbed.specialist)
    assert specialist.kind == "tag" and len(specialist.rule.tag_thresholds) == 3
    texts = ["I lost my main card today (case 1); when does the old branch open today (case 2)", "refund the purchase"]
    found = specialist.rule.decide("tag", specialist.labels, specialist.probabilities(texts))
    assert found == [["card_lost", "opening_hours"], ["refund"]]
    assert climbed.rungs[0].metric == "micro_f1" and climbed.passes is not None
    assert climbed.record["calibration"]["method"].startswith("Platt scaling")


def test_the_climb_stops_at_the_first_rung_that_passes(tmp_path: Path, ladder: Any, unpacked: None) -> None:
    ladder(Weak("first"), Twin("second"), Twin("third"))
    climbed = train(classify_task(tmp_path), quiet=True)
    assert statuses(climbed) == {"first": "tried", "second": "tried"} and climbed.rung == "second"
    assert climbed.rungs[0].chance < 0.8 <= climbed.rungs[1].chance  # type: ignore[operator]


def test_best_climbs_on_to_the_best(tmp_path: Path, ladder: Any, unpacked: None) -> None:
    ladder(Twin("first"), Weak("second"), Twin("third"))
    climbed = train(classify_task(tmp_path), quiet=True, best=True)
    assert list(statuses(climbed)) == ["first", "second", "third"]
    assert climbed.rung == "first"  # of equals the cheaper one
    assert climbed.record["best"] is True


def test_the_best_is_packed_when_none_passes(tmp_path: Path, ladder: Any, unpacked: None) -> None:
    ladder(Weak("first"), Twin("second"))
    climbed = train(classify_task(tmp_path, bar="{at_least: 0.999}", hard=0.3), quiet=True)
    assert climbed.rung == "second" and climbed.passes is False


def test_without_a_bar_the_cheapest_within_one_standard_error_is_taken(
    tmp_path: Path, ladder: Any, unpacked: None
) -> None:
    ladder(Weak("first"), Twin("second"), Twin("third"))
    climbed = train(classify_task(tmp_path, bar=None), quiet=True)
    assert list(statuses(climbed)) == ["first", "second", "third"]
    assert climbed.rung == "second" and climbed.passes is None and climbed.record["bar"] is None


def test_a_budget_of_nothing_says_what_every_rung_would_take(tmp_path: Path, ladder: Any) -> None:
    ladder(Twin("first", 1.0), Twin("second", 2.5))
    lines: list[str] = []
    with pytest.raises(JanginError) as error:
        train(classify_task(tmp_path), quiet=True, budget_s=0, say=lines.append)
    assert error.value.message == "no rung could be tried"
    assert error.value.hint == (
        "first: would take about 60 s and 0 s of the budget are left; "
        "second: would take about 150 s and 0 s of the budget are left"
    )
    assert lines[0] == "first: skipped, would take about 60 s and 0 s of the budget are left"
    assert not (tmp_path / "runs" / "desk").exists()


def test_a_rung_that_the_budget_does_not_hold_is_skipped_and_recorded(
    tmp_path: Path, ladder: Any, unpacked: None
) -> None:
    ladder(Twin("first"), Twin("second", 10.0))
    climbed = train(classify_task(tmp_path), quiet=True, best=True, budget_s=300)
    assert statuses(climbed) == {"first": "tried", "second": "skipped"}
    why = climbed.rungs[1].why
    assert why is not None and re.fullmatch(r"would take about 600 s and (29\d|300) s of the budget are left", why)
    assert climbed.rungs[1].score is None


def test_a_rung_that_fails_is_recorded_and_the_climb_goes_on(tmp_path: Path, ladder: Any, unpacked: None) -> None:
    ladder(Broken("first"), Twin("second"))
    lines: list[str] = []
    climbed = train(classify_task(tmp_path), quiet=True, say=lines.append)
    assert statuses(climbed) == {"first": "failed", "second": "tried"} and climbed.rung == "second"
    assert climbed.rungs[0].why == "the weights are broken"
    assert lines[0] == "first: failed, the weights are broken"
    assert climbed.record["plan"] == [{"rung": "second"}]


def test_when_every_rung_fails_the_reasons_are_the_hint(tmp_path: Path, ladder: Any) -> None:
    ladder(Broken("first"), Broken("second"))
    with pytest.raises(JanginError) as error:
        train(classify_task(tmp_path), quiet=True)
    assert error.value.message == "no rung could be tried"
    assert error.value.hint == "first: the weights are broken; second: the weights are broken"


def test_an_unknown_rung_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        train(classify_task(tmp_path), quiet=True, only=["ngram"])
    assert error.value.message == "no rung 'ngram' for this task"
    assert error.value.hint == (
        "the rungs are: ngrams, minilm-l6-q8, ngrams+minilm-l6-q8, minilm-l6, ngrams+minilm-l6, minilm-l6-tuned, "
        "ngrams+minilm-l6-tuned, "
        "smollm2-135m-lora, ngrams+smollm2-135m-lora"
    )


def test_a_korean_task_climbs_the_multilingual_bases(tmp_path: Path) -> None:
    folder = classify_task(tmp_path)
    text = (folder / "task.yaml").read_text().replace("languages: [en]\n", "languages: [ko, en]\n")
    (folder / "task.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        train(folder, quiet=True, only=["none"])
    assert error.value.hint is not None and "ngrams+use-multilingual-3" in error.value.hint


def test_a_plan_is_replayed_whatever_the_clock_says(tmp_path: Path, ladder: Any, unpacked: None) -> None:
    ladder(Weak("first"), Twin("second"), Twin("third"))
    folder = classify_task(tmp_path / "task")
    first = train(folder, tmp_path / "one", quiet=True, best=True, seed=5)
    again = train(folder, tmp_path / "two", quiet=True, budget_s=0, plan=tmp_path / "one" / "record.json")
    assert statuses(again) == statuses(first) and again.rung == first.rung
    assert again.record["seed"] == 5 and identity(again) == identity(first)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"plan": 3}', b'{"plan": [{"rung": "ngrams"}]}', None])
def test_what_is_no_record_cannot_be_replayed(tmp_path: Path, content: bytes | None) -> None:
    plan = tmp_path / "record.json"
    if content is not None:
        plan.write_bytes(content)
    with pytest.raises(InputError) as error:
        train(classify_task(tmp_path / "task"), quiet=True, plan=plan)
    assert error.value.message == f"{plan}: not a record with a plan"
    assert error.value.hint == "name the record.json of an earlier climb"


def test_the_same_seed_gives_the_same_specialist_also_for_another_order_of_rows(tmp_path: Path, unpacked: None) -> None:
    one = train(classify_task(tmp_path / "one"), quiet=True, only=["ngrams"])
    other = classify_task(tmp_path / "other")
    for name in ("train", "test"):
        rows = [json.loads(line) for line in (other / f"{name}.jsonl").read_text().splitlines()]
        write(other / f"{name}.jsonl", random.Random(3).sample(rows, len(rows)))
    again = train(other, quiet=True, only=["ngrams"])
    assert identity(again) == identity(one)
    assert train(other, quiet=True, only=["ngrams"], seed=1).record["seed"] == 1


def test_another_seed_or_another_row_is_another_specialist(tmp_path: Path, unpacked: None) -> None:
    folder = classify_task(tmp_path / "task")
    found = {
        identity(train(folder, tmp_path / f"seed{seed}", quiet=True, only=["ngrams"], seed=seed)) for seed in (0, 1)
    }
    write(folder / "train.jsonl", messages(183, 1))
    found.add(identity(train(folder, tmp_path / "more", quiet=True, only=["ngrams"])))
    assert len(found) == 3


def test_a_folder_that_is_no_specialist_is_never_replaced(tmp_path: Path) -> None:
    folder = classify_task(tmp_path / "task")
    for out in (folder, folder / "task.yaml"):
        with pytest.raises(InputError) as error:
            train(folder, out, quiet=True, only=["ngrams"])
        assert error.value.message == f"'{out}' is neither a specialist nor an empty folder"
        assert error.value.hint == "name a new folder after -o"
    assert sorted(path.name for path in folder.iterdir()) == ["task.yaml", "test.jsonl", "train.jsonl"]


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_refused(tmp_path: Path, seed: int) -> None:
    with pytest.raises(InputError) as error:
        train(classify_task(tmp_path), quiet=True, seed=seed)
    assert error.value.message == f"the seed is {seed}; expected a whole number from 0 to 2^32 - 1"


def test_too_few_rows_to_judge_on_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        train(classify_task(tmp_path, rows=3), quiet=True, only=["ngrams"])
    assert error.value.message == "3 rows of train are too few to judge a model on"
    assert error.value.hint == "give at least 20 examples, or a validation file"


def test_the_scope_gets_a_threshold(tmp_path: Path, unpacked: None) -> None:
    folder = classify_task(tmp_path, extra="out_of_scope: opening_hours\n")
    rule = load(train(folder, quiet=True, only=["ngrams"]).specialist).rule
    assert rule.out_of_scope == "opening_hours" and 0 < rule.threshold < 1


def test_a_frozen_encoder_stands_beside_the_ngrams(tmp_path: Path, tiny_base: Any, ladder: Any, unpacked: None) -> None:
    ladder(NgramRung(), FrozenRung("tiny-bert", False), FrozenRung("tiny-bert", True))
    folder = classify_task(tmp_path / "task")
    climbed = train(folder, quiet=True, only=["ngrams+tiny-bert"])
    manifest = bundle.verify(climbed.specialist)
    assert manifest.encoder is not None and manifest.encoder.base == climbed.base == "tiny-bert"
    assert manifest.lineage["base"]["sha256"] == tiny_base.files[0].sha256
    assert manifest.params == climbed.params > tiny_base.params
    specialist = load(climbed.specialist)
    found = specialist.rule.decide("classify", specialist.labels, specialist.probabilities(["please refund the order"]))
    assert found == ["refund"]
