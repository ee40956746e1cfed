"""The e-process: it seldom cries wolf, however long it runs, and it notices a promise that is broken."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from scipy.stats import binom

from jangin.routing.eprocess import STAKES, Watch


@pytest.mark.parametrize(("target", "delta"), [(0.95, 0.05), (0.9, 0.1)])
def test_a_promise_that_is_kept_exactly_is_called_stale_at_most_as_often_as_stated(target: float, delta: float) -> None:
    rng = np.random.default_rng(1)
    runs, length = 1_000, 600
    right = rng.random((runs, length)) < target
    allowed = 1 - target
    gains = np.log1p(np.array(STAKES)[:, None, None] / allowed * (~right - allowed) * 0.999).cumsum(2)
    wealth = np.exp(gains).mean(0).max(1)  # the best moment of each run, as a watcher who stops anywhere would see it
    alarms = int((wealth >= 1 / delta).sum())
    assert alarms <= binom.ppf(0.999, runs, delta)
    one = Watch(target, delta)  # the same bets by the class itself
    one.audit(right[0].tolist())
    assert one.e_value == pytest.approx(np.exp(gains[:, 0, -1]).mean(), rel=1e-9)


def test_a_broken_promise_is_noticed_soon_and_stays_noticed() -> None:
    rng = np.random.default_rng(2)
    noticed = []
    for _ in range(50):
        watch = Watch(0.95)
        watch.audit((rng.random(1_000) < 0.85).tolist())
        noticed.append(watch.alarmed_at or 10**9)
        watch.audit([True] * 500)
        assert watch.stale == (watch.alarmed_at is not None)
    assert np.median(noticed) < 200 and np.mean(np.array(noticed) <= 1_000) > 0.98


def test_a_drift_after_a_good_beginning_is_noticed_and_a_promise_with_room_is_left_alone() -> None:
    """First come 1,000 answers of which half as many are wrong as may be; then the model gets worse, or not."""
    rng = np.random.default_rng(4)
    kept, drifted = [], []
    for _ in range(20):
        watch = Watch(0.95)
        assert not watch.audit((rng.random(1_000) < 0.975).tolist())
        same = msgspec.json.decode(msgspec.json.encode(watch), type=Watch)
        kept.append(same.audit((rng.random(1_000) < 0.975).tolist()))
        watch.audit((rng.random(3_000) < 0.85).tolist())
        drifted.append((watch.alarmed_at or 10**9) - 1_000)
    assert not any(kept)
    assert max(drifted) <= 3_000 and np.median(drifted) < 1_000


def test_right_answers_alone_never_alarm_and_wrong_ones_alone_soon_do() -> None:
    fine = Watch(0.97)
    assert not fine.audit([True] * 5_000) and fine.e_value < 1e-3
    bad = Watch(0.97)
    assert bad.audit([False] * 3) and bad.alarmed_at is not None and bad.alarmed_at <= 3


def test_a_watch_goes_on_where_it_was_written_down() -> None:
    rng = np.random.default_rng(3)
    outcomes = (rng.random(300) < 0.93).tolist()
    whole, half = Watch(0.95), Watch(0.95)
    whole.audit(outcomes)
    half.audit(outcomes[:150])
    again = msgspec.json.decode(msgspec.json.encode(half), type=Watch)
    again.audit(outcomes[150:])
    assert again == whole and (again.audited, again.wrong) == (300, outcomes.count(False))


@pytest.mark.parametrize(("target", "delta"), [(0, 0.05), (1, 0.05), (0.9, 0), (0.9, 1)])
def test_targets_and_deltas_lie_between_0_and_1(target: float, delta: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Watch(target, delta)
