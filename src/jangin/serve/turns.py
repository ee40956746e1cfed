"""Who writes next: a few places, and turns for the adapters, since llama.cpp decodes one adapter at a time.

In one forward pass its server takes the requests of one adapter only; a request of another adapter that has a place too
stands still until the first are finished. So places are filled with requests of one adapter for TURN_S while others
wait; then the running ones end, and it is the turn of the adapter whose request waits longest. Nothing waits longer
than it would have in the engine, and the passes stay full.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

TURN_S = 2.0  # about one answer: longer turns fill the passes better, shorter ones let the others begin sooner


class Job:
    """One piece of work. `cancelled` is set from outside; `arrived` and `begun` are readings of time.perf_counter."""

    def __init__(self, key: Hashable, work: Callable[[Job], None], dropped: Callable[[Job], None] | None):
        self.key = key
        self.work = work
        self.dropped = dropped
        self.number = 0
        self.cancelled = threading.Event()
        self.arrived = time.perf_counter()
        self.begun = self.arrived


class Turns:
    """Runs jobs on `places` threads, of one key at a time. Safe to call from several threads."""

    def __init__(self, places: int, turn_s: float = TURN_S):
        self.places = places
        self.turn_s = turn_s
        self._numbers = itertools.count()
        self._waiting: OrderedDict[Hashable, deque[Job]] = OrderedDict()
        self._running = 0
        self._turn: Hashable = None
        self._turn_began = 0.0
        self._change = threading.Condition()
        self._threads: list[threading.Thread] = []

    def submit(self, key: Hashable, work: Callable[[Job], None], dropped: Callable[[Job], None] | None = None) -> Job:
        """`work` is called with the job when its turn has come; `dropped` instead if it was cancelled before that."""
        job = Job(key, work, dropped)
        with self._change:
            job.number = next(self._numbers)
            self._waiting.setdefault(key, deque()).append(job)
            if len(self._threads) < self.places:
                self._threads.append(threading.Thread(target=self._work, name="turns", daemon=True))
                self._threads[-1].start()
            self._change.notify()
        return job

    def cancel(self, job: Job) -> None:
        """A job that waits never begins; one that runs is told so by its `cancelled`."""
        job.cancelled.set()
        with self._change:
            queue = self._waiting.get(job.key, ())
            waits = job in queue
            if waits:
                self._drop(job)
        if waits and job.dropped:
            job.dropped(job)

    def _drop(self, job: Job) -> None:
        queue = self._waiting[job.key]
        queue.remove(job)
        if not queue:
            del self._waiting[job.key]
        self._change.notify_all()

    def _work(self) -> None:
        while True:
            with self._change:
                while (job := self._next()) is None:
                    self._change.wait()
                self._running += 1
            job.begun = time.perf_counter()
            try:
                job.work(job)
            except Exception as error:  # noqa: BLE001 - a place must not be lost with the job that had it
                print(f"jangin engine: {type(error).__name__} while answering", file=sys.stderr, flush=True)
            with self._change:
                self._running -= 1
                self._change.notify_all()

    def _next(self) -> Job | None:
        """The job that may begin now; None when it is better to wait."""
        if not self._waiting:
            return None
        mine = self._turn in self._waiting
        alone = len(self._waiting) == mine
        if mine and (alone or time.perf_counter() - self._turn_began < self.turn_s):
            return self._take(self._turn)
        if self._running:
            return None
        self._turn = min(self._waiting, key=lambda key: self._waiting[key][0].number)
        self._turn_began = time.perf_counter()
        return self._take(self._turn)

    def _take(self, key: Hashable) -> Job:
        queue = self._waiting[key]
        job = queue.popleft()
        if not queue:
            del self._waiting[key]
        return job
