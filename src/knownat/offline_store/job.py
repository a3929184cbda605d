"""A point-in-time retrieval that runs when its result is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig
from feast.saved_dataset import SavedDatasetStorage

from knownat.errors import KnownatError
from knownat.files import replacing
from knownat.offline_store.lookups import exact, located
from knownat.parquet import PartWriter, part_name, plain_schema


class Found(Protocol):
    """The features of a spine: their declared types, and their values in the spine's order."""

    types: dict[str, pa.DataType]

    def batches(self) -> Iterator[pa.Table]: ...


class AsOfRetrievalJob(RetrievalJob):
    """A retrieval that runs when its result is asked for."""

    def __init__(
        self,
        *,
        config: RepoConfig,
        entities: pd.DataFrame | None,
        spine: pa.Table,
        found: Found,
        full_feature_names: bool,
        metadata: RetrievalMetadata,
    ) -> None:
        self._config, self._entities, self._spine, self._found = config, entities, spine, found
        self._full_feature_names, self._metadata = full_feature_names, metadata

    @property
    def full_feature_names(self) -> bool:
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        return []

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self._metadata

    @property
    def schema(self) -> pa.Schema:
        """The entities' own columns, then the features of their declared types."""
        return pa.schema([*self._spine.schema, *(pa.field(name, kind) for name, kind in self._found.types.items())])

    def to_batches(self) -> Iterator[pa.Table]:
        """The result piece by piece, in order, so that it need not fit into memory."""
        start = 0
        for batch in self._found.batches():
            spine = self._spine.slice(start, batch.num_rows)
            start += batch.num_rows
            columns = {name: spine[name] for name in spine.column_names}
            columns |= {name: exact(batch[name], kind) for name, kind in self._found.types.items()}
            yield pa.table(columns, schema=self.schema)

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002
        return pa.concat_tables([self.schema.empty_table(), *self.to_batches()])

    def to_df(self, validation_reference: Any = None, timeout: int | None = None) -> pd.DataFrame:
        """The entities' columns with their own dtypes; whole numbers and booleans stay what they are beside nulls."""
        table = self.to_arrow(validation_reference=validation_reference, timeout=timeout)
        return to_pandas(table, self._entities, self._spine.column_names)

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None) -> None:  # noqa: ARG002
        """Write the result to a file, or as a file into a folder, whole or not at all."""
        if "://" in str(storage.to_data_source().path):
            raise KnownatError(f"{storage.to_data_source().path}: a result is saved to a local path; name one.")
        path = Path(located(self._config, storage.to_data_source()).path)
        if path.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=str(path))
        if path.suffix == ".parquet":
            self._write(path)
            return
        with replacing(path) as (folder,):
            self._write(folder / part_name(0))

    def _write(self, path: Path) -> None:
        schema = plain_schema(self.schema)
        with PartWriter(path, schema) as writer:
            for batch in self.to_batches():
                writer.add(pa.table({field.name: exact(batch[field.name], field.type) for field in schema}))


def refuse_on_demand(feature_refs: list[str], project: str, registry: BaseRegistry) -> None:
    """Feast keeps the functions of on-demand views as pickles, which run whatever they hold when they are read."""
    asked = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
    if asked:
        raise KnownatError(f"{', '.join(v.name for v in asked)} is computed on demand; declare it as a view with expressions.")


def metadata_of(feature_refs: list[str], columns: list[str], moment: str, times: pa.ChunkedArray) -> RetrievalMetadata:
    ends = pc.min_max(times)
    return RetrievalMetadata(
        features=feature_refs,
        keys=[name for name in columns if name != moment],
        min_event_timestamp=ends["min"].as_py(),
        max_event_timestamp=ends["max"].as_py(),
    )


def to_pandas(table: pa.Table, entities: pd.DataFrame | None, own: list[str]) -> pd.DataFrame:
    """Whole numbers and booleans of features as pandas' types that hold nulls, whether there are nulls or not."""
    features = table.drop_columns(own).to_pandas(types_mapper=_nullable)
    left = table.select(own).to_pandas() if entities is None else entities.reset_index(drop=True)
    return pd.concat([left, features], axis=1)


def _nullable(kind: pa.DataType) -> Any:
    if pa.types.is_boolean(kind):
        return pd.BooleanDtype()
    if pa.types.is_signed_integer(kind):
        return {8: pd.Int8Dtype, 16: pd.Int16Dtype, 32: pd.Int32Dtype, 64: pd.Int64Dtype}[kind.bit_width]()
    return None
