"""A console over real specialists, driven in process, for the tests of its pages."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import httpx

from jangin.access.keys import Keys
from jangin.audit.log import AuditLog
from jangin.console.rooms import Rooms
from jangin.ledger.book import Ledger
from jangin.serve.door import Door, Figures
from serving import drive

TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


class Place:
    """The state of one server: keys, ledger, audit log, the console's workspace."""

    def __init__(self, folder: Path, keyed: bool = True):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.keys = Keys(folder / "keys.json") if keyed else None
        self.ledger = Ledger.open(folder / "ledger.sqlite")
        self.audit = AuditLog.open(folder / "audit")
        self.door = Door(self.keys, self.ledger, Figures(0.01, 18.0, "modelled: for this test"), self.audit)
        self.rooms = Rooms(folder / "console")

    def key(self, name: str, *roles: Any, **options: Any) -> str:
        assert self.keys is not None
        return self.keys.add(name, roles=roles or ("ask",), **options)[1]

    def close(self) -> None:
        self.rooms.close()
        self.ledger.close()
        self.audit.close()


class Browser:
    """A client that keeps cookies and brings each page's token back."""

    def __init__(self, client: httpx.AsyncClient):
        self.client = client
        self.token = ""

    async def get(self, path: str, **options: Any) -> httpx.Response:
        answer = await self.client.get(f"/console{path}", follow_redirects=True, **options)
        if (found := TOKEN.search(answer.text)) is not None:
            self.token = html.unescape(found[1])
        return answer

    async def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
        data = {"csrf": self.token, **(data or {})}
        return await self.client.post(f"/console{path}", data=data, follow_redirects=True, **options)

    async def send(self, path: str, body: bytes, **query: str) -> httpx.Response:
        headers = {"x-csrf-token": self.token, "accept": "application/json"}
        return await self.client.post(f"/console{path}", params=query, content=body, headers=headers)

    async def sign_in(self, secret: str) -> httpx.Response:
        await self.get("/signin")
        return await self.post("/signin", {"key": secret, "to": ""})


Work = Callable[[Browser, Any], Coroutine[Any, Any, None]]


def visit(place: Place, folders: Sequence[Path], work: Work, **options: Any) -> None:
    """Runs `work` in a browser without a session."""

    async def run(client: httpx.AsyncClient, fleet: Any) -> None:
        await work(Browser(client), fleet)

    drive(folders, run, door=place.door, rooms=place.rooms, **options)
