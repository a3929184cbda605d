"""The plot files: what is in each, and the points of the curves."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn import metrics

from knownat.files import write_text
from knownat.scores import THRESHOLD, Floats, Labels, bins, rounded

MOST_POINTS = 300
THRESHOLDS = np.arange(101) / 100
PART = ("rows", "label_rate", "auc", "auc_low", "auc_high", "log_loss", "accuracy")
# name → columns of each file, also where it has no row
PLOTS: Mapping[str, tuple[str, ...]] = {
    "roc": ("false_positive_rate", "model", "peer"),
    "precision_recall": ("recall", "precision"),
    "calibration": ("predicted", "actual"),
    "confusion": ("actual", "predicted"),
    "threshold": ("threshold", "precision", "recall", "accuracy"),
    "importance": ("input", "auc_loss", "auc_loss_low", "auc_loss_high"),
    "slices": ("slice", "input", "value", *PART),
    "quarters": ("quarter", *PART, "peer_auc"),
}

Points = Sequence[Mapping[str, float | str]]


def curves(labels: Labels, probabilities: Floats, peer: Floats) -> dict[str, Points]:
    """Name → points of each curve, and actual beside predicted of each row for the confusion matrix."""
    precision, recall, _ = metrics.precision_recall_curve(labels, probabilities)
    found = bins(labels, probabilities)
    pairs = zip(labels.tolist(), (probabilities >= THRESHOLD).tolist(), strict=True)
    return {
        "roc": roc(labels, probabilities, peer),
        "precision_recall": _points(recall=recall[::-1], precision=precision[::-1]),
        "calibration": _points(predicted=np.array([b[0] for b in found]), actual=np.array([b[1] for b in found])),
        "confusion": [{"actual": str(a).lower(), "predicted": str(p).lower()} for a, p in pairs],
        "threshold": thresholds(labels, probabilities),
    }


def roc(labels: Labels, probabilities: Floats, peer: Floats) -> Points:
    """The share of true rows that model and peer find, at the same shares of false rows taken for true."""
    grid = np.linspace(0, 1, MOST_POINTS)
    found = {}
    for name, foretold in (("model", probabilities), ("peer", peer)):
        false_positive, true_positive, _ = metrics.roc_curve(labels, foretold)
        found[name] = np.concatenate([[0.0], np.interp(grid, false_positive, true_positive)])
    return [
        {"false_positive_rate": rounded(x), "model": rounded(ours), "peer": rounded(theirs)}
        for x, ours, theirs in zip([0.0, *grid], found["model"], found["peer"], strict=True)
    ]


def thresholds(labels: Labels, probabilities: Floats) -> Points:
    """Precision, recall and accuracy at each hundredth, as far as any row is above it."""
    found = []
    for threshold in THRESHOLDS[probabilities.max() >= THRESHOLDS].tolist():
        taken = probabilities >= threshold
        right = int((taken & labels).sum())
        found.append({
            "threshold": threshold,
            "precision": rounded(right / taken.sum()),
            "recall": rounded(right / labels.sum()),
            "accuracy": rounded((taken == labels).mean()),
        })  # fmt: skip
    return found


def _points(**columns: Floats) -> Points:
    """Rows of a plot, evenly thinned, first and last kept."""
    length = len(next(iter(columns.values())))
    kept = np.unique(np.linspace(0, length - 1, min(length, MOST_POINTS)).round().astype(np.int64))
    return [{name: rounded(values[i]) for name, values in columns.items()} for i in kept.tolist()]


def write_csv(path: Path, columns: Sequence[str], points: Points) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(points)
    write_text(path, text.getvalue())
