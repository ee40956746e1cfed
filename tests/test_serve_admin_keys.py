"""Keys over HTTP: made, listed, rotated and revoked; each written down before it is done, and in force at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bundles import ngram_bundle
from jangin.access.keys import Keys
from jangin.audit.log import AuditLog
from jangin.audit.verify import verify
from jangin.errors import AuditError
from jangin.serve.door import Door
from serving import drive

ASKED = {"model": "desk", "input": "lost my card"}
KEYS = "/v1/admin/keys"


class Place:
    def __init__(self, folder: Path):
        self.folder = folder
        self.desk = ngram_bundle(folder / "desk")
        self.keys = Keys(folder / "keys.json")
        self.audit = AuditLog.open(folder / "audit")
        self.door = Door(self.keys, None, None, self.audit)
        key, secret = self.keys.add("root", roles=("admin",))
        self.root, self.root_id = bearer(secret), key.id

    def drive(self, work: Any, **options: Any) -> None:
        drive(options.pop("folders", [self.desk]), work, **{"door": self.door, **options})

    def acts(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for path in sorted((self.folder / "audit").glob("*.jsonl")) for line in path.open()]
        return [line for line in lines if line["kind"].startswith("admin.")]


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.audit.close()


async def status(client: httpx.AsyncClient, secret: str) -> int:
    return (await client.post("/v1/classify", json=ASKED, headers=bearer(secret))).status_code


def test_a_key_is_made_rotated_and_revoked_and_each_holds_at_once(place: Place) -> None:
    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        wanted = {"name": "web shop", "tasks": ["desk"], "limits": {"usd_per_day": 2.5}, "lasts_s": 3600}
        made = await client.post(KEYS, json=wanted, headers={**place.root, "x-request-id": "make-1"})
        assert made.status_code == 200 and made.headers["cache-control"] == "no-store"
        key = made.json()
        assert (key["object"], key["name"], key["roles"], key["tasks"]) == ("key", "web shop", ["ask"], ["desk"])
        assert key["limits"] == {"usd_per_day": 2.5} and key["expires"] > key["created"]
        assert await status(client, key["secret"]) == 200

        turned = await client.post(f"{KEYS}/rotate", json={"key": "web shop", "grace_s": 0}, headers=place.root)
        assert turned.json()["id"] == key["id"]
        assert await status(client, key["secret"]) == 401
        assert await status(client, turned.json()["secret"]) == 200

        listed = await client.get(KEYS, headers=place.root)
        assert [each["name"] for each in listed.json()["data"]] == ["root", "web shop"]
        assert "jk-" not in listed.text and "sha256" not in listed.text

        ended = await client.post(f"{KEYS}/revoke", json={"key": key["id"]}, headers=place.root)
        assert ended.json()["revoked"] and "secret" not in ended.json() and ended.json()["secrets"] == []
        assert await status(client, turned.json()["secret"]) == 401

        first, second, third = place.acts()
        common = {"key": place.root_id, "name": "web shop"}
        assert first["kind"] == "admin.keys.create" and first["fields"] == {
            **common,
            "roles": ["ask"],
            "tasks": ["desk"],
            "limits": {"usd_per_day": 2.5},
            "lasts_s": 3600,
            "request": "make-1",
        }
        assert (second["kind"], second["fields"]["rotated"]) == ("admin.keys.rotate", key["id"])
        assert (third["kind"], third["fields"]["revoked"]) == ("admin.keys.revoke", key["id"])
        written = "".join(path.read_text("utf-8") for path in (place.folder / "audit").glob("*.jsonl"))
        assert key["secret"] not in written and turned.json()["secret"] not in written

    place.drive(work)
    assert verify(place.folder / "audit").valid


def test_an_act_that_cannot_be_written_down_is_not_done(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(kind: str, fields: Any) -> None:
        raise AuditError("audit: the disk is full", "free some space")

    monkeypatch.setattr(place.audit, "append", full)

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        refused = await client.post(KEYS, json={"name": "app"}, headers=place.root)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "audit")
        ended = await client.post(f"{KEYS}/revoke", json={"key": "root"}, headers=place.root)
        assert ended.status_code == 503

    place.drive(work, folders=[])
    assert [(key.name, key.revoked) for key in place.keys] == [("root", None)]


REFUSED: list[tuple[str, Any, tuple[int, str, str | None]]] = [
    (KEYS, {"name": "root"}, (409, "key_exists", "name")),
    (KEYS, {"name": "_"}, (400, "invalid_request", "name")),
    (KEYS, {"name": "app\n"}, (400, "bad_input", None)),
    (KEYS, {"name": "app", "roles": []}, (400, "invalid_request", "roles")),
    (KEYS, {"name": "app", "roles": ["root"]}, (400, "invalid_request", "roles[0]")),
    (KEYS, {"name": "app", "limits": {"concurrent": 0}}, (400, "invalid_request", "limits")),
    (KEYS, {"name": "app", "lasts_s": 1e12}, (400, "invalid_request", "lasts_s")),
    (KEYS, {"name": "app", "secret": "jk-mine"}, (400, "unsupported_parameter", "secret")),
    (f"{KEYS}/rotate", {"key": "nobody"}, (404, "key_not_found", "key")),
    (f"{KEYS}/rotate", {"key": "root", "grace_s": -1}, (400, "invalid_request", "grace_s")),
    (f"{KEYS}/revoke", {}, (400, "missing_parameter", "key")),
]


def test_what_cannot_be_done_is_refused_and_changes_nothing(place: Place) -> None:
    before = place.keys.path.read_bytes()

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        for path, body, expected in REFUSED:
            refused = await client.post(path, json=body, headers=place.root)
            error = refused.json()["error"]
            assert (refused.status_code, error["code"], error["param"]) == expected, error["message"]

    place.drive(work, folders=[])
    assert place.keys.path.read_bytes() == before


def test_only_who_administers_looks_after_keys(place: Place) -> None:
    others = [bearer(place.keys.add(role, roles=(role,))[1]) for role in ("ask", "metrics")]

    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        for headers, expected in [({}, 401), *((each, 403) for each in others)]:
            assert (await client.get(KEYS, headers=headers)).status_code == expected
            for path in (KEYS, f"{KEYS}/rotate", f"{KEYS}/revoke"):
                assert (
                    await client.post(path, json={"name": "x", "key": "x"}, headers=headers)
                ).status_code == expected
        form = {**place.root, "content-type": "text/plain"}  # what a page in a browser may send unasked
        assert (await client.post(KEYS, content=b'{"name": "x"}', headers=form)).status_code == 415
        assert (await client.delete(KEYS, headers=place.root)).status_code == 405

    place.drive(work, folders=[])
    assert place.acts() == []


def test_a_server_without_keys_has_none_to_look_after(place: Place) -> None:
    async def work(client: httpx.AsyncClient, fleet: Any) -> None:
        for refused in (await client.get(KEYS), await client.post(KEYS, json={"name": "app"})):
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "no_keys")
        assert (await client.get(KEYS, headers={"host": "evil.example"})).status_code == 403

    place.drive(work, folders=[], door=Door())
