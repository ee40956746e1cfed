"""The register of looks: written before the test is opened, kept twice, the larger count holds."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jangin.errors import CertificateError, StorageError
from jangin.evals.register import Claim, Register

TEST = "ab" * 32


def claim(specialist: str = "s1", at_least: float = 0.9) -> Claim:
    return Claim(
        specialist=specialist, metric="accuracy", reference=None, margin=0.0, at_least=at_least, confidence=0.95
    )


@pytest.fixture
def register(tmp_path) -> Register:
    return Register(tmp_path / "task", TEST, tmp_path / "home")


def test_looks_are_counted_from_one(register):
    assert [register.open(claim(name), "2026-11-23").k for name in ("s1", "s2", "s3")] == [1, 2, 3]


def test_the_same_claim_keeps_its_look(register):
    first = register.open(claim(), "2026-11-23")
    register.open(claim("s2"), "2026-11-23")
    assert register.open(claim(), "2026-12-01") == first
    assert len(register.looks()) == 2


def test_another_bar_is_another_claim(register):
    register.open(claim(), "2026-11-23")
    assert register.open(claim(at_least=0.91), "2026-11-23").k == 2


def test_an_outcome_is_kept_and_replayed(register):
    look = register.open(claim(), "2026-11-23")
    assert look.outcome is None
    register.close(look, {"verdict": "superior", "score": 0.95})
    assert register.open(claim(), "2026-11-24").outcome == {"verdict": "superior", "score": 0.95}


def test_both_copies_hold_every_look(register, tmp_path):
    register.open(claim(), "2026-11-23")
    paths = [tmp_path / "task" / ".jangin" / "register.json", tmp_path / "home" / "registers" / f"{TEST}.json"]
    for path in paths:
        assert [look["k"] for look in json.loads(path.read_text("utf-8"))["looks"][TEST]] == [1]


def test_the_larger_count_holds_when_the_copies_differ(tmp_path):
    here = Register(tmp_path / "task", TEST, tmp_path / "home")
    for name in ("s1", "s2", "s3"):
        here.open(claim(name), "2026-11-23")
    elsewhere = Register(tmp_path / "copy of the task", TEST, tmp_path / "home")
    assert elsewhere.open(claim("s4"), "2026-11-23").k == 4
    assert here.open(claim("s5"), "2026-11-23").k == 5


def test_claims_that_only_one_copy_knows_all_count(tmp_path):
    Register(tmp_path / "task", TEST, tmp_path / "home a").open(claim("s1"), "2026-11-23")
    Register(tmp_path / "other", TEST, tmp_path / "home b").open(claim("s2"), "2026-11-23")
    both = Register(tmp_path / "task", TEST, tmp_path / "home b")
    assert both.open(claim("s3"), "2026-11-23").k == 3


def test_another_test_has_its_own_count(tmp_path):
    Register(tmp_path / "task", TEST, tmp_path / "home").open(claim(), "2026-11-23")
    assert Register(tmp_path / "task", "cd" * 32, tmp_path / "home").open(claim(), "2026-11-23").k == 1
    assert len(Register(tmp_path / "task", TEST, tmp_path / "home").looks()) == 1


def test_a_task_that_cannot_be_written_is_registered_at_home(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    register = Register(blocked, TEST, tmp_path / "home")
    assert register.open(claim(), "2026-11-23").k == 1
    assert len(register.looks()) == 1


def test_where_nothing_can_be_written_the_test_stays_sealed(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StorageError) as caught:
        Register(blocked, TEST, blocked / "home").open(claim(), "2026-11-23")
    assert caught.value.message.startswith("the look cannot be registered, so the test stays sealed: ")
    assert caught.value.hint == "check the path and its permissions"


def test_a_broken_register_is_not_taken_for_an_empty_one(register, tmp_path):
    path: Path = tmp_path / "task" / ".jangin" / "register.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(CertificateError) as caught:
        register.open(claim(), "2026-11-23")
    assert caught.value.message.startswith(f"{path}: not a register of looks: ")
    assert caught.value.hint == "restore it from a backup; deleting it forgets looks"


def test_claims_at_the_same_time_get_different_looks(tmp_path):
    def open_one(number: int) -> int:
        return Register(tmp_path / "task", TEST, tmp_path / "home").open(claim(f"s{number}"), "2026-11-23").k

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(open_one, range(24))) == list(range(1, 25))
