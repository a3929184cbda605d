"""The training set: each labelled event joined to its features as they were known then, split by time."""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from knownat import parquet, paths
from knownat.console import Counts, run_stage
from knownat.declaration import Declaration, join_key
from knownat.errors import KnownatError
from knownat.files import draft_of
from knownat.gates import data_of, require
from knownat.maturity import held_back, part_of
from knownat.params import OfflineStoreSettings, Params, Split
from knownat.spark_session import spark_session

if TYPE_CHECKING:
    from datetime import datetime

    from feast.infra.offline_stores.offline_store import RetrievalJob


def main() -> Counts:
    params, declaration = Params.load(), Declaration.read(paths.compiled("retrieve"))
    require("features", data_of("features"))
    events = parquet.read(paths.TABLES / declaration.event.table)
    spine = spine_of(events, declaration, params.service, params.split, params.source(declaration.event.table).observed_at)
    key = ["event_timestamp", join_key(declaration.event.entity)]
    columns = [*reversed(key), "split", declaration.outcome.name, *(item.name for item in declaration.inputs(params.service))]
    with spark_session(params.spark) if params.offline_store.type == "spark" else nullcontext():
        rows = write(joined(spine, declaration, params.service, params.offline_store), columns, key, paths.TRAINING_SET)
    if rows != len(spine):
        raise KnownatError(f"Feast returned {rows} rows for {len(spine)} events; report this as a defect of knownat.")
    parts = pc.value_counts(spine["split"]).to_pylist()
    return {"rows": rows} | {part["values"]: part["counts"] for part in parts}


def spine_of(events: pa.Table, declaration: Declaration, service: str, split: Split, observed_at: datetime) -> pa.Table:
    """Keys, event_timestamp (the service's as_of), part and label of the events that nothing holds back (see `maturity`)."""
    label = declaration.outcome.name
    held = held_back(events, declaration, service, split, observed_at)
    events = events.filter(pc.invert(reduce(pc.or_, held.values())))
    if not len(events):
        raise KnownatError("No event has a label that is known in time; look at the label's expr, at observed_at and at split.")
    keys = dict.fromkeys(join_key(entity) for entity in declaration.entities if join_key(entity) in events.column_names)
    columns = {key: events[key] for key in keys}
    columns["event_timestamp"] = events[declaration.service(service).as_of]
    spine = pa.table(columns | {"split": part_of(events, declaration, split), label: events[label]})
    return spine.sort_by([("event_timestamp", "ascending"), (join_key(declaration.event.entity), "ascending")])


def joined(spine: pa.Table, declaration: Declaration, service: str, settings: OfflineStoreSettings) -> RetrievalJob:
    """The spine with each of the service's features as of its event_timestamp, by Feast; one row for each row, in order."""
    from knownat.feature_store import joining, open_store

    store = joining(open_store(declaration), settings)
    features = store.get_feature_service(service)
    return store.get_historical_features(entity_df=spine, features=features, full_feature_names=True)


def write(job: RetrievalJob, columns: list[str], key: list[str], path: Path) -> int:
    """Write the columns, which `key` sorts, as one file, never whole in memory; returns the row count."""
    from knownat.offline_store.job import AsOfRetrievalJob

    if isinstance(job, AsOfRetrievalJob):
        schema = pa.schema([job.schema.field(name) for name in columns])
        with parquet.PartWriter(path, schema) as writer:
            for batch in job.to_batches():
                writer.add(batch.select(columns))
        return writer.rows
    folder = draft_of(path)
    try:
        rows = parquet.write_spark(job.to_spark_df().select(*columns), folder, key, 1)
        os.replace(folder / parquet.part_name(0), path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows


if __name__ == "__main__":
    run_stage("retrieve", main)
