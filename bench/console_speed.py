"""The console's speed: each page's size and seconds, and the ledger page over millions of rows.

    python bench/console_speed.py [--rows 5000000] [--folder DIR]

The rows are those of bench/ledger_speed.py. A server of its own serves one n-gram specialist over loopback HTTP; a page
is asked for with a new connection each time. `first_s` is the very first request for it, with nothing kept from an
earlier one (templates, sums), `s` the slowest of three more; those for the ledger wait until its sums are made anew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import httpx

from jangin.console.usage import FRESH_S
from jangin.serve.run import start
from jangin.state import LEDGER

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tests")]

PAGES = {
    "fleet": "/console",
    "task": "/console/tasks/desk",
    "try": "/console/try",
    "audit": "/console/audit",
    "keys": "/console/keys",
    "review": "/console/review",
    "new": "/console/new",
    "ledger, all": "/console/ledger?span=all",
    "ledger, one task": "/console/ledger?span=all&task=task-7",
    "ledger, one key": "/console/ledger?span=all&key=key-7",
    "ledger, a rare key": "/console/ledger?span=all&key=key-rare",
    "ledger, failed": "/console/ledger?span=all&route=failed",
}
STATIC = ("/console/static/console.css", "/console/static/console.js", "/console/static/icon.svg")


def main() -> None:
    from bundles import ngram_bundle
    from ledger_speed import load

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--folder", type=Path, help="of the temporary files, 2 GB")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as place:
        state = Path(place) / "state"
        state.mkdir()
        load(str(state / LEDGER), args.rows)
        bundle = ngram_bundle(Path(place) / "desk")
        with start([bundle], state=str(state), open_to_all=True, console=True) as (_, address):
            found = {name: page(f"{address}{path}") for name, path in PAGES.items()}
            shell = sum(len(httpx.get(f"{address}{path}").content) for path in STATIC)
    first = found["fleet"]["bytes"] + shell
    print(json.dumps({"rows": args.rows, "cores": os.cpu_count(), "first_page_bytes": first, "pages": found}, indent=2))


def page(url: str) -> dict[str, float]:
    seconds, size = [], 0
    for number in range(4):
        if "ledger" in url and number:
            time.sleep(FRESH_S)
        begun = time.perf_counter()
        answer = httpx.get(url, timeout=120)
        seconds.append(time.perf_counter() - begun)
        answer.raise_for_status()
        size = len(answer.content)
    return {"bytes": size, "first_s": round(seconds[0], 4), "s": round(max(seconds[1:]), 4)}


if __name__ == "__main__":
    main()
