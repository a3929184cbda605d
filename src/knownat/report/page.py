"""The report: one page of HTML that needs nothing but itself, and is the same for the same content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from knownat.declaration import FeatureView
from knownat.report import charts, data
from knownat.report.accounts import Flow, labelled_flow, split_sizes, table_flow
from knownat.report.audit import audit, telling
from knownat.report.columns import Column, columns
from knownat.report.evidence import Evidence
from knownat.report.gates import gate
from knownat.report.numbers import MISSING, count, duration, listed, score, share
from knownat.report.seen import Seen

PAGE, DATA_PAGE, STYLE = "page.html.j2", "data.html.j2", "page.css"


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


def page(evidence: Evidence) -> str:
    """The whole page."""
    return _rendered(PAGE, content(evidence))


def data_page(found: Seen, evidence: Evidence) -> str:
    """The page of one data set."""
    return _rendered(DATA_PAGE, data.content(found, evidence.declaration, evidence.params.service))


def _rendered(template: str, named: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("knownat.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count, "share": share, "score": score, "span": duration, "listed": listed, "coded": coded}
    source, _, _ = environment.loader.get_source(environment, STYLE)  # type: ignore[union-attr]
    return environment.get_template(template).render(style=Markup(source), **named)


def content(evidence: Evidence) -> dict[str, Any]:
    """What the template names, in the page's order."""
    declaration, params = evidence.declaration, evidence.params
    service, test = declaration.service(params.service), evidence.scores["test"]
    label, views = declaration.outcome, declaration.feature_views
    splits = split_sizes(evidence.training_set)
    measured = columns(declaration.inputs(params.service), evidence.encoder.inputs, evidence.training_set)
    return {
        "service": params.service,
        "about": service,
        "label": label,
        "question": service.description or label.description or label.name,
        "splits": splits,
        "test": test,
        "flows": flows(evidence, splits),
        "audited": audit(declaration, params.service),
        "telling": telling(evidence.results["training_set"]),
        "gates": [gate(name, results, evidence.documents) for name, results in evidence.results.items()],
        "data": evidence.data,
        "groups": grouped(measured, [views[name] for name in service.views]),
        "moved": sorted((c for c in measured if c.shift), key=lambda c: (-c.shift.distance, c.name))[:3],  # type: ignore[union-attr]
        "spark": charts.spark,
        "charts": drawn(evidence),
        "scores": [score_row(metric, evidence.scores) for metric in METRICS],
        "views": [(v, evidence.rows["views"].get(v.name), v.name in service.views) for v in views.values()],
        "hashes": evidence.hashes,
    }  # fmt: skip


def coded(words: str) -> Markup:
    """What stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(words))))


def flows(evidence: Evidence, splits: Mapping[str, int]) -> list[Flow]:
    """Each table's rows; the event table's go on to the training set."""
    found = []
    for name, account in evidence.rows["tables"].items():
        flow = table_flow(name, account)
        if name == evidence.declaration.event.table:
            flow = labelled_flow(flow, evidence.events, splits, evidence.declaration, evidence.params)
        found.append(flow)
    return found


def grouped(measured: list[Column], views: list[FeatureView]) -> list[tuple[FeatureView, list[Column]]]:
    """The inputs under the views that they come from."""
    by_name = {column.name: column for column in measured}
    return [(view, [by_name[f"{view.name}__{f.name}"] for f in view.features]) for view in views]


def drawn(evidence: Evidence) -> list[tuple[str, str, Markup]]:
    """Heading, caption and picture of each chart."""
    test, plots = evidence.scores["test"], evidence.plots
    recall = charts.precision_recall(plots["precision_recall"], test["pr_auc"], test["label_rate"])
    calibrated = charts.calibration(plots["calibration"], test["calibration_error"])
    return [
        ("Learning curves", "The dot marks the epoch whose weights were kept.", charts.learning(evidence.losses)),
        ("ROC", "Test split.", charts.roc(plots["roc"], test["auc"])),
        ("Precision and recall", "Test split.", recall),
        ("Calibration", "Test split, ten bins of equal width.", calibrated),
        ("Confusion matrix", "Test split, at a threshold of 0.5.", charts.confusion(plots["confusion"])),
    ]


def score_row(metric: Metric, scores: Mapping[str, Any]) -> tuple[Metric, list[str]]:
    """The metric on validation and test, and on test for the peer and for whoever always says the more frequent label."""
    numbers = [
        scores["validation"].get(metric.key),
        scores["test"].get(metric.key),
        scores["test"]["peer"].get(metric.key),
        scores["test"]["majority"].get(metric.key),
    ]
    write = share if metric.is_share else score
    return metric, [MISSING if n is None else write(n) for n in numbers]
