"""Trailing windows are exact at every moment, can be taken up where they stood, and cost one shuffle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession

from knownat.declaration import Declaration, FeatureView, span
from knownat.derive.expectations import stored_columns
from knownat.derive.windows import Carried, carried_at, features_of, totals, windowed
from knownat.loading import load_declaration
from tests.campaigns import differences, entries, kept, times
from tests.projects import ROOT

START = datetime(2020, 1, 1, tzinfo=UTC)
DECLARED = Declaration.model_validate(
    {
        "tables": {
            "orders": {
                "key": ["order_no"],
                "known_at": "at",
                "columns": {
                    "order_no": {"dtype": "string"}, "shop": {"dtype": "string"}, "at": {"dtype": "timestamp"},
                    "price": {"dtype": "float64"}, "pieces": {"dtype": "int64"},
                },
            }
        },
        "entities": {"order": "order_no", "shop": "shop"},
        "event": {"table": "orders", "entity": "order"},
        "views": {
            "sales": {
                "entity": "shop",
                "known_at": "at + INTERVAL 1 HOUR",
                "windows": ["1d", "2d"],
                "features": {
                    "orders": {"dtype": "int64", "agg": "count"},
                    "priced": {"dtype": "int64", "agg": "count", "expr": "price"},
                    "mean_price": {"dtype": "float64", "agg": "mean", "expr": "price"},
                    "pieces_sold": {"dtype": "int64", "agg": "sum", "expr": "pieces"},
                },
            }
        },
    }
)  # fmt: skip


OBSERVED = datetime(2018, 1, 3, tzinfo=UTC)
CAMPAIGNS = load_declaration(ROOT / "feature_repo")


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> dict[float, dict[str, Any]]:
    """Hours since the start → what is stored there of one shop: orders at 0 h and 30 h, the second without a price."""
    events = [("a", "x", START, 0.1, 3), ("b", "x", START + timedelta(hours=30), None, 4)]
    columns = "order_no string, shop string, at timestamp, price double, pieces bigint"
    frame = spark.createDataFrame(events, columns).withColumnRenamed("shop", "shop_id").selectExpr("*", "shop_id AS shop")
    found = windowed(frame, DECLARED, DECLARED.feature_views["sales"], START + timedelta(hours=60)).collect()
    return {(row["known_at"].astimezone(UTC) - START).total_seconds() / 3600: row.asDict() for row in found}


def test_there_is_a_row_at_each_entry_and_exit_that_has_happened(rows: dict[float, dict[str, Any]]) -> None:
    """Entries at 1 h and 31 h, exits a window later; the one at 79 h lies after what was observed."""
    assert sorted(rows) == [1, 25, 31, 49, 55]


def test_an_event_counts_until_not_including_its_exit(rows: dict[float, dict[str, Any]]) -> None:
    """In from its entry on, out at its exit, for each window by itself."""
    assert [rows[h]["orders_1d"] for h in (1, 25, 31, 49, 55)] == [1, 0, 1, 1, 0]
    assert [rows[h]["orders_2d"] for h in (1, 25, 31, 49, 55)] == [1, 1, 2, 1, 1]


def test_a_missing_value_is_not_counted_and_an_empty_mean_is_null(rows: dict[float, dict[str, Any]]) -> None:
    """The order without a price counts as an order and not in the mean."""
    assert [rows[h]["priced_2d"] for h in (1, 31, 49)] == [1, 1, 0]
    assert [rows[h]["mean_price_2d"] for h in (1, 31, 49)] == [0.1, 0.1, None]
    assert [rows[h]["pieces_sold_2d"] for h in (1, 31, 49)] == [3, 7, 4]


@pytest.fixture(scope="module")
def campaigns(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """Some thousand generated campaigns, as they are stored."""
    frame = kept(spark, CAMPAIGNS, tmp_path_factory.mktemp("windows"), 1000, 3, OBSERVED)
    return frame.select(*stored_columns(CAMPAIGNS, "campaigns")).toArrow()


def test_an_outcome_counts_from_a_day_after_it_is_known(campaigns: pa.Table) -> None:
    """What brute force counts by is what the view declares: not the label's moment, and not a second before the day is over."""
    view = CAMPAIGNS.feature_views["main_category_history"]
    assert (entries(campaigns, view) - times(campaigns, "label_known_at") == np.timedelta64(1, "D")).all()


@pytest.mark.parametrize("name", ["main_category_history", "country_activity"])
def test_windows_equal_brute_force_around_every_entry_and_exit(spark: SparkSession, campaigns: pa.Table, name: str) -> None:
    """Just before, a second before and at each of them, the row that stands is a count over all the campaigns."""
    view, observed_at = CAMPAIGNS.feature_views[name], np.datetime64("2018-01-03", "us")
    stored = windowed(spark.createDataFrame(campaigns), CAMPAIGNS, view, OBSERVED).toArrow()
    compared = wrong = 0
    for key in pc.unique(campaigns[view.join_key]).to_pylist():
        mine, rows = (table.filter(pc.equal(table[view.join_key], key)) for table in (campaigns, stored))
        steps = [entries(mine, view) + lasts for lasts in [np.timedelta64(0), *(np.timedelta64(span(w)) for w in view.windows)]]
        around = [step - np.timedelta64(micros, "us") for step in steps for micros in (1_000_000, 1, 0)]
        moments = np.unique(np.concatenate(around))
        found = differences(rows, mine, view, moments[moments <= observed_at], observed_at)
        compared, wrong = compared + found[0], wrong + found[1]
    assert compared > 10_000
    assert wrong == 0


def later(events: pa.Table, view: FeatureView, since: datetime) -> pa.Table:
    """The events that enter or exit after a moment."""
    longest = max(span(window) for window in view.windows)
    return events.filter(entries(events, view) + np.timedelta64(longest) > np.datetime64(since.replace(tzinfo=None)))


def in_order(table: pa.Table, view: FeatureView) -> list[dict[str, Any]]:
    return table.sort_by([(view.join_key, "ascending"), ("known_at", "ascending")]).to_pylist()


def test_windows_taken_up_day_after_day_equal_those_computed_at_once(spark: SparkSession, campaigns: pa.Table) -> None:
    """From before the first step over cuts at and just before steps, with only the rows that have a step to come."""
    view, rows = CAMPAIGNS.feature_views["main_category_history"], spark.createDataFrame(campaigns)
    whole = totals(rows, CAMPAIGNS, view, OBSERVED).toArrow()
    steps = sorted(set(whole["known_at"].to_pylist()))
    middle, late = steps[len(steps) // 2], steps[-len(steps) // 20]
    cuts = [steps[0] - timedelta(days=1), middle - timedelta(microseconds=1), middle, late, OBSERVED]
    computed = [totals(rows, CAMPAIGNS, view, cuts[0]).toArrow()]
    standing = computed[0]
    for since, until in pairwise(cuts):
        carried = carried_at(spark.createDataFrame(standing), view).toArrow()
        given = spark.createDataFrame(later(campaigns, view, since))
        more = totals(given, CAMPAIGNS, view, until, Carried(since, spark.createDataFrame(carried))).toArrow()
        assert all(since < at <= until for at in more["known_at"].to_pylist())
        computed, standing = [*computed, more], pa.concat_tables([carried, more])
    assert len(later(campaigns, view, late)) < len(campaigns) / 2
    assert in_order(pa.concat_tables(computed), view) == in_order(whole, view)
    features = features_of(spark.createDataFrame(pa.concat_tables(computed)), CAMPAIGNS, view).toArrow()
    assert in_order(features, view) == in_order(windowed(rows, CAMPAIGNS, view, OBSERVED).toArrow(), view)


def test_an_entity_is_shuffled_once(spark: SparkSession, campaigns: pa.Table) -> None:
    """Steps, totals at a moment and running totals share one partitioning by key, with what is carried too."""
    view, rows = CAMPAIGNS.feature_views["main_category_history"], spark.createDataFrame(campaigns)
    at_once = windowed(rows, CAMPAIGNS, view, OBSERVED)
    carried = Carried(OBSERVED - timedelta(days=1), totals(rows.limit(0), CAMPAIGNS, view, OBSERVED).localCheckpoint())
    taken_up = features_of(totals(rows, CAMPAIGNS, view, OBSERVED, carried), CAMPAIGNS, view)
    for frame in (at_once, taken_up):
        plan = frame._jdf.queryExecution().executedPlan().toString()
        assert plan.count("Exchange hashpartitioning") == plan.count("Exchange") == 1, plan
