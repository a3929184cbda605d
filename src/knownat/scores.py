"""How well probabilities foretell labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from knownat.resampling import auc_gap_interval, auc_interval

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


def auc(labels: Labels, probabilities: Floats) -> float:
    return rounded(metrics.roc_auc_score(labels, probabilities))


def log_loss(labels: Labels, probabilities: Floats) -> Floats:
    """Each row's surprise, in nats; a probability of exactly 0 or 1 counts as one next to it."""
    likely = np.clip(np.where(labels, probabilities, 1 - probabilities), np.finfo(np.float64).eps, 1)
    surprise: Floats = -np.log(likely)
    return surprise


def compared(labels: Labels, probabilities: Floats, peer: Floats) -> dict[str, Any]:
    """95 % bootstrap intervals of the scores, and of the AUC's lead over the peer's, on the same draws of rows."""
    aucs = drawn_aucs(labels, {"model": probabilities, "peer": peer})
    means = drawn_means(
        {
            "accuracy": ((probabilities >= THRESHOLD) == labels).astype(np.float64),
            "log_loss": log_loss(labels, probabilities),
            "brier": (probabilities - labels) ** 2,
        }
    )
    lead = metrics.roc_auc_score(labels, probabilities) - metrics.roc_auc_score(labels, peer)
    return {
        "intervals": {name: _interval(values) for name, values in ({"auc": aucs["model"]} | means).items()},
        "lead": {"auc": rounded(lead), "interval": _interval(aucs["model"] - aucs["peer"])},
    }


def _interval(values: Floats) -> list[float]:
    return [rounded(end) for end in interval(values)]


def headline(found: Mapping[Split, Any]) -> dict[str, Any]:
    """Of all that was measured, what stands side by side in a table of experiments."""
    test, validation = found["test"], found["validation"]
    low, high = test["intervals"]["auc"]
    return {
        "test": {
            "auc": test["auc"],
            "auc_low": low,
            "auc_high": high,
            "accuracy": test["accuracy"],
            "log_loss": test["log_loss"],
            "calibration_error": test["calibration_error"],
            "rows": test["rows"],
            "peer": {"auc": test["peer"]["auc"]},
            "majority": {"accuracy": test["majority"]["accuracy"]},
        },
        "validation": {"auc": validation["auc"], "log_loss": validation["log_loss"]},
    }


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
