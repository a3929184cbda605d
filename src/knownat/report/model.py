"""The page's section on the model: the table of its scores, and the headings and captions of its charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from markupsafe import Markup

from knownat.report import charts, measures
from knownat.report.evidence import Evidence
from knownat.report.numbers import MISSING, score, share

QUARTERS = "Validation and test, by the quarter of the moment asked about; the bars are 95 % intervals of the model."
IMPORTANCE = (
    "Test split: the largest losses of AUC when one of {} inputs is shuffled; the lines run from the least to the most "
    "of the repeats. Inputs that say the same share their loss."
)
SERVICES = (
    "Test split: gradient boosting on what each service may read, as of its own moment, with 95 % intervals. What is known later "
    "tells more, and is no skill."
)
SLICES = "Test split by {}, with 95 % intervals; the dotted line is the whole split."


@dataclass(frozen=True)
class Metric:
    """One score: how to read it, and how it is written."""

    key: str
    name: str
    meaning: str
    is_share: bool = False


METRICS = (
    Metric("auc", "AUC", "how often a true one ranks above a false one; higher is better, 0.5 is chance"),
    Metric("accuracy", "Accuracy", "right at a threshold of 0.5; higher is better", is_share=True),
    Metric("pr_auc", "PR AUC", "precision averaged over recall; higher is better, the label rate is chance"),
    Metric("log_loss", "Log loss", "surprise for each row, in nats; lower is better"),
    Metric("brier", "Brier score", "mean squared error of the probability; lower is better"),
    Metric("calibration_error", "Calibration error", "mean gap between probability and outcome, ten bins; lower is better"),
)


def drawn(evidence: Evidence) -> list[tuple[str, str, Markup]]:
    """Heading, caption and picture of each chart."""
    test, plots = evidence.scores["test"], evidence.plots
    recall = charts.precision_recall(plots["precision_recall"], test["pr_auc"], test["label_rate"])
    calibrated = charts.calibration(plots["calibration"], test["calibration_error"])
    found = [
        ("Learning curves", "The dot marks the epoch whose weights were kept.", charts.learning(evidence.losses)),
        ("ROC", "Test split.", charts.roc(plots["roc"], test["auc"], test["peer"]["auc"])),
        ("Precision and recall", "Test split.", recall),
        ("Thresholds", "Test split: what each threshold costs.", measures.thresholds(plots["threshold"])),
        ("Calibration", "Test split, ten bins of equal width.", calibrated),
        ("Confusion matrix", "Test split, at a threshold of 0.5.", charts.confusion(plots["confusion"])),
    ]
    if plots["quarters"]:
        found.append(("Over time", QUARTERS, measures.quarters(plots["quarters"])))
    found.append(("Importance", IMPORTANCE.format(len(plots["importance"])), measures.importance(plots["importance"])))
    if plots["services"]:
        found.append(("Hindsight", SERVICES, measures.services(plots["services"])))
    by_input = groupby(plots["slices"], key=itemgetter("input"))
    return [*found, *(("Slices", SLICES.format(name), measures.slices(name, list(p), test["auc"])) for name, p in by_input)]


def score_row(metric: Metric, scores: Mapping[str, Any]) -> tuple[Metric, list[tuple[str, str]]]:
    """The metric on validation and test, and on test for the peer and for whoever always says the more frequent label.

    Each with its interval, where it has one.
    """
    test, write = scores["test"], share if metric.is_share else score
    return metric, [_written(metric.key, found, write) for found in (scores["validation"], test, test["peer"], test["majority"])]


def _written(key: str, found: Mapping[str, Any], write: Callable[[float], str]) -> tuple[str, str]:
    number = write(found[key]) if key in found else MISSING
    return number, f"{write(found[f'{key}_low'])} to {write(found[f'{key}_high'])}" if f"{key}_low" in found else ""
