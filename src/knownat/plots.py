"""How well probabilities foretell labels, in the points of plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn import metrics

from knownat.intervals import Floats, Labels
from knownat.scores import THRESHOLD, bins, rounded

MOST_POINTS = 300

Points = Sequence[Mapping[str, Any]]


def plots(labels: Labels, probabilities: Floats, peer: Floats) -> dict[str, Points]:
    """Name → points of each curve, and actual beside predicted of each row for the confusion matrix."""
    precision, recall, _ = metrics.precision_recall_curve(labels, probabilities)
    calibrated = bins(labels, probabilities)
    predicted = probabilities >= THRESHOLD
    pairs = zip(labels.tolist(), predicted.tolist(), strict=True)
    return {
        "roc": _roc(labels, probabilities),
        "roc_peer": _roc(labels, peer),
        "precision_recall": _points(recall=recall[::-1], precision=precision[::-1]),
        "calibration": _points(predicted=np.array([b[0] for b in calibrated]), actual=np.array([b[1] for b in calibrated])),
        "threshold": thresholds(labels, probabilities),
        "confusion": [{"actual": str(a).lower(), "predicted": str(p).lower()} for a, p in pairs],
    }


def _roc(labels: Labels, probabilities: Floats) -> Points:
    false_positive, true_positive, _ = metrics.roc_curve(labels, probabilities)
    return _points(false_positive_rate=false_positive, true_positive_rate=true_positive)


def thresholds(labels: Labels, probabilities: Floats) -> Points:
    """What each threshold from 0 to 0.99 gives; where none is foretold true, precision counts as 1, as in scikit-learn."""
    found = []
    for percent in range(100):
        predicted = probabilities >= percent / 100
        hits = int((predicted & labels).sum())
        precision = hits / predicted.sum() if predicted.any() else 1.0
        row = {"precision": precision, "recall": hits / labels.sum(), "accuracy": (predicted == labels).mean()}
        found.append({"threshold": percent / 100, **{name: rounded(value) for name, value in row.items()}})
    return found


def _points(**columns: Floats) -> Points:
    """Rows of a plot, evenly thinned, first and last kept."""
    length = len(next(iter(columns.values())))
    kept = np.unique(np.linspace(0, length - 1, min(length, MOST_POINTS)).round().astype(np.int64))
    return [{name: rounded(values[i]) for name, values in columns.items()} for i in kept.tolist()]
