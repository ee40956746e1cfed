"""The console over real specialists, in process: who may see what, what guards each response, what each act does."""

from __future__ import annotations

import gzip
import importlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from bundles import ngram_bundle
from certified import make, rows
from console_parts import Browser, Place, visit
from jangin.audit.verify import read as read_audit
from jangin.console import tryout, view
from jangin.console.app import GUARDS, WAYS
from jangin.console.rooms import Rooms
from jangin.ledger.row import Filter
from jangin.serve.run import background

HERE = view.HERE
EVIL = '<script>alert("1")</script>'


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path / "state")
    yield found
    found.close()


@pytest.fixture
def open_place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path / "state", keyed=False)
    yield found
    found.close()


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return ngram_bundle(tmp_path / "desk")


PAGES = ("", "/tasks/desk", "/try", "/ledger", "/audit", "/keys", "/review", "/new")


def test_without_a_session_every_page_leads_to_the_sign_in(place: Place, desk: Path) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        for path in PAGES:
            answer = await browser.client.get(f"/console{path}")
            assert (answer.status_code, answer.headers["location"].startswith("/console/signin?to=")) == (303, True), (
                path
            )
        for way in WAYS:
            if way.method == "POST":
                path = re.sub("NAME", "desk", way.path).replace("ID", "0" * 16)
                assert (await browser.client.post(f"/console{path}")).status_code == 401, path
        assert "desk" not in (await browser.get("")).text.replace("data-desk", "")

    visit(place, [desk], work)
    assert place.ledger.totals().requests == 0


def test_a_key_opens_what_it_may_do_and_nothing_else(place: Place, desk: Path, tmp_path: Path) -> None:
    root, asks = place.key("root", "ask", "admin"), place.key("shop", "ask", tasks=["desk"])
    other = ngram_bundle(tmp_path / "other", "other")

    async def work(browser: Browser, fleet: Any) -> None:
        assert (await browser.sign_in(root)).url.path == "/console"
        for path in (*PAGES, "/tasks/other"):
            answer = await browser.get(path)
            assert answer.status_code == 200, path
            assert len(answer.content) < 200_000
        await browser.post("/signout")
        assert (await browser.get("")).url.path == "/console/signin"

        assert (await browser.sign_in(asks)).url.path == "/console"
        text = (await browser.get("")).text
        assert "/console/tasks/desk" in text and "/console/tasks/other" not in text
        assert "/console/unload" not in text
        for path in ("/audit", "/keys", "/review", "/new", "/tasks/other", "/tasks/desk/data"):
            assert (await browser.get(path)).status_code == 403, path
        for path in ("/unload", "/keys/create", "/new"):
            assert (await browser.post(path, {"model": "desk", "name": "x"})).status_code == 403, path
        assert "desk" in fleet.entries

    visit(place, [desk, other], work)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("expired", "This key has expired"),
        ("revoked", "This key was revoked"),
        ("rotated", "This key was rotated"),
    ],
)
def test_a_key_that_ends_ends_its_session_and_says_why(place: Place, desk: Path, end: str, told: str) -> None:
    secret = place.key("short", "ask", lasts_s=3_600)

    async def work(browser: Browser, fleet: Any) -> None:
        assert (await browser.sign_in(secret)).url.path == "/console"
        assert place.keys is not None
        if end == "expired":
            file = msgspec.json.decode(place.keys.path.read_bytes())
            file["keys"][0]["expires"] = time.time() - 1
            place.keys.path.write_bytes(msgspec.json.encode(file))
            place.keys.reread()
        elif end == "revoked":
            place.keys.revoke("short")
        else:
            place.keys.rotate("short", grace_s=0)
        answer = await browser.get("/ledger")
        assert answer.url.path == "/console/signin" and told in answer.text
        again = await browser.post("/signin", {"key": secret, "to": "/console/ledger"})
        assert again.status_code == 401
        assert ("has expired" if end == "expired" else "No such key is in force") in again.text

    visit(place, [desk], work)


def test_a_form_without_its_token_or_from_another_site_does_nothing(place: Place, desk: Path) -> None:
    secret = place.key("root", "ask", "admin")

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.sign_in(secret)
        await browser.get("")
        for data in ({}, {"csrf": ""}, {"csrf": "guess"}, {"csrf": "ünd"}):
            answer = await browser.client.post("/console/unload", data={"model": "desk", **data})
            assert answer.status_code == 403 and "no longer valid" in answer.text
        other = {"sec-fetch-site": "cross-site"}
        answer = await browser.post("/unload", {"model": "desk"}, headers=other)
        assert answer.status_code == 403 and "another site" in answer.text
        assert "desk" in fleet.entries
        assert (await browser.client.post("/console/signin", data={"key": secret})).status_code == 403
        assert (await browser.post("/unload", {"model": "desk"})).status_code == 200
        assert "desk" not in fleet.entries

    visit(place, [desk], work)


def test_every_response_is_guarded_and_no_page_has_a_line_of_script_or_style_in_it(
    place: Place, tmp_path: Path
) -> None:
    secret = place.key("root", "ask", "admin")
    made = make(tmp_path / "made")

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.sign_in(secret)
        for path in (*PAGES, "/tasks/desk/data", "/nothing", "/static/console.css", "/static/nothing"):
            answer = await browser.get(path)
            for name, value in GUARDS.items():
                if name != "cache-control":
                    assert answer.headers[name] == value, (path, name)
            if path.startswith("/static"):
                continue
            assert answer.headers["cache-control"] == "no-store"
            assert not re.search(
                r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=\"/console/)", answer.text
            ), path
            assert not re.search(r"(?:src|href)=\"(?!/console|#|\?)", answer.text), path
        assert "unsafe" not in GUARDS["content-security-policy"]
        cookie = (await browser.client.get("/console/signin", headers={"cookie": ""})).headers["set-cookie"]
        assert "HttpOnly; SameSite=Strict" in cookie and "Secure" not in cookie

    visit(place, [made], work)


def test_behind_tls_cookies_are_secure(place: Place, desk: Path) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        assert "; Secure" in (await browser.client.get("/console/signin")).headers["set-cookie"]

    visit(place, [desk], work, behind_proxy=True)


def test_every_way_leads_to_a_page_that_is_there() -> None:
    for way in WAYS:
        module, _, function = way.page.partition(".")
        assert callable(getattr(importlib.import_module(f"jangin.console.{module}"), function)), way.page


def test_a_sign_in_leads_to_no_other_site(place: Place, desk: Path) -> None:
    secret = place.key("root", "ask")

    async def work(browser: Browser, fleet: Any) -> None:
        for to in ("https://elsewhere.example/", "//elsewhere.example", "/console\\..\\", "/consoles", "/v1/models"):
            await browser.get("/signin")
            answer = await browser.client.post("/console/signin", data={"csrf": browser.token, "key": secret, "to": to})
            assert (answer.status_code, answer.headers["location"]) == (303, "/console"), to
        await browser.get("/signin")
        answer = await browser.post("/signin", {"key": secret, "to": "/console/ledger?span=7"})
        assert str(answer.url).endswith("/console/ledger?span=7")

    visit(place, [desk], work)


def test_without_keys_only_programs_on_this_machine_see_pages(open_place: Place, desk: Path) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        for path in PAGES:
            assert (await browser.get(path)).status_code == 200, path
        await browser.get("")
        assert (await browser.post("/reload", {"model": "desk"})).status_code == 200
        for headers in ({"host": "rebound.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "https://a.example"}):
            assert (await browser.get("", headers=headers)).status_code == 403, headers

    visit(open_place, [desk], work)

    async def from_elsewhere(browser: Browser, fleet: Any) -> None:
        assert (await browser.get("")).status_code == 403

    visit(open_place, [desk], from_elsewhere, at=("10.1.2.3", 5))


def test_what_people_write_is_never_markup(open_place: Place, tmp_path: Path) -> None:
    made = make(tmp_path / "made")  # its labels and its description hold markup

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.get("/try")
        answer = await browser.post("/try", {"text": f"refund {EVIL}", "model": "desk", "other": ""})
        texts = [answer.text]
        texts += [
            (await browser.get(path)).text for path in ("", "/tasks/desk", f"/ledger?task={EVIL}", "/tasks/desk/data")
        ]
        texts.append((await browser.post("/load", {"path": EVIL})).text)
        for text in texts:
            assert (
                EVIL not in text and "<script>" not in text.replace('<script type="module"', "") and "<b>" not in text
            )
        assert "&lt;script&gt;" in texts[0] and "refund|&lt;b&gt;" in texts[0]

    visit(open_place, [made], work)


def test_an_answer_asked_for_here_is_a_request_like_any_other(place: Place, desk: Path) -> None:
    secret = place.key("shop", "ask")

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.sign_in(secret)
        await browser.get("/try")
        answer = await browser.post("/try", {"text": "I lost my card", "model": "desk", "other": ""})
        assert 'class="answer">card_lost' in answer.text
        assert "Route" in answer.text and "confidence" in answer.text
        refused = await browser.post("/try", {"text": "  ", "model": "desk", "other": ""})
        assert refused.status_code == 400
        text = (await browser.get("/ledger")).text
        assert "You see the requests of your own key" in text

    visit(place, [desk], work)
    (row,) = place.ledger.query(Filter(task="desk")).rows
    assert (row.endpoint, row.route, row.status, place.keys is not None and row.key_id) == (
        "console/classify",
        "local",
        200,
        next(iter(place.keys or ())).id,
    )


def test_beside_an_input_of_the_test_stands_what_the_recorded_reference_said(open_place: Place, tmp_path: Path) -> None:
    made = make(tmp_path / "made", bar="{reference: gpt.jsonl}")
    asked = rows(120, 2)  # the test's
    said = [{"id": row["id"], "output": "no label"} for row in asked]
    lines = [json.dumps(each) for each in ({"model": "gpt-4-0613"}, *said)]
    (tmp_path / "made" / "gpt.jsonl").write_text("\n".join(lines), "utf-8")

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.get("/try")
        answer = await browser.post("/try", {"text": asked[3]["input"], "model": "desk", "other": ""})
        assert "<blockquote>no label</blockquote>" in answer.text and "gpt-4-0613" in answer.text
        answer = await browser.post("/try", {"text": "another text", "model": "desk", "other": ""})
        assert "<blockquote>" not in answer.text

    visit(open_place, [made], work)


def test_a_file_is_answered_row_by_row_and_its_cells_stay_texts(
    place: Place, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, other = place.key("shop", "ask"), place.key("else", "ask")
    lines = b"id,text\na,I lost my card\nb,\nc,=cmd() refund please\n"

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.sign_in(secret)
        await browser.get("/try")
        begun = await browser.send("/try/file", lines, file="asked.csv", model="desk")
        assert begun.status_code == 200
        events = begun.json()["events"].removeprefix("/console")
        told = (await browser.get(events)).text
        assert told.startswith("event: state\ndata: {") and told.rstrip().endswith(
            'event: done\ndata: {"show":["ready"]}'
        )
        assert '"told":"3 / 3"' in told
        found = (await browser.get(events.replace("events", "answers.csv"))).text.lstrip("\ufeff").splitlines()
        assert found[0] == "id,input,answer,confidence,route"
        assert found[1].startswith("a,I lost my card,card_lost,") and found[1].endswith(",local")
        assert found[2] == "b,,,,no text"
        assert found[3].startswith("c,'=cmd() refund please,refund,")
        monkeypatch.setattr(tryout, "MOST_BYTES", 10_000)
        packed = gzip.compress(b"text\n" + b"refund please \n" * 1_000)  # a hundred bytes on the way
        bad = await browser.send("/try/file", packed, file="asked.csv.gz", model="desk")
        assert bad.status_code == 400 and "more than 10,000 characters of input" in bad.json()["error"]
        bad = await browser.send("/try/file", b"x", file="asked.pdf", model="desk")
        assert bad.status_code == 400 and "unknown kind of file" in bad.json()["error"]
        await browser.post("/signout")
        await browser.sign_in(other)
        assert (await browser.get(events)).status_code == 404  # somebody else's

    visit(place, [desk], work)


def test_specialists_are_loaded_reloaded_and_unloaded_and_the_audit_log_knows(place: Place, desk: Path) -> None:
    secret = place.key("root", "ask", "admin")

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.sign_in(secret)
        text = (await browser.get("")).text
        assert "Nothing is loaded yet" in text
        answer = await browser.post("/load", {"path": str(desk.parent / "none")})
        assert answer.status_code == 400 and "not a specialist" in answer.text
        assert (await browser.post("/load", {"path": str(desk)})).status_code == 200
        assert (await browser.post("/reload", {"model": "desk"})).status_code == 200
        assert (await browser.post("/load", {"path": str(desk)})).status_code == 409
        assert (await browser.post("/unload", {"model": "desk"})).status_code == 200
        text = (await browser.get("/audit?kind=admin")).text
        assert all(f"admin.{act}" in text for act in ("load", "reload", "unload")) and ">root<" in text
        verified = await browser.post("/audit/verify")
        assert "Every line follows" in verified.text and "without a head" in verified.text

    visit(place, [], work)
    assert [each.kind for each in read_audit(place.folder / "audit")[0]].count("admin.load") == 3


def test_what_is_put_into_service_comes_back_until_it_is_unloaded(
    open_place: Place, desk: Path, tmp_path: Path
) -> None:
    other, gone = ngram_bundle(tmp_path / "other", "other"), ngram_bundle(tmp_path / "gone", "gone")
    kept = open_place.folder / "console" / "served.json"

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.get("")
        for folder in (desk, other, gone):
            assert (await browser.post("/load", {"path": str(folder)})).status_code == 200
        assert json.loads(kept.read_bytes()) == [str(each) for each in (desk, other, gone)]
        unloaded = await browser.client.post("/v1/admin/unload", json={"model": "other"})
        assert unloaded.status_code == 200 and json.loads(kept.read_bytes()) == [str(desk), str(gone)]

    visit(open_place, [], work)
    shutil.rmtree(gone)

    async def later(browser: Browser, fleet: Any) -> None:
        assert open_place.rooms.remembered is not None
        await open_place.rooms.remembered.bring_back(fleet)
        assert list(fleet.entries) == ["desk"]
        text = (await browser.get("")).text
        assert "Not in service" in text and str(gone) in text
        assert "Not in service" not in (await browser.post("/forget", {"folder": str(gone)})).text
        assert (await browser.post("/forget", {"folder": "/etc"})).status_code == 404
        assert (await browser.post("/unload", {"model": "desk"})).status_code == 200
        assert json.loads(kept.read_bytes()) == []

    open_place.rooms = Rooms(open_place.folder / "console")
    visit(open_place, [], later)


def test_a_server_starts_with_what_was_put_into_service_and_without_what_is_gone(
    tmp_path: Path, desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "state" / "console" / "served.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps([str(tmp_path / "gone"), str(desk)]), "utf-8")
    with background([], state=str(tmp_path / "state"), console=True) as address:
        found = httpx.get(f"{address}/v1/models").json()["data"]
    assert [each["id"] for each in found] == ["desk"]
    told = capfd.readouterr().err
    assert f"{tmp_path / 'gone'} was put into service in the console and is not" in told
    kept.write_text("nonsense", "utf-8")
    with background([], state=str(tmp_path / "state"), console=True) as address:
        assert httpx.get(f"{address}/v1/models").json()["data"] == []
    assert "what was in service cannot be read" in capfd.readouterr().err


def test_a_changed_line_of_the_audit_log_is_named(place: Place) -> None:
    secret = place.key("root", "admin")
    place.audit.append("policy.changed", {"egress": "deny"})
    file = place.folder / "audit" / "audit-000001.jsonl"
    file.write_bytes(file.read_bytes().replace(b"deny", b"open"))

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.sign_in(secret)
        await browser.get("/audit")
        answer = await browser.post("/audit/verify")
        assert "line 2" in answer.text and "it was changed" in answer.text

    visit(place, [], work)


def test_keys_are_made_shown_once_rotated_and_revoked(place: Place, desk: Path) -> None:
    secret = place.key("root", "ask", "admin")

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.sign_in(secret)
        await browser.get("/keys")
        form = {
            "name": "웹 상점",
            "roles": ["ask", "metrics"],
            "tasks": "desk",
            "requests_per_minute": "60",
            "lasts_days": "7",
        }
        made = await browser.post("/keys/create", form)
        shown = re.search(r"jk-[\w-]{43}", made.text)
        assert made.status_code == 200 and shown
        key = next(each for each in place.keys or () if each.name == "웹 상점")
        assert (key.roles, key.tasks, key.limits.requests_per_minute) == (("ask", "metrics"), ("desk",), 60)
        assert key.expires is not None and abs(key.expires - time.time() - 7 * 86_400) < 60
        assert shown[0] not in (await browser.get("/keys")).text
        for bad in (
            {"name": "웹 상점", "roles": "ask"},
            {"name": "x", "roles": ""},
            {"name": "x", "roles": "ask", "concurrent": "many"},
        ):
            assert (await browser.post("/keys/create", bad)).status_code in (400, 409), bad
        assert "shown this once" in (await browser.post("/keys/rotate", {"key": key.id})).text
        assert (await browser.post("/keys/revoke", {"key": key.id})).status_code == 200
        assert "revoked" in (await browser.get("/keys")).text

    visit(place, [desk], work)


def test_the_certificate_is_shown_checked_and_given_as_files(open_place: Place, tmp_path: Path) -> None:
    from jangin.evals.certify import certify

    made = make(tmp_path / "made")
    found = certify(made)

    async def work(browser: Browser, fleet: Any) -> None:
        assert "Checked just now" in (await browser.get("/tasks/desk/certificate")).text
        text = (await browser.get("/tasks/desk/certificate")).text
        assert found.id in text and "Check it yourself" in text
        kept = await browser.get("/tasks/desk/certificate/certificate.json")
        assert kept.json()["id"] == found.id
        assert (await browser.get("/tasks/desk/certificate/manifest.json")).status_code == 404
        (made / "answers.jsonl").write_bytes((made / "answers.jsonl").read_bytes() + b"\n")
        text = (await browser.get("/tasks/desk/certificate")).text
        assert "This certificate is not valid" in text and "Check it yourself" not in text

    visit(open_place, [made], work)


def test_two_versions_are_compared_and_no_other_folder_is_read(open_place: Place, desk: Path, tmp_path: Path) -> None:
    ngram_bundle(tmp_path / "later", "desk", scale=4.0)

    async def work(browser: Browser, fleet: Any) -> None:
        text = (await browser.get("/tasks/desk")).text
        assert str(tmp_path / "later") in text
        answer = await browser.get("/tasks/desk/compare", params={"with": str(tmp_path / "later")})
        assert answer.status_code == 200 and "Identity" in answer.text
        assert (await browser.get("/tasks/desk/compare", params={"with": "/etc"})).status_code == 404

    visit(open_place, [desk], work)


def test_a_review_by_form_puts_the_least_sure_first_and_exports_what_was_decided(open_place: Place, desk: Path) -> None:
    lines = "text\n" + "\n".join(["I lost my card", "hello there", "please refund this order", "good morning"]) + "\n"

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.get("/review")
        begun = (await browser.send("/review/upload", lines.encode(), file="rows.csv", model="desk")).json()["to"]
        path = begun.removeprefix("/console")
        [file] = (open_place.folder / "console" / "reviews").glob("*.json")
        kept = msgspec.json.decode(file.read_bytes())
        confidences = [item["confidence"] for item in kept["items"]]
        assert confidences == sorted(confidences) and len(confidences) == 4
        assert (await browser.get(path)).status_code == 200
        await browser.post(f"{path}/label", {"at": "0", "label": "opening_hours"})
        await browser.post(f"{path}/label", {"at": "1", "skip": "1"})
        assert (await browser.post(f"{path}/label", {"at": "2", "label": "nonsense"})).status_code == 400
        assert (await browser.post(f"{path}/label", {"at": "9", "label": "refund"})).status_code == 400
        kept_lines = (await browser.get(f"{path}/reviewed.jsonl")).text.splitlines()
        assert [json.loads(line) for line in kept_lines] == [
            {"input": kept["items"][0]["input"], "output": "opening_hours"}
        ]
        assert "2 of 4 decided" in (await browser.get(path)).text
        for source in ("ledger", "capture", "validation"):
            assert (await browser.post("/review/begin", {"model": "desk", "source": source})).status_code == 400

    visit(open_place, [desk], work)
    assert open_place.ledger.totals().requests == 0


def test_the_ledger_page_filters_and_exports(place: Place, desk: Path, tmp_path: Path) -> None:
    secret = place.key("root", "ask", "admin")
    other = ngram_bundle(tmp_path / "other", "other")

    async def work(browser: Browser, fleet: Any) -> None:
        await browser.sign_in(secret)
        assert "No requests" in (await browser.get("/ledger")).text
        await browser.get("/try")
        for name, times in (("desk", 3), ("other", 1)):
            for _ in range(times):
                await browser.post("/try", {"text": "refund please", "model": name, "other": ""})
        lines = (await browser.get("/ledger/export?span=30&as=csv")).text.splitlines()
        assert len(lines) == 5 and lines[0].startswith("id,at,task")
        assert len((await browser.get("/ledger/export?task=other&as=csv")).text.splitlines()) == 2
        assert (await browser.get("/ledger/export?as=parquet")).content[:4] == b"PAR1"
        text = (await browser.get("/ledger?task=desk")).text
        assert ">3<" in text and "<svg" in text
        assert (await browser.get("/ledger?route=nowhere")).status_code == 400
        assert (await browser.get("/ledger?since=never")).status_code == 400
        assert "No requests" in (await browser.get("/ledger?until=2020-01-01&since=2019-01-01")).text

    visit(place, [desk, other], work)


def test_language_and_colours_are_kept_and_accept_language_is_heard(open_place: Place, desk: Path) -> None:
    async def work(browser: Browser, fleet: Any) -> None:
        assert '<html lang="ko">' in (await browser.get("", headers={"accept-language": "ko-KR,ko;q=0.9"})).text
        assert '<html lang="en">' in (await browser.get("")).text
        answer = await browser.post("/settings", {"language": "ko", "theme": "dark", "to": "/console/try"})
        assert answer.url.path == "/console/try" and '<html lang="ko" data-theme="dark">' in answer.text
        assert "시험해 보기" in answer.text
        await browser.post("/settings", {"language": "xx", "theme": "system", "to": "//a.example"})
        assert '<html lang="ko">' in (await browser.get("")).text

    visit(open_place, [desk], work)


def test_every_english_text_has_a_korean_one_with_the_same_places() -> None:
    text = re.compile(r"""(?:\b_|say)\(\s*(?:"((?:[^"\\]|\\.)+)"|'((?:[^'\\]|\\.)+)')""")
    used = {
        found[1] or found[2]
        for path in (*HERE.glob("templates/*.html"), *HERE.glob("*.py"))
        for found in text.finditer(path.read_text("utf-8"))
    }
    from jangin.console import climbs, review, signin
    from jangin.ledger.row import ROUTES
    from jangin.page import TONE

    used |= {*climbs.STATES.values(), *climbs.BUDGETS.values(), *review.SOURCES.values(), *signin.WHY.values()}
    used |= {*ROUTES, *(each for each in TONE if each), "in force", "expired", "revoked", "up", "engine down"}
    korean = view.words("ko")
    assert len(used) > 250
    assert sorted(each for each in used if each not in korean) == []
    places = re.compile(r"\{\w+\}")
    assert [each for each in korean if sorted(places.findall(each)) != sorted(places.findall(korean[each]))] == []


def test_a_console_that_nobody_opens_costs_no_statistics_and_a_server_without_one_no_template_engine() -> None:
    code = (
        "import sys, jangin.serve.app, jangin.serve.run; assert 'jinja2' not in sys.modules\n"
        "import jangin.console.app, jangin.console.rooms, jangin.console.overview, jangin.console.usage\n"
        "assert 'jinja2' in sys.modules; heavy = {'scipy', 'sklearn', 'statsmodels', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
