"""Other people's servers as processes of a benchmark's own: a group that ends with its block, a port that is free."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from typing import IO


@contextlib.contextmanager
def process_group(
    command: Sequence[str],
    output: int | IO[bytes] | IO[str],
    environment: dict[str, str] | None = None,
    *,
    errors: int | IO[bytes] | None = None,
    patience_s: float = 10,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server with workers is several processes: all of them get SIGTERM at the end, then SIGKILL."""
    found = subprocess.Popen(command, stdout=output, stderr=errors, env=environment, process_group=0)
    try:
        yield found
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(found.pid, signal.SIGTERM)
        try:
            found.wait(patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(found.pid, signal.SIGKILL)
            found.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
