"""One picture of each page of the console, for people who look: `make screenshots`. Trains on the example first.

python tests/screenshots.py FOLDER
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from browsing import Window, browser
from jangin.access.keys import Keys
from jangin.serve.run import start
from jangin.state import KEYS

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "support-tickets"
PAGES = {
    "fleet": "",
    "task": "/tasks/support-tickets",
    "certificate": "/tasks/support-tickets/certificate",
    "data": "/tasks/support-tickets/data",
    "try": "/try",
    "ledger": "/ledger",
    "review": "/review",
    "new": "/new",
    "audit": "/audit",
    "keys": "/keys",
}
ASKED = ("두 번 결제된 것 같아요, 제 번호는 010-1234-5678입니다", "where is my parcel?", "delete my account please")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        task, bundle, state = (Path(place) / name for name in ("task", "support-tickets", "state"))
        shutil.copytree(EXAMPLE, task, ignore=shutil.ignore_patterns(".jangin", "runs"))
        # 1: no rung is likely to pass, or the test said no. A picture of that is as good.
        for verb in (["train", str(task), "-o", str(bundle)], ["certify", str(bundle)]):
            done = subprocess.run([sys.executable, "-m", "jangin", *verb, "--json"], stdout=subprocess.DEVNULL)
            if done.returncode not in (0, 1):
                sys.exit(done.returncode)
        secret = Keys(state / KEYS).add("root", roles=("ask", "admin"))[1]
        with start([bundle], state=str(state), open_to_all=False, console=True) as (_, address), browser() as found:
            for suffix, about in _looks().items():
                window = Window(found, address, **about)
                window.page.goto("/console/signin")
                window.page.screenshot(path=folder / f"signin{suffix}.png", full_page=True)
                window.sign_in(secret)
                for text in ASKED[::-1]:
                    window.page.goto("/console/try")
                    window.page.fill("#text", text)
                    window.page.click("form.stack button")
                    window.page.wait_for_selector(".answer")
                window.page.screenshot(path=folder / f"try{suffix}.png", full_page=True)
                for name, path in PAGES.items():
                    if name != "try":
                        window.page.goto(f"/console{path}")
                        window.page.screenshot(path=folder / f"{name}{suffix}.png", full_page=True)
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


def _looks() -> dict[str, dict[str, object]]:
    wide, phone = {"width": 1200, "height": 800}, {"width": 375, "height": 740}
    return {
        "": {"viewport": wide},
        "-ko-dark": {"viewport": wide, "locale": "ko-KR", "color_scheme": "dark"},
        "-phone": {"viewport": phone, "locale": "ko-KR"},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
