"""A small OpenID Connect issuer on loopback, with keys of its own: what the console's sign-in is tested against.

It checks what a real one checks (client, redirect address, PKCE, each code once) and can be told to answer wrongly.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT, SECRET = "jangin-console", "s3cret of the/test+client"


class Issuer:
    """person: the claims of whoever signs in next. twist: changes the claims of a token before it is signed.

    host: its name for this machine. signs: (key, algorithm, kid) of the next tokens; forged: makes the token from its
    claims instead.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.signs: tuple[Any, str, str | None] = (self.rsa, "RS256", "r1")
        self.published = [self.jwk(self.rsa, "r1"), self.jwk(self.ec, "e1")]
        self.person: dict[str, Any] = {"sub": "u-1", "groups": ["ml-admins"], "name": "Ana Kim"}
        self.twist: Callable[[dict[str, Any]], dict[str, Any]] = dict
        self.forged: Callable[[dict[str, Any]], str] | None = None
        self.document: dict[str, Any] = {}  # overrides the description
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @staticmethod
    def jwk(key: Any, kid: str, **about: str) -> dict[str, Any]:
        kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **about}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def describe(self) -> dict[str, Any]:
        places = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        return {"issuer": self.url, **{name: self.url + path for name, path in places.items()}, **self.document}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes on, with a code: nobody is asked anything."""
        assert (query["response_type"], query["client_id"], query["code_challenge_method"]) == ("code", CLIENT, "S256")
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'iss': self.url})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
        if [unquote(each) for each in pair] != [CLIENT, SECRET]:
            return 401, {"error": "invalid_client"}
        query = self._codes.pop(form["code"], None)
        challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        )
        if query is None or query["redirect_uri"] != form["redirect_uri"] or query["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": query["nonce"], **self.person}
        claims = self.twist(claims)
        return 200, {"access_token": "none", "token_type": "Bearer", "id_token": (self.forged or self.sign)(claims)}

    def sign(self, claims: dict[str, Any]) -> str:
        key, algorithm, kid = self.signs
        return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else {})


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            issuer.asked.append(address.path)
            if address.path == "/authorize":
                self.send_response(302)
                self.send_header("location", issuer.authorize(dict(parse_qsl(address.query))))
                self.send_header("content-length", "0")
                self.end_headers()
            elif address.path == "/keys":
                self._json(200, {"keys": issuer.published})
            elif address.path == "/.well-known/openid-configuration":
                self._json(200, issuer.describe())
            else:
                self._json(404, {})

        def do_POST(self) -> None:
            issuer.asked.append(self.path)
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._json(*issuer.token(form, self.headers.get("authorization", "")))

        def _json(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
