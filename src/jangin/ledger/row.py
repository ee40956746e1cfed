"""What the ledger keeps of a request, what it can be asked for, and its clock: UTC, in microseconds since 1970."""

from __future__ import annotations

import datetime
import time
from typing import Literal

import msgspec

from jangin.errors import InputError

Route = Literal["local", "escalated", "refused", "abstained", "failed"]
ROUTES: tuple[str, ...] = ("local", "escalated", "refused", "abstained", "failed")
DAY_US = 86_400_000_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request. A column holds names, counts and hashes: never a text, a key or a secret.

    at: when it arrived, UTC, microseconds since 1970. key_id: the key's name, "" without keys; never the key.
    specialist: 16 hexadecimal digits of its sha256, "" when none answered. status: of HTTP. confidence: 0 to 1.
    cost_usd: what this answer cost; reference_cost_usd: what the replaced model would have cost, None when not known.
    energy_method: how energy_wh was obtained. egress_bytes: bytes that left, to the host egress_to.
    """

    id: str
    at: int
    task: str
    endpoint: str
    route: Route
    status: int
    key_id: str = ""
    specialist: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    duration_us: int = 0
    ttft_us: int | None = None
    confidence: float | None = None
    cost_usd: float = 0.0
    energy_wh: float | None = None
    energy_method: str | None = None
    egress_bytes: int = 0
    egress_to: str | None = None
    reference_cost_usd: float | None = None
    certificate: str | None = None
    error_code: str | None = None


COLUMNS: tuple[str, ...] = Row.__struct_fields__


class Texts(msgspec.Struct, frozen=True):
    """What was asked and answered, kept only for a task that asks for it, in a table with a retention of its own."""

    input: str
    output: str


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows: since <= at < until (UTC, microseconds), and equal to what else is given. `errors`: status >= 400."""

    since: int | None = None
    until: int | None = None
    task: str | None = None
    key_id: str | None = None
    route: Route | None = None
    errors: bool = False
    id: str | None = None


class Page(msgspec.Struct, frozen=True):
    """Rows, newest first. `next` asks `query` for the page after this one; None: there is none.

    `texts` holds those that are stored, by the row's position in `rows`; empty unless they were asked for.
    """

    rows: list[Row]
    next: str | None
    texts: dict[int, Texts] = {}


class Totals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sums over requests; `group` says of which (by name: task, key_id, specialist, route; day as 2026-11-29).

    energy_wh covers `energy_known` of the requests. reference_cost_usd covers `compared` of them, which themselves
    cost compared_cost_usd: what was saved is the difference of these two.
    """

    group: dict[str, str] = {}
    requests: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    duration_us: int = 0
    cost_usd: float = 0.0
    energy_wh: float = 0.0
    energy_known: int = 0
    egress_bytes: int = 0
    compared: int = 0
    reference_cost_usd: float = 0.0
    compared_cost_usd: float = 0.0


SUMS: tuple[str, ...] = Totals.__struct_fields__[1:]
DIMENSIONS: tuple[str, ...] = ("day", "task", "key_id", "specialist", "route")


def now_us() -> int:
    """UTC now, microseconds since 1970."""
    return time.time_ns() // 1000


def moment(text: str) -> int:
    """'2026-11-29', '2026-11-29T08:00' or with an offset, in microseconds since 1970. Without an offset it is UTC.

    Raises: InputError.
    """
    try:
        found = datetime.datetime.fromisoformat(text)
        found = found.replace(tzinfo=datetime.UTC) if found.tzinfo is None else found
        return (found - _EPOCH) // datetime.timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise InputError(
            f"'{text}' is not a time; expected a date or a time of ISO 8601", "write 2026-11-29 or 2026-11-29T08:00"
        ) from None


def spell(at: int) -> str:
    """Microseconds since 1970 as ISO 8601 in UTC: 2026-11-29T08:00:00.000000Z."""
    return (_EPOCH + datetime.timedelta(microseconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def day_of(number: int) -> str:
    """Days since 1970 as a date."""
    return (_EPOCH + datetime.timedelta(days=number)).date().isoformat()
