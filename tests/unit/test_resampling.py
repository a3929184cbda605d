"""Bootstrap intervals of the AUC."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from knownat.resampling import Ranked, auc_gap_interval, auc_interval

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=30)


@given(ROWS)
def test_the_weighted_auc_is_that_of_the_repeated_rows(rows: list[tuple[bool, int, int]]) -> None:
    """With ties, and with rows that are not drawn at all, as scikit-learn gives it; NaN where a label is not drawn."""
    labels, places, weights = (np.array(column) for column in zip(*rows, strict=True))
    found = Ranked(labels.astype(bool), places / 4).auc(weights)
    drawn = np.repeat(labels, weights)
    if len(set(drawn.tolist())) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(drawn, np.repeat(places, weights)))


def foretold(rows: int, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    labels = generator.random(rows) < 0.4
    return labels, 1 / (1 + np.exp(-generator.normal(strength * labels, 1)))


def test_the_interval_narrows_with_rows_and_is_the_same_each_time() -> None:
    """Four times the rows, about half the width; DeLong's standard error agrees within a fifth."""
    widths = []
    for rows in (500, 2000):
        low, high = auc_interval(*foretold(rows))
        assert (low, high) == auc_interval(*foretold(rows))
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.25)
    assert widths[1] == pytest.approx(2 * 1.96 * delong(*foretold(2000)), rel=0.2)


def delong(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Standard error of the AUC after E. DeLong et al. 1988."""
    above = probabilities[labels][:, None] > probabilities[~labels][None, :]
    return float(np.sqrt(above.mean(1).var(ddof=1) / labels.sum() + above.mean(0).var(ddof=1) / (~labels).sum()))


def test_a_gap_is_judged_on_the_same_draws() -> None:
    """Two nearly equal models: the gap is known far better than either AUC, and a better one lies wholly above 0."""
    labels, ours = foretold(2000)
    theirs = ours + np.random.default_rng(5).normal(0, 0.02, len(ours))
    low, high = auc_gap_interval(labels, ours, theirs)
    alone = auc_interval(labels, ours)
    assert high - low < (alone[1] - alone[0]) / 4
    low, _ = auc_gap_interval(labels, ours, np.random.default_rng(6).random(len(ours)))
    assert low > 0
