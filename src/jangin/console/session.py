"""Who sits at the browser: sessions in memory, each begun with a key, with a token that every form must bring back.

A session holds no secret: it keeps the key's id and the hash that the key file keeps, and asks that file at every
request, so that a key that ends, is revoked or rotated ends its sessions too. A restart ends all of them.
"""

from __future__ import annotations

import hmac
import secrets
import time
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from jangin.access.keys import Key, Keys

if TYPE_CHECKING:
    from starlette.requests import Request

COOKIE = "jangin_console"
PATH = "/console"
LONGEST_S, IDLE_S = 12 * 3600.0, 2 * 3600.0
MOST = 2_000


class Session:
    """One browser. key_id, sha256: of the key it signed in with; both empty where the server has no keys.

    person: who an issuer says that it is, instead of a key of the file: what they may do here, until the session ends.
    """

    __slots__ = ("begun", "csrf", "key_id", "person", "seen", "sha256")

    def __init__(self, key_id: str = "", sha256: str = "", person: Key | None = None):
        self.key_id, self.sha256, self.person = key_id, sha256, person
        self.csrf = secrets.token_urlsafe(24)
        self.begun = self.seen = time.monotonic()

    def brings(self, token: str) -> bool:
        """Whether a request brings this session's token."""
        return hmac.compare_digest(token.encode(), self.csrf.encode())


class Sessions:
    """By the cookie's value, which nobody can guess (256 bits)."""

    def __init__(self) -> None:
        self._found: dict[str, Session] = {}

    def begin(self, session: Session) -> str:
        """The cookie's value."""
        self._forget()
        name = secrets.token_urlsafe(32)
        self._found[name] = session
        return name

    def end(self, name: str) -> None:
        self._found.pop(name, None)

    def find(self, name: str) -> Session | None:
        session, now = self._found.get(name), time.monotonic()
        if session is None or _over(session, now):
            self.end(name)
            return None
        session.seen = now
        return session

    def _forget(self) -> None:
        """Those that are over, and of too many those that never signed in, then the longest unused."""
        now = time.monotonic()
        for name in [name for name, each in self._found.items() if _over(each, now)]:
            del self._found[name]
        worth = sorted(self._found, key=lambda name: (bool(self._found[name].key_id), self._found[name].seen))
        for name in worth[: max(0, len(self._found) - MOST + 1)]:
            del self._found[name]


def _over(session: Session, now: float) -> bool:
    return now - session.begun > LONGEST_S or now - session.seen > IDLE_S


def cookie_of(request: Request, name: str = COOKIE) -> str:
    """The value of one cookie; empty without it."""
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def set_cookie(name: str, value: str, secure: bool, *, lasts_s: int | None = None, site: str = "Strict") -> str:
    """The header's value. lasts_s: None, until the browser is closed; 0 removes it."""
    lasting = "" if lasts_s is None else f"; Max-Age={lasts_s}"
    return f"{name}={value}; Path={PATH}; HttpOnly; SameSite={site}{lasting}{'; Secure' if secure else ''}"


def inside(to: str) -> str:
    """A path of the console, and never another site's."""
    fits = to == PATH or to.startswith((f"{PATH}/", f"{PATH}?"))
    return to if fits and not set(to) & set("\\\r\n") and not to.startswith(f"{PATH}/signin") else PATH


def key_of(keys: Keys, session: Session) -> Key | str:
    """The key of a session, or why it holds no longer: "expired", "revoked" or "changed"."""
    found = keys.of_hash(session.sha256)
    if found is not None:
        return found
    key = next((key for key in keys if key.id == session.key_id), None)
    if key is None or key.revoked is not None:
        return "revoked"
    return "expired" if key.expires is not None and time.time() >= key.expires else "changed"


def why_not(keys: Keys, sha256: str) -> str:
    """Why a secret opens nothing: "unknown", or "expired" where the key file still knows it."""
    return "expired" if any(one.sha256 == sha256 for key in keys for one in key.secrets) else "unknown"
