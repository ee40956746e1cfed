"""`--verify`, `--rerun` and replay: a certificate that was touched is found out, one that was not holds."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

import certified
from jangin.errors import CertificateError
from jangin.evals import certificate as files
from jangin.evals.certify import certify
from jangin.evals.register import Register
from jangin.files import hash_json

TODAY = date(2026, 11, 23)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("JANGIN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def desk(tmp_path):
    return certified.make(tmp_path / "task")


def change(desk: Path, edit, identify: bool = True) -> None:
    """Edits certificate.json as a forger would; with `identify` the id is made to fit again."""
    path = desk / "certificate.json"
    document = json.loads(path.read_text("utf-8"))
    edit(document)
    if identify:
        document["id"] = hash_json({key: value for key, value in document.items() if key != "id"})
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")


def test_an_untouched_certificate_verifies_and_says_what_that_means(desk):
    certify(desk, today=TODAY)
    found = files.verify(desk / "certificate.json")
    assert (found.valid, found.differs, found.exit_code) == (True, [], 0)
    assert found.did == (
        "recomputed the arithmetic from the recorded answers and checked the hashes of certificate, answers and "
        "bundle; the test was not read and the model not asked again (--rerun does both), and timings, costs, "
        "energy and calibration are recorded figures"
    )


def test_a_changed_certificate_is_found_by_its_id(desk):
    certify(desk, today=TODAY)
    change(desk, lambda document: document.update(date="2027-01-01"), identify=False)
    found = files.verify(desk)
    assert found.differs == ["id: the certificate was changed after it was written"]
    assert found.exit_code == 1


def test_a_forged_score_with_a_fitting_id_is_found_by_the_arithmetic(desk):
    certify(desk, today=TODAY)
    change(desk, lambda document: document["result"].update(score=0.999))
    found = files.verify(desk)
    assert len(found.differs) == 1
    assert found.differs[0].startswith("result.score: recorded 0.999, recomputed 0.9")


def test_a_forged_look_is_found_by_the_arithmetic(desk):
    certify(desk, today=TODAY)
    change(desk, lambda document: document["look"].update(number=3))
    assert files.verify(desk).differs == ["look.number: 3 of 1 looks"]
    change(desk, lambda document: document.update(looks=3))
    assert any(each.startswith("result.alpha: ") for each in files.verify(desk).differs)


def test_a_changed_answer_is_found_by_hash_and_by_arithmetic(desk):
    certify(desk, today=TODAY)
    path = desk / "answers.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    wrong = next(row for row in rows if row["answer"] != row["gold"])
    wrong["answer"] = wrong["gold"]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    found = files.verify(desk)
    assert found.differs[0] == "answers.jsonl: sha256 is not the recorded one"
    assert any(each.startswith("result.score: ") for each in found.differs)


def test_one_byte_of_the_weights_changed_is_found(desk):
    certify(desk, today=TODAY)
    path = desk / "head.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found = files.verify(desk)
    assert not found.valid
    assert found.differs[0].startswith("bundle: bundle 'desk': head.safetensors has sha256 ")


def test_no_damage_to_a_certificate_passes_or_breaks_the_check(desk):
    certify(desk, today=TODAY)
    path = desk / "certificate.json"
    whole = path.read_bytes()
    rng = random.Random(0)
    for _ in range(60):
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(7)
        path.write_bytes(content)
        try:
            found = files.verify(desk)
        except CertificateError:
            continue
        if found.valid:
            assert json.loads(content) == json.loads(whole)  # white space for white space


@pytest.mark.parametrize("part", ["specialist", "task", "look", "hashes"])
def test_a_certificate_without_a_needed_part_is_refused(desk, part):
    certify(desk, today=TODAY)
    change(desk, lambda document: document.update({part: {}}))
    with pytest.raises(CertificateError, match=f"not a certificate: no {part}\\."):
        files.verify(desk)


@pytest.mark.parametrize(
    ("part", "forged"),
    [
        *(("specialist", {"labels": 3}), ("specialist", {"kind": "tag"}), ("specialist", {"labels": ["a"]})),
        *(
            ("look", {"number": "1"}),
            ("look", {"number": 10**6}),
            ("claim", {"confidence": 7.0}),
            ("claim", {"metric": "x"}),
        ),
        *(("claim", {"reference": {}}), ("claim", {"specialist": "other"}), ("hashes", {"answers": 1})),
    ],
)
def test_forged_parts_are_told_and_never_break_the_check(desk, part, forged):
    certify(desk, today=TODAY)
    change(desk, lambda document: document[part].update(forged))
    assert not files.verify(desk).valid


def test_missing_answers_are_told(desk):
    certify(desk, today=TODAY)
    (desk / "answers.jsonl").unlink()
    assert files.verify(desk).differs == ["answers.jsonl: cannot be read"]


def test_a_file_that_is_no_certificate_is_refused(desk):
    (desk / "certificate.json").write_text("{}", "utf-8")
    with pytest.raises(CertificateError) as caught:
        files.verify(desk)
    assert caught.value.hint == "jangin certify writes one"
    assert "not a certificate: Object missing required field" in caught.value.message


def test_rerun_predicts_again_and_agrees(desk):
    certify(desk, today=TODAY)
    found = files.rerun(desk / "certificate.json")
    assert (found.valid, found.differs) == (True, [])
    assert found.did == "predicted the sealed test again with the bundle in this folder and compared every answer"


def test_rerun_finds_answers_that_the_model_does_not_give(desk):
    certify(desk, today=TODAY)
    path = desk / "answers.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows[5]["answer"] = certified.LABELS[(certified.LABELS.index(rows[5]["answer"]) + 1) % 3]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    assert files.rerun(desk).differs == ["answers: 1 of 120 differ (first: 'r2-5')"]


def test_rerun_finds_a_test_that_changed(desk):
    certify(desk, today=TODAY)
    path = desk.parent / "test.jsonl"
    lines = path.read_text("utf-8").splitlines()
    row = json.loads(lines[0])
    row["output"] = certified.LABELS[1] if row["output"] != certified.LABELS[1] else certified.LABELS[0]
    path.write_text("\n".join([json.dumps(row), *lines[1:]]), "utf-8")
    assert files.rerun(desk).differs == ["test: its rows are not the certified ones"]


def test_rerun_and_verify_are_no_looks(desk):
    found = certify(desk, today=TODAY)
    files.rerun(desk)
    files.verify(desk)
    assert len(Register(desk.parent, found.hashes["test"]).looks()) == 1


def test_repeating_a_claim_replays_the_stored_certificate(desk):
    first = certify(desk, today=TODAY)
    again = certify(desk, today=date(2027, 3, 1))
    assert again == first
    assert again.looks == 1


def test_a_repeated_claim_whose_files_are_gone_is_computed_at_the_same_look(desk):
    first = certify(desk, today=TODAY)
    for name in ("certificate.json", "answers.jsonl"):
        (desk / name).unlink()
    again = certify(desk, today=date(2027, 3, 1))
    assert again.renew_by == first.renew_by
    assert again.result == first.result
    assert (again.look["number"], again.looks) == (1, 1)
    assert again.look["first_outcome"]["certificate"] == first.id


def test_a_second_claim_pays_for_the_first(desk):
    certify(desk, today=TODAY)
    second = certify(desk, reference="gpt-4/banking77-rag20", today=TODAY)
    assert (second.look["number"], second.looks) == (2, 2)
    assert second.result["alpha"] == 0.0125
    assert second.result["confidence"] == 0.975
    assert any("look 2 tests at a one-sided level of 0.0125" in said for said in second.not_said)


def test_kill_9_after_registering_leaves_the_look_spent_but_the_claim_repeatable(desk):
    script = (
        "import os, signal, sys; from jangin.evals import certify as verb; "
        "verb._answers = lambda *rest: os.kill(os.getpid(), signal.SIGKILL); verb.certify(sys.argv[1])"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(desk)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (desk / "certificate.json").exists()
    book = json.loads((desk.parent / ".jangin" / "register.json").read_text("utf-8"))
    assert [look["outcome"] for looks in book["looks"].values() for look in looks] == [None]
    found = certify(desk, today=TODAY)
    assert (found.look["number"], found.looks) == (1, 1)


def test_with_one_of_the_two_registers_deleted_the_count_holds(desk, home):
    certify(desk, today=TODAY)
    (desk.parent / ".jangin" / "register.json").unlink()
    second = certify(desk, reference="gpt-4/banking77-rag20", today=TODAY)
    assert second.look["number"] == 2
    for path in (home / "registers").iterdir():
        path.unlink()
    third = certify(desk, reference="gpt-4/banking77-1shot", today=TODAY)
    assert third.look["number"] == 3
