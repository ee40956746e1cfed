"""Predicting a test with the artefact that serves, and the clock that runs meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jangin.evals.certificate import Speed
from jangin.meter import Figure, Meter
from jangin.models.base import Floats, Output
from jangin.models.specialist import Specialist
from jangin.types import Input

BATCH, SINGLE_REQUESTS, WARM_UP = 64, 200, 8

Progress = Callable[[str, int, int], None]
"""Told (stage, done, total)."""


class Predicted(NamedTuple):
    """Probabilities (n, labels), one answer a row, and what it took."""

    probabilities: Floats
    answers: list[Output]
    speed: Speed
    meter: Meter


def predictions(
    specialist: Specialist, inputs: Sequence[Input], progress: Progress | None = None
) -> tuple[Floats, list[Output]]:
    """Probabilities, shape (n, labels), and answers, in batches as the server would make them."""
    parts = []
    for at in range(0, len(inputs), BATCH):
        parts.append(specialist.probabilities(inputs[at : at + BATCH]))
        if progress:
            progress("predicting the test", min(at + BATCH, len(inputs)), len(inputs))
    probabilities = np.concatenate(parts)
    return probabilities, specialist.rule.decide(specialist.kind, specialist.labels, probabilities)


def predict_and_measure(specialist: Specialist, inputs: Sequence[Input], progress: Progress | None) -> Predicted:
    """Single requests first, evenly spaced over the test, then the whole test in batches."""
    sample = inputs[:: max(1, len(inputs) // SINGLE_REQUESTS)][:SINGLE_REQUESTS]
    specialist.probabilities(sample[:WARM_UP])  # the first calls page the weights in
    taken = []
    for one in sample:
        start = time.perf_counter()
        specialist.probabilities([one])
        taken.append((time.perf_counter() - start) * 1000)
    p50, p95, p99 = (round(float(value), 3) for value in np.percentile(taken, (50, 95, 99)))
    with Meter() as meter:
        probabilities, answers = predictions(specialist, inputs, progress)
    method = f"measured: the test in batches of {BATCH}, one process, {meter.seconds:.2f} s"
    throughput = Figure(round(len(inputs) / meter.seconds, 1), "rows per second", method)
    speed = Speed(latency_ms={"p50": p50, "p95": p95, "p99": p99}, requests=len(sample), throughput=throughput)
    return Predicted(probabilities, answers, speed, meter)
