"""An engine's reports on their way to the HTTP process; those of one forward pass leave in one system call.

After each pass up to PARALLEL threads have a piece of text, all within a millisecond or two. Sent one by one they wake
the HTTP process as often, and each time it takes a core from the engine, whose threads wait for each other.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from jangin.serve.frames import Report, pack

GATHER_S = 0.002  # so long a report waits for its neighbours


class Outgoing:
    """Safe to call from several threads."""

    def __init__(self, channel: socket.socket):
        self._channel = channel
        self._sending = threading.Lock()
        self._change = threading.Condition()
        self._waiting: list[bytes] = []
        self._thread: threading.Thread | None = None

    def send(self, *reports: Report) -> None:
        """Now; what waits goes along, before it."""
        with self._sending:
            with self._change:
                parts, self._waiting = self._waiting, []
            if not (data := b"".join([*parts, *map(pack, reports)])):
                return
            # A pipe that is broken means that the other end is gone, as the thread that reads is about to see.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._channel.sendall(data)

    def send_soon(self, report: Report) -> None:
        """Within GATHER_S, with others."""
        data = pack(report)
        with self._change:
            self._waiting.append(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="outgoing", daemon=True)
                self._thread.start()
            if len(self._waiting) == 1:
                self._change.notify()

    def _work(self) -> None:
        while True:
            with self._change:
                while not self._waiting:
                    self._change.wait()
            time.sleep(GATHER_S)
            self.send()
