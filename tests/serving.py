"""A running application for contract tests: the real routes and a real engine process, without a network in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import httpx

from jangin.serve.app import create
from jangin.serve.fleet import Fleet

LOCAL = "http://127.0.0.1"


@contextlib.asynccontextmanager
async def application(folders: Sequence[Path], **options: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Fleet]]:
    """A client of the application and its fleet. outlet: makes the way out, in the loop that uses it. at: where the
    client asks from."""
    behind_proxy, door = options.pop("behind_proxy", False), options.pop("door", None)
    make, observers, rooms = (options.pop(name, None) for name in ("outlet", "observers", "rooms"))
    at = options.pop("at", ("127.0.0.1", 123))
    fleet = Fleet(**options)
    outlet = make() if make else None
    try:
        for folder in folders:
            await fleet.load(folder)
        transport = httpx.ASGITransport(create(fleet, behind_proxy, door, outlet, observers, rooms), client=at)
        async with httpx.AsyncClient(transport=transport, base_url=LOCAL, timeout=60) as client:
            yield client, fleet
    finally:
        await fleet.stop()
        if outlet is not None:
            await outlet.close()


def drive(
    folders: Sequence[Path], work: Callable[[httpx.AsyncClient, Fleet], Coroutine[Any, Any, None]], **options: Any
) -> None:
    """Runs `work` against an application of its own."""

    async def run() -> None:
        async with application(folders, **options) as (client, fleet):
            await work(client, fleet)

    asyncio.run(run())


async def eventually(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    """Waits for a state that another process brings about."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.02)
