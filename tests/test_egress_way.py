"""The way to an API, against a server that sends what it is told, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from jangin.egress.link import Link
from jangin.egress.recorder import Recorder
from jangin.egress.server import read_server
from jangin.egress.way import IDLE_S, Lost, NotReached, Silent, Way
from jangin.errors import InputError

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class Told:
    """Answers each request with the next of its scripts: bytes, None to end the connection, or seconds to wait."""

    def __init__(self, *scripts: list[bytes | float | None]):
        self.scripts, self.requests, self.connections = list(scripts), list[bytes](), 0
        self.url, self.sent = "", 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(size))
                for part in self.scripts.pop(0):
                    if part is None:
                        writer.close()
                        return
                    if isinstance(part, float):
                        await asyncio.sleep(part)
                    else:
                        writer.write(part)
                        await writer.drain()
                        self.sent += len(part)
        writer.close()


def run(told: Told, work: Callable[[Way], Coroutine[Any, Any, None]]) -> None:
    async def inside() -> None:
        server = await asyncio.start_server(told.serve, "127.0.0.1", 0)
        told.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat"
        headers = {"user-agent": "jangin", "accept-encoding": "identity", "authorization": "Bearer sk-1"}
        one = Way(told.url, {"v": "1 2"}, headers, 8)
        try:
            await work(one)
        finally:
            await one.aclose()
            server.close()

    asyncio.run(inside())


async def asked(way: Way, silence_s: float = 5.0) -> tuple[int, bytes]:
    reply = await way.post(b'{"a": 1}', "application/json", 5.0, silence_s)
    return reply.status_code, b"".join([piece async for piece in reply.aiter_raw()])


@pytest.mark.parametrize(
    ("script", "body"),
    [
        ([OK], b"{}"),
        ([OK[:20], 0.01, OK[20:70], 0.01, OK[70:]], b"{}"),
        (
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", 0.01, b"2\r\nde\r\n0\r\n\r\n"],
            b"abcde",
        ),
        ([b"HTTP/1.1 200 OK\r\n\r\nuntil ", 0.01, b"the end", None], b"until the end"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", 0.01, OK], b"{}"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n" + b"x" * 900_000], b"x" * 900_000),
    ],
)
def test_an_answer_comes_whole_however_it_is_sent(script: list[Any], body: bytes) -> None:
    told = Told(script)

    async def work(one: Way) -> None:
        assert await asked(one) == (200, body)

    run(told, work)
    head, _, sent = told.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].startswith("POST /v1/chat?v=1") and lines[0].endswith(" HTTP/1.1") and sent == b'{"a": 1}'
    given = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines[1:]}
    assert given == {
        "host": told.url.split("/")[2],
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": "jangin",
        "authorization": "Bearer sk-1",
        "content-type": "application/json",
        "content-length": "8",
    }


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([None], Lost),
        ([OK[:30], None], Lost),
        ([OK[:-1], None], Lost),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", None], Lost),
        ([b"SSH-2.0-OpenSSH_9.2\r\n", None], Lost),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"], Lost),
        ([b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 400_000], Lost),
        ([3.0, None], Silent),
        ([OK[:-1], 3.0, None], Silent),
    ],
)
def test_what_is_no_whole_answer_is_lost_or_silent(script: list[Any], error: type[Exception]) -> None:
    told = Told(script, [OK])

    async def work(one: Way) -> None:
        with pytest.raises(error):
            await asked(one, 0.3)
        assert await asked(one) == (200, b"{}")  # over a new connection

    run(told, work)
    assert told.connections == 2


def test_nobody_who_listens_is_not_reached() -> None:
    async def work(one: Way) -> None:
        host = Way("http://127.0.0.1:9/v1", {}, {}, 1)
        with pytest.raises(NotReached):
            await asked(host)
        await host.aclose()

    told = Told()
    run(told, work)


def test_connections_are_used_again_unless_the_server_ends_them_or_they_lay_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert 1 < IDLE_S < 15
    monkeypatch.setattr("jangin.egress.way.IDLE_S", 0.3)
    told = Told([OK], [OK], [OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")], [OK, None], [OK], [OK])

    async def work(one: Way) -> None:
        seen = []
        for number in range(6):
            assert await asked(one) == (200, b"{}")
            seen.append(told.connections)
            await asyncio.sleep(1.0 if number == 4 else 0.05)
        assert seen == [1, 1, 1, 2, 3, 4]

    run(told, work)


def test_an_answer_that_is_not_read_to_its_end_takes_its_connection_along() -> None:
    told = Told([OK[:-1], 3.0, None], [OK], [OK])

    async def work(one: Way) -> None:
        reply = await one.post(b"{}", "text/event-stream", 5.0, 5.0)
        pieces: AsyncIterator[bytes] = reply.aiter_raw()
        assert await anext(pieces) == b"{"
        await reply.aclose()
        await reply.aclose()
        assert await asked(one) == (200, b"{}") and told.connections == 2
        task = asyncio.create_task(asked(one))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(told, work)


def test_a_reader_that_is_slow_makes_the_server_wait() -> None:
    size = 8_000_000
    told = Told([b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size, *[b"x" * 1_000] * (size // 1_000)])

    async def work(one: Way) -> None:
        reply = await one.post(b"{}", "application/json", 5.0, 5.0)
        await asyncio.sleep(0.5)
        assert told.sent < size  # the sockets' own buffers are full
        assert sum([len(piece) async for piece in reply.aiter_raw()]) == size

    run(told, work)


def test_a_proxy_in_the_environment_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    from jangin.egress.breaker import Breaker

    def proxy(url: str) -> str | None:
        upstream = {"url": url, "insecure_http": True}
        return Link(read_server({"egress": "allow", "upstreams": [upstream]}, "s").upstreams[0], Breaker()).way.proxy

    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert proxy("http://api.example/v1") is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert proxy("https://api.example/v1") == "http://proxy.example:3128"
    assert proxy("http://127.0.0.1:8000/v1") is None and proxy("http://api.example/v1") is None
    monkeypatch.setenv("NO_PROXY", "api.example")
    assert proxy("https://api.example/v1") is None
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example:1080")
    with pytest.raises(InputError, match="speaks socks5; http or https was expected"):
        proxy("http://other.example/v1")


def test_a_proxy_is_asked_for_the_whole_address() -> None:
    told = Told([OK])

    async def work(one: Way) -> None:
        proxy = told.url.rpartition("/v1")[0]
        by_proxy = Way("http://api.example/v1/chat/completions", {}, {}, 1, proxy)
        assert await asked(by_proxy) == (200, b"{}")
        await by_proxy.aclose()

    run(told, work)
    assert told.requests[0].startswith(b"POST http://api.example/v1/chat/completions HTTP/1.1\r\n")


class Log:
    """Keeps what it is given; each group waits until it may go on."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.fails = False

    def append_all(self, entries: Any) -> None:
        self.groups.append([fields["n"] for _, fields in entries])
        if self.fails:
            raise OSError("full")


def test_entries_that_wait_together_are_written_together_and_fail_together() -> None:
    async def work() -> None:
        log = Log()
        recorder = Recorder(log)
        first = asyncio.create_task(recorder.record({"n": 0}))
        await asyncio.sleep(0)
        await asyncio.gather(first, *(recorder.record({"n": number}) for number in range(1, 9)))
        assert [number for group in log.groups for number in group] == list(range(9)) and len(log.groups) <= 2
        log.fails = True
        found = await asyncio.gather(*(recorder.record({"n": number}) for number in range(3)), return_exceptions=True)
        assert [type(each) for each in found] == [OSError] * 3
        log.fails = False
        await recorder.record({"n": 9})
        gone = asyncio.create_task(recorder.record({"n": 10}))
        await asyncio.sleep(0)
        gone.cancel()
        await recorder.record({"n": 11})
        assert log.groups[-1][-1] == 11 and 10 in [number for group in log.groups for number in group]
        recorder.close()

    asyncio.run(work())
