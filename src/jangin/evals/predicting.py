"""Predicting a test with the artefact that serves, and the clock that runs meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jangin.evals.certificate import Speed
from jangin.meter import Figure, Meter
from jangin.models.base import Floats, Output
from jangin.models.specialist import Readers, Specialist, load
from jangin.types import Input

BATCH, TIMED_ROWS, SINGLE_REQUESTS, WARM_UP = 64, 256, 200, 8
CHUNK = 1_024

Progress = Callable[[str, int, int], None]
"""Told (stage, done, total)."""


class Predicted(NamedTuple):
    """Probabilities (n, labels), one answer a row, and what it took: `meter` ran while `timed` rows were answered."""

    probabilities: Floats
    answers: list[Output]
    speed: Speed
    meter: Meter
    timed: int


def predictions(
    specialist: Specialist, inputs: Sequence[Input], progress: Progress | None = None
) -> tuple[Floats, list[Output]]:
    """Probabilities, shape (n, labels), and answers of a whole file. Answers do not depend on the batch."""
    parts = []
    for at in range(0, len(inputs), CHUNK):
        parts.append(specialist.probabilities(inputs[at : at + CHUNK]))
        if progress:
            progress("predicting the test", min(at + CHUNK, len(inputs)), len(inputs))
    probabilities = np.concatenate(parts)
    return probabilities, specialist.rule.decide(specialist.kind, specialist.labels, probabilities)


def predict_and_measure(specialist: Specialist, inputs: Sequence[Input], progress: Progress | None) -> Predicted:
    """The clock runs on a sample of the test, spaced evenly: single requests, then batches as the server makes them.

    Then the whole test is answered in bulk, by the same files.
    """
    sample = inputs[:: max(1, len(inputs) // SINGLE_REQUESTS)][:SINGLE_REQUESTS]
    specialist.probabilities(sample[:WARM_UP])  # the first calls page the weights in
    taken = []
    for one in sample:
        start = time.perf_counter()
        specialist.probabilities([one])
        taken.append((time.perf_counter() - start) * 1000)
    p50, p95, p99 = (round(float(value), 3) for value in np.percentile(taken, (50, 95, 99)))
    timed = inputs[:: max(1, len(inputs) // TIMED_ROWS)][:TIMED_ROWS]
    with Meter() as meter:
        for at in range(0, len(timed), BATCH):
            specialist.probabilities(timed[at : at + BATCH])
    method = f"measured: {len(timed):,} rows in batches of {BATCH}, one process, {meter.seconds:.2f} s"
    throughput = Figure(round(len(timed) / meter.seconds, 1), "rows per second", method)
    speed = Speed(latency_ms={"p50": p50, "p95": p95, "p99": p99}, requests=len(sample), throughput=throughput)
    probabilities, answers = predictions(load(specialist.folder, Readers(bulk=True)), inputs, progress)
    return Predicted(probabilities, answers, speed, meter, len(timed))
