"""What the console has of its own beside the server: a folder for what is made in it, and an eye on climbs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jangin.console.remembered import FILE, Remembered
from jangin.console.supervise import Supervisor

if TYPE_CHECKING:
    from jangin.console.provider import Provider


class Rooms:
    """One for each server that has pages for people; `open` it in the event loop and `close` it at the end.

    workspace: where tasks and reviews that are made here lie; None: none can be. stopping: the server is ending.
    console: there is one. public: certificates are shown to everybody. provider: who else signs people in.
    """

    def __init__(
        self,
        workspace: Path | None = None,
        stopping: Callable[[], bool] = lambda: False,
        *,
        console: bool = True,
        public: bool = False,
        provider: Provider | None = None,
    ):
        self.workspace, self.stopping = workspace, stopping
        self.console, self.public, self.provider = console, public, provider
        self.climbs = None if workspace is None else Supervisor(workspace / "tasks")
        self.remembered = None if workspace is None else Remembered(workspace / FILE)

    def open(self) -> None:
        if self.climbs is not None:
            self.climbs.tend()

    def close(self) -> None:
        if self.climbs is not None:
            self.climbs.close()
