"""Where a model API is: its address without anything secret, and the key that the environment holds for it."""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import parse_qsl, urlsplit

import msgspec

from jangin.errors import InputError

DEFAULT_KEY = "OPENAI_API_KEY"
NO_KEY = "none"  # the client wants one; a server on this machine that checks none gets this
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_AZURE = (".openai.azure.com", ".azure-api.net", ".services.ai.azure.com", ".cognitiveservices.azure.com")


class Endpoint(msgspec.Struct, frozen=True):
    """`url` and `host` (with the port, where one was given) may be shown and kept; `query` goes along, unseen.

    local: on this machine's loopback address. secure: https. azure: takes the key in a header of its own too.
    """

    url: str
    host: str
    local: bool
    secure: bool
    azure: bool
    query: dict[str, str]

    @property
    def openai(self) -> bool:
        return self.host == "openai.com" or self.host.endswith(".openai.com")


def endpoint(url: str, *, insecure_http: bool = False) -> Endpoint:
    """Reads the base URL of an OpenAI-compatible API; `/v1` is added where no path was given.

    Raises: InputError for what is no http address, holds a password, or would send texts unencrypted over a network.
    """
    try:
        parts = urlsplit(url.strip())
        name, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise _not_an_address() from None
    if parts.scheme not in ("http", "https") or not name:
        raise _not_an_address()
    if parts.username is not None or parts.password is not None:
        raise InputError(
            "--endpoint holds a user name or a password", "put the key in an environment variable: --key-env NAME"
        )
    shown = f"[{name}]" if ":" in name else name
    host = shown if port is None else f"{shown}:{port}"
    secure, local = parts.scheme == "https", _is_local(name)
    if not secure and not local and not insecure_http:
        raise InputError(
            f"--endpoint: plain http to {host} would send texts and the key unencrypted over the network",
            "use https, or say --insecure-http where that network is your own",
        )
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    return Endpoint(
        url=f"{parts.scheme}://{host}{path}",
        host=host,
        local=local,
        secure=secure,
        azure=name.endswith(_AZURE),
        query=dict(parse_qsl(parts.query)),
    )


def key_for(where: Endpoint, variable: str | None) -> str:
    """The key that the environment variable holds; none is needed for this machine unless a variable was named.

    Raises: InputError naming the variable, never its content.
    """
    name = variable or DEFAULT_KEY
    key = os.environ.get(name, "").strip()
    if not key and where.local and variable is None:
        return NO_KEY
    if not key:
        shown = name if _VARIABLE.fullmatch(name) else "that --key-env names"  # somebody may have given the key itself
        raise InputError(
            f"the environment variable {shown} holds no key for {where.host}",
            "export the key under that name; --key-env names another variable",
        )
    if not key.isascii() or not key.isprintable():
        raise InputError(f"the key in {name} holds characters that no HTTP header may hold", "copy the key again")
    return key


def _is_local(name: str) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _not_an_address() -> InputError:
    return InputError("--endpoint is no http or https address", "write the base URL, as https://api.openai.com/v1")
