"""The bench of the labelled set: two halves that stay what they are, and what it lists of either."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
BENCH, SET = ROOT / "bench" / "pii.py", ROOT / "bench" / "pii_set" / "pii-sentences.jsonl"


def rows() -> list[dict]:
    return [json.loads(line) for line in SET.read_text("utf-8").splitlines()]


def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_pii", BENCH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_halves_are_equal_in_each_language_and_do_not_depend_on_the_order_of_the_rows() -> None:
    half = bench().halves(rows())
    assert half == bench().halves(rows()[::-1])
    for language, size in (("en", 188), ("ko", 190)):
        mine = [half[row["id"]] for row in rows() if row["language"] == language]
        assert mine.count("dev") == mine.count("held-out") == size
    assert [half[each] for each in ("en-001", "en-002", "ko-001", "ko-002")] == ["held-out", "dev", "dev", "held-out"]


def test_misses_are_listed_of_both_halves_and_only_when_asked(tmp_path: Path) -> None:
    lines = [
        {"id": f"x-{number}", "text": f"Nothing of row {number} is found", "language": "en",
         "spans": [{"start": 0, "end": 7, "entity": "PERSON"}]}
        for number in range(6)
    ]  # fmt: skip
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert sorted(bench().halves(lines).values()) == ["dev"] * 3 + ["held-out"] * 3
    command = [sys.executable, str(BENCH), str(file), "--no-presidio"]
    quiet = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Nothing of row" not in quiet
    shown = subprocess.run([*command, "--half", "held-out", "--verbose"], capture_output=True, text=True, check=True)
    half = bench().halves(lines)
    for line in lines:
        assert (line["text"] in shown.stdout) == (half[line["id"]] == "held-out")


def test_the_kept_result_holds_the_first_run_beside_the_present_one() -> None:
    kept = json.loads((ROOT / "docs" / "results" / "pii.json").read_text("utf-8"))
    first, now = kept["first run, before any mending"], kept["now"]
    assert first["file_sha256"] == now["file_sha256"] == (SET.parent / "SHA256").read_text().split()[0]
    assert first["halves"]["all"]["entities"]["all"]["(all but PERSON)"]["recall"]["share"] == 0.8959
