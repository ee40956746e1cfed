"""What a running server forgets in time: texts of the ledger, captured exchanges."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jangin.errors import JanginError, StorageError
from jangin.ledger.row import DAY_US, now_us
from jangin.serve import log
from jangin.serve.door import Door
from jangin.serve.fleet import Fleet

if TYPE_CHECKING:
    from jangin.serve.outlet import Outlet

EVERY_S = 3600.0


async def housekeeping(fleet: Fleet, door: Door, outlet: Outlet | None, every_s: float = EVERY_S) -> None:
    """At once, and then every hour until it is cancelled. What cannot be removed is told on stderr, and tried again."""
    while True:
        try:
            await forget(fleet, door, outlet)
        except JanginError as error:
            log.warn("not_forgotten", error.message)
        except Exception as error:  # noqa: BLE001 - whatever it was, what is to be forgotten is tried again
            log.warn("not_forgotten", f"{type(error).__name__} at {log.where(error)}")
        await asyncio.sleep(every_s)


async def forget(fleet: Fleet, door: Door, outlet: Outlet | None) -> None:
    """Removes what is older than its task allows. Raises: StorageError, when all that can be removed has been."""
    now, stays = now_us(), None
    for name, entry in list(fleet.entries.items()):
        days = entry.terms.policy.texts_days
        if door.ledger is not None and days is not None:
            try:
                await asyncio.to_thread(door.ledger.prune_texts, now - days * DAY_US, name)
            except StorageError as error:
                stays = error
    if outlet is not None and outlet.capture is not None:
        await asyncio.to_thread(outlet.capture.prune)
    if stays is not None:
        raise stays
