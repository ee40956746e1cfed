"""One picture of each page of the console, for people who look: `make screenshots`. Trains on two small tasks first.

python tests/screenshots.py FOLDER
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from browsing import Window, browser
from bundles import ngram_bundle
from issuer import CLIENT, SECRET, Issuer
from jangin.access.keys import Keys
from jangin.serve.run import start
from jangin.state import CONSOLE, KEYS

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "support-tickets"
PAGES = {
    "fleet": "/console",
    "task": "/console/tasks/support-tickets",
    "task-77": "/console/tasks/seventy-seven",
    "certificate": "/console/tasks/support-tickets/certificate",
    "data": "/console/tasks/support-tickets/data",
    "ledger": "/console/ledger",
    "reviews": "/console/review",
    "new": "/console/new",
    "climb": "/console/new/tickets",
    "audit": "/console/audit",
    "keys": "/console/keys",
    "no-page": "/console/nothing",
    "bad-filter": "/console/ledger?since=never",
    "public": "/certificates",
    "public-certificate": "/certificates/support-tickets",
    "public-none": "/certificates/nobody",
}
ASKED = ("두 번 결제된 것 같아요, 제 번호는 010-1234-5678입니다", "where is my parcel?", "delete my account please")
ACTS = dict(
    zip(
        ["cancel", "change", "find", "dispute", "repeat", "delay", "explain"],
        ["취소", "변경", "조회", "이의제기", "재요청", "지연신고", "안내"],
    )
)
THINGS = {"the subscription I never wanted": "원하지_않은_구독_서비스", "exchange rate": "환율", "top up": "충전"}
THINGS |= dict(
    zip(
        ["card", "address", "invoice", "transfer", "pin", "refund", "parcel", "limit"],
        ["카드", "배송지", "청구서", "이체", "비밀번호", "환불", "택배", "한도"],
    )
)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    issuer = Issuer()
    with tempfile.TemporaryDirectory() as made, browser() as found:
        place = Path(made)
        bundles, state = _trained(place), place / "state"
        secret = Keys(state / KEYS).add("root", roles=("ask", "admin"))[1]
        _kept(state, place)
        port = _free()
        config = _config(place, issuer, port)
        os.environ["SCREENSHOTS_OIDC"] = SECRET
        options: dict[str, Any] = {
            "state": str(state),
            "open_to_all": False,
            "console": True,
            "public_certificates": True,
        }
        with start(bundles, port=port, config=str(config), **options) as (_, address):
            for suffix, about in _looks().items():
                _walk(Window(found, address, **about), folder, suffix, secret)
        with start([], state=str(place / "empty"), open_to_all=True, console=True, public_certificates=True) as (
            _,
            address,
        ):
            _empty(found, address, folder)
    issuer.close()
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


def _walk(window: Window, folder: Path, suffix: str, secret: str) -> None:
    """Every page, as the one who is signed in sees it."""
    page = window.page

    def shoot(name: str) -> None:
        page.screenshot(path=folder / f"{name}{suffix}.png", full_page=True)

    page.goto("/console/signin")
    shoot("signin")
    page.fill("#key", "jk-nobodys")
    page.press("#key", "Enter")
    page.wait_for_selector("[role=alert]")
    shoot("signin-refused")
    window.sign_in(secret)
    for text in ASKED[::-1]:
        page.goto("/console/try")
        page.fill("#text", text)
        page.click("form.stack button")
        page.wait_for_selector(".answer")
    shoot("try")
    for name, path in PAGES.items():
        page.goto(path)
        shoot(name)
    for name, model in (("review", "seventy-seven"), ("review-tags", "tags")):
        page.goto("/console/review")
        rows = [{"text": text} for text in (*ASKED, "cancel the exchange rate", "환율 변경해 주세요")]
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        page.select_option("#file-model", model)
        page.set_input_files("#file", {"name": "rows.jsonl", "mimeType": "application/jsonl", "buffer": lines})
        page.click("form[data-upload] button")
        page.wait_for_selector("[data-review]")
        shoot(name)


def _empty(found: Any, address: str, folder: Path) -> None:
    window = Window(found, address, viewport={"width": 1200, "height": 800})
    for name in ("fleet", "ledger", "audit", "keys", "review", "public"):
        window.page.goto(PAGES["reviews" if name == "review" else name])
        window.page.screenshot(path=folder / f"empty-{name}.png", full_page=True)


def _trained(place: Path) -> list[Path]:
    """The example's specialist, certified; one with 77 labels of which some are long; one of tags."""
    task, bundle = place / "task", place / "support-tickets"
    shutil.copytree(EXAMPLE, task, ignore=shutil.ignore_patterns(".jangin", "runs"))
    many, many_bundle = _many(place / "many"), place / "seventy-seven"
    verbs = (
        ["train", str(task), "-o", str(bundle)],
        ["certify", str(bundle)],
        ["train", str(many), "-o", str(many_bundle), "--rungs", "ngrams"],
    )
    for verb in verbs:  # 1: no rung is likely to pass, or the test said no. A picture of that is as good.
        done = subprocess.run([sys.executable, "-m", "jangin", *verb, "--json"], stdout=subprocess.DEVNULL)
        if done.returncode not in (0, 1):
            sys.exit(done.returncode)
    return [bundle, many_bundle, ngram_bundle(place / "tags", "tags", kind="tag")]


def _many(folder: Path) -> Path:
    """A task of 77 labels, half of them Korean; every eighth row is written like another label's."""
    folder.mkdir()
    drawn = random.Random(7)
    pairs = [(act, thing) for act in ACTS for thing in THINGS]
    assert len(pairs) == 77
    labels = {
        pair: f"{THINGS[pair[1]]}_{ACTS[pair[0]]}" if at % 2 else f"{pair[0]}_{pair[1].replace(' ', '_')}"
        for at, pair in enumerate(pairs)
    }
    rows = []
    for pair in pairs:
        for number in range(18):
            act, thing = drawn.choice(pairs) if number % 8 == 7 else pair
            said = (f"please {act} {thing}", f"{THINGS[thing]} {ACTS[act]} 해 주세요", f"how do I {act} my {thing}")
            rows.append({"input": f"{said[number % 3]} {drawn.randrange(999)}", "output": labels[pair]})
    drawn.shuffle(rows)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    text = (
        "name: seventy-seven\ndescription: 고객의 메시지를 77가지 의도로 나눕니다.\nkind: classify\ndata: rows.jsonl\n"
    )
    (folder / "task.yaml").write_text(text, "utf-8")
    return folder


def _kept(state: Path, place: Path) -> None:
    """A task that was made in the console, and a folder that was in service and is gone."""
    home = state / CONSOLE / "tasks" / "tickets"
    home.mkdir(parents=True)
    shutil.copy(place / "many" / "rows.jsonl", home / "data.jsonl")
    (home / "task.yaml").write_text("name: tickets\nkind: classify\ndata: data.jsonl\nbar: {at_least: 0.9}\n", "utf-8")
    (state / CONSOLE / "served.json").write_text(json.dumps([str(place / "gone" / "returns")]), "utf-8")


def _config(place: Path, issuer: Issuer, port: int) -> Path:
    path = place / "server.yaml"
    rule = {"claim": "groups", "value": "ml-admins", "roles": ["ask", "admin"]}
    about = {"issuer": issuer.url, "client_id": CLIENT, "client_secret_env": "SCREENSHOTS_OIDC", "name": "Acme"}
    path.write_text(json.dumps({"oidc": {**about, "address": f"http://127.0.0.1:{port}", "roles": [rule]}}), "utf-8")
    return path


def _free() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return tried.getsockname()[1]


def _looks() -> dict[str, dict[str, object]]:
    wide, phone = {"width": 1200, "height": 800}, {"width": 375, "height": 740}
    return {
        "": {"viewport": wide},
        "-ko-dark": {"viewport": wide, "locale": "ko-KR", "color_scheme": "dark"},
        "-phone": {"viewport": phone, "locale": "ko-KR"},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
