"""The peer: gradient boosting on the same rows and raw features, so that nobody takes a number for a good one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from knownat.encoder import Category, Encoder, Text
from knownat.splits import Split

# what scikit-learn's histograms hold at most
MOST_CATEGORIES = 254
SEED = 0


def foretold_by_peer(train: pa.Table, scored: Mapping[Split, pa.Table], encoder: Encoder) -> dict[Split, NDArray[np.float64]]:
    """Each scored row's probability by scikit-learn's HistGradientBoostingClassifier with its own defaults, fitted on train.

    A category beyond the first 254 of the vocabulary counts as unseen, as does one that is not in it. Trees cannot read a
    text by its words, so the peer does without.
    """
    is_category = [isinstance(i, Category) for i in encoder.inputs if not isinstance(i, Text)]
    peer = HistGradientBoostingClassifier(categorical_features=is_category, random_state=SEED)
    peer.fit(matrix(train, encoder), train[encoder.label].to_numpy(zero_copy_only=False))
    return {split: peer.predict_proba(matrix(rows, encoder))[:, 1] for split, rows in scored.items()}


def matrix(rows: pa.Table, encoder: Encoder) -> NDArray[np.float64]:
    """(rows, inputs without texts): raw numbers, categories by their place in the vocabulary, NaN for what is missing or unseen."""
    columns = [
        _places(rows[i.name], i) if isinstance(i, Category) else _numbers(rows[i.name])
        for i in encoder.inputs
        if not isinstance(i, Text)
    ]
    return np.column_stack(columns)


def _numbers(values: pa.ChunkedArray) -> NDArray[np.float64]:
    numbers = np.array(values.cast(pa.float64()).to_numpy(), dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _places(values: pa.ChunkedArray, category: Category) -> NDArray[np.float64]:
    known = pa.array(category.vocabulary[:MOST_CATEGORIES], pa.string())
    return _numbers(pc.index_in(values.cast(pa.string()), known))
