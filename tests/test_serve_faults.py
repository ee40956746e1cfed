"""What happens when an engine dies, hangs or is asked too much, and when specialists change under traffic."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from bundles import encoder_bundle, ngram_bundle
from jangin.serve.fleet import Fleet
from jangin.serve.slices import slices
from serving import drive, eventually

ONLY_HERE = "admin requests are answered on this machine's loopback address only, and not behind a proxy"


def ask(client: httpx.AsyncClient, model: str, given: object = "I lost my card") -> Awaitable[httpx.Response]:
    return client.post("/v1/classify", json={"model": model, "input": given})


def engine_pid(fleet: Fleet, name: str) -> int:
    process = fleet.entries[name].engine.process
    assert process is not None
    return process.pid


def error(answer: httpx.Response) -> str:
    return answer.json()["error"]["message"]


async def under_traffic(
    client: httpx.AsyncClient, names: list[str], work: Callable[[], Awaitable[None]]
) -> list[httpx.Response]:
    """All answers that four clients got while `work` ran."""
    answers: list[httpx.Response] = []
    done = False

    async def one(number: int) -> None:
        while not done:
            answers.append(await ask(client, names[number % len(names)], ["I lost my card", "refund please"] * 20))

    clients = [asyncio.create_task(one(number)) for number in range(4)]
    await work()
    done = True
    await asyncio.gather(*clients)
    return answers


def test_a_killed_engine_costs_its_requests_a_503_and_comes_back_while_others_go_on(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        first = engine_pid(fleet, "desk")
        before = (await ask(client, "desk")).json()["data"]
        os.kill(first, signal.SIGSTOP)
        caught = asyncio.gather(*(ask(client, "desk") for _ in range(5)))
        await asyncio.sleep(0.1)
        os.kill(first, signal.SIGKILL)
        for answer in await caught:
            assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
            assert error(answer) == "the engine died while it worked on this request (try: send the request again)"
        answer = await ask(client, "desk")
        assert answer.status_code == 503
        assert error(answer).startswith("the engine of this model is restarting")
        assert (await ask(client, "tiny")).status_code == 200
        assert (await client.get("/healthz")).json()["status"] == "degraded"
        await eventually(lambda: fleet.entries["desk"].engine.up)
        assert engine_pid(fleet, "desk") != first
        assert (await ask(client, "desk")).json()["data"] == before

    drive([ngram_bundle(tmp_path / "desk"), encoder_bundle(tmp_path / "tiny")], work)


def test_an_engine_that_hangs_is_ended_and_started_again(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        first = engine_pid(fleet, "desk")
        os.kill(first, signal.SIGSTOP)
        answer = await ask(client, "desk")
        assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
        await eventually(lambda: fleet.entries["desk"].engine.up)
        assert (await ask(client, "desk")).status_code == 200

    drive([ngram_bundle(tmp_path / "desk")], work, engine_timeout_s=0.5)


def test_an_engine_that_works_long_but_reports_is_not_taken_for_a_hanging_one(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        first = engine_pid(fleet, "desk")
        long = "lost refund open " * 1_500
        for _ in range(3):
            assert (await ask(client, "desk", [long] * 40)).status_code == 200
        assert engine_pid(fleet, "desk") == first

    drive([ngram_bundle(tmp_path / "desk")], work, engine_timeout_s=2.0)


def test_too_many_waiting_texts_get_a_429_and_the_accepted_ones_their_answers(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        pid = engine_pid(fleet, "desk")
        os.kill(pid, signal.SIGSTOP)
        accepted = [asyncio.create_task(ask(client, "desk", ["refund please"] * 4)) for _ in range(2)]
        await asyncio.sleep(0.2)
        refused = await ask(client, "desk")
        os.kill(pid, signal.SIGCONT)
        assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
        assert refused.json()["error"] == {
            "message": "8 texts wait already; this server holds at most 8",
            "type": "rate_limit_error",
            "param": None,
            "code": "overloaded",
        }
        assert [answer.status_code for answer in await asyncio.gather(*accepted)] == [200, 200]
        assert (await ask(client, "desk")).status_code == 200

    drive([ngram_bundle(tmp_path / "desk")], work, max_waiting=8)


def test_beyond_max_wait_of_one_engine_a_text_is_refused_while_another_engine_answers(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        engine = fleet.entries["desk"].engine
        assert (await ask(client, "desk")).status_code == 200
        pid = engine_pid(fleet, "desk")
        os.kill(pid, signal.SIGSTOP)
        engine.text_s = 0.02
        accepted = [asyncio.create_task(ask(client, "desk")) for _ in range(2)]
        await eventually(lambda: engine.asked_texts == 2)
        refused = await ask(client, "desk")
        elsewhere = await ask(client, "tiny")
        os.kill(pid, signal.SIGCONT)
        assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
        assert error(refused) == "2 texts wait already, more than 0.03 seconds of work"
        assert elsewhere.status_code == 200
        assert [answer.status_code for answer in await asyncio.gather(*accepted)] == [200, 200]
        assert engine.asked_texts == 0

    drive([ngram_bundle(tmp_path / "desk"), encoder_bundle(tmp_path / "tiny")], work, max_wait_s=0.03)


def test_specialists_load_reload_and_unload_under_traffic_without_a_failed_request(tmp_path: Path) -> None:
    desk, tiny = ngram_bundle(tmp_path / "desk"), encoder_bundle(tmp_path / "tiny")
    extra = ngram_bundle(tmp_path / "extra", "extra")

    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        async def change() -> None:
            for _ in range(3):
                loaded = await client.post("/v1/admin/load", json={"path": str(extra)})
                assert loaded.json()["status"] == "loaded" and loaded.json()["id"] == "extra"
                for name in ("desk", "tiny", "extra"):
                    reloaded = await client.post("/v1/admin/reload", json={"model": name})
                    assert reloaded.json()["status"] == "reloaded"
                unloaded = await client.post("/v1/admin/unload", json={"model": "extra"})
                assert unloaded.json() == {"status": "unloaded", "model": "extra"}

        answers = await under_traffic(client, ["desk", "tiny"], change)
        assert len(answers) > 10
        assert {answer.status_code for answer in answers} == {200}
        assert list(fleet.entries) == ["desk", "tiny"] and len(fleet.engines) == 2

    drive([desk, tiny], work)


def test_reload_serves_the_new_bundle_and_a_bad_one_leaves_the_old_in_place(tmp_path: Path) -> None:
    desk = ngram_bundle(tmp_path / "desk")

    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        old = (await ask(client, "desk")).json()
        ngram_bundle(desk, scale=3.0)
        assert (await ask(client, "desk")).json() == old
        await client.post("/v1/admin/reload", json={"model": "desk"})
        new = (await ask(client, "desk")).json()
        assert new["jangin"]["specialist"] != old["jangin"]["specialist"]
        assert new["data"][0]["confidence"] < old["data"][0]["confidence"]
        head = desk / "head.safetensors"
        head.write_bytes(head.read_bytes()[:-1] + b"\x7f")
        answer = await client.post("/v1/admin/reload", json={"model": "desk"})
        assert answer.status_code == 400
        assert error(answer).startswith("bundle 'desk': head.safetensors has sha256 ")
        assert (await ask(client, "desk")).json()["data"] == new["data"]

    drive([desk], work)


def test_a_bundle_that_changed_on_disk_is_not_served_by_a_restarted_engine(tmp_path: Path) -> None:
    desk, other = ngram_bundle(tmp_path / "desk"), ngram_bundle(tmp_path / "other", "other")

    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        ngram_bundle(desk, scale=3.0)
        engine = fleet.entries["desk"].engine
        os.kill(engine_pid(fleet, "desk"), signal.SIGKILL)
        await eventually(lambda: engine.restarts == 1 and engine.up)
        answer = await ask(client, "desk")
        assert answer.status_code == 503
        assert error(answer) == "this specialist is not loaded (try: POST /v1/admin/reload)"
        assert (await ask(client, "other")).status_code == 200
        await client.post("/v1/admin/reload", json={"model": "desk"})
        assert (await ask(client, "desk")).status_code == 200

    drive([desk, other], work)


def test_loading_refuses_a_wrong_hash_a_taken_name_and_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    desk, broken = ngram_bundle(tmp_path / "desk"), ngram_bundle(tmp_path / "broken", "broken")
    head = broken / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"\x7f")

    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        async def load(path: object) -> httpx.Response:
            return await client.post("/v1/admin/load", json={"path": path})

        answer = await load(str(broken))
        assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_bundle"
        assert error(answer).startswith("bundle 'broken': head.safetensors has sha256 ")
        answer = await load(str(desk))
        assert answer.status_code == 409
        assert error(answer) == "a specialist named 'desk' is already loaded; reload or unload it"
        answer = await load(str(tmp_path))
        assert answer.status_code == 400
        assert "not a specialist (no readable manifest.json)" in error(answer)
        assert (await load("\u0000")).status_code == 400
        answer = await client.post("/v1/admin/unload", json={"model": "broken"})
        assert answer.status_code == 404
        assert list(fleet.entries) == ["desk"]

    drive([desk], work)


def test_the_last_specialist_of_an_engine_takes_it_along(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        process = fleet.entries["desk"].engine.process
        await client.post("/v1/admin/unload", json={"model": "desk"})
        assert process is not None and process.returncode == 0
        assert fleet.engines == {}
        answer = await ask(client, "desk")
        assert error(answer) == "no specialist named 'desk' is loaded; loaded: none"
        assert (await client.get("/healthz")).json() == {"status": "ok", "engines": {}}

    drive([ngram_bundle(tmp_path / "desk")], work)


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"host": "evil.example:8080"}, {"content-type": "text/plain"}]
)
def test_a_page_in_a_browser_cannot_load_or_unload(tmp_path: Path, headers: dict[str, str]) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        answer = await client.post("/v1/admin/unload", content=b'{"model":"desk"}', headers=headers)
        assert answer.status_code in (403, 415)
        assert list(fleet.entries) == ["desk"]

    drive([ngram_bundle(tmp_path / "desk")], work)


def test_behind_a_proxy_nobody_may_load(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, fleet: Fleet) -> None:
        answer = await client.post("/v1/admin/unload", json={"model": "desk"})
        assert (answer.status_code, error(answer)) == (403, ONLY_HERE)
        assert (await ask(client, "desk")).status_code == 200

    drive([ngram_bundle(tmp_path / "desk")], work, behind_proxy=True)


def test_slices_hold_every_text_once_in_order_and_stay_small() -> None:
    texts = [str(number) * (1 + number * 7 % 9_000) for number in range(300)]
    parts = list(slices(texts))
    assert [text for part in parts for text in part] == texts
    assert all(len(part) <= 16 and (len(part) == 1 or sum(map(len, part)) <= 100_000) for part in parts)
