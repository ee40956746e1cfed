"""Predicting a test with the artefact that serves, and the clock that runs meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from jangin.errors import RequestError
from jangin.evals.certificate import Speed
from jangin.meter import Figure, Meter
from jangin.models.base import Floats
from jangin.models.specialist import Readers, Specialist
from jangin.models.writer import Writer, Written
from jangin.models.written import answer_of, open_specialist, write_all
from jangin.types import Input

BATCH, TIMED_ROWS, SINGLE_REQUESTS, WARM_UP = 64, 256, 200, 8
WRITTEN_BATCH, WRITTEN_REQUESTS = 16, 30  # an answer that is written takes seconds
FEWEST_WRITTEN, WRITTEN_SECONDS = 10, 60.0  # or half a minute: after a minute, ten single requests are enough
CHUNK = 1_024

Progress = Callable[[str, int, int], None]
"""Told (stage, done, total)."""


class Given(NamedTuple):
    """One answer a row; probabilities (n, labels) of a specialist that names labels, else what was written, and the
    refusals of prompts that were too long."""

    answers: list[Any]
    probabilities: Floats | None = None
    written: list[Written | RequestError] = []

    def confidence(self, row: int, labels: Sequence[str]) -> float | None:
        """Of the answered label, or of the whole written answer; None for `tag`."""
        if self.probabilities is None:
            each = self.written[row]
            return None if isinstance(each, RequestError) else each.confidence
        answer = self.answers[row]
        return float(self.probabilities[row, labels.index(answer)]) if isinstance(answer, str) else None


class Predicted(NamedTuple):
    """The answers and what they took: `meter` ran while `timed` rows were answered; tokens: of a prompt and an answer,
    on average, where answers are written."""

    given: Given
    speed: Speed
    meter: Meter
    timed: int
    tokens: tuple[float, float] | None = None


def predictions(specialist: Specialist | Writer, inputs: Sequence[Input], progress: Progress | None = None) -> Given:
    """The answers to a whole file. Those of labels do not depend on the batch."""
    chunk = WRITTEN_BATCH if isinstance(specialist, Writer) else CHUNK
    parts: list[Any] = []
    for at in range(0, len(inputs), chunk):
        rows = inputs[at : at + chunk]
        parts.append(write_all(specialist, rows) if isinstance(specialist, Writer) else specialist.probabilities(rows))
        if progress:
            progress("predicting the test", min(at + chunk, len(inputs)), len(inputs))
    if isinstance(specialist, Writer):
        written = [each for part in parts for each in part]
        return Given([answer_of(each, specialist.kind) for each in written], None, written)
    probabilities = np.concatenate(parts)
    return Given(list(specialist.rule.decide(specialist.kind, specialist.labels, probabilities)), probabilities)


def predict_and_measure(
    specialist: Specialist | Writer, inputs: Sequence[Input], progress: Progress | None
) -> Predicted:
    """The clock runs on a sample of the test, spaced evenly: single requests, then batches as the server makes them.

    Then the whole test is answered in bulk, by the same files. Where answers are written the whole test is the batches.
    """
    if isinstance(specialist, Writer):
        return _write_and_measure(specialist, inputs, progress)
    sample = _evenly(inputs, SINGLE_REQUESTS)
    specialist.probabilities(sample[:WARM_UP])  # the first calls page the weights in
    taken = []
    for one in sample:
        start = time.perf_counter()
        specialist.probabilities([one])
        taken.append((time.perf_counter() - start) * 1000)
    timed = _evenly(inputs, TIMED_ROWS)
    with Meter() as meter:
        for at in range(0, len(timed), BATCH):
            specialist.probabilities(timed[at : at + BATCH])
    speed = Speed(latency_ms=_percentiles(taken), requests=len(sample), throughput=_rate(len(timed), BATCH, meter))
    with closing(open_specialist(specialist.folder, Readers(bulk=True))) as again:
        return Predicted(predictions(again, inputs, progress), speed, meter, len(timed))


def _write_and_measure(writer: Writer, inputs: Sequence[Input], progress: Progress | None) -> Predicted:
    sample = _evenly(inputs, WRITTEN_REQUESTS)
    sample = [one for start in range(3) for one in sample[start::3]]  # the first ten are spread over the test too
    write_all(writer, sample[:1])
    taken: list[float] = []
    first: list[float] = []
    for one in sample:
        if len(taken) >= FEWEST_WRITTEN and sum(taken) > WRITTEN_SECONDS * 1000:
            break
        start = time.perf_counter()
        written = write_all(writer, [one])[0]
        taken.append((time.perf_counter() - start) * 1000)
        if isinstance(written, Written) and written.ttft_s is not None:
            first.append(written.ttft_s * 1000)
    with Meter() as meter:
        given = predictions(writer, inputs, progress)
    good = [each for each in given.written if isinstance(each, Written)]
    prompt, answer = (sum(getattr(each, name) for each in good) for name in ("prompt_tokens", "completion_tokens"))
    method = f"measured: {answer:,} tokens written in {meter.seconds:.2f} s, prompts read meanwhile"
    speed = Speed(
        latency_ms=_percentiles(taken),
        requests=len(taken),
        throughput=_rate(len(inputs), WRITTEN_BATCH, meter),
        ttft_ms=_percentiles(first) if first else None,
        tok_per_s=Figure(round(answer / meter.seconds, 1), "tokens per second", method),
    )
    rows = max(len(good), 1)
    return Predicted(given, speed, meter, len(inputs), (prompt / rows, answer / rows))


def _evenly(rows: Sequence[Any], most: int) -> list[Any]:
    """So many of the rows, evenly from first to last; all where there are fewer."""
    return [rows[at] for at in np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int).tolist()]


def _percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    p50, p95, p99 = (round(float(value), 3) for value in np.percentile(milliseconds, (50, 95, 99)))
    return {"p50": p50, "p95": p95, "p99": p99}


def _rate(rows: int, batch: int, meter: Meter) -> Figure:
    method = f"measured: {rows:,} rows in batches of {batch}, one process, {meter.seconds:.2f} s"
    return Figure(round(rows / meter.seconds, 1 if rows > meter.seconds else 4), "rows per second", method)
