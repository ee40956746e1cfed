"""The server's way out, opened once: redaction, audit log, money spent, capture, and tasks that only pass through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from jangin.audit.log import AuditLog
from jangin.egress.capture import Capture
from jangin.egress.escalate import Egress
from jangin.egress.passing import PassThrough
from jangin.egress.seams import Redaction
from jangin.egress.server import Server
from jangin.errors import InputError, MissingExtraError
from jangin.ledger.book import Ledger
from jangin.ledger.row import Filter
from jangin.serve import log
from jangin.terms import Terms


class Outlet:
    """Made in the event loop that uses it; `close` it. tasks: name -> terms, of those without a specialist here.

    Raises: InputError where the key of an API is not in the environment.
    """

    def __init__(
        self,
        config: Server,
        audit: AuditLog,
        ledger: Ledger,
        redaction: Redaction | None,
        tasks: Mapping[str, Terms] | None = None,
    ):
        self.egress = Egress(config, audit, redaction, spent_of(ledger))
        self.capture = None
        if config.keep_days is not None and config.capture_folder is not None:
            if redaction is None:
                raise InputError(
                    "egress.capture is on, and personal data cannot be redacted here", "pip install 'jangin[pii]'"
                )
            self.capture = Capture(Path(config.capture_folder), redaction)
        self.passing = PassThrough(self.egress, self.capture)
        self.tasks = dict(tasks or {})

    async def close(self) -> None:
        await self.egress.close()
        if self.capture is not None:
            self.capture.close()


def spent_of(ledger: Ledger) -> Callable[[str, datetime], float]:
    """What a task's questions have cost elsewhere: every route but the local one may have let something out."""

    def spent(task: str, since: datetime) -> float:
        at = int(since.astimezone(UTC).timestamp() * 1e6)
        sums = ledger.totals_by(("route",), Filter(task=task, since=at))
        return sum(each.cost_usd for each in sums if each.group["route"] != "local")

    return spent


def redaction() -> Redaction | None:
    """One detector for all requests; without the extra None and a line on stderr: what is to be redacted then stays."""
    from jangin import pii
    from jangin.pii.presidio import without_models

    try:
        with without_models():
            detector = pii.Detector()
    except MissingExtraError as error:
        log.warn("no_redaction", f"{error.message}; tasks whose policy redacts send nothing ({error.hint})")
        return None
    return lambda vault: pii.Redactor(detector, vault)
