"""The bench of the labelled set: two halves that stay what they are, and the held-out one never shown."""

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


def test_the_held_out_half_is_counted_and_never_shown(tmp_path: Path) -> None:
    lines = [
        {"id": f"x-{number}", "text": f"Nothing of row {number} is found", "language": "en",
         "spans": [{"start": 0, "end": 7, "entity": "PERSON"}]}
        for number in range(6)
    ]  # fmt: skip
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    command = [sys.executable, str(BENCH), str(file), "--verbose", "--no-presidio"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    half = bench().halves(lines)
    assert sorted(half.values()) == ["dev"] * 3 + ["held-out"] * 3
    for line in lines:
        assert (line["text"] in shown) == (half[line["id"]] == "dev")


def test_the_kept_result_holds_the_first_run_beside_the_present_one() -> None:
    kept = json.loads((ROOT / "docs" / "results" / "pii.json").read_text("utf-8"))
    first, now = kept["first run, before any mending"], kept["now"]
    assert first["file_sha256"] == now["file_sha256"] == (SET.parent / "SHA256").read_text().split()[0]
    assert first["halves"]["all"]["entities"]["all"]["(all but PERSON)"]["recall"]["share"] == 0.8959
