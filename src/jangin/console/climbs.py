"""A new task in the browser: examples in, the data check, a climb to watch, the certificate, into service."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
from starlette.responses import JSONResponse, Response, StreamingResponse

from jangin.console import figures, jobs
from jangin.console.desk import Ask
from jangin.console.overview import address
from jangin.console.session import PATH
from jangin.console.supervise import Job, Supervisor
from jangin.console.task import certificate_page, ladder, looked_at
from jangin.console.tryout import receive
from jangin.data.read import FORMATS
from jangin.errors import InputError, JanginError, RequestError
from jangin.files import write_atomic
from jangin.serve import app as api
from jangin.task import load_task

if TYPE_CHECKING:
    from jangin.task import Task

MOST_BYTES = 256_000_000
NAME = re.compile(r"[A-Za-z0-9가-힣][A-Za-z0-9가-힣_.\-]{0,63}")
BUDGETS = {"5": "5 minutes", "30": "30 minutes", "120": "2 hours", "480": "8 hours"}
STATES = {
    "": "not started",
    "running": "at work",
    "done": "done",
    "said_no": "done, below the bar",
    "failed": "failed",
    "stopped": "stopped",
}
TONES = {"": "soft", "running": "warn", "done": "good", "said_no": "warn", "failed": "bad", "stopped": "soft"}


def _climbs(ask: Ask) -> Supervisor:
    """Raises: RequestError where this server keeps nothing."""
    if ask.desk.climbs is None:
        raise RequestError("this server has no state folder, so no task can be made here: start it with --state DIR")
    ask.desk.climbs.tend()
    return ask.desk.climbs


async def show(ask: Ask, error: JanginError | None = None) -> Response:
    status = 200 if error is None else getattr(error, "status", 400)
    if ask.desk.climbs is None:
        return ask.page("new.html", status, kept=False, rows=[], error=None, form={}, formats=FORMATS)
    climbs = _climbs(ask)
    rows = []
    for name in climbs.names():
        job = climbs.job(name)
        state = job.state if job else ""
        rows.append({"name": name, "path": _path(name), "state": STATES[state], "tone": TONES[state], "job": job})
    return ask.page("new.html", status, kept=True, rows=rows, error=error, form=ask.form, formats=FORMATS)


def _path(name: str) -> str:
    return f"{PATH}/new/{quote(name, safe='')}"


async def create(ask: Ask) -> Response:
    """Rows that were pasted."""
    try:
        text = ask.form.get("rows", "").strip()
        if not text:
            raise InputError("no examples were given", "choose a file, or paste rows: CSV with a head, or JSONL")
        ending = ".jsonl" if text.startswith("{") else ".csv"
        home = _new_home(ask, ask.field("name"))
        try:
            write_atomic(home / f"data{ending}", text + "\n")
            _describe(home, home / f"data{ending}", ask.field("at_least"))
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
    except JanginError as error:
        return await show(ask, error)
    return ask.to(_path(home.name))


async def upload(ask: Ask) -> Response:
    """A file of examples as the request's body."""
    file = Path(ask.query.get("file", "")).name.lower()
    ending = next((each for each in sorted(FORMATS, key=len, reverse=True) if file.endswith(each)), None)
    if ending is None:
        raise InputError(f"'{file}' is no kind of file that is read here", f"expected one of {', '.join(FORMATS)}")
    home = _new_home(ask, ask.query.get("name", "").strip())
    try:
        await receive(ask, home / f"data{ending}", MOST_BYTES)
        _describe(home, home / f"data{ending}", ask.query.get("at_least", "").strip())
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    return JSONResponse({"to": _path(home.name)})


def _new_home(ask: Ask, name: str) -> Path:
    """Raises: InputError for a name that cannot be one, RequestError 409 for one that is taken."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"'{name[:80]}' cannot name a task", "use 1 to 64 letters, digits and _ . -, a letter or digit first"
        )
    home = _climbs(ask).folder / name
    if home.exists():
        raise RequestError(f"there is a task named '{name}' already", status=409, param="name")
    home.mkdir(parents=True, mode=0o700)
    return home


def _describe(home: Path, data: Path, at_least: str) -> None:
    """task.yaml as `jangin init` writes it, with the bar that was asked for."""
    from jangin.init import write_task

    path = write_task(data, home, name=home.name)
    if at_least:
        path.write_text(_with_bar(path.read_text("utf-8"), at_least), "utf-8")
    load_task(home)


def _with_bar(text: str, at_least: str) -> str:
    """Raises: InputError for what is no share."""
    try:
        share = float(at_least)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise InputError(f"the bar is '{at_least[:20]}'; expected a number above 0 and at most 1", "write 0.9, say")
    kept = [line for line in text.splitlines() if not line.startswith(("bar:", "# bar:"))]
    return "\n".join([*kept, f"bar: {{at_least: {share:g}}}"]) + "\n"


async def follow(ask: Ask, error: JanginError | None = None, text: str | None = None) -> Response:
    """One task: as far as it is."""
    from jangin.data.check import check

    climbs, name = _climbs(ask), ask.path["name"]
    home = climbs.home(name)
    job = climbs.job(name)
    task: Task | None = None
    findings = None
    try:
        task = load_task(home)
        mark = (task.hash, *figures.marks(home, *task.data.named().values()))
        findings = await ask.desk.kept(("data", home), mark, lambda: check(load_task(home)))
    except JanginError as fault:
        error = error or fault
    folder = _specialist(home)
    found = await looked_at(ask.desk, folder) if folder else None
    served = next((e for e in ask.server.fleet.entries.values() if folder and e.folder.resolve() == folder), None)
    status = 200 if error is None else getattr(error, "status", 400)
    return ask.page(
        "climb.html",
        status,
        name=name,
        path=_path(name),
        task=task,
        text=text if text is not None else (home / "task.yaml").read_text("utf-8", "replace"),
        findings=findings,
        job=job,
        state=STATES[job.state if job else ""],
        tone=TONES[job.state if job else ""],
        log=climbs.log(name),
        result=_result(home, job),
        found=found,
        ladder=ladder(found, ask.tell) if found else None,
        served=address(served.info.name) if served else None,
        error=error,
        budgets=BUDGETS,
        folder=str(folder) if folder else None,
    )


def _specialist(home: Path) -> Path | None:
    """The folder that the climb packed."""
    found = sorted((home / "runs").glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
    return found[-1].parent.resolve() if found else None


def _result(home: Path, job: Job | None) -> dict[str, Any]:
    """The document that the last job printed; empty while it runs."""
    if job is None or job.state == "running":
        return {}
    try:
        found = msgspec.json.decode((home / "job.out").read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return found if isinstance(found, dict) else {}


async def change(ask: Ask) -> Response:
    """A new task.yaml; one that is refused is shown again and changes nothing."""
    climbs, name = _climbs(ask), ask.path["name"]
    home, text = climbs.home(name), ask.form.get("text", "").replace("\r\n", "\n")
    job = climbs.job(name)
    if job is not None and job.state == "running":
        raise RequestError("the climb reads this task: stop it first", status=409)
    trial = home / ".trial.yaml"
    try:
        write_atomic(trial, text)
        load_task(trial)
        write_atomic(home / "task.yaml", text)
    except JanginError as error:
        return await follow(ask, error, text)
    finally:
        trial.unlink(missing_ok=True)
    return ask.to(_path(name))


async def train(ask: Ask) -> Response:
    climbs, name = _climbs(ask), ask.path["name"]
    budget = ask.field("budget")
    if budget not in BUDGETS:
        raise RequestError(f"'{budget[:20]}' is no budget that the form offers", param="budget")
    home = climbs.home(name)
    arguments = [".", "-o", f"runs/{load_task(home).name}", "--budget", f"{budget}m"]
    if rungs := ask.field("rungs"):
        arguments += ["--rungs", rungs]
    return await _begin(ask, "train", arguments)


async def certify(ask: Ask) -> Response:
    home = _climbs(ask).home(ask.path["name"])
    folder = _specialist(home)
    if folder is None:
        raise RequestError("there is no specialist to certify yet", status=409)
    return await _begin(ask, "certify", [str(folder)])


async def _begin(ask: Ask, verb: Any, arguments: list[str]) -> Response:
    climbs, name = _climbs(ask), ask.path["name"]
    try:
        key = ask.key.id if ask.key else ""
        await ask.server.door.record(f"admin.{verb}", {"task": name, "key": key})
        climbs.start(name, verb, arguments)
    except JanginError as error:
        return await follow(ask, error)
    return ask.to(_path(name))


async def stop(ask: Ask) -> Response:
    _climbs(ask).stop(ask.path["name"])
    return ask.to(_path(ask.path["name"]))


async def serve(ask: Ask) -> Response:
    """Loads what the climb packed; what answers under its name from the same folder is read again."""
    home = _climbs(ask).home(ask.path["name"])
    folder = _specialist(home)
    if folder is None:
        raise RequestError("there is no specialist to put into service yet", status=409)
    served = next((e for e in ask.server.fleet.entries.values() if e.folder.resolve() == folder), None)
    try:
        if served is not None:
            await ask.act(api.reload, {"model": served.info.name}, acts=True)
            return ask.to(address(served.info.name))
        found = await ask.act(api.load, {"path": str(folder)}, acts=True)
        await ask.remember(found["id"])
    except JanginError as error:
        return await follow(ask, error)
    return ask.to(address(found["id"]))


async def certificate(ask: Ask) -> Response:
    name = ask.path["name"]
    folder = _specialist(_climbs(ask).home(name))
    if folder is None:
        raise RequestError("there is no specialist yet", status=404)
    return await certificate_page(ask, folder, name, _path(name))


async def events(ask: Ask) -> Response:
    """The log as it grows, and the end."""
    climbs, name = _climbs(ask), ask.path["name"]
    climbs.home(name)

    def over() -> dict[str, Any] | None:
        job = climbs.job(name)
        return None if job is not None and job.state == "running" else {"to": _path(name)}

    told = jobs.stream(lambda: {"log": climbs.log(name)}, over, ask.desk.stopping)
    return StreamingResponse(told, media_type="text/event-stream")
