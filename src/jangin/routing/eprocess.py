"""Does a promise about local answers still hold? An e-process over audited answers, which may be looked at any time.

Each audited answer is right or wrong. While at most a share 1 - target of them is wrong, the wealth of a bettor who
stakes on "more than that" has no upward drift, whatever order they come in, so it reaches 1/delta with probability at
most delta (Ville 1939). When it does, the promise is stale. The bettor mixes fixed stakes, which needs no tuning.
Source: Podkopaev and Ramdas (2022), "Tracking the risk of a deployed model and detecting harmful distribution shifts",
arXiv 2110.06177.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

STAKES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)  # of the most that may be staked, 1 / (1 - target)


class Watch(msgspec.Struct):
    """The state of one promise; it can be written down and taken up again.

    target: share of local answers that should be right. delta: chance of a false alarm, ever. log_wealth: one per
    stake. alarmed_at: how many answers had been audited at the alarm; None: none yet. An alarm stays.
    """

    target: float
    delta: float = 0.05
    audited: int = 0
    wrong: int = 0
    log_wealth: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(STAKES))
    alarmed_at: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.target < 1 or not 0 < self.delta < 1 or len(self.log_wealth) != len(STAKES):
            raise ValueError("target and delta lie between 0 and 1, and every stake has its wealth")

    @property
    def e_value(self) -> float:
        """The evidence against the promise; it is stale at 1 / delta."""
        top = max(self.log_wealth)
        return math.exp(min(700.0, top + math.log(sum(math.exp(each - top) for each in self.log_wealth) / len(STAKES))))

    @property
    def stale(self) -> bool:
        return self.alarmed_at is not None

    def audit(self, outcomes: Iterable[bool]) -> bool:
        """Takes in audited answers, right or not, in the order they were drawn. Returns: is the promise stale?"""
        allowed = 1 - self.target
        for right in outcomes:
            self.audited += 1
            self.wrong += not right
            gain = (0.0 if right else 1.0) - allowed
            self.log_wealth = [
                wealth + math.log1p(stake / allowed * gain * 0.999)  # never all of it: a loss must leave something
                for wealth, stake in zip(self.log_wealth, STAKES)
            ]
            if self.alarmed_at is None and self.e_value >= 1 / self.delta:
                self.alarmed_at = self.audited
        return self.stale
