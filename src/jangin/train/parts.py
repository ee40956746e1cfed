"""One feature set fitted for one task: its search, its model, its logits on the rows that calibrate and judge it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from jangin.files import write_atomic
from jangin.models.base import Floats
from jangin.models.ngrams import Analyzer, Block
from jangin.train.head import Choice, Linear, Names, Solver, Tried, fit, search
from jangin.train.targets import Rows


class Part(msgspec.Struct, frozen=True, eq=False):
    """`calibration` and `validation` are uncalibrated logits, (rows, labels), of rows that the model never saw.

    choice: None for a part that was not searched (a fine-tuned encoder). blocks: empty for an encoder.
    calibration_rows: "held out" or "out of fold" (then the rows are train's that a search held out).
    """

    solver: Solver
    linear: Linear
    calibration: Floats
    validation: Floats
    calibration_rows: str
    choice: Choice | None = None
    tried: list[Tried] = []
    blocks: list[Block] = []


def make(
    solver: Solver,
    features: tuple[Any, Any, Any],
    rows: Rows,
    labels: int,
    metric: str,
    seed: int,
    blocks: list[Block],
    names: Names | None = None,
) -> Part:
    """Search and fit on train, answer calibration and validation. `features`: of train, calibration, validation."""
    train, calibration, validation = features
    found = search(solver, train, rows, labels, metric, seed, names)
    linear = fit(solver, train, rows, labels, found.choice, seed, names)
    held_out = calibration.shape[0] > 0
    return Part(
        solver=solver,
        linear=linear,
        calibration=linear(calibration) if held_out else found.oof,
        validation=linear(validation),
        calibration_rows="held out" if held_out else "out of fold",
        choice=found.choice,
        tried=found.tried,
        blocks=blocks,
    )


def kept(path: Path, compute: Callable[[], Part]) -> Part:
    """The part from disk when an earlier run finished it, else computed and kept: this is what a resume resumes."""
    if path.is_file():
        return _read(path)
    part = compute()
    _write(path, part)
    return part


def _write(path: Path, part: Part) -> None:
    from safetensors.numpy import save

    arrays: dict[str, NDArray] = {
        "weight": part.linear.weight,
        "bias": part.linear.bias,
        "calibration": part.calibration,
        "validation": part.validation,
    }
    for number, block in enumerate(part.blocks):
        arrays |= {f"hashes{number}": block.hashes, f"idf{number}": block.idf}
    about = {
        "solver": part.solver,
        "calibration_rows": part.calibration_rows,
        "choice": msgspec.to_builtins(part.choice),
        "tried": part.tried,
        "analyzers": [msgspec.to_builtins(block.analyzer) for block in part.blocks],
    }
    contiguous = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    write_atomic(path, save(contiguous, {"about": msgspec.json.encode(about).decode()}))


def _read(path: Path) -> Part:
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        about = msgspec.json.decode(file.metadata()["about"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    blocks = [
        Block(msgspec.convert(analyzer, Analyzer), arrays[f"hashes{i}"], arrays[f"idf{i}"])
        for i, analyzer in enumerate(about["analyzers"])
    ]
    return Part(
        solver=about["solver"],
        linear=Linear(arrays["weight"], arrays["bias"]),
        calibration=arrays["calibration"],
        validation=arrays["validation"],
        calibration_rows=about["calibration_rows"],
        choice=msgspec.convert(about["choice"], Choice | None),
        tried=[tuple(point) for point in about["tried"]],
        blocks=blocks,
    )
