"""How well one feature alone tells the labels apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 256

Values = NDArray[Any]
Labels = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """A feature's values, each with its label: floats, null as NaN, or objects, null as None."""

    values: Values
    labels: Labels

    def some(self, chosen: slice) -> Rows:
        return Rows(self.values[chosen], self.labels[chosen])

    @property
    def can_be_separated(self) -> bool:
        return bool(0 < self.labels.sum() < len(self.labels))


def separation(train: Rows, later: Rows) -> float | None:
    """The AUC on `later` of the label's rate that each value has in `train`, or 1 - AUC where that is more: a feature that
    tells the opposite of what it told in training knows as much.

    Judged on rows that it was not learnt from, since a value that occurs once tells its own label and nothing else. Where
    the later rows have one label only, the first half of `train` teaches and the second is judged; None if that has, too.
    """
    if not later.can_be_separated:
        half = len(train.labels) // 2
        train, later = train.some(slice(half)), train.some(slice(half, None))
    if not later.can_be_separated or not len(train.labels):
        return None
    found = auc(_rates(train, later.values), later.labels)
    return max(found, 1 - found)


def auc(scores: Floats, labels: Labels) -> float:
    """The chance that a true label has a higher score than a false one; a tie counts half (Mann and Whitney 1947)."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    true = int(labels.sum())
    return float((ranks[labels].sum() - true * (true + 1) / 2) / (true * (len(labels) - true)))


def _rates(train: Rows, values: Values) -> Floats:
    """For each value the share of true labels among the rows of `train` in its group; of all rows, where there is none."""
    known, asked = _groups(train.values, values)
    groups = max(known.max(), asked.max()) + 1
    rows = np.bincount(known, minlength=groups)
    true = np.bincount(known, weights=train.labels, minlength=groups)
    rates = np.where(rows > 0, true / np.maximum(rows, 1), train.labels.mean())
    return np.asarray(rates[asked], dtype=np.float64)


def _groups(train: Values, values: Values) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The group of each value: numbers by quantiles of `train`, null apart; anything else by the value itself."""
    if train.dtype == object:
        places = {value: place for place, value in enumerate(dict.fromkeys([*train.tolist(), *values.tolist()]))}
        by_value = [np.array([places[value] for value in each.tolist()], dtype=np.int64) for each in (train, values)]
        return by_value[0], by_value[1]
    known = train[~np.isnan(train)]
    shares = np.linspace(0, 1, BINS)[1:]  # the lowest quantile would hold nothing below it
    # edges are values that occur, so that a frequent one ends a group of its own
    edges = np.unique(np.quantile(known, shares, method="inverted_cdf")) if len(known) else known
    by_number = [np.where(np.isnan(v), len(edges) + 1, np.searchsorted(edges, v)).astype(np.int64) for v in (train, values)]
    return by_number[0], by_number[1]
