"""Certificates for everybody: what they show, what they never show, and that nothing else is open."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from certified import make, rows
from console_parts import Browser, Place, visit
from jangin.console.app import GUARDS
from jangin.console.rooms import Rooms
from jangin.evals.certify import certify
from jangin.evals.record import read_record


@pytest.fixture(params=[True, False], ids=["with-keys", "open"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    found = Place(tmp_path / "state", keyed=request.param)
    found.rooms = Rooms(found.folder / "console", public=True)
    yield found
    found.close()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A certified specialist that a recorded reference was compared with, and whose climb is on record."""
    folder = make(tmp_path / "made", bar="{reference: gpt.jsonl, margin: 0.1}")
    said = [
        {"id": row["id"], "output": row["output"] if at % 3 else "refund|<b>"} for at, row in enumerate(rows(120, 2))
    ]
    lines = [json.dumps(each) for each in ({"model": "gpt-4-0613"}, *said)]
    (tmp_path / "made" / "gpt.jsonl").write_text("\n".join(lines), "utf-8")
    rung = {"rung": "ngrams", "metric": "accuracy", "status": "tried", "score": 0.91, "lower": 0.88, "upper": 0.94}
    record = {
        **read_record(folder),
        "chosen": "ngrams",
        "rungs": [{**rung, "cost_per_1k_usd": 0.001, "base": None, "params": 900}],
    }
    (folder / "record.json").write_text(json.dumps(record), "utf-8")
    certify(folder)
    return folder


async def read(browser: Browser, path: str = "", **options: Any) -> httpx.Response:
    return await browser.client.get(f"/certificates{path}", **options)


def test_a_certificate_is_read_without_a_sign_in_checked_with_its_ladder(place: Place, made: Path) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        text = (await read(browser)).text
        assert 'href="/certificates/desk"' in text and ">superior<" in text
        answer = await read(browser, "/desk")
        assert answer.status_code == 200 and "set-cookie" not in answer.headers
        for each in (
            "Checked here",
            "gpt-4-0613",
            "Check it yourself",
            "accuracy on validation against cost",
            ">superior<",
        ):
            assert each in answer.text, each
        kept = await read(browser, "/desk/certificate.json")
        assert kept.content == (made / "certificate.json").read_bytes()
        assert kept.headers["content-disposition"].startswith("attachment")

    visit(place, [made], work)
    assert place.ledger.totals().requests == 0


def test_no_text_of_an_example_no_folder_no_key_and_no_request_is_shown(place: Place, made: Path) -> None:
    secret = place.key("the-shop", "ask", "admin") if place.keys is not None else ""
    seen = rows(240, 1) + rows(120, 2)

    async def work(browser: Browser, fleet: Any) -> None:
        for path in ("", "/desk", "/desk/certificate.json", "/none", "/desk/record.json"):
            text = (await read(browser, path)).text
            assert not [row["input"] for row in seen if row["input"] in text], path
            for never in (str(made.parent), "the-shop", "jk-", '"/console', "csrf", "egress_to"):
                assert never not in text, (path, never)

    visit(place, [made], work)
    assert not secret or secret.startswith("jk-")


def test_nothing_else_is_open_and_nothing_can_be_sent(place: Place, made: Path) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        for path in (
            "/desk/answers.jsonl",
            "/desk/manifest.json",
            "/%2e%2e/desk",
            "/desk/..%2f..",
            "/desk/x/y",
            "/nobody",
        ):
            assert (await read(browser, path)).status_code == 404, path
        for method in ("POST", "PUT", "DELETE"):
            assert (await browser.client.request(method, "/certificates/desk")).status_code == 405, method
        assert (await browser.client.get("/certificatesx")).status_code == 404
        if place.keys is not None:
            assert (await browser.client.get("/console")).status_code == 303

    visit(place, [made], work)


def test_every_response_is_guarded_as_the_console_is(place: Place, made: Path) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        for path in ("", "/desk", "/nobody", "/static/console.css", "/desk/certificate.json"):
            answer = await read(browser, path)
            for name, value in GUARDS.items():
                assert name == "cache-control" or answer.headers[name] == value, (path, name)
            if path in ("", "/desk", "/nobody"):
                assert not re.search(r"<script|<style|\sstyle=|\son\w+=", answer.text), path
                assert not re.search(r"(?:src|href)=\"(?!/certificates|#)", answer.text), path

    visit(place, [made], work)


def test_it_is_off_unless_it_is_switched_on(place: Place, made: Path) -> None:
    place.rooms = Rooms(place.folder / "console")

    async def work(browser: Browser, fleet: Any) -> None:
        assert (await read(browser)).status_code == 404
        assert (await read(browser, "/desk")).status_code == 404

    visit(place, [made], work)
    place.rooms = Rooms(console=False, public=True)

    async def alone(browser: Browser, fleet: Any) -> None:
        assert (await read(browser, "/desk")).status_code == 200
        assert (await browser.client.get("/console")).status_code == 404

    visit(place, [made], alone)


def test_a_certificate_that_does_not_hold_is_named_and_not_shown(place: Place, made: Path) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        assert "Check it yourself" in (await read(browser, "/desk")).text
        answers = made / "answers.jsonl"
        kept = answers.read_bytes()
        answers.write_bytes(kept + b"\n")
        text = (await read(browser, "/desk")).text
        assert "This certificate is not valid" in text and "Check it yourself" not in text and str(made) not in text
        assert (await read(browser, "/desk/certificate.json")).status_code == 404
        assert "certificate not valid" in (await read(browser)).text
        answers.write_bytes(kept)
        fleet.entries["desk"].info = msgspec.structs.replace(fleet.entries["desk"].info, sha256="0" * 64)
        assert "This certificate is not valid" in (await read(browser, "/desk")).text

    visit(place, [made], work)


def test_a_base_that_is_a_folder_of_the_server_is_told_by_its_last_name_only(place: Place, tmp_path: Path) -> None:
    folder = make(tmp_path / "made")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["lineage"]["base"] = {"id": "/srv/our models/tiny-bert", "license": "own", "sha256": "0" * 64}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    certify(folder)

    async def work(browser: Browser, fleet: Any) -> None:
        text = (await read(browser, "/desk")).text
        assert "/srv" not in text and "our models" not in text and "tiny-bert" in text
        assert "It names a folder of the server" in text
        assert (await read(browser, "/desk/certificate.json")).status_code == 404

    visit(place, [folder], work)


def test_without_keys_a_page_of_another_site_reads_nothing(tmp_path: Path, made: Path) -> None:
    place = Place(tmp_path / "open", keyed=False)
    place.rooms = Rooms(public=True)

    async def work(browser: Browser, fleet: Any) -> None:
        for headers in ({"host": "rebound.example"}, {"sec-fetch-site": "cross-site"}):
            assert (await read(browser, "/desk", headers=headers)).status_code == 403, headers

    visit(place, [made], work)
    place.close()


def test_it_speaks_the_readers_language(place: Place, made: Path) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        for options in ({"headers": {"accept-language": "ko"}}, {"params": {"lang": "ko"}}):
            text = (await read(browser, "/desk", **options)).text
            assert '<html lang="ko"' in text and "인증서" in text
        assert "lang=ko" in (await read(browser, "?lang=ko")).text

    visit(place, [made], work)
