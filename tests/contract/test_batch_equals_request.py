"""The same declared expression gives the same value in a Spark batch and on a request."""

from __future__ import annotations

import math
import random
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from knownat.declaration import Declaration, full_name
from knownat.derive.request import Request, fields
from knownat.errors import RefusedField
from knownat.loading import load_declaration
from knownat.params import Params
from knownat.stages.preprocess import view_frame
from tests.campaigns import kept
from tests.projects import ROOT


@pytest.fixture(scope="module")
def declared() -> Declaration:
    return load_declaration(ROOT / "feature_repo")


@pytest.fixture(scope="module")
def batch(declared: Declaration, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Some hundred generated campaigns, typed by Spark, and their own features."""
    observed_at = Params.load(ROOT / "params.yaml").observed_at
    kept(spark, declared, tmp_path_factory.mktemp("batch"), 400, 5, observed_at).createOrReplaceTempView(declared.event.table)
    rows = {row["project_id"]: row.asDict() for row in spark.table(declared.event.table).collect()}
    features = view_frame(spark, declared, declared.feature_views["campaign"], observed_at).collect()
    return rows, {row["project_id"]: row.asDict() for row in features}


def sent(declared: Declaration, row: dict[str, Any], service: str = "launch") -> dict[str, Any]:
    """The raw fields of a stored row as a client would send them."""
    stored = {name: row[name] for name in fields(declared, service)}
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in stored.items()}


def test_a_request_gets_the_values_of_the_batch(declared: Declaration, batch: Any) -> None:
    """Every own feature and every entity key is equal on every row; floats within 1e-12."""
    rows, features = batch
    request = Request.of(declared, "launch")
    assert len(rows) > 350
    for key in random.Random(1).sample(sorted(features), 150):
        answered = request.answer(request.parsed(sent(declared, rows[key])))
        for feature in declared.feature_views["campaign"].features:
            expected, found = features[key][feature.name], answered.features[full_name("campaign", feature.name)]
            same = math.isclose(found, expected, rel_tol=1e-12) if isinstance(expected, float) else found == expected
            assert same, (key, feature.name, expected, found)
        for name, value in answered.keys.items():
            assert value == rows[key][name]


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"usd_goal_real": -5}, "usd_goal_real", "usd_goal_real: -5 is below 0.01"),
        ({"usd_goal_real": None}, "usd_goal_real", "usd_goal_real is missing"),
        ({"usd_goal_real": "much"}, "usd_goal_real", "'much' is no float64"),
        ({"country": "ZZ"}, "country", "country: 'ZZ' is not among its values"),
        ({"deadline": "2030-01-01"}, "duration_days", "duration_days"),
        ({"launched_at": "yesterday"}, "launched_at", "'yesterday' is no timestamp"),
        ({"pledged": 3}, "pledged", "pledged: no field of service 'launch'"),
        ({"\ud800": 3}, "\\ud800", "\\ud800: no field of service 'launch'"),
        ({"usd_goal_real": float("inf")}, "usd_goal_real", "inf is no finite number"),
        ({"usd_goal_real": True}, "usd_goal_real", "True is no float64"),
    ],
)
def test_a_request_out_of_bounds_is_refused_by_name(
    declared: Declaration, batch: Any, change: dict[str, Any], field: str, said: str
) -> None:
    """A field that is unknown, missing, of another type or beyond a bound is named."""
    rows, features = batch
    given = sent(declared, rows[sorted(features)[0]]) | change
    request = Request.of(declared, "launch")
    with pytest.raises(RefusedField) as refused:
        request.answer(request.parsed(given))
    assert said in str(refused.value)
    assert refused.value.field == field


def test_a_request_is_asked_only_for_what_is_known(declared: Declaration) -> None:
    """launch asks for nothing that is known only once a campaign has ended; close does."""
    assert not {"state", "pledged", "backers", "usd_pledged_real"} & set(fields(declared, "launch"))
    assert {"backers", "usd_pledged_real"} <= set(fields(declared, "close"))


def test_a_request_as_of_a_computed_moment_is_answered(declared: Declaration, batch: Any) -> None:
    """close asks about the day after the deadline, in UTC as the batch has it."""
    rows, _ = batch
    request = Request.of(declared, "close")
    for row in list(rows.values())[:50]:
        answered = request.answer(request.parsed(sent(declared, row, "close")))
        assert answered.as_of == row["resolved_at"].replace(tzinfo=UTC)
        assert answered.features["outcome__backers"] == row["backers"]


def test_only_what_is_read_is_computed(declared: Declaration) -> None:
    """A computed column that no feature and no key reads costs a request nothing."""
    assert [name for name, _ in Request.of(declared, "launch").computed] == ["title"]
    assert [name for name, _ in Request.of(declared, "close").computed] == ["title", "resolved_at"]


def test_this_repository_declares_no_path_outside_itself() -> None:
    """Sources in params.yaml are relative to the project."""
    assert all(not Path(source.uri).is_absolute() for source in Params.load(ROOT / "params.yaml").sources.values())
