"""The door of the server: keys, rights, limits, and a committed row for every answer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bundles import ngram_bundle
from jangin.access.keys import Keys, Limits
from jangin.audit.verify import verify
from jangin.errors import InputError, StorageError
from jangin.ledger.book import Ledger
from jangin.ledger.row import Filter
from jangin.serve.door import Door, Figures
from jangin.serve.run import serve, start
from serving import drive, eventually

ASKED = {"model": "desk", "input": "lost my card"}
TURN = [{"role": "user", "content": "lost my card"}]


class Place:
    """The state of one server."""

    def __init__(self, folder: Path):
        self.keys = Keys(folder / "keys.json")
        self.ledger = Ledger.open(folder / "ledger.sqlite")
        self.door = Door(self.keys, self.ledger, Figures(0.01, 18.0, "modelled: for this test"))

    def key(self, name: str, **options: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys.add(name, **options)[1]}"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path / "state")
    yield found
    found.ledger.close()


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return ngram_bundle(tmp_path / "desk")


def test_without_a_key_nothing_answers_but_health(place: Place, desk: Path) -> None:
    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        for headers in ({}, {"authorization": "Bearer jk-wrong"}, {"authorization": "Basic jk-wrong"}):
            for path in (
                "/v1/classify",
                "/v1/chat/completions",
                "/v1/completions",
                "/v1/moderations",
                "/v1/admin/load",
            ):
                refused = await client.post(path, json=ASKED, headers=headers)
                assert refused.status_code == 401, path
                assert refused.json()["error"]["code"] == "invalid_api_key"
                assert refused.json()["error"]["type"] == "authentication_error"
            assert (await client.get("/v1/models", headers=headers)).status_code == 401
            assert (await client.get("/v1/models/desk", headers=headers)).status_code == 401
        assert (await client.get("/healthz")).status_code == 200

    drive([desk], work, door=place.door)
    assert place.ledger.totals().requests == 0  # a flood of refusals leaves no rows
    assert place.door.refused[401] == 21


def test_an_answer_leaves_one_row_that_says_who_what_and_how_much(place: Place, desk: Path) -> None:
    headers = place.key("app")

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        answered = await client.post("/v1/classify", json=ASKED, headers={**headers, "x-request-id": "mine-1"})
        assert answered.status_code == 200
        (row,) = place.ledger.query(Filter(id="mine-1")).rows  # committed before the answer came
        key = next(iter(place.keys))
        assert (row.key_id, row.task, row.endpoint, row.route, row.status) == (key.id, "desk", "classify", "local", 200)
        assert row.specialist == fleet.get("desk").info.sha256[:16]
        assert (row.prompt_tokens, row.completion_tokens, row.egress_bytes) == (3, 1, 0)
        assert row.confidence == pytest.approx(answered.json()["data"][0]["confidence"])
        assert row.cost_usd > 0 and row.energy_wh == pytest.approx(row.cost_usd / 0.01 * 18 / 3600)
        chat = {"model": "desk", "messages": [{"role": "user", "content": "lost my card"}], "stream": True}
        assert (await client.post("/v1/chat/completions", json=chat, headers=headers)).status_code == 200
        too_much = {**ASKED, "top_k": -1}
        assert (await client.post("/v1/classify", json=too_much, headers=headers)).status_code == 400

    drive([desk], work, door=place.door)
    rows = place.ledger.query().rows
    assert [row.endpoint for row in rows] == ["chat/completions", "classify"]  # what was refused before, left none


def test_a_key_asks_its_tasks_only_and_sees_no_others(place: Place, desk: Path, tmp_path: Path) -> None:
    other = ngram_bundle(tmp_path / "other", "other")
    mine, admin = place.key("mine", tasks=["desk"]), place.key("root", roles=("admin",))
    gone = place.key("gone", tasks=["gone"])

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        assert (await client.post("/v1/classify", json=ASKED, headers=mine)).status_code == 200
        refused = await client.post("/v1/classify", json={**ASKED, "model": "other"}, headers=mine)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_permitted")
        unknown = await client.post("/v1/classify", json={**ASKED, "model": "nobody"}, headers=mine)
        told = [each.text.replace("nobody", "other") for each in (unknown, refused)]
        assert unknown.status_code == 403 and told[0] == told[1]  # what others have is not told
        assert [m["id"] for m in (await client.get("/v1/models", headers=mine)).json()["data"]] == ["desk"]
        for path, body in (("/v1/classify", ASKED), ("/v1/chat/completions", {"messages": TURN})):
            missing = await client.post(path, json={**body, "model": "gone"}, headers=gone)
            assert missing.status_code == 404 and "loaded: none" in missing.text
        assert "loaded: none" in (await client.get("/v1/models/gone", headers=gone)).text
        assert (await client.get("/v1/models/other", headers=mine)).status_code == 403
        assert len((await client.get("/v1/models", headers=admin)).json()["data"]) == 2
        assert (await client.post("/v1/classify", json=ASKED, headers=admin)).status_code == 403
        unload = {"model": "other"}
        assert (await client.post("/v1/admin/unload", json=unload, headers=mine)).status_code == 403
        assert (await client.post("/v1/admin/unload", json=unload, headers=admin)).status_code == 200

    drive([desk, other], work, door=place.door)


def test_limits_answer_429_with_a_time_to_come_back(place: Place, desk: Path) -> None:
    headers = place.key("slow", limits=Limits(requests_per_minute=2))

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        codes = [(await client.post("/v1/classify", json=ASKED, headers=headers)).status_code for _ in range(2)]
        refused = await client.post("/v1/classify", json=ASKED, headers=headers)
        assert codes == [200, 200] and refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert refused.json()["error"]["type"] == "rate_limit_error"

    drive([desk], work, door=place.door)
    assert place.door.gate.active(next(iter(place.keys)).id) == 0


def test_who_finds_no_room_is_counted_and_leaves_no_row(place: Place, desk: Path) -> None:
    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        headers = place.key("web")
        pid = fleet.entries["desk"].engine.process.pid
        os.kill(pid, signal.SIGSTOP)
        accepted = asyncio.create_task(client.post("/v1/classify", json=ASKED, headers=headers))
        await eventually(lambda: fleet.entries["desk"].engine.asked_texts == 1)
        refused = [await client.post("/v1/classify", json=ASKED, headers=headers) for _ in range(3)]
        os.kill(pid, signal.SIGCONT)
        assert [each.status_code for each in refused] == [429] * 3 and refused[0].json()["error"][
            "code"
        ] == "overloaded"
        assert (await accepted).status_code == 200
        assert place.door.refused[429] == 3 and place.ledger.totals().requests == 1
        assert place.door.gate.active(next(iter(place.keys)).id) == 0

    drive([desk], work, door=place.door, max_waiting=1)


def test_a_revoked_key_ends_while_the_server_runs(place: Place, desk: Path) -> None:
    headers = place.key("app")

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        assert (await client.post("/v1/classify", json=ASKED, headers=headers)).status_code == 200
        Keys(place.keys.path).revoke("app")  # as `jangin keys` does, in another process
        place.keys._look_at = 0.0
        assert (await client.post("/v1/classify", json=ASKED, headers=headers)).status_code == 401

    drive([desk], work, door=place.door)


def test_an_answer_that_cannot_be_written_down_is_not_given(place: Place, desk: Path) -> None:
    headers = place.key("app")

    class Full(Ledger):
        def append(self, row: Any, texts: Any = None) -> Any:
            raise StorageError("ledger.sqlite: the disk is full", "free some space")

    place.door.ledger = Full.__new__(Full)

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        refused = await client.post("/v1/classify", json=ASKED, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "storage")
        assert refused.headers["retry-after"]

    drive([desk], work, door=place.door)
    assert place.door.gate.active(next(iter(place.keys)).id) == 0


def run_cli(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jangin", "serve", *map(str, arguments), "--port", "0", "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_the_first_start_makes_a_key_and_tells_it_once(desk: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    told: list[dict[str, Any]] = []
    for _ in range(2):
        process = run_cli(desk, "--state", state)
        assert process.stdout is not None
        stdout = process.stdout
        try:
            told.append(json.loads(stdout.readline()))
            url, key = told[-1]["address"], told[0]["key"]
            answered = httpx.post(f"{url}/v1/classify", json=ASKED, headers={"authorization": f"Bearer {key}"})
            assert answered.status_code == 200
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            stdout.close()
    assert "key" not in told[1]
    with Ledger.open(state / "ledger.sqlite", read_only=True) as ledger:
        assert ledger.totals().requests == 2
    assert verify(state / "audit").valid


def test_kill_9_loses_no_answered_request(desk: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with start([desk], state=str(state)) as (process, url):
        deadline, answered = time.monotonic() + 0.7, []
        with httpx.Client() as client:
            while time.monotonic() < deadline:
                answer = client.post(f"{url}/v1/classify", json=ASKED)
                answered.append(answer.headers["x-request-id"])
            os.kill(process.pid, signal.SIGKILL)
    with Ledger.open(state / "ledger.sqlite") as ledger:
        kept = {row.id for row in ledger.query(limit=10_000).rows}
    assert len(answered) > 5 and set(answered) <= kept


def test_beyond_this_machine_it_wants_keys_and_tls(desk: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    for options in ({}, {"behind_proxy": True}):
        with pytest.raises(InputError, match="without keys") as caught:
            serve([desk], "0.0.0.0", 0, state=state, **options)
    assert caught.value.hint == "leave --open out and make a key: jangin keys add NAME"
    with pytest.raises(InputError, match="no keys yet"):
        serve([desk], "0.0.0.0", 0, state=state, open_to_all=False)
    Keys(state / "keys.json").add("app")
    with pytest.raises(InputError, match="in the clear"):
        serve([desk], "0.0.0.0", 0, state=state, open_to_all=False)


def test_it_speaks_tls(desk: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(made, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl here")
    with start([desk], tls=[str(certificate), str(key)]) as (_, url):
        assert url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(certificate))
        assert httpx.post(f"{url}/v1/classify", json=ASKED, verify=trusted).status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz")


def test_tls_files_that_are_none_are_named_before_anything_is_loaded(tmp_path: Path) -> None:
    key, locked = tmp_path / "key.pem", tmp_path / "locked.pem"
    try:
        subprocess.run(["openssl", "genrsa", "-out", str(key)], check=True, capture_output=True)
        locking = ["openssl", "rsa", "-aes128", "-passout", "pass:x", "-in", str(key), "-out", str(locked)]
        subprocess.run(locking, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl here")
    (tmp_path / "junk.pem").write_text("junk", encoding="utf-8")
    for wrong in (key, locked, tmp_path / "junk.pem"):  # a key with a pass phrase is not asked for it
        with pytest.raises(InputError, match="are no certificate and its private key") as caught:
            serve([tmp_path / "no-such-specialist"], tls=(wrong, wrong), state=tmp_path / "state")
        assert str(wrong) in caught.value.message
    with pytest.raises(InputError, match=r"--tls-key: '.*none\.pem' cannot be read: No such file"):
        serve([tmp_path / "no-such-specialist"], tls=(key, tmp_path / "none.pem"))
    assert not (tmp_path / "state").exists()
