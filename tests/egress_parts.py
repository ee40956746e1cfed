"""What egress is given in its tests: a small redactor, an audit log in a file, a server's configuration."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from jangin.egress.server import Server, read_server
from jangin.policy import Policy, read_policy

_PRIVATE = re.compile(r"[\w.+-]+@[\w-]+\.[a-z]+|01\d-\d{4}-\d{4}|\[#")
_PLACEHOLDER = re.compile(r"\[#\d+\]")


class Vault:
    """'[#' of the text itself is an original too, so that restoring is exact."""

    def __init__(self) -> None:
        self.originals: list[str] = []

    def __len__(self) -> int:
        return len(self.originals)

    def placeholder(self, original: str) -> str:
        if original not in self.originals:
            self.originals.append(original)
        return f"[#{self.originals.index(original)}]"

    def restore(self, text: str) -> str:
        return _PLACEHOLDER.sub(self._original, text)

    def _original(self, found: re.Match[str]) -> str:
        number = int(found[0][2:-1])
        return self.originals[number] if number < len(self.originals) else found[0]

    def restorer(self) -> Restorer:
        return Restorer(self)


class Restorer:
    def __init__(self, vault: Vault):
        self.vault, self.rest = vault, ""

    def feed(self, piece: str) -> str:
        text = self.rest + piece
        open_at = text.rfind("[")
        whole = open_at < 0 or not re.fullmatch(r"\[(#\d*)?", text[open_at:])
        shown, self.rest = (text, "") if whole else (text[:open_at], text[open_at:])
        return self.vault.restore(shown)

    def flush(self) -> str:
        rest, self.rest = self.rest, ""
        return rest


class Redacted(msgspec.Struct):
    text: str


class Redactor:
    """Mail addresses and Korean mobile numbers, of one request."""

    def __init__(self, vault: Vault | None):
        self.vault = Vault() if vault is None else vault

    def redact(self, text: str) -> Redacted:
        return Redacted(_PRIVATE.sub(lambda found: self.vault.placeholder(found[0]), text))


def breaking(error: Exception) -> Any:
    """Redaction that fails on every text."""

    class Breaking(Redactor):
        def redact(self, text: str) -> Redacted:
            raise error

    return Breaking


class AuditFile:
    """One JSON line for each record, on the disk when `append` returns."""

    def __init__(self, path: Path):
        self.path = path

    def append_all(self, entries: Sequence[tuple[str, dict[str, Any]]]) -> None:
        with self.path.open("ab") as stream:
            for kind, fields in entries:
                stream.write(json.dumps({"kind": kind, **fields}).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_bytes().splitlines()] if self.path.exists() else []


def policy(url: str, **more: Any) -> Policy:
    """egress: allow to one address's gpt-4o; `more` adds keys of the task file."""
    given = {"egress": "allow", "endpoints": [{"url": url, "models": ["gpt-4o"]}], "unsure": "escalate", **more}
    return read_policy(given, "task.yaml")


def server(url: str, capture: Any = None, folder: Path | None = None, **upstream: Any) -> Server:
    """One API, quick to give up; `upstream` adds to it."""
    known = {"url": url, "key_env": "UPSTREAM_KEY", "timeout_s": 5, "deadline_s": 20, "tries": 3, **upstream}
    given: dict[str, Any] = {"egress": "allow", "upstreams": [known]}
    if capture is not None:
        given |= {"capture": capture, "capture_folder": str(folder)}
    return read_server(given, "server.yaml")
