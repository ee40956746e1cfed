"""Turns: who writes next when the engine can fill a forward pass with the requests of one adapter only."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from jangin.serve.turns import Job, Turns

LONG_S = 10.0


class Record:
    """Jobs that begin, wait for `release`, and end; `begun` names them in order."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.most = 0
        self._running = 0
        self._release: dict[str, threading.Event] = {}
        self._change = threading.Condition()

    def job(self, name: str) -> Callable[[Job], None]:
        release = self._release[name] = threading.Event()

        def work(_: Job) -> None:
            with self._change:
                self.begun.append(name)
                self._running += 1
                self.most = max(self.most, self._running)
                self._change.notify_all()
            assert release.wait(LONG_S)
            with self._change:
                self._running -= 1

        return work

    def release(self, *names: str) -> None:
        for name in names:
            self._release[name].set()

    def wait(self, count: int) -> list[str]:
        """Names of the jobs that have begun, once there are so many."""
        with self._change:
            assert self._change.wait_for(lambda: len(self.begun) >= count, LONG_S)
            return list(self.begun)


def fill(turns: Turns, record: Record, names: list[str]) -> list[Job]:
    """The key of a job is the first letter of its name."""
    return [turns.submit(name[0], record.job(name)) for name in names]


def test_places_are_filled_with_one_key_although_another_came_between() -> None:
    turns, record = Turns(2, turn_s=LONG_S), Record()
    fill(turns, record, ["a1", "b1", "a2", "b2"])
    assert sorted(record.wait(2)) == ["a1", "a2"]
    record.release("a1", "a2", "b1", "b2")
    assert sorted(record.wait(4)[2:]) == ["b1", "b2"]
    assert record.most == 2


def test_a_turn_that_is_over_ends_although_its_own_key_still_waits() -> None:
    turns, record = Turns(1, turn_s=0.0), Record()
    fill(turns, record, ["a1", "a2", "b1", "a3"])
    record.wait(1)
    record.release("a1", "a2", "a3", "b1")
    assert record.wait(4) == ["a1", "a2", "b1", "a3"]  # the one that waits longest is next


def test_a_turn_goes_on_while_it_lasts() -> None:
    turns, record = Turns(1, turn_s=LONG_S), Record()
    fill(turns, record, ["a1", "b1", "a2", "a3"])
    record.release("a1", "a2", "a3", "b1")
    assert record.wait(4) == ["a1", "a2", "a3", "b1"]


def test_another_key_does_not_begin_beside_the_running_one() -> None:
    turns, record = Turns(3, turn_s=0.0), Record()
    fill(turns, record, ["a1", "b1"])
    fill(turns, record, ["b2"])
    record.wait(1)
    assert record.begun == ["a1"]
    record.release("a1", "b1", "b2")
    assert record.wait(3)[0] == "a1" and record.most <= 2


def test_a_job_cancelled_while_it_waits_never_begins_and_says_so() -> None:
    turns, record = Turns(1), Record()
    dropped: list[Job] = []
    turns.submit("a", record.job("a1"))
    record.wait(1)
    waiting = turns.submit("a", record.job("a2"), dropped.append)
    turns.submit("a", record.job("a3"))
    turns.cancel(waiting)
    assert dropped == [waiting]
    record.release("a1", "a2", "a3")
    assert record.wait(2) == ["a1", "a3"]


def test_a_running_job_is_told_that_it_is_cancelled() -> None:
    turns, begun, told = Turns(1), threading.Event(), threading.Event()

    def work(job: Job) -> None:
        begun.set()
        assert job.cancelled.wait(LONG_S)
        told.set()

    job = turns.submit("a", work)
    assert begun.wait(LONG_S)
    turns.cancel(job)
    assert told.wait(LONG_S)


def test_a_job_that_fails_gives_its_place_back(capsys: pytest.CaptureFixture[str]) -> None:
    turns, done = Turns(1), threading.Event()

    def fail(_: Job) -> None:
        raise ValueError("words of a prompt")

    turns.submit("a", fail)
    turns.submit("a", lambda _: done.set())
    assert done.wait(LONG_S)
    assert capsys.readouterr().err == "jangin engine: ValueError while answering\n"
