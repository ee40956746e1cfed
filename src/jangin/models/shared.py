"""One base in one process, shared by the specialists that stand on it, each with an adapter of its own.

llama.cpp takes its adapters when it starts. So specialists that come or go mean another engine, opened beside the one
that answers and put in its place; the old one ends after the requests that it still works on. Those that come together
mean one such engine (`later`). The weights are mapped from disk and thus shared; an engine's own memory is its cache
and its adapters. So there is one cache, as large as the specialist with the longest context needs.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from jangin.errors import JanginError
from jangin.models.decoder import CONTEXT, PARALLEL, Decoder


class Held:
    """One specialist's place on a shared base: `adapter` is its name there, None for the base as it is."""

    def __init__(self, shared: SharedDecoder, adapter: str | None, path: Path | None, context: int):
        self._shared, self.adapter, self.path, self.context = shared, adapter, path, context
        self.opened = False
        self.refused: JanginError | None = None

    @property
    def place(self) -> tuple[int, str | None]:
        """The same for two requests exactly if they can share a forward pass: the decoder's number and the adapter."""
        return id(self._shared), self.adapter

    def open(self) -> None:
        """After it, the place can be asked. Opens all places that were taken for later with one engine.

        Raises: BaseModelError for weights or this place's adapter that cannot be loaded; MissingExtraError.
        """
        self._shared.open(self)

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
        self._held: list[Held] = []
        self._changing = threading.Lock()
        self._lock = threading.Lock()
        self._now: Decoder | None = None
        self._users: dict[int, int] = {}  # id of an engine -> requests that still use it

    def hold(self, adapter: Path | None, context: int | None = None, later: bool = False) -> Held:
        """A place for one more specialist; `later`: it is not asked before its `open`.

        Raises: BaseModelError for weights or an adapter that cannot be loaded (`later`: `open` does).
        """
        name = f"adapter-{next(self._names)}" if adapter is not None else None
        held = Held(self, name, adapter, context or self._context)
        with self._changing:
            self._held.append(held)
        if not later:
            try:
                self.open(held)
            except BaseException:
                held.release()
                raise
        return held

    def open(self, held: Held) -> None:
        with self._changing:
            if not held.opened and held.refused is None:
                self._open_all([each for each in self._held if not each.opened and each.refused is None])
        if held.refused is not None:
            raise held.refused

    def release(self, held: Held) -> None:
        with self._changing:
            self._held.remove(held)
            opened = self._opened()
            if not opened:
                self._swap(None)
            elif held.opened and held.adapter is not None:
                self._swap(self._decoder(opened))

    @contextlib.contextmanager
    def engine(self) -> Iterator[Decoder]:
        with self._lock:
            assert self._now is not None, "a place that is not open was asked"
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

    def _opened(self) -> list[Held]:
        return [each for each in self._held if each.opened]

    def _open_all(self, new: Sequence[Held]) -> None:
        """One engine for the open places and the new ones; when it is refused, each new one is tried alone."""
        try:
            self._widen(new)
        except JanginError as error:
            if len(new) == 1:
                new[0].refused = error
                return
            for each in new:
                self._open_all([each])

    def _widen(self, new: Sequence[Held]) -> None:
        places = [*self._opened(), *new]
        context = max(each.context for each in places)
        if self._now is None or context > self._now.context or any(each.adapter is not None for each in new):
            self._swap(self._decoder(places))
        for each in new:
            each.opened = True

    def _decoder(self, places: Sequence[Held]) -> Decoder:
        return Decoder(
            self._weights,
            {each.adapter: each.path for each in places if each.adapter is not None and each.path is not None},
            context=max(each.context for each in places),
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
