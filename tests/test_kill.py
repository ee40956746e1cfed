"""kill -9 and a full disk in the middle of the verbs that write: nothing half written, and the next run goes on.

The same for `predict` and for certificates stands in test_predict.py and test_certify.py, for `serve` in
test_serve_faults.py.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jangin import bundle
from jangin.cli import main
from jangin.task import load_task
from jangin.train.climb import train
from small_tasks import classify_task, messages, write

COMMAND = [sys.executable, "-m", "jangin"]
PACKED = ["head.safetensors", "manifest.json", "record.json", "terms.json", "trust.json"]


def killed_when(seen: Callable[[], bool], *arguments: object, within_s: float = 60) -> bool:
    """Runs a verb and kills it as soon as `seen`; False when it ended before."""
    command = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + within_s
        while process.poll() is None and time.monotonic() < end:
            if seen():
                process.kill()
                return process.wait() == -9
            time.sleep(0.001)
        process.kill()
    return False


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    status = main([*map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_climb_that_was_killed_goes_on_and_ends_in_the_same_specialist(tmp_path: Path) -> None:
    folder = classify_task(tmp_path / "task")
    undisturbed = train(folder, tmp_path / "undisturbed", quiet=True, only=["ngrams"])
    runs = folder / "runs"

    def part() -> Path | None:
        return next(runs.glob(".desk.climb-*/ngrams.safetensors"), None)

    assert killed_when(lambda: part() is not None, "train", folder, "--rungs", "ngrams")
    kept = part()
    assert kept is not None and not (runs / "desk").exists()
    before = kept.stat().st_mtime_ns
    seen: list[int] = []
    resumed = train(folder, quiet=True, only=["ngrams"], say=lambda line: seen.append(kept.stat().st_mtime_ns))
    assert seen == [before]  # read, not computed again
    assert bundle.identity(bundle.verify(resumed.specialist)) == bundle.identity(bundle.verify(undisturbed.specialist))
    assert names(runs) == ["desk"] and names(runs / "desk") == PACKED


def test_a_climb_killed_while_it_packs_leaves_the_old_specialist(tmp_path: Path) -> None:
    folder = classify_task(tmp_path / "task")
    out = train(folder, quiet=True, only=["ngrams"], seed=1).specialist
    before = bundle.identity(bundle.verify(out))
    building = out.with_name(".desk.building")
    assert killed_when(lambda: (building / "manifest.json").exists(), "train", folder, "--rungs", "ngrams")
    assert bundle.identity(bundle.verify(out)) == before and building.exists()
    train(folder, quiet=True, only=["ngrams"])
    assert bundle.identity(bundle.verify(out)) != before and names(out.parent) == ["desk"]


def test_a_look_that_was_registered_when_certify_was_killed_is_taken_up_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = classify_task(tmp_path / "task")
    specialist = train(folder, quiet=True, only=["ngrams"]).specialist
    register = folder / ".jangin" / "register.json"
    assert killed_when(register.exists, "certify", specialist)
    (looks,) = json.loads(register.read_text())["looks"].values()
    assert [look["k"] for look in looks] == [1] and looks[0].get("outcome") is None
    assert not (specialist / "certificate.json").exists()
    status, found = run(capsys, "certify", specialist)
    assert status == 0 and found["looks"] == 1
    assert json.loads((specialist / "certificate.json").read_text())["look"]["number"] == 1


def test_a_mended_copy_is_whole_or_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, fixed = classify_task(tmp_path / "task", rows=3_000), tmp_path / "fixed"
    killed_when(lambda: any(tmp_path.glob(".fixed.*.tmp/*.jsonl")), "check", folder, "--fix", fixed)
    whole = ["report.json", "report.md", "task.yaml", "test.jsonl", "train.jsonl"]
    assert names(fixed) in ([], whole)
    if not fixed.exists():
        assert run(capsys, "check", folder, "--fix", fixed)[0] == 0
    assert names(fixed) == whole and names(folder) == ["task.yaml", "test.jsonl", "train.jsonl"]


@pytest.mark.parametrize("after_s", [0.1, 0.25, 0.4])
def test_a_task_file_is_whole_or_not_there(tmp_path: Path, after_s: float, capsys: pytest.CaptureFixture[str]) -> None:
    data = write(tmp_path / "data.jsonl", messages(300, 1))
    end = time.monotonic() + after_s
    killed_when(lambda: time.monotonic() > end, "init", data, "-o", tmp_path / "task")
    path = tmp_path / "task" / "task.yaml"
    if not path.exists():
        assert run(capsys, "init", data, "-o", tmp_path / "task") == (0, {"task": str(path)})
    assert load_task(path).kind == "classify"


def on_a_full_disk(room_bytes: int, home: Path, *arguments: object) -> tuple[int, Any]:
    """Runs a verb that may not write a file beyond `room_bytes`."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, room_bytes))

    done = subprocess.run(
        [*COMMAND, *map(str, arguments), "--json"],
        preexec_fn=limit,
        capture_output=True,
        env={**os.environ, "JANGIN_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


def full(path: Path) -> dict[str, Any]:
    return {
        "error": {
            "code": "storage",
            "message": f"{path}: the disk is full (File too large)",
            "hint": "free some space and run the command again",
            "retryable": False,
        }
    }


def test_a_full_disk_stops_init_with_nothing_half_written(tmp_path: Path) -> None:
    data = write(tmp_path / "data.jsonl", messages(30, 1))
    found = on_a_full_disk(100, tmp_path / "home", "init", data, "-o", tmp_path / "task")
    assert found == (2, full(tmp_path / "task" / "task.yaml"))
    assert names(tmp_path / "task") == []


def test_a_full_disk_stops_a_mended_copy_with_nothing_half_written(tmp_path: Path) -> None:
    folder = classify_task(tmp_path / "task")
    found = on_a_full_disk(3_000, tmp_path / "home", "check", folder, "--fix", tmp_path / "fixed")
    assert found == (2, full(tmp_path / "fixed"))
    assert names(tmp_path) == ["task"]


def test_a_full_disk_stops_a_climb_which_goes_on_when_there_is_room(tmp_path: Path) -> None:
    folder = classify_task(tmp_path / "task")
    status, found = on_a_full_disk(10_000, tmp_path / "home", "train", folder, "--rungs", "ngrams")
    (work,) = (folder / "runs").iterdir()
    assert (status, found) == (2, full(work / "ngrams.safetensors")) and names(work) == []
    train(folder, quiet=True, only=["ngrams"])
    assert names(folder / "runs") == ["desk"]


def test_a_full_disk_keeps_the_old_specialist_whole(tmp_path: Path) -> None:
    folder = classify_task(tmp_path / "task")
    out = train(folder, quiet=True, only=["ngrams"], seed=1).specialist
    before = bundle.identity(bundle.verify(out))
    assert killed_when(
        lambda: any(out.parent.glob(".desk.climb-*/ngrams.safetensors")), "train", folder, "--rungs", "ngrams"
    )
    status, found = on_a_full_disk(10_000, tmp_path / "home", "train", folder, "--rungs", "ngrams")
    assert status == 2 and found["error"]["message"].endswith("the disk is full (File too large)")
    assert bundle.identity(bundle.verify(out)) == before
    assert [name for name in names(out.parent) if "climb" not in name] == ["desk"]


def test_a_look_that_cannot_be_registered_leaves_the_test_sealed(tmp_path: Path) -> None:
    folder = classify_task(tmp_path / "task")
    specialist = train(folder, quiet=True, only=["ngrams"]).specialist
    status, found = on_a_full_disk(10, tmp_path / "home", "certify", specialist)
    assert status == 2 and found["error"]["code"] == "storage"
    assert found["error"]["message"].startswith("the look cannot be registered, so the test stays sealed: ")
    assert names(specialist) == PACKED
    assert not (folder / ".jangin" / "register.json").exists()
