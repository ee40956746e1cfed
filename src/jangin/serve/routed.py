"""`model: auto` on the server's side: which encoder routes, in whose engine, and that its router fits the fleet.

Nothing is made before somebody asks for it. From then on every load, reload and unload makes the router anew, on an
encoder that the profiles of all loaded specialists have in common; where none of them stands on it, its engine is
started for routing alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from jangin.bases import pull
from jangin.errors import BaseModelError, JanginError, RequestError
from jangin.serve.client import EngineClient
from jangin.serve.frames import Directed
from jangin.serve.slices import in_slices

if TYPE_CHECKING:
    from jangin.serve.fleet import Entry, Fleet

AUTO = "auto"
Sees = Callable[[str], bool]


class Made(NamedTuple):
    """A router in an engine. restarts: of that engine, when it was made; a restart loses it."""

    engine: EngineClient
    restarts: int
    entries: dict[int, Entry]


class _Choice(NamedTuple):
    base: str
    encoder: str
    profiles: list[tuple[int, str]]


class Routing:
    """The router of a fleet. `lock`: the one under which the fleet changes."""

    def __init__(self, fleet: Fleet, lock: asyncio.Lock):
        self._fleet, self._lock = fleet, lock
        self._made: Made | None = None
        self._wanted = False
        self._broken: dict[int, str] = {}  # handle -> what is wrong with its profile

    async def ready(self, sees: Sees) -> Made:
        """sees: which names may be told. Raises: RequestError 409 when these specialists cannot be routed to;
        BaseModelError, EngineError."""
        if (made := self._current()) is not None:
            return made
        async with self._lock:
            self._wanted = True
            if (made := self._current()) is not None:
                return made
            return await self._make(sees)

    async def changed(self) -> None:
        """The fleet is another one; called under the lock. What fails here is told to who asks next."""
        if self._wanted:
            try:
                await self._make(lambda name: True)
            except JanginError:
                return

    def refusal(self, sees: Sees) -> RequestError | None:
        """Why nothing can be routed; None when it can, as far as is known before it is tried."""
        found = self._choose()
        return None if isinstance(found, _Choice) else found(sees)

    async def direct(self, made: Made, texts: list[str]) -> list[Directed]:
        """In order, of parts of the texts. Raises: Overloaded, EngineError."""
        with self._fleet.waiting(made.engine, texts):
            if len(texts) == 1:
                return [await made.engine.direct(texts)]
            return await in_slices(texts, made.engine.direct)

    def _current(self) -> Made | None:
        made = self._made
        return made if made is not None and made.restarts == made.engine.restarts else None

    async def _make(self, sees: Sees) -> Made:
        before, self._made = self._made, None
        engine: EngineClient | None = None
        try:
            found = self._choose()
            if not isinstance(found, _Choice):
                raise found(sees)
            engine = self._fleet.engine(found.encoder)
            engine.routing = True
            await engine.start()
            restarts = engine.restarts
            self._broken = await engine.fit(found.base, found.encoder, found.profiles)
            if self._broken:
                raise self._unusable(sees)
            entries = {entry.handle: entry for entry in self._fleet.entries.values()}
            self._made = Made(engine, restarts, entries)
            return self._made
        except BaseModelError as error:  # who asks cannot mend it, but whoever runs the server reads it
            message = f"no router can be made: {error.message}" + (f"; {error.hint}" if error.hint else "")
            raise _refused(message) from error
        finally:
            for each in {id(one): one for one in (before and before.engine, engine) if one is not None}.values():
                if self._made is None or each is not self._made.engine:
                    each.routing = False
                    await self._fleet.retire(each)

    def _choose(self) -> _Choice | Callable[[Sees], RequestError]:
        """The encoder on which all have a profile; where there are several, the one that most of them stand on."""
        entries = list(self._fleet.entries.values())
        if not entries:
            return lambda sees: _refused("no specialist is loaded")
        if any(entry.handle in self._broken for entry in entries):
            return self._unusable
        common = set.intersection(*(set(entry.profiles) for entry in entries))
        if not common:
            return self._lacking
        bases = {encoder: entries[0].profiles[encoder].head.base for encoder in sorted(common)}
        here = [encoder for encoder, base in bases.items() if encoder in self._fleet.engines or _in_store(base)]
        if not here:
            base = next(iter(bases.values()))
            return lambda sees: _refused(f"base '{base}' is not in the store: jangin pull {base}")
        encoder = max(here, key=lambda each: sum(entry.engine.key == each for entry in entries))
        profiles = [(entry.handle, str(entry.profiles[encoder].path)) for entry in entries]
        return _Choice(bases[encoder], encoder, profiles)

    def _unusable(self, sees: Sees) -> RequestError:
        name = _shown([each for each in self._fleet.entries.values() if each.handle in self._broken], sees)
        return _refused(f"{name} has a routing profile that cannot be used: jangin route SPECIALIST, then reload it")

    def _lacking(self, sees: Sees) -> RequestError:
        entries = list(self._fleet.entries.values())
        if without := [each for each in entries if not each.profiles]:
            return _refused(f"{_shown(without, sees)} has no routing profile: jangin route SPECIALIST, then reload it")
        bases = {
            name: {found.head.base for found in each.profiles.values()} for name, each in self._fleet.entries.items()
        }
        told = "; ".join(f"'{name}': {', '.join(sorted(on))}" for name, on in bases.items() if sees(name))
        return _refused(
            f"the routing profiles have no encoder in common ({told}): pull one that reads the languages of all, "
            "use-multilingual-3 say, then jangin route SPECIALIST and reload"
        )


def _in_store(base: str) -> bool:
    try:
        return pull.local(base) is not None
    except JanginError:
        return False


def _shown(entries: list[Entry], sees: Sees) -> str:
    """Whom it is about, as far as it may be told."""
    names = [f"'{each.info.name}'" for each in entries if sees(each.info.name)]
    return names[0] if names else "a specialist"


def _refused(message: str) -> RequestError:
    return RequestError(f"model 'auto': {message}", status=409, param="model", code="router_unavailable")
