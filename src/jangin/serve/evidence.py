"""What every answer says of itself: the `jangin` object and the headers beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from jangin.serve.door import Visit
    from jangin.serve.fleet import Entry

Pairs = list[tuple[bytes, bytes]]


def evidence(
    entry: Entry, visit: Visit | None = None, confidence: float | None = None, certified: bool = True
) -> dict[str, Any]:
    """The `jangin` object. visit: once it has been told what the answer took; None: not known yet.

    certified: whether the answer is of the kind that the certificate speaks of.
    """
    certificate = _certificate(entry, visit, certified)
    about: dict[str, Any] = {"route": "local", "specialist": entry.info.sha256, "certificate": certificate}
    if entry.margin is not None:
        about |= {"routed": True, "margin": entry.margin}
    if visit is None:
        more = {} if confidence is None else {"confidence": confidence}
        return {**about, "egress_bytes": 0, **more}
    about["route"], about["egress_bytes"] = visit.route, visit.egress_bytes
    about["cost_usd"], about["energy_wh"] = visit.cost_usd, visit.energy_wh
    if confidence is not None:
        about["confidence"] = confidence
    if entry.promise is not None:
        about["promise"] = entry.promise.evidence()
        if len(visit.outcomes) == 1 and visit.route == "local" and entry.promise.drawn(visit.request_id, visit.at):
            about["audit"] = True
    outcomes = visit.outcomes
    if len(outcomes) == 1:
        if outcomes[0].why is not None:
            about["why"] = outcomes[0].why
        if outcomes[0].left is not None:
            about["egress"] = msgspec.to_builtins(outcomes[0].left)
    elif outcomes:
        routes = [each.route for each in outcomes]
        about["routes"] = {route: routes.count(route) for route in dict.fromkeys(routes)}
    return about


def headers(entry: Entry, visit: Visit | None = None, confidence: float | None = None, certified: bool = True) -> Pairs:
    certificate = _certificate(entry, visit, certified) or "none"
    route, left = ("local", 0) if visit is None else (visit.route, visit.egress_bytes)
    found = [
        (b"x-jangin-route", route.encode()),
        (b"x-jangin-specialist", entry.info.sha256[:12].encode()),
        (b"x-jangin-egress-bytes", b"%d" % left),
        (b"x-jangin-certificate", certificate.encode("ascii", "replace")),
    ]
    if visit is not None:
        found.append((b"x-jangin-cost-usd", b"%.9f" % visit.cost_usd))
        if visit.energy_wh is not None:
            found.append((b"x-jangin-energy-wh", b"%.9f" % visit.energy_wh))
    if confidence is not None:
        found.append((b"x-jangin-confidence", b"%.6f" % confidence))
    return found


def _certificate(entry: Entry, visit: Visit | None, certified: bool) -> str | None:
    """None also for what the specialist did not answer itself."""
    elsewhere = visit is not None and visit.route in ("escalated", "abstained", "refused")
    return entry.certificate.id if entry.certificate and certified and not elsewhere else None
