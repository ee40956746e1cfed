"""A task made in the console: examples in, checked, climbed in a child process, certified, into service."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console_parts import Browser, Place, visit
from jangin.console.rooms import Rooms
from jangin.console.supervise import Job, Supervisor
from small_tasks import messages, write


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path / "state", keyed=False)
    yield found
    found.close()


async def until(holds: Callable[[], bool], within_s: float = 120.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.1)


def job_of(place: Place, name: str = "desk") -> Job:
    assert place.rooms.climbs is not None
    found = place.rooms.climbs.job(name)
    assert found is not None
    return found


def test_a_task_goes_from_examples_to_a_certified_specialist_in_service(place: Place, tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", messages(260, 1)).read_bytes()

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.get("/new")
        sent = await browser.send("/new/upload", rows, file="rows.jsonl", name="desk", at_least="0.6")
        assert sent.json() == {"to": "/console/new/desk"}
        page = (await browser.get("/new/desk")).text
        assert "bar: {at_least: 0.6}" in page and "Readable rows" in page and "not started" in page
        again = await browser.send("/new/upload", rows, file="rows.jsonl", name="desk")
        assert again.status_code == 409

        await browser.post("/new/desk/train", {"budget": "5", "rungs": "ngrams"})
        assert job_of(place).verb == "train"
        told = (await browser.get("/new/desk/events")).text  # until it ends
        assert "ngrams: accuracy" in told and "event: done" in told, told[-2000:]
        assert job_of(place).state == "done"
        page = (await browser.get("/new/desk")).text
        assert "Packed ngrams" in page and "<svg" in page

        await browser.post("/new/desk/certify")
        await browser.get("/new/desk/events")
        assert job_of(place).state == "done", (await browser.get("/new/desk")).text
        assert "reaches the bar of 0.6" in (await browser.get("/new/desk")).text
        assert "Checked just now" in (await browser.get("/new/desk/certificate")).text

        served = await browser.post("/new/desk/serve")
        assert served.url.path == "/console/tasks/desk" and "desk" in fleet.entries
        assert "was answered as" in served.text or "What was tried" in served.text
        data = await browser.get("/tasks/desk/data")
        assert data.status_code == 200 and "Readable rows" in data.text
        begun = await browser.post("/review/begin", {"model": "desk", "source": "validation"})
        assert "Row 1 of" in begun.text and "The truth in the data says" in begun.text

    visit(place, [], work)


def test_what_cannot_be_learnt_from_is_refused_and_leaves_nothing(place: Place) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        await browser.get("/new")
        for name, at_least in (("../up", ""), ("a b", ""), ("", ""), ("desk", "2"), ("desk", "much")):
            sent = await browser.send("/new/upload", b"text,label\na,b\n", file="x.csv", name=name, at_least=at_least)
            assert sent.status_code == 400, (name, at_least)
        for file, body in (("x.exe", b"a"), ("x.csv", b""), ("x.jsonl", b"{nonsense")):
            sent = await browser.send("/new/upload", body, file=file, name="desk")
            assert sent.status_code == 400, file
        answer = await browser.post("/new", {"name": "desk", "rows": ""})
        assert answer.status_code == 400 and "no examples were given" in answer.text
        assert place.rooms.climbs is not None and place.rooms.climbs.names() == []

        rows = "text,label\n" + "\n".join(f"row {n} of all,{'a' if n % 2 else 'b'}" for n in range(8))
        assert (await browser.post("/new", {"name": "desk", "rows": rows})).status_code == 200
        page = await browser.post("/new/desk/task", {"text": "name: desk\nkind: sing\n"})
        assert page.status_code == 400 and "kind: sing" in page.text
        assert "kind: sing" not in (place.folder / "console" / "tasks" / "desk" / "task.yaml").read_text("utf-8")
        assert (await browser.post("/new/desk/train", {"budget": "9999"})).status_code == 400
        assert (await browser.post("/new/desk/certify")).status_code == 409
        assert (await browser.get("/new/other")).status_code == 404

    visit(place, [], work)


def test_a_server_without_a_state_folder_says_so(place: Place) -> None:
    place.rooms = Rooms()

    async def work(browser: Browser, fleet: Any) -> None:
        assert "no state folder" in (await browser.get("/new")).text
        assert (await browser.post("/new", {"name": "desk", "rows": "a"})).status_code == 400

    visit(place, [], work)


def started(place: Place) -> Supervisor:
    """A supervisor whose child has begun: of the quickest verb, since all are looked after alike (test_kill.py kills
    climbs)."""
    climbs = place.rooms.climbs
    assert climbs is not None
    home = climbs.folder / "desk"
    home.mkdir(parents=True)
    write(home / "data.jsonl", messages(260, 1))
    (home / "task.yaml").write_text("name: desk\nkind: classify\ndata: data.jsonl\n", "utf-8")
    climbs.start("desk", "check", ["."])
    return climbs


def test_a_climb_that_a_stopped_server_ended_goes_on_with_the_next(place: Place) -> None:
    async def work() -> None:
        first = started(place)
        pid = job_of(place).pid
        first.close()  # as a server that stops
        assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]
        assert job_of(place).state == "running"
        place.rooms = Rooms(place.folder / "console")
        place.rooms.open()
        await until(lambda: job_of(place).state != "running")
        job = job_of(place)
        assert (job.state, job.restarts) == ("done", 1) and job.pid != pid
        assert place.rooms.climbs is not None and "going on" in place.rooms.climbs.log("desk")

    asyncio.run(work())
    assert msgspec.json.decode((place.folder / "console" / "tasks" / "desk" / "job.out").read_bytes())["errors"] == 0


def test_a_climb_that_outlived_its_server_is_taken_over_not_begun_again(place: Place) -> None:
    async def work() -> None:
        first = started(place)
        child = first._ours.pop("desk")  # a server that was killed: nobody ends the child, nobody hears of it
        pid = child.pid
        place.rooms = Rooms(place.folder / "console")
        place.rooms.open()
        reaped = asyncio.create_task(asyncio.to_thread(child.wait))
        await until(lambda: job_of(place).state != "running")
        await reaped
        assert (job_of(place).state, job_of(place).restarts, job_of(place).pid) == ("done", 0, pid)

    asyncio.run(work())


def test_a_climb_that_is_stopped_ends_and_another_process_of_its_number_is_left_alone(place: Place) -> None:
    climbs = started(place)
    pid = job_of(place).pid
    climbs.stop("desk")
    assert job_of(place).state == "stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

    mine = Job("train", [], "running", time.time(), pid=os.getpid(), born="1")  # our own number, of another process
    (climbs.home("desk") / "job.json").write_bytes(msgspec.json.encode(mine))
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("the wrong process was ended"))
    try:
        climbs.stop("desk")
    finally:
        signal.signal(signal.SIGTERM, before)
