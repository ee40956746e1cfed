"""Where a server may listen, with which TLS files, and the socket."""

from __future__ import annotations

import ipaddress
import socket
import sys
from pathlib import Path

from jangin.access.keys import Keys
from jangin.errors import InputError


def check_host(host: str, behind_proxy: bool, tls: bool, keys: Keys | None) -> None:
    """Beyond this machine only with keys, and nothing in the clear. Raises: InputError."""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if local and not behind_proxy:
        return
    if keys is None:
        raise InputError(
            f"--host {host}: without keys this server listens on this machine only",
            "leave --open out and make a key: jangin keys add NAME",
        )
    if not len(keys):
        raise InputError(
            f"{keys.path}: no keys yet, and this server would be reached from elsewhere", "jangin keys add NAME"
        )
    if not tls and not behind_proxy:
        raise InputError(
            f"--host {host}: keys would travel in the clear",
            "give --tls-cert and --tls-key, or say --behind-proxy when a proxy in front of it speaks TLS",
        )


def check_tls(certificate: Path, key: Path) -> None:
    """Before anything is loaded. A key with a pass phrase would have the server ask for it, where nobody sits.

    Raises: InputError.
    """
    import ssl

    for name, path in (("--tls-cert", certificate), ("--tls-key", key)):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise InputError(f"{name}: '{path}' cannot be read: {error.strerror}", "check the path") from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise InputError(
            f"'{certificate}' and '{key}' are no certificate and its private key ({reason})",
            "give a chain and the key that belongs to it, both PEM, the key without a pass phrase",
        ) from None


def bind(host: str, port: int) -> socket.socket:
    """Raises: InputError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"cannot listen on {host}:{port}: {reason}", "choose another --port (0: any free one)"
        ) from error
    return listener
