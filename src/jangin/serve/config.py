"""The operator's file: what `jangin serve --config FILE` reads. Flags say the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

from jangin.egress.server import Server, read_server
from jangin.errors import InputError

if TYPE_CHECKING:
    from jangin.console.provider import Provider

KEYS = ("egress", "oidc")
MAX_BYTES = 1 << 20


class Config(NamedTuple):
    """egress: what may leave. provider: who signs people in to the console; None: keys alone do."""

    egress: Server
    provider: Provider | None = None


def read_config(path: Path) -> Config:
    """What stands under `egress:` and `oidc:`. Raises: InputError naming file, key and value."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        found = yaml.safe_load(raw.decode("utf-8")) if len(raw) <= MAX_BYTES else "too long"
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}", "check --config") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise InputError(f"'{path}' is no YAML", "write 'egress: {...}' as docs/egress.md says") from None
    if not isinstance(found, dict) or set(found) - set(KEYS):
        extra = sorted(map(str, set(found) - set(KEYS))) if isinstance(found, dict) else []
        about = f"unknown key '{extra[0]}'" if extra else "it is no mapping"
        raise InputError(f"{path.name}: {about}; expected the keys 'egress' and 'oidc'", "see docs/egress.md")
    server = read_server(found.get("egress") or {}, path.name)
    if found.get("oidc") is None:
        return Config(server)
    from jangin.console.provider import read_provider  # which other servers need not

    return Config(server, read_provider(found["oidc"], path.name))
