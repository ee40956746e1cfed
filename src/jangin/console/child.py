"""Runs one verb for the console and writes down how it ended, for a server that was not there to see it."""

from __future__ import annotations

import sys
from pathlib import Path

from jangin.files import write_atomic

if __name__ == "__main__":
    from jangin.cli import main  # a process of its own begins at the top again

    code = main(sys.argv[1:])
    write_atomic(Path("job.exit"), str(code))
    sys.exit(code)
