"""`policy:` of the task file: what may leave the machine, to where, in what form, and what an unsure answer becomes.

Nothing leaves by default. What allows something is written out; keys that would have no effect are refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from jangin.errors import InputError, TaskError

ROLES = ("system", "developer", "user", "assistant")
TEXT_PARAMETERS = ("response_format", "stop")  # parameters of a chat request that hold texts of the client's own
UNSURE = ("escalate", "abstain", "refuse")
REDACT = ("pii", "none")
MAX_KEEP_DAYS = 3650
_PORTS = {"http": 80, "https": 443}
_MODEL = re.compile(r"[!-~]{1,200}")


class Allowed(msgspec.Struct, frozen=True):
    """An endpoint that a task may be answered by: an origin such as https://api.openai.com, and its models' names."""

    origin: str
    models: tuple[str, ...]


class Leaving(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which parts of a request may leave.

    roles: of chat messages. keys: of messages that hold a JSON object, its top-level keys; None: messages are texts and
    leave whole. parameters: those of TEXT_PARAMETERS that may go along.
    """

    roles: tuple[str, ...] = ("user",)
    keys: tuple[str, ...] | None = None
    parameters: tuple[str, ...] = ()


class Budget(msgspec.Struct, frozen=True, omit_defaults=True):
    """US dollars that one task may spend, by day and by month (UTC). None: no limit."""

    usd_per_day: float | None = None
    usd_per_month: float | None = None

    @property
    def limited(self) -> bool:
        return self.usd_per_day is not None or self.usd_per_month is not None


class Policy(msgspec.Struct, frozen=True):
    """What may leave the machine, and what happens to an answer below the threshold.

    target, confidence: of the answers given locally at least `target` are right, with this confidence; None: nothing is
    promised, every answer is given whatever its confidence, and `unsure` has no effect.
    audit: share of the answers under a promise that are drawn for somebody to say whether they were right.
    keep_days: how long captured exchanges are kept; None: nothing is captured.
    texts_days: how long what was asked and answered here is kept in the ledger; None: no text is.
    """

    egress: str = "deny"
    unsure: str = "abstain"
    endpoints: tuple[Allowed, ...] = ()
    fields: Leaving = Leaving()
    redact: str = "pii"
    target: float | None = None
    confidence: float = 0.95
    audit: float = 0.0
    budget: Budget = Budget()
    keep_days: int | None = None
    texts_days: int | None = None

    def document(self) -> dict[str, Any]:
        """As the task file says it; what was left to its default is left out, but for egress and unsure."""
        found: dict[str, Any] = {"egress": self.egress, "unsure": self.unsure}
        if self.endpoints:
            found["endpoints"] = [{"url": each.origin, "models": list(each.models)} for each in self.endpoints]
        if self.fields != Leaving():
            fields = msgspec.to_builtins(self.fields)
            found["fields"] = {name: list(value) for name, value in fields.items() if value is not None}
        plain = Policy()
        found |= {
            name: getattr(self, name)
            for name in ("redact", "target", "confidence", "audit")
            if getattr(self, name) != getattr(plain, name)
        }
        if self.budget.limited:
            found["budget"] = msgspec.to_builtins(self.budget)
        if self.keep_days is not None:
            found["capture"] = {"keep_days": self.keep_days}
        if self.texts_days is not None:
            found["texts"] = {"keep_days": self.texts_days}
        return found

    def promise(self) -> dict[str, Any]:
        """The part that belongs to the job itself. Where a question may go, and for how much, may change without a new
        specialist."""
        return {
            key: value for key, value in self.document().items() if key in ("egress", "unsure", "target", "confidence")
        }


def origin_of(url: str) -> str | None:
    """'https://API.openai.com:443/v1' -> 'https://api.openai.com'; None for what is no http address or holds a
    password."""
    try:
        parts = urlsplit(url.strip())
        name, port = parts.hostname, parts.port
        name = name.encode("idna").decode() if name and not name.isascii() else name
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not name or parts.username is not None or parts.password is not None:
        return None
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


class Reading:
    """Checks the values of one file; every refusal names the file, the key, the value and what was expected."""

    def __init__(self, file: str, error: type[InputError] = TaskError):
        self.file, self.error = file, error

    def wrong(self, key: str, value: Any, expected: str, hint: str | None = None) -> InputError:
        shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
        return self.error(f"{self.file}: {key} is {shown}; expected {expected}", hint)

    def refuse(self, message: str, hint: str | None = None) -> InputError:
        return self.error(f"{self.file}: {message}", hint)

    def mapping(self, key: str, value: Any, allowed: Iterable[str]) -> dict[str, Any]:
        """Without the keys whose value is null."""
        allowed = tuple(allowed)
        if not isinstance(value, dict):
            raise self.wrong(key, value, f"keys out of {', '.join(allowed)}")
        prefix = f"{key}." if key else ""
        for name in value:
            if name not in allowed:
                near = difflib.get_close_matches(str(name), allowed, n=1, cutoff=0.6)
                hint = f"did you mean '{near[0]}'?" if near else f"the keys here are: {', '.join(allowed)}"
                raise self.refuse(f"unknown key '{prefix}{name}'", hint)
        return {name: each for name, each in value.items() if each is not None}

    def choice(self, key: str, value: Any, choices: tuple[str, ...]) -> str:
        if value not in choices:
            near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.6)
            raise self.wrong(key, value, f"one of {', '.join(choices)}", f"did you mean '{near[0]}'?" if near else None)
        return value

    def number(self, key: str, value: Any, low: float, high: float, expected: str) -> float:
        """low < value < high."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not low < value < high:
            raise self.wrong(key, value, expected)
        return float(value)

    def whole(self, key: str, value: Any, high: int, expected: str) -> int:
        """1 <= value <= high."""
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= high:
            raise self.wrong(key, value, expected)
        return value

    def names(self, key: str, value: Any, expected: str, known: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of different texts, at least one; `known`: those that there are."""
        if not isinstance(value, list) or not value:
            raise self.wrong(key, value, f"a list of {expected}")
        for position, each in enumerate(value):
            if known is not None:
                self.choice(f"{key}[{position}]", each, known)
            elif not isinstance(each, str) or not each:
                raise self.wrong(f"{key}[{position}]", each, "text", "write it in quotes")
            if each in value[:position]:
                raise self.refuse(f"{key} names {each!r} twice", "keep one of them")
        return tuple(value)

    def origin(self, key: str, value: Any) -> str:
        expected = "an address such as https://api.openai.com"
        found = origin_of(value) if isinstance(value, str) else None
        if found is None:
            held = isinstance(value, str) and "@" in value  # it may be a password: not to be repeated
            raise self.wrong(key, "..." if held else value, expected)
        return found

    def models(self, key: str, value: Any) -> tuple[str, ...]:
        names = self.names(key, value, "models' names such as [gpt-4o]")
        for position, name in enumerate(names):
            if not _MODEL.fullmatch(name):
                raise self.wrong(f"{key}[{position}]", name, "a model's name as the endpoint calls it, without spaces")
        return names

    def budget(self, key: str, value: Any) -> Budget:
        given = self.mapping(key, value, Budget.__struct_fields__)
        inf = float("inf")
        found = Budget(
            **{name: self.number(f"{key}.{name}", each, 0, inf, "US dollars above 0") for name, each in given.items()}
        )
        if not found.limited:
            raise self.wrong(key, value, "usd_per_day, usd_per_month or both")
        if (found.usd_per_day or 0) > (found.usd_per_month or inf):
            raise self.refuse(f"{key}.usd_per_day is more than {key}.usd_per_month", "lower the one or raise the other")
        return found

    def kept(self, key: str, value: Any) -> int | None:
        """Days, or None for off. YAML reads a bare off as False."""
        if value is False or value == "off":
            return None
        if value is True or value == "on":
            raise self.refuse(
                f"{key} is on, but does not say for how long texts are kept", f"write '{key}: {{keep_days: 30}}'"
            )
        given = self.mapping(key, value, ("keep_days",))
        if "keep_days" not in given:
            raise self.wrong(key, value, "off, or how long texts are kept: {keep_days: 30}")
        expected = f"whole days from 1 to {MAX_KEEP_DAYS}"
        return self.whole(f"{key}.keep_days", given["keep_days"], MAX_KEEP_DAYS, expected)


_KEYS = (
    *("egress", "unsure", "endpoints", "fields", "redact", "target", "confidence", "audit", "budget", "capture"),
    "texts",
)
PROMISED = 0.95  # where an answer is to be escalated when unsure, and no target says how sure
_OF_EGRESS = ("endpoints", "fields", "redact", "budget", "capture")


def read_policy(value: Any, file: str) -> Policy:
    """Raises: TaskError for an unknown key, a wrong value, or keys that contradict each other."""
    reading = Reading(file)
    given = reading.mapping("policy", value, _KEYS)
    found: dict[str, Any] = {}
    for key, choices in (("egress", ("deny", "allow")), ("unsure", UNSURE), ("redact", REDACT)):
        if key in given:
            found[key] = reading.choice(f"policy.{key}", given[key], choices)
    for key in ("target", "confidence"):
        if key in given:
            expected = "a number above 0.5 and below 1"
            found[key] = reading.number(f"policy.{key}", given[key], 0.5, 1, expected)
    if "audit" in given:
        found["audit"] = reading.number("policy.audit", given["audit"], 0, 1, "a share above 0 and below 1")
    if found.get("unsure") == "escalate":
        found.setdefault("target", PROMISED)
    if "endpoints" in given:
        found["endpoints"] = _endpoints(reading, given["endpoints"])
    if "fields" in given:
        found["fields"] = _fields(reading, given["fields"])
    if "budget" in given:
        found["budget"] = reading.budget("policy.budget", given["budget"])
    if "capture" in given:
        found["keep_days"] = reading.kept("policy.capture", given["capture"])
    if "texts" in given:
        found["texts_days"] = reading.kept("policy.texts", given["texts"])
    policy = Policy(**found)
    _agree(reading, policy, given)
    return policy


def _agree(reading: Reading, policy: Policy, given: dict[str, Any]) -> None:
    for key in ("confidence", "audit"):
        if key in given and policy.target is None:
            raise reading.refuse(
                f"policy.{key} belongs to a promise, but policy.target makes none",
                "write 'target: 0.95', say, or remove it",
            )
    if policy.egress == "deny":
        if policy.unsure == "escalate":
            raise reading.refuse(
                "policy.unsure is escalate, but policy.egress is deny: nothing may leave",
                "write 'egress: allow' with its endpoints, or 'unsure: abstain'",
            )
        for key in _OF_EGRESS:
            if key in given and not (key == "capture" and policy.keep_days is None):
                raise reading.refuse(
                    f"policy.{key} says what may leave, but policy.egress is deny",
                    "remove it, or write 'egress: allow'",
                )
    elif not policy.endpoints:
        raise reading.refuse(
            "policy.egress is allow, but policy.endpoints names no endpoint",
            "add 'endpoints: [{url: https://api.openai.com, models: [gpt-4o]}]', say",
        )


def _endpoints(reading: Reading, value: Any) -> tuple[Allowed, ...]:
    if not isinstance(value, list) or not value:
        raise reading.wrong(
            "policy.endpoints", value, "a list such as [{url: https://api.openai.com, models: [gpt-4o]}]"
        )
    found: list[Allowed] = []
    for position, each in enumerate(value):
        key = f"policy.endpoints[{position}]"
        given = reading.mapping(key, each, ("url", "models"))
        for name in ("url", "models"):
            if name not in given:
                raise reading.refuse(f"'{key}.{name}' is missing", "write '{url: https://..., models: [...]}'")
        origin = reading.origin(f"{key}.url", given["url"])
        if any(origin == other.origin for other in found):
            raise reading.refuse(f"policy.endpoints names {origin} twice", "list its models in one entry")
        found.append(Allowed(origin, reading.models(f"{key}.models", given["models"])))
    return tuple(found)


def _fields(reading: Reading, value: Any) -> Leaving:
    given = reading.mapping("policy.fields", value, Leaving.__struct_fields__)
    found: dict[str, Any] = {}
    if "roles" in given:
        found["roles"] = reading.names("policy.fields.roles", given["roles"], "roles such as [user]", ROLES)
    if "keys" in given:
        found["keys"] = reading.names("policy.fields.keys", given["keys"], "keys of a JSON object")
    if "parameters" in given:
        names = reading.names("policy.fields.parameters", given["parameters"], "parameters", TEXT_PARAMETERS)
        found["parameters"] = names
    return Leaving(**found)
