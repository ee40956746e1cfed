"""What the console's pages share: the server, one request as a page sees it, acts done as the API does them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl
from weakref import WeakValueDictionary

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jangin.access.keys import Key
from jangin.console import said, view
from jangin.console.jobs import Jobs
from jangin.console.session import Session, Sessions, cookie_of
from jangin.errors import EngineError, JanginError, RequestError
from jangin.serve import admin, log
from jangin.serve.deliver import Reply
from jangin.serve.door import Visit, drawn_id

if TYPE_CHECKING:
    from starlette.types import Message

    from jangin.access.keys import Role
    from jangin.console.oidc import Client, Flows
    from jangin.console.rooms import Rooms
    from jangin.serve.app import Server, Work

THEMES = ("light", "dark")
R = TypeVar("R")


class Desk:
    """One for each server. workspace: the folder of what the console makes (tasks, reviews); None: it makes nothing."""

    def __init__(self, server: Server, rooms: Rooms):
        self.server, self.workspace, self.stopping = server, rooms.workspace, rooms.stopping
        self.climbs, self.remembered = rooms.climbs, rooms.remembered
        self.sessions, self.jobs = Sessions(), Jobs()
        self.oidc: Client | None = None
        self.flows: Flows | None = None
        if rooms.provider is not None:
            from jangin.console import oidc

            self.oidc, self.flows = oidc.Client(rooms.provider, server.door.record), oidc.Flows()
        self._known: dict[Any, tuple[Any, Any]] = {}
        self._making: WeakValueDictionary[Any, asyncio.Lock] = WeakValueDictionary()

    async def kept(self, name: Any, mark: Any, make: Callable[[], R]) -> R:
        """What `make` gives, made in a thread and kept as long as `mark` stays the same; of 200 names. Who asks while
        it is being made waits for it: many readers at once cost no more than one."""
        lock = self._making.get(name)
        if lock is None:
            self._making[name] = lock = asyncio.Lock()
        async with lock:
            found = self._known.get(name)
            if found is not None and found[0] == mark:
                return found[1]
            made = await asyncio.to_thread(make)
            while len(self._known) > 200:
                self._known.pop(next(iter(self._known)))
            self._known[name] = mark, made
            return made


class Ask:
    """One request to a page. key: None where the server has no keys: then everything is allowed, from this machine."""

    def __init__(self, desk: Desk, request: Request, session: Session, key: Key | None, form: dict[str, str]):
        self.desk, self.request, self.session, self.key, self.form = desk, request, session, key, form
        self.server = desk.server
        self.query = request.query_params
        self.path: dict[str, str] = {}
        self.language = language_of(request)
        self.say, self.tell = view.translator(self.language), said.teller(self.language)

    @property
    def admin(self) -> bool:
        return self.key is None or "admin" in self.key.roles

    @property
    def watches(self) -> bool:
        """May it see figures of others?"""
        return self.key is None or bool({"admin", "metrics"} & set(self.key.roles))

    def sees(self, name: str) -> bool:
        return self.admin or self.key is None or self.key.may(name)

    def visit(self, endpoint: str) -> Visit:
        return Visit(self.server.door, self.key, drawn_id(), endpoint)

    def permit(self, what: str, *roles: Role) -> None:
        """Raises: RequestError 403."""
        admin.permitted(self.request.scope, self.visit("console"), self.server.behind_proxy, what, *roles)

    async def act(self, work: Work, body: dict[str, Any], *, acts: bool = False) -> Any:
        """What an endpoint of the API answers to this body, by the same way: rights, limits, ledger, audit log.

        acts: it administers. Raises: JanginError as the endpoint does.
        """
        visit = self.visit(f"console/{work.__name__}")
        server, scope = self.server, self.request.scope
        reply: Reply | None = None
        try:
            if acts:
                self.permit("the console's acts", "admin")
            found = await work(server, msgspec.json.encode(body), visit)
            reply = found if isinstance(found, Reply) else await found.run(_still_there, _nowhere, visit)
            await visit.close(None if reply is None else reply.status)
        except JanginError as error:
            visit.failed(error)
            raise
        except Exception as error:
            defect = EngineError("the server could not answer this request", "see the server's log")
            log.warn("defect", f"{type(error).__name__} at {log.where(error)} [{visit.request_id}]")
            visit.failed(defect)
            raise defect from error
        finally:
            await visit.close()
            server.observers.ended(visit.endpoint, scope, visit.request_id, visit, reply.status if reply else None)
        assert reply is not None  # nobody goes away here
        return msgspec.json.decode(reply.body)

    async def remember(self, name: str) -> None:
        """This specialist is loaded at the next start too, where the server keeps anything. Raises: StorageError."""
        if self.desk.remembered is not None:
            await asyncio.to_thread(self.desk.remembered.add, self.server.fleet.get(name).folder)

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        known: dict[str, Any] = {
            "key": self.key,
            "admin": self.admin,
            "watches": self.watches,
            "csrf": self.session.csrf,
        }
        known |= {"keyed": self.server.door.keys is not None, "here": self.request.url.path, "query": self.query}
        known |= {"theme": theme_of(self.request), "makes": self.desk.workspace is not None}
        return HTMLResponse(view.render(template, self.language, **known, **context), status)

    def to(self, path: str) -> Response:
        """After a form: the page to look at."""
        return RedirectResponse(path, 303)

    def field(self, name: str, most: int = 200) -> str:
        """A field of the form, without white space around it. Raises: RequestError for one that is too long."""
        value = self.form.get(name, "").strip()
        if len(value) > most:
            raise RequestError(f"'{name}' has {len(value):,} characters; expected at most {most:,}", param=name)
        return value


def language_of(request: Request) -> str:
    chosen = cookie_of(request, "jangin_language")
    return chosen if chosen in view.LANGUAGES else view.preferred(request.headers.get("accept-language", ""))


def theme_of(request: Request) -> str:
    """ "light", "dark", or empty: as the system has it."""
    chosen = cookie_of(request, "jangin_theme")
    return chosen if chosen in THEMES else ""


def secure(desk: Desk, request: Request) -> bool:
    """Whether cookies travel over TLS only."""
    return request.url.scheme == "https" or desk.server.behind_proxy


def form_of(body: bytes) -> dict[str, str]:
    """A form's fields; of several with one name the values by line. Raises: RequestError."""
    try:
        found: dict[str, str] = {}
        for name, value in parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=1_000):
            found[name] = f"{found[name]}\n{value}" if name in found else value
        return found
    except (UnicodeDecodeError, ValueError):
        raise RequestError("the form cannot be read", status=400) from None


async def _still_there() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def _nowhere(message: Message) -> None:
    raise AssertionError("what is asked here does not stream")
