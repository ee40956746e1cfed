"""What this machine has: cores, memory that is free, arithmetic speed (measured, not looked up), a GPU or none."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path

import msgspec

_CGROUP = Path("/sys/fs/cgroup")


class Machine(msgspec.Struct, frozen=True):
    """`memory_mb` is what is available now, None where the system does not say. `gflops` is the speed of a float32
    matrix product on all usable cores. `gpu_memory_mb` is the free memory of the largest GPU, None without one. `half`
    is whether the processor multiplies bfloat16 in hardware."""

    cores: int
    memory_mb: int | None
    gflops: float
    gpu_memory_mb: int | None = None
    half: bool = False


@cache
def this_machine() -> Machine:
    """Looks once per process; takes about 0.1 s, most of it the matrix product."""
    return Machine(available_cores(), memory_mb(), _gflops(), _gpu_memory_mb(), _half())


def available_cores() -> int:
    """Cores that this process may use, a container's share included."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _read(_CGROUP / "cpu.max").split()  # a container's share: "200000 100000" is two cores
    if len(quota) == 2 and quota[0].isdigit():
        usable = min(usable, max(1, int(quota[0]) // int(quota[1])))
    return usable


def memory_mb() -> int | None:
    system = platform.system()
    if system == "Linux":
        fields = dict(line.split(":", 1) for line in _read(Path("/proc/meminfo")).splitlines() if ":" in line)
        available = int(fields["MemAvailable"].split()[0]) // 1024 if "MemAvailable" in fields else None
        container = _container_memory_mb()
        return min(m for m in (available, container) if m is not None) if available or container else None
    if system == "Darwin":
        total = _run("sysctl", "-n", "hw.memsize")
        return int(total) * 6 // 10 // 2**20 if total.isdigit() else None  # the rest is the system's and the user's
    return None


def _container_memory_mb() -> int | None:
    """What a control group (a container, a systemd slice) leaves, its reclaimable file cache counted as free."""
    limit, used = _read(_CGROUP / "memory.max").strip(), _read(_CGROUP / "memory.current").strip()
    if not (limit.isdigit() and used.isdigit()):
        return None
    stat = dict(line.split() for line in _read(_CGROUP / "memory.stat").splitlines())
    return max(0, int(limit) - int(used) + int(stat.get("inactive_file", 0))) // 2**20


def _gflops() -> float:
    """Best of five products of 1024 x 1024 matrices: 2 n^3 operations each."""
    import numpy as np

    n = 1024
    left = np.ones((n, n), dtype=np.float32)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        left @ left
        seconds.append(time.perf_counter() - started)
    return round(2 * n**3 / min(seconds) / 1e9, 1)


def _half() -> bool:
    """As torch finds it: AVX-512 BF16, which every processor with AMX has too."""
    return "avx512_bf16" in _read(Path("/proc/cpuinfo")).split()


def _gpu_memory_mb() -> int | None:
    if shutil.which("nvidia-smi") is None:
        return None
    free = _run("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits").split()
    return max((int(mib) for mib in free if mib.isdigit()), default=None)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _run(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
