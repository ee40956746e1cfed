"""A small OpenAI-compatible server on loopback that shows the faults which a good server does not."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

KEY = "sk-test-9f3a77c0ffee"


class Reply(msgspec.Struct):
    """What the server sends. `body`: JSON, or bytes as they are; `drop`: the connection ends without a word;
    `cut`: in the middle of the body; `stall_s`: how long it waits there."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = {}
    after_s: float = 0.0
    drop: bool = False
    cut: bool = False
    stall_s: float = 0.0


class Seen(msgspec.Struct):
    """One request as it came."""

    at: float
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes = b""

    @property
    def asked(self) -> str:
        return self.body["messages"][-1]["content"]


def completion(text: str | None, **more: Any) -> Reply:
    """A chat completion; `message` and `finish_reason` replace those of a plain answer."""
    message = {"role": "assistant", "content": text, **more.pop("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": more.pop("finish_reason", "stop")}
    usage = {"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 45}
    body = {"id": "c", "object": "chat.completion", "created": 0, "model": "gpt-4o-2024-08-06", "usage": usage}
    return Reply(body={**body, "system_fingerprint": "fp_1", "choices": [choice], **more})


def streamed(*pieces: str, usage: bool = True, done: bool = True, finish_reason: str | None = "stop") -> Reply:
    """The same as server-sent events, a chunk for each piece."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "gpt-4o-2024-08-06"}
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": piece}, None) for piece in pieces] + [({}, finish_reason)]
    events = [{**head, "choices": [{"index": 0, "delta": d, "finish_reason": reason}]} for d, reason in deltas]
    if usage:
        events.append({**head, "choices": [], "usage": {"prompt_tokens": 40, "completion_tokens": 5}})
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    return Reply(body=body + b"data: [DONE]\n\n" * done, headers={"Content-Type": "text/event-stream"})


def fault(status: int, *, after: str | None = None, **error: Any) -> Reply:
    """An error in OpenAI's shape."""
    return Reply(status, {"error": {"message": "no", **error}}, {} if after is None else {"Retry-After": after})


class Api:
    """The running server: `url`, what it has `seen`, and `answer`, which may be replaced while it runs."""

    def __init__(self, answer: Callable[[int, Seen], Reply]):
        self.answer, self.seen = answer, list[Seen]()
        self._lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {k.lower(): v for k, v in self.headers.items()}
                seen = Seen(time.monotonic(), self.path, headers, json.loads(sent), sent)
                with api._lock:
                    number = len(api.seen)
                    api.seen.append(seen)
                reply = api.answer(number, seen)
                time.sleep(reply.after_s)
                if reply.drop:
                    self.close_connection = True
                    return
                raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                with contextlib.suppress(OSError):  # a client that was killed, or timed out
                    self.send_response(reply.status)
                    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(raw)))
                    self.end_headers()
                    self.wfile.write(raw[: len(raw) // 2])
                    time.sleep(reply.stall_s)
                    if not reply.cut:
                        self.wfile.write(raw[len(raw) // 2 :])
                    self.close_connection = reply.cut

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@contextlib.contextmanager
def serving(answer: Callable[[int, Seen], Reply] | Reply) -> Iterator[Api]:
    """A server that gives every request the same reply, or what a function of (number, request) says."""
    api = Api(answer if callable(answer) else lambda number, seen: answer)
    thread = threading.Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        api.server.shutdown()
        thread.join()
        api.server.server_close()
