"""The climb: cheapest rung first, stop at the first that is likely enough to pass the bar, and pack it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from jangin.errors import BaseModelError, InputError, JanginError, MissingExtraError
from jangin.evals.chance import ENOUGH
from jangin.files import hash_json
from jangin.meter import Meter
from jangin.task import WRITTEN, Task, load_task
from jangin.train.judge import Judged, claim_of
from jangin.train.workshop import Shop, Workshop
from jangin.types import RungRecord

DEFAULT_BUDGET_S = 30 * 60.0
Say = Callable[[str], None]


class Climbed(msgspec.Struct, frozen=True):
    """What `train` reports. `passes`: the chosen rung's chance reaches the stopping rule's; None without a bar."""

    specialist: Path
    base: str | None
    params: int
    rung: str
    passes: bool | None
    rungs: list[RungRecord]
    seconds: float
    record: dict[str, Any]


class _Craft(NamedTuple):
    """How one family of kinds is climbed: its rows, its rungs, how one is judged and packed."""

    shop: Callable[..., Any]
    ladder: Callable[[Any], list[Any]]
    judge: Callable[..., Judged]
    pack: Callable[..., dict[str, Any]]


def _craft(task: Task) -> _Craft:
    if task.kind in WRITTEN:
        from jangin.train import written

        return _Craft(written.WritingShop, written.ladder, written.judge, written.pack)
    from jangin.pack import pack
    from jangin.train.judge import judge
    from jangin.train.rungs import ladder

    return _Craft(Workshop, ladder, judge, pack)


class _Try(msgspec.Struct, frozen=True, eq=False):
    rung: Any
    attempt: Any
    judged: Judged


def train(
    task_path: Path | str,
    out: Path | None = None,
    *,
    budget_s: float = DEFAULT_BUDGET_S,
    only: list[str] | None = None,
    seed: int | None = None,
    best: bool = False,
    plan: Path | None = None,
    quiet: bool = False,
    say: Say = lambda line: None,
) -> Climbed:
    """Climbs, packs and checks parity.

    Args:
        out: the bundle's folder; default: `runs/<task name>` beside the task.
        budget_s: no rung starts whose estimate would end after it. only: names of rungs to try, nothing else.
        seed: default the task's. best: climb on to the best within the budget instead of the first that passes.
        plan: a record.json whose rungs, seed, recipes and `best` are replayed, whatever the clock says.
    Raises: DataError, TaskError, InputError, StorageError, ...; a killed run leaves a folder that the next resumes.
    """
    task = load_task(task_path)
    out = Path(os.path.abspath(out or task.folder / "runs" / task.name))
    _refuse_folder(out)
    given: dict[str, Any] = {}
    if plan is not None:
        replayed = _read_plan(plan)
        only, best, given = replayed.rungs, best or replayed.best, replayed.recipes
        seed = replayed.seed if seed is None else seed
    seed = _checked_seed(task.seed if seed is None else seed)
    with Meter() as meter:
        craft = _craft(task)
        shop = craft.shop(task, seed, _work_folder(task, out, seed), quiet)
        shop.recipes = given
        rungs = chosen_rungs(craft.ladder(shop), only)
        tries, records = _climb(craft, shop, rungs, budget_s, best, only is not None, say)
        chosen = _choose(tries, best)

        def recorded(parity: dict[str, Any]) -> dict[str, Any]:
            meter.read()
            return _record(task, shop, chosen, records, best, budget_s, meter, parity)

        record = craft.pack(shop, chosen.rung.name, chosen.attempt, chosen.judged, out, recorded)
    passes = None if chosen.judged.chance is None else chosen.judged.chance >= ENOUGH
    shutil.rmtree(shop.work, ignore_errors=True)
    name, attempt = chosen.rung.name, chosen.attempt
    return Climbed(out, attempt.base, attempt.params, name, passes, records, meter.seconds, record)


def _work_folder(task: Task, out: Path, seed: int) -> Path:
    """Named by all that decides the result, so that a resume never picks up parts of another task, data or seed."""
    from jangin import __version__
    from jangin.data.load import split_hashes

    key = hash_json([task.hash, split_hashes(task), seed, __version__])[:16]
    return out.parent / f".{out.name}.climb-{key}"


def _refuse_folder(out: Path) -> None:
    """The finished bundle takes the place of what stands at `out`: that may only be an earlier bundle."""
    from jangin.bundle import MANIFEST

    if out.is_dir() and ((out / MANIFEST).is_file() or not any(out.iterdir())):
        return
    if out.exists() or out.is_symlink():
        raise InputError(f"'{out}' is neither a specialist nor an empty folder", "name a new folder after -o")


def _checked_seed(seed: int) -> int:
    if not 0 <= seed < 2**32:
        raise InputError(f"the seed is {seed}; expected a whole number from 0 to 2^32 - 1", "use 0, say")
    return seed


class _Plan(NamedTuple):
    """recipes: by the rung that they were chosen for."""

    rungs: list[str]
    seed: int
    best: bool
    recipes: dict[str, Any]


def _read_plan(path: Path) -> _Plan:
    try:
        record = msgspec.json.decode(path.read_bytes())
        rungs = record["plan"]
        recipes = {each["rung"]: each["recipe"] for each in rungs if "recipe" in each}
        return _Plan([each["rung"] for each in rungs], record["seed"], record["best"], recipes)
    except (OSError, KeyError, TypeError, msgspec.DecodeError) as error:
        raise InputError(f"{path}: not a record with a plan", "name the record.json of an earlier climb") from error


def chosen_rungs(rungs: list[Any], only: list[str] | None = None) -> list[Any]:
    """Those that are named, in their order; without names all but those that must be named. Raises: InputError."""
    if only is None:
        return [rung for rung in rungs if not getattr(rung, "named_only", False)]
    names = [rung.name for rung in rungs]
    if not only:
        raise InputError("no rung named", f"the rungs are: {', '.join(names)}")
    for name in only:
        if name not in names:
            raise InputError(f"no rung '{name}' for this task", f"the rungs are: {', '.join(names)}")
    return [rung for rung in rungs if rung.name in only]


def _climb(
    craft: _Craft, shop: Shop, rungs: list[Any], budget_s: float, best: bool, forced: bool, say: Say
) -> tuple[list[_Try], list[RungRecord]]:
    from jangin.data.load import split_hashes
    from jangin.evals.register import Register

    start, claim = time.perf_counter(), claim_of(shop)
    look = len(Register(shop.task.folder, split_hashes(shop.task)["test"]).looks()) + 1
    tries: list[_Try] = []
    records: list[RungRecord] = []
    for rung in rungs:
        shop.left_s = budget_s - (time.perf_counter() - start)
        why_not = _why_not(shop, rung, forced)
        if why_not:
            records.append(RungRecord(rung.name, rung.base, 0, "skipped", shop.task.metric, why=why_not))
            say(f"{rung.name}: skipped, {why_not}")
            continue
        try:
            with Meter() as meter:
                attempt = rung.attempt(shop)
                judged = craft.judge(shop, attempt, claim, look)
        except (BaseModelError, MissingExtraError) as error:
            records.append(RungRecord(rung.name, rung.base, 0, "failed", shop.task.metric, why=error.message))
            say(f"{rung.name}: failed, {error.message}")
            continue
        tries.append(_Try(rung, attempt, judged))
        records.append(_rung_record(shop, rung, attempt, judged, meter))
        say(_line(records[-1]))
        if not best and judged.chance is not None and judged.chance >= ENOUGH:
            break
    if not tries:
        raise JanginError("no rung could be tried", "; ".join(f"{r.rung}: {r.why}" for r in records))
    return tries, records


def _why_not(shop: Shop, rung: Any, forced: bool) -> str | None:
    why = rung.why_not(shop)
    if why is not None or forced:
        return why
    estimate_s = rung.minutes(shop) * 60
    if estimate_s > shop.left_s:
        return f"would take about {estimate_s:.0f} s and {max(0.0, shop.left_s):.0f} s of the budget are left"
    return None


def _choose(tries: list[_Try], best: bool) -> _Try:
    """The first that passes; with `best`, or when none passes, the best score; without a bar, the cheapest rung whose
    score lies within one standard error of the best (Breiman et al. 1984, the one-standard-error rule)."""
    top = max(tries, key=lambda each: each.judged.score)
    if best:
        return top
    if top.judged.chance is None:
        floor = top.judged.score - top.judged.standard_error
        return next(each for each in tries if each.judged.score >= floor)
    return next((each for each in tries if (each.judged.chance or 0.0) >= ENOUGH), top)


def _rung_record(shop: Shop, rung: Any, attempt: Any, judged: Judged, meter: Meter) -> RungRecord:
    return RungRecord(
        rung=rung.name,
        base=rung.base,
        params=attempt.params,
        status="tried",
        metric=shop.task.metric,
        score=judged.score,
        lower=judged.lower,
        upper=judged.upper,
        chance=judged.chance,
        seconds=meter.seconds,
        energy_wh=meter.energy_wh,
        cost_per_1k_usd=judged.cost_per_1k_usd,
        details=judged.details,
    )


def _planned(record: RungRecord) -> dict[str, Any]:
    """What --plan replays of a rung."""
    recipe = record.details.get("recipe")
    return {"rung": record.rung, "recipe": recipe} if recipe is not None else {"rung": record.rung}


def _line(record: RungRecord) -> str:
    limits = "" if record.lower is None else f" [{record.lower:.3f}, {record.upper:.3f}]"
    chance = "" if record.chance is None else f", chance of passing {record.chance:.2f}"
    return f"{record.rung}: {record.metric} {record.score:.3f}{limits} on validation{chance}, {record.seconds:.1f} s"


def _record(
    task: Task,
    shop: Shop,
    chosen: _Try,
    records: list[RungRecord],
    best: bool,
    budget_s: float,
    meter: Meter,
    parity: dict[str, Any],
) -> dict[str, Any]:
    """record.json: what was tried and how it went; dates and timings live here, never in the manifest."""
    judged = chosen.judged
    bar = msgspec.to_builtins(task.bar) if task.bar else None
    return {
        "task_path": str((task.folder / task.file).resolve()),
        "seed": shop.seed,
        "best": best,
        "budget_s": budget_s,
        "metric": task.metric,
        "bar": bar,
        "rungs": msgspec.to_builtins(records),
        "plan": [_planned(each) for each in records if each.status == "tried"],
        "chosen": chosen.rung.name,
        "chance": judged.chance,
        "rows": shop.rows,
        "seconds": meter.seconds,
        "energy_wh": meter.energy_wh,
        "energy_method": meter.method,
        "validation": {"n": shop.rows["validation"], "score": judged.score, **judged.rows},
        "calibration": judged.calibration,
        "parity": parity,
    }
