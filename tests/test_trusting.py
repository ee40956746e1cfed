"""The promise about local answers, from the climb to the bundle: which rows test it, what is wrong, what is written."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

import orders
import written_tasks
from jangin import bundle
from jangin.cli import main
from jangin.evals.fields import Truth, wrong_share
from jangin.models.specialist import load
from jangin.models.written import load_writer
from jangin.policy import Policy
from jangin.routing.trust import TRUST, Trust, read_trust
from jangin.serve.promises import read_promise
from jangin.task import load_task
from jangin.terms import TERMS, read_terms
from jangin.train import head
from jangin.train.climb import train
from jangin.train.head import calibrate, folds_of, held_out_rows
from jangin.train.spared import halve, one_a_unit, spared
from jangin.train.targets import Rows
from jangin.train.trusting import wrong
from jangin.train.trusting_written import trust_written
from jangin.train.unseen import out_of_fold
from jangin.train.workshop import Workshop
from jangin.train.written import WritingShop
from jangin.types import Example
from small_tasks import classify_task, messages, tag_task, write

PROMISE = "policy: {target: 0.9}\n"


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the parity check's server out."""

    class Nowhere:
        def __enter__(self) -> str:
            return ""

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr("jangin.pack._ask", lambda url, specialist, inputs: specialist.probabilities(inputs))
    monkeypatch.setattr("jangin.serve.run.background", lambda folders: Nowhere())


def with_calibration(folder: Path, rows: list[dict[str, Any]], kind: str = "classify") -> Path:
    """The small task, with a calibration file and a promise of 0.9, which needs 57 rows."""
    made = tag_task(folder) if kind == "tag" else classify_task(folder, extra=PROMISE)
    write(folder / "calibration.jsonl", rows)
    task = (folder / "task.yaml").read_text("utf-8").replace("test:", "calibration: calibration.jsonl, test:")
    (folder / "task.yaml").write_text(task + ("" if kind == "classify" else PROMISE), "utf-8")
    return made


def calibration_rows(kind: str) -> list[dict[str, Any]]:
    rows = messages(240, 8, 0.02)
    if kind == "classify":
        return rows
    return [
        {**row, "output": {label: label == row["output"] for label in ("card_lost", "opening_hours", "refund")}}
        for row in rows
    ]


def trust_of(folder: Path) -> Trust:
    found = read_trust(folder, bundle.identity(bundle.read_manifest(folder)))
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ["classify", "tag"])
def test_rows_that_test_the_promise_decide_nothing_else(kind: str, tmp_path: Path, unpacked: None) -> None:
    """With other answers to those rows head and thresholds are the same to the byte; only the promise is not."""
    rows = calibration_rows(kind)
    first = with_calibration(tmp_path / "one", rows, kind)
    apart = {row.id for row in Workshop(load_task(first), 0, tmp_path / "work", True).spared}
    assert len(apart) == 120
    labels = ("card_lost", "opening_hours", "refund")
    turned = {"card_lost": "refund", "refund": "opening_hours", "opening_hours": "card_lost"}
    other = [
        row
        if row["id"] not in apart
        else {**row, "output": turned[row["output"]] if kind == "classify" else dict.fromkeys(labels, True)}
        for row in rows
    ]
    one, two = (
        train(folder, only=["ngrams"], quiet=True).specialist
        for folder in (first, with_calibration(tmp_path / "two", other, kind))
    )
    assert (one / "head.safetensors").read_bytes() == (two / "head.safetensors").read_bytes()
    assert bundle.read_manifest(one).rule == bundle.read_manifest(two).rule
    trusts = trust_of(one), trust_of(two)
    assert trusts[0].evidence.confidence == trusts[1].evidence.confidence
    assert trusts[0].threshold.threshold is not None and trusts[1].threshold.threshold is None
    assert np.mean(trusts[1].evidence.loss) > 0.9 > 0.3 > np.mean(trusts[0].evidence.loss)


def test_what_is_packed_answers_the_half_that_it_never_saw(tmp_path: Path, unpacked: None) -> None:
    folder = with_calibration(tmp_path / "task", calibration_rows("classify"))
    climbed = train(folder, only=["ngrams"], quiet=True)
    trust = trust_of(climbed.specialist)
    shop = Workshop(load_task(folder), 0, tmp_path / "work", True)
    assert climbed.record["calibration"]["fitted_rows"] == len(shop.splits.calibration) == len(shop.spared) == 120
    specialist = load(climbed.specialist)
    given, confidence = specialist.rule.sure(
        "classify", specialist.labels, specialist.probabilities([row.input for row in shop.spared])
    )
    loss = [specialist.labels[at] != row.output for at, row in zip(given.argmax(axis=1), shop.spared)]
    assert trust.evidence.rows == "held out" and trust.evidence.of == "answer"
    assert trust.evidence.loss == [float(each) for each in loss]
    assert np.allclose(trust.evidence.confidence, confidence, atol=1e-6)
    assert len(trust.evidence.validation) == climbed.record["rows"]["validation"]
    assert climbed.record["promise"] == trust.told() and trust.asked == "policy"
    assert (trust.threshold.target, trust.threshold.delta, trust.threshold.n) == (0.9, 0.05, 120)


def test_without_a_calibration_split_few_rows_are_answered_out_of_fold(tmp_path: Path, unpacked: None) -> None:
    climbed = train(classify_task(tmp_path, extra=PROMISE, hard=0.0), only=["ngrams"], quiet=True)
    trust = trust_of(climbed.specialist)
    assert trust.evidence.rows == "out of fold" and trust.threshold.n == climbed.record["rows"]["train"] - 54 == 108
    assert len(trust.evidence.validation) == 54
    assert trust.threshold.threshold is not None and 0.5 < trust.local_share <= 1


def test_no_row_s_own_answer_moves_what_it_is_answered() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (90, 2)).astype(np.float32)
    gold = logits + rng.normal(0, 2, (90, 2)) > 0
    known = np.ones((90, 2), bool)

    def unseen(gold: np.ndarray) -> list[Any]:
        rows = Rows([""] * 90, gold, known, None)
        part: Any = SimpleNamespace(calibration=logits)
        shop: Any = SimpleNamespace(train=rows, seed=3)
        return out_of_fold(shop, None, [part], calibrate([logits], rows)).tested

    folds = folds_of(Rows([""] * 90, gold, known, None), 3)
    before = unseen(gold)
    for number, (_, outside) in enumerate(folds):
        flipped = gold.copy()
        flipped[outside] = ~flipped[outside]
        after = unseen(flipped)
        assert (after[number].logits == before[number].logits).all()
        assert (after[number].fitted[0] == before[number].fitted[0]).all()
        others = [at for at in range(len(folds)) if at != number]
        assert all((after[at].logits != before[at].logits).any() for at in others)


def test_with_many_rows_a_fold_that_chose_and_calibrated_nothing_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unpacked: None
) -> None:
    monkeypatch.setattr(head, "ONE_FOLD_ROWS", 50)
    folder = classify_task(tmp_path, extra=PROMISE)
    climbed = train(folder, only=["ngrams"], quiet=True)
    shop = Workshop(load_task(folder), 0, tmp_path / "work", True)
    chose = held_out_rows(shop.train, 0)
    part = shop.ngrams()
    proof = out_of_fold(shop, None, [part], calibrate([part.calibration], shop.calibration_target))
    (found,) = proof.tested
    assert proof.freezing is not None and proof.freezing.rows.texts == [shop.train.texts[row] for row in chose]
    assert len(chose) == climbed.record["calibration"]["fitted_rows"] == 54
    assert not {shop.train.texts[row] for row in chose} & set(found.rows.texts)
    assert trust_of(climbed.specialist).threshold.n == len(found.rows) == 54
    seen = part.linear(shop.matrices(part.blocks)[0])[folds_of(shop.train, 0)[1][1]]
    assert np.abs(seen - found.logits).max() > 0.1  # another model than the one that saw them


def test_an_answer_out_of_scope_is_wrong_and_a_set_of_tags_is_right_as_a_whole() -> None:
    given = np.eye(3, dtype=np.uint8)
    assert wrong(given, Rows(["", "", ""], np.array([0, -1, 1]), None, None)).tolist() == [False, True, True]
    gold, known = np.array([[1, 0], [1, 0], [0, 1]], bool), np.array([[1, 1], [1, 0], [1, 1]], bool)
    tags = np.array([[1, 0], [1, 1], [1, 1]], np.uint8)  # the second row's other tag is not known
    assert wrong(tags, Rows(["", "", ""], gold, known, None)).tolist() == [False, False, True]


def test_half_of_the_units_are_spared_never_a_part_of_one_and_none_where_that_is_too_few() -> None:
    policy = msgspec.structs.replace(Policy(), target=0.9)
    units = [f"u{row // 3}" for row in range(360)]
    mask = spared(units, policy, 1)
    assert mask.reshape(-1, 3).sum(1).tolist().count(3) == 60 and mask.sum() == 180
    assert (mask == spared(units, policy, 1)).all() and (mask != spared(units, policy, 2)).any()
    assert not spared(units[: 3 * 113], policy, 1).any() and spared(units[: 3 * 114], policy, 1).sum() == 3 * 57
    assert not spared([], policy, 1).any()
    strict = msgspec.structs.replace(policy, target=0.99)
    assert not spared(units, strict, 1).any()
    rows = [Example(str(at), "", "x", unit) for at, unit in enumerate(units)]
    deciding, testing = halve(rows, policy, 1)
    assert [row.id for row in testing] == [str(at) for at in np.flatnonzero(mask)]
    assert not {row.unit for row in deciding} & {row.unit for row in testing}
    chosen = one_a_unit(units, 1).tolist()
    assert [units[at] for at in chosen] == [f"u{number}" for number in range(120)]
    assert len({at % 3 for at in chosen}) == 3


def test_a_task_that_asks_for_no_promise_gets_the_default_and_says_so(tmp_path: Path, unpacked: None) -> None:
    told = train(classify_task(tmp_path), only=["ngrams"], quiet=True).record["promise"]
    assert (told["target"], told["asked"]) == (0.95, "default")


def test_the_share_of_wrong_fields_is_of_those_that_truth_or_answer_fill() -> None:
    truth = Truth({"a": "1", "b": ["x", "y"], "c": None})
    assert wrong_share({"a": "1", "b": ["y", "x"]}, truth) == 0.0
    assert wrong_share({"a": "2", "b": ["x", "y"]}, truth) == 0.5
    assert wrong_share({"a": "1", "b": ["x"], "c": "z"}, truth) == pytest.approx(2 / 3)
    assert wrong_share(None, truth) == 1.0 and wrong_share({}, Truth({"a": None})) == 0.0
    assert wrong_share({"a": "A", "b": "no"}, Truth({}, {"a": ["a", "A"], "d": ["q"]})) == 0.5


def test_extraction_is_promised_by_its_fields_out_of_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jangin.pack_written._parity", lambda shop, candidate, folder: {})
    folder = orders.task(tmp_path / "task", rows=160, more=PROMISE)
    climbed = train(folder, only=["spans-ngrams"], quiet=True)
    trust = trust_of(climbed.specialist)
    assert (trust.evidence.rows, trust.evidence.of) == ("out of fold", "share of fields")
    assert trust.threshold.n == 96 and len(trust.evidence.validation) == 143 - 96
    assert trust.threshold.threshold is not None and trust.local_share > 0.9
    assert "of the fields of an answer given locally, on average at least 90% are right" in trust.threshold.message
    assert climbed.record["promise"]["local_share"] == trust.local_share


def test_what_is_written_is_promised_by_a_calibration_file_that_the_engine_answers(
    tmp_path: Path, tiny_decoder: Any
) -> None:
    """An untrained base: every answer is wrong, and the promise says that none may be given here."""
    folder = written_tasks.extract_task(tmp_path / "task", gold=False, metric=PROMISE)
    write(folder / "calibration.jsonl", written_tasks.goods(120, 5))
    task = (folder / "task.yaml").read_text("utf-8").replace("test:", "calibration: calibration.jsonl, test:")
    (folder / "task.yaml").write_text(task, "utf-8")
    made = written_tasks.specialist(folder, tiny_decoder)
    shop = WritingShop(load_task(folder), 0, tmp_path / "work", True)
    candidate: Any = SimpleNamespace(spec=bundle.read_manifest(made).decoder, encoder=None)
    judged: Any = SimpleNamespace(rows={"answers": [{"confidence": each} for each in (0.9, 0.5, None, 0.1)]})
    told = trust_written(shop, candidate, judged, made)
    trust = trust_of(made)
    assert told == trust.told() and (told["rows"], told["of"], told["n"]) == ("held out", "share of fields", 60)
    assert trust.evidence.validation == [0.9, 0.5, 0.1] and trust.threshold.threshold is None
    assert all(each == -1 or 0 < each <= 1 for each in trust.evidence.confidence) and max(trust.evidence.confidence) > 0
    assert np.mean(trust.evidence.loss) > 0.3
    with closing(load_writer(made)) as writer:
        (again,) = writer.write([shop.spared[0].input], confidence=True)
    assert trust.evidence.confidence[0] == pytest.approx(again.confidence, rel=1e-3)
    marks: Any = SimpleNamespace(task=msgspec.structs.replace(shop.task, metric="chrf"))
    assert trust_written(marks, candidate, judged, made)["message"].startswith("no promise: chrf gives marks")


def test_a_decoder_s_tenth_is_halved_and_no_unit_stands_in_two_parts(tmp_path: Path) -> None:
    folder = orders.task(tmp_path / "task", rows=1_500, more=PROMISE)
    shop = WritingShop(load_task(folder), 0, tmp_path / "work", True)
    parts = shop.apart()
    assert len(parts.held_out) == len(parts.proof) == 65
    assert sorted(row.id for part in parts for row in part) == sorted(row.id for row in shop.splits.train)
    small = WritingShop(load_task(orders.task(tmp_path / "small", rows=300, more=PROMISE)), 0, tmp_path / "work", True)
    assert not small.apart().proof and len(small.apart().held_out) == 27


def test_settle_draws_another_threshold_and_changes_nothing_else(
    tmp_path: Path, unpacked: None, capsys: pytest.CaptureFixture[str]
) -> None:
    out = train(classify_task(tmp_path, extra=PROMISE, hard=0.0), only=["ngrams"], quiet=True).specialist
    others = {path.name: path.read_bytes() for path in out.iterdir() if path.name not in (TRUST, TERMS)}
    before = trust_of(out)
    assert main(["settle", str(out), "--target", "0.8", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    after = trust_of(out)
    assert told == {"specialist": str(out), **after.told()} and after.asked == "settle"
    assert (told["target"], told["confidence"]) == (0.8, 0.95)
    assert after.evidence == before.evidence and after.local_share >= before.local_share > 0
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.name not in (TRUST, TERMS)} == others
    terms = read_terms(out)
    assert (terms.policy.target, terms.policy.confidence) == (0.8, 0.95) and terms.instruction
    assert read_promise(out, after.specialist, terms.policy, None, b"") is not None  # a server takes it
    (out / TRUST).write_bytes(msgspec.json.encode(before))
    assert main(["settle", str(out)]) == 0 and trust_of(out).threshold.target == 0.8  # what the policy says
    assert main(["settle", str(out), "--target", "0.99", "--confidence", "0.99"]) == 1
    assert (
        "no threshold could be tested: calibration has 108 rows and at least 917 are needed" in capsys.readouterr().out
    )
    assert trust_of(out).threshold.threshold is None


@pytest.mark.parametrize("target", ["1", "0.5", "97", "most"])
def test_settle_refuses_a_target_that_is_no_share(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["settle", "x", "--target", target])
    assert caught.value.code == 2
    assert f"'{target}' is not a share above 0.5 and below 1: write 0.97, say" in capsys.readouterr().err


def test_settle_needs_the_evidence_of_this_very_specialist(
    tmp_path: Path, unpacked: None, capsys: pytest.CaptureFixture[str]
) -> None:
    out = train(classify_task(tmp_path, extra=PROMISE, hard=0.0), only=["ngrams"], quiet=True).specialist
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "params": 1}))
    whole = (out / TRUST).read_bytes()
    assert main(["settle", str(out), "--target", "0.8"]) == 2
    assert "was gathered for another specialist than the one that lies there" in capsys.readouterr().err
    assert (out / TRUST).read_bytes() == whole
    (out / TRUST).unlink()
    assert main(["settle", str(out), "--target", "0.8"]) == 2
    assert f"{TRUST}, the evidence that a threshold is drawn from, is missing" in capsys.readouterr().err
