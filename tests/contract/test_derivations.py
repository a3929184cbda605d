"""What each tool is told is all that is declared, and the same for each."""

from __future__ import annotations

import runpy
from datetime import UTC, datetime
from typing import Any

import pytest

from knownat.declaration import Constraints, Declaration, Feature
from knownat.derive import expectations
from knownat.derive.spark import broken
from knownat.loading import load_declaration
from tests.projects import ROOT

STATED: dict[str, Any] = {"required": True, "min": 1, "max": 9, "values": [1, 2]}


@pytest.fixture(scope="module")
def declared() -> Declaration:
    return load_declaration(ROOT / "feature_repo")


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
