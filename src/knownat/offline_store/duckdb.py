"""Feast's DuckDB offline store with a point-in-time join that is linear: as-of joins instead of join and rank."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import duckdb
import ibis
import pandas as pd
import pyarrow as pa
from feast import FeatureView
from feast.data_source import DataSource
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import RepoConfig

from knownat.errors import KnownatError
from knownat.offline_store.as_of import AsOfJoin, connected
from knownat.offline_store.job import AsOfRetrievalJob, metadata_of, refuse_on_demand
from knownat.offline_store.lookups import Lookup, check_stored, dataset_of, located, lookups
from knownat.offline_store.spine import as_arrow, check_entities, event_column, moments


class AsOfDuckDBOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """`memory_limit`: how much DuckDB may hold before it spills to disk, such as 2GB; by default most of the memory."""

    type: Literal["knownat.offline_store.duckdb.AsOfDuckDBOfflineStore"] = "knownat.offline_store.duckdb.AsOfDuckDBOfflineStore"
    memory_limit: str | None = None


class AsOfDuckDBOfflineStore(DuckDBOfflineStore):
    """One output row for each input row, in the input's order; each feature as of the row's time, not older than its ttl."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | pa.Table | str,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = True,
        **unsupported: Any,
    ) -> RetrievalJob:
        """Each feature's latest value at or before the row's time and, where the source says so, created by then.

        The entities are a data frame, an Arrow table, or SQL that DuckDB runs. Raises KnownatError for a spine or a
        source that cannot be joined without a guess.
        """
        if entity_df is None or unsupported:
            raise KnownatError("This offline store looks features up for entities; pass them as entity_df.")
        spine = _queried(config, entity_df) if isinstance(entity_df, str) else as_arrow(entity_df)
        refuse_on_demand(feature_refs, project, registry)
        moment = event_column(spine.schema)
        asked = lookups(feature_views, feature_refs, full_feature_names, spine.column_names)
        check_entities(spine.schema, asked)
        narrow = _narrow(spine, moment, asked)
        sources = [(lookup, dataset_of(config, lookup)) for lookup in asked]
        for lookup, source in sources:
            check_stored(lookup, source.schema, spine.schema)
        return AsOfRetrievalJob(
            config=config,
            entities=entity_df if isinstance(entity_df, pd.DataFrame) else None,
            spine=spine,
            found=AsOfJoin(config, narrow, moment, sources, filter_by_created_timestamp),
            full_feature_names=full_feature_names,
            metadata=metadata_of(feature_refs, spine.column_names, moment, narrow[moment]),
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        _compare_in_utc()
        return DuckDBOfflineStore.pull_latest_from_table_or_query(
            config, located(config, data_source), join_key_columns, feature_name_columns, timestamp_field,
            created_timestamp_column, start_date, end_date,
        )  # fmt: skip

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        _compare_in_utc()
        return DuckDBOfflineStore.pull_all_from_table_or_query(
            config, located(config, data_source), join_key_columns, feature_name_columns, timestamp_field,
            created_timestamp_column, start_date, end_date,
        )  # fmt: skip


def _compare_in_utc() -> None:
    """Feast compares a pull's times as ibis' DuckDB sees them, which goes by the machine's time zone."""
    ibis.get_backend().raw_sql("SET TimeZone = 'UTC'")


def _queried(config: RepoConfig, query: str) -> pa.Table:
    """The entities that a query returns, in its order."""
    with connected(config) as connection:
        try:
            return connection.sql(query).to_arrow_table()
        except (duckdb.Error, AttributeError) as error:
            raise KnownatError(f"DuckDB refuses the entities' SQL: {str(error).splitlines()[0]}; mend it.") from error


def _narrow(spine: pa.Table, moment: str, asked: list[Lookup]) -> pa.Table:
    """The keys and times alone, under their own names."""
    keys = {key: spine[key] for lookup in asked for key in lookup.keys}
    keys = {key: values.cast(pa.string()) if pa.types.is_null(values.type) else values for key, values in keys.items()}
    return pa.table(keys | {moment: moments(spine, moment)})
