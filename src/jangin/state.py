"""Where a server keeps what outlives it: keys, ledger, audit log. No cache: nothing here can be fetched again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

KEYS, LEDGER, AUDIT = "keys.json", "ledger.sqlite", "audit"
WATCHES, SECRET = "watches", "draws.key"  # over promises; which answers are audited
CONSOLE = "console"  # tasks and reviews that were made in it


def state_folder(given: Path | None = None) -> Path:
    """The folder named, JANGIN_STATE, or the user's own (XDG_STATE_HOME; LOCALAPPDATA on Windows). Creates nothing."""
    if given is not None:
        return given
    if named := os.environ.get("JANGIN_STATE"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "jangin"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "jangin"
