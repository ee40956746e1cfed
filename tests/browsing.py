"""Debian's Chromium over a real server, for the tests of the console and for `make screenshots`.

Nothing is fetched here: playwright comes from the extra `browser`, axe-core's file from npm by `make browser`."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = "JANGIN_CHROMIUM"
IMPACTS = ("serious", "critical")


def chromium() -> str | None:
    """The browser's program: what the environment names, else the first that is installed."""
    named = os.environ.get(CHROMIUM)
    return named or next((found for each in ("chromium", "chromium-browser") if (found := shutil.which(each))), None)


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        try:
            yield found
        finally:
            found.close()


class Window:
    """One visitor: a page, what it asked of other origins, and what it complained of."""

    def __init__(self, found: Any, address: str, **options: Any):
        self.context = found.new_context(base_url=address, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda each: self._asked(each.url, address))
        self.page.on("console", lambda each: self.complaints.append(each.text) if each.type == "error" else None)
        self.page.on("pageerror", lambda each: self.complaints.append(str(each)))

    def _asked(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            self.elsewhere.append(url)

    def sign_in(self, secret: str) -> None:
        self.page.goto("/console/signin")
        self.page.fill("#key", secret)
        self.page.press("#key", "Enter")
        self.page.wait_for_selector("nav")

    def faults(self, axe: Path) -> list[str]:
        """What axe-core calls serious or critical on this page: 'rule: the element'."""
        self.page.evaluate(axe.read_text("utf-8"))  # by the debugger, which the page's policy does not bind
        found = self.page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})")
        return [
            f"{each['id']}: {node['html'][:160]}"
            for each in found["violations"]
            if each["impact"] in IMPACTS
            for node in each["nodes"]
        ]
