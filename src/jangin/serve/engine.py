"""The engine process of one base: takes whatever waits, encodes it in one pass, lets each specialist answer from that.

Started by client.py as `python -m jangin.serve.engine`; it ends when the other end of its socket closes, also when the
HTTP process was killed. On an encoder one thread does it all: what arrives during a pass is the next batch. A decoder
answers several requests at once, each on a thread (turns.py, scribe.py), and takes or gives up specialists meanwhile on
one more.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from jangin.bundle import read_manifest
from jangin.errors import BundleError, JanginError
from jangin.models import host
from jangin.models.base import Floats
from jangin.models.decoder import PARALLEL
from jangin.models.ngrams import Gathered
from jangin.models.resident import Resident, limit
from jangin.models.specialist import Readers, Specialist
from jangin.models.writer import Writer
from jangin.models.written import open_specialist
from jangin.predict import decide
from jangin.serve import directing
from jangin.serve.frames import (
    Answers,
    Ask,
    Cancel,
    Direct,
    Directed,
    Failed,
    Fit,
    Fitted,
    Info,
    Load,
    Loaded,
    Order,
    Report,
    Unload,
    Unloaded,
    Unpacker,
    Write,
    WritingInfo,
)
from jangin.serve.outgoing import Outgoing
from jangin.serve.scribe import Scribes
from jangin.serve.turns import Turns

BATCH_TEXTS = 64  # n-grams: one call's fixed cost is that of ten texts
ENCODED_TEXTS = 16  # larger batches fall out of the processor's cache, and their first text waits for the last
BATCH_CHARS = 200_000  # n-grams of long texts need memory in proportion
PREFIX_CACHE = "--prefix-cache"
_RECEIVE = 1 << 16  # hundreds of short questions
T = TypeVar("T")
Parts = dict[tuple[int, int], tuple[bytes, bytes, bytes]]  # (which of the batch, handle) -> as `Answers` holds them
Routes = dict[int, tuple[list[int], list[float]]]  # which of the batch -> as `Directed` holds them


class _Wanted(NamedTuple):
    """Texts of one question of a batch for one specialist, and their rows in what was encoded."""

    ask: int
    texts: list[str]
    rows: list[int]


class Engine:
    """The specialists of one base, by handle, and the questions that wait. `send` is called from several threads."""

    def __init__(self, send: Callable[[Report], None], prefix_cache: bool = False):
        self.readers = Readers(prefix_cache=prefix_cache)
        self.specialists: dict[int, Specialist] = {}
        self.writers: dict[int, Writer] = {}
        self.director: directing.Director | None = None
        self.waiting: deque[Ask | Direct] = deque()
        self._resident = Resident(limit())
        self._send = send
        self._turns: dict[int, Turns] = {}  # of each decoder, by its number
        self._scribes = Scribes(self._turns_of, send)
        self._changes = ThreadPoolExecutor(1, thread_name_prefix="changes")
        self._changing: deque[Load | Unload] = deque()

    def take(self, order: Order) -> Report | None:
        """Loads and unloads at once, except on a decoder; a question waits for the next batch, or for its turn."""
        if isinstance(order, Ask) and (asked := self.specialists.get(order.handle)):
            if asked.place is None:
                self.waiting.append(order)
            else:
                self._turns_of(asked.place).submit(asked.place, lambda _: self._send(self.answer([order])[0]))
            return None
        if isinstance(order, Write) and (writer := self.writers.get(order.handle)):
            self._scribes.take(order, writer)
            return None
        if isinstance(order, Cancel):
            self._scribes.cancel(order.id)
            return None
        if isinstance(order, Fit):
            return _attempt(order, partial(self.fit, order))
        if isinstance(order, Direct) and self.director is not None:
            self.waiting.append(order)
            return None
        if isinstance(order, Direct):
            return Failed(order.id, "engine", "the router is being made", "send the request again in a second")
        if isinstance(order, Ask | Write):  # its bundle could not be read again after a restart
            return Failed(order.id, "engine", "this specialist is not loaded", "POST /v1/admin/reload")
        if self._on_decoder(order):
            self._changing.append(order)
            return None
        return self.change(order)

    def begin_changes(self) -> None:
        """Decoders take and give up specialists on a thread of its own: what has arrived by then, in order."""
        if self._changing:
            self._changes.submit(self._change_all)

    def _change_all(self) -> None:
        while self._changing:
            loads: list[Load] = []
            while self._changing and isinstance(self._changing[0], Load):
                loads.append(self._changing.popleft())  # type: ignore[arg-type]
            for report in self.load_together(loads) if loads else [self.change(self._changing.popleft())]:
                self._send(report)

    def _turns_of(self, place: tuple[int, str | None]) -> Turns:
        return self._turns.setdefault(place[0], Turns(PARALLEL))

    def change(self, order: Load | Unload) -> Report:
        return _attempt(order, partial(self.load if isinstance(order, Load) else self.unload, order))  # type: ignore[arg-type]

    def load_together(self, orders: list[Load]) -> list[Report]:
        """All of them are read first, then opened: a decoder opens once, not once for each of its adapters."""
        with self.readers.together():
            found = [(order, _attempt(order, partial(self._read, order))) for order in orders]
        return [
            part if isinstance(part, Failed) else _attempt(order, partial(self._hold, order, part))
            for order, part in found
        ]

    def _on_decoder(self, order: Load | Unload) -> bool:
        if isinstance(order, Unload):
            held = self.specialists.get(order.handle)
            return order.handle in self.writers or (held is not None and held.place is not None)
        try:
            return read_manifest(Path(order.folder)).decoder is not None
        except JanginError:
            return False  # loading says what is wrong

    def load(self, order: Load) -> Loaded:
        return self._hold(order, self._read(order))

    def _read(self, order: Load) -> Specialist | Writer:
        folder = Path(order.folder)
        if read_manifest(folder).decoder is not None:
            host.keep_large_blocks_apart()
        found = open_specialist(folder, self.readers)
        if order.sha256 and found.sha256 != order.sha256:
            found.close()
            raise BundleError(
                f"bundle '{found.name}' on disk is {found.sha256[:12]}; {order.sha256[:12]} was being served",
                "POST /v1/admin/reload to serve the new one",
            )
        return found

    def _hold(self, order: Load, found: Specialist | Writer) -> Loaded:
        try:
            found.open()
        except BaseException:
            found.close()
            raise
        if isinstance(found, Writer):
            self.writers[order.handle] = found
        else:
            self.specialists[order.handle] = found
        return Loaded(order.id, _info(found))

    def unload(self, order: Unload) -> Unloaded:
        found = self.writers.pop(order.handle, None) or self.specialists.pop(order.handle)
        if isinstance(found, Specialist) and found.head.file is not None:
            self._resident.forget(found.head.file)
        found.close()
        return Unloaded(order.id)

    def fit(self, order: Fit) -> Fitted:
        found, report = directing.fit(order, self.readers)
        self.director = found or self.director  # who waits is answered by the earlier one
        return report

    def stop(self) -> None:
        """Whoever still waits for an answer is gone."""
        self._scribes.cancel_all()

    def next_batch(self) -> list[Ask | Direct]:
        """The questions at the head of the queue, at least one."""
        batch: list[Ask | Direct] = []
        texts = chars = 0
        first = self.waiting[0]
        encoded = isinstance(first, Direct) or self.specialists[first.handle].reader
        most = ENCODED_TEXTS if encoded else BATCH_TEXTS
        while self.waiting:
            ask = self.waiting[0]
            texts += len(ask.texts)
            chars += sum(map(len, ask.texts))
            if batch and (texts > most or chars > BATCH_CHARS):
                break
            batch.append(self.waiting.popleft())
        return batch

    def answer(self, batch: Sequence[Ask | Direct]) -> list[Report]:
        """Reports for one batch. When it fails, each question is tried alone: neighbours do not share a fate."""
        started = time.perf_counter()
        try:
            parts, routes = self._answer(batch)
        except Exception as error:  # noqa: BLE001 - whatever a text does to a library, the next one gets its answer
            if len(batch) > 1:
                return [report for ask in batch for report in self.answer([ask])]
            print(f"jangin engine: {type(error).__name__} while answering", file=sys.stderr, flush=True)
            return [Failed(batch[0].id, "engine", "the engine could not answer this request", None)]
        text_s = (time.perf_counter() - started) / sum(len(ask.texts) for ask in batch)
        reports: list[Report] = []
        for at, ask in enumerate(batch):
            if isinstance(ask, Ask):
                reports.append(Answers(ask.id, *parts[at, ask.handle], text_s))
            else:
                answers = {handle: Answers(ask.id, *part, text_s) for (i, handle), part in parts.items() if i == at}
                reports.append(Directed(ask.id, *routes[at], answers, text_s))
        return reports

    def _answer(self, batch: Sequence[Ask | Direct]) -> tuple[Parts, Routes]:
        parts: Parts = {}
        routes: Routes = {}
        # Specialists on the same graph share one pass, and so does the router; decoders differ by their adapters.
        by_reading: dict[str | None, list[int]] = {}
        for at, ask in enumerate(batch):
            by_reading.setdefault(self._reader(ask).reading, []).append(at)
        for reading, asks in by_reading.items():
            place: dict[str, int] = {}
            rows = {at: [place.setdefault(text, len(place)) for text in batch[at].texts] for at in asks}
            encoded = self._reader(batch[asks[0]]).encode(list(place))
            wanted: dict[int, list[_Wanted]] = {}
            for at in asks:
                ask = batch[at]
                if isinstance(ask, Ask):
                    wanted.setdefault(ask.handle, []).append(_Wanted(at, ask.texts, rows[at]))
                    continue
                assert self.director is not None and encoded is not None
                routes[at] = self.director.direct(encoded[rows[at]])
                for handle, chosen in self._answerable(*routes[at], reading).items():
                    mine = _Wanted(at, [ask.texts[i] for i in chosen], [rows[at][i] for i in chosen])
                    wanted.setdefault(handle, []).append(mine)
            gathered = Gathered()
            for handle, of in wanted.items():
                for each in of:
                    self.specialists[handle].want(each.texts, gathered)
            for handle, of in wanted.items():
                self._fill(parts, handle, of, encoded, gathered)
        return parts, routes

    def _reader(self, ask: Ask | Direct) -> Specialist | directing.Director:
        if isinstance(ask, Ask):
            return self.specialists[ask.handle]
        assert self.director is not None
        return self.director

    def _answerable(self, nearest: list[int], margins: list[float], reading: str | None) -> dict[int, list[int]]:
        """handle -> which texts, of those that this pass answers."""
        found: dict[int, list[int]] = {}
        for at, (handle, margin) in enumerate(zip(nearest, margins)):
            specialist = self.specialists.get(handle)
            if margin >= 0 and specialist is not None and specialist.reading == reading:
                found.setdefault(handle, []).append(at)
        return found

    def _fill(
        self, parts: Parts, handle: int, wanted: list[_Wanted], encoded: Floats | None, gathered: Gathered
    ) -> None:
        specialist = self.specialists[handle]
        texts = [text for each in wanted for text in each.texts]
        chosen = None if encoded is None else encoded[[row for each in wanted for row in each.rows]]
        probabilities = specialist.from_encoded(texts, chosen, gathered)
        if specialist.head.file is not None:
            self._resident.touch(specialist.head.file)
        given, confidence = decide(specialist, probabilities)
        at = 0
        for each in wanted:
            part = slice(at, at := at + len(each.texts))
            found = probabilities[part].tobytes(), given[part].tobytes(), confidence[part].tobytes()
            parts[each.ask, handle] = found


def _attempt(order: Load | Unload | Fit, work: Callable[[], T]) -> T | Failed:
    try:
        return work()
    except JanginError as error:
        return Failed(order.id, error.code, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - a library that stumbles over one bundle must not end the others
        return Failed(order.id, "engine", f"{type(error).__name__} while loading", "look at the server's log")


def _info(found: Specialist | Writer) -> Info:
    manifest = found.manifest
    writing = None
    if isinstance(found, Writer):
        limits, copies = found.writing, manifest.spans is not None
        tools = manifest.decoder.template.tools if manifest.decoder else None
        writing = WritingInfo(limits.max_tokens, limits.context, limits.schema, copies, tools)
    return Info(
        found.name,
        found.kind,
        list(found.labels),
        found.sha256,
        manifest.rung,
        manifest.params,
        manifest.base,
        manifest.task.get("description"),
        writing,
    )


def run(channel: socket.socket, prefix_cache: bool = False, make: type[Engine] = Engine) -> None:
    """Serves the socket until its other end closes."""
    outgoing = Outgoing(channel)
    send = outgoing.send
    engine = make(outgoing.send_soon, prefix_cache)
    unpacker = Unpacker(msgspec.msgpack.Decoder(Order))
    while True:
        data = _receive(channel, wait=not engine.waiting)
        if data == b"":
            engine.stop()
            return
        reports = [report for order in unpacker.feed(data or b"") if (report := engine.take(order))]
        engine.begin_changes()
        if engine.waiting:
            reports += engine.answer(engine.next_batch())
        if reports:
            send(*reports)


def _receive(channel: socket.socket, wait: bool) -> bytes | None:
    """What has arrived; None when nothing has (only without `wait`); b"" when the other end is gone."""
    if not wait and not select.select([channel], [], [], 0)[0]:
        return None
    try:
        return channel.recv(_RECEIVE)
    except ConnectionError:
        return b""


def opened() -> socket.socket:
    """This process's end of the socket, which whoever started it put on its command line."""
    if sys.platform == "win32":
        return socket.fromshare(sys.stdin.buffer.read())
    return socket.socket(fileno=int(sys.argv[-1]))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the HTTP process decides
    np.seterr(all="ignore")
    run(opened(), PREFIX_CACHE in sys.argv)
    os._exit(0)  # a thread that still writes has nobody to write for: it is not waited for
