"""`model: auto`: to which specialist each text of a request goes, or that none of them is for it.

A specialist that the asking key may not ask, or that cannot answer at the asked endpoint, counts as none. Nobody learns
the name of a specialist, or how near a text lies to it, that they may not see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from jangin.errors import EngineError, RequestError
from jangin.serve.cascade import Messages
from jangin.serve.door import Visit
from jangin.serve.fleet import Entry, Fleet
from jangin.serve.frames import Answers, Directed, Info
from jangin.serve.routed import AUTO, Made
from jangin.serve.slices import joined

Able = Callable[[Info], bool]


class Sent(NamedTuple):
    """Where one text goes. entry: None when it is for none. nearest, margin: None when they may not be told."""

    entry: Entry | None
    nearest: str | None
    margin: float | None


class Routed(NamedTuple):
    """The texts of one request and where each goes. answers: handle -> for its texts in order, of the specialists that
    answered in the same forward pass."""

    texts: list[str]
    sent: list[Sent]
    answers: dict[int, Answers]
    text_s: float

    @property
    def single(self) -> tuple[Entry, Answers | None] | None:
        """The specialist of a request with one text, and its answer when that is there; None when it is for none."""
        entry = self.sent[0].entry
        if len(self.texts) > 1 or entry is None:
            return None
        return entry, self.answers.get(entry.handle)

    def by_entry(self) -> list[tuple[Entry, list[int]]]:
        """Each specialist with the places of its texts."""
        found: dict[int, tuple[Entry, list[int]]] = {}
        for at, each in enumerate(self.sent):
            if each.entry is not None:
                found.setdefault(each.entry.handle, (each.entry, []))[1].append(at)
        return list(found.values())


def gives_labels(info: Info) -> bool:
    return info.writing is None


def gives_text(info: Info) -> bool:
    return info.kind == "generate"


def gives_tags(info: Info) -> bool:
    return info.kind == "tag"


def anything(info: Info) -> bool:
    return True


def said(text: str) -> Messages:
    """A text as the chat that another model would be asked."""
    return [{"role": "user", "content": text}]


async def route(fleet: Fleet, visit: Visit, texts: list[str], able: Able) -> Routed:
    """Lets the visitor in and asks the router.

    Raises: RequestError 409 when there can be no router, 403 and 429 as `Visit.ask`; Overloaded, EngineError.
    """
    made = await fleet.routing.ready(visit.sees)
    visit.ask_router()
    for _ in range(2):
        parts = await fleet.routing.direct(made, texts)
        found = _routed(fleet, visit, made, texts, able, parts)
        if found is not None:
            return found
        made = await fleet.routing.ready(visit.sees)  # a specialist went away meanwhile
    raise EngineError("the specialists changed while this request was routed", "send the request again")


def _routed(
    fleet: Fleet, visit: Visit, made: Made, texts: list[str], able: Able, parts: list[Directed]
) -> Routed | None:
    """None when a text was sent to a specialist that is gone."""
    sent = []
    nearest = [handle for part in parts for handle in part.nearest]
    margins = [margin for part in parts for margin in part.margins]
    for handle, margin in zip(nearest, margins):
        entry = made.entries.get(handle)
        if entry is None or fleet.entries.get(entry.info.name) is not entry:
            return None
        inside = margin >= 0 and visit.may(entry.info.name) and able(entry.info)
        seen = visit.sees(entry.info.name)
        sent.append(
            Sent(entry.routed(margin) if inside else None, entry.info.name if seen else None, margin if seen else None)
        )
    answers = {}
    for handle in {handle for part in parts for handle in part.answers}:
        whole = joined([part.answers[handle] for part in parts if handle in part.answers])
        wanted = sum(each == handle and margin >= 0 for each, margin in zip(nearest, margins))
        if len(whole.confidence) == 4 * wanted:  # loaded or gone meanwhile: some parts have it, some do not
            answers[handle] = whole
    return Routed(texts, sent, answers, sum(part.text_s for part in parts) / len(parts))


async def answered(fleet: Fleet, routed: Routed) -> list[tuple[Entry, list[int], Answers]]:
    """Each specialist of a request with several, the places of its texts, and its answers. Raises: Overloaded,
    EngineError."""

    async def one(entry: Entry, places: list[int]) -> tuple[Entry, list[int], Answers]:
        found = routed.answers.get(entry.handle)
        if found is None:
            found = await fleet.answer(entry, [routed.texts[at] for at in places])
            found = msgspec.structs.replace(found, text_s=found.text_s + routed.text_s)
        return entry, places, found

    return await asyncio.gather(*(one(*each) for each in routed.by_entry()))


def check(fleet: Fleet, visit: Visit) -> None:
    """Raises: RequestError 404 when this visitor sees no specialist; 409 when there can be no router."""
    if not any(visit.sees(name) for name in fleet.entries):
        fleet.get(AUTO, visit.sees)
    if (refused := fleet.routing.refusal(visit.sees)) is not None:
        raise refused


def model(fleet: Fleet, visit: Visit, created: int) -> dict[str, Any] | None:
    """The row of `auto` in /v1/models; None when it cannot be used."""
    try:
        check(fleet, visit)
    except RequestError:
        return None
    about = {"kind": "router", "specialists": [name for name in fleet.entries if visit.sees(name)]}
    return {"id": AUTO, "object": "model", "created": created, "owned_by": "jangin", "jangin": about}
