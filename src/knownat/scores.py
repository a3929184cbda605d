"""How well probabilities foretell labels: the scores, and the points of the plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

THRESHOLD = 0.5
BINS = 10
# numpy's vector instructions differ between CPUs in the last bits
DIGITS = 6
MOST_POINTS = 300

Labels = NDArray[np.bool_]
Floats = NDArray[np.float64]
Points = Sequence[Mapping[str, float | str]]


def scores(labels: Labels, probabilities: Floats) -> dict[str, Any]:
    """All scores of one split with both labels, beside those of always foretelling the more frequent one."""
    rate = float(labels.mean())
    constant = np.full(len(labels), rate)
    return {
        "auc": _rounded(metrics.roc_auc_score(labels, probabilities)),
        "accuracy": _rounded(metrics.accuracy_score(labels, probabilities >= THRESHOLD)),
        "pr_auc": _rounded(metrics.average_precision_score(labels, probabilities)),
        "log_loss": _rounded(metrics.log_loss(labels, probabilities)),
        "brier": _rounded(metrics.brier_score_loss(labels, probabilities)),
        "calibration_error": _rounded(calibration_error(labels, probabilities)),
        "majority": {
            "accuracy": _rounded(max(rate, 1 - rate)),
            "log_loss": _rounded(metrics.log_loss(labels, constant)),
        },
        "label_rate": _rounded(rate),
        "rows": len(labels),
    }


def peer_scores(labels: Labels, probabilities: Floats) -> dict[str, float]:
    """What there is to say of another model on the same rows."""
    found = scores(labels, probabilities)
    return {name: found[name] for name in ("auc", "accuracy", "pr_auc", "log_loss", "brier", "calibration_error")}


def calibration_error(labels: Labels, probabilities: Floats) -> float:
    """Expected calibration error (Naeini et al. 2015) over ten bins of equal width."""
    gaps = [abs(foretold - seen) * rows for foretold, seen, rows in _bins(labels, probabilities)]
    return sum(gaps) / len(labels)


def _bins(labels: Labels, probabilities: Floats) -> list[tuple[float, float, int]]:
    """Mean probability, share of true labels and rows of each bin that has rows."""
    places = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    inside = [places == place for place in range(BINS)]
    return [(float(probabilities[i].mean()), float(labels[i].mean()), int(i.sum())) for i in inside if i.any()]


def plots(labels: Labels, probabilities: Floats) -> dict[str, Points]:
    """Name → points of each curve, and actual beside predicted of each row for the confusion matrix."""
    false_positive, true_positive, _ = metrics.roc_curve(labels, probabilities)
    precision, recall, _ = metrics.precision_recall_curve(labels, probabilities)
    bins = _bins(labels, probabilities)
    predicted = probabilities >= THRESHOLD
    pairs = zip(labels.tolist(), predicted.tolist(), strict=True)
    return {
        "roc": _points(false_positive_rate=false_positive, true_positive_rate=true_positive),
        "precision_recall": _points(recall=recall[::-1], precision=precision[::-1]),
        "calibration": _points(predicted=np.array([b[0] for b in bins]), actual=np.array([b[1] for b in bins])),
        "confusion": [{"actual": str(a).lower(), "predicted": str(p).lower()} for a, p in pairs],
    }


def _points(**columns: Floats) -> Points:
    """Rows of a plot, evenly thinned, first and last kept."""
    length = len(next(iter(columns.values())))
    kept = np.unique(np.linspace(0, length - 1, min(length, MOST_POINTS)).round().astype(np.int64))
    return [{name: _rounded(values[i]) for name, values in columns.items()} for i in kept.tolist()]


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)
