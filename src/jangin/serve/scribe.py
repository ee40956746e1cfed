"""The engine's side of writing: each Write on a thread of its own, its text sent as it comes, cancelled when asked."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from jangin.errors import JanginError, RequestError
from jangin.models.decoder import PARALLEL
from jangin.models.generation import Token
from jangin.models.writer import Writer, Written
from jangin.serve.frames import Failed, Finished, Piece, Report, Told, Write
from jangin.serve.telling import Telling
from jangin.serve.turns import Job, Turns

PIECE_S = 0.02  # text that comes faster than an eye can follow goes out together
ALIVE_S = 1.0  # so often an engine says that it is still at work when it has no text to send

Send = Callable[[Report], None]


class Scribes:
    """The writes of one engine process. `send` is called from several threads."""

    def __init__(self, turns_of: Callable[[tuple[int, str | None]], Turns], send: Send):
        self._turns_of = turns_of
        self._send = send
        self._jobs: dict[int, tuple[Job, Turns]] = {}
        self._lock = threading.Lock()

    def take(self, order: Write, writer: Writer) -> None:
        """Begins when it is its turn; exactly one Finished or Failed follows."""

        def work(job: Job) -> None:
            self._write(order, writer, job)

        def dropped(_: Job) -> None:
            self._end(order.id, _dropped(order))

        turns = self._turns_of(writer.place)
        with self._lock:  # a job may end before it is noted
            self._jobs[order.id] = turns.submit(writer.place, work, dropped), turns

    def cancel(self, id: int) -> None:
        with self._lock:
            found = self._jobs.get(id)
        if found is not None:
            job, turns = found
            turns.cancel(job)

    def cancel_all(self) -> None:
        with self._lock:
            ids = list(self._jobs)
        for id in ids:
            self.cancel(id)

    def _write(self, order: Write, writer: Writer, job: Job) -> None:
        if job.cancelled.is_set():
            self._end(order.id, _dropped(order))
            return
        following = Following(order, job, self._send)
        try:
            report: Report = following.finished(_written(order, writer, following))
        except Exception as error:  # noqa: BLE001 - whatever a request does to a library, the others go on
            report = failed(order.id, error)
        self._end(order.id, report)

    def _end(self, id: int, report: Report) -> None:
        with self._lock:
            self._jobs.pop(id, None)
        self._send(report)


def _written(order: Write, writer: Writer, following: Following) -> Written:
    how: dict[str, Any] = {
        "max_tokens": order.max_tokens,
        "temperature": order.temperature,
        "top_p": order.top_p,
        "seed": order.seed,
        "confidence": True,
        "on_text": following.take,
    }
    if order.talk is not None:
        return writer.reply(order.talk, **how)
    more: dict[str, Any] = {"stop": order.stop, "schema": order.schema, "top": order.top, "on_token": following.token}
    return writer.write([order.text], **how, **more)[0]


class Following:
    """One answer while it is written: keeps white space back at both ends, and pieces for a moment."""

    def __init__(self, order: Write, job: Job, send: Send):
        self._order, self._job, self._send = order, job, send
        self._kept = ""
        self._begun = False
        self._telling = Telling() if order.logprobs else None
        self._sent_s = 0.0
        self._first_s: float | None = None

    def token(self, at: int, token: Token) -> None:
        if self._telling is not None:
            self._telling.token(token)

    def take(self, at: int, text: str) -> bool:
        """True when nobody wants the rest."""
        now = time.perf_counter()
        if self._first_s is None:
            self._first_s = now
        self._kept += text
        if self._telling is not None:
            self._telling.text(text)
        ready = self._ready() if self._order.stream and now - self._sent_s > PIECE_S else ""
        if ready or now - self._sent_s > ALIVE_S:
            self._sent_s = now
            self._send(Piece(self._order.id, ready, self._told()))
        return self._job.cancelled.is_set()

    def _ready(self) -> str:
        """What can be sent: nothing before the first character that is no white space, nor what may be the last."""
        kept = self._kept if self._begun else self._kept.lstrip()
        if self._telling is not None and not self._begun:
            self._telling.skip(self._kept[: len(self._kept) - len(kept)])
        ready = kept.rstrip()
        self._begun = self._begun or bool(ready)
        self._kept = kept[len(ready) :]
        return ready

    def _told(self) -> list[Told]:
        """The tokens of what was made ready since the last time."""
        return [] if self._telling is None else self._telling.told(self._kept)

    def finished(self, written: Written) -> Finished:
        job, now = self._job, time.perf_counter()
        work_s = now - job.begun
        rest = self._ready()
        return Finished(
            self._order.id,
            rest,
            written.finish,
            written.prompt_tokens,
            written.completion_tokens,
            written.generation.cached_tokens if written.generation else 0,
            written.confidence,
            written.fields,
            self._told(),
            None if self._first_s is None else self._first_s - job.arrived,
            job.begun - job.arrived,
            work_s,
            work_s / PARALLEL,
        )


def failed(id: int, error: Exception) -> Failed:
    """An exception as a report. Only what Jangin itself says is repeated: a library's words may hold the text."""
    if isinstance(error, RequestError):
        return Failed(id, error.code, error.message, error.hint, error.status, error.param)
    if isinstance(error, JanginError):
        return Failed(id, error.code, error.message, error.hint)
    print(f"jangin engine: {type(error).__name__} while answering", file=sys.stderr, flush=True)
    return Failed(id, "engine", "the engine could not answer this request", None)


def _dropped(order: Write) -> Finished:
    return Finished(order.id, "", "cancelled", 0, 0, 0, None, None, [], None, 0.0, 0.0, 0.0)
