"""The operator's file: what `jangin serve --config FILE` reads. Flags say the rest."""

from __future__ import annotations

from pathlib import Path

import yaml

from jangin.egress.server import Server, read_server
from jangin.errors import InputError

MAX_BYTES = 1 << 20


def read_config(path: Path) -> Server:
    """The part that says what may leave, under `egress:`. Raises: InputError naming file, key and value."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        found = yaml.safe_load(raw.decode("utf-8")) if len(raw) <= MAX_BYTES else "too long"
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}", "check --config") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise InputError(f"'{path}' is no YAML", "write 'egress: {...}' as docs/egress.md says") from None
    if not isinstance(found, dict) or set(found) - {"egress"}:
        extra = sorted(map(str, set(found) - {"egress"}))[:3] if isinstance(found, dict) else []
        about = f"unknown key '{extra[0]}'" if extra else "it is no mapping"
        raise InputError(f"{path.name}: {about}; expected the key 'egress'", "see docs/egress.md")
    return read_server(found.get("egress") or {}, path.name)
