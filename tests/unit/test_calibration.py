"""A calibrated probability is as frequent as it says, and a calibration never turns a ranking around."""

from __future__ import annotations

import numpy as np
import pytest

from knownat.calibration import Calibration, platt
from knownat.training import weights


def drawn(slope: float, intercept: float, rows: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels as probable as the sigmoid of slope × logit + intercept."""
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 2, rows).astype(np.float32)
    return logits, rng.random(rows) < 1 / (1 + np.exp(-(slope * logits + intercept)))


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, -1.0), (2.0, 0.7)])
def test_the_slope_and_intercept_that_labels_were_drawn_by_are_found(slope: float, intercept: float) -> None:
    """Overconfident, underconfident and shifted logits alike."""
    found = platt(*drawn(slope, intercept))
    assert found.slope == pytest.approx(slope, abs=0.06)
    assert found.intercept == pytest.approx(intercept, abs=0.06)


def test_logits_that_rank_the_wrong_way_are_left_as_they_are() -> None:
    """A calibration mends probabilities; it does not hide that a model is wrong."""
    assert platt(*drawn(-1.0, 0.0)) == Calibration(1.0, 0.0)


def test_balanced_labels_weigh_the_same_together() -> None:
    """Whatever their share, and one row weighs 1 on average."""
    labels = np.array([0, 0, 0, 1], dtype=np.float32)
    found = weights(labels)
    assert 3 * found[0] == pytest.approx(found[1])
    assert 3 * found[0] + found[1] == pytest.approx(4)
