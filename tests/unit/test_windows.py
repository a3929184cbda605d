"""Trailing windows are exact to the second, at entries and at exits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from knownat.declaration import Declaration
from knownat.derive.windows import windowed

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
