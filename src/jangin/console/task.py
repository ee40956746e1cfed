"""One specialist: the ladder that it came from, what it confuses, whether its confidences are true, what is proven."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from markupsafe import Markup
from starlette.responses import FileResponse, Response

from jangin import bars, charts, report
from jangin.bundle import identity
from jangin.console import evidence, figures, said
from jangin.console.desk import Ask, Desk
from jangin.console.overview import address, tone_of
from jangin.errors import DataError, RequestError
from jangin.evals import render
from jangin.evals.certificate import read, read_answers
from jangin.evals.wording import METRIC_NAMES

if TYPE_CHECKING:
    from jangin.serve.fleet import Entry

SHOWN_CLASSES = 20
FILES = {"certificate.json": "application/json", "certificate.md": "text/markdown", "certificate.html": "text/html"}


def entry_of(ask: Ask) -> Entry:
    """Raises: RequestError 404, 403."""
    name = ask.path["name"]
    if not ask.sees(name):
        raise RequestError(f"this key may not see '{name[:80]}'", status=403, code="not_permitted")
    return ask.server.fleet.get(name, ask.sees)


async def looked_at(desk: Desk, folder: Path) -> report.Found:
    return await desk.kept(("found", folder), figures.marks(folder), lambda: report.look_at(folder))


async def show(ask: Ask) -> Response:
    entry = entry_of(ask)
    found = await looked_at(ask.desk, entry.folder)
    examples: list[evidence.Confused] = []
    if ask.admin:  # the rows of validation are the task's own texts
        mark = figures.marks(entry.folder)
        examples = await ask.desk.kept(("confused", entry.folder), mark, lambda: evidence.confused(found))
    elsewhere = versions(ask, entry) if ask.admin else []
    return ask.page(
        "task.html",
        entry=entry,
        found=found,
        tone="bad" if found.invalid else tone_of(entry),
        address=address(entry.info.name),
        ladder=ladder(found, ask.tell),
        calibration=calibration(found, ask.tell),
        pairs=report.pairs(found),
        examples=examples,
        classes=classes(ask, found),
        versions=elsewhere,
        promise=entry.promise.about() if entry.promise else None,
        terms=entry.terms.policy,
    )


def ladder(found: report.Found, tell: said.Say) -> Any:
    points = report.points(found)
    if not points:
        return None
    metric = METRIC_NAMES.get(found.rungs[0].metric, found.rungs[0].metric)
    return said.drawing(charts.ladder(points, f"{metric} on validation", report.bars(found)), tell)


def calibration(found: report.Found, tell: said.Say) -> Any:
    bins, where = report.bins(found)
    return {"chart": said.drawing(charts.calibration(bins), tell), "where": where} if bins else None


def classes(ask: Ask, found: report.Found) -> Any:
    """The weakest classes as a chart, and all of them behind a fold."""
    rows = evidence.classes(found)
    if not rows:
        return None
    drawn = [(each.label, each.right / each.n if each.n else 0.0, f"{each.right:,} / {each.n:,}") for each in rows]
    told = ask.say("Share right of each class, the weakest first")
    some = said.drawing(bars.classes(drawn[:SHOWN_CLASSES], told))
    rest = said.drawing(bars.classes(drawn[SHOWN_CLASSES:], told)) if len(drawn) > SHOWN_CLASSES else None
    return {"some": some, "rest": rest, "more": len(drawn) - SHOWN_CLASSES}


async def certificate(ask: Ask) -> Response:
    entry = entry_of(ask)
    return await certificate_page(ask, entry.folder, entry.info.name, address(entry.info.name), entry.info.sha256)


async def certificate_page(ask: Ask, folder: Path, name: str, back: str, loaded: str | None = None) -> Response:
    """The whole certificate, and what checking it found. loaded: the identity that answers; None: none does yet, and
    there are no files to keep."""
    found = await checked(ask.desk, folder, name, loaded)
    body = "" if found.invalid else await written(ask.desk, folder, ask.language)
    there = [each for each in FILES if loaded and (folder / each).is_file()]
    return ask.page("certificate.html", name=name, found=found, address=back, body=body, files=there)


async def checked(desk: Desk, folder: Path, name: str, loaded: str | None) -> report.Found:
    """A specialist with its certificate; one of other weights than those loaded is not valid here.

    Raises: RequestError 404 where there is none.
    """
    found = await looked_at(desk, folder)
    if found.certificate is None:
        raise RequestError(f"'{name}' has no certificate: jangin certify opens the test", status=404)
    if loaded is not None and found.certificate.specialist["sha256"] != loaded:
        said = "the certificate is of another specialist than the one that is loaded: reload it"
        found = msgspec.structs.replace(found, invalid=True, problems=[*found.problems, said])
    return found


async def written(desk: Desk, folder: Path, language: str) -> Markup:
    """The certificate as markup, written anew from its JSON and the recorded answers."""

    def write() -> Markup:
        tell = said.teller(language)
        body = render.body(read(folder), read_answers(folder), tell)
        for part in ('<div class="scroll"', "<figure"):  # wider than a phone: for the keyboard to scroll
            body = body.replace(f"{part}>", f'{part} tabindex="0">')
        return said.drawing(body, tell)

    return await desk.kept(("certificate", folder, language), figures.marks(folder), write)


async def certificate_file(ask: Ask) -> Response:
    """The files that `certify` wrote, to keep."""
    entry, name = entry_of(ask), ask.path["file"]
    if name not in FILES or not (entry.folder / name).is_file():
        raise RequestError("there is no such file of the certificate", status=404)
    return FileResponse(entry.folder / name, filename=f"{entry.info.name}-{name}", media_type=FILES[name])


async def data(ask: Ask) -> Response:
    """What `jangin check` says of the examples that it learnt from."""
    from jangin.data.check import check
    from jangin.task import load_task

    entry = entry_of(ask)
    task = figures.task_of(entry.folder)
    if task is None:
        raise DataError(
            f"'{entry.info.name}' names no task that can be read here", "copy the task's folder to where it was trained"
        )
    mark = (task.hash, *figures.marks(task.folder, *task.data.named().values()))
    found = await ask.desk.kept(("data", task.folder), mark, lambda: check(load_task(task.folder / task.file)))
    return ask.page("data.html", entry=entry, address=address(entry.info.name), found=found)


def versions(ask: Ask, entry: Entry) -> list[dict[str, Any]]:
    """Other specialists for the same task that this server can read: loaded ones, those beside it, those made here."""
    from jangin.bundle import MANIFEST

    homes = {each.folder.resolve() for each in ask.server.fleet.entries.values()}
    places = [entry.folder.resolve().parent]
    if ask.desk.workspace is not None:
        places += (ask.desk.workspace / "tasks").glob("*/runs")
    for place in places:
        homes |= {path.parent.resolve() for path in sorted(place.glob(f"*/{MANIFEST}"))[:50]}
    homes.discard(entry.folder.resolve())
    found = []
    for home in sorted(homes):
        manifest = evidence.manifest_of(home)
        if manifest is not None and manifest.kind == entry.info.kind and manifest.labels == entry.info.labels:
            found.append(
                {"folder": str(home), "name": manifest.name, "rung": manifest.rung, "sha256": identity(manifest)}
            )
    return found


async def compare(ask: Ask) -> Response:
    entry, other = entry_of(ask), ask.query.get("with", "")
    choices = versions(ask, entry)
    if other not in [each["folder"] for each in choices]:
        raise RequestError("choose one of the versions that this page offers", status=404)
    pair = [await looked_at(ask.desk, folder) for folder in (entry.folder, Path(other))]
    return ask.page(
        "compare.html",
        entry=entry,
        address=address(entry.info.name),
        sides=[
            {"found": each, "ladder": ladder(each, ask.tell), "calibration": calibration(each, ask.tell)}
            for each in pair
        ],
        rows=evidence.compared(ask.say, *pair),
        both=evidence.both(*pair),
    )
