"""How well probabilities foretell labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from knownat.resampling import auc_gap_interval, auc_interval
from knownat.splits import Split

THRESHOLD = 0.5
BINS = 10
# numpy's vector instructions differ between CPUs in the last bits
DIGITS = 6

Labels = NDArray[np.bool_]
Floats = NDArray[np.float64]


def scores(labels: Labels, probabilities: Floats) -> dict[str, Any]:
    """All scores of one split with both labels, beside those of always foretelling the more frequent one."""
    rate = float(labels.mean())
    constant = np.full(len(labels), rate)
    return {
        **ranking(labels, probabilities),
        "accuracy": rounded(metrics.accuracy_score(labels, probabilities >= THRESHOLD)),
        "pr_auc": rounded(metrics.average_precision_score(labels, probabilities)),
        "log_loss": rounded(metrics.log_loss(labels, probabilities)),
        "brier": rounded(metrics.brier_score_loss(labels, probabilities)),
        "calibration_error": rounded(calibration_error(labels, probabilities)),
        "majority": {
            "accuracy": rounded(max(rate, 1 - rate)),
            "log_loss": rounded(metrics.log_loss(labels, constant)),
        },
        "label_rate": rounded(rate),
        "rows": len(labels),
    }


def ranking(labels: Labels, probabilities: Floats) -> dict[str, float]:
    """The AUC and its 95 % interval."""
    low, high = auc_interval(labels, probabilities)
    return {"auc": auc(labels, probabilities), "auc_low": rounded(low), "auc_high": rounded(high)}


def peer_scores(labels: Labels, probabilities: Floats, peer: Floats) -> dict[str, float]:
    """What there is to say of another model on the same rows, and the 95 % interval of how far our AUC is above its own."""
    low, high = auc_gap_interval(labels, probabilities, peer)
    return {
        "auc": auc(labels, peer),
        "auc_gap_low": rounded(low),
        "auc_gap_high": rounded(high),
        "accuracy": rounded(metrics.accuracy_score(labels, peer >= THRESHOLD)),
        "pr_auc": rounded(metrics.average_precision_score(labels, peer)),
        "log_loss": rounded(metrics.log_loss(labels, peer)),
        "brier": rounded(metrics.brier_score_loss(labels, peer)),
        "calibration_error": rounded(calibration_error(labels, peer)),
    }


def headline(found: Mapping[Split, Any]) -> dict[str, Any]:
    """Of all that was measured, what stands side by side in a table of experiments."""
    names = ("auc", "auc_low", "auc_high", "accuracy", "log_loss", "calibration_error", "rows")
    test, validation = found["test"], found["validation"]
    return {
        "test": {
            **{name: test[name] for name in names},
            "peer": {"auc": test["peer"]["auc"]},
            "majority": {"accuracy": test["majority"]["accuracy"]},
        },
        "validation": {"auc": validation["auc"], "log_loss": validation["log_loss"]},
    }


def auc(labels: Labels, probabilities: Floats) -> float:
    return rounded(metrics.roc_auc_score(labels, probabilities))


def calibration_error(labels: Labels, probabilities: Floats) -> float:
    """Expected calibration error (Naeini et al. 2015) over ten bins of equal width."""
    gaps = [abs(foretold - seen) * rows for foretold, seen, rows in bins(labels, probabilities)]
    return sum(gaps) / len(labels)


def bins(labels: Labels, probabilities: Floats) -> list[tuple[float, float, int]]:
    """Mean probability, share of true labels and rows of each bin that has rows."""
    places = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    inside = [places == place for place in range(BINS)]
    return [(float(probabilities[i].mean()), float(labels[i].mean()), int(i.sum())) for i in inside if i.any()]


def rounded(value: float) -> float:
    return round(float(value), DIGITS)
