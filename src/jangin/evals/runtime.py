"""What a Python program needs to see in order to run: the interpreter, its shared libraries, its standard library."""

from __future__ import annotations

import functools
import json
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from jangin.errors import JanginError

_HOME = "/python"  # where the interpreter stands in the jail
_LIBRARIES = "/lib"

# Every extension module is imported once, so that the maps of the process name each shared library. Without two that no
# program gets: tkinter, which needs a screen, and ctypes.
_ASK = """
import json, os, sys
library = os.path.dirname(os.__file__)
extensions = os.path.join(library, "lib-dynload")
names = {name.partition(".")[0] for name in os.listdir(extensions)} if os.path.isdir(extensions) else set()
for name in names - {"_tkinter", "_ctypes", "_ctypes_test"}:
    try:
        __import__(name)
    except ImportError:
        pass
files = {line.split(maxsplit=5)[5].strip() for line in open("/proc/self/maps") if len(line.split(maxsplit=5)) == 6}
json.dump({"library": library, "platlib": sys.platlibdir, "files": sorted(files)}, sys.stdout)
"""


class Runtime(NamedTuple):
    """binds: (path in the jail, path here); hidden: paths in the jail that something empty covers; environment."""

    interpreter: str
    binds: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...]
    environment: dict[str, str]


@functools.cache
def find_runtime() -> Runtime:
    """The interpreter that runs this one, without virtual environment and installed packages.

    ctypes is hidden as well, unless it is built into the interpreter: with it a program could make any system call,
    without it only those that Python offers.
    """
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    asked = subprocess.run([interpreter, "-I", "-S", "-c", _ASK], capture_output=True, check=False)
    if asked.returncode != 0:
        raise JanginError(
            f"the interpreter {interpreter} did not start (exit code {asked.returncode})", "reinstall Python"
        )
    facts = json.loads(asked.stdout)
    library, version = Path(facts["library"]), "python{}.{}".format(*platform.python_version_tuple())
    stdlib = f"{_HOME}/{facts['platlib']}/{version}"
    binds = {f"{_HOME}/bin/python3": str(interpreter), stdlib: str(library)}
    loader = _loader(interpreter)
    if loader is not None:
        binds[loader] = os.path.realpath(loader)
    for name in facts["files"]:
        shared = Path(name)
        if name.startswith("/") and ".so" in shared.name and library not in shared.parents:
            binds.update((f"{_LIBRARIES}/{alias}", name) for alias in _names(shared))
    installed = [folder for folder in ("site-packages", "dist-packages") if (library / folder).is_dir()]
    foreign = [f"lib-dynload/{file.name}" for file in (library / "lib-dynload").glob("_ctypes.*")]
    environment = {
        "PYTHONHOME": _HOME,
        "PYTHONHASHSEED": "0",  # the same program gives the same verdict
        "PYTHONUTF8": "1",
        "LD_LIBRARY_PATH": _LIBRARIES,
        "HOME": "/tmp",
        "PATH": "",
    }
    hidden = tuple(f"{stdlib}/{name}" for name in installed + foreign)
    return Runtime(f"{_HOME}/bin/python3", tuple(sorted(binds.items())), hidden, environment)


def _names(shared: Path) -> set[str]:
    """The names that a library goes by: programs ask for `libz.so.1`, the file is `libz.so.1.2.13`."""
    links = (entry for entry in os.scandir(shared.parent) if ".so." in entry.name and entry.is_symlink())
    return {shared.name} | {entry.name for entry in links if os.path.realpath(entry.path) == str(shared.resolve())}


def _loader(interpreter: Path) -> str | None:
    """The path of the dynamic loader that the kernel looks for (PT_INTERP); None in a static program.

    Source: ELF-64 object file format, version 1.5, parts "ELF header" and "program header table".
    """
    with open(interpreter, "rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":
            raise JanginError(f"{interpreter} is no 64-bit ELF program", "run Jangin with a 64-bit Python")
        order = "<" if head[5] == 1 else ">"
        (offset,) = struct.unpack_from(order + "Q", head, 32)
        size, count = struct.unpack_from(order + "HH", head, 54)
        for i in range(count):
            file.seek(offset + i * size)
            kind, _, start, _, _, length = struct.unpack(order + "IIQQQQ", file.read(40))
            if kind == 3:
                file.seek(start)
                return file.read(length).rstrip(b"\0").decode()
    return None
