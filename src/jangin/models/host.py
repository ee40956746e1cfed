"""What the process that hosts llama.cpp is set to: how long its threads wait by turning, what it does with memory.

Both are settings of the C libraries below it, GNU's OpenMP and GNU's C library; elsewhere nothing is changed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from functools import cache

# One forward pass has about 2,000 barriers. A thread that waits at one turns 300,000 times (8 ms) before it sleeps,
# unless told otherwise. Alone on the machine that never happens; beside other work, whose time slices are as long, a
# barrier takes a slice. So many turns are some 50 us, more than threads differ by that both run.
SPINS = 2_000
# Larger than a list of logits with its tokens (3.1 MB at 262,144 of them), smaller than what is set aside per adapter.
LARGE_BYTES = 1 << 22
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, from malloc.h


@contextlib.contextmanager
def short_waits() -> Iterator[None]:
    """While it lasts, libgomp, which reads its settings when it is loaded, finds SPINS. What the user set stays."""
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = str(SPINS)
    try:
        yield
    finally:  # a process that is started from here, or torch, decides for itself
        os.environ.pop("GOMP_SPINCOUNT", None)


@cache
def keep_large_blocks_apart() -> bool:
    """Blocks of LARGE_BYTES and more are mapped one by one from now on, so that they go back when they are freed.

    Left alone, the C library raises that limit to the largest block it has seen freed; adapters and the graphs that are
    made anew for each then lie in heaps with holes: 70 MB at twenty adapters. For a process that serves: in one that
    trains, large blocks come and go with every step. False where there is no such setting.
    """
    libc = _glibc()
    if libc is None:
        return False
    return bool(libc.mallopt(_MMAP_THRESHOLD, LARGE_BYTES)) and bool(libc.mallopt(_TRIM_THRESHOLD, 2 * LARGE_BYTES))


def give_memory_back() -> None:
    """What was freed returns to the system."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None
