"""`model: auto` against real engines: which specialist answers, in how many passes, who learns what."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bundles import ngram_bundle
from jangin.errors import BundleError, TaskError
from jangin.ledger.row import Filter
from jangin.policy import read_policy
from jangin.routing.heads import file_name
from jangin.serve.fleet import Fleet
from jangin.serve.scope import REFUSAL
from jangin.task import load_task
from jangin.terms import Terms, write_terms
from routed import BASE, NONSENSE, encoder_base, messages, profiled, with_encoder, with_ngrams
from serving import drive, eventually
from small_tasks import classify_task
from test_serve_door import Place
from writers import base as decoder_base
from writers import writer


class Shelf:
    """Bundles to be copied, and the store that their encoders lie in."""

    def __init__(self, home: Path):
        self.home = home
        self.files = encoder_base(home)
        self.cards = with_encoder(home / "cards", "cards", self.files)
        self.refunds = with_encoder(home / "refunds", "refunds", self.files, seed=4)
        self.hours = with_ngrams(home / "hours", "hours", self.files)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("routed")
        patch.setenv("JANGIN_HOME", str(home))
        yield Shelf(home)


@pytest.fixture
def shelf(made: Shelf, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("JANGIN_HOME", str(made.home))
    return made


async def classify(client: httpx.AsyncClient, given: object, model: str = "auto", **more: Any) -> dict[str, Any]:
    found = await client.post("/v1/classify", json={"model": model, "input": given}, **more)
    assert found.status_code == 200, found.text
    return found.json()


async def refused(client: httpx.AsyncClient, **more: Any) -> tuple[int, str, str]:
    found = await client.post("/v1/classify", json={"model": "auto", "input": "hello"}, **more)
    error = found.json()["error"]
    return found.status_code, error["code"], error["message"]


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "auto", "messages": [{"role": "user", "content": text}], **more}


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def test_a_mixture_is_answered_by_the_specialists_that_it_is_for(shelf: Shelf) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        texts, owners = [], []
        for at in range(12):
            for topic in ("cards", "hours", "refunds"):
                texts.append(messages(topic, 1, 50 + at)[0])
                owners.append(topic)
        texts += [NONSENSE, texts[0]]
        named = {topic: (await classify(client, texts, topic))["data"] for topic in ("cards", "hours", "refunds")}
        asked: list[int] = []
        for engine in fleet.engines.values():
            real = engine.ask

            def ask(handle: int, part: list[str], real: Any = real) -> Any:
                asked.append(handle)
                return real(handle, part)

            engine.ask = ask  # type: ignore[method-assign]
        body = await classify(client, texts)
        rows = body["data"]
        assert [row["index"] for row in rows] == list(range(38))
        in_scope = [(row["model"], owner) for row, owner in zip(rows, owners) if row["model"] is not None]
        assert len(in_scope) > 30 and sum(model == owner for model, owner in in_scope) / len(in_scope) > 0.95
        for at, row in enumerate(rows):
            if row["model"] is None:
                assert row["label"] is None and row["refusal"] == REFUSAL and row["margin"] < 0
                assert row["nearest"] in named and row["probabilities"] == {}
            else:
                want = named[row["model"]][at]
                assert row["label"] == want["label"] and row["margin"] >= 0
                assert row["probabilities"] == pytest.approx(want["probabilities"], abs=1e-5)
        assert rows[36]["model"] is None and rows[37]["model"] == rows[0]["model"]
        assert rows[37]["margin"] == pytest.approx(rows[0]["margin"], rel=1e-3)
        assert set(asked) == {fleet.get("hours").handle}  # the others answered in the pass that routed
        about = body["jangin"]
        assert (body["model"], about["route"], about["routed"], about["specialist"]) == ("auto", "refused", True, None)
        assert about["routes"]["refused"] == sum(row["model"] is None for row in rows) and about["routes"]["local"] > 30
        assert about["specialists"]["cards"] == {"sha256": fleet.get("cards").info.sha256, "certificate": None}
        assert len(fleet.engines) == 2

    drive([shelf.cards, shelf.hours, shelf.refunds], work)


def test_one_text_gets_the_answer_that_its_specialist_gives_by_name(shelf: Shelf) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        for topic in ("cards", "hours"):
            text = messages(topic, 1, 7)[0]
            want, found = await classify(client, text, topic), await classify(client, text)
            evidence = found.pop("jangin")
            assert evidence.pop("routed") is True and evidence.pop("margin") >= 0
            assert evidence == pytest.approx(want.pop("jangin"), abs=1e-5)
            assert found["model"] == topic and found["data"][0]["label"] == want["data"][0]["label"]
            answer = await client.post("/v1/chat/completions", json=chat(text, logprobs=True, top_logprobs=1))
            body = answer.json()
            assert body["model"] == topic and body["choices"][0]["message"]["content"] == want["data"][0]["label"]
            assert answer.headers["x-jangin-route"] == "local" and body["jangin"]["routed"] is True
            assert answer.headers["x-jangin-specialist"] == fleet.get(topic).info.sha256[:12]
        streamed = await client.post("/v1/chat/completions", json=chat(messages("cards", 1, 7)[0], stream=True))
        found = events(streamed)
        assert found[1]["choices"][0]["delta"]["content"].startswith("cards-") and found[0]["model"] == "cards"
        listed = (await client.get("/v1/models")).json()["data"]
        assert [each["id"] for each in listed] == ["cards", "hours", "auto"]
        assert listed[-1]["jangin"] == {"kind": "router", "specialists": ["cards", "hours"]}
        assert (await client.get("/v1/models/auto")).json() == listed[-1]

    drive([shelf.cards, shelf.hours], work)


def test_what_is_for_none_is_said_in_the_shape_of_each_endpoint(shelf: Shelf, tmp_path: Path) -> None:
    mod = with_ngrams(tmp_path / "mod", "refunds", shelf.files, name="mod", kind="tag")

    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        body = await classify(client, NONSENSE)
        (row,) = body["data"]
        assert (row["label"], row["refusal"], row["model"]) == (None, REFUSAL, None)
        about = body["jangin"]
        assert about["route"] == "refused" and about["routed"] and about["margin"] < 0 and about["specialist"] is None
        answer = await client.post("/v1/chat/completions", json=chat(NONSENSE))
        message = answer.json()["choices"][0]["message"]
        assert message == {"role": "assistant", "content": None, "refusal": REFUSAL}
        assert answer.headers["x-jangin-route"] == "refused" and answer.headers["x-jangin-specialist"] == "none"
        usage = {"include_usage": True}
        streamed = events(
            await client.post("/v1/chat/completions", json=chat(NONSENSE, stream=True, stream_options=usage))
        )
        assert streamed[1]["choices"][0]["delta"] == {"refusal": REFUSAL}
        assert streamed[-1]["usage"]["completion_tokens"] == 0
        for more in ({}, {"stream": True}):
            text = messages("cards", 1, 3)[0]  # of a specialist that gives labels: none here is for it
            answer = await client.post("/v1/completions", json={"model": "auto", "prompt": text, **more})
            found = events(answer)[0] if more else answer.json()
            assert found["choices"][0]["text"] == "" and found["jangin"]["refusal"] == REFUSAL
            assert found["jangin"]["nearest"] == "cards" and found["jangin"]["route"] == "refused"
        moderated = {"model": "auto", "input": [messages("refunds", 1, 3)[0], messages("cards", 1, 3)[0], NONSENSE]}
        results = (await client.post("/v1/moderations", json=moderated)).json()["results"]
        assert [each["model"] for each in results] == ["mod", None, None]
        assert [each["flagged"] for each in results[1:]] == [None, None] and results[0]["flagged"] in (True, False)
        one = await client.post("/v1/moderations", json={"model": "auto", "input": messages("refunds", 1, 3)[0]})
        assert one.json()["model"] == "mod" and one.json()["results"][0]["categories"] == results[0]["categories"]

    drive([shelf.cards, mod], work)


def test_a_key_learns_nothing_of_specialists_that_are_not_its_own(shelf: Shelf, tmp_path: Path) -> None:
    place = Place(tmp_path / "state")
    mine, all_, root = place.key("mine", tasks=["cards"]), place.key("all"), place.key("root", roles=("admin",))
    card, hour = messages("cards", 1, 7)[0], messages("hours", 1, 7)[0]

    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        async def asked(given: object, headers: dict[str, str], id: str) -> dict[str, Any]:
            return await classify(client, given, headers={**headers, "x-request-id": id})

        assert (await asked(card, mine, "one"))["model"] == "cards"
        odd = [f"{hour} {word} {word} {word}" for word in NONSENSE.split()]
        near = [row for row in (await asked(odd, all_, "odd"))["data"] if row.get("nearest") == "hours"]
        assert near  # out of scope, but nearest to what this key may not see
        hidden, nonsense = await asked(hour, mine, "two"), await asked(odd[near[0]["index"]], mine, "three")
        for body in (hidden, nonsense):
            del body["usage"], body["jangin"]["cost_usd"], body["jangin"]["energy_wh"]
        assert hidden == nonsense and "hours" not in json.dumps(hidden) and "margin" not in json.dumps(hidden)
        assert (await asked(hour, all_, "four"))["model"] == "hours"
        mixed = await asked([card, hour, NONSENSE], mine, "five")
        assert [row["model"] for row in mixed["data"]] == ["cards", None, None] and "hours" not in json.dumps(mixed)
        await asked([card, hour], all_, "six")
        listed = (await client.get("/v1/models", headers=mine)).json()["data"]
        assert listed[-1]["id"] == "auto" and listed[-1]["jangin"]["specialists"] == ["cards"]
        status, code, _ = await refused(client, headers=root)
        assert (status, code) == (403, "not_permitted")
        assert (await client.get("/v1/models/auto", headers=root)).status_code == 200
        shutil.copytree(shelf.hours, tmp_path / "later")
        (tmp_path / "later" / file_name(BASE)).unlink()
        await fleet.unload("hours")
        await fleet.load(tmp_path / "later")
        status, code, message = await refused(client, headers=mine)
        assert status == 409 and "a specialist has no routing profile" in message and "hours" not in message

    drive([shelf.cards, shelf.hours], work, door=place.door)

    def row(id: str) -> tuple[str, str, str, int]:
        (found,) = place.ledger.query(Filter(id=id)).rows
        assert found.cost_usd > 0 and bool(found.specialist) == (found.task != "auto")
        return found.task, found.route, found.endpoint, found.status

    assert row("one") == ("cards", "local", "classify", 200)
    assert row("two") == row("three") == ("auto", "refused", "classify", 200)
    assert row("four") == ("hours", "local", "classify", 200)
    assert row("five") == ("cards", "refused", "classify", 200)
    assert row("six") == ("auto", "local", "classify", 200)
    assert {place.door.gate.active(key.id) for key in place.keys} == {0}
    place.ledger.close()


def test_the_router_follows_what_is_loaded_and_survives_its_engine(shelf: Shelf, tmp_path: Path) -> None:
    card, hour, refund = (messages(topic, 1, 7)[0] for topic in ("cards", "hours", "refunds"))
    other = shutil.copytree(shelf.cards, tmp_path / "cards")

    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        async def models() -> list[str | None]:
            return [row["model"] for row in (await classify(client, [card, hour, refund]))["data"]]

        assert await models() == [None, "hours", None]
        assert len(fleet.engines) == 2  # one was started to route
        await fleet.load(other)
        assert await models() == ["cards", "hours", None]
        await fleet.load(shelf.refunds)
        assert await models() == ["cards", "hours", "refunds"]
        await fleet.unload("hours")
        assert await models() == ["cards", None, "refunds"] and len(fleet.engines) == 1
        before = await classify(client, card)
        profiled(other, "hours", shelf.files)  # it is now for other messages
        await fleet.reload("cards")
        assert await models() == [None, "cards", "refunds"]
        profiled(other, "cards", shelf.files)
        await fleet.reload("cards")
        (engine,) = fleet.engines.values()
        assert engine.process is not None
        os.kill(engine.process.pid, signal.SIGKILL)
        await eventually(lambda: engine.restarts == 1 and engine.up)
        assert await classify(client, card) == before
        await fleet.unload("cards")
        await fleet.unload("refunds")
        assert not fleet.engines
        assert await refused(client) == (409, "router_unavailable", "model 'auto': no specialist is loaded")

    drive([shelf.hours], work)


def test_a_profile_that_is_missing_or_not_its_own_is_named(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "hours"
    text = messages("hours", 1, 7)[0]
    mend = "jangin route SPECIALIST, then reload it"
    path = folder / file_name(BASE)
    ngram_bundle(folder, "hours")

    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        async def reloaded() -> tuple[int, str, str]:
            await fleet.reload("hours")
            return await refused(client)

        none = (409, "router_unavailable", f"model 'auto': 'hours' has no routing profile: {mend}")
        assert await refused(client) == none
        assert [each["id"] for each in (await client.get("/v1/models")).json()["data"]] == ["cards", "hours"]
        assert (await client.get("/v1/models/auto")).status_code == 409
        assert (await classify(client, text, "hours"))["model"] == "hours"  # by name it answers
        shutil.copyfile(shelf.cards / file_name(BASE), path)  # another specialist's
        assert await reloaded() == none
        path.write_bytes(b"\xff" * 200)
        assert await reloaded() == none
        profiled(folder, "hours", shelf.files)
        content = bytearray(path.read_bytes())
        content[-100] ^= 4
        path.write_bytes(content)
        broken = (409, "router_unavailable", f"model 'auto': 'hours' has a routing profile that cannot be used: {mend}")
        assert await reloaded() == broken == await refused(client)
        profiled(folder, "hours", shelf.files)
        await fleet.reload("hours")
        assert (await classify(client, text))["model"] == "hours"

    drive([shelf.cards, folder], work)


def test_profiles_need_an_encoder_in_common_that_is_here(shelf: Shelf, tmp_path: Path) -> None:
    second = encoder_base(shelf.home, "tests/second", seed=5)
    folder = ngram_bundle(tmp_path / "hours", "hours")
    profiled(folder, "hours", second, "tests/second")

    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        status, _, message = await refused(client)
        assert status == 409
        assert message.startswith(
            "model 'auto': the routing profiles have no encoder in common "
            "('cards': tests/tiny-bert; 'hours': tests/second): "
        )
        profiled(folder, "hours", shelf.files)
        await fleet.reload("hours")
        assert (await classify(client, messages("hours", 1, 7)[0]))["model"] == "hours"
        await fleet.unload("cards")
        assert (await classify(client, messages("hours", 1, 7)[0]))["model"] == "hours"
        (folder / file_name(BASE)).unlink()
        record = shelf.home / "refs" / "tests--second" / "resolved.json"
        kept = record.read_bytes()
        record.unlink()
        await fleet.reload("hours")
        assert (await refused(client))[2] == (
            "model 'auto': base 'tests/second' is not in the store: jangin pull tests/second"
        )
        record.write_bytes(kept)
        assert (await classify(client, messages("hours", 1, 7)[0]))["model"] == "hours"

    drive([shelf.cards, folder], work)


def test_each_answer_of_a_mixture_keeps_the_promise_of_its_own_specialist(shelf: Shelf, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shelf.hours, tmp_path / "hours"))
    place = Place(tmp_path / "state")
    place.door.keys = None
    rules = read_policy({"unsure": "abstain", "target": 0.95, "texts": {"keep_days": 3}}, "task.yaml")
    write_terms(folder, Terms(rules))  # no threshold was ever drawn: every answer is unsure
    card, hour = messages("cards", 1, 7)[0], messages("hours", 1, 7)[0]

    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        body = await classify(client, [card, hour, NONSENSE])
        assert [row["model"] for row in body["data"]] == ["cards", "hours", None]
        assert [row["route"] for row in body["data"]] == ["local", "abstained", "refused"]
        assert [row.get("why") for row in body["data"]] == [None, "unsure", "out_of_scope"]
        assert body["data"][0]["label"] is not None and body["data"][1]["label"] is None
        assert body["jangin"]["routes"] == {"local": 1, "abstained": 1, "refused": 1}
        assert body["jangin"]["specialists"]["hours"]["promise"]["target"] == 0.95
        alone = await client.post("/v1/chat/completions", json=chat(hour))
        assert alone.headers["x-jangin-route"] == "abstained" and alone.json()["model"] == "hours"
        assert alone.json()["choices"][0]["message"]["refusal"] == "not sure enough to answer"
        await classify(client, [hour, NONSENSE], headers={"x-request-id": "kept"})

    drive([shelf.cards, folder], work, door=place.door)
    page = place.ledger.query(texts=True)
    assert [(row.task, row.route) for row in page.rows] == [
        ("hours", "refused"),
        ("hours", "abstained"),
        ("auto", "refused"),
    ]
    kept = {page.rows[at].id: texts.input for at, texts in page.texts.items()}
    assert kept["kept"] == hour and len(kept) == 2  # what is for none, or of several, is kept by no task
    place.ledger.close()


def test_the_name_of_the_router_is_not_a_specialists(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        with pytest.raises(BundleError, match="cannot be served as 'auto'"):
            await fleet.load(ngram_bundle(tmp_path / "auto", "auto"))

    drive([], work)
    task = classify_task(tmp_path / "task") / "task.yaml"
    task.write_text(task.read_text().replace("name: desk", "name: auto"))
    with pytest.raises(TaskError, match=r"name is 'auto'; expected another name"):
        load_task(task)


def test_a_decoder_answers_what_is_for_it_also_in_a_stream(shelf: Shelf, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    made = writer(tmp_path / "letters", decoder_base(shelf.home), "letters", seed=1, max_tokens=12, context=256)
    profiled(made, "refunds", shelf.files)
    text, card = messages("refunds", 1, 7)[0], messages("cards", 1, 7)[0]

    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        whole = (await client.post("/v1/chat/completions", json=chat(text))).json()
        assert whole["model"] == "letters" and whole["jangin"]["routed"] and whole["jangin"]["margin"] >= 0
        by_name = (await client.post("/v1/chat/completions", json={**chat(text), "model": "letters"})).json()
        assert whole["choices"][0]["message"] == by_name["choices"][0]["message"] and "routed" not in by_name["jangin"]
        streamed = events(await client.post("/v1/chat/completions", json=chat(text, stream=True)))
        pieces = [each["choices"][0]["delta"].get("content") or "" for each in streamed]
        assert "".join(pieces) == whole["choices"][0]["message"]["content"]
        assert streamed[0]["jangin"]["routed"] is True and streamed[-1]["jangin"]["margin"] >= 0
        answer = await client.post("/v1/completions", json={"model": "auto", "prompt": text})
        assert answer.json()["choices"][0]["text"] == by_name["choices"][0]["message"]["content"]
        row = (await classify(client, [text, card]))["data"]
        assert [each["model"] for each in row] == [None, "cards"]  # the first is for who gives no labels
        assert row[0]["nearest"] == "letters" and row[0]["margin"] >= 0
        assert [entry.use.active for entry in fleet.entries.values()] == [0, 0]

    drive([shelf.cards, made], work)
