"""What Great Expectations checks, derived from the declaration: one suite for each asset of each gate.

An expectation is written as Great Expectations' own JSON (`type`, `kwargs`, `meta`), like those in `expectations/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from knownat.declaration import Constraints, Declaration, FeatureView, ModelInput, join_key, stored_key
from knownat.derive.spark import entity_keys

Expectation = dict[str, Any]
Suites = dict[str, list[Expectation]]

READABLE = "is_readable"
ANY_AT_ALL = 1e-9  # as `mostly`: at least one row


def expectation(kind: str, reason: str, **kwargs: Any) -> Expectation:
    return {"type": f"expect_{kind}", "kwargs": kwargs, "meta": {"reason": reason}}


def raw_suites(declaration: Declaration, max_bad_share: float) -> Suites:
    """Structure, and how much could not be read; values are judged once they have types."""
    return {
        name: [
            *_structure(["line", *table.raw_columns, READABLE]),
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
    suites: Suites = {}
    for name, table in declaration.tables.items():
        suites[name] = [
            *_structure(stored_columns(declaration, name)),
            *[e for c, column in table.columns.items() for e in constraints(c, column, column.dtype)],
            *[_not_empty(c) for c, column in table.columns.items() if not column.required],
            expectation("compound_columns_to_be_unique", "one row a key", column_list=table.key)
            if len(table.key) > 1
            else expectation("column_values_to_be_unique", "one row a key", column=table.key[0]),
        ]
    for view in declaration.feature_views.values():
        suites[view.name] = list(_view_suite(view, observed_at[view.table]))
    return suites


def _view_suite(view: FeatureView, observed_at: datetime) -> Iterator[Expectation]:
    yield from _structure([view.join_key, "known_at", *map(stored_key, view.keys), *[f.name for f in view.features]])
    key = [view.join_key, "known_at"]
    yield expectation("compound_columns_to_be_unique", "one row an entity and moment", column_list=key)
    for column in key:
        yield expectation("column_values_to_not_be_null", f"{column} is never missing", column=column)
    yield expectation(
        "column_values_to_be_between", "nothing is known after the data was observed", column="known_at", max_value=observed_at
    )
    for feature in view.features:
        yield from constraints(feature.name, feature.declared, feature.dtype)
        if not feature.declared.required:
            yield _not_empty(feature.name)


def training_set_suites(declaration: Declaration, service: str) -> Suites:
    """What the model is about to see: its inputs, within their bounds, and nothing that is known too late."""
    label, key = declaration.outcome.name, join_key(declaration.event.entity)
    inputs = declaration.inputs(service)
    suite = [
        *_structure([key, "event_timestamp", "split", label, *[i.name for i in inputs]]),
        expectation("compound_columns_to_be_unique", "one row an event", column_list=[key, "event_timestamp"]),
        expectation("column_values_to_not_be_null", "every training row has a label", column=label),
        *[
            expectation("column_distinct_values_to_contain_set", f"the split has {part} rows", column="split", value_set=[part])
            for part in ("train", "validation", "test")
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


def stored_columns(declaration: Declaration, name: str) -> list[str]:
    """The columns of a table as `preprocess` writes it."""
    table = declaration.tables[name]
    label = [declaration.outcome.name, "label_known_at"] if name == declaration.event.table else []
    return list(dict.fromkeys([*table.columns, *entity_keys(declaration, table), *label]))


def constraints(name: str, declared: Constraints, dtype: str) -> Iterator[Expectation]:
    """One expectation for each constraint that is stated."""
    if declared.required:
        yield expectation("column_values_to_not_be_null", f"{name} is required", column=name)
    if declared.min is not None or declared.max is not None:
        low, high = (_bound(value, dtype) for value in (declared.min, declared.max))
        stated = (("at least", declared.min), ("at most", declared.max))
        said = " and ".join(f"{word} {value}" for word, value in stated if value is not None)
        yield expectation("column_values_to_be_between", f"{name} is {said}", column=name, min_value=low, max_value=high)
    if declared.values is not None:
        yield expectation(
            "column_values_to_be_in_set", f"{name} is one of its declared values", column=name, value_set=declared.values
        )


def _bound(value: float | str | None, dtype: str) -> Any:
    """Great Expectations compares times only with times."""
    if value is None or dtype not in {"date", "timestamp"}:
        return value
    moment = datetime.fromisoformat(str(value))
    return moment.date() if dtype == "date" else moment.replace(tzinfo=moment.tzinfo or UTC)


def _structure(columns: list[str]) -> list[Expectation]:
    return [
        expectation("table_columns_to_match_set", "exactly the declared columns", column_set=columns, exact_match=True),
        expectation("table_row_count_to_be_between", "at least one row", min_value=1),
    ]


def _not_empty(column: str) -> Expectation:
    return expectation("column_values_to_not_be_null", f"{column} is not all missing", column=column, mostly=ANY_AT_ALL)
