"""The console as a person uses it, in Debian's Chromium: run by `make browser`.

Every page is looked at by axe-core, asks nothing of another origin, and complains of nothing on the browser's console.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browsing import Window, browser, chromium
from bundles import TEXTS, ngram_bundle
from certified import make
from issuer import CLIENT, SECRET, Issuer
from jangin.access.keys import Keys
from jangin.evals.certify import certify
from jangin.serve.run import start
from jangin.state import CONSOLE, KEYS

pytestmark = [pytest.mark.browser, pytest.mark.slow]
EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "support-tickets"
PATHS = ("", "/tasks/desk", "/try", "/ledger", "/audit", "/keys", "/review", "/new")


@pytest.fixture(scope="module")
def found() -> Iterator[Any]:
    if chromium() is None:
        pytest.skip("no chromium: apt-get install chromium")
    with browser() as opened:
        yield opened


@pytest.fixture
def axe(request: pytest.FixtureRequest) -> Path:
    path = Path(request.config.getoption("--axe") or "axe.min.js")
    if not path.is_file():
        pytest.skip("no axe.min.js: name it with --axe")
    return path


class Place:
    """A server of its own: its state, and a key that may do everything."""

    def __init__(self, folder: Path):
        self.state = folder / "state"
        self.keys = Keys(self.state / KEYS)
        self.secret = self.keys.add("root", roles=("ask", "admin"))[1]

    def serve(self, *folders: Path, **options: Any) -> Any:
        return start(folders, state=str(self.state), open_to_all=False, console=True, **options)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return ngram_bundle(tmp_path / "desk")


def clean(window: Window) -> None:
    assert window.elsewhere == []
    assert window.complaints == []


def written(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    return path


def begin_review(window: Window, place: Place, rows: Path) -> None:
    """Signed in, with a file's rows to look through."""
    window.sign_in(place.secret)
    window.page.goto("/console/review")
    window.page.set_input_files("#file", rows)
    window.page.press("form[data-upload] button", "Enter")
    window.page.wait_for_selector("[data-review]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (360, 740)], ids=["desk", "phone"])
def test_no_page_has_a_serious_fault_or_leaves_the_screen(
    found: Any, axe: Path, place: Place, desk: Path, scheme: str, size: tuple[int, int]
) -> None:
    with place.serve(desk) as (_, address):
        window = Window(found, address, color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
        window.page.goto("/console")
        assert window.faults(axe) == []  # the sign-in
        window.sign_in(place.secret)
        faults = {}
        for path in PATHS:
            window.page.goto(f"/console{path}")
            faults[path] = window.faults(axe)
            width = window.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert width <= 0, path
        assert {path: each for path, each in faults.items() if each} == {}
        clean(window)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (360, 740)], ids=["desk", "phone"])
@pytest.mark.parametrize("locale", ["en-GB", "ko-KR"])
def test_certificates_for_everybody_have_no_fault_and_stay_on_the_screen(
    found: Any, axe: Path, place: Place, tmp_path: Path, scheme: str, size: tuple[int, int], locale: str
) -> None:
    folder = make(tmp_path / "made")
    certify(folder)
    with place.serve(folder, public_certificates=True) as (_, address):
        viewport = {"width": size[0], "height": size[1]}
        window = Window(found, address, color_scheme=scheme, viewport=viewport, locale=locale)
        page = window.page
        page.goto("/certificates")
        assert page.get_attribute("html", "lang") == locale[:2]
        for path in ("/certificates", "/certificates/desk"):
            page.goto(path)
            assert window.faults(axe) == [], path
            width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert width <= 0, path
        page.click("header a[lang]")
        assert page.get_attribute("html", "lang") != locale[:2]
        assert window.context.cookies() == []
        clean(window)
        page.goto("/certificates/nobody")
        assert window.faults(axe) == []


def test_somebody_signs_in_at_an_issuer_of_another_site_and_out_again(
    found: Any, axe: Path, place: Place, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = Issuer("localhost")  # another site than 127.0.0.1, whose cookies that are Strict it does not bring along
    monkeypatch.setenv("BROWSER_OIDC", SECRET)
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port = tried.getsockname()[1]
    about = {"issuer": issuer.url, "client_id": CLIENT, "client_secret_env": "BROWSER_OIDC"}
    rule = {"claim": "groups", "value": "ml-admins", "roles": ["ask", "admin"]}
    config = tmp_path / "server.yaml"
    config.write_text(json.dumps({"oidc": {**about, "address": f"http://127.0.0.1:{port}", "roles": [rule]}}), "utf-8")
    with place.serve(desk, port=port, config=str(config)) as (_, address):
        window = Window(found, address)
        page = window.page
        page.goto("/console/try")
        assert window.faults(axe) == []
        page.click("text=Sign in with localhost")
        page.wait_for_url("**/console/try")
        page.fill("#text", "I lost my card")
        page.click("button:has-text('Ask')")
        assert page.inner_text(".answer") == "card_lost"
        page.click("button:has-text('Sign out')")
        page.wait_for_selector("#key")
        issuer.person = {"sub": "u-3", "groups": ["sales"]}
        page.click("text=Sign in with localhost")
        page.wait_for_selector("[role=alert]")
        assert "no role here is yours" in page.inner_text("main") and window.faults(axe) == []
        assert {each.split("?")[0] for each in window.elsewhere} == {f"{issuer.url}/authorize"}
    issuer.close()


def test_tags_are_reviewed_by_keyboard_alone(found: Any, axe: Path, place: Place, tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.jsonl", TEXTS[:4])
    with place.serve(ngram_bundle(tmp_path / "desk", kind="tag")) as (_, address):
        window = Window(found, address)
        page = window.page
        begin_review(window, place, rows)
        assert window.faults(axe) == []
        page.keyboard.press("Enter")
        page.wait_for_selector("h2:has-text('Row 2 of')")
        page.keyboard.press("1")
        page.keyboard.press("3")
        page.keyboard.press("Enter")
        page.wait_for_selector("h2:has-text('Row 3 of')")
        page.keyboard.press("s")
        page.wait_for_selector("h2:has-text('Row 4 of')")
        clean(window)
    [kept] = (place.state / CONSOLE / "reviews").glob("*.json")
    items = json.loads(kept.read_bytes())["items"]
    assert items[0]["decided"] == items[0]["answer"] and items[2]["skipped"]
    shown = [label for label, _ in items[1]["chances"]]
    flipped = {shown[0], shown[2]} ^ set(items[1]["answer"])
    assert set(items[1]["decided"]) == flipped


def test_a_korean_session_from_sign_in_to_answer(found: Any, place: Place, desk: Path) -> None:
    with place.serve(desk) as (_, address):
        window = Window(found, address, locale="ko-KR")
        page = window.page
        window.sign_in(place.secret)
        assert page.get_attribute("html", "lang") == "ko"
        page.click("nav >> text=시험해 보기")
        page.fill("#text", "카드를 잃어버렸어요")
        page.click("button:has-text('물어보기')")
        assert page.inner_text(".answer") == "card_lost"
        assert "로컬" in page.inner_text("main")
        page.click("nav >> text=원장")
        assert "console" not in page.inner_text("h1") and page.inner_text("h1") == "원장"
        page.click("button:has-text('English')")
        assert page.inner_text("h1") == "Ledger"
        page.click("button[title=Dark]")
        assert page.get_attribute("html", "data-theme") == "dark"
        clean(window)


def test_an_expired_key_leads_to_the_sign_in_with_its_reason(found: Any, place: Place, desk: Path) -> None:
    secret = place.keys.add("short", lasts_s=6)[1]
    with place.serve(desk) as (_, address):
        window = Window(found, address)
        window.page.goto("/console/signin")
        time.sleep(6)
        window.page.fill("#key", secret)
        window.page.press("#key", "Enter")
        window.page.wait_for_selector("[role=alert]")
        assert "has expired" in window.page.inner_text("[role=alert]")


def test_ten_rows_are_reviewed_by_keyboard_alone(found: Any, place: Place, desk: Path, tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.jsonl", TEXTS)
    with place.serve(desk) as (_, address):
        window = Window(found, address)
        page = window.page
        begin_review(window, place, rows)
        for number in range(10):
            page.wait_for_selector(f"h2:has-text('Row {number + 1} of')")
            page.keyboard.press("2" if number % 3 == 1 else "s" if number == 6 else "Enter")
        page.wait_for_selector("h2:has-text('Row 11 of')")
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector("h2:has-text('Row 10 of')")
        assert "10 of 12 decided" in page.inner_text(".head")
        clean(window)
    [kept] = (place.state / CONSOLE / "reviews").glob("*.json")
    items = json.loads(kept.read_bytes())["items"][:10]
    assert [item["decided"] for item in items] == [
        None if at == 6 else item["chances"][1][0] if at % 3 == 1 else item["answer"] for at, item in enumerate(items)
    ]


def test_a_file_is_answered_with_progress_and_given_back(found: Any, place: Place, desk: Path, tmp_path: Path) -> None:
    rows = tmp_path / "asked.csv"
    rows.write_text("text\n" + "\n".join(TEXTS * 40) + "\n", "utf-8")
    with place.serve(desk) as (_, address):
        window = Window(found, address)
        page = window.page
        window.sign_in(place.secret)
        page.goto("/console/try")
        page.set_input_files("#file", rows)
        page.click("text=Answer this file")
        with page.expect_download() as download:
            page.click("text=Download the answers")
        lines = Path(download.value.path()).read_text("utf-8-sig").splitlines()
        assert len(lines) == 1 + 40 * len(TEXTS)
        clean(window)


def test_the_whole_path_of_a_new_task_over_a_restart_in_the_middle(found: Any, place: Place) -> None:
    with place.serve() as (process, address):
        window = Window(found, address)
        page = window.page
        window.sign_in(place.secret)
        assert "Nothing is loaded yet" in page.inner_text("main")
        page.click("nav >> text=New task")
        page.fill("#name", "tickets")
        page.fill("#at_least", "0.3")
        page.set_input_files("#file", EXAMPLE / "train.jsonl")
        page.click("text=Look at the examples")
        page.wait_for_selector("h2:has-text('Data check')")
        page.fill("#rungs", "ngrams")
        page.click("text=Start the climb")
        page.wait_for_selector("h2:has-text('At work')")
        clean(window)
        process.send_signal(signal.SIGKILL)
        process.wait()
        child = json.loads((place.state / CONSOLE / "tasks" / "tickets" / "job.json").read_bytes())["pid"]
        os.killpg(child, signal.SIGKILL)  # as a machine that lost its power
    with place.serve() as (_, address):
        window = Window(found, address)
        page = window.page
        page.on("dialog", lambda dialog: dialog.accept())
        window.sign_in(place.secret)
        page.goto("/console/new/tickets")
        page.wait_for_selector("h2:has-text('What came of it')", timeout=300_000)
        page.click("button:has-text('Certify')")
        page.wait_for_selector("text=Read the whole certificate", timeout=300_000)
        page.click("text=Read the whole certificate")
        assert "Checked just now" in page.inner_text("main")
        page.go_back()
        page.click("text=Put into service")
        page.wait_for_selector("h2:has-text('Score against cost')")
        page.goto("/console/try")
        page.fill("#text", "두 번 결제된 것 같아요")
        page.click("button:has-text('Ask')")
        assert page.inner_text(".answer")
        clean(window)
