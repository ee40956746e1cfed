"""An OpenID Connect client: the authorization code flow with PKCE, state and nonce, and an ID token that is verified.

Every time something goes to the issuer it stands in the audit log first; to another origin than those that the
operator named nothing goes. Sources: OpenID Connect Core 1.0 (3.1), Discovery 1.0; RFC 7636 (PKCE), RFC 9207 (iss).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from jangin.console.provider import Provider
from jangin.egress.way import proxy_of, tls
from jangin.errors import AuditError, EgressDenied, EgressFailed, JanginError, MissingExtraError, RequestError
from jangin.policy import origin_of

CALLBACK = "/console/signin/callback"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
MOST_BYTES, MOST_TOKEN = 1 << 20, 1 << 16
ANSWER_S = 10.0
KEPT_S, AGAIN_S = 3_600.0, 30.0  # discovery and keys; keys are asked for anew when a token names an unknown one
REST_S, MOST_A_MINUTE = 5.0, 60  # who has not signed in yet cannot fill the audit log, nor hammer the issuer
LEEWAY_S = 60
LASTS_S, MOST_FLOWS = 600.0, 2_000

Record = Callable[[str, dict[str, Any]], Awaitable[None]]


class Flow(msgspec.Struct):
    """One sign-in that was begun. to: the page it was for."""

    to: str
    state: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(32))
    nonce: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(48))
    begun: float = msgspec.field(default_factory=time.monotonic)


class Flows:
    """By the value of a cookie; each is good once, for some minutes."""

    def __init__(self) -> None:
        self._found: dict[str, Flow] = {}

    def begin(self, flow: Flow) -> str:
        over = [name for name, each in self._found.items() if time.monotonic() - each.begun > LASTS_S]
        for name in over:
            del self._found[name]
        while len(self._found) >= MOST_FLOWS:
            del self._found[next(iter(self._found))]
        name = secrets.token_urlsafe(32)
        self._found[name] = flow
        return name

    def take(self, name: str, state: str) -> Flow:
        """Raises: RequestError 403 for one that was never begun here, is over, or was taken already."""
        flow = self._found.get(name)
        if flow is None or not hmac.compare_digest(flow.state.encode(), state.encode()):
            raise _refused("this sign-in was not begun in this browser, or is over: begin it again")
        del self._found[name]
        if time.monotonic() - flow.begun > LASTS_S:
            raise _refused("this sign-in was not begun in this browser, or is over: begin it again")
        return flow


class Client:
    """One for each server, in one event loop. record: writes an entry into the audit log.

    Raises: MissingExtraError.
    """

    def __init__(self, provider: Provider, record: Record):
        try:
            import jwt
        except ImportError:
            raise MissingExtraError("signing in by OpenID Connect", "oidc") from None
        self._jwt, self.provider, self._record = jwt, provider, record
        self._lock = asyncio.Lock()
        self._document: dict[str, Any] = {}
        self._keys: list[dict[str, Any]] = []
        self._read_at = self._keys_at = -KEPT_S
        self._trouble: tuple[float, JanginError] | None = None
        self._redeemed: deque[float] = deque(maxlen=MOST_A_MINUTE)

    async def address(self, flow: Flow) -> str:
        """Where the browser is sent. Raises: EgressDenied, EgressFailed."""
        document = await self._discovered()
        challenge = hashlib.sha256(flow.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self.provider.address + CALLBACK,
            "scope": " ".join(self.provider.scopes),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        to = document["authorization_endpoint"]
        return f"{to}{'&' if '?' in to else '?'}{urlencode(query)}"

    async def redeem(self, code: str, flow: Flow) -> dict[str, Any]:
        """The verified claims of whoever came back with this code.

        Raises: RequestError 403 where they do not hold, 429 for too many at once; EgressDenied, EgressFailed.
        """
        now = time.monotonic()
        if len(self._redeemed) == self._redeemed.maxlen and now - self._redeemed[0] < 60:
            raise RequestError("too many sign-ins are tried here: wait a minute, or sign in with a key", status=429)
        self._redeemed.append(now)
        document, provider = await self._discovered(), self.provider
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": provider.address + CALLBACK}
        form["code_verifier"] = flow.verifier
        headers, known = {}, document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if provider.secret is None:
            form["client_id"] = provider.client_id
        elif "client_secret_basic" in known:
            pair = f"{quote(provider.client_id, safe='')}:{quote(provider.secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": provider.client_id, "client_secret": provider.secret}
        status, answer = await self._asked("code", document["token_endpoint"], form, headers)
        token = answer.get("id_token")
        if status != 200 or not isinstance(token, str):
            raise _refused(f"the sign-in service did not take the code back (status {status})")
        return await self._verified(token, flow)

    async def _verified(self, token: str, flow: Flow) -> dict[str, Any]:
        jwt, provider = self._jwt, self.provider
        if len(token) > MOST_TOKEN:
            raise _refused("the ID token is too long")
        try:
            head = jwt.get_unverified_header(token)
            key = await self._key(head)
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=provider.client_id,
                issuer=provider.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as error:  # its words may repeat the token
            raise _refused(f"the ID token does not hold ({type(error).__name__})") from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (several or "azp" in claims) and claims.get("azp") != provider.client_id:
            raise _refused("the ID token was made for another program")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), flow.nonce.encode()):
            raise _refused("the ID token belongs to another sign-in")
        return claims

    async def _key(self, head: dict[str, Any]) -> Any:
        """The issuer's key that this token names, bound to the token's algorithm. Raises: RequestError, PyJWTError."""
        algorithm = head.get("alg")
        offered = self._document.get("id_token_signing_alg_values_supported") or ALGORITHMS
        if algorithm not in ALGORITHMS or algorithm not in offered:
            raise _refused(f"the ID token is signed by '{str(algorithm)[:20]}', which is not taken")
        found = self._named(head.get("kid")) if time.monotonic() - self._keys_at < KEPT_S else []
        if not found and time.monotonic() - self._keys_at > AGAIN_S:
            _, answer = await self._asked("keys", self._document["jwks_uri"])
            keys = answer.get("keys")
            self._keys = [each for each in keys if isinstance(each, dict)] if isinstance(keys, list) else []
            self._keys_at = time.monotonic()
            found = self._named(head.get("kid"))
        kind = {"R": "RSA", "P": "RSA", "E": "OKP" if algorithm == "EdDSA" else "EC"}[algorithm[0]]
        fitting = [
            each
            for each in found
            if (each.get("kty"), each.get("alg", algorithm), each.get("use", "sig")) == (kind, algorithm, "sig")
        ]
        if len(fitting) != 1:
            raise _refused("the ID token is signed by a key that the sign-in service does not publish")
        return self._jwt.PyJWK.from_dict(fitting[0], algorithm=algorithm)

    def _named(self, name: Any) -> list[dict[str, Any]]:
        return self._keys if name is None else [each for each in self._keys if each.get("kid") == name]

    async def _discovered(self) -> dict[str, Any]:
        """The issuer's addresses, read again after an hour; what failed is told again for some seconds.

        Raises: EgressDenied, EgressFailed.
        """
        async with self._lock:
            if time.monotonic() - self._read_at < KEPT_S:
                return self._document
            if self._trouble is not None and time.monotonic() - self._trouble[0] < REST_S:
                raise self._trouble[1]
            try:
                self._document = await self._description()
            except (EgressDenied, EgressFailed) as error:
                self._trouble = time.monotonic(), error
                raise
            self._read_at = time.monotonic()
            return self._document

    async def _description(self) -> dict[str, Any]:
        issuer = self.provider.issuer
        status, found = await self._asked("discovery", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if status != 200 or found.get("issuer") != issuer:
            raise self._failed("its description names another issuer" if status == 200 else f"status {status}")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(found.get(name), str) or origin_of(found[name]) is None:
                raise self._failed(f"its description has no {name}")
        if not found["authorization_endpoint"].startswith("https://"):
            self._allowed(found["authorization_endpoint"])
        return found

    def _allowed(self, url: str) -> str:
        """The origin, where something may go. Raises: EgressDenied."""
        origin = origin_of(url) or "nowhere"
        if origin not in self.provider.origins:
            raise EgressDenied(
                "origin",
                f"the sign-in service sends this server to {origin}, which the operator's file does not name",
                f"add it: oidc.origins: [{origin}]",
            )
        return origin

    async def _asked(
        self, what: str, url: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """(status, the JSON object that came back). GET, or POST of a form. Raises: EgressDenied, EgressFailed."""
        import aiohttp

        body = None if form is None else urlencode(form).encode()
        entry = {"to": self._allowed(url), "what": what, "bytes": len(body or b"")}
        try:
            await self._record("egress.signin", entry)
        except AuditError as error:
            raise EgressDenied("audit", "the audit log cannot be written; nothing was sent", error.hint) from error
        sent = {"accept": "application/json", "user-agent": "jangin", **(headers or {})}
        if body is not None:
            sent["content-type"] = "application/x-www-form-urlencoded"
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=tls() if url.startswith("https://") else True),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(total=ANSWER_S),
                    proxy=proxy_of(url),
                ) as session,
                session.request(
                    "GET" if body is None else "POST", url, data=body, headers=sent, allow_redirects=False
                ) as answer,
            ):
                text = await answer.content.read(MOST_BYTES + 1)
                while len(text) <= MOST_BYTES and (more := await answer.content.read(MOST_BYTES)):
                    text += more
                found = msgspec.json.decode(text) if len(text) <= MOST_BYTES else None
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._failed(type(error).__name__) from None
        except (msgspec.DecodeError, RecursionError):
            found, status = None, 502
        if not isinstance(found, dict):
            raise self._failed("what came back is no JSON object")
        return status, found

    def _failed(self, why: str) -> EgressFailed:
        message = f"the sign-in service {origin_of(self.provider.issuer)} gives no usable answer ({why})"
        return EgressFailed("issuer", message, "try again in a moment, or sign in with a key", status=503)


def _refused(message: str) -> RequestError:
    return RequestError(message, status=403, code="not_signed_in")
