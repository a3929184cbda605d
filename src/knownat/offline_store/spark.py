"""Feast's Spark offline store with a point-in-time join that is linear: a running window instead of join and rank."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
from feast import FeatureView, FileSource
from feast.data_source import DataSource
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.contrib.spark_offline_store.spark import (
    SparkOfflineStore,
    SparkOfflineStoreConfig,
    SparkRetrievalJob,
)
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SavedDatasetSparkStorage, SparkSource
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import RepoConfig
from feast.saved_dataset import SavedDatasetStorage
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_schema
from pyspark.sql.types import StructField, StructType

from knownat.errors import KnownatError
from knownat.offline_store.job import refuse_on_demand, to_pandas
from knownat.offline_store.lookups import Lookup, check_stored, dataset_of, located, lookups
from knownat.offline_store.running import Stored, arrow_types, joined, quoted
from knownat.offline_store.spine import as_arrow, check_entities, check_filled, event_column, moments
from knownat.params import SparkSettings
from knownat.spark_session import spark_session


class AsOfSparkOfflineStoreConfig(SparkOfflineStoreConfig):
    """`spark_conf`: of the session that is started where none is active."""

    type: Literal["knownat.offline_store.spark.AsOfSparkOfflineStore"] = "knownat.offline_store.spark.AsOfSparkOfflineStore"


class AsOfSparkOfflineStore(SparkOfflineStore):
    """One output row for each input row, in the input's order; each feature as of the row's time, not older than its ttl."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | pa.Table | DataFrame | str,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = True,
        **unsupported: Any,
    ) -> RetrievalJob:
        """Each feature's latest value at or before the row's time and, where the source says so, created by then.

        The entities are a Spark frame, a data frame, an Arrow table, or Spark SQL. Raises KnownatError for a spine or
        a source that cannot be joined without a guess.
        """
        if entity_df is None or unsupported:
            raise KnownatError("This offline store looks features up for entities; pass them as entity_df.")
        refuse_on_demand(feature_refs, project, registry)
        session = _session(config)
        local = None if isinstance(entity_df, str | DataFrame) else as_arrow(entity_df)
        given = _queried(session, entity_df) if isinstance(entity_df, str) else entity_df
        schema = _arrow_schema(given) if local is None else local.schema
        moment = event_column(schema)
        asked = lookups(feature_views, feature_refs, full_feature_names, schema.names)
        check_entities(schema, asked)
        spine = _distributed(session, local, moment) if local is not None else given
        metadata = _metadata(feature_refs, spine, moment)
        place = next(name for n in count() if (name := f"place_{n}") not in {*spine.columns, *arrow_types(asked)})
        stored = [_stored(session, config, lookup, schema) for lookup in asked]
        return AsOfSparkRetrievalJob(
            session=session,
            config=config,
            frame=joined(spine.withColumn(place, F.monotonically_increasing_id()), moment, stored, filter_by_created_timestamp),
            place=place,
            entities=entity_df if isinstance(entity_df, pd.DataFrame) else None,
            spine=local,
            types=arrow_types(asked),
            full_feature_names=full_feature_names,
            metadata=metadata,
        )

    @staticmethod
    def pull_latest_from_table_or_query(config: RepoConfig, data_source: DataSource, *args: Any, **kwargs: Any) -> RetrievalJob:
        _session(config)
        return SparkOfflineStore.pull_latest_from_table_or_query(config, _spark_source(config, data_source), *args, **kwargs)

    @staticmethod
    def pull_all_from_table_or_query(config: RepoConfig, data_source: DataSource, *args: Any, **kwargs: Any) -> RetrievalJob:
        _session(config)
        return SparkOfflineStore.pull_all_from_table_or_query(config, _spark_source(config, data_source), *args, **kwargs)


class AsOfSparkRetrievalJob(SparkRetrievalJob):
    """A retrieval that Spark runs when its result is asked for; as a frame or written out, it never passes the driver."""

    def __init__(
        self,
        *,
        session: SparkSession,
        config: RepoConfig,
        frame: DataFrame,
        place: str,
        entities: pd.DataFrame | None,
        spine: pa.Table | None,
        types: dict[str, pa.DataType],
        full_feature_names: bool,
        metadata: RetrievalMetadata,
    ) -> None:
        super().__init__(session, "", full_feature_names, config, None, metadata)
        self._frame, self._place, self._entities, self._spine, self._types = frame, place, entities, spine, types

    def to_spark_df(self) -> DataFrame:
        """The result in the entities' order."""
        return self._frame.orderBy(self._place).drop(self._place)

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002
        """Collected; the entities' columns as they were given where they were given from here."""
        frame = self.to_spark_df()
        if self._spine is not None:
            frame = frame.select(*map(quoted, self._types))
        found = _run(frame.toArrow)
        own = found.drop_columns(list(self._types)) if self._spine is None else self._spine
        columns = {name: own[name] for name in own.column_names}
        return pa.table(columns | {name: found[name].cast(kind) for name, kind in self._types.items()})

    def to_df(self, validation_reference: Any = None, timeout: int | None = None) -> pd.DataFrame:
        """The entities' columns with their own dtypes; whole numbers and booleans stay what they are beside nulls."""
        table = self.to_arrow(validation_reference=validation_reference, timeout=timeout)
        return to_pandas(table, self._entities, [name for name in table.column_names if name not in self._types])

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool | None = False, timeout: int | None = None) -> None:
        """Have the executors write the result as Parquet into a folder (a file storage's path, or a Spark storage)."""
        if isinstance(storage, SavedDatasetFileStorage):
            path = located(self._config, storage.to_data_source()).path
            if "://" not in path and Path(path).exists() and not allow_overwrite:
                raise SavedDatasetLocationAlreadyExists(location=path)
            storage = SavedDatasetSparkStorage(path=path, file_format="parquet")
        _run(lambda: super(AsOfSparkRetrievalJob, self).persist(storage, allow_overwrite, timeout))


def _session(config: RepoConfig) -> SparkSession:
    """The active session, or one that lasts until Python ends."""
    running = SparkSession.getActiveSession()
    if running is None:
        conf = dict(config.offline_store.spark_conf or {})
        stack = ExitStack()
        running = stack.enter_context(spark_session(SparkSettings(master=conf.pop("spark.master", "local[*]"), conf=conf)))
        atexit.register(stack.close)
    return running


def _queried(session: SparkSession, query: str) -> DataFrame:
    try:
        return session.sql(query)
    except PySparkException as error:
        raise KnownatError(f"Spark refuses the entities' SQL: {next(filter(None, str(error).splitlines()))}; mend it.") from error


def _distributed(session: SparkSession, spine: pa.Table, moment: str) -> DataFrame:
    times = moments(spine, moment)
    spine = spine.set_column(spine.column_names.index(moment), moment, times)
    _fields("The entities", spine.schema)
    return session.createDataFrame(spine)


def _fields(what: str, schema: pa.Schema) -> StructType:
    """The columns as Spark has them; KnownatError for a type that it has not."""
    fields = []
    for field in schema:
        try:
            fields.append(StructField(field.name, from_arrow_type(field.type)))
        except PySparkException as error:
            raise KnownatError(f"{what}: {field.name} is {field.type}, which Spark does not have; make it a plain type.") from error
    return StructType(fields)


def _stored(session: SparkSession, config: RepoConfig, lookup: Lookup, spine: pa.Schema) -> Stored:
    """The view's rows as a frame, checked."""
    if isinstance(lookup.source, FileSource):
        data = dataset_of(config, lookup)
        check_stored(lookup, data.schema, spine)
        _refuse_nanoseconds(lookup, data.schema)
        # by the types that were checked: Spark would make a number of a partition that is called x=1.50
        fields = _fields(f"Feature view {lookup.view}", pa.schema([data.schema.field(name) for name in lookup.stored]))
        return Stored(lookup, session.read.schema(fields).parquet(located(config, lookup.source).path))
    frame = (
        session.table(lookup.source.table)
        if lookup.source.table
        else session.sql(f"SELECT * FROM {lookup.source.get_table_query_string()}")
    )
    check_stored(lookup, _arrow_schema(frame), spine)
    if frame.isEmpty():
        raise KnownatError(f"Feature view {lookup.view}: {lookup.source.name} holds no rows; run what writes it.")
    return Stored(lookup, frame)


def _refuse_nanoseconds(lookup: Lookup, stored: pa.Schema) -> None:
    fine = [name for name in lookup.stored if str(stored.field(name).type).startswith("timestamp[ns")]
    if fine:
        raise KnownatError(
            f"Feature view {lookup.view}: {', '.join(fine)} is stored in nanoseconds, which Spark cannot read; store microseconds."
        )


def _spark_source(config: RepoConfig, source: DataSource) -> SparkSource:
    """What Feast's own Spark store reads, of the same Parquet."""
    if isinstance(source, SparkSource):
        return source
    return SparkSource(
        name=source.name,
        path=located(config, source).path,
        file_format="parquet",
        timestamp_field=source.timestamp_field,
        created_timestamp_column=source.created_timestamp_column,
        field_mapping=source.field_mapping,
    )


def _arrow_schema(frame: DataFrame) -> pa.Schema:
    return to_arrow_schema(frame.schema, timezone="UTC")


def _metadata(feature_refs: list[str], spine: DataFrame, moment: str) -> RetrievalMetadata:
    """The entities' range of times; KnownatError where there are none, or one is missing."""
    at = F.col(quoted(moment))
    facts = spine.agg(F.count(F.lit(1)), F.count(at), F.min(at), F.max(at)).first()
    assert facts is not None
    rows, timed, first, last = facts
    check_filled(rows, rows - timed, moment)
    keys = [name for name in spine.columns if name != moment]
    return RetrievalMetadata(features=feature_refs, keys=keys, min_event_timestamp=first, max_event_timestamp=last)


def _run(action: Any) -> Any:
    """Run a Spark action; what the join itself refuses comes as its sentence."""
    try:
        return action()
    except PySparkException as error:
        if error.getCondition() == "USER_RAISED_EXCEPTION":
            raise KnownatError(str((error.getMessageParameters() or {}).get("errorMessage", error))) from error
        raise
