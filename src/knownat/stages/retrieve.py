"""The training set: each labelled event joined to its features as they were known then, split by time."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from knownat import parquet, paths
from knownat.console import Counts, run_stage
from knownat.declaration import Declaration, join_key
from knownat.errors import KnownatError
from knownat.maturity import held_back, part_of
from knownat.params import Params, Split

if TYPE_CHECKING:
    from datetime import datetime

ARROW_TYPES = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}


def main() -> Counts:
    params, declaration = Params.load(), Declaration.read(paths.compiled("retrieve"))
    events = parquet.read(paths.TABLES / declaration.event.table)
    spine = spine_of(events, declaration, params.service, params.split, params.source(declaration.event.table).observed_at)
    training_set = joined(spine, declaration, params.service)
    parquet.write_table(training_set, paths.TRAINING_SET)
    parts = pc.value_counts(training_set["split"]).to_pylist()
    return {"rows": len(training_set)} | {part["values"]: part["counts"] for part in parts}


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


def joined(spine: pa.Table, declaration: Declaration, service: str) -> pa.Table:
    """The spine with each of the service's features as of its event_timestamp, by Feast; one row for each row, in order."""
    from knownat.feature_store import open_store

    label, key = declaration.outcome.name, join_key(declaration.event.entity)
    inputs = declaration.inputs(service)
    store = open_store(declaration)
    asked = spine.drop_columns(["split", label]).append_column("spine_row", pa.array(range(len(spine)), pa.int64()))
    found = store.get_historical_features(
        entity_df=asked.to_pandas(), features=store.get_feature_service(service), full_feature_names=True
    ).to_arrow()
    found = found.sort_by("spine_row")
    if found["spine_row"].to_pylist() != list(range(len(spine))):
        raise KnownatError(f"Feast returned {len(found)} rows for {len(spine)} events; report this as a defect of knownat.")
    columns = {name: spine[name] for name in (key, "event_timestamp", "split", label)}
    columns |= {item.name: found[item.name].cast(ARROW_TYPES[item.feature.dtype]) for item in inputs}
    return pa.table(columns)


if __name__ == "__main__":
    run_stage("retrieve", main)
