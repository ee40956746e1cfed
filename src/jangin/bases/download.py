"""One file over HTTP into a `.part` file: resumed, retried, hashed while it streams, in constant memory.

Certificates are the system's, or PIP_CERT where it is set (sites behind a proxy of their own set it for pip);
SSL_CERT_FILE and the proxy variables work as everywhere.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from jangin.bases.store import CHUNK_BYTES, storage_faults

TIMEOUT_S = 30.0  # without a byte; also bounds the connect to a host whose packets a firewall drops
RETRIES = 5  # in a row without progress
BACKOFF_S = 0.5  # doubled at each retry
BACKOFF_MAX_S = 10.0
RETRY_AFTER_MAX_S = 60.0
TRANSIENT_STATUSES = {408, 425, 429, 500, 502, 503, 504}

T = TypeVar("T")


class Unavailable(Exception):
    """This source cannot deliver; another may. The text says why, without credentials."""


class Denied(Unavailable):
    """The source wants credentials, or its certificate is not one that this process trusts."""


class Unreachable(Unavailable):
    """No connection: every other file of that host would fail as well."""


class Corrupt(Unavailable):
    """The source delivered other bytes than the pinned ones; they were deleted."""


class _Transient(Exception):
    def __init__(self, reason: str, wait_s: float | None = None, connected: bool = True):
        super().__init__(reason)
        self.wait_s = wait_s
        self.connected = connected


def fetch(
    url: str, part: Path, sha256: str | None, size: int | None, label: str, quiet: bool, token: str | None = None
) -> str:
    """Downloads `url` into `part`, going on where an earlier, interrupted download ended.

    Args:
        sha256: what the file must hash to; None accepts any content (the caller then trusts it on first use).
        size: expected bytes, or None if unknown.
        token: sent as a bearer token to the host of `url` only, never to one that it redirects to.
    Returns: the file's sha256.
    Raises: Unavailable (or a kind of it), with `part` kept if what it holds can still be used; Corrupt, with `part`
        deleted; StorageError.
    """
    resumed = part.exists()
    content = _Part(part)
    try:
        _patiently(url, lambda: _attempt(url, content, size, label, quiet, token), lambda: content.bytes)
    except Corrupt:
        content.delete()
        raise
    content.etag_path.unlink(missing_ok=True)
    actual = content.digest.hexdigest()
    if sha256 is None or actual == sha256:
        return actual
    content.delete()
    if resumed:  # what lay there from an earlier run may have been of another file: one clean try settles it
        return fetch(url, part, sha256, size, label, quiet, token)
    raise Corrupt(f"sha256 {actual} where {sha256} was pinned")


def read_text(url: str, accept: str, token: str | None = None) -> tuple[str, str]:
    """A small document and its content type, at most 64 MB. Raises: Unavailable."""

    def attempt() -> tuple[str, str]:
        try:
            with _open(_request(url, {"Accept": accept}, token)) as response:
                body = response.read(64 << 20)
                return body.decode("utf-8", "replace"), response.headers.get_content_type()
        except (OSError, http.client.HTTPException) as error:
            raise _Transient(f"the connection broke: {error}") from error

    return _patiently(url, attempt, lambda: 0)


def shown(url: str) -> str:
    """A URL as it may be printed: without credentials and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def progress(label: str, total: int | None, done: int, quiet: bool) -> Any:
    """A bar on stderr with rate and estimate; a log file, which keeps every line, gets one each 10 seconds."""
    from tqdm import tqdm

    return tqdm(
        desc=label,
        total=total,
        initial=done,
        unit="B",
        unit_scale=True,
        file=sys.stderr,
        disable=quiet,
        mininterval=0.2 if sys.stderr.isatty() else 10.0,
    )


class _Part:
    """An unfinished file, with the running hash of what it holds and the server's name (ETag) for its content."""

    def __init__(self, path: Path):
        self.path = path
        self.etag_path = path.with_name(path.name + ".etag")
        self.digest = hashlib.sha256()
        self.bytes = 0
        if path.exists():
            with path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    self.digest.update(chunk)
                    self.bytes += len(chunk)

    def etag(self) -> str | None:
        return self.etag_path.read_text() if self.etag_path.exists() else None

    def restart(self, etag: str | None) -> None:
        self.digest = hashlib.sha256()
        self.bytes = 0
        with storage_faults(self.path):
            self.path.write_bytes(b"")
            if etag and not etag.startswith("W/"):  # a weak one cannot vouch for single bytes
                self.etag_path.write_text(etag)
            else:
                self.etag_path.unlink(missing_ok=True)

    def append(self, chunk: bytes, file: Any) -> None:
        with storage_faults(self.path):
            file.write(chunk)
        self.digest.update(chunk)
        self.bytes += len(chunk)

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)
        self.etag_path.unlink(missing_ok=True)


def _patiently(url: str, attempt: Callable[[], T], progress_made: Callable[[], int]) -> T:
    """What `attempt` gives, tried again after transient faults, longer apart each time that nothing was gained.

    A host that cannot be connected to gets one more chance only: other sources are waiting.
    """
    failures = 0
    while True:
        before = progress_made()
        try:
            return attempt()
        except _Transient as error:
            failures = 1 if progress_made() > before else failures + 1
            if not error.connected and failures > 1:
                raise Unreachable(f"{shown(url)}: {error}") from error
            if failures > RETRIES:
                raise Unavailable(f"{shown(url)}: {error}, {failures} times in a row") from error
            time.sleep(error.wait_s or min(BACKOFF_S * 2 ** (failures - 1), BACKOFF_MAX_S))


def _attempt(url: str, content: _Part, size: int | None, label: str, quiet: bool, token: str | None) -> None:
    """One request; returns when the file is complete. Raises: _Transient, Unavailable."""
    if size is not None and content.bytes == size:
        return
    if size is not None and content.bytes > size:
        content.restart(None)
    headers = {}
    if content.bytes:
        headers["Range"] = f"bytes={content.bytes}-"
        if etag := content.etag():
            headers["If-Range"] = etag
    with _open(_request(url, headers, token)) as response:
        start, total = _extent(response)
        if response.status == 416:
            if total == content.bytes:
                return
            content.restart(None)
            raise _Transient("the server refused to go on from where the last download ended")
        if start != content.bytes or not content.bytes:
            if start:
                content.restart(None)
                raise _Transient("the server sent another part than the one asked for")
            content.restart(response.headers.get("ETag"))
        if size is not None and total is not None and total != size:
            raise Corrupt(f"{shown(url)} offers {total} bytes where {size} were pinned")
        _stream(response, content, total if total is not None else size, label, quiet)


def _stream(response: Any, content: _Part, total: int | None, label: str, quiet: bool) -> None:
    with storage_faults(content.path):
        file = content.path.open("ab", buffering=0)
    with file, progress(label, total, content.bytes, quiet) as bar:
        while True:
            try:
                chunk = response.read1(CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise _Transient(f"the connection broke: {error}") from error
            if not chunk:
                break
            content.append(chunk, file)
            bar.update(len(chunk))
            if total is not None and content.bytes > total:
                raise Corrupt(f"more than {total} bytes came")
    if total is not None and content.bytes < total:
        raise _Transient(f"the connection ended after {content.bytes} of {total} bytes")


def _extent(response: Any) -> tuple[int, int | None]:
    """Where the body starts in the file, and the bytes of the whole file if the server says so."""
    if response.status in (206, 416):  # "bytes 100-999/1000", "bytes */1000"
        span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        start = span.partition("-")[0]
        return (int(start) if start.isdigit() else 0, int(total) if total.isdigit() else None)
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _request(url: str, headers: dict[str, str], token: str | None) -> urllib.request.Request:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise Unavailable(f"{shown(url)}: a URL must start with http:// or https://")
    credentials, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urlunsplit((parts.scheme, host, parts.path, parts.query, "")))
    for name, value in {"User-Agent": "jangin", "Accept-Encoding": "identity", **headers}.items():
        request.add_header(name, value)
    # "unredirected" headers stay with this host: a hub redirects to storage that must not see the token.
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    elif credentials:
        request.add_unredirected_header("Authorization", f"Basic {_base64(unquote(credentials))}")
    return request


def _base64(text: str) -> str:
    from base64 import b64encode

    return b64encode(text.encode()).decode()


def _open(request: urllib.request.Request) -> Any:
    """The response, also for 416. Raises: _Transient, Denied, Unavailable."""
    where = shown(request.full_url)
    try:
        return _opener().open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return error
        error.close()
        if error.code in (401, 403, 407):
            raise Denied(f"{where}: HTTP {error.code}") from error
        if error.code in TRANSIENT_STATUSES:
            raise _Transient(f"HTTP {error.code}", _retry_after(error)) from error
        raise Unavailable(f"{where}: HTTP {error.code}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            raise Denied(f"{where}: {error.reason}") from error
        raise _Transient(f"no connection: {error.reason}", connected=False) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Transient(f"no answer: {error}") from error


def _retry_after(error: urllib.error.HTTPError) -> float | None:
    value = error.headers.get("Retry-After", "")
    return min(float(value), RETRY_AFTER_MAX_S) if value.isdigit() else None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to http, and keeps credentials only on the same host."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme not in ("http", "https") or (old.scheme == "https" and new.scheme == "http"):
            raise Unavailable(f"{shown(req.full_url)} redirects to {new.scheme}, which is not followed")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        same_host = (old.scheme, old.netloc) == (new.scheme, new.netloc)
        if request is not None and same_host and "Authorization" in req.unredirected_hdrs:
            request.add_unredirected_header("Authorization", req.unredirected_hdrs["Authorization"])
        return request


def _opener() -> urllib.request.OpenerDirector:
    context = _tls(os.environ.get("PIP_CERT"), os.environ.get("SSL_CERT_FILE"))
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Redirects())


@cache
def _tls(bundle: str | None, _system: str | None) -> ssl.SSLContext:
    """Cached, because reading all certificates takes as long as a small request; OpenSSL reads SSL_CERT_FILE itself."""
    context = ssl.create_default_context()
    default = ssl.get_default_verify_paths()
    if bundle:
        context.load_verify_locations(bundle)
    elif not default.cafile and not default.capath and sys.platform == "darwin":
        import certifi  # python.org's build for macOS brings no certificates of its own

        context.load_verify_locations(certifi.where())
    return context
