"""What Great Expectations checks, derived from the declaration: one suite for each asset of each gate.

An expectation is written as Great Expectations' own JSON (`type`, `kwargs`, `meta`), like those in `expectations/`.
What is derived blocks: a declaration is no matter of opinion.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from knownat.declaration import Constraints, Declaration, FeatureView, ModelInput, Table, join_key, span, stored_key
from knownat.derive.spark import entity_keys
from knownat.gates import Severity
from knownat.known_times import dtypes

Expectation = dict[str, Any]
Suites = dict[str, list[Expectation]]

# flags that a gate adds to what it judges; a column cannot be called so
READABLE = "can be read"
FOUND_IN = "found in {}"
ANY_AT_ALL = 1e-9  # as `mostly`: at least one row

# a dtype as pandas and as Spark calls what is stored; the pandas engine reads times in UTC as naive ones
TYPES = {
    "string": ["StringDtype", "StringType"],
    "int64": ["Int64Dtype", "LongType"],
    "float64": ["Float64Dtype", "DoubleType"],
    "bool": ["BooleanDtype", "BooleanType"],
    "timestamp": ["datetime64[us]", "TimestampType"],
    "date": ["date", "DateType"],
}


def expectation(kind: str, reason: str, severity: Severity = "block", **kwargs: Any) -> Expectation:
    return {"type": f"expect_{kind}", "kwargs": kwargs, "meta": {"severity": severity, "reason": reason}}


def raw_suites(declaration: Declaration, max_bad_share: float) -> Suites:
    """Structure, and how much could not be read; values are judged once they have types."""
    return {
        name: [
            *_structure({"line": "int64", **dict.fromkeys(table.raw_columns, "string")}, READABLE),
            expectation(
                "column_values_to_be_in_set",
                f"at most {max_bad_share:.0%} of the rows may be unreadable",
                column=READABLE, value_set=[True], mostly=1 - max_bad_share,
            ),
            *[_not_empty(column) for column in table.raw_columns],
        ]
        for name, table in declaration.tables.items()
    }  # fmt: skip


def features_suites(declaration: Declaration, observed_at: dict[str, datetime]) -> Suites:
    """Every constraint of every column and feature, on the tables and the feature views as they are stored."""
    tables = {name: list(_table_suite(declaration, name, observed_at[name])) for name in declaration.tables}
    views = {v.name: list(_view_suite(declaration, v, observed_at[v.table])) for v in declaration.feature_views.values()}
    return tables | views


def references(declaration: Declaration, name: str) -> dict[str, str]:
    """Of a table or view: other assets in which each of its rows must find its key → that key.

    A view's row is about an entity of its table; of what every event has a row for, each event has one.
    """
    views = declaration.feature_views
    if name in views:
        return {views[name].table: views[name].join_key}
    return {view.name: view.join_key for view in views.values() if name == view.table and _is_of_every_event(declaration, view)}


def _is_of_every_event(declaration: Declaration, view: FeatureView) -> bool:
    """Whether the view has a row for each event, since it is known from the event's start."""
    is_own = view.table == declaration.event.table and view.entity == declaration.event.entity
    if not is_own or view.windows or view.sql is not None or view.known_at is None:
        return False
    return view.known_at.column == declaration.event_table.known_at and not view.known_at.delay


def _table_suite(declaration: Declaration, name: str, observed_at: datetime) -> Iterator[Expectation]:
    table = declaration.tables[name]
    found_in = references(declaration, name)
    yield from _structure(stored_types(declaration, name), *map(FOUND_IN.format, found_in))
    for column, declared in table.columns.items():
        yield from constraints(column, declared, declared.dtype)
        if not declared.required:
            yield _not_empty(column)
    yield _unique(table.key, "one row a key")
    if not table.columns[table.known_at].required:
        yield _never_missing(table.known_at)
    yield _observed(table.known_at, observed_at)
    for moment in late_moments(table):
        yield _ordered(table.known_at, moment, f"{moment} is not before {table.known_at}")
    for other, key in found_in.items():
        yield _found(other, f"each {key} of a row has features in {other}")


def _view_suite(declaration: Declaration, view: FeatureView, observed_at: datetime) -> Iterator[Expectation]:
    keys = dict.fromkeys([view.join_key, *map(stored_key, view.keys)], "string")
    found_in = references(declaration, view.name)
    types = {**keys, "known_at": "timestamp", **{f.name: f.dtype for f in view.features}}
    yield from _structure(types, *map(FOUND_IN.format, found_in))
    yield _unique([view.join_key, "known_at"], "one row an entity and moment")
    yield _never_missing(view.join_key)
    yield _never_missing("known_at")
    yield _observed("known_at", observed_at)
    for feature in view.features:
        yield from constraints(feature.name, feature.declared, feature.dtype)
        if not feature.declared.required:
            yield _not_empty(feature.name)
    for shorter, longer in _nested_counts(view):
        yield _ordered(shorter, longer, f"{longer} counts all that {shorter} counts")
    for other, key in found_in.items():
        yield _found(other, f"each {key} is one of {other}")


def _nested_counts(view: FeatureView) -> Iterator[tuple[str, str]]:
    """(shorter, longer) of the windows over which one feature is counted, each with the next longer one."""
    counted = {f.name for f in view.features if f.declared.agg == "count"}
    stems = dict.fromkeys(f.name.removesuffix(f"_{f.window}") for f in view.features if f.name in counted)
    windows = sorted(view.windows, key=span)
    for stem in stems:
        yield from pairwise(f"{stem}_{window}" for window in windows)


def training_set_suites(declaration: Declaration, service: str) -> Suites:
    """What the model is about to see: its inputs, within their bounds, and nothing that is known too late."""
    label, key = declaration.outcome.name, join_key(declaration.event.entity)
    inputs = declaration.inputs(service)
    types = {key: "string", "event_timestamp": "timestamp", "split": "string", label: "bool"}
    parts = ["train", "validation", "test"]
    suite = [
        *_structure(types | {i.name: i.feature.dtype for i in inputs}),
        _unique([key, "event_timestamp"], "one row an event"),
        *map(_never_missing, (key, "event_timestamp", label, "split")),
        expectation("column_values_to_be_in_set", "a row is in one part of the split", column="split", value_set=parts),
        *[
            expectation("column_distinct_values_to_contain_set", f"the split has {part} rows", column="split", value_set=[part])
            for part in parts
        ],
        expectation("column_distinct_values_to_equal_set", "both labels occur", column=label, value_set=[True, False]),
    ]
    for item in inputs:
        suite += list(_input_expectations(declaration, service, item))
    return {"training_set": suite}


def _input_expectations(declaration: Declaration, service: str, item: ModelInput) -> Iterator[Expectation]:
    late = known_later(declaration, service, item.view)
    if late:
        yield expectation("column_values_to_be_null", f"leakage audit: {late}", column=item.name)
        return
    bounds = item.feature.declared.model_copy(update={"required": False})  # an entity may have no history yet
    yield from constraints(item.name, bounds, item.feature.dtype)
    yield _not_empty(item.name)


def known_later(declaration: Declaration, service: str, view: FeatureView) -> str | None:
    """Why a view of the event itself can know nothing yet when the service asks; None if it can."""
    as_of, known = declaration.service(service).as_of, view.known_at
    if known is None or view.windows or view.entity != declaration.event.entity or view.table != declaration.event.table:
        return None
    if known.column in {as_of, declaration.event_table.known_at} and not known.delay:
        return None
    return f"{view.name} is known at {known.column}, after {as_of}, and must be empty as of then"


def stored_types(declaration: Declaration, name: str) -> dict[str, str]:
    """The columns of a table as `preprocess` writes it, each with its dtype."""
    table = declaration.tables[name]
    types = dtypes(table) | dict.fromkeys(entity_keys(declaration, table), "string")
    if name == declaration.event.table:
        types |= {declaration.outcome.name: "bool", "label_known_at": "timestamp"}
    return types


def stored_columns(declaration: Declaration, name: str) -> list[str]:
    return list(stored_types(declaration, name))


def late_moments(table: Table) -> list[str]:
    """The columns that say when others become known, but for the row's own moment."""
    return list(dict.fromkeys(c.known_at for c in table.columns.values() if c.known_at and c.known_at != table.known_at))


def constraints(name: str, declared: Constraints, dtype: str) -> Iterator[Expectation]:
    """One expectation for each constraint that is stated."""
    if declared.required:
        yield expectation("column_values_to_not_be_null", f"{name} is required", column=name)
    # by the least and the greatest value: Great Expectations' between looks at one value at a time, in Python
    if dtype == "float64":
        yield from _finite(name, declared)
    if declared.min is not None:
        low = _bound(declared.min, dtype)
        yield expectation("column_min_to_be_between", f"{name} is at least {declared.min}", column=name, min_value=low)
    if declared.max is not None:
        high = _bound(declared.max, dtype)
        yield expectation("column_max_to_be_between", f"{name} is at most {declared.max}", column=name, max_value=high)
    if declared.values is not None:
        yield expectation(
            "column_values_to_be_in_set", f"{name} is one of its declared values", column=name, value_set=declared.values
        )


def _finite(name: str, declared: Constraints) -> Iterator[Expectation]:
    """Bounds for a number that has none of its own: an infinity lies beyond them, and with NaN nothing is compared as true."""
    reason = f"{name} is a finite number"
    if declared.min is None:
        yield expectation("column_min_to_be_between", reason, column=name, min_value=-sys.float_info.max)
    if declared.max is None:
        yield expectation("column_max_to_be_between", reason, column=name, max_value=sys.float_info.max)


def _bound(value: float | str, dtype: str) -> Any:
    """Great Expectations compares times only with times."""
    if dtype not in {"date", "timestamp"}:
        return value
    moment = datetime.fromisoformat(str(value))
    return moment.date() if dtype == "date" else moment.replace(tzinfo=moment.tzinfo or UTC)


def _structure(types: dict[str, str], *flags: str) -> Iterator[Expectation]:
    columns = [*types, *flags]
    yield expectation("table_columns_to_match_set", "exactly the declared columns", column_set=columns, exact_match=True)
    yield expectation("table_row_count_to_be_between", "at least one row", min_value=1)
    for name, dtype in types.items():
        yield expectation("column_values_to_be_in_type_list", f"{name} is of type {dtype}", column=name, type_list=TYPES[dtype])


def _unique(key: list[str], reason: str) -> Expectation:
    if len(key) == 1:
        return expectation("column_values_to_be_unique", reason, column=key[0])
    return expectation("compound_columns_to_be_unique", reason, column_list=key)


def _never_missing(column: str) -> Expectation:
    return expectation("column_values_to_not_be_null", f"{column} is never missing", column=column)


def _observed(column: str, observed_at: datetime) -> Expectation:
    reason = "nothing is known after the data was observed"
    return expectation("column_max_to_be_between", reason, column=column, max_value=observed_at)


def _ordered(lesser: str, greater: str, reason: str) -> Expectation:
    return expectation(
        "column_pair_values_a_to_be_greater_than_b", reason,
        column_A=greater, column_B=lesser, or_equal=True, ignore_row_if="either_value_is_missing",
    )  # fmt: skip


def _found(other: str, reason: str) -> Expectation:
    return expectation("column_values_to_be_in_set", reason, column=FOUND_IN.format(other), value_set=[True])


def _not_empty(column: str) -> Expectation:
    return expectation("column_values_to_not_be_null", f"{column} is not all missing", column=column, mostly=ANY_AT_ALL)
