"""Where a task's own inputs lie in a frozen encoder's space, beside its bundle: what `model: auto` routes by.

Fitted on inputs of train; inputs of validation say how far from those one of its own may lie. The test is never read. A
bundle can do without: its specialist is then asked by name only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin import bundle
from jangin.bases import pull
from jangin.errors import BundleError, JanginError
from jangin.evals.record import RECORD
from jangin.models.encoder import base_files
from jangin.prompt import render
from jangin.routing.heads import file_name
from jangin.routing.profile import MOST_HELD_OUT, MOST_INPUTS, fit_profile, write_profile
from jangin.task import load_task
from jangin.train import rungs
from jangin.train.workshop import Shop
from jangin.types import Example

MOST_CHARS = 300_000  # of all inputs that are read: some ten seconds of two cores
LONGEST = 2_000  # characters of one input; an encoder cuts what is longer anyway


class Profiled(msgspec.Struct, frozen=True, omit_defaults=True):
    """One encoder: the profile's file and how many inputs it was made of, or why there is none."""

    base: str
    file: str | None = None
    inputs: int = 0
    held_out: int = 0
    seconds: float = 0.0
    why: str | None = None


def write_profiles(shop: Shop, folder: Path) -> list[dict[str, Any]]:
    """A profile on each encoder of the task's languages that is in the store; for the record. Nothing is fetched, and
    nothing that goes wrong stops the packing."""
    return [msgspec.to_builtins(each) for each in _profiles(shop, folder)]


def add_profiles(folder: Path, quiet: bool = False) -> list[Profiled]:
    """For a bundle that was packed without: reads its task's rows again, fetches the encoder.

    Raises: BundleError when the rows are not those that it was trained on; BaseModelError, TaskError, DataError.
    """
    manifest = bundle.verify(folder)
    try:
        task = load_task(Path(msgspec.json.decode((folder / RECORD).read_bytes())["task_path"]))
    except (OSError, KeyError, TypeError, msgspec.DecodeError) as error:
        raise BundleError(f"{folder}: no record of its task ({error})", "train it again") from error
    shop = Shop(task, manifest.lineage.get("seed", task.seed), folder, quiet)
    if shop.hashes["train"] != manifest.lineage.get("data", {}).get("train"):
        raise BundleError(
            f"{folder}: the rows of {task.folder} are not those that '{manifest.name}' was trained on", "train it again"
        )
    pull.ensure(_bases(shop)[0], quiet=quiet)
    return list(_profiles(shop, folder))


def _bases(shop: Shop) -> list[str]:
    """The encoder of the task's languages first; the multilingual one lets fleets of several languages share one."""
    english = not shop.languages or set(shop.languages) == {"en"}
    return [rungs.ENGLISH, rungs.MULTILINGUAL] if english else [rungs.MULTILINGUAL]


def _profiles(shop: Shop, folder: Path) -> Iterator[Profiled]:
    bases, specialist = _bases(shop), bundle.identity(bundle.read_manifest(folder))
    for base in bases:
        if pull.local(base) is not None:
            try:
                yield _profile(shop, folder, base, specialist)
            except JanginError as error:
                yield Profiled(base, why=error.message)
        elif base == bases[0]:
            yield Profiled(base, why=f"base '{base}' is not in the store: jangin route fetches it")


def _profile(shop: Shop, folder: Path, base: str, specialist: str) -> Profiled:
    began = time.perf_counter()
    trained = _texts(shop, shop.splits.train)
    fitted = _sample(trained, MOST_INPUTS, MOST_CHARS, shop.seed)
    apart = _texts(shop, shop.splits.validation) - trained
    held_out = _sample(apart, MOST_HELD_OUT, MOST_CHARS * MOST_HELD_OUT // MOST_INPUTS, shop.seed)
    read = shop.embedded(base, [*fitted, *held_out])
    profile = fit_profile(base_files(base).sha256, read[: len(fitted)], read[len(fitted) :], shop.seed)
    path = folder / file_name(base)
    write_profile(path, profile, base, specialist)
    return Profiled(base, path.name, len(fitted), len(held_out), round(time.perf_counter() - began, 3))


def _texts(shop: Shop, examples: Iterable[Example]) -> set[str]:
    """Inputs that the specialist is for, as the encoder reads them."""
    aside = shop.task.out_of_scope
    return {render(each.input)[:LONGEST] for each in examples if aside is None or each.output != aside}


def _sample(texts: set[str], most: int, most_chars: int, seed: int) -> list[str]:
    """Some of the texts, drawn; at least one."""
    order = sorted(texts)
    np.random.default_rng(seed).shuffle(order)
    chosen = order[:most]
    room = np.cumsum([len(text) for text in chosen]) <= most_chars
    return chosen[: max(1, int(room.sum()))]
