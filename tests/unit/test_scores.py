"""The scores of one split."""

from __future__ import annotations

import numpy as np
import pytest

from knownat.scores import calibration_error, peer_scores, scores

LABELS = np.array([False, True, False, True])
PROBABILITIES = np.array([0.1, 0.9, 0.6, 0.7])


def test_scores_stand_beside_those_of_the_majority() -> None:
    """Hand-computed on four rows."""
    found = scores(LABELS, PROBABILITIES)
    assert (found["auc"], found["accuracy"], found["majority"]["accuracy"]) == (1.0, 0.75, 0.5)
    assert found["brier"] == pytest.approx((0.01 + 0.01 + 0.36 + 0.09) / 4)
    assert found["majority"]["log_loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert found["rows"] == 4


def test_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    """0 where what is foretold comes true as often as foretold."""
    assert calibration_error(np.array([True, False]), np.array([0.5, 0.5])) == 0
    assert calibration_error(np.array([True, False, True]), np.array([1.0, 0.0, 0.25])) == pytest.approx(0.25)


def test_a_peer_that_foretells_the_same_is_neither_better_nor_worse() -> None:
    """The interval of the gap is 0 to 0: both are judged on the same draws."""
    found = peer_scores(LABELS, PROBABILITIES, PROBABILITIES / 2)
    assert (found["auc"], found["auc_gap_low"], found["auc_gap_high"]) == (1.0, 0.0, 0.0)
