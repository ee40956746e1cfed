"""The HTTP process's end of one engine: asks it, ends it when it hangs, starts it again when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Container
from typing import Any, TypeVar

import msgspec

from jangin import errors
from jangin.errors import EngineError, JanginError, RequestError
from jangin.serve import log
from jangin.serve.corked import Corked
from jangin.serve.following import Writing
from jangin.serve.frames import (
    Answers,
    Ask,
    Cancel,
    Direct,
    Directed,
    Failed,
    Finished,
    Fit,
    Fitted,
    Info,
    Load,
    Loaded,
    Order,
    Piece,
    Report,
    Unload,
    Unpacker,
    Write,
    pack,
)

ENGINE = ("-m", "jangin.serve.engine")  # the program; bench/overload.py puts a slower one in its place
LOAD_TIMEOUT_S = 180.0  # a large graph on a cold disk
STOP_TIMEOUT_S = 5.0
SLOWEST_PREFILL_TOK_S = 20.0  # an engine that reads a prompt more slowly than this is taken to hang
_BACKOFF_S = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
# What variables that hold secrets are called; JANGIN_LEDGER and a proxy's address may hold a password.
_SECRET = re.compile(
    r"(^|_)(API)?(KEY|TOKEN|SECRET|PASS|PASSWD|CREDENTIAL|AUTH|PROXY|DSN|HEADER)S?(_|$)|PASSWORD|DATABASE_URL|JANGIN_LEDGER",
    re.IGNORECASE,
)
_STEADY_S = 30.0  # an engine that lived as long as this starts again without a pause
R = TypeVar("R")


class _Channel(asyncio.Protocol):
    """Frames in, frames out."""

    def __init__(self, engine: EngineClient):
        self._engine = engine
        self._unpacker = Unpacker(msgspec.msgpack.Decoder(Report))
        self.lost = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        for report in self._unpacker.feed(data):
            self._engine.settle(report)

    def connection_lost(self, exc: Exception | None) -> None:
        self._engine.abandon()
        self.lost.set()


class EngineClient:
    """One engine process and the specialists that it must hold, also after a restart."""

    def __init__(self, key: str, timeout_s: float, prefix_cache: bool = False, withheld: Container[str] = ()):
        self.key = key
        self._withheld = withheld
        self.timeout_s = timeout_s
        self.prefix_cache = prefix_cache
        self.up = False
        self.restarts = 0
        self.text_s = 0.0  # seconds of this engine's time that one text takes
        self.share_s = 0.0  # seconds of this engine's time that one written answer takes
        self.held: dict[int, tuple[str, str]] = {}  # handle -> (folder, identity)
        self.routing = False  # holds the router, so it stays also without specialists
        self.process: subprocess.Popen[bytes] | None = None
        self._ids = itertools.count(1)
        self._pending: dict[int, tuple[asyncio.Future[Any], bool, int]] = {}  # is it a load, how many texts
        self.asked_texts = 0  # that it has and has not answered
        self._writings: dict[int, tuple[Writing, int]] = {}  # with the tokens of the longest prompt that it may have
        self._loads = 0
        self._progress = 0.0
        self._channel: _Channel | None = None
        self._transport: Corked | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Does nothing when it has been started before."""
        if self._tasks:
            return
        await self._spawn()
        self.up = True
        self._tasks = [asyncio.create_task(self._supervise()), asyncio.create_task(self._watch())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.up = False
        await self._end(STOP_TIMEOUT_S)

    async def load(self, handle: int, folder: str, sha256: str | None = None) -> Info:
        """Raises: BundleError, BaseModelError as the engine met them; EngineError."""
        loaded: Loaded = await self._order(Load(next(self._ids), handle, folder, sha256))
        self.held[handle] = (folder, loaded.info.sha256)
        return loaded.info

    async def unload(self, handle: int) -> None:
        self.held.pop(handle, None)
        with contextlib.suppress(EngineError):  # an engine that is gone holds nothing
            await self._order(Unload(next(self._ids), handle))

    def ask(self, handle: int, texts: list[str]) -> asyncio.Future[Answers]:
        """Raises: EngineError when the engine is down, dies or hangs; a retry may help."""
        if not self.up:
            raise self._down()
        return self._order(Ask(next(self._ids), handle, texts))

    async def fit(self, base: str, encoder: str, profiles: list[tuple[int, str]]) -> dict[int, str]:
        """Makes this engine's router; gives what is wrong with the profiles of which handles. It is lost with the
        process. Raises: BaseModelError, EngineError."""
        fitted: Fitted = await self._order(Fit(next(self._ids), base, encoder, profiles))
        return fitted.broken

    def direct(self, texts: list[str]) -> asyncio.Future[Directed]:
        """Raises: as `ask`."""
        if not self.up:
            raise self._down()
        return self._order(Direct(next(self._ids), texts))

    def write(self, order: Write, context: int) -> Writing:
        """Begins an answer; the order's id is replaced. Raises: EngineError when the engine is down."""
        if not self.up or self._transport is None or self._transport.is_closing():
            raise self._down()
        id = next(self._ids)
        writing = Writing(lambda: self._cancel(id))
        if not (self._pending or self._writings):
            self._progress = time.monotonic()
        self._writings[id] = writing, context
        self._transport.write(pack(msgspec.structs.replace(order, id=id)))
        return writing

    @property
    def asked(self) -> int:
        """How many batches of texts it was given and has not answered yet."""
        return len(self._pending)

    @property
    def writing(self) -> int:
        """How many answers are being written or wait for their turn."""
        return len(self._writings)

    def _cancel(self, id: int) -> None:
        if id in self._writings and self._transport is not None and not self._transport.is_closing():
            self._transport.write(pack(Cancel(id)))

    def settle(self, report: Report) -> None:
        self._progress = time.monotonic()
        if report.id in self._writings:
            self._settle_writing(report)
            return
        future, is_load, texts = self._pending.pop(report.id)
        self._loads -= is_load
        self.asked_texts -= texts
        if isinstance(report, Answers | Directed):
            self.text_s += (report.text_s - self.text_s) * (0.1 if self.text_s else 1.0)
        if future.done():  # the request was cancelled
            return
        if isinstance(report, Failed):
            future.set_exception(_as_error(report))
        else:
            future.set_result(report)

    def _settle_writing(self, report: Report) -> None:
        writing, _ = self._writings[report.id]
        if isinstance(report, Piece):
            writing.take(report.text, report.tokens)
            return
        del self._writings[report.id]
        if isinstance(report, Finished):
            if report.work_s:  # not one that was cancelled before it began
                self.share_s += (report.share_s - self.share_s) * (0.1 if self.share_s else 1.0)
            writing.finish(report)
        elif isinstance(report, Failed):
            writing.fail(_as_error(report))

    def _order(self, order: Order) -> asyncio.Future[Any]:
        if self._transport is None or self._transport.is_closing():
            raise self._down()
        future = asyncio.get_running_loop().create_future()
        is_load = isinstance(order, Load | Fit)
        if not (self._pending or self._writings):
            self._progress = time.monotonic()
        texts = len(order.texts) if isinstance(order, Ask | Direct) else 0
        self._pending[order.id] = (future, is_load, texts)
        self._loads += is_load
        self.asked_texts += texts
        self._transport.write(pack(order))
        return future

    def _down(self) -> EngineError:
        return EngineError("the engine of this model is restarting", "send the request again in a second")

    async def _spawn(self) -> None:
        """Starts the process and loads what it must hold; what can no longer be loaded is reported and left out."""
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = _start(theirs, self.prefix_cache, _environment(self._withheld))
        loop = asyncio.get_running_loop()
        connect = loop.create_connection if sys.platform == "win32" else loop.create_unix_connection
        transport, self._channel = await connect(lambda: _Channel(self), sock=ours)
        self._transport = Corked(transport)
        held = [(handle, folder, sha256) for handle, (folder, sha256) in self.held.items()]
        loads = [self._order(Load(next(self._ids), *each)) for each in held]  # at once: a decoder opens once for all
        for found in await asyncio.gather(*loads, return_exceptions=True):
            if isinstance(found, JanginError) and not isinstance(found, EngineError):
                log.warn("engine.not_loaded", found.message, engine=self.key[:12])
            elif isinstance(found, BaseException):
                raise found

    async def _supervise(self) -> None:
        attempt, born = 0, time.monotonic()
        while True:
            assert self._channel is not None
            await self._channel.lost.wait()
            await self._end(0.0)
            attempt = 0 if time.monotonic() - born > _STEADY_S else attempt
            await asyncio.sleep(_BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)])
            attempt, born = attempt + 1, time.monotonic()
            self.restarts += 1
            log.warn("engine.gone", f"engine {self.key[:12]} is gone; starting it again", engine=self.key[:12])
            try:
                await self._spawn()
                self.up = True
            except (EngineError, OSError):
                continue

    @property
    def patience_s(self) -> float:
        """How long the engine may report nothing: longer while a bundle is loaded or a long prompt may be read."""
        limit = max(self.timeout_s, LOAD_TIMEOUT_S) if self._loads else self.timeout_s
        return limit + max((context for _, context in self._writings.values()), default=0) / SLOWEST_PREFILL_TOK_S

    async def _watch(self) -> None:
        """Kills an engine that has reported nothing for too long while something is asked of it."""
        while True:
            await asyncio.sleep(min(1.0, self.timeout_s / 4))
            asked = self._pending or self._writings
            if asked and time.monotonic() - self._progress > self.patience_s and self.process:
                log.warn("engine.hangs", f"engine {self.key[:12]} hangs; ending it", engine=self.key[:12])
                self.process.kill()

    def abandon(self) -> None:
        """The process is gone: whoever waits for it hears so now."""
        self.up = False
        pending, self._pending, self._loads, self.asked_texts = self._pending, {}, 0, 0
        writings, self._writings = self._writings, {}
        for future, _, _ in pending.values():
            if not future.done():
                future.set_exception(_died())
        for writing, _ in writings.values():
            writing.fail(_died())

    async def _end(self, patience_s: float) -> None:
        if self._transport is not None:
            self._transport.close()
        process = self.process
        if process is None:
            return
        deadline = time.monotonic() + patience_s
        while process.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        if process.poll() is None:
            process.kill()
        await asyncio.to_thread(process.wait)


def _environment(withheld: Container[str]) -> dict[str, str]:
    """An engine reads model files that others made, and asks nobody for anything: it gets no secret along.

    withheld: names of variables that hold one, whatever they are called.
    """
    found = {name: value for name, value in os.environ.items() if name not in withheld and not _SECRET.search(name)}
    # ONNX Runtime has its own threads; numpy's would only sleep.
    return found | {"OPENBLAS_NUM_THREADS": "1"}


def _start(theirs: socket.socket, prefix_cache: bool, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, *ENGINE, *(["--prefix-cache"] if prefix_cache else [])]
    if sys.platform == "win32":
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment)
        assert process.stdin is not None
        with process.stdin as pipe:
            pipe.write(theirs.share(process.pid))
        return process
    fd = theirs.fileno()
    return subprocess.Popen(
        command + [str(fd)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[fd],
        env=environment,
    )


def _died() -> EngineError:
    return EngineError("the engine died while it worked on this request", "send the request again")


def _as_error(report: Failed) -> JanginError:
    if report.status is not None:
        return RequestError(report.message, status=report.status, param=report.param, code=report.code)
    known = {kind.code: kind for kind in (errors.BundleError, errors.BaseModelError, errors.StorageError)}
    if report.code in known or report.code == EngineError.code:
        return known.get(report.code, EngineError)(report.message, report.hint)
    error = JanginError(report.message, report.hint)
    error.code = report.code
    return error
