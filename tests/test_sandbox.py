"""The sandbox: what a program may do, that it cannot get out, and that it cannot claim to have passed its tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from jangin.errors import InputError
from jangin.evals.sandbox import Limits, Outcome, Program, protection, run_many, run_python

SHORT = Limits(wall_s=30, cpu_s=10, memory_mb=128)  # a busy machine is slow; endless things have their own
jailed = pytest.mark.usefixtures("_sandbox")


@pytest.fixture(scope="module")
def _sandbox():
    if protection().refused is not None:
        pytest.skip(f"no sandbox here: {protection().refused}")


def run(source: str, tests: str | None = None, limits: Limits = SHORT) -> Outcome:
    return run_python(textwrap.dedent(source), tests=tests, limits=limits)


def prints(source: str) -> str:
    outcome = run(source)
    assert outcome.status == "ok", outcome.stderr_tail
    return outcome.stdout.strip()


@jailed
def test_a_program_runs_with_the_standard_library_and_a_scratch_folder_of_its_own():
    source = """
        import collections, dataclasses, hashlib, math, os, re, sqlite3, ssl, threading, zlib
        with open("note.txt", "w") as file:
            file.write("kept")
        thread = threading.Thread(target=print, args=("thread",))
        thread.start(); thread.join()
        print(open("/tmp/note.txt").read(), math.sqrt(16), __name__, os.listdir("."), input.__name__)
    """
    assert prints(source) == "thread\nkept 4.0 __main__ ['note.txt'] input"
    assert prints("import os; print(os.listdir('.'))") == "[]"  # nothing is left for the next one


@jailed
def test_the_environment_and_the_users_packages_are_not_seen(monkeypatch):
    monkeypatch.setenv("JANGIN_TEST_SECRET", "s3cret")
    source = """
        import os, sys
        assert "JANGIN_TEST_SECRET" not in os.environ
        for name in ("numpy", "jangin", "pip") + (() if "_ctypes" in sys.builtin_module_names else ("ctypes",)):
            try:
                __import__(name)
                print("imported", name)
            except ImportError:
                pass
    """
    assert prints(source) == ""


@jailed
def test_the_same_program_gives_the_same_order_of_a_set():
    source = "print(list({'a', 'b', 'c', 'd', 'e'}))"
    assert prints(source) == prints(source)


@jailed
def test_an_exit_code_an_exception_and_a_syntax_error_are_failures():
    assert run("import sys; sys.exit(3)")[:2] == ("failed", 3)
    raised = run("print('before'); 1 / 0")
    assert raised[:3] == ("failed", 1, "before\n") and raised.stderr_tail.endswith(
        "ZeroDivisionError: division by zero\n"
    )
    assert run("def f(:").stderr_tail.endswith("SyntaxError: invalid syntax\n")
    assert run("import os; os.abort()")[:2] == ("killed", -signal.SIGABRT)


@jailed
def test_many_programs_come_back_in_order():
    outcomes = run_many([Program(f"import time; time.sleep({0.4 - i / 10}); print({i})") for i in range(4)], parallel=2)
    assert [outcome.stdout for outcome in outcomes] == ["0\n", "1\n", "2\n", "3\n"]


def test_limits_that_make_no_sense_are_refused():
    with pytest.raises(InputError) as error:
        run_python("", limits=Limits(memory_mb=1))
    assert str(error.value) == "sandbox limit 'memory_mb' is 1; it must be at least 64\n  try: raise `memory_mb`"


# Escaping


@jailed
def test_no_connection_leaves_the_jail(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "socket"))
        unix.listen()
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind(f"\0jangin-test-{os.getpid()}")
        abstract.listen()
        source = f"""
            import socket
            for family, kind, address in (
                (socket.AF_INET, socket.SOCK_STREAM, {server.getsockname()!r}),
                (socket.AF_INET, socket.SOCK_DGRAM, ("198.51.100.1", 53)),
                (socket.AF_UNIX, socket.SOCK_STREAM, {str(tmp_path / "socket")!r}),
                (socket.AF_UNIX, socket.SOCK_STREAM, {abstract.getsockname()!r}),
            ):
                try:
                    socket.socket(family, kind).connect(address)
                    print("connected", address)
                except OSError:
                    pass
            try:
                print(socket.getaddrinfo("example.org", 80))
            except OSError:
                pass
            for family, kind in ((socket.AF_PACKET, socket.SOCK_RAW), (socket.AF_INET, socket.SOCK_RAW)):
                try:
                    print(socket.socket(family, kind, 1))
                except OSError:
                    pass
        """
        with abstract:
            assert prints(source) == ""
        socket.create_connection(server.getsockname(), timeout=5).close()  # it did listen


@jailed
def test_no_file_of_the_machine_can_be_read(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("s3cret")
    paths = [
        "/etc/passwd",
        "/etc/hostname",
        str(Path.home()),
        str(secret),
        __file__,
        "/proc/self/environ",
        "/proc/1/mem",
    ]
    source = f"""
        import os
        ups = ["../" * 20 + path.lstrip("/") for path in {paths!r}]
        for path in {paths!r} + ups + ["/proc/" + str(os.getppid()), "/sys/kernel", "/dev/mem", "/dev/sda", "/dev/vda"]:
            if os.path.lexists(path):
                print("sees", path)
        for descriptor in range(3, 64):  # nothing that leads outside was left open
            try:
                if os.readlink(f"/dev/fd/{{descriptor}}"):
                    print("descriptor", descriptor)
            except OSError:
                pass
            try:
                os.chdir(descriptor)
                print("a folder is open", descriptor)
            except OSError:
                pass
    """
    assert prints(source) == ""


@jailed
def test_nothing_outside_the_scratch_folder_can_be_written_and_nothing_in_it_executed():
    source = """
        import os, sys
        for path in ("/x", "/lib/x", "/python/x", sys.executable, os.__file__, "/program.py", "/dev/x", "/empty"):
            for flags in (os.O_WRONLY, os.O_WRONLY | os.O_CREAT):
                try:
                    os.open(path, flags)
                    print("writes", path)
                except OSError:
                    pass
            try:
                os.chmod(path, 0o777)
                print("changes", path)
            except OSError:
                pass
        with open("script", "w") as file:
            file.write("#!/python/bin/python3\\nprint('ran')")
        os.chmod("script", 0o755)
        try:
            os.execv("script", ["script"])
        except OSError:
            pass
        try:
            open("large", "wb").write(bytes(64 << 20))
            print("wrote 64 MB")
        except OSError:
            pass
    """
    outcome = run(source)
    assert outcome.stdout == "" and outcome.exit_code in (0, -signal.SIGXFSZ)


@jailed
def test_root_and_its_powers_cannot_be_had():
    source = """
        import os, resource, socket
        tries = {
            "setuid": lambda: os.setuid(0),
            "setgroups": lambda: os.setgroups([0]),
            "chroot": lambda: os.chroot("/tmp"),
            "mknod": lambda: os.mknod("disk", 0o60666, os.makedev(8, 0)),
            "nice": lambda: os.nice(-5),
            "limits": lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)),
            "hostname": lambda: socket.sethostname("x"),
        }
        if hasattr(os, "unshare"):
            tries["user namespace"] = lambda: os.unshare(os.CLONE_NEWUSER)
        for name, attempt in tries.items():
            try:
                attempt()
                print("could", name)
            except (OSError, ValueError):
                pass
        assert 0 not in os.getresuid() + os.getresgid()
    """
    assert prints(source) == ""


@jailed
def test_no_process_but_its_own_can_be_seen_or_killed():
    source = f"""
        import os, signal
        for pid in ({os.getpid()}, {os.getppid()}):
            try:
                os.kill(pid, 0)
                print("sees", pid)
            except OSError:
                pass
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM, signal.SIGSTOP):
            os.kill(1, number)  # its supervisor, which the kernel shields
        print(os.getpid(), os.getppid())
    """
    assert prints(source) == "2 1"


@jailed
def test_debugging_another_process_is_not_possible():
    source = """
        try:
            import ctypes
        except ImportError:  # no way to make the call
            raise SystemExit
        print(ctypes.CDLL(None).ptrace(16, 1, 0, 0))  # PTRACE_ATTACH to the supervisor
    """
    assert prints(source) in ("", "-1")


@jailed
def test_a_signal_to_its_group_ends_only_the_program_itself():
    assert run("import os, signal; os.kill(0, signal.SIGKILL)")[:2] == ("killed", -signal.SIGKILL)


# Exhausting


@jailed
def test_a_fork_bomb_is_refused_at_the_limit_and_leaves_nothing_behind():
    source = """
        import os, time
        started = 0
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(600)
                started += 1
        except OSError:
            print(started)
    """
    before = time.monotonic()
    assert prints(source) == "3"  # four processes with the program itself
    assert time.monotonic() - before < 30  # its sleeping children hold standard output: they were ended
    endless = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError: pass"
    assert run(endless, limits=Limits(wall_s=2)).status == "timeout"


@jailed
def test_a_memory_bomb_ends_within_its_limit():
    assert run("x = []\nwhile True: x.append(bytearray(1 << 20))").status == "memory"
    assert run("x = 'a' * (1 << 40)", tests="pass").status == "memory"
    assert run("def f(): return bytearray(1 << 30)", tests="f()").status == "memory"
    assert prints("try: bytearray(1 << 30)\nexcept MemoryError: print('caught')") == "caught"


@jailed
def test_an_endless_loop_and_an_endless_sleep_are_ended():
    loop = run("while True: pass", limits=Limits(wall_s=60, cpu_s=1))
    assert loop.status == "timeout" and loop.exit_code == -signal.SIGXCPU
    stubborn = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    assert run(stubborn, limits=Limits(wall_s=60, cpu_s=1)).status == "timeout"
    asleep = run("import time; print('on', flush=True); time.sleep(600)", limits=Limits(wall_s=2))
    assert asleep[:3] == ("timeout", None, "on\n") and asleep.seconds < 30


@jailed
def test_endless_output_is_cut_and_ended():
    for stream in ("stdout", "stderr"):
        outcome = run(f"import sys\nwhile True: sys.{stream}.write('x' * 1000)", limits=Limits(output_bytes=5000))
        assert outcome.status == "output" and outcome.exit_code is None
        assert len(outcome.stdout) <= 5000 and len(outcome.stderr_tail) <= 4096
    assert run("print('x' * 4999)", limits=Limits(output_bytes=5000)).status == "ok"


@jailed
def test_a_killed_evaluator_takes_its_programs_along():
    code = "from jangin.evals.sandbox import run_python; run_python('import time; time.sleep(600)')"
    evaluator = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 60
        while len(family := _descendants(evaluator.pid)) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(family) >= 3  # jail, supervisor, program
    finally:
        evaluator.kill()
        evaluator.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in family) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in family if Path(f"/proc/{pid}").exists()]


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [descendant for child in children for descendant in (int(child), *_descendants(int(child)))]


# Forging

TESTS = "assert f(1) == 2"
TO_EACH_DESCRIPTOR = "import os\nfor fd in range(3, 64):\n    try: {}\n    except OSError: pass\n"


@jailed
def test_tests_that_end_pass_and_tests_that_fail_do_not():
    assert run("def f(x): return x + 1", TESTS).status == "ok"
    assert run("def f(x): return x", TESTS).status == "failed"
    assert run("def f(x): return x + 1\nif __name__ == '__main__': raise RuntimeError", TESTS).status == "ok"
    assert run("def f(x): return x + 1", TESTS + "\n#" + "x" * 500_000).status == "ok"


@jailed
@pytest.mark.parametrize(
    "source",
    [
        "import sys; sys.exit(0)",
        "import os; os._exit(0)",
        "def f(x):\n    raise SystemExit(0)",
        "def f(x):\n    import os; os._exit(0)",
        "def f(x):\n    import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import atexit, os\natexit.register(os._exit, 0)",
        "import os\nif os.fork(): os._exit(0)",
        "import os\nif not os.fork(): os._exit(0)\nos.wait(); os._exit(0)",
        "import sys\nsys.excepthook = lambda *a: sys.exit(0)",
        "print('ok'); print('passed'); print('1 passed'); raise SystemExit(0)",
        "import sys\nsys.stderr.write('ok'); raise SystemExit",
        "import builtins\nbuiltins.AssertionError = type('E', (BaseException,), {})",
        "import builtins\nbuiltins.exec = lambda *a: None\nbuiltins.compile = lambda *a, **k: None",
        "import os\nos.write = lambda *a: 1\nos.read = lambda *a: b''\nos._exit = lambda *a: None",
        TO_EACH_DESCRIPTOR.format("os.write(fd, b'T' + bytes(16))") + "os._exit(0)",
        TO_EACH_DESCRIPTOR.format("os.write(fd, bytes(9))"),
        TO_EACH_DESCRIPTOR.format("os.close(fd)") + "os._exit(0)",
        "import sys\nsys.settrace(lambda *a: sys.exit(0))",
        "import sys\nsys.modules['solution'].f = lambda x: sys.exit()",
        "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'print(1)'])",
        "class f(str):\n    def __init__(self, x): raise SystemExit",
    ],
)
def test_a_program_that_does_not_pass_its_tests_cannot_claim_so(source):
    assert run("def f(x): return x\n" + source, TESTS).status in ("failed", "killed")


@jailed
def test_patched_builtins_do_not_help_in_the_tests():
    source = "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.all = lambda x: True\ndef f(x): return 0"
    assert run(source, "assert abs(f(1) - 2) < 1 and all([f(1)])").status == "failed"


@jailed
def test_the_tests_cannot_be_read_before_the_program_has_been_executed():
    source = """
        import gc, os, sys
        seen = [o for o in gc.get_objects() if isinstance(o, (str, bytes)) and "s3cr3t" in str(o)]
        frame = sys._getframe()
        while frame:
            seen += [v for v in frame.f_locals.values() if "s3" + "cr3t" in str(v)]
            frame = frame.f_back
        seen += [a for a in sys.orig_argv if "s3" + "cr3t" in a]
        os.set_blocking(int(sys.orig_argv[-2]), False)
        try:
            seen.append(os.read(int(sys.orig_argv[-2]), 1000))
        except BlockingIOError:
            pass
        os.set_blocking(int(sys.orig_argv[-2]), True)
        answer = len([s for s in seen if s and s is not seen])
    """
    outcome = run(source, "s3cr3t = answer\nprint(s3cr3t)")
    assert outcome.status == "ok", outcome.stderr_tail
    assert outcome.stdout == "1\n"  # its own source, and nothing else


# Where the kernel says no


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the way to be refused is Linux's")
def test_where_namespaces_are_refused_nothing_is_run(tmp_path):
    """In a user namespace that allows no further one; where that cannot be had, the machine refuses by itself."""
    enter = """
        import ctypes, os, sys
        own = f"1000 {os.getuid()} 1"
        if ctypes.CDLL(None).unshare(0x10000000) == 0:  # CLONE_NEWUSER
            for path, text in (("/proc/self/uid_map", own), ("/proc/sys/user/max_user_namespaces", "0")):
                with open(path, "w") as file:
                    file.write(text)
        os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
    """
    attempt = f"""
        from jangin.errors import JanginError
        from jangin.evals.sandbox import protection, run_python
        print(protection().enforced)
        try:
            run_python("open({str(tmp_path / "ran")!r}, 'w')")
        except JanginError as error:
            print(error.code, error.message, error.hint, sep="\\n")
    """
    command = [sys.executable, "-c", textwrap.dedent(enter), textwrap.dedent(attempt)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[:2] == ["()", "no_sandbox"]
    assert said[2].startswith("model-written code is not run here: ")
    assert said[3].startswith("allow unprivileged user namespaces (sysctl user.max_user_namespaces, ")
    assert not (tmp_path / "ran").exists()


@jailed
def test_what_is_enforced_is_said():
    assert protection().enforced[0] == "no network: a network namespace of its own without an interface"
    assert len(protection().enforced) == 5
