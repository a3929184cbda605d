"""The entities of a retrieval, as Arrow, with times that can be trusted."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pyarrow as pa

from knownat.errors import KnownatError
from knownat.offline_store.lookups import Lookup, check_moment, exact

EVENT_TIMESTAMP = "event_timestamp"  # Feast's own name for it
MOMENT = pa.timestamp("us", tz="UTC")


def as_arrow(entities: pd.DataFrame | pa.Table) -> pa.Table:
    """The entities as they are; KnownatError for what is neither, for a column name twice, or a column of mixed types."""
    if isinstance(entities, pa.Table):
        spine = entities
    elif isinstance(entities, pd.DataFrame):
        spine = _from_pandas(entities)
    else:
        raise KnownatError(f"The entities are a {type(entities).__name__}; pass a data frame, an Arrow table or SQL.")
    twice = sorted({name for name in spine.column_names if spine.column_names.count(name) > 1})
    if twice:
        raise KnownatError(f"The entities have two columns {', '.join(twice)}; rename one.")
    return spine


def _from_pandas(entities: pd.DataFrame) -> pa.Table:
    # Arrow would take a naive time among aware ones for UTC
    for name in entities.select_dtypes(object).columns:
        values = entities[name]
        if any(isinstance(value, datetime) and not pd.isna(value) and value.tzinfo is None for value in values):
            raise KnownatError(f"The entities' {name} holds times without a time zone, so they could be any; make them UTC.")
    try:
        return pa.Table.from_pandas(entities, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise KnownatError(f"The entities hold a column of mixed types ({error.args[-1]}); give it one type.") from error
    except (ValueError, TypeError) as error:  # a name twice, a kind of column that Arrow does not have
        raise KnownatError(f"The entities cannot be read ({str(error).splitlines()[0]}); mend that column.") from error


def event_column(schema: pa.Schema) -> str:
    """The column that says when: `event_timestamp`, or the only timestamp there is."""
    times: list[str] = [f.name for f in schema if pa.types.is_timestamp(f.type)]
    if EVENT_TIMESTAMP in schema.names:
        times = [EVENT_TIMESTAMP]
    if len(times) != 1:
        found = f"; {', '.join(times)} could be it" if times else ""
        raise KnownatError(f"The entities have no column {EVENT_TIMESTAMP}{found}; name the time of the event so.")
    check_moment(f"The entities' {times[0]}", schema.field(times[0]).type)
    return times[0]


def check_entities(schema: pa.Schema, asked: list[Lookup]) -> None:
    for lookup in asked:
        missing = [key for key in lookup.keys if key not in schema.names]
        if missing:
            raise KnownatError(
                f"The entities have no column {', '.join(missing)}, by which feature view {lookup.view} is looked up; add it."
            )


def check_filled(rows: int, without_time: int, moment: str) -> None:
    if rows == 0:
        raise KnownatError("The entities have no rows; ask for at least one.")
    if without_time:
        raise KnownatError(f"The entities' {moment} is null in {without_time} of {rows} rows; say when each event happened.")


def moments(spine: pa.Table, moment: str) -> pa.ChunkedArray:
    """The event times in microseconds UTC; a finer one is rounded down, so that nothing later is seen."""
    check_filled(spine.num_rows, spine[moment].null_count, moment)
    return exact(spine[moment], MOMENT)
