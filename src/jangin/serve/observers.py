"""Who hears of every request that ended: the sums of /metrics, the log, and OpenTelemetry where it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jangin.serve import log
from jangin.serve.metrics import Metrics

if TYPE_CHECKING:
    from starlette.types import Scope

    from jangin.serve.cascade import Outcome
    from jangin.serve.door import Visit
    from jangin.serve.telemetry import Telemetry


class Observers:
    """One for each application. telemetry: None, nothing is exported."""

    def __init__(self, telemetry: Telemetry | None = None):
        self.metrics = Metrics()
        self.telemetry = telemetry

    def ended(self, endpoint: str, scope: Scope, request_id: str, visit: Visit | None, status: int | None) -> None:
        """visit: None when the door let nobody in. status: of HTTP; None for what was streamed, or had no taker."""
        row, seconds, code, egress_usd = None, 0.0, None, 0.0
        outcomes: Sequence[Outcome] = ()
        if visit is not None:
            row, seconds, code = visit.row, visit.elapsed_s(), visit.error_code
            outcomes, egress_usd = visit.outcomes, visit.egress_usd
        if status is None:
            status = 200 if row is None else row.status
        commit_s = None if visit is None else visit.commit_s
        self.metrics.ended(endpoint, status, row, seconds, commit_s, outcomes, egress_usd)
        if log.current.wants(status):
            key_id = visit.key.id if visit is not None and visit.key is not None else ""
            log.current.request(endpoint, request_id, key_id, status, seconds * 1000, row, code)
        if self.telemetry is not None:
            self.telemetry.ended(endpoint, scope, request_id, status, seconds, row, code)
