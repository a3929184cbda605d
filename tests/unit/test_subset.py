"""A subset of the entities: always the same ones, about the share that was asked for, each row accounted for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from knownat.declaration import Declaration
from knownat.judging import SUBSET, judge
from knownat.params import PreprocessSettings
from knownat.stages.preprocess import account_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROWS = 4000
DECLARED = {
    "tables": {
        "orders": {
            "key": ["number"],
            "known_at": "placed_at",
            "columns": {
                "number": {"dtype": "string"},
                "placed_at": {"dtype": "timestamp"},
                "buyer": {"dtype": "string"},
                "kept": {"dtype": "bool"},
            },
        },
        "shops": {
            "key": ["shop"],
            "known_at": "opened_at",
            "columns": {"shop": {"dtype": "string"}, "opened_at": {"dtype": "timestamp"}},
        },
    },
    "entities": {"buyer": "buyer", "shop": "shop"},
    "event": {"table": "orders", "entity": "buyer"},
    "label": {"name": "is_kept", "expr": "kept"},
    "views": {},
    "services": {},
}
OBSERVED = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def orders(spark: SparkSession) -> DataFrame:
    """Two orders a buyer, and some of nobody."""
    rows = [(n, f"{n}", "2019-01-01 00:00:00", f"buyer {n // 2}" if n % 100 else None, "true") for n in range(ROWS)]
    return spark.createDataFrame(rows, "line long, number string, placed_at string, buyer string, kept string")


def kept(frame: DataFrame, share: float, table: str = "orders") -> set[str]:
    key = "number" if table == "orders" else "shop"
    judged = judge(frame, Declaration.model_validate(DECLARED), table, PreprocessSettings(subset=share), OBSERVED)
    return {row[key] for row in judged.where("verdict = 'kept'").select(key).collect()}


def test_the_share_is_about_what_was_asked_for_and_a_smaller_one_is_part_of_a_larger(orders: DataFrame) -> None:
    """By the entity, not by the row: both orders of a buyer are in or out; an order of nobody stays."""
    found = {share: kept(orders, share) for share in (0.05, 0.2, 1)}
    assert found[0.05] < found[0.2] < found[1]
    assert len(found[1]) == ROWS
    named = {int(n) for n in found[0.2] if int(n) % 100}
    assert len(named) / ROWS == pytest.approx(0.2, abs=0.04)
    assert all(n % 100 == 1 or (n ^ 1) in named for n in named)
    assert {f"{n}" for n in range(0, ROWS, 100)} <= found[0.05]


def test_neither_order_nor_partitions_decide(orders: DataFrame) -> None:
    """The hash is of the key alone."""
    assert kept(orders.orderBy("number").repartition(7), 0.1) == kept(orders, 0.1)


def test_what_is_left_out_is_counted_as_filtered(orders: DataFrame) -> None:
    """So that the rows still add up."""
    judged = judge(orders, Declaration.model_validate(DECLARED), "orders", PreprocessSettings(subset=0.1), OBSERVED)
    account = account_of(judged, 0)
    assert account["filtered"] == {SUBSET: ROWS - int(str(account["kept"]))}


def test_a_table_without_the_events_entity_is_kept_whole(spark: SparkSession) -> None:
    """What is looked up must be there for whoever is left."""
    rows = [(n, f"{n}", "2019-01-01 00:00:00") for n in range(300)]
    frame = spark.createDataFrame(rows, "line long, shop string, opened_at string")
    assert len(kept(frame, 0.01, "shops")) == 300
