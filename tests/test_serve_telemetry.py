"""OpenTelemetry: what a collector on this machine receives; nothing is sent, or loaded, unless it is asked for."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from bundles import ngram_bundle
from jangin.access.keys import Keys
from jangin.errors import MissingExtraError
from jangin.ledger.row import Row
from jangin.serve.door import Door, Figures
from jangin.serve.observers import Observers
from jangin.serve.telemetry import ENDPOINT, Telemetry, destination, wanted
from serving import drive

TEXT = "my card number is 4111 1111 1111 1111"
ASKED = {"model": "desk", "input": TEXT}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        collector = self
        self.bodies: dict[str, list[bytes]] = {"/v1/traces": [], "/v1/metrics": []}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                packed = self.headers.get("content-encoding") == "gzip"
                collector.bodies[self.path].append(gzip.decompress(body) if packed else body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self) -> list[Any]:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        found = [ExportTraceServiceRequest.FromString(body) for body in self.bodies["/v1/traces"]]
        return [s for each in found for r in each.resource_spans for scope in r.scope_spans for s in scope.spans]

    def metrics(self) -> dict[str, Any]:
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

        found = [ExportMetricsServiceRequest.FromString(body) for body in self.bodies["/v1/metrics"]]
        return {m.name: m for each in found for r in each.resource_metrics for s in r.scope_metrics for m in s.metrics}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra 'otel' is not installed")
    found = Collector()
    monkeypatch.setenv(ENDPOINT, found.url)
    yield found
    found.server.shutdown()
    found.server.server_close()


def plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def test_a_request_is_a_span_in_its_callers_trace_with_the_conventions_names(
    collector: Collector, tmp_path: Path
) -> None:
    telemetry = Telemetry()
    keys = Keys(tmp_path / "keys.json")
    key, secret = keys.add("app")

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        client.headers["authorization"] = f"Bearer {secret}"
        mine = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "mine-1"}
        assert (await client.post("/v1/classify", json=ASKED, headers=mine)).status_code == 200
        chat = {"model": "desk", "messages": [{"role": "user", "content": TEXT}], "stream": True}
        assert (await client.post("/v1/chat/completions", json=chat)).status_code == 200
        broken = {"traceparent": f"00-{TRACE}-zz\x07"}
        assert (await client.post("/v1/classify", json={**ASKED, "top_k": 0}, headers=broken)).status_code == 400
        await fleet.engines["ngrams"].stop()
        assert (await client.post("/v1/classify", json=ASKED)).status_code == 503

    door = Door(keys, None, Figures(0.01, 18.0, "modelled"))
    drive([ngram_bundle(tmp_path / "desk")], work, door=door, observers=Observers(telemetry))
    telemetry.close()
    first, chat, refused, failed = collector.spans()
    assert (first.name, first.trace_id.hex(), first.parent_span_id.hex()) == ("classify desk", TRACE, PARENT)
    assert first.kind == 2 and first.end_time_unix_nano > first.start_time_unix_nano  # SERVER
    told = plain(first.attributes)
    assert told["gen_ai.operation.name"] == "classify" and told["gen_ai.provider.name"] == "jangin"
    assert told["gen_ai.request.model"] == told["gen_ai.response.model"] == "desk"
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (8, 1)
    assert (told["http.route"], told["http.response.status_code"]) == ("/v1/classify", 200)
    assert (told["jangin.request.id"], told["jangin.key.id"], told["jangin.route"]) == ("mine-1", key.id, "local")
    assert told["jangin.cost_usd"] > 0 and 0 < told["jangin.confidence"] <= 1
    assert chat.name == "chat desk" and chat.trace_id.hex() != TRACE
    assert refused.name == "classify" and plain(refused.attributes)["error.type"] == "invalid_request"
    assert refused.status.code == 0 and not refused.parent_span_id  # a client's mistake is no error of this server
    assert failed.status.code == 2 and plain(failed.attributes)["error.type"] == "engine"
    sent = b"".join(body for bodies in collector.bodies.values() for body in bodies)
    assert b"4111" not in sent and b"jk-" not in sent and secret.encode() not in sent


def test_the_metrics_of_a_model_server_have_the_conventions_names(collector: Collector) -> None:
    telemetry = Telemetry()
    row = Row(
        *(),
        id="a",
        at=1,
        task="orders",
        endpoint="chat/completions",
        route="local",
        status=200,
        prompt_tokens=9,
        completion_tokens=11,
        ttft_us=100_000,
    )
    scope = {"method": "POST", "headers": []}
    telemetry.ended("chat/completions", scope, "a", 200, 0.6, row, None)  # type: ignore[arg-type]
    telemetry.close()
    found = collector.metrics()
    sums = {name: metric.histogram.data_points[0].sum for name, metric in found.items()}
    assert sums["gen_ai.server.request.duration"] == 0.6
    assert sums["gen_ai.server.time_to_first_token"] == pytest.approx(0.1)
    assert sums["gen_ai.server.time_per_output_token"] == pytest.approx(0.05)
    tokens = {
        plain(point.attributes)["gen_ai.token.type"]: point.sum
        for point in found["gen_ai.client.token.usage"].histogram.data_points
    }
    assert tokens == {"input": 9, "output": 11}
    assert [found[name].unit for name in ("gen_ai.server.request.duration", "gen_ai.client.token.usage")] == [
        "s",
        "{token}",
    ]
    assert list(found["gen_ai.server.request.duration"].histogram.data_points[0].explicit_bounds)[:3] == [
        0.01,
        0.02,
        0.04,
    ]


def test_nothing_is_exported_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENDPOINT, raising=False)
    assert (wanted(None), wanted(True), wanted(False)) == (False, True, False)
    assert destination() == "http://localhost:4318"
    monkeypatch.setenv(ENDPOINT, "https://user:word@collector.example:4318/path?token=1")
    assert (wanted(None), wanted(False)) == (True, False)
    assert destination() == "https://collector.example:4318"
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert wanted(None) is False
    code = "import sys, jangin.serve.run, jangin.serve.app; print([m for m in sys.modules if m.startswith('opentel')])"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == "[]\n"


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingExtraError) as caught:
        Telemetry()
    assert str(caught.value) == (
        "OpenTelemetry needs the extra 'otel', which is not installed\n  try: pip install 'jangin[otel]'"
    )
