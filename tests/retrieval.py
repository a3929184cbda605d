"""Feature views over Parquet in a folder, retrieved through either offline store, and what the join must give, in plain Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.data_format import ParquetFormat
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.repo_config import RepoConfig
from feast.types import FeastType, Int64, from_value_type
from feast.value_type import ValueType

from knownat import parquet

MOMENT = pa.timestamp("us", tz="UTC")
NOON = datetime(2020, 1, 10, 12, tzinfo=UTC)
STORES = {
    "duckdb": "knownat.offline_store.duckdb.AsOfDuckDBOfflineStore",
    "spark": "knownat.offline_store.spark.AsOfSparkOfflineStore",
}
SHOP = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.STRING)

Row = dict[str, Any]


def repository(folder: Path, store: str, **offline: Any) -> FeatureStore:
    """A Feast repository in a folder, with one of our offline stores."""
    config = RepoConfig(
        project="shops", provider="local", registry=str(folder / "registry.db"), repo_path=folder,
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store={"type": STORES[store], **offline}, entity_key_serialization_version=3, coerce_tz_aware=False,
    )  # fmt: skip
    return FeatureStore(config=config)


def write(folder: Path, name: str, columns: Row) -> None:
    """The rows of a view, times in UTC unless they are Arrow already."""
    table = pa.table({c: _moments(v) if _is_times(v) else v for c, v in columns.items()})
    parquet.write_table(table, folder / name / "part-00000.parquet")


def _is_times(values: Any) -> bool:
    return isinstance(values, list) and any(isinstance(value, datetime) for value in values)


def _moments(values: list[datetime | None]) -> pa.Array:
    return pa.array(values, MOMENT)


def view(
    name: str,
    features: dict[str, FeastType] | None = None,
    *,
    ttl: timedelta | None = None,
    created: bool = False,
    entities: list[Entity] | None = None,
    path: str | None = None,
    field_mapping: dict[str, str] | None = None,
) -> FeatureView:
    """A feature view of shops (or of nothing in particular) over the folder of its name."""
    entities = [SHOP] if entities is None else entities
    keys = [Field(name=e.join_key, dtype=from_value_type(e.value_type)) for e in entities]
    source = FileSource(
        name=name, path=path or name, file_format=ParquetFormat(), timestamp_field="known_at",
        created_timestamp_column="created_at" if created else "", field_mapping=field_mapping,
    )  # fmt: skip
    schema = [*keys, *(Field(name=f, dtype=kind) for f, kind in (features or {"value": Int64}).items())]
    return FeatureView(name=name, entities=entities, ttl=ttl or timedelta(0), source=source, schema=schema)


def retrieved(
    store: FeatureStore, views: list[FeatureView], entities: Any, refs: list[str] | None = None, **options: Any
) -> RetrievalJob:
    """The store's own answer, asked as Feast's provider asks it."""
    asked = refs or [f"{v.projection.name_to_use()}:{f.name}" for v in views for f in v.features]
    offline = store._get_provider().offline_store
    return offline.get_historical_features(
        store.config, views, asked, entities, store.registry, store.project, options.pop("full_feature_names", True), **options
    )


def reference(spine: list[Row], stored: list[Row], ttl: timedelta | None, created_counts: bool) -> list[Any]:
    """The value of each row of the spine, as the contract defines it."""
    found = []
    for asked in spine:
        at = asked["event_timestamp"]
        seen = [
            row for row in stored
            if row["shop_id"] is not None and row["shop_id"] == asked["shop_id"] and row["known_at"] <= at
            and (not created_counts or row["created_at"] <= at)
        ]  # fmt: skip
        newest = max(seen, key=lambda row: (row["known_at"], row["created_at"]), default=None)
        is_fresh = newest is not None and (ttl is None or at - newest["known_at"] <= ttl)
        found.append(newest["value"] if newest is not None and is_fresh else None)
    return found
