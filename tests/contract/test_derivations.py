"""What each tool is told is all that is declared, and the same for each."""

from __future__ import annotations

import copy
import runpy
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import pytest

from knownat.declaration import Column, Constraints, Declaration, Event, Feature, Label, Table, View
from knownat.derive import expectations
from knownat.derive.spark import broken
from knownat.loading import load_declaration
from tests.projects import ROOT

STATED: dict[str, Any] = {"required": True, "min": 1, "max": 9, "values": [1, 2]}
DATASET: dict[str, Any] = {
    "tables": {
        "orders": {
            "key": ["order_no"],
            "known_at": "ordered_at",
            "columns": {
                "order_no": {"dtype": "string", "required": True},
                "ordered_at": {"dtype": "timestamp"},
                "paid_at": {"dtype": "timestamp"},
                "shop": {"dtype": "string"},
                "price": {"dtype": "float64"},
                "paid": {"dtype": "float64"},
            },
        },
        "visits": {"key": ["shop"], "known_at": "at", "columns": {"shop": {"dtype": "string"}, "at": {"dtype": "timestamp"}}},
    },
    "entities": {"order": "order_no", "shop": "shop"},
    "event": {"table": "orders", "entity": "order"},
    "label": {"name": "is_paid", "expr": "price > 0"},
    "views": {
        "order": {"entity": "order", "known_at": "ordered_at", "features": {"price": {"dtype": "float64"}}},
        "sales": {
            "entities": ["shop"],
            "known_at": "ordered_at",
            "windows": ["7d"],
            "features": {"sold": {"dtype": "int64", "agg": "count"}},
        },
    },
    "services": {"any": {"as_of": "ordered_at", "views": ["order"]}},
}
# what a field of the declaration says → another value for it, and the kind of expectation that this makes or changes
CONSTRAINING: dict[str, tuple[str, Any, str]] = {
    "Table.key": ("tables.orders.key", ["shop"], "column_values_to_be_unique"),
    "Table.known_at": ("tables.orders.known_at", "paid_at", "column_max_to_be_between"),
    "Table.columns": ("tables.orders.columns.note", {"dtype": "string"}, "table_columns_to_match_set"),
    "Column.dtype": ("tables.orders.columns.price.dtype", "int64", "column_values_to_be_in_type_list"),
    "Column.required": ("tables.orders.columns.price.required", True, "column_values_to_not_be_null"),
    "Column.min": ("tables.orders.columns.price.min", 1, "column_min_to_be_between"),
    "Column.max": ("tables.orders.columns.price.max", 1, "column_max_to_be_between"),
    "Column.values": ("tables.orders.columns.shop.values", ["a"], "column_values_to_be_in_set"),
    "Column.known_at": ("tables.orders.columns.paid.known_at", "paid_at", "column_pair_values_a_to_be_greater_than_b"),
    "Event.table": ("event.table", "visits", "column_values_to_be_in_set"),
    "Event.entity": ("event.entity", "shop", "column_values_to_be_in_set"),
    "Label.name": ("label.name", "is_sold", "column_values_to_be_in_type_list"),
    "View.entity": ("views.order.entity", "shop", "column_values_to_be_in_set"),
    "View.entities": ("views.sales.entities", ["order"], "column_values_to_be_in_set"),
    "View.table": ("views.sales.table", "visits", "column_values_to_be_in_set"),
    "View.known_at": ("views.order.known_at", "paid_at", "column_values_to_be_in_set"),
    "View.windows": ("views.sales.windows", ["7d", "30d"], "column_pair_values_a_to_be_greater_than_b"),
    "View.features": ("views.order.features.paid", {"dtype": "float64"}, "table_columns_to_match_set"),
    "View.sql": ("views.order.sql", "SELECT 1", "column_values_to_be_in_set"),
    "Feature.dtype": ("views.order.features.price.dtype", "int64", "column_values_to_be_in_type_list"),
    "Feature.required": ("views.order.features.price.required", True, "column_values_to_not_be_null"),
    "Feature.min": ("views.order.features.price.min", 1, "column_min_to_be_between"),
    "Feature.max": ("views.order.features.price.max", 1, "column_max_to_be_between"),
    "Feature.values": ("views.order.features.price.values", [1], "column_values_to_be_in_set"),
    "Feature.agg": ("views.sales.features.sold.agg", "sum", "column_pair_values_a_to_be_greater_than_b"),
}
# how values are made or named, or what other modules enforce: nothing that stored rows could break
ELSEWHERE = {
    "Table.description", "Table.timezone", "Table.filters", "Column.description", "Column.source", "Column.expr",
    "Label.expr", "Label.description", "View.description", "View.ttl", "Feature.description", "Feature.expr",
}  # fmt: skip


@pytest.fixture(scope="module")
def declared() -> Declaration:
    return load_declaration(ROOT / "feature_repo")


def derived(dataset: dict[str, Any]) -> list[expectations.Expectation]:
    declaration = Declaration.model_validate(dataset)
    observed_at = dict.fromkeys(declaration.tables, datetime(2020, 1, 1, tzinfo=UTC))
    suites = [expectations.raw_suites(declaration, 0.05), expectations.features_suites(declaration, observed_at)]
    suites.append(expectations.training_set_suites(declaration, "any"))
    return [{"asset": name, **e} for found in suites for name, suite in found.items() for e in suite]


def changed(path: str, value: Any) -> dict[str, Any]:
    dataset = copy.deepcopy(DATASET)
    if path == "views.sales.features.sold.agg":  # two windows, of which a sum's are not nested
        dataset["views"]["sales"]["windows"] = ["7d", "30d"]
    *parents, last = path.split(".")
    reduce(lambda found, key: found[key], parents, dataset)[last] = value
    return dataset


def test_every_field_of_the_declaration_is_an_expectation_or_is_said_to_be_none() -> None:
    """A field that nobody has thought of fails here, so that no constraint vanishes in silence."""
    models = (Table, Column, Event, Label, View, Feature)
    fields = {f"{model.__name__}.{name}" for model in models for name in model.model_fields}
    assert fields == set(CONSTRAINING) | ELSEWHERE
    assert not set(CONSTRAINING) & ELSEWHERE


@pytest.mark.parametrize("name", CONSTRAINING)
def test_another_value_of_a_field_makes_other_expectations(name: str) -> None:
    """Each constraint yields an expectation of its kind, or takes one away, and nothing else has to say so."""
    path, value, kind = CONSTRAINING[name]
    before = derived(changed(path, "count") if name == "Feature.agg" else DATASET)
    after = derived(changed(path, value))
    different = [e for e in after if e not in before] + [e for e in before if e not in after]
    assert f"expect_{kind}" in {e["type"] for e in different}


@pytest.mark.parametrize("constraint", Constraints.model_fields)
def test_every_constraint_is_an_expectation_and_a_reason(constraint: str) -> None:
    """A constraint that maps to nothing would silently not hold: each yields one expectation and one quarantine reason."""
    feature = Feature(dtype="int64", **{constraint: STATED[constraint]})
    assert len(list(expectations.constraints("x", feature, "int64"))) == 1
    assert len(list(broken("x", feature, "int64"))) == 1


def test_feast_finds_every_declared_view(declared: Declaration) -> None:
    """definitions.py binds each feature view, its entity, its source and each service at module level."""
    bound = runpy.run_path(str(ROOT / "feature_repo" / "definitions.py"))
    from feast import FeatureService, FeatureView

    views = {value.name for value in bound.values() if isinstance(value, FeatureView)}
    services = {value.name for value in bound.values() if isinstance(value, FeatureService)}
    assert views == set(declared.feature_views)
    assert services == set(declared.services)


def test_feast_has_the_declared_dtypes(declared: Declaration) -> None:
    """A feature's Feast type is the one of its declared dtype, field by field."""
    from knownat.derive.feast import TYPES, feast_objects

    objects = feast_objects(declared)
    for name, view in declared.feature_views.items():
        fields = {field.name: field.dtype for field in objects[f"view_{name}"].schema}
        for feature in view.features:
            assert fields[feature.name] == TYPES[feature.dtype]


def test_a_service_reads_exactly_what_its_model_is_fed(declared: Declaration) -> None:
    """Removing a view from a service removes its inputs; stored keys are never fed to a model."""
    from knownat.derive.feast import feast_objects

    for service in declared.services:
        projections = feast_objects(declared)[f"service_{service}"].feature_view_projections
        chosen = [f"{p.name}__{f.name}" for p in projections for f in p.features]
        assert chosen == [item.name for item in declared.inputs(service)]
    fewer = declared.services["launch"].model_copy(update={"views": ["campaign"]})
    smaller = declared.model_copy(update={"services": {"launch": fewer}})
    assert {item.view.name for item in smaller.inputs("launch")} == {"campaign"}


def test_every_declared_feature_is_judged(declared: Declaration) -> None:
    """The features gate has an expectation for each column of each table and each feature of each view."""
    suites = expectations.features_suites(declared, {name: datetime(2018, 1, 3, tzinfo=UTC) for name in declared.tables})
    for name, view in declared.feature_views.items():
        judged = {e["kwargs"].get("column") for e in suites[name]}
        assert {f.name for f in view.features} <= judged
    for name, table in declared.tables.items():
        assert set(table.columns) <= {e["kwargs"].get("column") for e in suites[name]}
