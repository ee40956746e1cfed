"""Errors of probabilities, and the calibration that mends them."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from jangin.errors import DataError, ShapeError
from jangin.evals.calibration import (
    brier,
    calibration_error,
    calibration_of,
    log_loss,
    marginal_error,
    reliability,
)
from jangin.models.base import softmax
from jangin.train.head import calibrate
from jangin.train.targets import Rows


def drawn(n, sharpness=1.0, seed=0):
    """Logits that are `sharpness` times too sure, and labels drawn from the true probabilities."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((n, 4))
    gold = (softmax(logits).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return logits * sharpness, gold


def test_brier_and_log_loss_agree_with_scikit_learn():
    logits, gold = drawn(300)
    assert log_loss(softmax(logits), gold) == pytest.approx(sklearn_log_loss(gold, softmax(logits)))
    p, y = softmax(logits)[:, :1], (gold == 0)[:, None]
    assert brier(p, y) == pytest.approx(brier_score_loss(y[:, 0], p[:, 0]))
    assert log_loss(p, y) == pytest.approx(sklearn_log_loss(y[:, 0], p[:, 0]))
    both = np.concatenate([1 - p, p], axis=1)
    assert brier(both, y[:, 0].astype(int)) == pytest.approx(2 * brier(p, y))


def test_the_debiased_error_is_that_of_kumars_own_library():
    row = np.arange(600)
    confidence = (row + 0.5) / 600
    right = ((row * 7919) % 600 + 0.5) / 600 < confidence**1.5
    # uncertainty-calibration: lower_bound_scaling_ce(confidence, right, p=2, debias=True, num_bins=15)
    assert calibration_error(confidence, right) == pytest.approx(0.11374234891772692, abs=1e-14)


def test_debiasing_takes_the_chance_out_of_true_probabilities():
    errors, plain = [], []
    for seed in range(100):
        logits, gold = drawn(300, seed=seed)
        p = softmax(logits)
        confidence, right = p.max(axis=1), p.argmax(axis=1) == gold
        errors.append(calibration_error(confidence, right))
        bins = reliability(confidence, right)
        plain.append(np.sqrt(sum(b.n * (b.confidence - b.right) ** 2 for b in bins) / 300))
    assert np.mean(plain) > 0.07
    assert np.mean(errors) < 0.03


def test_overconfidence_is_seen_and_calibration_mends_it():
    logits, gold = drawn(4000, sharpness=2.5)
    rows = Rows([""] * len(gold), gold, None, None)
    mix = calibrate([logits.astype(np.float32)], rows)
    assert 1 / mix.scale[0, 0] == pytest.approx(2.5, rel=0.05)
    before = calibration_of(softmax(logits), gold)
    after = calibration_of(softmax(mix([logits.astype(np.float32)])), gold)
    assert before.top_label_error > 0.1 > 0.03 > after.top_label_error
    assert before.marginal_error > after.marginal_error
    assert before.log_loss > after.log_loss
    assert before.brier > after.brier


def test_calibration_stays_finite_when_every_row_is_right():
    logits = np.eye(3, dtype=np.float32)
    mix = calibrate([logits], Rows([""] * 3, np.array([0, 1, 2]), None, None))
    assert np.isfinite(mix.scale).all()
    assert softmax(mix([logits])).argmax(axis=1).tolist() == [0, 1, 2]


def test_equal_confidences_stay_in_one_bin():
    bins = reliability(np.array([0.5] * 90 + [0.9] * 10), np.arange(100) < 45)
    assert [(b.n, b.confidence, b.right) for b in bins] == [(90, 0.5, 0.5), (10, pytest.approx(0.9), 0.0)]


def test_unknown_cells_do_not_count():
    rng = np.random.default_rng(0)
    p = rng.random((200, 2))
    gold, known = rng.random((200, 2)) < p, rng.random((200, 2)) < 0.7
    seen = calibration_of(p, gold, known)
    assert seen == calibration_of(np.where(known, p, 1 - p), np.where(known, gold, ~gold), known)
    assert seen.top_label_error is None
    assert sum(b.n for b in seen.bins) == known.sum()
    assert marginal_error(p, gold, np.zeros_like(known)) == 0.0


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError) as caught:
        calibration_of(np.ones((3, 2)), np.ones(4, int))
    assert caught.value.message == "probabilities (3, 2), gold (4,), known (3, 2) do not fit"
    with pytest.raises(DataError) as caught:
        brier(np.ones((0, 2)), np.ones(0, int))
    assert caught.value.message == "there is no row to measure calibration on; expected at least 1"
