"""`--verify`, `--rerun` and replay: a certificate that was touched is found out, one that was not holds."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import msgspec
import pytest

import certified
from jangin import cli
from jangin.data.load import hash_rows, load_splits, split_hashes
from jangin.errors import BundleError, CertificateError
from jangin.evals import certificate as files
from jangin.evals.certify import certify
from jangin.evals.register import Register
from jangin.files import hash_json
from jangin.task import load_task

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
        "recomputed the arithmetic and its sentences from the recorded answers, wrote both pages again, and checked "
        "the hashes of certificate, answers and bundle, and those of task and test against the manifest; the test was "
        "not read and the model not asked again (--rerun does both). Recorded and not checked: timings, costs, "
        "energy, calibration, exposure, leaks, parity, licences, versions, description, the date, the count of looks, "
        "and what is told of the reference"
    )


def test_a_changed_certificate_is_found_by_its_id(desk):
    certify(desk, today=TODAY)
    change(desk, lambda document: document.update(date="2027-01-01"), identify=False)
    found = files.verify(desk)
    assert found.differs == [
        "id: the certificate was changed after it was written",
        "renew_by: not 180 days after the date",
    ]
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
    assert found.did.startswith("did all that --verify does, opened the sealed test, compared every truth and unit, ")


def test_rerun_finds_answers_that_the_model_does_not_give(desk):
    certify(desk, today=TODAY)
    path = desk / "answers.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows[5]["answer"] = certified.LABELS[(certified.LABELS.index(rows[5]["answer"]) + 1) % 3]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    assert "answers: 1 of 120 differ (first: 'r2-5')" in files.rerun(desk).differs


def test_rerun_finds_a_test_that_changed(desk):
    certify(desk, today=TODAY)
    path = desk.parent / "test.jsonl"
    lines = path.read_text("utf-8").splitlines()
    row = json.loads(lines[0])
    row["output"] = certified.LABELS[1] if row["output"] != certified.LABELS[1] else certified.LABELS[0]
    path.write_text("\n".join([json.dumps(row), *lines[1:]]), "utf-8")
    assert files.rerun(desk).differs == [
        "test: its rows are not the certified ones",
        "gold: 1 of 120 differ (first: 'r2-0')",
    ]


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
        "verb.answering.answers = lambda *rest: os.kill(os.getpid(), signal.SIGKILL); verb.certify(sys.argv[1])"
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


def forge_all_right(desk: Path) -> None:
    """Every truth set to the answer, and everything that follows from it computed again."""
    from jangin.evals import render, wording
    from jangin.evals.arithmetic import arithmetic
    from jangin.evals.register import Look

    old = files.read(desk)
    answers = [msgspec.structs.replace(row, gold=row.answer) for row in files.read_answers(desk)]
    content = files.answers_file(answers)
    sums = arithmetic(old.claim, 1, "classify", old.specialist["labels"], None, answers)
    look = Look(1, old.claim, old.look["registered"])
    said = {
        "sentence": wording.sentence("desk", sums["result"], None, old.claim),
        "not_said": wording.not_said(old.exposure, sums["result"], look, None, copies=2, trained={}),
        "hashes": {**old.hashes, "answers": hashlib.sha256(content).hexdigest()},
    }
    forged = files.identified(msgspec.structs.replace(old, **sums, **said))
    (desk / "answers.jsonl").write_bytes(content)
    (desk / "certificate.json").write_text(files.to_json(forged), "utf-8")
    (desk / "certificate.md").write_text(render.markdown(forged), "utf-8")
    (desk / "certificate.html").write_text(render.html(forged, answers), "utf-8")


def test_rerun_finds_truths_that_the_test_does_not_hold(desk):
    certify(desk, today=TODAY)
    wrong = sum(row.gold != row.answer for row in files.read_answers(desk))
    forge_all_right(desk)
    assert files.verify(desk).valid  # nothing but the test can tell
    found = files.rerun(desk)
    assert not found.valid
    assert len(found.differs) == 1
    assert found.differs[0].startswith(f"gold: {wrong} of 120 differ (first: '")


def test_rerun_finds_what_verify_finds(desk):
    certify(desk, today=TODAY)
    change(desk, lambda document: document["result"].update(score=0.999))
    assert files.rerun(desk).differs == files.verify(desk).differs != []


def test_rerun_finds_a_bar_that_the_task_does_not_set(desk):
    certify(desk, today=TODAY)
    change(desk, lambda document: document["claim"].update(at_least=0.1))
    assert "claim: not what the task's bar and the reference give" in files.rerun(desk).differs


def test_rerun_agrees_with_a_recorded_reference_and_finds_its_answers_changed(desk):
    rows = [{"id": row["id"], "output": row["output"]} for row in certified.rows(120, 2)]
    path = desk.parent / "gpt.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    certify(desk, reference="gpt.jsonl", today=TODAY)
    assert files.rerun(desk).differs == []
    rows[3]["output"] = None
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert files.rerun(desk).differs == [
        "claim: not what the task's bar and the reference give",
        "reference's answers: 1 of 120 differ (first: 'r2-3')",
    ]


def record_data(desk: Path) -> None:
    """Writes the hashes of the task's data into the manifest, as `jangin train` does."""
    task = load_task(desk.parent)
    document = json.loads((desk / "manifest.json").read_text("utf-8"))
    document["lineage"]["data"] = {
        "train": hash_rows(load_splits(task).train),
        "test": split_hashes(task)["test"],
    }
    (desk / "manifest.json").write_text(json.dumps(document), "utf-8")


@pytest.mark.parametrize(("name", "how"), [("test", "against"), ("train", "on")])
def test_data_changed_after_training_are_refused_before_a_look_is_registered(desk, name, how):
    record_data(desk)
    path = desk.parent / f"{name}.jsonl"
    path.write_text("\n".join(path.read_text("utf-8").splitlines()[:-20]), "utf-8")
    with pytest.raises(BundleError) as caught:
        certify(desk, today=TODAY)
    assert caught.value.message.startswith(f"the {name} is not the one that this specialist was trained {how}: sha256 ")
    assert caught.value.message.endswith(" in the manifest")
    assert caught.value.hint == "jangin train TASK again, or bring the data back as they were"
    assert not (desk.parent / ".jangin").exists()


def test_data_as_they_were_are_certified_and_verify_compares_their_hash(desk):
    record_data(desk)
    found = certify(desk, today=TODAY)
    assert files.rerun(desk).differs == []
    assert not any("does not record its data" in said for said in found.not_said)
    change(desk, lambda document: document["hashes"].update(test="0" * 64, task="0" * 64))
    assert files.verify(desk).differs == [
        "hashes.task: not what manifest.json says",
        "hashes.test: not what manifest.json says",
    ]


def test_a_bundle_that_records_no_data_is_certified_with_a_word_about_it(desk):
    found = certify(desk, today=TODAY)
    assert any(said.startswith("The bundle does not record its data, ") for said in found.not_said)


@pytest.mark.parametrize("name", ["certificate.md", "certificate.html"])
def test_a_page_that_was_changed_or_lost_is_found(desk, name):
    certify(desk, today=TODAY)
    path = desk / name
    path.write_text(path.read_text("utf-8").replace("0.9", "1.0"), "utf-8")
    assert files.verify(desk).differs == [f"{name}: not what certificate.json gives"]
    path.unlink()
    assert files.verify(desk).differs == [f"{name}: cannot be read"]


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"sentence": "Superior."}, "sentence: not what the recorded answers give"),
        ({"not_said": []}, "not_said: not what the certificate's own figures give"),
        ({"renew_by": "2099-01-01"}, "renew_by: not 180 days after the date"),
    ],
)
def test_forged_words_are_found(desk, edit, told):
    certify(desk, today=TODAY)
    change(desk, lambda document: document.update(edit))
    assert files.verify(desk).differs == [told]


def test_a_look_registered_in_one_place_only_is_told_on_the_page_and_by_the_verb(desk, home, capsys):
    (desk.parent / ".jangin").write_text("a file where the folder would be", "utf-8")
    assert cli.main(["certify", str(desk)]) == 0
    assert "warning: this look could be registered in one place only (" in capsys.readouterr().err
    found = files.read(desk)
    assert found.look["copies"] == 1
    assert "This look could be registered in one place only: deleting one file forgets it." in found.not_said
    assert files.verify(desk).valid


def test_an_earlier_certificate_is_kept_under_its_id(desk):
    first = certify(desk, today=TODAY)
    second = certify(desk, reference="gpt-4/banking77-rag20", today=TODAY)
    assert files.read(desk) == second
    assert files.read(desk / f"certificate-{first.id[:8]}.json") == first
    assert [path.name for path in desk.glob("certificate-*")] == [f"certificate-{first.id[:8]}.json"]
