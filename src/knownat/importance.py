"""Permutation importance: how much of the AUC is lost when one input's values are shuffled among the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownat.intervals import Floats, Labels
from knownat.scores import rounded

REPEATS, SEED, MOST_ROWS = 5, 0, 5000

Inputs = Mapping[str, NDArray[Any]]


def importance(inputs: Inputs, labels: Labels, foretold: Callable[[Inputs], Floats]) -> list[dict[str, Any]]:
    """The mean, least and greatest loss of five shuffles of each input (Breiman 2001), the most important first.

    `inputs` are raw values by name, each (n, 1); of more than 5,000 rows, 5,000 drawn ones are used.
    """
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(SEED)
    some = np.sort(rng.permutation(len(labels))[:MOST_ROWS])
    inputs, labels = {name: values[some] for name, values in inputs.items()}, labels[some]
    whole = roc_auc_score(labels, foretold(inputs))
    orders = [rng.permutation(len(labels)) for _ in range(REPEATS)]
    found = []
    for name, values in inputs.items():
        losses = [whole - roc_auc_score(labels, foretold({**inputs, name: values[order]})) for order in orders]
        found.append(
            {"input": name, "auc_loss": rounded(np.mean(losses)), "low": rounded(min(losses)), "high": rounded(max(losses))}
        )
    return sorted(found, key=lambda row: (-row["auc_loss"], row["input"]))
