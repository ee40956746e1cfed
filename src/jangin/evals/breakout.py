"""A program that tries to leave the jail and prints what it could do: nothing, if all is well (`protection()`)."""

from __future__ import annotations

import os
import signal
import socket
import time


def attempts() -> list[str]:
    could = []
    if any(os.path.exists(path) for path in ("/etc/passwd", "/proc/1", "/sys/kernel", "/home", "/old")):
        could.append("see the machine's files")
    try:
        os.close(os.open("/escaped", os.O_CREAT | os.O_WRONLY))
        could.append("write outside its scratch folder")
    except OSError:
        pass
    try:
        socket.create_connection(("198.51.100.1", 9), timeout=0.1)  # a block reserved for documentation
        could.append("open connections")
    except TimeoutError:  # a packet left: there is an interface
        could.append("open connections")
    except OSError:
        pass
    if os.getuid() == 0 or os.geteuid() == 0:
        could.append("act as root")
    if len(children := _fork_until_refused(40)) >= 40:
        could.append("start any number of processes")
    for child in children:
        os.kill(child, signal.SIGKILL)
    return could


def _fork_until_refused(most: int) -> list[int]:
    children: list[int] = []
    while len(children) < most:
        try:
            child = os.fork()
        except OSError:
            break
        if child == 0:
            time.sleep(5)
            os._exit(0)
        children.append(child)
    return children


if __name__ == "__main__":
    print("; ".join(attempts()))
