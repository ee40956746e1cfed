"""One base in one process, shared by the specialists that stand on it, each with an adapter of its own.

llama.cpp takes its adapters when it starts. So a specialist that comes or goes means another engine, opened beside the
one that answers and put in its place; the old one ends after the requests that it still works on. The weights are
mapped from disk and thus shared; an engine's own memory is its cache and its adapters. So there is one cache, as large
as the specialist with the longest context needs.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

from jangin.models.decoder import CONTEXT, PARALLEL, Decoder


class Held:
    """One specialist's place on a shared base: `adapter` is its name there, None for the base as it is."""

    def __init__(self, shared: SharedDecoder, adapter: str | None, context: int):
        self._shared, self.adapter, self.context = shared, adapter, context

    @property
    def place(self) -> tuple[int, str | None]:
        """The same for two requests exactly if they can share a forward pass: the decoder's number and the adapter."""
        return id(self._shared), self.adapter

    @contextlib.contextmanager
    def engine(self) -> Iterator[Decoder]:
        """The engine of the moment; it stays open as long as the context does."""
        with self._shared.engine() as engine:
            yield engine

    def release(self) -> None:
        """Gives the place up; with the last one the engine ends."""
        self._shared.release(self)


class SharedDecoder:
    """Safe to call from several threads. `parallel`, `threads`, `prefix_cache`: as `Decoder` says; `context` too, of a
    specialist that does not say how much it needs."""

    def __init__(
        self,
        weights: Path,
        *,
        context: int = CONTEXT,
        parallel: int = PARALLEL,
        threads: int | None = None,
        prefix_cache: bool = False,
    ):
        self._weights = weights
        self._context, self._parallel, self._threads, self._cache = context, parallel, threads, prefix_cache
        self._names = itertools.count(1)
        self._adapters: dict[str, Path] = {}
        self._held: list[Held] = []
        self._changing = threading.Lock()
        self._lock = threading.Lock()
        self._now: Decoder | None = None
        self._users: dict[int, int] = {}  # id of an engine -> requests that still use it

    def hold(self, adapter: Path | None, context: int | None = None) -> Held:
        """A place for one more specialist. Raises: BaseModelError for weights or an adapter that cannot be loaded."""
        with self._changing:
            name = f"adapter-{next(self._names)}" if adapter is not None else None
            adapters = self._adapters | ({name: adapter} if name is not None and adapter is not None else {})
            held = Held(self, name, context or self._context)
            if self._now is None or name is not None or held.context > self._now.context:
                self._swap(self._open(adapters, [*self._held, held]))
            self._adapters = adapters
            self._held.append(held)
            return held

    def release(self, held: Held) -> None:
        with self._changing:
            self._held.remove(held)
            if not self._held:
                self._adapters = {}
                self._swap(None)
            elif held.adapter is not None:
                self._adapters = {name: path for name, path in self._adapters.items() if name != held.adapter}
                self._swap(self._open(self._adapters, self._held))

    @contextlib.contextmanager
    def engine(self) -> Iterator[Decoder]:
        with self._lock:
            assert self._now is not None, "a released place was asked"
            engine = self._now
            self._users[id(engine)] = self._users.get(id(engine), 0) + 1
        try:
            yield engine
        finally:
            with self._lock:
                self._users[id(engine)] -= 1
                ended = not self._users[id(engine)] and engine is not self._now
                if ended:
                    del self._users[id(engine)]
            if ended:
                engine.close()

    def _open(self, adapters: dict[str, Path], held: list[Held]) -> Decoder:
        return Decoder(
            self._weights,
            adapters,
            context=max(each.context for each in held),
            parallel=self._parallel,
            threads=self._threads,
            prefix_cache=self._cache,
        )

    def _swap(self, new: Decoder | None) -> None:
        with self._lock:
            old, self._now = self._now, new
            idle = old is not None and not self._users.get(id(old))
            if idle:
                self._users.pop(id(old), None)
        if old is not None and idle:  # else its last user closes it
            old.close()
