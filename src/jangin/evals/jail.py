"""Builds the jail of one program and starts it there; run as a script by `sandbox.py`, never imported by it.

    evaluator ── this script ── supervisor (process 1 of the jail) ── the program

The job comes as JSON on standard input. What could not be enforced, or how the program ended, goes as JSON to the
descriptor `report`, which the program does not inherit. Nothing runs unless every step succeeded. Linux only.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
from typing import Any, NoReturn

# <linux/sched.h>, <sys/mount.h>, <linux/prctl.h>
_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_APART = _NEWNS | _NEWUTS | _NEWIPC | _NEWPID | _NEWNET
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_DETACH = 2
_PDEATHSIG, _DUMPABLE, _NO_NEW_PRIVS = 1, 4, 38
_INSIDE_ID = 1000  # what the program sees as its user

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    job = json.load(sys.stdin)
    try:
        user, counted = _leave(job["program_uid"])
        _call("prctl", _PDEATHSIG, signal.SIGKILL)
        if os.getppid() != job["parent"]:  # it died before it could be watched
            os._exit(1)
        _build(job)
        supervisor = _fork_watched()
        if supervisor == 0:
            _supervise(job, user, counted)
    except OSError as error:
        refused = f"{error.filename or 'changing the user'}: {error.strerror}"
        os.write(job["report"], json.dumps({"refused": refused}).encode())
        os._exit(1)
    os.waitpid(supervisor, 0)


def _leave(program_uid: int) -> tuple[int | None, int]:
    """Leaves the machine's namespaces. Returns the user to become (None: already the one), and how many of our own
    processes count against that user's limit.

    Root needs no user namespace; a root whose powers were taken, and everybody else, gets one. The kernel's limit on
    processes does not bind the machine's root, so root always becomes somebody else.
    """
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        try:
            _call("unshare", _APART)
            return program_uid, 1
        except PermissionError:
            uid = gid = 65534
            _become(uid)
            _call("prctl", _DUMPABLE, 1)  # or the maps below could not be written
    _call("unshare", _NEWUSER | _APART)
    maps = {"setgroups": "deny", "uid_map": f"{_INSIDE_ID} {uid} 1", "gid_map": f"{_INSIDE_ID} {gid} 1"}
    for name, text in maps.items():
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return None, 2


def _build(job: dict[str, Any]) -> None:
    """A file system in memory: the interpreter, its library and the program, all read-only, and one scratch folder.

    The new root stands one level below the root of the mount namespace, so that the program counts as chrooted: the
    kernel then refuses it user namespaces, in which it would regain powers over mounts.
    """
    _call("mount", b"none", b"/", None, _REC | _PRIVATE, None)
    base = next(folder for folder in ("/tmp", "/mnt", "/var") if os.path.isdir(folder))
    _mount("tmpfs", base, "tmpfs", _NOSUID | _NODEV, "size=16m,mode=755")
    os.mkdir(f"{base}/old")
    os.chdir(base)
    _call("syscall", _PIVOT_ROOT.get(os.uname().machine, -1), b".", b"old")
    os.chdir("/")
    for inside, outside in job["binds"]:
        _bind(f"/old{outside}", f"/jail{inside}")
    for inside in job["hide"]:
        _hide(f"/jail{inside}")
    for folder in ("/jail/tmp", "/jail/dev"):
        os.makedirs(folder)
    _bind("/old/dev/null", "/jail/dev/null", _NOSUID)
    with open("/jail/program.py", "w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(job["source"])
    scratch = f"size={job['scratch_mb']}m,nr_inodes=1024,mode=1777"
    _mount("tmpfs", "/jail/tmp", "tmpfs", _NOSUID | _NODEV | _NOEXEC, scratch)
    _call("umount2", b"/old", _DETACH)
    _mount("none", "/", None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV, None)
    os.chroot("/jail")
    os.chdir("/tmp")


def _bind(source: str, target: str, flags: int = _NOSUID | _NODEV) -> None:
    os.makedirs(target if os.path.isdir(source) else os.path.dirname(target), exist_ok=True)
    if not os.path.isdir(source):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    _mount(source, target, None, _BIND | _REC, None)
    _mount("none", target, None, _REMOUNT | _BIND | _RDONLY | flags, None)


def _hide(target: str) -> None:
    """Something empty in place of a folder or file that came along with a folder."""
    if os.path.isdir(target):
        _mount("tmpfs", target, "tmpfs", _RDONLY | _NOSUID | _NODEV, "size=4k,mode=755")
    else:
        empty = "/empty"
        os.close(os.open(empty, os.O_CREAT | os.O_WRONLY, 0o444))
        _mount(empty, target, None, _BIND, None)
        _mount("none", target, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV, None)


def _fork_watched() -> int:
    """A child that dies when this process does, also if that happens at once."""
    held, watched = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(watched)
        _call("prctl", _PDEATHSIG, signal.SIGKILL)
        if select.select([held], [], [], 0)[0]:
            os._exit(1)
        os.close(held)
        return 0
    os.close(held)  # `watched` stays open for as long as this process lives
    return child


def _supervise(job: dict[str, Any], user: int | None, counted: int) -> NoReturn:
    """Process 1: its end takes every process of the jail along. It cannot be signalled, read or traced from inside."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    program = os.fork()
    if program == 0:
        _start(job, user, counted)
    if user is not None:
        _become(user)
        _call("prctl", _PDEATHSIG, signal.SIGKILL)  # changing the user cleared it
    _call("prctl", _DUMPABLE, 0)
    for descriptor in (0, 1, 2, job["talk"]):  # so that the evaluator sees when the program closes them
        os.close(descriptor)
    while True:
        pid, status, usage = os.wait3(0)
        if pid == program:
            break
    report = {"code": os.waitstatus_to_exitcode(status), "cpu_s": usage.ru_utime + usage.ru_stime}
    os.write(job["report"], json.dumps(report).encode())
    os._exit(0)


def _start(job: dict[str, Any], user: int | None, counted: int) -> NoReturn:
    """Takes all powers away and becomes the program."""
    try:
        os.setsid()  # a signal to its group must not reach us
        if user is not None:
            _become(user)
        limits = {
            "AS": job["memory_mb"] << 20,
            "CPU": job["cpu_s"],
            "FSIZE": job["scratch_mb"] << 20,
            "NOFILE": 64,
            "NPROC": job["processes"] + counted,
            "MEMLOCK": 0,
            "MSGQUEUE": 0,
            "CORE": 1,  # not 0: only 1 also keeps the kernel from starting a crash handler
        }
        for name, value in limits.items():
            # One second between the signal that can be caught and the one that cannot.
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value + (name == "CPU")))
        _call("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.set_inheritable(job["talk"], True)
        os.set_inheritable(job["report"], False)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execve(job["argv"][0], job["argv"], job["environment"])
    except OSError as error:
        os.write(job["report"], json.dumps({"refused": f"starting the program: {error.strerror}"}).encode())
    os._exit(1)


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    _call("mount", texts[0], texts[1], texts[2], flags, texts[3])


def _call(name: str, *arguments: Any) -> None:
    """A function of the C library, whose -1 becomes an OSError that names it."""
    typed = [ctypes.c_ulong(argument) if isinstance(argument, int) else argument for argument in arguments]
    if getattr(_libc, name)(*typed) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}  # glibc has no wrapper

if __name__ == "__main__":
    main()
