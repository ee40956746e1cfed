"""/metrics: what is counted, what is shown of the moment, and who may read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bundles import ngram_bundle
from jangin.access.keys import Keys, Limits
from jangin.ledger.book import Ledger
from jangin.ledger.row import Row
from jangin.serve.cascade import LOCAL, Outcome
from jangin.serve.door import Door, Figures
from jangin.serve.metrics import Metrics
from scraped import scrape
from serving import drive, eventually

ASKED = {"model": "desk", "input": "lost my card"}
CHAT = {"model": "desk", "messages": [{"role": "user", "content": "lost my card"}]}
POSTED = "/v1/classify"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return ngram_bundle(tmp_path / "desk")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as found:
        yield found


def test_every_request_is_counted_by_task_endpoint_route_and_status(desk: Path, ledger: Ledger) -> None:
    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        for _ in range(3):
            assert (await client.post(POSTED, json=ASKED)).status_code == 200
        assert (await client.post(POSTED, json={**ASKED, "input": ["one", "two words"]})).status_code == 200
        for stream in (False, True):
            assert (await client.post("/v1/chat/completions", json={**CHAT, "stream": stream})).status_code == 200
        assert (await client.post(POSTED, json={**ASKED, "top_k": -1})).status_code == 400
        assert (await client.post(POSTED, json={**ASKED, "model": "a client's own word"})).status_code == 404
        told = await scrape(client)
        local = {"task": "desk", "route": "local", "status": "200"}
        assert told("requests_total", endpoint="classify", **local) == 4
        assert told("requests_total", endpoint="chat/completions", **local) == 2
        assert told("requests_total", endpoint="classify", task="", route="", status="400") == 1
        assert told("requests_total", endpoint="classify", task="", route="", status="404") == 1
        assert sum(told.all("requests_total").values()) == 8
        assert told("request_duration_seconds_count", task="desk") == 6
        assert told("request_duration_seconds_bucket", task="desk", le="+Inf") == 6
        assert told("confidence_count", task="desk") == 5  # of two inputs none is the request's
        totals = ledger.totals()
        assert told("tokens_total", task="desk", type="input") == totals.prompt_tokens == 3 * 5 + 3
        assert told("tokens_total", task="desk", type="output") == totals.completion_tokens == 7
        assert told("cost_usd_total", task="desk") == pytest.approx(totals.cost_usd) and totals.cost_usd > 0
        assert told("energy_joules_total", task="desk") == pytest.approx(totals.energy_wh * 3600)
        assert told("ledger_commit_seconds_count") == 6
        assert told("below_threshold_total", task="desk") == 0
        assert told.all("egress_bytes_total") == {}
        assert "own word" not in told.text and "lost my card" not in told.text

    drive([desk], work, door=Door(None, ledger, Figures(0.01, 18.0, "modelled")))


def test_the_state_of_the_moment_stands_beside_the_sums(desk: Path) -> None:
    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        told = await scrape(client)
        assert (told("waiting_texts"), told("waiting_texts_limit")) == (0, 7)
        assert told("engine_up", engine="ngrams") == 1 and told("engine_restarts_total", engine="ngrams") == 0
        assert told("engine_queue", engine="ngrams") == 0 and told("requests_active", task="desk") == 0
        (about,) = told.all("specialist_info")
        assert dict(about)["sha256"] == fleet.get("desk").info.sha256 and dict(about)["certificate"] == "none"
        engine = fleet.engines["ngrams"]
        engine.process.kill()
        await eventually(lambda: not engine.up)
        assert (await scrape(client))("engine_up", engine="ngrams") == 0
        assert (await client.post(POSTED, json=ASKED)).status_code == 503
        await eventually(lambda: engine.up)
        told = await scrape(client)
        assert told("engine_restarts_total", engine="ngrams") == 1
        assert told("requests_total", endpoint="classify", task="desk", route="failed", status="503") == 1

    drive([desk], work, max_waiting=7)


def test_who_may_read_it(desk: Path, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    door = Door(keys)

    def key(name: str, *roles: Any, **more: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {keys.add(name, roles=roles, **more)[1]}"}

    app, root = key("app", "ask", limits=Limits(requests_per_minute=1)), key("root", "admin")
    scraper = key("prometheus", "metrics")

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        assert (await client.get("/metrics")).status_code == 401
        refused = await client.get("/metrics", headers=app)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_permitted")
        assert refused.json()["error"]["message"] == "this key has not the role 'metrics' or 'admin'"
        assert [(await client.post(POSTED, json=ASKED, headers=app)).status_code for _ in "12"] == [200, 429]
        assert (await client.post(POSTED, json=ASKED, headers=scraper)).status_code == 403
        assert (await client.post("/v1/admin/unload", json={"model": "desk"}, headers=scraper)).status_code == 403
        for may in (scraper, root):
            told = await scrape(client, headers=may)
        assert {status: told("door_refused_total", status=status) for status in ("401", "403", "429")} == {
            "401": 1,
            "403": 1,
            "429": 1,
        }

    drive([desk], work, door=door)


def test_without_keys_only_this_machine_reads_it() -> None:
    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        refused = await client.get("/metrics", headers={"host": "evil.example"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "other_site")
        said = "without keys this server answers programs on this machine, and no page of another site"
        assert refused.json()["error"]["message"] == said
        assert (await client.get("/metrics")).status_code == 200

    async def elsewhere(client: httpx.AsyncClient, fleet: Any) -> None:
        assert (await client.get("/metrics")).status_code == 403

    drive([], work)
    drive([], elsewhere, behind_proxy=True)
    drive([], elsewhere, at=("192.0.2.7", 4711))


def test_it_speaks_openmetrics_where_that_is_asked_for() -> None:
    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        plain = await client.get("/metrics", headers={"accept": "text/plain;version=x.y;escaping=?, */*;q=nan"})
        assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        newer = await client.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0"})
        assert newer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert {"jangin_requests", "jangin_engine_up"} <= {
            family.name for family in text_string_to_metric_families(newer.text)
        }

    drive([], work)


def test_what_left_is_summed_by_task_and_upstream() -> None:
    metrics = Metrics()
    row = {"id": "a", "at": 1, "task": "desk", "endpoint": "classify", "status": 200, "cost_usd": 0.003}
    gone = Row(**row, route="escalated", egress_bytes=700, egress_to="https://api.example")
    away, unsure, none = (
        Outcome("escalated", "a"),
        Outcome("abstained", why="unsure"),
        Outcome("refused", why="out_of_scope"),
    )
    metrics.ended("classify", 200, gone, 0.5, 0.001, [away], 0.002)
    metrics.ended("classify", 200, gone, 0.5, 0.001, [LOCAL, away, unsure, none], 0.002)
    metrics.ended("classify", 200, Row(**row, route="local", ttft_us=20_000, reference_cost_usd=0.01), 0.2)
    sums = metrics.tasks["desk"]
    assert sums.egress == {"https://api.example": [2, 1400, 0.004]}
    assert (sums.below, sums.out_of_scope) == (3, 1)
    assert (sums.ttft.counts[4], sums.reference_usd, sums.compared_usd) == (1, 0.01, 0.003)  # 20 ms: up to 25
    assert sums.requests == {("classify", "escalated", 200): 2, ("classify", "local", 200): 1}
