"""Libraries that report their use to somebody else are silent in every process of Jangin's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bundles import encoder_bundle

SESSION = """
import sys, time
{first}
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1])
time.sleep(0.2)
"""


def written(folder: Path, graph: Path, first: str) -> list[str]:
    """What a process that opens a session leaves in its home: ONNX Runtime's telemetry keeps an identifier there."""
    folder.mkdir()
    own = {"HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SESSION.format(first=first), str(graph)]
    subprocess.run(command, check=True, env={"PATH": os.environ.get("PATH", ""), **own})
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_onnx_runtime_makes_no_identifier_of_this_machine(tmp_path: Path) -> None:
    model = encoder_bundle(tmp_path / "tiny") / "encoder.onnx"
    assert written(tmp_path / "ours", model, "import jangin") == []


def test_a_process_that_was_told_otherwise_is_silent_too() -> None:
    names = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    code = f"import jangin, os; print(*(os.environ[name] for name in {names}))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **dict.fromkeys(names, "0")}, capture_output=True, check=True
    )
    assert done.stdout.split() == [b"1"] * 3
