"""Whoever leaves before an answer is whole has spent what it cost by then, and keeps nobody's place; and a key's money
is set aside before a question leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api_server import Api, Reply, completion, serving, streamed
from egress_parts import Redactor, policy, server
from jangin.access.keys import Key, Keys, Limits
from jangin.audit.log import AuditLog
from jangin.ledger.book import Ledger
from jangin.serve import bodies, deliver
from jangin.serve.app import create
from jangin.serve.door import Door
from jangin.serve.fleet import Fleet
from jangin.serve.outlet import Outlet
from jangin.terms import Terms
from serving import eventually
from test_serve_cascade import UNSURE, House

PATH = "/tasks/shop/v1/chat/completions"
LONG = streamed(*["a piece of the answer "] * 40)
STALLS = Reply(body=LONG.body, stall_s=1.5, headers=LONG.headers)
DEAR = {"prices": {"gpt-4o": [1000, 10_000]}, "max_tokens": 5}  # a question about 0.02 USD, its answer 0.05 at most


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "sk-up-c0ffee1234567890")


class Passing:
    """The application with a task that only passes through, called without a network in between."""

    def __init__(self, folder: Path):
        self.ledger, self.audit = Ledger.open(folder / "ledger.sqlite"), AuditLog.open(folder / "audit")
        self.keys = Keys(folder / "keys.json")
        self.door = Door(self.keys, self.ledger, None, self.audit)
        self.url = ""

    def key(self, **limits: Any) -> tuple[Key, str]:
        return self.keys.add("web", limits=Limits(**limits))

    def run(self, api: Api, work: Callable[[Any, Outlet], Awaitable[None]], **upstream: Any) -> None:
        async def run() -> None:
            outlet = Outlet(
                server(api.url, **{"at_once": 1, **upstream}), self.audit, self.ledger, Redactor,
                {"shop": Terms(policy(api.url))},
            )  # fmt: skip
            try:
                await work(create(Fleet(), False, self.door, outlet), outlet)
            finally:
                await outlet.close()

        asyncio.run(run())

    def row(self) -> Any:
        (row,) = self.ledger.query().rows
        return row

    def spent(self, key: Key) -> float:
        return self.door.gate._uses[key.id].usd_day


@pytest.fixture
def passing(tmp_path: Path) -> Iterator[Passing]:
    found = Passing(tmp_path)
    yield found
    found.ledger.close()
    found.audit.close()


class Visitor:
    """One request. leaves_after: so many parts of the answer; stalls_after: after which it takes none."""

    def __init__(self, app: Any, secret: str, stream: bool, leaves_after: int = -1, stalls_after: int = -1):
        self._app, self._leaves, self._stalls = app, leaves_after, stalls_after
        body = {"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": "where is it"}]}
        self._body = json.dumps(body).encode()
        self._headers = [(b"authorization", f"Bearer {secret}".encode()), (b"content-type", b"application/json")]
        self._asked = False
        self.gone = asyncio.Event()
        self.status: int | None = None
        self.parts: list[bytes] = []

    async def go(self) -> None:
        scope = {"type": "http", "method": "POST", "path": PATH, "headers": self._headers, "client": ("127.0.0.1", 1)}
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": self._body}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if self.status is None:
            self.status = message["status"]
            return
        self.parts.append(message["body"])
        if len(self.parts) == self._leaves:
            self.gone.set()
        if len(self.parts) == self._stalls:
            await asyncio.Event().wait()


def settled(passing: Passing, key: Key, outlet: Outlet, api: Api) -> None:
    """The row, the key's budget and the API agree about what left, and nothing is held any more."""
    row = passing.row()
    assert row.route == "failed" and row.egress_bytes == len(api.seen[0].raw)
    assert row.cost_usd > 0 and row.prompt_tokens > 0
    assert passing.spent(key) == pytest.approx(row.cost_usd)
    use = passing.door.gate._uses[key.id]
    assert use.held_usd == pytest.approx(0) and use.active == 0
    (way,) = outlet.egress.links.values()
    assert not way.places.locked() and way.breaker.state == "closed"


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_before_the_answer_is_whole_has_spent_what_it_cost(passing: Passing, stream: bool) -> None:
    key, secret = passing.key(usd_per_day=5, tokens_per_minute=1000)
    with serving(STALLS if stream else Reply(body=completion("x").body, after_s=1.5)) as api:

        async def work(app: Any, outlet: Outlet) -> None:
            visitor = Visitor(app, secret, stream, leaves_after=2)
            asking = asyncio.create_task(visitor.go())
            await eventually(lambda: bool(api.seen))
            if not stream:
                visitor.gone.set()
            await asking
            settled(passing, key, outlet, api)
            assert (passing.row().status, passing.row().error_code) == (499, "client_closed")
            use = passing.door.gate._uses[key.id]
            assert use.tokens is not None and use.tokens._left < 1000

        passing.run(api, work)


def test_a_stream_that_the_api_breaks_off_is_paid_for_too(passing: Passing) -> None:
    key, secret = passing.key(usd_per_day=5)
    with serving(Reply(body=LONG.body, cut=True, headers=LONG.headers)) as api:

        async def work(app: Any, outlet: Outlet) -> None:
            visitor = Visitor(app, secret, True)
            await visitor.go()
            assert b'"error"' in b"".join(visitor.parts) and b"[DONE]" not in b"".join(visitor.parts)
            settled(passing, key, outlet, api)

        passing.run(api, work)


def test_who_does_not_read_a_stream_is_left_and_keeps_no_place(
    passing: Passing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "STALLED_S", 0.1)
    key, secret = passing.key(usd_per_day=5)
    with serving(LONG) as api:

        async def work(app: Any, outlet: Outlet) -> None:
            async with asyncio.timeout(10):
                await Visitor(app, secret, True, stalls_after=2).go()
            settled(passing, key, outlet, api)
            assert passing.row().status == 499

        passing.run(api, work)


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_stops_says_so_and_writes_down_what_left(passing: Passing, stream: bool) -> None:
    key, secret = passing.key(usd_per_day=5)
    with serving(STALLS if stream else Reply(body=completion("x").body, after_s=1.5)) as api:

        async def work(app: Any, outlet: Outlet) -> None:
            visitor = Visitor(app, secret, stream)
            asking = asyncio.create_task(visitor.go())
            await eventually(lambda: len(visitor.parts) > 2 if stream else bool(api.seen))
            asking.cancel()
            await asking
            assert b"the server is stopping" in visitor.parts[-2 if stream else -1]
            assert visitor.status == (200 if stream else 503)
            settled(passing, key, outlet, api)

        passing.run(api, work)


def test_bodies_are_counted_until_they_are_answered(passing: Passing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODIES_BYTES", 150)  # one request has some hundred
    _, secret = passing.key()
    with serving(Reply(body=completion("x").body, after_s=0.2)) as api:

        async def work(app: Any, outlet: Outlet) -> None:
            for _ in range(2):
                visitors = [Visitor(app, secret, False) for _ in range(3)]
                await asyncio.gather(*(each.go() for each in visitors))
                assert sorted(each.status or 0 for each in visitors) == [200, 429, 429]

        passing.run(api, work)


def test_many_questions_at_once_do_not_pass_a_keys_budget(passing: Passing) -> None:
    key, secret = passing.key(usd_per_day=0.2)
    usage = {"prompt_tokens": 8, "completion_tokens": 5}
    with serving(Reply(body=completion("x", usage=usage).body, after_s=0.1)) as api:

        async def work(app: Any, outlet: Outlet) -> None:
            visitors = [Visitor(app, secret, False) for _ in range(40)]
            await asyncio.gather(*(each.go() for each in visitors))
            refused = [each for each in visitors if each.status == 429]
            assert 1 <= len(visitors) - len(refused) == len(api.seen) < 4
            assert all(b"insufficient_quota" in each.parts[0] for each in refused)

        passing.run(api, work, at_once=32, **DEAR)
    assert 0 < passing.spent(key) <= 0.2
    assert all(seen.body["max_tokens"] == 5 for seen in api.seen)  # what has no end has no price
    rows = passing.ledger.query().rows
    assert sum(row.cost_usd for row in rows) == pytest.approx(passing.spent(key))


def test_a_key_with_a_budget_sends_nothing_where_no_price_is_known(passing: Passing) -> None:
    _, secret = passing.key(usd_per_month=5)
    with serving(completion("x")) as api:

        async def work(app: Any, outlet: Outlet) -> None:
            outlet.tasks["shop"] = Terms(policy(api.url, endpoints=[{"url": api.url, "models": ["llama-own"]}]))
            visitor = Visitor(app, secret, False)
            visitor._body = visitor._body.replace(b"gpt-4o", b"llama-own")
            await visitor.go()
            assert visitor.status == 403 and b"no price is known" in visitor.parts[0]
            assert passing.door.gate._uses[next(iter(passing.keys)).id].held_usd == 0

        passing.run(api, work)
    assert api.seen == []


def test_an_escalation_that_a_keys_budget_has_no_room_for_is_an_abstention(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.door.keys = Keys(tmp_path / "keys.json")
    key, secret = house.door.keys.add("web", limits=Limits(usd_per_day=0.03))
    with serving(completion("refund", usage={"prompt_tokens": 15, "completion_tokens": 5})) as api:
        house.promise(policy(api.url, target=0.95))

        async def work(client: httpx.AsyncClient, fleet: Any) -> None:
            headers = {"authorization": f"Bearer {secret}"}
            asked = {"model": "desk", "input": [UNSURE] * 6}
            answered = await client.post("/v1/classify", json=asked, headers=headers)
            routes = [row["route"] for row in answered.json()["data"]]
            assert routes.count("escalated") == len(api.seen) >= 1 and routes.count("abstained") >= 1

        house.drive(work, api.url, server={**DEAR, "prices": {"gpt-4o": [100, 1000]}})
    assert house.door.gate._uses[key.id].usd_day <= 0.03
    house.ledger.close()
    house.audit.close()
