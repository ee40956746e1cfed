"""Climbs that the console started: child processes that run Jangin's own verbs, with their state in a folder each.

TASK/
  task.yaml, data...   the task
  job.json             what runs or ran, and how it ended
  job.log              its lines, as it wrote them
  job.out              the document that it printed (--json)
  runs/NAME/           the specialist

A server that stops ends its children, one that is killed leaves them behind: the next one takes those that still run
under its eyes, and starts the others again. `jangin train` goes on where it stopped, so nothing is trained twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from jangin.errors import InputError, JanginError, RequestError
from jangin.files import write_atomic

Verb = Literal["check", "train", "certify"]
State = Literal["running", "done", "said_no", "failed", "stopped"]
JOB, LOG, OUT = "job.json", "job.log", "job.out"
LOOK_S = 0.5
LOG_BYTES = 20_000
MOST = 2  # at a time: a climb takes every core that it can have
RESTARTS = 5  # of one job: what dies again and again is not started for ever


class Job(msgspec.Struct):
    """pid, born: of the child, and when the system started it, so that another process under its number is not it."""

    verb: Verb
    arguments: list[str]
    state: State
    started: float
    pid: int = 0
    born: str = ""
    ended: float | None = None
    exit: int | None = None
    restarts: int = 0


class Supervisor:
    """folder: of all tasks that were made in the console."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._ours: dict[str, subprocess.Popen[bytes]] = {}
        self._watch: asyncio.Task[None] | None = None

    def names(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        homes = [path.parent for path in self.folder.glob("*/task.yaml")]
        return [home.name for home in sorted(homes, key=lambda home: -home.stat().st_mtime)]

    def home(self, name: str) -> Path:
        """The folder of a task. Raises: RequestError 404."""
        home = self.folder / name
        if name.startswith(".") or Path(name).name != name or not (home / "task.yaml").is_file():
            raise RequestError(f"no task '{name[:80]}' was made here", status=404)
        return home

    def job(self, name: str) -> Job | None:
        try:
            return msgspec.json.decode((self.home(name) / JOB).read_bytes(), type=Job)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(f"{name}/{JOB}: cannot be read ({error})", "remove it and start again") from None

    def log(self, name: str) -> str:
        """The end of what it wrote."""
        try:
            with (self.home(name) / LOG).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_BYTES))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def start(self, name: str, verb: Verb, arguments: Sequence[str]) -> None:
        """Raises: RequestError 409 when it runs already, 429 when too many do; StorageError."""
        before = self.job(name)
        if before is not None and before.state == "running":
            raise RequestError(f"'{name}' is at work already ({before.verb})", status=409)
        if sum(job.state == "running" for each in self.names() if (job := self.job(each))) >= MOST:
            raise RequestError(f"{MOST} tasks are at work already: wait for one of them, or stop it", status=429)
        (self.home(name) / LOG).unlink(missing_ok=True)
        self._spawn(name, Job(verb, list(arguments), "running", time.time()))

    def stop(self, name: str) -> None:
        """Ends a task's child; a climb that is started again goes on where it was."""
        job = self.job(name)
        if job is not None and job.state == "running":
            self._write(name, msgspec.structs.replace(job, state="stopped", ended=time.time()))
            self._end(name, job)

    def tend(self) -> None:
        """Looks after what an earlier server left; from then on in the background. Does nothing the second time."""
        if self._watch is None:
            self._watch = asyncio.create_task(self._tend())

    def close(self) -> None:
        """The server stops: its children too; their jobs stay `running`, and the next server starts them again."""
        if self._watch is not None:
            self._watch.cancel()
        for name, child in list(self._ours.items()):
            if child.poll() is None and (job := self.job(name)) is not None:
                self._end(name, job)

    async def _tend(self) -> None:
        while True:
            for name in self.names():
                try:
                    self._look(name)
                except JanginError:
                    continue  # the task's page says what is wrong with it
            await asyncio.sleep(LOOK_S)

    def _look(self, name: str) -> None:
        job = self.job(name)
        if job is None or job.state != "running":
            return
        child = self._ours.get(name)
        if child is not None:
            code = child.poll()
            if code is None:
                return
            del self._ours[name]
            self._ended(name, job, code)
        elif not _alive(job):  # of an earlier server; what it ended with nobody heard
            code = _written_exit(self.home(name))
            if code is not None:
                self._ended(name, job, code)
            elif job.restarts < RESTARTS:
                self._spawn(name, msgspec.structs.replace(job, restarts=job.restarts + 1))
            else:
                self._ended(name, job, -1)

    def _ended(self, name: str, job: Job, code: int) -> None:
        state: State = "done" if code == 0 else "said_no" if code == 1 else "failed"
        self._write(name, msgspec.structs.replace(job, state=state, ended=time.time(), exit=code))

    def _spawn(self, name: str, job: Job) -> None:
        home = self.home(name)
        (home / "job.exit").unlink(missing_ok=True)
        command = [sys.executable, "-P", "-m", "jangin.console.child", job.verb, *job.arguments, "--json"]
        with (home / LOG).open("ab") as log, (home / OUT).open("wb") as out:
            if job.restarts:
                log.write(b"-- the server was restarted; going on --\n")
                log.flush()
            child = subprocess.Popen(
                command, cwd=home, stdin=subprocess.DEVNULL, stdout=out, stderr=log, start_new_session=True
            )
        self._ours[name] = child
        self._write(name, msgspec.structs.replace(job, pid=child.pid, born=_born(child.pid)))

    def _write(self, name: str, job: Job) -> None:
        write_atomic(self.home(name) / JOB, msgspec.json.encode(job))

    def _end(self, name: str, job: Job) -> None:
        if not _alive(job):
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(job.pid, signal.SIGTERM)
        child = self._ours.pop(name, None)
        if child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(3)


def _born(pid: int) -> str:
    """When the system started a process, in its own ticks; empty where that cannot be known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _alive(job: Job) -> bool:
    try:
        state = Path(f"/proc/{job.pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z" and _born(job.pid) == job.born


def _written_exit(home: Path) -> int | None:
    """What a child wrote down of its end; None: it had none of its own."""
    try:
        return int((home / "job.exit").read_text("ascii"))
    except (OSError, ValueError):
        return None
