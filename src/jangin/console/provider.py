"""Who may sign in by OpenID Connect: `oidc:` of the operator's file, and what a person's claims make of them here."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from jangin.access.keys import ROLES, Key, Role
from jangin.errors import InputError
from jangin.models.endpoint import endpoint
from jangin.policy import Reading

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_KEYS = (
    "issuer",
    "client_id",
    "client_secret_env",
    "client_secret_file",
    "address",
    "name",
    "scopes",
    "origins",
    "roles",
)
_RULE_KEYS = ("claim", "value", "roles", "tasks")
MOST_SECRET = 4_096
SHOWN = ("email", "preferred_username", "name", "sub")  # what a person is called, the first that is there
_UNFIT = re.compile(r"[^\w .@+\-]")


class Rule(msgspec.Struct, frozen=True):
    """Whoever has one of `values` in `claim` has these roles; tasks None: for every specialist."""

    claim: str
    values: tuple[str, ...]
    roles: tuple[Role, ...]
    tasks: tuple[str, ...] | None = None


class Provider(msgspec.Struct, frozen=True):
    """An issuer that signs people in.

    address: of this server, as browsers reach it. name: on the sign-in page. origins: where besides the issuer's own
    origin this server may ask for keys and tokens. secret_env: the variable that holds the secret, kept from engines.
    """

    issuer: str
    client_id: str
    address: str
    rules: tuple[Rule, ...]
    origins: tuple[str, ...]
    secret: str | None = None
    secret_env: str | None = None
    name: str = ""
    scopes: tuple[str, ...] = ("openid", "email", "profile")

    def __repr__(self) -> str:
        return f"Provider({self.issuer}, {self.client_id})"  # the secret stays out of logs and tracebacks

    def person(self, claims: Mapping[str, Any]) -> Key | None:
        """What these claims, which were verified, make of somebody; None: nothing is theirs here.

        Limits, ledger and audit log count by its `id`, which follows from issuer and subject.
        """
        fitting = [rule for rule in self.rules if _fits(claims, rule)]
        if not fitting:
            return None
        held = {role for rule in fitting for role in rule.roles}
        tasks: tuple[str, ...] | None = None
        if all(rule.tasks is not None for rule in fitting):
            tasks = tuple(dict.fromkeys(task for rule in fitting for task in rule.tasks or ()))
        subject = hashlib.sha256(f"{self.issuer}\0{claims['sub']}".encode()).hexdigest()[:12]
        called = next(str(claims[name]) for name in SHOWN if claims.get(name))
        roles = tuple(role for role in ROLES if role in held)
        return Key(id=f"oidc_{subject}", name=_UNFIT.sub("_", called)[:64], roles=roles, tasks=tasks)


def _fits(claims: Mapping[str, Any], rule: Rule) -> bool:
    found = _claim(claims, rule.claim)
    given = {str(each) for each in found} if isinstance(found, list) else {str(found)} if found is not None else set()
    if rule.claim == "email":  # anybody can write an address that is not theirs, where nobody verifies it
        if claims.get("email_verified") not in (True, "true"):
            return False
        return bool({each.casefold() for each in given} & {each.casefold() for each in rule.values})
    return bool(given & set(rule.values))


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name; with dots, one within another: realm_access.roles."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def read_provider(value: Any, file: str, environment: Mapping[str, str] = os.environ) -> Provider:
    """The mapping that the operator's file holds under `oidc:`. The secret stands in the environment or in a file of
    its own. Raises: InputError naming file, key, value and what was expected."""
    reading = Reading(file, InputError)
    given = reading.mapping("oidc", value, _KEYS)
    for name in ("issuer", "client_id", "address", "roles"):
        if name not in given:
            raise reading.refuse(f"'oidc.{name}' is missing", "see docs/console.md, Signing in")
    found: dict[str, Any] = {"client_id": _text(reading, "oidc.client_id", given["client_id"])}
    found["issuer"] = _address(reading, "oidc.issuer", given["issuer"]).rstrip("/")
    if str(given["issuer"]).endswith("/"):
        found["issuer"] += "/"  # issuers are compared letter by letter
    address = _address(reading, "oidc.address", given["address"]).rstrip("/")
    if urlsplit(address).path:
        raise reading.wrong("oidc.address", address, "where this server is reached, without a path")
    found["address"] = address
    found["name"] = _text(reading, "oidc.name", given.get("name", urlsplit(found["issuer"]).hostname))
    origins = [reading.origin("oidc.issuer", found["issuer"])]
    for at, each in enumerate(given.get("origins", [])):
        origins.append(reading.origin(f"oidc.origins[{at}]", _address(reading, f"oidc.origins[{at}]", each)))
    found["origins"] = tuple(dict.fromkeys(origins))
    if "scopes" in given:
        found["scopes"] = (
            "openid",
            *(s for s in reading.names("oidc.scopes", given["scopes"], "scopes") if s != "openid"),
        )
    found["secret"], found["secret_env"] = _secret(reading, given, environment)
    if not isinstance(given["roles"], list) or not given["roles"]:
        raise reading.wrong("oidc.roles", given["roles"], "a list such as [{claim: groups, value: ml, roles: [ask]}]")
    found["rules"] = tuple(_rule(reading, f"oidc.roles[{at}]", each) for at, each in enumerate(given["roles"]))
    return Provider(**found)


def _address(reading: Reading, key: str, value: Any) -> str:
    reading.origin(key, value)
    where = endpoint(value, insecure_http=True)
    if not (where.secure or where.local):
        raise reading.refuse(f"{key} is {value}: plain http over a network", "use https; http only on this machine")
    return str(value)


def _text(reading: Reading, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        raise reading.wrong(key, value, "text")
    return value.strip()


def _secret(reading: Reading, given: dict[str, Any], environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """(the secret, the variable it came from). Neither is repeated in a message."""
    named, file = given.get("client_secret_env"), given.get("client_secret_file")
    if named is not None and file is not None:
        raise reading.refuse("oidc names both client_secret_env and client_secret_file", "keep one of them")
    if named is not None:
        if not isinstance(named, str) or not _VARIABLE.fullmatch(named):
            raise reading.refuse(
                "oidc.client_secret_env is no name of an environment variable", "write JANGIN_OIDC_SECRET, say"
            )
        if not environment.get(named):
            raise reading.refuse(f"oidc.client_secret_env: {named} is not set", "export it, or name a file")
        return environment[named], named
    if file is None:
        return None, None  # a public client: PKCE alone
    try:
        text = Path(str(file)).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError, ValueError):
        text = ""
    if not 0 < len(text) <= MOST_SECRET:
        raise reading.refuse("oidc.client_secret_file: no secret can be read there", "name a file that holds it alone")
    return text, None


def _rule(reading: Reading, key: str, value: Any) -> Rule:
    given = reading.mapping(key, value, _RULE_KEYS)
    for name in ("claim", "value", "roles"):
        if name not in given:
            raise reading.refuse(f"'{key}.{name}' is missing", "write {claim: groups, value: ml-team, roles: [ask]}")
    wanted = given["value"] if isinstance(given["value"], list) else [given["value"]]
    values = reading.names(f"{key}.value", wanted, "values such as [ml-team]")
    roles = reading.names(f"{key}.roles", given["roles"], "roles", ROLES)
    tasks = None if "tasks" not in given else reading.names(f"{key}.tasks", given["tasks"], "tasks' names")
    return Rule(_text(reading, f"{key}.claim", given["claim"]), values, roles, tasks)  # type: ignore[arg-type]
