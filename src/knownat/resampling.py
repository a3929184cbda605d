"""Bootstrap intervals of the AUC: how far it could be from what it is, had other rows of the same kind been judged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
SEED = 0
# the middle 95 % of the draws (B. Efron, R. Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13)
ENDS = (0.025, 0.975)

Labels = NDArray[np.bool_]
Floats = NDArray[np.float64]
Weights = NDArray[np.int64]
Interval = tuple[float, float]


class Ranked:
    """Rows in the order of their probabilities, so that the AUC of each draw takes one pass."""

    def __init__(self, labels: Labels, probabilities: Floats) -> None:
        self._order = np.argsort(probabilities, kind="stable")
        ranked = probabilities[self._order]
        self._starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
        self._labels = labels[self._order].astype(np.int64)

    def auc(self, weights: Weights) -> float:
        """The AUC where each row counts as often as its weight says; NaN where one label has no weight.

        Ties count half, as in the Mann-Whitney statistic.
        """
        drawn = weights[self._order]
        positive = np.add.reduceat(drawn * self._labels, self._starts)
        negative = np.add.reduceat(drawn, self._starts) - positive
        pairs = int(positive.sum()) * int(negative.sum())
        doubled = int(positive @ (2 * np.cumsum(negative) - negative))
        return doubled / (2 * pairs) if pairs else np.nan


def auc_interval(labels: Labels, probabilities: Floats) -> Interval:
    """The 95 % interval of the AUC."""
    ranked = Ranked(labels, probabilities)
    return interval([ranked.auc(weights) for weights in draws(len(labels))])


def auc_gap_interval(labels: Labels, probabilities: Floats, others: Floats) -> Interval:
    """The 95 % interval of the AUC less that of other probabilities, both on the same rows in each draw."""
    ours, theirs = Ranked(labels, probabilities), Ranked(labels, others)
    return interval([ours.auc(weights) - theirs.auc(weights) for weights in draws(len(labels))])


def draws(rows: int) -> Iterator[Weights]:
    """How often each row is drawn, with replacement; the same draws each time."""
    generator = np.random.default_rng(SEED)
    for _ in range(DRAWS):
        yield np.bincount(generator.integers(0, rows, rows), minlength=rows)


def interval(found: list[float] | Floats) -> Interval:
    """The middle 95 % of the draws."""
    low, high = np.nanquantile(np.array(found), ENDS)
    return float(low), float(high)
