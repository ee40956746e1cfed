"""A PostgreSQL server of the tests' own: initdb in a temporary folder, a unix socket in it, no network, no root.

PostgreSQL refuses to run as root; there the account `postgres` or `nobody` runs it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

WITHIN_S = 30.0


def binaries() -> Path:
    """The folder of initdb and postgres; skips the test where there is none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")


def _account() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is no account postgres or nobody")


def _memory() -> str | None:
    """A folder in memory, where a data folder is made and thrown away ten times as fast; None: there is not enough."""
    try:
        return "/dev/shm" if shutil.disk_usage("/dev/shm").free > 512 << 20 else None
    except OSError:
        return None


class PostgresServer:
    """`fresh` makes room for one test; `stop` and `start` again keep the data."""

    def __init__(self) -> None:
        self._bin, self._account = binaries(), _account()
        # A short name: a socket's path has 107 bytes at most.
        self._folder = Path(tempfile.mkdtemp(prefix="jangin-pg-", dir=_memory()))
        self._data = self._folder / "data"
        if self._account:
            os.chown(self._folder, self._account["user"], self._account["group"])  # type: ignore[arg-type]
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0
        self._run("initdb", "-D", self._data, "-U", "jangin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._bin / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, cwd=self._folder, **self._account)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def start(self, fsync: str = "off") -> None:
        """Without fsync, which the tests need only where they are about it."""
        options = [
            f"unix_socket_directories={self._folder}",
            "listen_addresses=",
            "max_connections=40",
            f"fsync={fsync}",
        ]
        command = [str(self._bin / "postgres"), "-D", str(self._data)]
        command += [part for option in options for part in ("-c", option)]
        log = open(self._folder / "log", "ab")  # noqa: SIM115 - the server writes to it as long as it lives
        self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, **self._account)  # type: ignore[call-overload]
        log.close()
        end = time.monotonic() + WITHIN_S
        while subprocess.run([str(self._bin / "pg_isready"), "-q", "-h", str(self._folder)]).returncode:
            assert self._process.poll() is None and time.monotonic() < end, (self._folder / "log").read_text()
            time.sleep(0.02)

    def fresh(self) -> str:
        """The URL of an empty schema of its own, which is made at once, unlike a database."""
        psycopg = pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
        self._schemas += 1
        name, url = f"test_{self._schemas}", f"postgresql:///postgres?host={self._folder}&user=jangin"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{url}&options=-csearch_path%3D{name}"

    def stop(self) -> None:
        """At once, as if it had crashed, its processes included."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(WITHIN_S)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
