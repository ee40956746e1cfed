"""What a server says on stderr: one line a request where that is asked for, and warnings. Never a text, never a key.

Lines are written by a thread, in the order they came: a terminal or a collector that stops reading must not stop the
server. Beyond MOST_WAITING lines they are dropped, and counted. The ledger is the record; this is to look at.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections import deque
from typing import Any, Literal, TextIO

import msgspec

from jangin.ledger.row import Row, now_us, spell

Style = Literal["off", "errors", "text", "json"]
STYLES: tuple[Style, ...] = ("off", "errors", "text", "json")
MOST_WAITING = 50_000
TOGETHER_S = 0.02  # lines that come within this time are written at once
CLOSE_S = 2.0
# Below it a broken request, or a try of an export, would be a line each.
_OTHERS = ("uvicorn", "asyncio", "opentelemetry")


class Log:
    """off: warnings only. errors: also requests that ended with 5xx. text, json: every request."""

    def __init__(self, style: Style = "errors", stream: TextIO | None = None):
        """stream: None for stderr, whatever it is when a line is written."""
        self.style = style
        self.dropped = 0
        self._stream = stream
        self._lines: deque[str] = deque()
        self._come = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def wants(self, status: int) -> bool:
        return self.style in ("text", "json") or (self.style == "errors" and status >= 500)

    def request(
        self, endpoint: str, request_id: str, key_id: str, status: int, ms: float, row: Row | None, error: str | None
    ) -> None:
        """row: None where no specialist was asked. error: the code of what was refused or failed."""
        if not self.wants(status):
            return
        told: dict[str, Any] = {"id": request_id, "key": key_id, "endpoint": endpoint, "status": status}
        told["ms"] = round(ms, 1)
        if error is not None:
            told["error"] = error
        if row is not None:
            told |= {"task": row.task, "route": row.route}
            told |= {"prompt_tokens": row.prompt_tokens, "completion_tokens": row.completion_tokens}
            if row.confidence is not None:
                told["confidence"] = round(row.confidence, 4)
            if row.egress_bytes:
                told |= {"egress_bytes": row.egress_bytes, "egress_to": row.egress_to}
        self._tell("error" if status >= 500 else "info", "request", None, told)

    def warn(self, event: str, message: str, **about: str | int | float | None) -> None:
        self._tell("warning", event, message, about)

    def _tell(self, level: str, event: str, message: str | None, about: dict[str, Any]) -> None:
        at = spell(now_us())
        if self.style == "json":
            said = {} if message is None else {"message": message}
            self._put(msgspec.json.encode({"at": at, "level": level, "event": event, **said, **about}).decode() + "\n")
        elif message is None:
            self._put(f"{at} {level} {' '.join(f'{name}={value}' for name, value in about.items() if value != '')}\n")
        else:
            self._put(f"jangin: {message}\n")

    def _put(self, line: str) -> None:
        if len(self._lines) >= MOST_WAITING:
            self.dropped += 1
            return
        self._lines.append(line)
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="log", daemon=True)
            self._thread.start()
        self._come.set()

    def _write(self) -> None:
        while not (self._ending.is_set() and not self._lines):
            self._come.wait()
            self._ending.wait(TOGETHER_S)
            self._come.clear()
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            stream = self._stream or sys.stderr
            try:
                stream.write("".join(lines))
                stream.flush()
            except (OSError, ValueError):  # closed: nobody reads
                self.dropped += len(lines)

    def close(self) -> None:
        """Writes what waits, if somebody reads it within CLOSE_S."""
        self._ending.set()
        self._come.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)


class _Bridge(logging.Handler):
    """What libraries log, by their own words but without the words of an exception: those may hold a text."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        about: dict[str, str] = {"logger": record.name}
        if error is not None:
            about |= {"exception": type(error).__name__, "where": where(error)}
        words = [*record.getMessage().split(), *(about[name] for name in ("exception", "where") if name in about)]
        current.warn("library", " ".join(words), **about)


def where(error: BaseException) -> str:
    """The line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"


current = Log()


def use(style: Style) -> Log:
    """This process's log from now on; the warnings of the libraries that a server stands on go there too."""
    global current
    current = Log(style)
    for name in _OTHERS:
        logger = logging.getLogger(name)
        logger.handlers = [_Bridge(logging.ERROR)]
        logger.propagate = False
    return current


def warn(event: str, message: str, **about: str | int | float | None) -> None:
    """A warning in the log that is in use. Neither message nor what stands beside it holds a text or a key."""
    current.warn(event, message, **about)
