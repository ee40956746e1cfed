"""Builds and runs the compiled load client (load_client.c), and adds up what it tells. Not a benchmark of its own.

Needs gcc. It speaks to loopback only; each run is bounded by its seconds and its grace.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from jangin.data.read import Row, read_rows

SOURCE = Path(__file__).with_name("load_client.c")
LOST, UNANSWERED, REFUSED = 0, -1, -2  # of a status: see load_client.c


class Asked(NamedTuple):
    """One request; times in seconds of time.monotonic()."""

    number: int
    due_s: float
    sent_s: float
    ended_s: float
    status: int
    retry_after: bool

    @property
    def took_ms(self) -> float:
        """From when it was due: what waited for a connection counts."""
        return (self.ended_s - self.due_s) * 1e3


class Load(NamedTuple):
    """rate: requests a second, 0: each connection asks when it was answered. headers: lines."""

    url: str
    path: str
    bodies: Path
    connections: int = 64
    rate: float = 0.0
    headers: tuple[str, ...] = ()
    grace_s: float = 10.0


class LoadClient:
    """Make it with `load_client()`."""

    def __init__(self, program: Path):
        self._program = program

    def start(self, load: Load, seconds: float, prefix: str = "load") -> subprocess.Popen[bytes]:
        """In the background; `finish` takes what came of it."""
        port = load.url.rpartition(":")[2]
        numbers = [seconds, load.connections, load.rate, load.grace_s]
        command = [self._program, port, load.path, load.bodies, *map(str, numbers), prefix, *load.headers]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    @staticmethod
    def finish(process: subprocess.Popen[bytes]) -> list[Asked]:
        output, _ = process.communicate()
        if process.returncode:
            sys.exit("the load client failed; its message stands above")
        return list(_read(output))

    def run(self, load: Load, seconds: float, prefix: str = "load") -> list[Asked]:
        return self.finish(self.start(load, seconds, prefix))


def _read(output: bytes) -> Iterator[Asked]:
    for line in output.splitlines():
        number, due, sent, ended, status, retry = map(int, line.split())
        yield Asked(number, due / 1e6, sent / 1e6, ended / 1e6, status, bool(retry))


@contextmanager
def load_client() -> Iterator[LoadClient]:
    """Compiled into a temporary folder."""
    if shutil.which("gcc") is None:
        sys.exit("bench: gcc is missing, and the load client is compiled with it (try: apt-get install gcc libc6-dev)")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "load_client"
        subprocess.run(["gcc", "-O2", "-o", program, SOURCE], check=True)
        yield LoadClient(program)


def figures(asked: Sequence[Asked]) -> dict[str, Any]:
    """Requests by status, and milliseconds of those that were answered with 200."""
    good = sorted(each.took_ms for each in asked if each.status == 200)
    found: dict[str, Any] = {"requests": len(asked), "by_status": by_status(asked)}
    if good:
        seconds = max(each.ended_s for each in asked) - min(each.due_s for each in asked)
        found["per_s"] = round(len(good) / seconds, 1)
        found |= {f"p{name}_ms": round(quantile(good, float(name) / 100), 3) for name in ("50", "90", "99", "99.9")}
        found["max_ms"] = round(good[-1], 3)
    return found


def by_status(asked: Sequence[Asked]) -> dict[str, int]:
    names = {LOST: "connection_lost", UNANSWERED: "unanswered", REFUSED: "no_connection"}
    return {names.get(status, str(status)): count for status, count in sorted(Counter(a.status for a in asked).items())}


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def texts_of(path: Path, most: int = 2_000) -> list[str]:
    """The inputs of a data file."""
    found: list[str] = []
    for row in read_rows(path):
        if isinstance(row, Row) and isinstance(text := row.fields.get("input", row.fields.get("text")), str):
            found.append(text)
            if len(found) == most:
                break
    if not found:
        sys.exit(f"{path}: no rows with an input")
    return found


def write_bodies(path: Path, bodies: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(body) + "\n" for body in bodies))
    return path


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used, all its threads, without its children. Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Of all threads of a process, and theirs."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *children(child)]
    return found


def pss_mb(pids: Sequence[int]) -> float:
    """Summed proportional set size: memory that processes share counts once."""
    kb = 0
    for pid in pids:
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        assert found is not None
        kb += int(found[1])
    return round(kb * 1024 / 1e6, 1)


def machine() -> dict[str, Any]:
    name = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "processor": name[1] if name else "?",
        "cores": len(os.sched_getaffinity(0)),
        "load_average_before": round(os.getloadavg()[0], 2),
    }
