"""The door: who asks, whether they may, and the row that says how it went.

A visit begins when a request's head has been read and ends when its row is committed; the last byte of the answer goes
out after that. Whoever is refused before anything is done for it (no key, no right, over a limit, too much waits) is
counted and leaves no row: a flood of refusals must not fill the disk.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from starlette.types import Scope

from jangin.access.keys import Key, Keys
from jangin.access.limits import Gate, Permit
from jangin.audit.log import AuditLog
from jangin.egress.answers import Left
from jangin.errors import EgressDenied, JanginError, Overloaded, RequestError
from jangin.ledger.book import Ledger
from jangin.ledger.row import Route, Row, Texts, now_us
from jangin.serve.cascade import Outcome
from jangin.serve.fleet import Entry, Fleet
from jangin.serve.routed import AUTO
from jangin.serve.wire import error_status

BEARER = b"bearer "
_SAYS_MOST: tuple[Route, ...] = ("escalated", "refused", "abstained")
MOST_HEADER = 200
_HERE = (b"localhost", b"127.0.0.1")
_ID = re.compile(rb"(?!jk-)[A-Za-z0-9._:/-]{1,128}")  # not a key that somebody put there


class Figures(NamedTuple):
    """What one second of an engine's work costs here, and how that is known. None: not known."""

    usd_per_s: float = 0.0
    watts: float | None = None
    energy_method: str | None = None


class Door:
    """What every request passes. Without keys everybody may ask; without ledger and audit log nothing is kept."""

    def __init__(
        self,
        keys: Keys | None = None,
        ledger: Ledger | None = None,
        figures: Figures | None = None,
        audit: AuditLog | None = None,
    ):
        self.keys = keys
        self.ledger = ledger
        self.audit = audit
        self.figures = figures or Figures()
        self.gate = Gate(None if ledger is None else _spent(ledger))
        self.refused: Counter[int] = Counter()

    def enter(self, scope: Scope, request_id: str, endpoint: str) -> Visit:
        """Raises: RequestError 401 without a key in force, 403 for a page of the web where no keys are wanted."""
        key = None
        if self.keys is None:
            if not from_this_machine(scope):
                self.refused[403] += 1
                raise RequestError(
                    "without keys this server answers programs on this machine, and no page of another site",
                    status=403,
                    code="other_site",
                )
        else:
            self.keys.refresh()
            key = self.keys.find(_secret(scope))
            if key is None:
                self.refused[401] += 1
                raise RequestError(
                    "no valid API key: send 'Authorization: Bearer jk-...' (jangin keys add NAME makes one)",
                    status=401,
                    code="invalid_api_key",
                )
        return Visit(self, key, request_id, endpoint)

    async def record(self, kind: str, fields: dict[str, Any]) -> None:
        """One entry in the audit log, on the disk when this returns. Raises: AuditError."""
        if self.audit is not None:
            await asyncio.to_thread(self.audit.append, kind, fields)


class Visit:
    """One request. `ask` once the specialist is known, `report` once it has answered, `close` before the last byte."""

    __slots__ = (
        "_door",
        "_error_code",
        "_open",
        "_permit",
        "_row",
        "_started",
        "_status",
        "_texts",
        "_turned_away",
        "answers",
        "at",
        "commit_s",
        "cost_usd",
        "egress_bytes",
        "egress_to",
        "egress_usd",
        "endpoint",
        "energy_wh",
        "entry",
        "key",
        "outcomes",
        "request_id",
        "route",
        "row",
        "task",
    )

    def __init__(self, door: Door, key: Key | None, request_id: str, endpoint: str):
        self._door, self.key, self.request_id, self.endpoint = door, key, request_id, endpoint
        self.at, self._started = now_us(), time.perf_counter()
        self._permit: Permit | None = None
        self._open = self._turned_away = False
        self._error_code: str | None = None
        self._status = 200
        self._row: dict[str, int | float | str | None] = {}
        self._texts: Texts | None = None
        self.answers = 1  # of this request: what the replaced model would have been asked for
        self.entry: Entry | None = None
        self.task = ""
        self.route: Route = "local"
        self.outcomes: Sequence[Outcome] = ()
        self.cost_usd, self.energy_wh = 0.0, None  # type: float, float | None
        self.egress_bytes, self.egress_to = 0, None  # type: int, str | None
        self.egress_usd = 0.0
        self.row: Row | None = None  # what was written of this visit, once it is closed
        self.commit_s: float | None = None  # how long its commit took

    def sees(self, name: str) -> bool:
        """May this visitor know of a specialist? Who administers sees all."""
        return self.key is None or "admin" in self.key.roles or self.key.may(name)

    def may(self, name: str) -> bool:
        """May this visitor ask a specialist?"""
        return self.key is None or self.key.may(name)

    def find(self, fleet: Fleet, name: str) -> Entry:
        """A specialist by its name. Raises: RequestError 404; 403 for one that this visitor may not see, also where
        there is none of that name: what others have is not told."""
        if not self.sees(name):
            self._door.refused[403] += 1
            message = f"this key may not ask '{name[:80]}'"
            raise RequestError(message, status=403, param="model", code="not_permitted")
        return fleet.get(name, self.sees)

    def ask(self, entry: Entry) -> None:
        """Raises: RequestError 403 for a specialist, or a role, that is not the key's; 429 over its limits."""
        if not self._open:  # else let in by `ask_router`, which sent it to a specialist that it `may` ask
            self._admit(entry.info.name)
        self.task, self.entry = entry.info.name, entry

    def ask_task(self, task: str) -> None:
        """As `ask`, where no specialist answers."""
        self._admit(task)
        self.task = task

    def ask_router(self) -> None:
        """As `ask`, before it is known which specialist it is for; the row is the router's until `ask` names one."""
        self._admit(None)
        self.task = AUTO

    def _admit(self, task: str | None) -> None:
        if self.key is not None:
            try:
                if "ask" not in self.key.roles:
                    raise RequestError("this key has not the role 'ask'", status=403, code="not_permitted")
                self._permit = self._door.gate.admit(self.key, task)
            except RequestError as error:
                self._door.refused[error.status] += 1
                raise
        self._open = True

    def report(
        self,
        *,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        work_s: float = 0.0,
        confidence: float | None = None,
        ttft_s: float | None = None,
    ) -> None:
        """What answering took. `work_s`: seconds of the engine's work that this answer accounts for."""
        figures = self._door.figures
        self.cost_usd += work_s * figures.usd_per_s
        self.energy_wh = None if figures.watts is None else work_s * figures.watts / 3600
        self._row = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "confidence": None if confidence is None else min(1.0, max(0.0, confidence)),
            "ttft_us": None if ttft_s is None else round(ttft_s * 1e6),
            "energy_method": figures.energy_method,
        }

    def went(self, outcomes: Sequence[Outcome]) -> None:
        """What became of the answers: the row's route is the one that says most of a request with several."""
        self.outcomes = outcomes
        routes = {each.route for each in outcomes}
        self.route = next((each for each in _SAYS_MOST if each in routes), "local")
        for each in outcomes:
            if each.left is not None:
                self.sent(each.left)

    def sent(self, left: Left) -> None:
        """What left this machine, whatever came back."""
        self.egress_bytes += left.bytes
        self.egress_to = left.to
        self.cost_usd += left.cost_usd or 0.0
        self.egress_usd += left.cost_usd or 0.0

    @property
    def bounded(self) -> bool:
        """Has the key a budget?"""
        return self.key is not None and self.key.limits.money

    def hold(self, most_usd: float | None) -> float:
        """Of the key's budget, for a question that may leave. Raises: OverLimit; EgressDenied without a price."""
        if self._permit is None or not self.bounded:
            return 0.0
        if most_usd is None:
            raise EgressDenied(
                "no_price",
                "this key has a budget, but no price is known for the model",
                "the operator states it under upstreams: prices: {MODEL: [IN, OUT]}",
            )
        self._permit.hold(most_usd)
        return most_usd

    def settle(self, held: float, cost_usd: float) -> None:
        """What a question did cost: held until the visit ends, when it is spent."""
        if self._permit is not None and self.bounded:
            self._permit.exchange(held, cost_usd)

    def gave_up(self, left: Left, prompt_tokens: int, completion_tokens: int) -> None:
        """Nobody waits for the answer; what had left is told all the same, unless the row is on its way already."""
        if self._open:
            self.report(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
            self.sent(left)

    @property
    def error_code(self) -> str | None:
        return self._error_code

    def elapsed_s(self) -> float:
        """Since the request's head had been read."""
        return time.perf_counter() - self._started

    def keep(self, asked: str, answered: str) -> None:
        """Texts go into the ledger where the task asks for it, and nowhere else."""
        if self.entry is not None and self.entry.terms.policy.texts_days is not None:
            self._texts = Texts(asked, answered)

    def failed(self, error: JanginError) -> None:
        self.route, self._error_code, self._status = "failed", error.code, error_status(error)
        if isinstance(error, Overloaded) and self._open:
            self._turned_away = True
            self._door.refused[error.status] += 1

    async def close(self, status: int | None = None) -> None:
        """Settles with the key and commits the row, except of one for whom there was no room. A second call does
        nothing. Raises: StorageError.

        status: of HTTP; None: that of what failed.
        """
        if not self._open:
            return
        self._open = False
        status = self._status if status is None else status
        row = self._row
        try:
            self.row = self._as_row(status)
            if self._door.ledger is not None and not self._turned_away:
                begun = time.perf_counter()
                await self._door.ledger.append(self.row, self._texts)
                self.commit_s = time.perf_counter() - begun
        finally:
            if self._permit is not None:
                tokens = int(row.get("prompt_tokens") or 0) + int(row.get("completion_tokens") or 0)
                self._permit.settle(tokens, self.cost_usd)

    def _as_row(self, status: int) -> Row:
        entry = self.entry
        certificate = entry.certificate if entry else None
        reference_usd = certificate.reference_usd if certificate else None
        return Row(
            id=self.request_id,
            at=self.at,
            task=self.task,
            endpoint=self.endpoint,
            route=self.route,
            status=status,
            key_id=self.key.id if self.key else "",
            specialist=entry.info.sha256[:16] if entry else "",
            duration_us=round((time.perf_counter() - self._started) * 1e6),
            cost_usd=self.cost_usd,
            energy_wh=self.energy_wh,
            egress_bytes=self.egress_bytes,
            egress_to=self.egress_to,
            certificate=certificate.id if certificate else None,
            reference_cost_usd=None if reference_usd is None else reference_usd * self.answers,
            error_code=self._error_code,
            **self._row,  # type: ignore[arg-type]  # the names and types of `report`
        )


def identify(scope: Scope) -> str:
    """What the client calls its request; a name that was drawn where it says nothing, or nothing that may be told."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return bytes(value).decode()
    return drawn_id()


def drawn_id() -> str:
    """24 hexadecimal digits: the time in units of 65 microseconds, then 48 drawn bits.

    The ledger has an index of them. Drawn bits alone would land all over it, each on a page of its own that a commit
    writes again: 16 rows took three times the processor time (48,000 rows in the file, decision 0015).
    """
    return f"{time.time_ns() >> 16:012x}{os.urandom(6).hex()}"


def _secret(scope: Scope) -> bytes:
    """The bearer token; empty without one. OpenAI's clients send it so. Two of them are none: a proxy may have looked
    at the other."""
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(found) == 1 and len(found[0]) <= MOST_HEADER and found[0][:7].lower() == BEARER:
        return bytes(found[0][7:].strip())
    return b""


def from_this_machine(scope: Scope) -> bool:
    """False for what a browser sends for a page of another site: its `origin` is not here, or a name that was made to
    point here shows in `host`."""
    for name, value in scope["headers"]:
        if name == b"host":
            if not _is_here(value):
                return False
        elif name == b"origin":
            if not _is_here(value.partition(b"://")[2]):
                return False
        elif name == b"sec-fetch-site" and value == b"cross-site":
            return False
    return True


def _is_here(host: bytes) -> bool:
    """'127.0.0.1:8080', '[::1]', 'localhost'."""
    if host.startswith((b"127.0.0.1", b"localhost")) and (host in _HERE or host[9:10] == b":"):
        return True
    name = host.decode("latin-1").rpartition("]")[0].removeprefix("[") or host.decode("latin-1").partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _spent(ledger: Ledger) -> Callable[[str, datetime], float]:
    def spent(key_id: str, since: datetime) -> float:
        return ledger.totals(key_id, int(since.astimezone(UTC).timestamp() * 1e6)).cost_usd

    return spent
