"""Feast's DuckDB offline store with a point-in-time join that is linear: an as-of join instead of join and rank."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import duckdb
import ibis
import pandas as pd
import pyarrow as pa
from feast import FeatureView, FileSource
from feast.data_source import DataSource
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig
from feast.infra.offline_stores.ibis import IbisRetrievalJob
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import RepoConfig

from knownat.errors import KnownatError

MOMENT = pa.timestamp("us", tz="UTC")
ROW = "__row"


class AsOfDuckDBOfflineStoreConfig(DuckDBOfflineStoreConfig):
    type: Literal["knownat.offline_store.duckdb.AsOfDuckDBOfflineStore"] = "knownat.offline_store.duckdb.AsOfDuckDBOfflineStore"


class AsOfDuckDBOfflineStore(DuckDBOfflineStore):
    """One output row for each input row, in the input's order; each feature as of the row's time, not older than its ttl."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str,
        registry: BaseRegistry,  # noqa: ARG004
        project: str,  # noqa: ARG004
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,  # noqa: ARG004
    ) -> RetrievalJob:
        if isinstance(entity_df, str):
            raise KnownatError("This offline store takes the entities as a data frame, not as SQL; pass a data frame.")
        moment = infer_event_timestamp_from_entity_df(dict(zip(entity_df.columns, entity_df.dtypes, strict=True)))
        spine = _spine(entity_df, moment)
        wanted = {view.name: _features(view, feature_refs) for view in feature_views}
        joined = _join(config, spine, moment, feature_views, wanted, full_feature_names)
        times = spine[moment].to_pandas()
        metadata = RetrievalMetadata(
            features=feature_refs,
            keys=[name for name in entity_df.columns if name != moment],
            min_event_timestamp=times.min(),
            max_event_timestamp=times.max(),
        )
        return IbisRetrievalJob(ibis.memtable(joined), [], full_feature_names, metadata, None, None, None, str(config.repo_path))

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
        return DuckDBOfflineStore.pull_latest_from_table_or_query(
            config, _located(config, data_source), join_key_columns, feature_name_columns, timestamp_field,
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
        return DuckDBOfflineStore.pull_all_from_table_or_query(
            config, _located(config, data_source), join_key_columns, feature_name_columns, timestamp_field,
            created_timestamp_column, start_date, end_date,
        )  # fmt: skip


def _located(config: RepoConfig, source: FileSource) -> FileSource:
    """The source by its path from here: Feast's store would look for a relative one in the working directory."""
    return FileSource(
        name=source.name,
        path=FileSource.get_uri_for_file_path(config.repo_path, source.path),
        file_format=source.file_format,
        timestamp_field=source.timestamp_field,
        created_timestamp_column=source.created_timestamp_column,
    )


def _spine(entity_df: pd.DataFrame, moment: str) -> pa.Table:
    """The entities as Arrow, times in microseconds UTC, numbered; naive times are refused, since their zone is a guess."""
    if getattr(entity_df[moment].dtype, "tz", None) is None:
        raise KnownatError(f"The entities' {moment} has no time zone; make it UTC before asking for features.")
    spine = pa.Table.from_pandas(entity_df, preserve_index=False)
    spine = spine.set_column(spine.column_names.index(moment), moment, spine[moment].cast(MOMENT, safe=False))
    return spine.append_column(ROW, pa.array(range(len(spine)), pa.int64()))


def _features(view: FeatureView, feature_refs: list[str]) -> list[str]:
    name = view.projection.name_to_use()
    return [feature for prefix, feature in (ref.split(":", 1) for ref in feature_refs) if prefix == name]


def _join(
    config: RepoConfig,
    spine: pa.Table,
    moment: str,
    views: list[FeatureView],
    wanted: dict[str, list[str]],
    full_feature_names: bool,
) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        connection.register("spine", spine)
        columns = [f"spine.{_quoted(name)}" for name in spine.column_names if name != ROW]
        joins = []
        for number, view in enumerate(views):
            source = f"v{number}"
            connection.register(source, _scan(config, view, wanted[view.name]))
            columns += list(_selected(view, source, wanted[view.name], moment, full_feature_names))
            joins.append(_as_of(view, source, moment))
        query = f"SELECT {', '.join(columns)} FROM spine {' '.join(joins)} ORDER BY spine.{_quoted(ROW)}"
        return connection.sql(query).to_arrow_table()


def _scan(config: RepoConfig, view: FeatureView, features: list[str]) -> Any:
    """The view's keys, times and wanted features, streamed from Parquet."""
    import pyarrow.dataset as ds

    data = ds.dataset(_located(config, view.batch_source).path, format="parquet")
    columns = [*view.join_keys, view.batch_source.timestamp_field, *features]
    return data.scanner(columns=list(dict.fromkeys(columns)))


def _selected(view: FeatureView, source: str, features: list[str], moment: str, full_feature_names: bool) -> Iterator[str]:
    for feature in features:
        value = f"{source}.{_quoted(feature)}"
        if view.ttl:
            age = f"spine.{_quoted(moment)} - {source}.{_quoted(view.batch_source.timestamp_field)}"
            value = f"CASE WHEN {age} <= to_microseconds({int(view.ttl.total_seconds()) * 1_000_000}) THEN {value} END"
        name = f"{view.projection.name_to_use()}__{feature}" if full_feature_names else feature
        yield f"{value} AS {_quoted(name)}"


def _as_of(view: FeatureView, source: str, moment: str) -> str:
    key_map = view.projection.join_key_map
    keys = [f"spine.{_quoted(key_map.get(key, key))} = {source}.{_quoted(key)}" for key in view.join_keys]
    time = f"spine.{_quoted(moment)} >= {source}.{_quoted(view.batch_source.timestamp_field)}"
    return f"ASOF LEFT JOIN {source} ON {' AND '.join([*keys, time])}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
