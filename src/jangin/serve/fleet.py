"""Which specialists are loaded, in which engine, and how much work may wait."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import math
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from jangin.errors import BundleError, Overloaded, RequestError
from jangin.routing.heads import find_profiles
from jangin.serve.client import EngineClient
from jangin.serve.following import Writing
from jangin.serve.frames import Answers, Info, Write
from jangin.serve.promises import Promise, read_promise
from jangin.serve.routed import AUTO, Routing
from jangin.serve.slices import in_slices, joined
from jangin.terms import Terms, read_terms

MAX_WAITING_CHARS = 32_000_000
MAX_WAIT_S = 20.0
MAX_WRITE_WAIT_S = 60.0
NO_ENCODER = "ngrams"


class Certificate(msgspec.Struct, frozen=True):
    """What the server tells of a certificate. Nothing is verified here: `jangin certify --verify` does that.

    reference_usd: what the replaced model costs for one request, as the certificate says; None: not known.
    """

    id: str
    verdict: str | None
    reference_usd: float | None = None


class Use:
    """How many requests still use a specialist."""

    def __init__(self) -> None:
        self.active = 0


class Entry:
    """One loaded specialist. promise: None where there is none. profiles: what a router needs of it, by encoder.
    margin: of one request that the router sent here, as `Route` says; None for a request that names the specialist."""

    def __init__(
        self, info: Info, folder: Path, engine: EngineClient, handle: int, terms: Terms, promise: Promise | None
    ):
        self.info = info
        self.terms, self.promise = terms, promise
        self.folder = folder
        self.engine = engine
        self.handle = handle
        self.certificate = read_certificate(folder, info.sha256)
        self.profiles = find_profiles(folder, info.sha256)
        self.margin: float | None = None
        self.use = Use()

    def routed(self, margin: float) -> Entry:
        """The same specialist, as one request sees it."""
        found = copy.copy(self)
        found.margin = margin
        return found


class Fleet:
    """The specialists of one server by name.

    max_wait_s: of work that an engine may have before it, as far as that can be told; what comes then is refused.
    watches: the folder where audited answers are counted, None: they are not kept. secret: decides which are audited.
    withheld: environment variables that no engine gets.
    """

    def __init__(
        self,
        engine_timeout_s: float = 30.0,
        max_waiting: int = 4096,
        prefix_cache: bool = True,
        *,
        max_wait_s: float | None = None,
        watches: Path | None = None,
        secret: bytes = b"",
        withheld: Container[str] = (),
    ):
        self.max_wait_s = MAX_WAIT_S if max_wait_s is None else max_wait_s
        self.max_write_wait_s = MAX_WRITE_WAIT_S if max_wait_s is None else max_wait_s
        self._watches, self._secret, self._withheld = watches, secret, withheld
        self.engine_timeout_s = engine_timeout_s
        self.prefix_cache = prefix_cache
        self.max_waiting = max_waiting
        self.entries: dict[str, Entry] = {}
        self.engines: dict[str, EngineClient] = {}
        self._handles = itertools.count(1)
        self._admin = asyncio.Lock()
        self.routing = Routing(self, self._admin)
        self._waiting_texts = 0
        self._waiting_chars = 0

    def get(self, name: str, sees: Callable[[str], bool] = lambda name: True) -> Entry:
        """Raises: RequestError 404 that names what there is, of which the visitor sees."""
        if (entry := self.entries.get(name)) is None:
            there = ", ".join(f"'{one}'" for one in self.entries if sees(one)) or "none"
            message = f"no specialist named '{name[:80]}' is loaded; loaded: {there}"
            raise RequestError(message, status=404, param="model", code="model_not_found")
        return entry

    async def load(self, folder: Path) -> Entry:
        """Raises: BundleError, BaseModelError, EngineError; RequestError 409 when the name is taken."""
        async with self._admin:
            name, key = read_key(folder)
            self._check_free(name)
            self.entries[name] = entry = await self._open_alone(folder, key)
            await self.routing.changed()
            return entry

    async def load_all(self, folders: Sequence[Path]) -> None:
        """As `load`, of several at once: bases load side by side, and a base opens once for all that stand on it.

        Raises: as `load`; the first folder's failure, in their order. What could be loaded stays.
        """
        async with self._admin:
            keys: dict[str, tuple[Path, str]] = {}
            for folder in folders:
                name, key = read_key(folder)
                self._check_free(name, keys)
                keys[name] = folder, key
            engines = [self.engine(key) for key in dict.fromkeys(key for _, key in keys.values())]
            try:
                for engine in engines:
                    await engine.start()
                opened = [self._open(folder, key) for folder, key in keys.values()]
                found = await asyncio.gather(*opened, return_exceptions=True)
                self.entries |= {name: each for name, each in zip(keys, found) if isinstance(each, Entry)}
            finally:
                for engine in engines:
                    await self.retire(engine)
            await self.routing.changed()
            for each in found:
                if isinstance(each, BaseException):
                    raise each

    async def reload(self, name: str) -> Entry:
        """Reads the folder again; the old specialist answers until the new one is ready. Raises: as `load`."""
        async with self._admin:
            old = self.get(name)
            found, key = read_key(old.folder)
            if found != name:
                raise BundleError(f"{old.folder} now holds '{found}', not '{name}'", "unload this one, load that one")
            self.entries[name] = entry = await self._open_alone(old.folder, key)
            await self.routing.changed()
            await self._close(old)
            return entry

    async def unload(self, name: str) -> None:
        async with self._admin:
            entry = self.get(name)
            del self.entries[name]
            await self.routing.changed()
            await self._close(entry)

    @property
    def waiting_texts(self) -> int:
        return self._waiting_texts

    @property
    def waiting_chars(self) -> int:
        return self._waiting_chars

    async def stop(self) -> None:
        await asyncio.gather(*(engine.stop() for engine in self.engines.values()))

    async def answer(self, entry: Entry, texts: list[str]) -> Answers:
        """Answers for rendered texts. Raises: Overloaded, EngineError."""
        with self.waiting(entry.engine, texts):
            entry.use.active += 1
            try:
                if len(texts) == 1:
                    return await entry.engine.ask(entry.handle, texts)
                return joined(await in_slices(texts, lambda part: entry.engine.ask(entry.handle, part)))
            finally:
                entry.use.active -= 1

    @contextlib.contextmanager
    def waiting(self, engine: EngineClient, texts: list[str]) -> Iterator[None]:
        """While texts wait for an engine. Raises: Overloaded."""
        chars = sum(map(len, texts))
        self._admit(engine, len(texts), chars)
        self._waiting_texts += len(texts)
        self._waiting_chars += chars
        try:
            yield
        finally:
            self._waiting_texts -= len(texts)
            self._waiting_chars -= chars

    @contextlib.contextmanager
    def write(self, entry: Entry, order: Write) -> Iterator[Writing]:
        """One answer of a specialist that writes; it is cancelled at the end of the context unless it is over.

        Raises: Overloaded, EngineError.
        """
        assert entry.info.writing is not None
        engine = entry.engine
        count, wait_s = engine.writing, engine.writing * engine.share_s
        if count and (count >= self.max_waiting or wait_s > self.max_write_wait_s):
            most = f"this server holds at most {self.max_waiting:,}"
            if count < self.max_waiting:
                most = f"that is more than {self.max_write_wait_s:g} seconds of work"
            message = f"{count:,} answers are being written or wait; {most}"
            raise Overloaded(message, max(1, math.ceil(wait_s / 2)))
        entry.use.active += 1
        try:
            writing = engine.write(order, entry.info.writing.context)
            try:
                yield writing
            finally:
                writing.cancel()
        finally:
            entry.use.active -= 1

    def _admit(self, engine: EngineClient, texts: int, chars: int) -> None:
        """What a large request holds back is no wait for others: it goes to the engine slice by slice."""
        wait_s = engine.asked_texts * engine.text_s
        if engine.asked_texts and wait_s > self.max_wait_s:
            message = f"{engine.asked_texts:,} texts wait already, more than {self.max_wait_s:g} seconds of work"
            raise Overloaded(message, max(1, math.ceil(wait_s / 2)))
        full = self._waiting_texts + texts > self.max_waiting or self._waiting_chars + chars > MAX_WAITING_CHARS
        if full and self._waiting_texts:
            message = f"{self._waiting_texts:,} texts wait already; this server holds at most {self.max_waiting:,}"
            raise Overloaded(message, max(1, math.ceil(wait_s / 2)))

    def _check_free(self, name: str, coming: Container[str] = ()) -> None:
        if name == AUTO:
            raise BundleError(f"a specialist cannot be served as '{AUTO}': the router has that name", "rename its task")
        if name in self.entries or name in coming:
            message = f"a specialist named '{name}' is already loaded"
            raise RequestError(f"{message}; reload or unload it", status=409, param="path", code="model_exists")

    def engine(self, key: str) -> EngineClient:
        if key not in self.engines:
            self.engines[key] = EngineClient(key, self.engine_timeout_s, self.prefix_cache, self._withheld)
        return self.engines[key]

    async def _open_alone(self, folder: Path, key: str) -> Entry:
        try:
            return await self._open(folder, key)
        except BaseException:
            await self.retire(self.engines[key])
            raise

    async def _open(self, folder: Path, key: str) -> Entry:
        engine = self.engine(key)
        handle = next(self._handles)
        await engine.start()
        info = await engine.load(handle, str(folder))
        try:
            terms = read_terms(folder)
            promise = read_promise(folder, info.sha256, terms.policy, self._watches, self._secret)
        except BaseException:
            await engine.unload(handle)
            raise
        return Entry(info, folder, engine, handle, terms, promise)

    async def _close(self, entry: Entry) -> None:
        while entry.use.active:
            await asyncio.sleep(0.01)
        await entry.engine.unload(entry.handle)
        await self.retire(entry.engine)

    async def retire(self, engine: EngineClient) -> None:
        """An engine without specialists gives its memory back."""
        if not (engine.held or engine.routing):
            self.engines.pop(engine.key, None)
            await engine.stop()


class _Base(msgspec.Struct):
    sha256: str


class _Head(msgspec.Struct):
    """The part of a manifest that says which engine a bundle needs; the engine checks all of it."""

    name: str
    encoder: _Base | None
    decoder: _Base | None = None


def read_key(folder: Path) -> tuple[str, str]:
    """(name, which engine) of a bundle. Raises: BundleError."""
    path = folder / "manifest.json"
    try:
        head = msgspec.json.decode(path.read_bytes(), type=_Head)
    except (OSError, msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BundleError(
            f"{folder}: not a specialist (no readable manifest.json)", "name a folder that `jangin train` wrote"
        ) from error
    base = head.encoder or head.decoder
    return head.name, base.sha256 if base else NO_ENCODER


class _Identified(msgspec.Struct):
    sha256: str


class _Judged(msgspec.Struct):
    verdict: str | None = None


class _Figure(msgspec.Struct):
    value: Annotated[float, msgspec.Meta(ge=0)] | None = None


class _Cost(msgspec.Struct):
    """US dollars per 1,000 requests."""

    reference: _Figure | None = None


class _Certificate(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
    specialist: _Identified
    result: _Judged
    cost: _Cost | None = None


def read_certificate(folder: Path, sha256: str) -> Certificate | None:
    """The certificate beside a bundle; None without one, for what is none, or when it was given to another specialist.

    Its id goes into headers and into the ledger, where a line end, say, would spoil every answer.
    """
    try:
        found = msgspec.json.decode((folder / "certificate.json").read_bytes(), type=_Certificate)
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if found.specialist.sha256 != sha256:
        return None
    figure = found.cost.reference if found.cost else None
    usd = None if figure is None or figure.value is None else figure.value / 1000
    return Certificate(found.id, found.result.verdict, usd)
