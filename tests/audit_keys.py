"""Keys for the tests of the audit log."""

from __future__ import annotations

from pathlib import Path

import pytest


def keys(folder: Path) -> tuple[Path, Path]:
    """A new pair of keys, as openssl would write them."""
    pytest.importorskip("cryptography", reason="the extra 'audit' is not installed")
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    number = len(list(folder.glob("*.key")))
    private, public = folder / f"{number}.key", folder / f"{number}.pub"
    private.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
    return private, public
