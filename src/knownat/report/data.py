"""The page of one data set: each column's values, how often the label holds among them, and what has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from knownat.declaration import Declaration
from knownat.profile import QUANTILES, TIMES, WORDS, Column, Value
from knownat.report import charts
from knownat.report.numbers import count, share, significant
from knownat.report.seen import Seen

SHOWN = {0.0: "min", 0.05: "5 %", 0.25: "25 %", 0.5: "median", 0.75: "75 %", 0.95: "95 %", 1.0: "max"}


@dataclass(frozen=True)
class Shown:
    """A column as the page has it; `quantiles` and `top` are written out, `top` with its part of the
    most frequent, share of rows and label rate.
    """

    column: Column
    dtype: str
    description: str
    known_at: str
    change: str
    typical: str
    quantiles: tuple[tuple[str, str], ...]
    top: tuple[tuple[str, float, str, str], ...]
    others: int
    spread: Markup
    spark: Markup


def content(found: Seen, declaration: Declaration, service: str) -> dict[str, Any]:
    """What the template names."""
    data_set = found.measured.data_set
    said = {change.column: change.words for change in found.changes}
    words, known = descriptions(declaration, found, service), known_later(declaration, found)
    there = {column.name for column in found.measured.columns}
    return {
        "name": found.name,
        "kind": data_set.kind,
        "about": _about(declaration, found, service),
        "rows": found.measured.rows,
        "hash": found.measured.hash,
        "path": data_set.path.as_posix(),
        "source": found.source,
        "before": found.accepted,
        "compared": found.compared,
        "changes": found.changes,
        "gone": [name for name in said if name not in there],
        "label": declaration.outcome.name if declaration.outcome.name in there else None,
        "columns": [
            _shown(column, words.get(column.name, ""), known.get(column.name, ""), said.get(column.name, ""))
            for column in found.measured.columns
        ],
    }  # fmt: skip


def descriptions(declaration: Declaration, found: Seen, service: str) -> dict[str, str]:
    """What the declaration says of the data set's columns."""
    data_set, label = found.measured.data_set, declaration.outcome
    if data_set.kind == "feature view":
        return {f.name: f.declared.description for f in declaration.feature_views[data_set.name].features}
    if data_set.kind == "training set":
        words = {item.name: item.feature.declared.description for item in declaration.inputs(service)}
    else:
        words = {name: column.description for name, column in declaration.tables[data_set.name].columns.items()}
    return words | {label.name: label.description}


def known_later(declaration: Declaration, found: Seen) -> dict[str, str]:
    """The columns of a table that are known only after its rows are, and when."""
    data_set = found.measured.data_set
    columns = declaration.tables[data_set.name].columns if data_set.kind == "table" else {}
    return {name: column.known_at for name, column in columns.items() if column.known_at}


def _about(declaration: Declaration, found: Seen, service: str) -> str:
    data_set = found.measured.data_set
    if data_set.kind == "feature view":
        return declaration.feature_views[data_set.name].description
    if data_set.kind == "table":
        return declaration.tables[data_set.name].description
    return declaration.service(service).description


def _shown(column: Column, description: str, known_at: str, change: str) -> Shown:
    pairs = dict(zip(QUANTILES, column.quantiles, strict=True)) if column.quantiles else {}
    quantiles = tuple((name, _brief(pairs[q], column.dtype)) for q, name in SHOWN.items()) if pairs else ()
    tallies = [(shown(f.value, column.dtype), f.tally) for f in column.top]
    rows, most = max(column.rows, 1), max((tally.rows for _, tally in tallies), default=1)
    return Shown(
        column=column,
        dtype=f"{column.dtype}, UTC" if column.dtype == "timestamp" else column.dtype,
        description=description,
        known_at=known_at,
        change=change,
        typical=_typical(column, pairs),
        quantiles=quantiles,
        top=tuple((text, t.rows / most, share(t.rows / rows), share(t.rate) if t.labelled else "") for text, t in tallies),
        others=column.distinct - len(column.top) if column.top else 0,
        spread=charts.spread(column) if column.bins else Markup(""),
        spark=charts.outline(column) if column.bins or column.top else Markup(""),
    )


def shown(value: Value, dtype: str) -> str:
    """A value as a person reads it; an empty text can be seen."""
    if dtype in WORDS:
        return str(value) or "(empty)"
    if dtype in TIMES:
        return str(value).replace("T", " ").removesuffix(" 00:00:00")
    return count(value) if isinstance(value, int) else significant(float(value))


def _brief(value: Value, dtype: str) -> str:
    """Of a time, the day."""
    return shown(value, dtype)[:10] if dtype in TIMES else shown(value, dtype)


def _typical(column: Column, quantiles: Mapping[float, Value]) -> str:
    """The median with what most values lie between, or the most frequent value."""
    if quantiles:
        low, middle, high = (_brief(quantiles[q], column.dtype) for q in (0.05, 0.5, 0.95))
        return middle if low == high else f"{middle} ({low} … {high})"
    if column.top:
        return f"{shown(column.top[0].value, column.dtype)} {share(column.top[0].tally.rows / column.rows)}"
    return "no value is frequent" if column.distinct else "no value"
