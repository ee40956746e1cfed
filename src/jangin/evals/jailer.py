"""The evaluator's side of the sandbox: starts a jail, reads what the program says, and ends it at the limits."""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Literal, NamedTuple

from jangin.errors import SandboxError
from jangin.evals.runtime import find_runtime

Status = Literal["ok", "failed", "timeout", "memory", "output", "killed"]

_HERE = Path(__file__).parent
_TAIL = 4096  # bytes of standard error that are kept
HINT = (
    "allow unprivileged user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
    "kernel.apparmor_restrict_unprivileged_userns; in a container --security-opt seccomp=unconfined or "
    "--cap-add SYS_ADMIN), or run this on another Linux machine"
)


class Limits(NamedTuple):
    """What one program may use. `cpu_s` and `memory_mb` bind each of its processes, `wall_s` and `output_bytes` all.

    memory_mb: address space. processes: at one time, threads included. output_bytes: of each, standard output and
        error. scratch_mb: its files, which are held in memory and gone afterwards.
    """

    wall_s: float = 10.0
    cpu_s: int = 10
    memory_mb: int = 512
    processes: int = 4
    output_bytes: int = 65536
    scratch_mb: int = 16


DEFAULTS = Limits()


class Program(NamedTuple):
    """source: executed first; tests: executed after it in the same module, or None for a script."""

    source: str
    tests: str | None = None


class Outcome(NamedTuple):
    """How a program ended.

    status: `ok`; `failed` (an exception, an exit code, or an end before the tests were over); `timeout` (wall clock or
        CPU); `memory` (a MemoryError that was not caught); `output` (too much of it); `killed` (by a signal).
    exit_code: negative for a signal; None where it had to be stopped.
    stdout: at most `output_bytes` of it; stderr_tail: the last 4 KB. Both are the program's text: not for logs.
    seconds: wall clock, with building the jail.
    """

    status: Status
    exit_code: int | None
    stdout: str
    stderr_tail: str
    seconds: float


def run_jailed(program: Program, limits: Limits) -> Outcome:
    """Raises: SandboxError where a step of building the jail was refused; the program has not been started then."""
    runtime = find_runtime()
    started = time.monotonic()
    talk, theirs = socket.socketpair()
    report_read, report_write = os.pipe()
    with talk, os.fdopen(report_read, "rb") as report:
        try:
            driver = (_HERE / "jailed.py").read_text(encoding="utf-8")
            mode = "script" if program.tests is None else "tested"
            job = {
                "parent": os.getpid(),
                "report": report_write,
                "talk": theirs.fileno(),
                # A user that nothing else runs as: the kernel counts processes by user.
                "program_uid": random.SystemRandom().randrange(0x70000000, 0x7FFF0000),
                "binds": runtime.binds,
                "hide": runtime.hidden,
                "environment": runtime.environment,
                "argv": [runtime.interpreter, "-S", "-s", "-P", "-B", "-c", driver, str(theirs.fileno()), mode],
                "source": program.source,
                **limits._asdict(),
            }
            jail = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_HERE / "jail.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(report_write, theirs.fileno()),
                env={},
                start_new_session=True,
            )
        finally:
            os.close(report_write)
            theirs.close()
        try:
            assert jail.stdin and jail.stdout and jail.stderr
            with contextlib.suppress(BrokenPipeError), jail.stdin as pipe:
                pipe.write(json.dumps(job).encode())
            watch = _Watch(jail.stdout, jail.stderr, talk, program.tests, limits)
            stopped = watch.until(started + limits.wall_s)
        finally:
            jail.kill()  # takes the whole jail along; does nothing when it has ended
            jail.wait()
            for stream in (jail.stdout, jail.stderr):
                if stream:
                    stream.close()
        said = json.loads(report.read() or "{}")
    if "refused" in said:
        raise SandboxError(f"the kernel refused to keep a program apart ({said['refused']})", HINT)
    code = None if stopped else said.get("code")
    return Outcome(
        stopped or _status(code, said.get("cpu_s", 0.0), watch, limits),
        code,
        bytes(watch.output[: limits.output_bytes]).decode(errors="replace"),
        bytes(watch.error[-_TAIL:]).decode(errors="replace"),
        time.monotonic() - started,
    )


def _status(code: int | None, cpu_s: float, watch: _Watch, limits: Limits) -> Status:
    if code is None:  # the jail itself was killed, by the machine's lack of memory for instance
        return "killed"
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and cpu_s >= limits.cpu_s):
        return "timeout"
    if watch.out_of_memory:
        return "memory"
    if code < 0:
        return "killed"
    return "ok" if code == 0 and watch.proven else "failed"


class _Watch:
    """Reads both outputs, hands over the tests when asked, and keeps whether the token came back."""

    def __init__(self, output: IO[bytes], error: IO[bytes], talk: socket.socket, tests: str | None, limits: Limits):
        self.output, self.error = bytearray(), bytearray()
        self.proven = tests is None
        self.out_of_memory = False
        self._talk, self._bytes = talk, limits.output_bytes
        self._heard = b""
        self._token = secrets.token_bytes(16)
        body = (tests or "").encode(errors="surrogatepass")
        self._unsent = self._token + len(body).to_bytes(4, "big") + body
        self._kept = {output.fileno(): self.output, error.fileno(): self.error}
        self._selector = selectors.DefaultSelector()
        for descriptor in self._kept:
            self._selector.register(descriptor, selectors.EVENT_READ)
        talk.setblocking(False)
        self._selector.register(talk, selectors.EVENT_READ)

    def until(self, deadline: float) -> Status | None:
        """Returns at the end of all streams (None), or as soon as a limit is passed."""
        with self._selector:
            while self._selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    return "timeout"
                for key, events in self._selector.select(left):
                    if key.fileobj is self._talk:
                        self._converse(events)
                    elif not self._keep(key.fd):
                        return "output"
        return None

    def _keep(self, descriptor: int) -> bool:
        part = os.read(descriptor, 65536)
        kept = self._kept[descriptor]
        kept += part
        if not part:
            self._selector.unregister(descriptor)
        return len(kept) <= self._bytes

    def _converse(self, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._unsent = self._unsent[self._talk.send(self._unsent) :]
                if not self._unsent:
                    self._selector.modify(self._talk, selectors.EVENT_READ)
            if events & selectors.EVENT_READ:
                part = self._talk.recv(64)
                if part:
                    self._hear(part)
                else:
                    self._selector.unregister(self._talk)
        except ConnectionError:
            self._selector.unregister(self._talk)

    def _hear(self, part: bytes) -> None:
        """T asks for the tests, M says that memory ran out, T and the token that all is done. The rest is noise."""
        self._heard = (self._heard + part)[:64]
        passed = b"T" + self._token
        if not any(word.startswith(self._heard) for word in (b"M", b"TM", passed)):
            self._selector.unregister(self._talk)
            self._talk.shutdown(socket.SHUT_RDWR)
        elif self._heard == b"T" and not self.proven:
            self._selector.modify(self._talk, selectors.EVENT_READ | selectors.EVENT_WRITE)
        self.proven = self.proven or self._heard == passed
        self.out_of_memory = self._heard in (b"M", b"TM")
