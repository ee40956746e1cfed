"""/metrics: the sums of metrics.py and the state of fleet and door at this moment, in Prometheus' text format.

The official client writes the format. It does not keep the sums: its counters and histograms cost 8 microseconds a
request here with every child at hand, 22 without; those of metrics.py 1.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from mmap import PAGESIZE
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from jangin import __version__
from jangin.serve.metrics import Histogram, Metrics

if TYPE_CHECKING:
    from jangin.serve.door import Door
    from jangin.serve.fleet import Fleet

Samples = Iterable[tuple[list[str], float]]


class Exposition:
    """One server's figures. `render` is asked in the event loop, whose sums no other thread touches."""

    def __init__(self, metrics: Metrics, fleet: Fleet, door: Door):
        self._metrics, self._fleet, self._door = metrics, fleet, door
        self._process = ProcessCollector(registry=None)  # it is asked here only

    def render(self, accept: str) -> tuple[bytes, str]:
        """(body, content type): OpenMetrics where `accept` asks for it, else Prometheus' own text format."""
        if "application/openmetrics-text" in accept:
            return openmetrics.generate_latest(self), openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> Iterator[Any]:
        yield InfoMetricFamily("jangin", "This server", {"version": __version__})
        yield from self._requests()
        yield from self._used()
        yield from self._left()
        yield from self._state()
        yield from self._engines()
        yield from self._process.collect()

    def _requests(self) -> Iterator[Any]:
        tasks = self._metrics.tasks
        asked = [
            ([name, endpoint, route, str(status)], count)
            for name, sums in tasks.items()
            for (endpoint, route, status), count in sums.requests.items()
        ]
        refused = [
            (["", endpoint, "", str(status)], count) for (endpoint, status), count in self._metrics.unasked.items()
        ]
        about = "Requests that ended; task and route are empty where no specialist was asked"
        yield _counter("jangin_requests", about, ["task", "endpoint", "route", "status"], [*asked, *refused])
        door = [([str(status)], count) for status, count in self._door.refused.items()]
        yield _counter("jangin_door_refused", "Requests without a key, a right, or within a limit", ["status"], door)
        histograms = (
            ("jangin_request_duration_seconds", "From a request's head to its last byte", "seconds"),
            ("jangin_time_to_first_token_seconds", "Of written answers, from arrival at the engine", "ttft"),
            ("jangin_confidence", "Of answers to one input; what it drifts to", "confidence"),
        )
        for name, about, field in histograms:
            yield _histogram(name, about, ["task"], {name: getattr(sums, field) for name, sums in tasks.items()})
        below = [([name], sums.below) for name, sums in tasks.items()]
        yield _counter("jangin_below_threshold", "Answers less sure than the task's threshold", ["task"], below)
        nobodys = [([name], sums.out_of_scope) for name, sums in tasks.items()]
        yield _counter("jangin_out_of_scope", "Texts that the router sent to no specialist", ["task"], nobodys)

    def _used(self) -> Iterator[Any]:
        tasks = self._metrics.tasks
        tokens = [([name, "input"], sums.prompt_tokens) for name, sums in tasks.items()]
        tokens += [([name, "output"], sums.completion_tokens) for name, sums in tasks.items()]
        yield _counter("jangin_tokens", "As clients are told in `usage`", ["task", "type"], tokens)
        sums_of = (
            ("jangin_cost_usd", "What answers cost, machine and upstreams", "cost_usd"),
            ("jangin_energy_joules", "Of the work on answers; the ledger says how it is known", "joules"),
            (
                "jangin_reference_cost_usd",
                "What the replaced model would have cost, where that is known",
                "reference_usd",
            ),
            ("jangin_compared_cost_usd", "What the answers of jangin_reference_cost_usd cost", "compared_usd"),
        )
        for name, about, field in sums_of:
            yield _counter(name, about, ["task"], [([task], getattr(sums, field)) for task, sums in tasks.items()])
        yield _histogram("jangin_ledger_commit_seconds", "Wait for the row's group", [], {"": self._metrics.commits})

    def _left(self) -> Iterator[Any]:
        left = [
            ([name, host], found) for name, sums in self._metrics.tasks.items() for host, found in sums.egress.items()
        ]
        kinds = (("requests", "Requests that left"), ("bytes", "Bytes that left"), ("cost_usd", "What they cost"))
        for at, (name, about) in enumerate(kinds):
            yield _counter(f"jangin_egress_{name}", about, ["task", "to"], [(labels, row[at]) for labels, row in left])

    def _state(self) -> Iterator[Any]:
        fleet = self._fleet
        yield GaugeMetricFamily("jangin_waiting_texts", "Texts that wait for an answer", fleet.waiting_texts)
        yield GaugeMetricFamily("jangin_waiting_texts_limit", "Of texts; beyond it 429", fleet.max_waiting)
        yield GaugeMetricFamily("jangin_waiting_characters", "Characters of those texts", fleet.waiting_chars)
        active = [([name], entry.use.active) for name, entry in fleet.entries.items()]
        yield _gauge("jangin_requests_active", "Requests that a specialist is working on", ["task"], active)
        about = InfoMetricFamily("jangin_specialist", "What is loaded", labels=["task"])
        for name, entry in fleet.entries.items():
            given = entry.certificate
            verdict = {"certificate": given.id, "verdict": given.verdict or ""} if given else {"certificate": "none"}
            info = {"kind": entry.info.kind, "rung": entry.info.rung, "sha256": entry.info.sha256, **verdict}
            about.add_metric([name], info)
        yield about
        yield from self._promises()

    def _promises(self) -> Iterator[Any]:
        """Of specialists of whose answers something is promised."""
        promises = {name: entry.promise for name, entry in self._fleet.entries.items() if entry.promise is not None}
        gauges = (
            ("stale", "1: what was said of audited answers speaks against it", lambda one: float(one.stale)),
            ("target", "The share of local answers that are to be right", lambda one: one.target),
            ("threshold", "The least confidence of a local answer; above 1: none", lambda one: one.threshold or 2.0),
        )
        for name, about, of in gauges:
            found = [([task], of(one)) for task, one in promises.items()]
            yield _gauge(f"jangin_promise_{name}", about, ["task"], found)
        audited = [([task], one.audited.audited) for task, one in promises.items()]
        yield _counter(
            "jangin_promise_audited", "Answers of which somebody said whether they are right", ["task"], audited
        )
        wrong = [([task], one.audited.wrong) for task, one in promises.items()]
        yield _counter("jangin_promise_wrong", "Those that were wrong", ["task"], wrong)

    def _engines(self) -> Iterator[Any]:
        engines = {engine.key[:12]: engine for engine in self._fleet.engines.values()}
        gauges = (
            ("jangin_engine_up", "1 while it answers", lambda engine: float(engine.up)),
            ("jangin_engine_queue", "Batches of texts that it was given and has not answered", lambda one: one.asked),
            ("jangin_engine_writing", "Answers that it writes or that wait for their turn", lambda one: one.writing),
            ("jangin_engine_text_seconds", "Its work on one text, smoothed", lambda engine: engine.text_s),
            ("jangin_engine_resident_memory_bytes", "Its resident memory", lambda one: _resident(one.process)),
        )
        for name, about, of in gauges:
            yield _gauge(name, about, ["engine"], [([key], of(engine)) for key, engine in engines.items()])
        restarts = [([key], engine.restarts) for key, engine in engines.items()]
        yield _counter("jangin_engine_restarts", "It died or hung, and was started again", ["engine"], restarts)


def _counter(name: str, about: str, labels: list[str], samples: Samples) -> CounterMetricFamily:
    family = CounterMetricFamily(name, about, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _gauge(name: str, about: str, labels: list[str], samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _histogram(name: str, about: str, labels: list[str], found: dict[str, Histogram]) -> HistogramMetricFamily:
    """Each by its one label's value, or without any."""
    family = HistogramMetricFamily(name, about, labels=labels)
    for value, histogram in found.items():
        bounds = [*map(str, histogram.bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(histogram.counts)))
        family.add_metric([value] if labels else [], buckets, histogram.total)
    return family


def _resident(process: Any) -> float:
    """0 where the system does not say."""
    try:
        return int(Path(f"/proc/{process.pid}/statm").read_bytes().split()[1]) * PAGESIZE
    except (OSError, AttributeError, IndexError):
        return 0.0
