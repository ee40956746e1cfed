"""/v1/feedback: whether an answer that was drawn for it was right. It feeds the watch over the specialist's promise."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from jangin.errors import RequestError
from jangin.ledger.row import Filter
from jangin.serve import replies, wire
from jangin.serve.deliver import JSON, Reply
from jangin.serve.door import Visit

if TYPE_CHECKING:
    from jangin.serve.app import Server


class FeedbackRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`id`: the answer's x-request-id. `right`: what somebody who read it says."""

    id: str
    right: bool


async def feedback(server: Server, body: bytes, visit: Visit) -> Reply:
    """Raises: RequestError for a request that is not in the ledger or was not drawn, 409 for one that was counted."""
    request = wire.read(body, FeedbackRequest)
    ledger = server.door.ledger
    if ledger is None:
        raise RequestError("this server keeps no ledger, so nothing can be said of its answers", status=409)
    page = await asyncio.to_thread(ledger.query, Filter(id=request.id), limit=1)
    row = page.rows[0] if page.rows else None
    entry = server.fleet.entries.get(row.task) if row is not None else None
    if row is None or entry is None or not visit.sees(row.task):
        raise RequestError("no answer of that id is known here", status=404, param="id", code="request_not_found")
    promise = entry.promise
    if promise is None or row.specialist != entry.info.sha256[:16]:
        raise RequestError("nothing is promised of that answer by what is served now", status=409, code="not_promised")
    if row.route != "local" or row.confidence is None or not promise.drawn(row.id, row.at):
        # Whoever chooses which answers are looked at could make the promise look as they like.
        raise RequestError("that answer was not drawn to be audited", status=409, param="id", code="not_drawn")
    was_stale = promise.stale
    if not await asyncio.to_thread(promise.take, row.id, request.right):
        raise RequestError("that answer has been counted", status=409, param="id", code="counted_before")
    if promise.stale and not was_stale:
        about = {"specialist": entry.info.sha256, "task": row.task, "audited": promise.audited.audited}
        await server.door.record("promise.stale", {**about, "wrong": promise.audited.wrong})
    return Reply(replies.encode({"model": row.task, "promise": promise.about()}), [JSON])
