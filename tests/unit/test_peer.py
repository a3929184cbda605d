"""The peer: gradient boosting on raw features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from knownat.encoder import Category, Encoder
from knownat.peer import MOST_CATEGORIES, foretold_by_peer, matrix
from knownat.splits import SPLITS, rows_of
from tests.modelling import training_set
from tests.unit.test_train import ENCODER

WORDS = Category(name="word", dtype="string", kind="index", vocabulary=[f"w{n}" for n in range(300)])


def foretold(**columns: Any) -> dict[str, np.ndarray]:
    table = training_set(**columns)
    parts = {split: rows_of(table, split) for split in SPLITS}
    return {**foretold_by_peer(parts["train"], {split: parts[split] for split in ("validation", "test")}, ENCODER)}


def test_a_category_that_is_unseen_or_beyond_what_histograms_hold_is_missing() -> None:
    """The last that has a place is the 254th of the vocabulary."""
    encoder = Encoder(service="early", label="is_kept", inputs=[WORDS])
    rows = pa.table({"word": ["w0", f"w{MOST_CATEGORIES - 1}", f"w{MOST_CATEGORIES}", "w299", "new", "", None]})
    np.testing.assert_array_equal(matrix(rows, encoder)[:, 0], [0, MOST_CATEGORIES - 1, *[np.nan] * 5])


def test_what_is_missing_or_not_finite_is_missing_to_the_peer() -> None:
    """Null, NaN and infinity alike; it still foretells."""
    weights = training_set()["basket__weight"].to_pylist()
    odd = [None, float("nan"), float("inf"), float("-inf")]
    rows = training_set(basket__weight=odd + weights[4:])
    column = [i.name for i in ENCODER.inputs].index("basket__weight")
    assert np.isnan(matrix(rows, ENCODER)[:4, column]).all()
    found = foretold(basket__weight=weights[:-4] + odd)
    assert np.isfinite(found["test"]).all()


def test_two_fits_give_the_same_probabilities() -> None:
    """To the last bit."""
    first, second = foretold(), foretold()
    for split, probabilities in first.items():
        np.testing.assert_array_equal(probabilities, second[split])
        assert len(probabilities) == 100


def test_nothing_is_fitted_on_validation_or_test() -> None:
    """Their labels turned round change nothing; those of train turned round change all."""
    labels = np.array(training_set()["is_kept"].to_pylist())
    later, earlier = labels.copy(), labels.copy()
    later[200:], earlier[:200] = ~labels[200:], ~labels[:200]
    first, scored, fitted = foretold(), foretold(is_kept=later.tolist()), foretold(is_kept=earlier.tolist())
    for split in ("validation", "test"):
        np.testing.assert_array_equal(first[split], scored[split])
        assert np.abs(first[split] - fitted[split]).mean() > 0.1
