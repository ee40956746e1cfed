"""What was put into service in the console comes back with the next start: STATE/console/served.json holds its folders.

A folder that cannot be loaded then is a warning, and stays remembered until somebody forgets it on the fleet's page: a
disk that was not mounted once should cost nobody a specialist.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from jangin.errors import JanginError
from jangin.files import write_atomic
from jangin.serve import log

if TYPE_CHECKING:
    from jangin.serve.fleet import Fleet

FILE = "served.json"


class Remembered:
    """missing: folder -> why it was not loaded at this start."""

    def __init__(self, path: Path):
        self.path = path
        self.missing: dict[str, str] = {}

    def folders(self) -> list[str]:
        """Empty, with a warning, where the file cannot be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=list[str])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            log.warn("not_remembered", f"{self.path}: what was in service cannot be read ({type(error).__name__})")
            return []

    def add(self, folder: Path) -> None:
        """Raises: StorageError."""
        name, known = str(folder.resolve()), self.folders()
        self.missing.pop(name, None)
        if name not in known:
            self._write([*known, name])

    def remove(self, folder: Path | str) -> None:
        """Raises: StorageError."""
        name, known = str(Path(folder).resolve()), self.folders()
        self.missing.pop(name, None)
        if name in known:
            self._write([each for each in known if each != name])

    def _write(self, folders: list[str]) -> None:
        write_atomic(self.path, msgspec.json.format(msgspec.json.encode(folders), indent=1) + b"\n")

    async def bring_back(self, fleet: Fleet) -> None:
        """Loads what is remembered and not there yet."""
        there = {str(entry.folder.resolve()) for entry in fleet.entries.values()}
        for name in self.folders():
            if name in there:
                continue
            try:
                await fleet.load(Path(name))
            except JanginError as error:
                why = self.missing[name] = error.message.removeprefix(f"{name}: ")
                log.warn("not_in_service", f"{name} was put into service in the console and is not: {why}")
