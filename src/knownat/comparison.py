"""Where the rows of a view differ between two worlds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# sums and means of real numbers differ in the last bits with the order of the rows
TOLERANCE = 1e-9
ABSENT = "no row"
THERE = "__there"


@dataclass(frozen=True)
class Change:
    """One row that differs: its key and moment, and a column's value in both worlds as it is shown."""

    key: str
    known_at: datetime
    before: str
    after: str


@dataclass(frozen=True)
class Compared:
    """A column of a view in both worlds: how many rows were compared, how many differ, and the first that does."""

    column: str
    rows: int
    changed: int
    example: Change | None


def compare(before: pa.Table, after: pa.Table, join_key: str) -> Iterator[Compared]:
    """Each column but the key and known_at; a row that only one world has differs in all of them."""
    keys = [join_key, "known_at"]
    before, after = (table.append_column(THERE, pa.array([True] * len(table), pa.bool_())) for table in (before, after))
    both = before.join(after, keys, join_type="full outer", left_suffix=" before", right_suffix=" after")
    both = both.sort_by([(key, "ascending") for key in keys])
    either = pc.or_(pc.is_null(both[f"{THERE} before"]), pc.is_null(both[f"{THERE} after"]))
    for column in before.column_names:
        if column not in {*keys, THERE}:
            differs = pc.or_(either, _differs(both[f"{column} before"], both[f"{column} after"]))
            places = np.flatnonzero(differs.to_numpy())
            example = _example(both.slice(int(places[0]), 1).to_pylist()[0], join_key, column) if len(places) else None
            yield Compared(column, len(both), len(places), example)


def _differs(before: pa.ChunkedArray, after: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether each pair of values differs; two nulls do not."""
    if pa.types.is_floating(before.type):
        gap = pc.abs(pc.subtract(before, after))
        allowed = pc.multiply(pc.max_element_wise(pc.abs(before), pc.abs(after)), TOLERANCE)
        unequal = pc.greater(gap, allowed)
    else:
        unequal = pc.not_equal(before, after)
    return pc.fill_null(unequal, pc.xor(pc.is_null(before), pc.is_null(after)))


def _example(row: dict[str, object], join_key: str, column: str) -> Change:
    before, after = (_shown(row[f"{column} {world}"]) if row[f"{THERE} {world}"] else ABSENT for world in ("before", "after"))
    known_at = row["known_at"]
    assert isinstance(known_at, datetime)
    return Change(str(row[join_key]), known_at, before, after)


def _shown(value: object) -> str:
    return "null" if value is None else repr(value)
