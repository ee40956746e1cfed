"""What the side-by-side benchmarks share: their options, and rounds that are kept, so that a stopped run goes on."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

Found = dict[str, Any]


class Named(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def environment(self) -> str | None: ...


Side = TypeVar("Side", bound=Named)


class Refused(Exception):
    """An answer that is no 200, or none at all."""


def add_options(parser: argparse.ArgumentParser, work: str, rounds: int, out: Path) -> None:
    parser.add_argument("--work", type=Path, default=Path(work))
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--only", help="names of sides, with commas")
    parser.add_argument("--again", help="names of sides whose rounds are forgotten first, with commas")
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument(
        "--kept", action="store_true", help="measure nothing: the document from the rounds that are kept"
    )
    parser.add_argument("--page", action="store_true", help="only write docs/speed.md again")


def chosen(sides: Sequence[Side], only: str | None) -> list[Side]:
    """The sides that --only names; all without it. Ends the program where it names none."""
    found = [side for side in sides if only is None or side.name in only.split(",")]
    if not found:
        sys.exit(f"--only {only}: no such side (there are {', '.join(side.name for side in sides)})")
    return found


def absent(sides: Sequence[Side], environments: Mapping[str, str]) -> dict[str, str]:
    """Sides that stand in an environment that could not be made, with the reason."""
    return {side.name: environments[name] for side in sides if (name := side.environment or "") in environments}


def take(
    folder: Path,
    sides: Sequence[Side],
    args: argparse.Namespace,
    left_out: dict[str, str],
    measure: Callable[[Side, int], Found],
    told: Callable[[Found], str],
) -> None:
    """Measures each side in each round that `folder` does not hold, every other round backwards.

    left_out: sides not asked, with the reason; one that refuses (`Refused`) is added, and the others are measured.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in args.again.split(",") if args.again else []:
        for path in folder.glob(f"{name}.*.json"):
            path.unlink()
    for number in range(0 if args.kept else args.rounds):
        for side in sides[:: 1 if number % 2 == 0 else -1]:
            path = folder / f"{side.name}.{number}.json"
            if path.is_file() or side.name in left_out:
                continue
            try:
                found = measure(side, number)
            except Refused as error:
                left_out[side.name] = str(error)
                say(f"round {number + 1}, {side.name}: {error}")
                continue
            path.write_text(json.dumps({"round": number, **found}), encoding="utf-8")
            say(f"round {number + 1}, {side.name}: {told(found)}")


def kept(folder: Path, name: str, count: int) -> list[Found]:
    """A side's rounds, those of them that were measured."""
    paths = {number: folder / f"{name}.{number}.json" for number in range(count)}
    # The number is the file's: rounds that an earlier version kept do not say theirs.
    return [json.loads(path.read_text("utf-8")) | {"round": n} for n, path in paths.items() if path.is_file()]


def write(document: Found, out: Path) -> None:
    out.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    say(json.dumps(document["compared"], indent=1))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
