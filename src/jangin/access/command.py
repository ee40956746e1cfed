"""The verb `keys`: add, list, rotate and revoke the API keys of a server, also while it runs."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from typing import Any

from jangin.access.keys import Key, Keys, Limits
from jangin.errors import InputError
from jangin.state import KEYS, state_folder

ONCE = "it is shown this once and kept as a hash only"
LIMITS = ("requests_per_minute", "tokens_per_minute", "concurrent", "usd_per_day", "usd_per_month")


def run(arguments: Namespace) -> tuple[Any, list[str]]:
    """(document, lines) to print. Raises: InputError, StorageError."""
    keys = Keys(state_folder(arguments.state) / KEYS)
    act = {"add": _add, "list": _list, "rotate": _rotate, "revoke": _revoke}[arguments.act]
    return act(keys, arguments)


def about(key: Key) -> dict[str, Any]:
    """What may be shown of a key: everything but its hashes."""
    return {
        "id": key.id,
        "name": key.name,
        "roles": list(key.roles),
        "tasks": None if key.tasks is None else list(key.tasks),
        "limits": {name: value for name in LIMITS if (value := getattr(key.limits, name)) is not None},
        "created": _time(key.created),
        "expires": _time(key.expires),
        "revoked": _time(key.revoked),
        "secrets": [{"created": _time(one.created), "expires": _time(one.expires)} for one in key.secrets],
    }


def _add(keys: Keys, arguments: Namespace) -> tuple[Any, list[str]]:
    key, secret = keys.add(
        _named(arguments),
        roles=tuple(arguments.role or ("ask",)),
        tasks=arguments.task,
        limits=Limits(**{name: getattr(arguments, name) or None for name in LIMITS}),
        lasts_s=arguments.lasts,
    )
    return {**about(key), "secret": secret}, [secret, f"the key of '{key.name}' ({key.id}); {ONCE}"]


def _list(keys: Keys, arguments: Namespace) -> tuple[Any, list[str]]:
    lines = [f"no keys in {keys.path}; make one: jangin keys add NAME"] if not len(keys) else []
    for key in keys:
        state = "revoked" if key.revoked else f"until {_time(key.expires)}" if key.expires else "in force"
        tasks = "all" if key.tasks is None else ", ".join(key.tasks)
        limits = ", ".join(f"{name} {value:g}" for name, value in about(key)["limits"].items()) or "none"
        lines.append(f"{key.id}  {key.name}  {state}; {'+'.join(key.roles)}; tasks: {tasks}; limits: {limits}")
    return [about(key) for key in keys], lines


def _rotate(keys: Keys, arguments: Namespace) -> tuple[Any, list[str]]:
    key, secret = keys.rotate(_named(arguments), arguments.grace)
    return {**about(key), "secret": secret}, [
        secret,
        f"the new key of '{key.name}'; {ONCE}. The old one holds for {arguments.grace / 3600:g} hours yet",
    ]


def _revoke(keys: Keys, arguments: Namespace) -> tuple[Any, list[str]]:
    key = keys.revoke(_named(arguments))
    return about(key), [f"revoked '{key.name}' ({key.id}); a running server refuses it within a second"]


def _named(arguments: Namespace) -> str:
    if arguments.name is None:
        raise InputError(f"keys {arguments.act}: no key named", "give its name or id: jangin keys list shows them")
    return str(arguments.name)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
