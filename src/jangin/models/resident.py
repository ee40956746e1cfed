"""Of the heads that are mapped from disk, those that were asked last stay in this process' memory, up to a limit.

A head's pages are the kernel's copy of the file. A page that this process has read counts as its memory until it is let
go; the kernel keeps its copy as long as memory is not short, so reading it again is a fault without a disk, and gives
the same bytes. A hundred specialists of 2 MB then cost the limit, and not 200 MB (docs/serving.md, bench/scale.py).
"""

from __future__ import annotations

import mmap
import os
import threading
from collections import OrderedDict

from jangin.errors import InputError

VARIABLE = "JANGIN_HEADS_MB"
DEFAULT_MB = 32.0
_LET_GO: int | None = getattr(mmap, "MADV_DONTNEED", None)  # None: Windows, where nothing is let go


class Resident:
    """Heads by when they were asked last; those asked longest ago are let go once all together exceed `most_bytes`.

    A head counts with its whole file from its first text on, so the limit holds whatever texts touch. The head asked
    last stays also when it exceeds the limit alone. Safe to call from several threads, also while others read.
    """

    def __init__(self, most_bytes: int):
        self.most_bytes = most_bytes
        self.bytes = 0
        self._heads: OrderedDict[int, mmap.mmap] = OrderedDict()
        self._lock = threading.Lock()

    def touch(self, head: mmap.mmap) -> None:
        """It was read just now."""
        with self._lock:
            if self._heads.pop(id(head), None) is None:
                self.bytes += len(head)
            self._heads[id(head)] = head
            while self.bytes > self.most_bytes and len(self._heads) > 1:
                _, coldest = self._heads.popitem(last=False)
                self.bytes -= len(coldest)
                let_go(coldest)

    def forget(self, head: mmap.mmap) -> None:
        """It is not asked again."""
        with self._lock:
            if self._heads.pop(id(head), None) is not None:
                self.bytes -= len(head)


def let_go(file: mmap.mmap) -> None:
    """Its pages no longer count as this process' memory; whoever reads one gets it again."""
    if _LET_GO is not None:
        file.madvise(_LET_GO)


def limit() -> int:
    """Bytes, from JANGIN_HEADS_MB. Raises: InputError."""
    given = os.environ.get(VARIABLE) or str(DEFAULT_MB)
    try:
        found = float(given)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e9:  # also what is no number
        raise InputError(f"{VARIABLE} is '{given}'; expected megabytes, 0 or more", f"leave it out for {DEFAULT_MB:g}")
    return int(found * 1e6)
