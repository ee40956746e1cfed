"""Rows for the tests of the ledger."""

from __future__ import annotations

import asyncio
from typing import Any

from jangin.ledger import Ledger, Row, Texts
from jangin.ledger.row import DAY_US

DAY = 20_000 * DAY_US  # 2024-10-04, midnight UTC


def row(id: str = "r", at: int = DAY, **changed: Any) -> Row:
    given = {"task": "shop", "endpoint": "chat", "route": "local", "status": 200, "key_id": "team"}
    return Row(id=id, at=at, **{**given, **changed})


def fill(ledger: Ledger, rows: list[Row], texts: dict[str, Texts] | None = None) -> None:
    """All at once from an event loop, as a server does."""

    async def all_of_them() -> None:
        await asyncio.gather(*(ledger.append(each, (texts or {}).get(each.id)) for each in rows))

    asyncio.run(all_of_them())
