"""Start and stop: the fleet is loaded, the address is announced, signals end what is in flight, engines go last."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jangin.errors import EngineError, InputError, JanginError

if TYPE_CHECKING:
    from jangin.serve.fleet import Fleet

SHUTDOWN_S = 10
WITH_PARENT = "with-parent"


def serve(
    folders: Sequence[Path],
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    behind_proxy: bool = False,
    engine_timeout_s: float = 30.0,
    max_waiting: int = 4096,
    prefix_cache: bool = True,
    json_output: bool = False,
) -> int:
    """Serves until SIGTERM or SIGINT; returns 0. Port 0 takes a free one; the address line on stdout says which.
    `prefix_cache`: as `Decoder` says, of specialists that write.

    Raises: InputError for an address that may not or cannot be used; BundleError, BaseModelError from loading.
    """
    from jangin.serve.fleet import Fleet

    _check_host(host, behind_proxy)
    with _bind(host, port) as listener:
        fleet = Fleet(engine_timeout_s, max_waiting, prefix_cache)
        main = _serve(listener, folders, fleet, behind_proxy, json_output)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main)
    return 0


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # Windows
        return None
    return uvloop.new_event_loop


def _http() -> Any:
    try:
        from jangin.serve.corked import CorkedHttp
    except ImportError:  # Windows: uvicorn's own protocol in pure Python
        return "auto"
    return CorkedHttp


def _check_host(host: str, behind_proxy: bool) -> None:
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local and not behind_proxy:
        raise InputError(
            f"--host {host}: this server has no keys yet, so it listens on this machine only",
            "put a proxy that checks keys in front of it and say --behind-proxy, or leave --host out",
        )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"cannot listen on {host}:{port}: {reason}", "choose another --port (0: any free one)"
        ) from error
    return listener


async def _serve(
    listener: socket.socket,
    folders: Sequence[Path],
    fleet: Fleet,
    behind_proxy: bool,
    json_output: bool,
) -> None:
    import uvicorn

    from jangin.serve.app import create

    config = uvicorn.Config(
        create(fleet, behind_proxy),
        log_level="warning",
        access_log=False,
        http=_http(),
        ws="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        backlog=2048,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    server = _server_class()(config)
    with _signals(server):
        try:
            await fleet.load_all([Path(folder) for folder in folders])
            server.on_ready = lambda: _announce(listener, [e.info for e in fleet.entries.values()], json_output)
            if not server.should_exit:
                await server.serve(sockets=[listener])
        finally:
            await fleet.stop()


def _server_class() -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        """Announces itself; leaves signals to `_signals`, since uvicorn raises them again after a clean end."""

        on_ready: Any

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            self.on_ready()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server


@contextlib.contextmanager
def _signals(server: Any) -> Iterator[None]:
    """The first SIGTERM or SIGINT finishes what is in flight; a second one does not wait for it."""

    def stop(number: int, frame: Any) -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announce(listener: socket.socket, infos: list[Any], json_output: bool) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if json_output:
        about = [{"name": i.name, "kind": i.kind, "sha256": i.sha256, "rung": i.rung} for i in infos]
        line = json.dumps({"address": address, "specialists": about})
    else:
        line = f"jangin serving {len(infos)} specialist{'s' if len(infos) != 1 else ''} on {address}"
    print(line, flush=True)


@contextlib.contextmanager
def background(folders: Sequence[Path], **options: Any) -> Iterator[str]:
    """A server in processes of its own on a free loopback port; gives its base URL and stops it at the end.

    Raises: EngineError when it does not start.
    """
    with start(folders, **options) as (_, address):
        yield address


@contextlib.contextmanager
def start(folders: Sequence[Path], **options: Any) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """As `background`, with the process."""
    arguments = {"folders": [str(folder) for folder in folders], "port": 0, "json_output": True, **options}
    command = [sys.executable, "-m", "jangin.serve.run", json.dumps(arguments), WITH_PARENT]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process, _address(process)
    finally:
        process.terminate()
        try:
            process.wait(SHUTDOWN_S + 5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.stdout.close()


def _address(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait()
        raise EngineError("the server did not start; its message stands above", "mend that and try again")
    return json.loads(line)["address"]


def _end_with_parent() -> None:
    """A pipe that closes is a parent that is gone, also by kill -9: this server has nobody to serve then."""
    while os.read(0, 1):  # not sys.stdin: its lock, held by this thread, would abort the interpreter at its exit
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    if sys.argv[2:] == [WITH_PARENT]:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        sys.exit(serve(**json.loads(sys.argv[1])))
    except JanginError as failure:
        print(f"jangin: {failure}", file=sys.stderr)
        sys.exit(failure.exit_code)
