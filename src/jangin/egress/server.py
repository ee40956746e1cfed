"""What the server's operator allows: which APIs there are, with whose keys, at what pace; it can only narrow a task's
policy."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from jangin.errors import InputError
from jangin.models.endpoint import Endpoint, endpoint
from jangin.policy import REDACT, Allowed, Budget, Policy, Reading, origin_of
from jangin.prices import TokenPrice

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_KEYS = ("egress", "redact", "upstreams", "budget", "capture", "capture_folder")
_UPSTREAM_KEYS = (
    *("url", "key_env", "models", "prices", "timeout_s", "connect_timeout_s", "deadline_s", "tries", "max_tokens"),
    *("at_once", "requests_per_minute", "tokens_per_minute", "insecure_http"),
)


class Upstream(msgspec.Struct, frozen=True):
    """One OpenAI-compatible API.

    origin: what a task's allow-list names. key_env: the environment variable with its key; None: it takes none.
    models: None for those that the task names. prices: model -> (prompt, answer) in US dollars per million tokens, for
    those that the price list does not know. timeout_s: of silence, on one try; deadline_s: of a whole answer with all
    its tries, and with the waits between them. max_tokens: of an answer whose request sets no limit.
    at_once: requests under way at a time.
    """

    origin: str
    where: Endpoint
    key_env: str | None = None
    models: tuple[str, ...] | None = None
    prices: dict[str, tuple[float, float]] = {}
    timeout_s: float = 60.0
    connect_timeout_s: float = 5.0
    deadline_s: float = 120.0
    tries: int = 4
    max_tokens: int = 1024
    at_once: int = 32
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def price(self, model: str) -> TokenPrice | None:
        """The operator's own, where there is one."""
        found = self.prices.get(model)
        return None if found is None else TokenPrice(model, *found, "the operator's configuration", "")


class Server(msgspec.Struct, frozen=True):
    """The operator's side. Without upstreams nothing leaves, whatever a task says.

    keep_days: the longest that a task may keep what it captures; None: nothing is captured.
    """

    egress: str = "deny"
    redact: str = "none"
    upstreams: tuple[Upstream, ...] = ()
    budget: Budget = Budget()
    keep_days: int | None = None
    capture_folder: str | None = None

    def upstream(self, origin: str) -> Upstream | None:
        return next((each for each in self.upstreams if each.origin == origin), None)


def read_server(value: Any, file: str) -> Server:
    """The mapping that a server's configuration holds under `egress:`. No key stands in it, only names of variables.

    Raises: InputError naming file, key, value and what was expected.
    """
    reading = Reading(file, InputError)
    given = reading.mapping("egress", value, _KEYS)
    found: dict[str, Any] = {}
    if "egress" in given:
        found["egress"] = reading.choice("egress.egress", given["egress"], ("deny", "allow"))
    if "redact" in given:
        found["redact"] = reading.choice("egress.redact", given["redact"], REDACT)
    if "budget" in given:
        found["budget"] = reading.budget("egress.budget", given["budget"])
    if "capture" in given:
        found["keep_days"] = reading.kept("egress.capture", given["capture"])
    if "capture_folder" in given:
        folder = given["capture_folder"]
        if not isinstance(folder, str) or not folder.strip():
            raise reading.wrong("egress.capture_folder", folder, "the path of a folder")
        found["capture_folder"] = folder
    if "upstreams" in given:
        found["upstreams"] = _upstreams(reading, given["upstreams"])
    server = Server(**found)
    if server.egress == "allow" and not server.upstreams:
        raise reading.refuse(
            "egress.egress is allow, but egress.upstreams names no API",
            "add 'upstreams: [{url: https://api.openai.com/v1, key_env: OPENAI_API_KEY}]', say",
        )
    if server.keep_days is not None and server.capture_folder is None:
        raise reading.refuse("egress.capture is on, but egress.capture_folder is missing", "name a folder")
    return server


def _upstreams(reading: Reading, value: Any) -> tuple[Upstream, ...]:
    if not isinstance(value, list) or not value:
        raise reading.wrong("egress.upstreams", value, "a list such as [{url: https://api.openai.com/v1}]")
    found: list[Upstream] = []
    for position, each in enumerate(value):
        upstream = _upstream(reading, f"egress.upstreams[{position}]", each)
        if any(upstream.origin == other.origin for other in found):
            raise reading.refuse(f"egress.upstreams names {upstream.origin} twice", "keep one of them")
        found.append(upstream)
    return tuple(found)


def _upstream(reading: Reading, key: str, value: Any) -> Upstream:
    given = reading.mapping(key, value, _UPSTREAM_KEYS)
    if "url" not in given:
        raise reading.refuse(f"'{key}.url' is missing", "write the base URL, as https://api.openai.com/v1")
    origin = reading.origin(f"{key}.url", given["url"])
    insecure = given.get("insecure_http", False)
    if not isinstance(insecure, bool):
        raise reading.wrong(f"{key}.insecure_http", insecure, "true or false")
    where = endpoint(given["url"], insecure_http=True)
    if not (where.secure or where.local or insecure):
        raise reading.refuse(
            f"{key}.url: plain http to {where.host} would send texts and the key unencrypted over the network",
            "use https, or write 'insecure_http: true' where that network is your own",
        )
    found: dict[str, Any] = {"origin": origin, "where": where}
    if "key_env" in given:
        name = given["key_env"]
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):  # somebody may have given the key itself
            raise reading.refuse(
                f"{key}.key_env is no name of an environment variable", "write OPENAI_API_KEY, say, and export the key"
            )
        found["key_env"] = name
    if "models" in given:
        found["models"] = reading.models(f"{key}.models", given["models"])
    if "prices" in given:
        found["prices"] = _prices(reading, f"{key}.prices", given["prices"])
    for name in ("timeout_s", "connect_timeout_s", "deadline_s"):
        if name in given:
            found[name] = reading.number(f"{key}.{name}", given[name], 0, 3600, "seconds above 0 and below 3600")
    limits = {"tries": 20, "max_tokens": 1 << 20, "at_once": 10_000, "requests_per_minute": 1 << 30}
    for name, high in {**limits, "tokens_per_minute": 1 << 40}.items():
        if name in given:
            found[name] = reading.whole(f"{key}.{name}", given[name], high, f"a whole number from 1 to {high:,}")
    return Upstream(**found)


def _prices(reading: Reading, key: str, value: Any) -> dict[str, tuple[float, float]]:
    if not isinstance(value, dict):
        raise reading.wrong(key, value, "prices by model, such as {gpt-4o: [2.5, 10]}")
    found = {}
    for model, pair in value.items():
        if not isinstance(pair, list) or len(pair) != 2:
            raise reading.wrong(f"{key}.{model}", pair, "US dollars per million prompt and answer tokens: [2.5, 10]")
        expected = "US dollars per million tokens, 0 or more"
        found[str(model)] = (
            reading.number(f"{key}.{model}[0]", pair[0], -1e-300, 1e6, expected),
            reading.number(f"{key}.{model}[1]", pair[1], -1e-300, 1e6, expected),
        )
    return found


def effective(policy: Policy, server: Server | None) -> Policy:
    """What holds for a task on this server: never wider than either. None: a server without a word on egress denies it.

    Where nothing may leave, an unsure answer that was to be escalated is abstained from.
    """
    endpoints = () if server is None or server.egress == "deny" else _both(policy.endpoints, server)
    if server is None or policy.egress == "deny" or not endpoints:
        unsure = "abstain" if policy.unsure == "escalate" else policy.unsure
        kept = {name: getattr(policy, name) for name in ("target", "confidence", "audit", "texts_days")}
        return Policy(unsure=unsure, **kept)
    days = None
    if policy.keep_days is not None and server.keep_days is not None:
        days = min(policy.keep_days, server.keep_days)
    return msgspec.structs.replace(
        policy,
        endpoints=endpoints,
        redact="pii" if "pii" in (policy.redact, server.redact) else "none",
        budget=Budget(
            _least(policy.budget.usd_per_day, server.budget.usd_per_day),
            _least(policy.budget.usd_per_month, server.budget.usd_per_month),
        ),
        keep_days=days,
    )


def _both(wanted: tuple[Allowed, ...], server: Server) -> tuple[Allowed, ...]:
    found = []
    for each in wanted:
        upstream = server.upstream(origin_of(each.origin) or "")
        if upstream is None:
            continue
        models = tuple(name for name in each.models if upstream.models is None or name in upstream.models)
        if models:
            found.append(Allowed(each.origin, models))
    return tuple(found)


def _least(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)
