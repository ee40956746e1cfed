"""What is counted of requests: plain sums in this process, cheap enough for every one of them; read by exposition.py.

A label is never a client's own word: tasks are those that are loaded, upstreams those that the operator names. What
was refused before it reached a specialist counts by endpoint and status only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jangin.ledger.row import Row

if TYPE_CHECKING:
    from jangin.serve.cascade import Outcome

OUT_OF_SCOPE = "out_of_scope"

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
CONFIDENCE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


class Histogram:
    """counts[i]: values up to bounds[i] and above bounds[i - 1]; the last one: above them all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]):
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class TaskSums:
    """Of one task. requests: by (endpoint, route, status). egress: host -> [requests, bytes, US dollars]."""

    __slots__ = (
        "below",
        "compared_usd",
        "completion_tokens",
        "confidence",
        "cost_usd",
        "egress",
        "joules",
        "out_of_scope",
        "prompt_tokens",
        "reference_usd",
        "requests",
        "seconds",
        "ttft",
    )

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, int], int] = {}
        self.egress: dict[str, list[float]] = {}
        self.seconds, self.ttft, self.confidence = Histogram(LATENCY_S), Histogram(LATENCY_S), Histogram(CONFIDENCE)
        self.prompt_tokens = self.completion_tokens = self.below = self.out_of_scope = 0
        self.cost_usd = self.joules = self.reference_usd = self.compared_usd = 0.0


class Metrics:
    """Sums since the start of this process. For one thread."""

    def __init__(self) -> None:
        self.tasks: dict[str, TaskSums] = {}
        self.unasked: dict[tuple[str, int], int] = {}
        self.commits = Histogram(COMMIT_S)

    def ended(
        self,
        endpoint: str,
        status: int,
        row: Row | None,
        seconds: float = 0.0,
        commit_s: float | None = None,
        outcomes: Sequence[Outcome] = (),
        egress_usd: float = 0.0,
    ) -> None:
        """One request. row: None when no specialist was asked. egress_usd: the part of its cost that is others'."""
        if row is None:
            refused = endpoint, status
            self.unasked[refused] = self.unasked.get(refused, 0) + 1
            return
        sums = self.tasks.get(row.task)
        if sums is None:
            sums = self.tasks[row.task] = TaskSums()
        kind = endpoint, row.route, status
        sums.requests[kind] = sums.requests.get(kind, 0) + 1
        sums.seconds.add(seconds)
        sums.prompt_tokens += row.prompt_tokens
        sums.completion_tokens += row.completion_tokens
        sums.cost_usd += row.cost_usd
        if row.ttft_us is not None:
            sums.ttft.add(row.ttft_us * 1e-6)
        if row.confidence is not None:
            sums.confidence.add(row.confidence)
        for each in outcomes:
            if each.why == OUT_OF_SCOPE:
                sums.out_of_scope += 1
            elif each.route != "local":
                sums.below += 1
        if row.energy_wh is not None:
            sums.joules += row.energy_wh * 3600
        if row.reference_cost_usd is not None:
            sums.reference_usd += row.reference_cost_usd
            sums.compared_usd += row.cost_usd
        if row.egress_bytes:
            left = sums.egress.setdefault(row.egress_to or "", [0, 0, 0.0])
            left[0] += 1
            left[1] += row.egress_bytes
            left[2] += egress_usd
        if commit_s is not None:
            self.commits.add(commit_s)
