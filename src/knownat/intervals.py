"""How sure a score is: its bootstrap interval, from the same draws of rows for all models, so that they can be paired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

DRAWS, SEED, LEVEL = 1000, 0, 0.95

Labels = NDArray[np.bool_]
Floats = NDArray[np.float64]
Name = TypeVar("Name", bound=str)


def interval(values: Floats) -> tuple[float, float]:
    """The middle 95 % of the draws."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def drawn_aucs(labels: Labels, probabilities: Mapping[Name, Floats]) -> dict[Name, Floats]:
    """Each model's AUC on 1,000 seeded draws of as many rows with replacement (Efron 1979), the same rows for all models.

    A draw without both labels gives NaN; with thousands of rows there is none.
    """
    measures = {name: _auc(labels, values) for name, values in probabilities.items()}
    return _drawn(len(labels), measures)


def drawn_means(losses: Mapping[Name, Floats]) -> dict[Name, Floats]:
    """The mean of each row's loss over the same draws."""
    rows = len(next(iter(losses.values())))
    return _drawn(rows, {name: _mean(values) for name, values in losses.items()})


def _drawn(rows: int, measures: Mapping[Name, Callable[[Floats], float]]) -> dict[Name, Floats]:
    rng = np.random.default_rng(SEED)
    found: dict[Name, Floats] = {name: np.empty(DRAWS) for name in measures}
    for draw in range(DRAWS):
        times = np.bincount(rng.integers(0, rows, rows), minlength=rows).astype(np.float64)
        for name, measure in measures.items():
            found[name][draw] = measure(times)
    return found


def _mean(values: Floats) -> Callable[[Floats], float]:
    return lambda times: float(times @ values / times.sum())


def _auc(labels: Labels, probabilities: Floats) -> Callable[[Floats], float]:
    """The AUC of rows that each count so many times: sorted once, ties halved."""
    order = np.argsort(probabilities, kind="stable")
    ranked, is_true = probabilities[order], labels[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])

    def measure(times: Floats) -> float:
        weights = times[order]
        true = np.add.reduceat(np.where(is_true, weights, 0), starts)
        false = np.add.reduceat(np.where(is_true, 0, weights), starts)
        pairs = true.sum() * false.sum()
        return float(true @ (np.cumsum(false) - false / 2) / pairs) if pairs else float("nan")

    return measure
