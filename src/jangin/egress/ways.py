"""What a way to an API raises, and the way through a proxy: httpx2, which knows what an environment says of proxies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

HEAD_BYTES = 1 << 16  # of an answer's status line and headers


class NotReached(Exception):
    """There was no connection: nothing was sent."""


class Lost(Exception):
    """The connection ended, or what came over it was no HTTP, after something was sent."""


class Silent(Exception):
    """Nothing came for too long."""


class Reply(Protocol):
    """An answer whose head has come. The iteration raises Lost, Silent; `aclose` before its end ends the connection."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def aiter_raw(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


class Way(Protocol):
    async def post(self, body: bytes, accept: str, connect_s: float, silence_s: float) -> Reply:
        """Raises: NotReached, Lost, Silent."""

    async def aclose(self) -> None: ...


class Proxied:
    """By httpx2's client."""

    def __init__(self, url: str, query: dict[str, str], headers: dict[str, str], most: int, environment: bool):
        import httpx2

        self._url = url
        self._client = httpx2.AsyncClient(
            headers=headers,
            params=query,
            follow_redirects=False,  # texts go to the host that was named, and to no other
            trust_env=environment,
            verify=url.startswith("https:"),  # plain http needs no certificates; redirects to https are not followed
            limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def post(self, body: bytes, accept: str, connect_s: float, silence_s: float) -> Reply:
        import httpx2

        timeout = httpx2.Timeout(silence_s, connect=connect_s)
        headers = {"content-type": "application/json", "accept": accept}
        request = self._client.build_request("POST", self._url, content=body, headers=headers, timeout=timeout)
        try:
            return _Translated(await self._client.send(request, stream=True))
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError) as error:
            raise NotReached(type(error).__name__) from None
        except httpx2.HTTPError as error:
            raise _translated(error) from None


class _Translated:
    """httpx2's response with this module's exceptions."""

    def __init__(self, response: Any):
        self._response = response
        self.status_code: int = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        import httpx2

        try:
            async for piece in self._response.aiter_raw():
                yield piece
        except httpx2.HTTPError as error:
            raise _translated(error) from None

    async def aclose(self) -> None:
        import httpx2

        try:
            await self._response.aclose()
        except httpx2.HTTPError as error:
            raise _translated(error) from None


def _translated(error: Exception) -> Lost | Silent:
    import httpx2

    return Silent() if isinstance(error, httpx2.TimeoutException) else Lost(type(error).__name__)
