"""Permutation importance (L. Breiman: Random Forests, 2001): what the AUC loses when an input is shuffled among the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from knownat.encoder import Encoder
from knownat.model import foretell, raw_inputs
from knownat.plots import Points
from knownat.scores import Labels, auc, rounded

if TYPE_CHECKING:
    import keras

MOST_ROWS = 5000
REPEATS = 3
SEED = 0


def importance(model: keras.Model, rows: pa.Table, labels: Labels, encoder: Encoder) -> Points:
    """Mean, least and most loss of AUC over the repeats, of each input, the most important first.

    It goes through the whole saved model and shuffles raw values, on an even sample of at most 5,000 rows.
    """
    chosen = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), MOST_ROWS)).round().astype(np.int64))
    sample, names = rows.take(chosen), [i.name for i in encoder.inputs]
    raw = raw_inputs(encoder, {name: sample[name].to_pylist() for name in names})
    truth, whole = labels[chosen], auc(labels[chosen], foretell(model, raw).astype(np.float64))
    losses = {
        name: [whole - auc(truth, foretell(model, raw | {name: values}).astype(np.float64)) for values in _shuffled(raw[name])]
        for name in names
    }
    ranked = sorted(losses.items(), key=lambda item: (-sum(item[1]), item[0]))
    return [_point(name, found) for name, found in ranked]


def _point(name: str, losses: list[float]) -> Mapping[str, float | str]:
    mean, low, high = rounded(sum(losses) / len(losses)), rounded(min(losses)), rounded(max(losses))
    return {"input": name, "auc_loss": mean, "auc_loss_low": low, "auc_loss_high": high}


def _shuffled(values: NDArray[Any]) -> list[NDArray[Any]]:
    """The same orders for every input."""
    generator = np.random.default_rng(SEED)
    return [values[generator.permutation(len(values))] for _ in range(REPEATS)]
