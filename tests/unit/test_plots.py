"""The points of the plot files."""

from __future__ import annotations

import numpy as np
import pytest

from knownat.plots import MOST_POINTS, PLOTS, curves

LABELS = np.array([False, True, False, True])
PROBABILITIES = np.array([0.1, 0.9, 0.6, 0.7])


def test_plots_are_thinned_and_keep_their_ends() -> None:
    """However many rows there are; the confusion matrix alone has all of them."""
    rng = np.random.default_rng(0)
    found = curves(rng.random(5000) < 0.5, rng.random(5000), rng.random(5000))
    assert len(found["precision_recall"]) == MOST_POINTS
    assert len(found["roc"]) == MOST_POINTS + 1
    assert found["roc"][0] == {"false_positive_rate": 0.0, "model": 0.0, "peer": 0.0}
    assert found["roc"][-1] == {"false_positive_rate": 1.0, "model": 1.0, "peer": 1.0}
    assert len(found["confusion"]) == 5000
    assert set(found["confusion"][0].values()) <= {"true", "false"}


def test_every_point_has_the_columns_of_its_file() -> None:
    """No more and no less, in order."""
    for name, points in curves(LABELS, PROBABILITIES, PROBABILITIES).items():
        assert {tuple(point) for point in points} == {PLOTS[name]}


def test_the_peers_roc_curve_is_its_own() -> None:
    """A model that ranks all rows right beside a peer that ranks all of them wrong."""
    found = curves(LABELS, PROBABILITIES, 1 - PROBABILITIES)["roc"]
    assert {point["model"] for point in found[1:]} == {1.0}
    assert max(point["peer"] for point in found if point["false_positive_rate"] < 0.99) == 0.0


def test_thresholds_count_what_lies_on_or_above_them() -> None:
    """Hand-computed on four rows; beyond the highest probability there is no precision, so there is no point."""
    found = {point["threshold"]: point for point in curves(LABELS, PROBABILITIES, PROBABILITIES)["threshold"]}
    assert found[0.0] == {"threshold": 0.0, "precision": 0.5, "recall": 1.0, "accuracy": 0.5}
    assert found[0.6] == {"threshold": 0.6, "precision": pytest.approx(2 / 3, abs=1e-6), "recall": 1.0, "accuracy": 0.75}
    assert found[0.9] == {"threshold": 0.9, "precision": 1.0, "recall": 0.5, "accuracy": 0.75}
    assert max(found) == 0.9
