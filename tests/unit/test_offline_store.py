"""The point-in-time join keeps every row, in order, and never sees the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureView, Field, FileSource
from feast.data_format import ParquetFormat
from feast.types import Int64, String
from feast.value_type import ValueType

from knownat import parquet
from knownat.errors import KnownatError
from knownat.offline_store.duckdb import AsOfDuckDBOfflineStore

NOON = datetime(2020, 1, 10, 12, tzinfo=UTC)


def asked(folder: Path, entities: pd.DataFrame, ttl: timedelta | None = None) -> pd.DataFrame:
    """Retrieve one feature whose value is the day of January at whose noon it became known."""
    days = range(5, 16)
    table = pa.table({
        "shop_id": ["x"] * len(days),
        "known_at": pa.array([NOON.replace(day=day) for day in days], pa.timestamp("us", tz="UTC")),
        "day": pa.array(days, pa.int64()),
    })  # fmt: skip
    parquet.write_table(table, folder / "sales" / "part-00000.parquet")
    shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.STRING)
    source = FileSource(name="sales", path="sales", file_format=ParquetFormat(), timestamp_field="known_at")
    view = FeatureView(
        name="sales", entities=[shop], ttl=ttl or timedelta(0), source=source,
        schema=[Field(name="shop_id", dtype=String), Field(name="day", dtype=Int64)],
    )  # fmt: skip
    config: Any = SimpleNamespace(repo_path=folder)
    registry: Any = None
    job = AsOfDuckDBOfflineStore.get_historical_features(config, [view], ["sales:day"], entities, registry, "p", True)
    return job.to_df()


def entities(*rows: tuple[str | None, datetime]) -> pd.DataFrame:
    return pd.DataFrame({"shop_id": [r[0] for r in rows], "event_timestamp": [r[1] for r in rows]})


def test_each_row_gets_the_latest_value_at_or_before_its_time(tmp_path: Path) -> None:
    """A value known at the very moment counts; one known a microsecond later does not."""
    found = asked(tmp_path, entities(("x", NOON), ("x", NOON - timedelta(microseconds=1)), ("x", NOON + timedelta(days=90))))
    assert found["sales__day"].tolist() == [10, 9, 15]


def test_every_row_comes_back_in_its_order(tmp_path: Path) -> None:
    """Copies, unknown and missing keys, and rows before all history are kept where they were."""
    spine = entities(("x", NOON), ("nobody", NOON), (None, NOON), ("x", NOON), ("x", NOON.replace(year=1999)))
    found = asked(tmp_path, spine)
    assert [None if pd.isna(v) else int(v) for v in found["sales__day"]] == [10, None, None, 10, None]


def test_a_value_older_than_its_ttl_is_missing(tmp_path: Path) -> None:
    """A ttl of two days still counts at two days, and not a microsecond later."""
    late = NOON.replace(day=15) + timedelta(days=2)
    found = asked(tmp_path, entities(("x", late), ("x", late + timedelta(microseconds=1))), timedelta(days=2))
    assert [None if pd.isna(v) else int(v) for v in found["sales__day"]] == [15, None]


def test_times_without_a_zone_are_refused(tmp_path: Path) -> None:
    """What zone they are in would be a guess."""
    with pytest.raises(KnownatError, match="no time zone"):
        asked(tmp_path, entities(("x", datetime(2020, 1, 1))))
