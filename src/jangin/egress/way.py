"""The way to an API: aiohttp's client, held to what egress needs. POST to one address, no redirects, no cookies, no
encodings; a proxy only when the environment names one."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from jangin.errors import InputError

HEAD_BYTES = 1 << 16  # of an answer's status line, and of each of its headers
IDLE_S = 5.0  # servers close connections that lie idle; one that is older is not tried


class NotReached(Exception):
    """There was no connection: nothing was sent."""


class Lost(Exception):
    """The connection ended, or what came over it was no HTTP, after something was sent."""


class Silent(Exception):
    """Nothing came for too long."""


class Way:
    """Connections to one address, opened when first asked. headers: of every request."""

    def __init__(self, url: str, query: dict[str, str], headers: dict[str, str], most: int, proxy: str | None = None):
        from yarl import URL

        target = quote(url, "/%:@!$&'()*+,;=~[]") + (f"?{urlencode(query)}" if query else "")
        self._url, self._most, self.proxy = URL(target, encoded=True), most, proxy
        self._headers = {"connection": "keep-alive", **headers, "content-type": "application/json"}
        self._session: Any = None

    async def post(self, body: bytes, accept: str, connect_s: float, silence_s: float) -> Reply:
        """The answer, when its head has come. Raises: NotReached, Lost, Silent."""
        import aiohttp

        session = self._session = self._session or self._opened()
        timeout = aiohttp.ClientTimeout(total=None, connect=connect_s, sock_read=silence_s)
        headers = {**self._headers, "accept": accept}
        try:
            asked = session.post(self._url, data=body, headers=headers, timeout=timeout, allow_redirects=False)
            return Reply(await asked)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError) as error:
            raise NotReached(type(error).__name__) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _translated(error) from None

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> Any:
        import aiohttp

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._most,
                keepalive_timeout=IDLE_S,
                ssl=tls() if self._url.scheme == "https" else True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
            proxy=self.proxy,
        )


class Reply:
    """An answer whose head has come. The iteration raises Lost, Silent; `aclose` before its end ends the connection."""

    def __init__(self, response: Any):
        self._response = response
        self.status_code: int = response.status
        self.headers: Mapping[str, str] = response.headers

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        import aiohttp

        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _translated(error) from None

    async def aclose(self) -> None:
        self._response.close()  # which keeps a connection whose answer was read to its end


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for this address. Raises: InputError for one that cannot be used: to go
    past it would let texts out by a way that nobody allowed."""
    parts, named = urlsplit(url), getproxies()
    proxy = named.get(parts.scheme) or named.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in ("http", "https"):
        raise InputError(
            f"the environment's proxy for {parts.netloc} speaks {urlsplit(proxy).scheme}; http or https was expected",
            f"name an HTTP proxy, or put {parts.hostname} into NO_PROXY",
        )
    return proxy


def _translated(error: Exception) -> Lost | Silent:
    return Silent() if isinstance(error, asyncio.TimeoutError) else Lost(type(error).__name__)


def tls() -> ssl.SSLContext:
    """The certificates that this machine trusts, or those of SSL_CERT_FILE or SSL_CERT_DIR."""
    import truststore

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or folder:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
