"""Start and stop: the fleet is loaded, the address is announced, signals end what is in flight, engines go last."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jangin.access.keys import Keys
from jangin.audit.log import AuditLog
from jangin.bases.machine import available_cores
from jangin.errors import EngineError, InputError, JanginError, StorageError
from jangin.files import hash_json, storage_error, write_atomic
from jangin.ledger.book import Ledger
from jangin.ledger.store import Durability
from jangin.meter import MEMORY_WATTS, WATTS_PER_THREAD, machine_price
from jangin.models.resident import limit
from jangin.serve.door import Door, Figures
from jangin.serve.listening import bind, check_host, check_tls
from jangin.serve.log import Style, use, warn
from jangin.serve.observers import Observers
from jangin.serve.telemetry import Telemetry, destination, wanted
from jangin.state import AUDIT, CONSOLE, KEYS, LEDGER, SECRET, WATCHES
from jangin.task import load_task
from jangin.terms import Terms

if TYPE_CHECKING:
    from jangin.console.provider import Provider
    from jangin.console.rooms import Rooms
    from jangin.egress.server import Server as Operator
    from jangin.serve.fleet import Fleet
    from jangin.serve.outlet import Outlet

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
    max_wait_s: float | None = None,
    prefix_cache: bool = True,
    json_output: bool = False,
    state: Path | str | None = None,
    open_to_all: bool = True,
    ledger: str | None = None,
    durability: Durability = "process",
    tls: tuple[Path, Path] | None = None,
    config: Path | str | None = None,
    tasks: Sequence[Path | str] = (),
    log: Style = "errors",
    otel: bool | None = None,
    console: bool = False,
    public_certificates: bool = False,
) -> int:
    """Serves until SIGTERM or SIGINT; returns 0. Port 0 takes a free one; the address line on stdout says which.
    `prefix_cache`: as `Decoder` says, of specialists that write.

    Args:
        max_wait_s: seconds of work that a request may find before it; None: 20, of written answers 60.
        state: the folder of keys, ledger and audit log; None: none of them, for a server that only its starter knows.
        open_to_all: answer without keys, on this machine only. ledger: instead of the one in `state`.
        tls: files of a certificate chain and its private key, PEM.
        config: the operator's file (docs/egress.md); None: nothing may leave. tasks: folders of tasks whose requests
            pass through to another API.
        log: which requests are a line on stderr. otel: export by OTLP; None: if its environment variable is set.
        console: pages for people at /console. public_certificates: pages for everybody at /certificates.
    Raises: InputError for an address that may not or cannot be used, or a JANGIN_HEADS_MB that is no number;
        BundleError, BaseModelError from loading;
        StorageError for a ledger or an audit log that cannot be written; MissingExtraError for `otel`.
    """
    from jangin.serve.fleet import Fleet

    limit()  # read by each engine; what is wrong with it is said here
    if tls is not None:
        check_tls(*tls)
    state = None if state is None else Path(state)
    operator = provider = None
    if config is not None:
        from jangin.serve.config import read_config

        operator, provider = read_config(Path(config))
    if provider is not None and (open_to_all or state is None or not console):
        what = "answers without keys" if open_to_all else "keeps nothing" if state is None else "has no console"
        raise InputError(
            f"oidc signs people in to the console, and this server {what}", "see docs/console.md, Signing in"
        )
    if operator is not None and operator.egress == "allow" and state is None:
        raise InputError("what leaves is written down, and this server keeps nothing", "name a --state folder")
    found = None if open_to_all or state is None else Keys(state / KEYS)
    check_host(host, behind_proxy, tls is not None, found)
    made = None
    if found is not None and not len(found):
        made = found.add("first", roles=("ask", "admin"))[1]
    with contextlib.ExitStack() as stack:
        stack.callback(use(log).close)
        telemetry = stack.enter_context(contextlib.closing(Telemetry())) if wanted(otel) else None
        listener = stack.enter_context(bind(host, port))
        book = audit = None
        if state is not None:
            _make_state(state)
            book = stack.enter_context(Ledger.open(ledger or state / LEDGER, durability))
            audit = stack.enter_context(AuditLog.open(state / AUDIT))
        door = Door(found, book, _figures(), audit)
        watches, secret = (None, os.urandom(32)) if state is None else (state / WATCHES, _secret(state / SECRET))
        upstreams = () if operator is None else operator.upstreams
        withheld = {each.key_env for each in upstreams if each.key_env}
        withheld |= {provider.secret_env} if provider is not None and provider.secret_env else set()
        fleet = Fleet(
            engine_timeout_s,
            max_waiting,
            prefix_cache,
            max_wait_s=max_wait_s,
            watches=watches,
            secret=secret,
            withheld=withheld,
        )
        rooms = _rooms(state, console, public_certificates, provider) if console or public_certificates else None
        options = _Options(
            behind_proxy, json_output, tls, made, operator, _terms_of(tasks), Observers(telemetry), rooms
        )
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(listener, folders, fleet, door, options))
    return 0


class _Options(NamedTuple):
    behind_proxy: bool
    json_output: bool
    tls: tuple[Path, Path] | None
    made: str | None  # the first key, made now
    operator: Operator | None
    tasks: dict[str, Terms]
    observers: Observers
    rooms: Rooms | None


def _rooms(state: Path | None, console: bool, public: bool, provider: Provider | None) -> Rooms:
    from jangin.console.rooms import Rooms

    workspace = None if state is None or not console else state / CONSOLE
    return Rooms(workspace, console=console, public=public, provider=provider)


def _make_state(folder: Path) -> None:
    """For this user only: who asked what, and how often, is in it. One that is there is left as it is."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise storage_error(folder, error) from error


def _secret(path: Path) -> bytes:
    """What decides which answers are audited; made at the first start. Raises: StorageError."""
    try:
        if not path.exists():
            write_atomic(path, os.urandom(32).hex())
            path.chmod(0o600)
        return bytes.fromhex(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: not readable ({error})", "remove it: a new one is made") from error


def _terms_of(tasks: Sequence[Path | str]) -> dict[str, Terms]:
    """Of the tasks that pass through. Raises: TaskError; InputError for two of one name."""
    found: dict[str, Terms] = {}
    for each in tasks:
        task = load_task(each)
        if task.name in found:
            raise InputError(f"two tasks are named '{task.name}'", "rename one of them")
        found[task.name] = Terms(task.policy)
    return found


def _figures() -> Figures:
    price = machine_price()
    watts = WATTS_PER_THREAD * available_cores() + MEMORY_WATTS
    method = f"modelled: {WATTS_PER_THREAD:g} W a core and {MEMORY_WATTS:g} W for memory while an engine works"
    return Figures((price.value or 0.0) / 3600, watts, method)


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


async def _serve(
    listener: socket.socket,
    folders: Sequence[Path],
    fleet: Fleet,
    door: Door,
    options: _Options,
) -> None:
    import uvicorn

    from jangin.serve.app import create
    from jangin.serve.housekeeping import housekeeping

    outlet = _outlet(door, options)
    certificate, key = options.tls or (None, None)
    config = uvicorn.Config(
        create(fleet, options.behind_proxy, door, outlet, options.observers, options.rooms),
        log_config=None,
        log_level="warning",
        access_log=False,
        http=_http(),
        ws="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        backlog=2048,
        timeout_graceful_shutdown=SHUTDOWN_S,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    server = _server_class()(config)
    if options.rooms is not None:
        options.rooms.stopping = lambda: server.should_exit
    keeping: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with _signals(server):
        try:
            await fleet.load_all([Path(folder) for folder in folders])
            if options.rooms is not None and options.rooms.remembered is not None:
                await options.rooms.remembered.bring_back(fleet)
            if options.observers.telemetry is not None:
                await door.record("server.telemetry", {"to": destination()})
                warn("telemetry", f"figures of requests, no texts, go to {destination()}", to=destination())
            about = {"specialists": {e.info.name: e.info.sha256 for e in fleet.entries.values()}}
            policies = {e.info.name: e.terms.policy for e in fleet.entries.values()}
            policies |= {name: terms.policy for name, terms in options.tasks.items()}
            hashes = {name: hash_json(policy.document())[:16] for name, policy in policies.items()}
            await door.record("server.started", {**about, "policies": hashes, "egress": _leaving(options)})
            keeping = asyncio.create_task(housekeeping(fleet, door, outlet))
            if options.rooms is not None:
                options.rooms.open()
            server.on_ready = lambda: _announce(listener, [e.info for e in fleet.entries.values()], options)
            if not server.should_exit:
                await server.serve(sockets=[listener])
        finally:
            keeping.cancel()
            if options.rooms is not None:
                options.rooms.close()
            await fleet.stop()
            if outlet is not None:
                await outlet.close()


def _leaving(options: _Options) -> list[str]:
    """Where anything may go at all: questions of tasks, and sign-ins."""
    operator, provider = options.operator, options.rooms.provider if options.rooms is not None else None
    upstreams = () if operator is None or operator.egress == "deny" else operator.upstreams
    return list(dict.fromkeys([*(each.origin for each in upstreams), *(provider.origins if provider else ())]))


def _outlet(door: Door, options: _Options) -> Outlet | None:
    if options.operator is None or options.operator.egress == "deny":
        return None
    from jangin.serve.outlet import Outlet, redaction  # with an API's client, which other servers need not

    assert door.audit is not None and door.ledger is not None
    return Outlet(options.operator, door.audit, door.ledger, redaction(), options.tasks)


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


def _announce(listener: socket.socket, infos: list[Any], options: _Options) -> None:
    host, port = listener.getsockname()[:2]
    scheme = "https" if options.tls else "http"
    address = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    if options.json_output:
        about = [{"name": i.name, "kind": i.kind, "sha256": i.sha256, "rung": i.rung} for i in infos]
        line = json.dumps({"address": address, "specialists": about} | ({"key": options.made} if options.made else {}))
    else:
        line = f"jangin serving {len(infos)} specialist{'s' if len(infos) != 1 else ''} on {address}"
        if options.rooms is not None and options.rooms.console:
            line += f"\nconsole: {address}/console"
        if options.rooms is not None and options.rooms.public:
            line += f"\ncertificates, for everybody: {address}/certificates"
        if options.made:
            line += f"\nthe first key, shown this once: {options.made}"
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
