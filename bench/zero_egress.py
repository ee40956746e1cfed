"""Does anything try to leave? The whole path in a network namespace without a route, every attempt counted.

    python bench/zero_egress.py [-o FILE] [--only STAGE,...] [--no-training]

Each stage (init, check, pull, train, certify, predict, serve with OpenAI's client, report ...) is a command of its own
in a namespace whose only interface is loopback, under strace, which sees the system calls of all its processes and
threads, whatever library makes them: connect, sendto, sendmsg, sendmmsg. Counted is

- every call with an address beyond loopback, whether it could have succeeded or not;
- every look-up of a name: port 53 anywhere, or a resolver on this machine that was reached (nscd, systemd-resolved).

What goes through an io_uring could not be seen, so there is none: making one fails, as on a kernel without it.

No setting for being offline or silent is given to any library; those that are set outside are taken away. Then the same
watcher looks at things that do try: if it does not count them, its zero is worth nothing. Prints one JSON document;
exit status 1 when anything tried to leave, or the watcher missed what it had to see, or a stage failed.

Linux, strace, and the right to make a network namespace; the base `use-multilingual-3` must lie in the store
(`jangin pull use-multilingual-3`).
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
EXAMPLE = ROOT / "examples" / "support-tickets"
BASE = "use-multilingual-3"  # of the example, which speaks two languages
TORCH_FREE = f"ngrams,{BASE},ngrams+{BASE}"
CALLS = "connect,sendto,sendmsg,sendmmsg,io_uring_setup"
OFFLINE = (
    *("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "DO_NOT_TRACK"),
    *("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED", "CI"),
)
RESOLVERS = ("nscd", "systemd/resolve", "resolve.hook", "io.systemd.Resolve")
_ADDRESS = re.compile(
    r'sa_family=AF_INET, sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)'
    r'|sa_family=AF_INET6, sin6_port=htons\((\d+)\),.*?inet_pton\(AF_INET6, "([^"]+)"'
)
_FAMILY = re.compile(r"sa_family=(AF_\w+|0x[0-9a-f]+)")
_UNIX = re.compile(r'sun_path=@?"([^"]*)"')
_LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.")
_QUIET = ("AF_UNIX", "AF_NETLINK", "AF_UNSPEC")  # they reach nothing beyond this machine's kernel
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def attempts(trace: str) -> Counter[str]:
    """What a trace of strace holds that tried to leave, by where it wanted to go."""
    found: Counter[str] = Counter()
    resolvers: dict[str, str] = {}  # process -> the socket that it is connecting to
    for line in trace.splitlines():
        process = line.partition(" ")[0]
        for path in _UNIX.findall(line):
            if any(name in path for name in RESOLVERS):
                resolvers[process] = path
        if "<unfinished" not in line and (path := resolvers.pop(process, None)) and line.endswith(" = 0"):
            found[f"look-up of a name at {path}"] += 1
        if " resumed>" in line:  # its addresses stood where the call began
            continue
        if "io_uring_setup(" in line:
            found["io_uring"] += "INJECTED" not in line and "<unfinished" not in line
            continue
        here = _ADDRESS.findall(line)
        for port4, address4, port6, address6 in here:
            address, port = address4 or address6, port4 or port6
            if port == "53":
                found[f"look-up of a name at {address}"] += 1
            elif not _LOOPBACK.match(address):
                found[f"{address} port {port}"] += 1
        families = _FAMILY.findall(line)
        others = [each for each in families if each not in (*_QUIET, "AF_INET", "AF_INET6")]
        unread = len([each for each in families if each in ("AF_INET", "AF_INET6")]) - len(here)
        found.update(f"family {each}" for each in others)
        if unread:
            found["an address that could not be read"] += unread
    return +found


class Watched:
    """Commands of one folder, each under strace."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if name not in OFFLINE}
        self.stages: list[dict[str, Any]] = []

    def command(self, name: str, *arguments: object) -> list[str]:
        options = ["-f", "-qq", "--seccomp-bpf", "-s", "0", "-e", "signal=none", "-e", f"trace={CALLS}"]
        options += ["-e", "inject=io_uring_setup:error=ENOSYS", "-o", str(self.folder / f"{name}.trace")]
        return ["strace", *options, *map(str, arguments)]

    def run(self, name: str, *arguments: object, good: tuple[int, ...] = (0,), **more: str) -> str:
        """One stage; its standard output."""
        print(f"{name} ...", file=sys.stderr, flush=True)
        started = time.monotonic()
        command = self.command(name, *arguments)
        environment = {**self.environment, **more}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        self.end(name, started, done.returncode, done.returncode in good, done.stderr)
        return done.stdout

    def end(self, name: str, started: float, code: int, well: bool, errors: str = "") -> None:
        found = attempts((self.folder / f"{name}.trace").read_text("utf-8", "replace"))
        self.stages.append(
            {
                "stage": name,
                "exit": code,
                "well": well,
                "seconds": round(time.monotonic() - started, 1),
                "attempts": found.total(),
                "to": dict(found),
                **({} if well else {"said": errors[-600:]}),
            }
        )


def jangin(*arguments: object) -> tuple[object, ...]:
    return (sys.executable, "-m", "jangin", *arguments)


def path(watched: Watched, only: set[str] | None, training: bool) -> None:
    """The whole path, as a user walks it."""
    folder = watched.folder
    task, made = folder / "tickets", folder / "tickets" / "specialist"
    questions = folder / "questions.jsonl"
    rows = (EXAMPLE / "test.jsonl").read_text("utf-8").splitlines(keepends=True)[:20]
    questions.write_text("".join(rows), "utf-8")
    shutil.copytree(EXAMPLE, task)

    def stage(name: str, *arguments: object, **options: Any) -> None:
        if only is None or name in only:
            watched.run(name, *arguments, **options)

    stage("init", *jangin("init", EXAMPLE / "train.jsonl", "-o", folder / "fresh", "--json"))
    stage("check", *jangin("check", task, "--json"))
    stage("pull", *jangin("pull", BASE, "--json"))
    stage("train", *jangin("train", task, "--best", "--rungs", TORCH_FREE, "-o", made, "--json"), good=(0, 1))
    stage("eval", *jangin("eval", made, "--on", questions, "--json"))
    stage("certify", *jangin("certify", made, "--json"), good=(0, 1))
    stage("verify", *jangin("certify", "--verify", made / "certificate.json", "--json"))
    stage("predict", *jangin("predict", made, questions, "-o", folder / "answers.jsonl", "--json"))
    stage("personal-data", sys.executable, "-c", FIND_PERSONAL_DATA)
    if only is None or "serve" in only:
        serve(watched, made)
    stage("ledger", *jangin("ledger", "totals", "--json"))
    stage("audit", *jangin("audit", "verify", folder / "state" / "audit", "--json"))
    stage("report", *jangin("report", folder, "--json"))
    if training:
        tests = [ROOT / "tests" / "test_train_tuned.py", ROOT / "tests" / "test_train_decoder.py"]
        options = ("-q", "-x", "-p", "no:cacheprovider", "-k", "tuned or classify")
        stage("fine-tune", sys.executable, "-m", "pytest", *options, *tests, PYTHONPATH=_paths(ROOT / "src"))


FIND_PERSONAL_DATA = """
from jangin import pii
found = pii.Redactor(pii.Detector()).redact("write to kim@example.com or call 010-2345-6789").text
assert "kim@example.com" not in found, found
"""

ASK = """
import sys, urllib.request, json
from openai import OpenAI
address, key = sys.argv[1:]
client = OpenAI(base_url=f"{address}/v1", api_key=key)
names = [model.id for model in client.models.list()]
assert len(names) == 2, names
for name in names:
    chat = {"model": name, "messages": [{"role": "user", "content": "where is my parcel"}], "max_tokens": 8}
    assert client.chat.completions.create(**chat).choices[0].message.content is not None
    assert [piece for piece in client.chat.completions.create(**chat, stream=True)]
body = json.dumps({"model": names[0], "input": ["where is my parcel", "refund please"]}).encode()
headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
request = urllib.request.Request(f"{address}/v1/classify", body, headers)
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
    assert len(json.load(answer)["data"]) == 2
"""


def serve(watched: Watched, made: Path) -> None:
    """A server with keys, ledger and audit log; a specialist of labels and one that writes, on a random decoder."""
    print("serve ...", file=sys.stderr, flush=True)
    sys.path.insert(0, str(ROOT / "tests"))
    import writers

    home = Path(os.environ["JANGIN_HOME"])
    writer = writers.writer(watched.folder / "writer", writers.base(home), "writer", max_tokens=8)
    started = time.monotonic()
    command = watched.command("serve", *jangin("serve", made, writer, "--port", "0", "--json"))
    # strace has no child that tells it to end: its own end is that of the server, which is its first child.
    server = subprocess.Popen(
        command, cwd=watched.folder, env=watched.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None and server.stderr is not None
        line = server.stdout.readline()
        if line:
            about = json.loads(line)
            watched.run("ask", sys.executable, "-c", ASK, about["address"], about["key"])
    finally:
        for child in _children(server.pid):
            os.kill(child, signal.SIGTERM)
        _, errors = server.communicate(timeout=60)
    watched.end("serve", started, server.returncode, bool(line) and server.returncode == 0, errors)


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


CONTROLS = {
    "tcp": "import socket; socket.socket().connect_ex(('192.0.2.1', 443))",
    "udp": "import socket\n"
    "try: socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('198.51.100.7', 123))\nexcept OSError: pass",
    "ipv6": "import socket; socket.socket(socket.AF_INET6).connect_ex(('2001:db8::1', 443))",
    "name": "import socket\ntry: socket.getaddrinfo('example.com', 443)\nexcept OSError: pass",
    "grandchild": "import subprocess, sys; subprocess.run([sys.executable, '-c', "
    "\"import socket; socket.socket().connect_ex(('192.0.2.1', 443))\"])",
    "thread": "import socket, threading\n"
    "t = threading.Thread(target=lambda: socket.socket().connect_ex(('192.0.2.1', 443))); t.start(); t.join()",
    "onnxruntime": "import onnxruntime, sys, time\nfrom onnx import TensorProto as T, helper as h\n"
    "a, b = (h.make_tensor_value_info(name, T.FLOAT, [1]) for name in 'ab')\n"
    "graph = h.make_graph([h.make_node('Identity', ['a'], ['b'])], 'g', [a], [b])\n"
    "model = h.make_model(graph, opset_imports=[h.make_opsetid('', 13)], ir_version=8)\n"
    "session = onnxruntime.InferenceSession(model.SerializeToString()); time.sleep(20)",
    "hub": "from huggingface_hub import HfApi\ntry: HfApi().model_info('a/b', timeout=2)\nexcept Exception: pass",
    "telemetry": "from huggingface_hub.utils import _telemetry, send_telemetry\n"
    "send_telemetry('jangin-control'); _telemetry._TELEMETRY_QUEUE.join()",
}


def controls(watched: Watched) -> dict[str, int]:
    """What does try: each must be counted at least once."""
    counts = {}
    before = len(watched.stages)
    for name, code in CONTROLS.items():
        watched.run(f"control-{name}", sys.executable, "-c", code)
    empty = watched.folder / "empty-home"
    watched.run("control-pull", *jangin("pull", BASE, "--json"), good=(1, 2), JANGIN_HOME=str(empty))
    for stage in watched.stages[before:]:
        counts[stage["stage"].removeprefix("control-")] = stage["attempts"]
    del watched.stages[before:]
    return counts


def inside(arguments: argparse.Namespace) -> dict[str, Any]:
    """In the namespace, whose loopback is down at first."""
    _loopback_up()
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    interfaces = [name for _, name in socket.if_nameindex()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        home.mkdir()
        store = Path(arguments.store)
        shutil.copytree(store / "blobs", home / "blobs", copy_function=_linked)
        os.environ |= {"JANGIN_HOME": str(home), "JANGIN_STATE": str(folder / "state"), "HF_HOME": str(folder / "hf")}
        watched = Watched(folder)
        only = None if arguments.only is None else set(arguments.only.split(","))
        path(watched, only, arguments.training)
        control = controls(watched)
    total = sum(stage["attempts"] for stage in watched.stages)
    return {
        "attempts": total,
        "stages": watched.stages,
        "controls": control,
        "missed": [name for name, count in control.items() if count == 0],
        "failed": [stage["stage"] for stage in watched.stages if not stage["well"]],
        "namespace": {"interfaces": interfaces, "routes": len(routes)},
        "watched": {"calls": CALLS.split(","), "by": _version("strace")},
        "versions": _versions(),
    }


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copyfile(source, target)


def _loopback_up() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as channel:
        name = struct.pack("16sh", b"lo", 0)
        (flags,) = struct.unpack("16xh", fcntl.ioctl(channel, SIOCGIFFLAGS, name)[:18])
        fcntl.ioctl(channel, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


def _version(command: str) -> str:
    return subprocess.run([command, "-V"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": sys.version.split()[0]}
    for name in (
        "jangin",
        "onnxruntime",
        "huggingface_hub",
        "transformers",
        "xllamacpp",
        "presidio-analyzer",
        "openai",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _paths(*more: Path) -> str:
    return os.pathsep.join([*map(str, more), *filter(None, [os.environ.get("PYTHONPATH")])])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, help="write the document there too")
    parser.add_argument("--only", help="these stages only, separated by commas")
    parser.add_argument("--no-training", dest="training", action="store_false", help="leave fine-tuning out")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        print(json.dumps(inside(arguments)))
        return 0
    for tool in ("strace", "unshare"):
        if shutil.which(tool) is None:
            sys.exit(f"zero_egress: {tool} is not installed")
    from jangin.bases.store import default_home

    namespace = ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--net", "--user", "--map-root-user"]
    again = [sys.executable, str(Path(__file__).resolve()), "--inside", "--store", str(default_home())]
    done = subprocess.run([*namespace, *again, *sys.argv[1:]], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return done.returncode
    found = json.loads(done.stdout)
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")
    return 1 if found["attempts"] or found["missed"] or found["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
