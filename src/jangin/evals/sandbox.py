"""Runs Python that a model wrote: in a process of its own, without network and files, within stated bounds.

    run_python(source)                 a script; `ok` when it exits with 0
    run_python(source, tests=...)      `ok` only when the tests ran to their end
    run_many(programs)                 several at a time, results in order
    protection()                       what is enforced on this machine, checked by a program that tries

Linux namespaces keep the program apart (`jail.py` builds them; neither root nor a daemon is needed). Where the kernel
refuses them nothing is run.

What remains: program and tests share one interpreter, as in the usual harnesses. Printing, exiting early, exit hooks,
patched builtins and reading the tests beforehand do not forge a verdict. Code written against this very file, or
objects that claim to equal everything, still can. Memory and CPU are bounded for each process, so a program may use as
many times that as it may have processes. The kernel itself is the wall: this is for code that a model wrote in earnest,
not for an attacker with an exploit for it.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from jangin.errors import InputError, JanginError, SandboxError
from jangin.evals.jailer import DEFAULTS, HINT, Limits, Outcome, Program, run_jailed

__all__ = ["Limits", "Outcome", "Program", "Protection", "SandboxError", "protection", "run_many", "run_python"]

_BREAKOUT = Path(__file__).with_name("breakout.py")


class Protection(NamedTuple):
    """What the sandbox enforces here; `refused` says why nothing can be run, and is None where it can."""

    enforced: tuple[str, ...]
    refused: str | None


def run_python(source: str, *, tests: str | None = None, limits: Limits = DEFAULTS) -> Outcome:
    """Runs a program and waits for its end.

    It sees the standard library (ctypes hidden), an empty scratch folder as its working directory and an empty
    environment; hashes are seeded, so that a verdict can be repeated.

    Raises: SandboxError where the machine cannot enforce the limits; InputError for limits that make no sense.
    """
    _check(limits)
    return run_jailed(Program(source, tests), limits)


def run_many(
    programs: Iterable[Program], *, limits: Limits = DEFAULTS, parallel: int | None = None
) -> Iterator[Outcome]:
    """Outcomes in the order of the programs, `parallel` (default: one a core) at a time, as they come.

    Raises: as `run_python`, before the first program is started.
    """
    _check(limits)
    with ThreadPoolExecutor(parallel or os.cpu_count() or 1) as pool:
        yield from pool.map(lambda program: run_jailed(program, limits), programs)


@functools.cache
def protection() -> Protection:
    """What is enforced on this machine. The first call runs a program that tries to break out; later calls are free."""
    if not sys.platform.startswith("linux"):
        return Protection((), f"{sys.platform} has no namespaces that a program could be kept apart with")
    try:
        outcome = run_jailed(Program(_BREAKOUT.read_text(encoding="utf-8")), DEFAULTS)
    except JanginError as error:
        return Protection((), error.message)
    if outcome.status != "ok":
        return Protection((), f"the program that tries to break out ended as '{outcome.status}'")
    if outcome.stdout.strip():
        return Protection((), f"a program in the jail could still {outcome.stdout.strip()}")
    return Protection(
        (
            "no network: a network namespace of its own without an interface",
            "files: the interpreter and its library, read-only, and an empty scratch folder in memory",
            "processes: sees and signals only its own, all of which end with it",
            "an unprivileged user without capabilities, which cannot gain any",
            "limits on wall clock, on CPU and address space of each process, on processes, open files and output",
        ),
        None,
    )


def _check(limits: Limits) -> None:
    """That the limits make sense and that this machine can enforce them."""
    floors = Limits(wall_s=0.1, cpu_s=1, memory_mb=64, processes=1, output_bytes=0, scratch_mb=1)
    for name, value, floor in zip(Limits._fields, limits, floors, strict=True):
        if not value >= floor:
            raise InputError(f"sandbox limit '{name}' is {value}; it must be at least {floor}", f"raise `{name}`")
    refused = protection().refused
    if refused is not None:
        raise SandboxError(f"model-written code is not run here: {refused}", HINT)
