"""The report: one page of HTML that needs nothing but itself, and is the same for the same content."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
from knownat.report.model import METRICS, drawn, score_row
from knownat.report.numbers import count, duration, listed, score, share
from knownat.report.seen import Seen

PAGE, DATA_PAGE, STYLE = "page.html.j2", "data.html.j2", "page.css"


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
        "others": [name for name in declaration.services if name != params.service],
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
