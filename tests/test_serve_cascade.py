"""Answers under a promise: given here, by another model, or not at all; and what the server says and writes of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from api_server import Api, Reply, Seen, completion, fault, serving, streamed
from bundles import LABELS, ngram_bundle
from egress_parts import Redactor, breaking, policy, server
from jangin.access.keys import Keys
from jangin.audit.log import AuditLog
from jangin.audit.verify import verify
from jangin.bundle import identity, read_manifest
from jangin.errors import BundleError
from jangin.evals.threshold import Threshold
from jangin.ledger.book import Ledger
from jangin.ledger.row import DAY_US, Filter, Texts, now_us
from jangin.policy import Policy, read_policy
from jangin.routing.trust import Evidence, Trust, write_trust
from jangin.serve.door import Door, Figures
from jangin.serve.housekeeping import forget
from jangin.serve.outlet import Outlet
from jangin.terms import Terms, write_terms
from scraped import scrape
from serving import drive

SURE, UNSURE = "I lost my card", "hm kim@example.com"
Work = Callable[[httpx.AsyncClient, Any], Any]


class House:
    """A server's state, a specialist under a promise, and the API that unsure questions go to."""

    def __init__(self, folder: Path, kind: str = "classify"):
        self.folder = folder
        self.desk = ngram_bundle(folder / "desk", kind=kind)
        self.ledger = Ledger.open(folder / "ledger.sqlite")
        self.audit = AuditLog.open(folder / "audit")
        self.door = Door(None, self.ledger, Figures(0.01, 18.0, "modelled"), self.audit)

    def promise(self, rules: Policy, threshold: float | None = 0.8, target: float = 0.95) -> None:
        promised(self.desk, rules, threshold, target)

    def drive(self, work: Work, url: str | None = None, redaction: Any = Redactor, **options: Any) -> None:
        tasks, more = options.pop("tasks", {}), options.pop("server", {})
        if url is not None:
            config = server(url, **more)
            options["outlet"] = lambda: Outlet(config, self.audit, self.ledger, redaction, tasks)
        drive([self.desk], work, door=self.door, **options)

    def rows(self) -> list[Any]:
        return self.ledger.query().rows


def promised(folder: Path, rules: Policy, threshold: float | None = 0.8, target: float = 0.95) -> Path:
    """Terms and a threshold beside a bundle."""
    write_terms(folder, Terms(rules, "Answer with one label."))
    found = Threshold(threshold, target, 0.05, 100, 50, 0.0, 0.01, 0.5, 3, "half of them")
    write_trust(folder, Trust(identity(read_manifest(folder)), Evidence([0.9], [0.9], [0.0]), found))
    return folder


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path)
    yield found
    found.ledger.close()
    found.audit.close()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "sk-up-c0ffee1234567890")


def kept(unsure: str, **more: Any) -> Policy:
    return read_policy({"unsure": unsure, "target": 0.95, **more}, "task.yaml")


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "desk", "messages": [{"role": "user", "content": text}], **more}


async def ask(client: httpx.AsyncClient, text: Any) -> dict[str, Any]:
    answered = await client.post("/v1/classify", json={"model": "desk", "input": text})
    assert answered.status_code == 200, answered.text
    return answered.json()


def test_an_unsure_answer_is_abstained_from_and_a_sure_one_is_given(house: House) -> None:
    house.promise(kept("abstain"))

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        sure = await ask(client, SURE)
        assert sure["data"][0]["label"] == "card_lost" and sure["data"][0]["route"] == "local"
        assert sure["jangin"]["promise"] == {"target": 0.95, "confidence": 0.95, "threshold": 0.8}
        assert sure["jangin"]["cost_usd"] > 0 and sure["jangin"]["energy_wh"] > 0
        both = await ask(client, [SURE, UNSURE])
        assert [row["label"] for row in both["data"]] == ["card_lost", None]
        assert [row["route"] for row in both["data"]] == ["local", "abstained"]
        assert both["data"][1]["why"] == "unsure"
        assert both["jangin"]["routes"] == {"local": 1, "abstained": 1}
        answered = await client.post("/v1/chat/completions", json=chat(UNSURE))
        message = answered.json()["choices"][0]["message"]
        assert message == {"role": "assistant", "content": None, "refusal": "not sure enough to answer"}
        assert answered.headers["x-jangin-route"] == "abstained"
        assert answered.headers["x-jangin-certificate"] == "none"
        stream = await client.post("/v1/chat/completions", json=chat(UNSURE, stream=True))
        assert '"delta":{"refusal":"not sure enough to answer"}' in stream.text and stream.text.endswith("[DONE]\n\n")

    house.drive(work)
    assert [row.route for row in house.rows()] == ["abstained", "abstained", "abstained", "local"]


def test_a_task_that_refuses_unsure_answers_says_so_with_an_error(house: House) -> None:
    house.promise(kept("refuse"))

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        assert (await ask(client, UNSURE))["data"][0]["route"] == "refused"
        refused = await client.post("/v1/chat/completions", json=chat(UNSURE))
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unsure")
        assert (await client.post("/v1/chat/completions", json=chat(SURE))).status_code == 200

    house.drive(work)
    assert [(row.route, row.status) for row in house.rows()] == [("local", 200), ("failed", 422), ("refused", 200)]


def test_without_a_promise_every_answer_is_given(house: House) -> None:
    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        answered = await ask(client, UNSURE)
        assert answered["data"][0]["label"] in LABELS and "route" not in answered["data"][0]
        assert "promise" not in answered["jangin"]

    house.drive(work)


def test_where_no_threshold_keeps_the_promise_every_answer_is_unsure(house: House) -> None:
    house.promise(kept("abstain"), threshold=None)

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        assert (await ask(client, SURE))["data"][0]["route"] == "abstained"
        about = (await client.get("/v1/models/desk")).json()["jangin"]["promise"]
        assert about["threshold"] is None and about["message"] == "half of them"

    house.drive(work)


def test_a_threshold_of_another_promise_is_not_served(house: House) -> None:
    house.promise(kept("abstain"), target=0.9)

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        raise AssertionError("it must not start")

    with pytest.raises(BundleError, match=r"keeps 0\.9 with confidence 0.95; the policy promises 0\.95") as caught:
        house.drive(work)
    assert caught.value.hint and caught.value.hint.startswith("jangin settle ")


def test_an_unsure_question_is_escalated_redacted_and_told(house: House) -> None:
    with serving(lambda number, seen: completion("'Refund'.")) as api:
        house.promise(policy(api.url, target=0.95))

        async def work(client: httpx.AsyncClient, fleet: Any) -> None:
            found = await ask(client, UNSURE)
            assert (found["data"][0]["label"], found["data"][0]["route"]) == ("refund", "escalated")
            about = found["jangin"]
            assert about["route"] == "escalated" and about["certificate"] is None
            assert about["egress"]["to"] + "/v1" == api.url and about["egress"]["placeholders"] == 1
            assert about["egress_bytes"] == about["egress"]["bytes"] == len(api.seen[0].raw)
            assert about["cost_usd"] > about["egress"]["cost_usd"] > 0
            assert (await ask(client, SURE))["jangin"]["route"] == "local"

        house.drive(work, api.url)
    (sent,) = api.seen
    assert sent.body["messages"] == [
        {"role": "system", "content": "Answer with one label."},
        {"role": "user", "content": "hm [#0]"},
    ]
    local, escalated = house.rows()
    assert (local.route, local.egress_bytes, local.egress_to) == ("local", 0, None)
    assert (escalated.route, escalated.egress_bytes, escalated.egress_to) == (
        *("escalated", len(sent.raw)),
        api.url.removesuffix("/v1"),
    )
    assert escalated.cost_usd > local.cost_usd
    assert verify(house.folder / "audit").valid
    logged = (house.folder / "audit").glob("*")
    assert not any("kim@example.com" in path.read_text("utf-8") for path in logged if path.is_file())


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (completion("a label that there is not"), "unusable_answer"),
        (completion(None, message={"refusal": "no"}), "refused_there"),
        (fault(400, code="bad"), "refused"),
    ],
)
def test_an_escalation_that_brings_nothing_is_an_abstention(house: House, reply: Reply, why: str) -> None:
    with serving(reply) as api:
        house.promise(policy(api.url, target=0.95))

        async def work(client: httpx.AsyncClient, fleet: Any) -> None:
            found = await ask(client, UNSURE)
            assert found["data"][0]["label"] is None and found["jangin"]["route"] == "abstained"
            assert found["jangin"]["why"] == why
            assert found["jangin"]["egress_bytes"] == len(api.seen[0].raw)

        house.drive(work, api.url)
    (row,) = house.rows()
    assert row.route == "abstained" and row.egress_bytes > 0


@pytest.mark.parametrize(
    ("options", "why"),
    [({"redaction": breaking(ValueError("x"))}, "redaction"), ({"redaction": None}, "no_redactor")],
)
def test_nothing_leaves_where_redaction_cannot_work(house: House, options: dict[str, Any], why: str) -> None:
    with serving(completion("refund")) as api:
        house.promise(policy(api.url, target=0.95))

        async def work(client: httpx.AsyncClient, fleet: Any) -> None:
            found = await ask(client, UNSURE)
            assert (found["jangin"]["route"], found["jangin"]["why"]) == ("abstained", why)
            assert found["jangin"]["egress_bytes"] == 0

        house.drive(work, api.url, **options)
    assert api.seen == []


def test_the_figures_tell_what_was_unsure_what_left_and_whether_the_promise_holds(house: House) -> None:
    with serving(lambda number, seen: completion("refund")) as api:
        house.promise(policy(api.url, target=0.95))

        async def work(client: httpx.AsyncClient, fleet: Any) -> None:
            await ask(client, SURE)
            await ask(client, [SURE, UNSURE, UNSURE])
            told = await scrape(client)
            assert told("below_threshold_total", task="desk") == 2
            assert told("requests_total", task="desk", endpoint="classify", route="escalated", status="200") == 1
            row = house.rows()[0]
            assert told("egress_bytes_total", task="desk", to=row.egress_to) == row.egress_bytes > 0
            left = told("egress_cost_usd_total", task="desk", to=row.egress_to)
            assert left is not None and 0 < left < row.cost_usd  # the rest is this machine's
            assert (told("promise_stale", task="desk"), told("promise_threshold", task="desk")) == (0, 0.8)

        house.drive(work, api.url)


def test_a_server_that_lets_nothing_out_abstains_instead_of_escalating(house: House) -> None:
    with serving(completion("refund")) as api:
        house.promise(policy(api.url, target=0.95))

        async def work(client: httpx.AsyncClient, fleet: Any) -> None:
            assert (await ask(client, UNSURE))["jangin"]["route"] == "abstained"

        house.drive(work)
    assert api.seen == []


def test_many_unsure_questions_of_one_request_are_escalated_side_by_side(house: House) -> None:
    def answer(number: int, seen: Seen) -> Reply:
        return completion("refund" if "one" in seen.asked else "opening_hours")

    with serving(answer) as api:
        house.promise(policy(api.url, target=0.95))

        async def work(client: httpx.AsyncClient, fleet: Any) -> None:
            found = await ask(client, ["zz one", SURE, "zz two"])
            assert [row["label"] for row in found["data"]] == ["refund", "card_lost", "opening_hours"]
            assert found["jangin"]["routes"] == {"escalated": 2, "local": 1}

        house.drive(work, api.url)
    (row,) = house.rows()
    assert row.route == "escalated" and row.egress_bytes == sum(len(seen.raw) for seen in api.seen)


def test_the_budget_of_a_task_counts_what_the_ledger_knows(house: House) -> None:
    with serving(completion("refund")) as api:
        cheap = {"prices": {"gpt-4o": [1000, 1000]}, "max_tokens": 10}
        house.promise(policy(api.url, target=0.95, budget={"usd_per_day": 0.06}))

        async def work(client: httpx.AsyncClient, fleet: Any) -> None:
            assert (await ask(client, UNSURE))["jangin"]["route"] == "escalated"

        async def again(client: httpx.AsyncClient, fleet: Any) -> None:
            found = (await ask(client, UNSURE))["jangin"]
            assert (found["route"], found["why"]) == ("abstained", "budget")

        house.drive(work, api.url, server=cheap)
        house.drive(again, api.url, server=cheap)  # another process of the server: what was spent is in the ledger
    assert len(api.seen) == 1


def test_what_another_model_writes_of_a_tag_task_is_a_list_of_labels(tmp_path: Path) -> None:
    house = House(tmp_path, "tag")
    with serving(completion('["refund", "card_lost"]')) as api:
        house.promise(policy(api.url, target=0.95), threshold=None)

        async def work(client: httpx.AsyncClient, fleet: Any) -> None:
            found = await ask(client, UNSURE)
            assert found["data"][0]["labels"] == ["refund", "card_lost"]
            moderated = await client.post("/v1/moderations", json={"model": "desk", "input": UNSURE})
            assert moderated.json()["results"][0]["categories"]["opening_hours"] is False
            assert moderated.json()["results"][0]["flagged"] is True

        async def closed(client: httpx.AsyncClient, fleet: Any) -> None:
            refused = await client.post("/v1/moderations", json={"model": "desk", "input": UNSURE})
            assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unsure")

        house.drive(work, api.url)
        house.drive(closed)


def passed(api: Api, **more: Any) -> dict[str, Terms]:
    return {"shop": Terms(policy(api.url, **more))}


def test_a_client_passes_through_by_changing_its_base_url(house: House) -> None:
    from openai import OpenAI

    from jangin.serve.run import start

    with serving(
        lambda number, seen: streamed("it is ", "fine") if seen.body.get("stream") else completion("fine")
    ) as api:
        config, task = house.folder / "server.yaml", house.folder / "shop"
        upstream = {"url": api.url, "key_env": "UPSTREAM_KEY"}
        config.write_text(json.dumps({"egress": {"egress": "allow", "upstreams": [upstream]}}), encoding="utf-8")
        task.mkdir()
        rules = {"egress": "allow", "endpoints": [{"url": api.url, "models": ["gpt-4o"]}], "redact": "none"}
        about = {"name": "shop", "kind": "generate", "data": "data.jsonl", "policy": rules}
        (task / "task.yaml").write_text(json.dumps(about), encoding="utf-8")
        state = house.folder / "other-state"
        options = {"state": str(state), "config": str(config), "tasks": [str(task)]}
        with start([], **options) as (_, url), OpenAI(base_url=f"{url}/tasks/shop/v1", api_key="any") as client:
            whole = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "how is it"}])
            assert whole.choices[0].message.content == "fine"
            pieces = client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "how is it"}], stream=True
            )
            assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "it is fine"
            assert [model.id for model in client.models.list()] == ["gpt-4o"]
    with Ledger.open(state / "ledger.sqlite", read_only=True) as ledger:
        rows = ledger.query().rows
    assert [(row.task, row.route, row.specialist) for row in rows] == [("shop", "escalated", "")] * 2
    assert all(row.egress_bytes == len(seen.raw) and row.cost_usd > 0 for row, seen in zip(rows, reversed(api.seen)))
    assert verify(state / "audit").valid


def test_pass_through_captures_what_its_task_asks_for(house: House) -> None:
    from jangin.egress import captured

    with serving(completion("we wrote to [#0]")) as api:
        capture = {"capture": {"keep_days": 3}, "folder": house.folder / "captured"}

        async def work(client: httpx.AsyncClient, fleet: Any) -> None:
            body = {"model": "gpt-4o", "messages": [{"role": "user", "content": UNSURE}]}
            answered = await client.post("/tasks/shop/v1/chat/completions", json=body)
            assert answered.json()["choices"][0]["message"]["content"] == "we wrote to kim@example.com"
            assert (await client.post("/tasks/none/v1/chat/completions", json=body)).status_code == 404

        house.drive(work, api.url, server=capture, tasks=passed(api, capture={"keep_days": 9}))
    (exchange,) = captured.read(house.folder / "captured" / "shop")
    assert isinstance(exchange, captured.Exchange)
    assert exchange.messages == [{"role": "user", "content": "hm [#0]"}] and exchange.answer == "we wrote to [#0]"


def test_pass_through_is_refused_by_the_policy_and_leaves_a_row(house: House) -> None:
    with serving(completion("fine")) as api:
        secret = Keys(house.folder / "keys.json")
        house.door.keys = secret
        mine = {"authorization": f"Bearer {secret.add('mine', tasks=['shop'])[1]}"}
        other = {"authorization": f"Bearer {secret.add('other', tasks=['desk'])[1]}"}

        async def work(client: httpx.AsyncClient, fleet: Any) -> None:
            body = {"model": "gpt-3", "messages": [{"role": "user", "content": "x"}]}
            denied = await client.post("/tasks/shop/v1/chat/completions", json=body, headers=mine)
            assert (denied.status_code, denied.json()["error"]["code"]) == (403, "egress_denied")
            closed = await client.post("/tasks/shop/v1/chat/completions", json=body, headers=other)
            assert (closed.status_code, closed.json()["error"]["code"]) == (403, "not_permitted")
            assert (await client.post("/tasks/shop/v1/chat/completions", json=body)).status_code == 401

        house.drive(work, api.url, tasks=passed(api))
    assert api.seen == []
    assert [(row.task, row.route, row.status) for row in house.rows()] == [("shop", "failed", 403)]


def test_a_server_without_a_way_out_passes_nothing_through(house: House) -> None:
    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        denied = await client.post("/tasks/desk/v1/chat/completions", json=body)
        assert (denied.status_code, denied.json()["error"]["code"]) == (403, "egress_denied")

    house.drive(work)


def test_audited_answers_make_a_promise_stale(house: House) -> None:
    house.promise(kept("abstain", audit=0.999999))
    watches = house.folder / "watches"

    async def say(client: httpx.AsyncClient, right: bool, **more: Any) -> httpx.Response:
        found = await ask(client, SURE)
        assert found["jangin"]["audit"] is True
        row = house.ledger.query(limit=1).rows[0]
        return await client.post("/v1/feedback", json={"id": row.id, "right": right, **more})

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        first = await say(client, True)
        assert first.status_code == 200 and first.json()["promise"]["audited"] == 1
        row = house.ledger.query(limit=1).rows[0]
        again = await client.post("/v1/feedback", json={"id": row.id, "right": False})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "counted_before")
        unknown = await client.post("/v1/feedback", json={"id": "nobody", "right": False})
        assert unknown.status_code == 404
        while not (await say(client, False)).json()["promise"]["stale"]:
            assert fleet.get("desk").promise.audited.audited < 40
        assert (await ask(client, SURE))["jangin"]["promise"]["stale"] is True

    house.drive(work, watches=watches, secret=b"s")

    async def later(client: httpx.AsyncClient, fleet: Any) -> None:
        assert (await ask(client, SURE))["jangin"]["promise"]["stale"] is True  # a restart forgets nothing

    house.drive(later, watches=watches, secret=b"s")
    kinds = [json.loads(line)["kind"] for path in (house.folder / "audit").glob("*.jsonl") for line in path.open()]
    assert kinds.count("promise.stale") == 1


def test_only_answers_that_were_drawn_are_counted(house: House) -> None:
    house.promise(kept("abstain", audit=1e-9))

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        await ask(client, SURE)
        row = house.ledger.query(Filter(), limit=1).rows[0]
        refused = await client.post("/v1/feedback", json={"id": row.id, "right": True})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_drawn")

    house.drive(work)


def test_texts_are_kept_only_where_the_task_asks_and_as_long_as_it_says(house: House) -> None:
    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        await ask(client, SURE)
        await ask(client, [SURE, "환불해 주세요"])

    house.drive(work)
    assert house.ledger.query(texts=True).texts == {}
    house.promise(kept("abstain", texts={"keep_days": 2}))

    async def later(client: httpx.AsyncClient, fleet: Any) -> None:
        await ask(client, SURE)
        await ask(client, [SURE, UNSURE])
        found = house.ledger.query(texts=True, limit=2).texts
        assert (found[1].input, found[1].output) == (SURE, '["card_lost"]')
        assert json.loads(found[0].input) == [SURE, UNSURE]
        assert json.loads(found[0].output) == [["card_lost"], None]
        await forget(fleet, house.door, None)
        assert len(house.ledger.query(texts=True, limit=2).texts) == 2
        old = msgspec.structs.replace(house.rows()[0], id="old", at=now_us() - 3 * DAY_US)
        await house.ledger.append(old, Texts("old", "old"))
        await forget(fleet, house.door, None)
        page = house.ledger.query(Filter(id="old"), texts=True)
        assert len(page.rows) == 1 and page.texts == {}

    house.drive(later)


def test_a_row_says_what_the_replaced_model_would_have_cost(house: House) -> None:
    sha = identity(read_manifest(house.desk))
    found = {"id": "c" * 64, "specialist": {"sha256": sha}, "result": {"verdict": "superior"}}
    found["cost"] = {"reference": {"value": 3.5, "unit": "USD per 1,000 requests"}}
    (house.desk / "certificate.json").write_text(json.dumps(found), encoding="utf-8")

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        await ask(client, [SURE, UNSURE])

    house.drive(work)
    assert house.rows()[0].reference_cost_usd == pytest.approx(0.007)
    assert house.ledger.totals().compared == 1


@pytest.mark.parametrize(
    "given", [{"id": "c\r\nset-cookie: x"}, {"id": "인증"}, {"id": 7}, {"cost": {"reference": {"value": -1e300}}}, None]
)
def test_a_certificate_that_is_none_spoils_no_answer(house: House, given: dict[str, Any] | None) -> None:
    sha = identity(read_manifest(house.desk))
    found = {"id": "c" * 64, "specialist": {"sha256": sha}, "result": {"verdict": "superior"}, **(given or {})}
    raw = b"\xff\xfe" if given is None else json.dumps(found).encode()
    (house.desk / "certificate.json").write_bytes(raw)

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        answered = await client.post("/v1/classify", json={"model": "desk", "input": SURE})
        assert (answered.status_code, answered.headers["x-jangin-certificate"]) == (200, "none")

    house.drive(work)
    assert house.rows()[0].certificate is None


def test_a_written_answer_is_given_only_in_the_form_that_the_promise_was_tested_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    import writers

    home = house.folder / "home"
    home.mkdir()
    sha256 = writers.base(home)
    monkeypatch.setenv("JANGIN_HOME", str(home))
    with serving(completion("from elsewhere")) as api:
        sure = writers.writer(home / "fields", sha256, "fields", seed=3, schema=writers.SCHEMA, max_tokens=600)
        folders = [
            promised(sure, kept("abstain"), threshold=0.0),
            promised(writers.writer(home / "away", sha256, "away", seed=1), policy(api.url, target=0.95), 1.0),
        ]
        config = server(api.url)

        async def work(client: httpx.AsyncClient, fleet: Any) -> None:
            async def say(model: str, **more: Any) -> dict[str, Any]:
                body = {**chat("where is it", **more), "model": model}
                answered = await client.post("/v1/chat/completions", json=body)
                assert answered.status_code == 200, answered.text
                return answered.json() if not more.get("stream") else {"events": answered.text}

            given = await say("fields")
            assert json.loads(given["choices"][0]["message"]["content"])["kind"] in ("card", "cash")
            assert given["jangin"]["route"] == "local"
            for otherwise in ({"temperature": 1.0}, {"max_tokens": 2}):
                found = await say("fields", **otherwise)
                assert found["choices"][0]["message"]["content"] is None, otherwise
                assert found["choices"][0]["message"]["refusal"] == "not sure enough to answer"
                assert found["jangin"]["route"] == "abstained"
            away = await say("away", max_tokens=8)
            assert away["choices"][0]["message"]["content"] == "from elsewhere"
            assert away["jangin"]["route"] == "escalated" and api.seen[0].body["max_tokens"] == 8
            stream = (await say("away", stream=True, max_tokens=8))["events"]
            assert '"content":"from elsewhere"' in stream and stream.endswith("data: [DONE]\n\n")

        drive(folders, work, door=house.door, outlet=lambda: Outlet(config, house.audit, house.ledger, Redactor, {}))
    assert [row.route for row in house.rows()] == ["escalated", "escalated", "abstained", "abstained", "local"]
