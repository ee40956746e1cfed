"""What the process that hosts llama.cpp is set to, as the C libraries themselves tell it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tiny_gguf as tiny
from jangin.models import host
from writers import base, writer

pytestmark = pytest.mark.skipif(host._glibc() is None, reason="not GNU's C library")


def run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_"))}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**inherited, **environment})


OPENED = """
import os, sys
from pathlib import Path
from jangin.models.decoder import Decoder
with Decoder(Path(sys.argv[1]), context=256, threads=1) as decoder:
    decoder.generate(["x"], 1)
print(os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(("given", "read"), [({}, str(host.SPINS)), ({"GOMP_SPINCOUNT": "77"}, "77")])
def test_threads_of_the_engine_wait_briefly_unless_the_user_says_otherwise(
    tmp_path: Path, given: dict[str, str], read: str
) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    base = tiny.write(tmp_path / "base.gguf", tiny.weights())
    found = run(OPENED, str(base), OMP_DISPLAY_ENV="verbose", **given)
    assert found.returncode == 0, found.stderr
    assert f"GOMP_SPINCOUNT = '{read}'" in found.stderr
    assert found.stdout == f"{given.get('GOMP_SPINCOUNT')}\n"  # what is started from here decides for itself


BLOCKS = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
libc.free(libc.malloc(24 << 20))  # raises the limit for what is mapped by itself, left alone
before = resident()
blocks = [libc.malloc(8 << 20) for _ in range(8)]
for block in blocks:
    ctypes.memset(block, 1, 8 << 20)
for block in blocks[:-1]:  # the last one stays and would hold the heap below it
    libc.free(block)
print((resident() - before) >> 20)
"""
ENGINE = """
import sys
from jangin.serve.engine import Engine
from jangin.serve.frames import Load
Engine(lambda report: None).load(Load(1, 1, sys.argv[1], None))
"""


def test_in_an_engine_with_a_decoder_a_large_block_goes_back_also_from_below_one_that_stays(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    folder = writer(tmp_path / "one", base(tmp_path), "one", seed=1)
    left = run(BLOCKS)
    apart = run(
        ENGINE + BLOCKS + "import os; os._exit(0)", str(folder), JANGIN_HOME=str(tmp_path), PYTHONUNBUFFERED="1"
    )
    assert int(left.stdout) > 40, "without the setting they stay, or nothing is shown"
    assert int(apart.stdout) < 16, apart.stderr
