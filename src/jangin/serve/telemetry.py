"""OpenTelemetry: one span a request and the metrics of a model server, by the names of its GenAI conventions.

Off unless it is asked for: by `--otel`, or by OTEL_EXPORTER_OTLP_ENDPOINT. Then names, counts, times and hashes go to
that collector, over OTLP and HTTP, in threads of OpenTelemetry's own; no text, no key. The SDK reads its other
variables itself (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, ...).

Names: https://github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai (status: development).
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jangin import __version__
from jangin.errors import MissingExtraError

if TYPE_CHECKING:
    from starlette.types import Scope

    from jangin.ledger.row import Row

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
DEFAULT_ENDPOINT = "http://localhost:4318"
PROVIDER = "jangin"
CLOSE_S = 3.0
OPERATIONS = {"chat/completions": "chat", "passed/chat/completions": "chat", "completions": "text_completion"}
PASSED = "passed/"
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_TOKENS = tuple(4**power for power in range(14))


def wanted(asked: bool | None) -> bool:
    """asked: --otel or --no-otel; None leaves it to the environment."""
    if asked is not None:
        return asked
    return bool(os.environ.get(ENDPOINT)) and os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"


def destination() -> str:
    """Where it goes, without what may be secret in the address."""
    parts = urlsplit(os.environ.get(ENDPOINT) or DEFAULT_ENDPOINT)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


class Telemetry:
    """Exports from its creation to `close`. Raises: MissingExtraError."""

    def __init__(self) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.metrics import MeterProvider
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace import SpanKind, Status, StatusCode
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError:
            raise MissingExtraError("OpenTelemetry", "otel") from None
        about = {"service.version": __version__}
        if "OTEL_SERVICE_NAME" not in os.environ:
            about["service.name"] = "jangin"
        resource = Resource.create(about)
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        self._metrics = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._tracer = self._traces.get_tracer("jangin", __version__)
        self._parent = TraceContextTextMapPropagator()
        self._kind, self._failed = SpanKind.SERVER, Status(StatusCode.ERROR)
        meter = self._metrics.get_meter("jangin", __version__)

        def histogram(name: str, unit: str, bounds: tuple[float, ...]) -> Any:
            return meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=list(bounds))

        self._seconds = histogram("gen_ai.server.request.duration", "s", _SECONDS)
        self._first = histogram("gen_ai.server.time_to_first_token", "s", _FIRST)
        self._per_token = histogram("gen_ai.server.time_per_output_token", "s", _TOKEN)
        self._tokens = histogram("gen_ai.client.token.usage", "{token}", _TOKENS)

    def ended(
        self,
        endpoint: str,
        scope: Scope,
        request_id: str,
        status: int,
        seconds: float,
        row: Row | None,
        error: str | None,
    ) -> None:
        """error: the code of what was refused or failed."""
        about: dict[str, Any] = {
            "gen_ai.operation.name": OPERATIONS.get(endpoint, endpoint),
            "gen_ai.provider.name": PROVIDER,
        }
        if row is not None:
            about["gen_ai.request.model"] = row.task
        if status >= 400:
            about["error.type"] = error or str(status)
        if row is not None:
            self._measure(about, seconds, row)
        end = time.time_ns()
        name = f"{about['gen_ai.operation.name']} {row.task}" if row is not None else about["gen_ai.operation.name"]
        route = f"/v1/{endpoint}"
        if endpoint.startswith(PASSED):
            route = f"/tasks/{{task}}/v1/{endpoint.removeprefix(PASSED)}"
        about |= {"http.request.method": scope["method"], "http.route": route}
        about |= {"http.response.status_code": status, "jangin.request.id": request_id}
        if row is not None:
            about |= _of(row)
        span = self._tracer.start_span(
            name,
            context=self._parent.extract(_trace_headers(scope)),
            kind=self._kind,
            attributes=about,
            start_time=end - int(seconds * 1e9),
        )
        if status >= 500:
            span.set_status(self._failed)
        span.end(end)

    def _measure(self, about: dict[str, Any], seconds: float, row: Row) -> None:
        self._seconds.record(seconds, about)
        if row.route == "failed":
            return
        self._tokens.record(row.prompt_tokens, {**about, "gen_ai.token.type": "input"})
        self._tokens.record(row.completion_tokens, {**about, "gen_ai.token.type": "output"})
        if row.ttft_us is not None:
            first = row.ttft_us * 1e-6
            self._first.record(first, about)
            if row.completion_tokens > 1:
                self._per_token.record(max(0.0, seconds - first) / (row.completion_tokens - 1), about)

    def close(self) -> None:
        """Sends what waits, for CLOSE_S at most: the SDK itself tries for half a minute when nobody answers."""
        ending = [threading.Thread(target=one.shutdown, daemon=True) for one in (self._traces, self._metrics)]
        for thread in ending:
            thread.start()
        until = time.monotonic() + CLOSE_S
        for thread in ending:
            thread.join(max(0.0, until - time.monotonic()))


def _of(row: Row) -> dict[str, Any]:
    found = {
        "gen_ai.response.model": row.task,
        "gen_ai.usage.input_tokens": row.prompt_tokens,
        "gen_ai.usage.output_tokens": row.completion_tokens,
        "jangin.route": row.route,
        "jangin.specialist": row.specialist,
        "jangin.key.id": row.key_id or None,
        "jangin.certificate": row.certificate,
        "jangin.confidence": row.confidence,
        "jangin.cost_usd": row.cost_usd,
        "jangin.energy_wh": row.energy_wh,
        "jangin.egress.bytes": row.egress_bytes,
        "jangin.egress.to": row.egress_to,
    }
    return {name: value for name, value in found.items() if value is not None}


def _trace_headers(scope: Scope) -> dict[str, str]:
    """W3C trace context, as the client sent it."""
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in (b"traceparent", b"tracestate")
    }
