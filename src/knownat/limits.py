"""What a model must not be used for, from what it was judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from knownat.encoder import Category, Encoder
from knownat.params import Split as SplitSettings
from knownat.plots import Points
from knownat.slices import LEAST_ROWS
from knownat.splits import TIME, Split

Period = tuple[datetime, datetime]


def periods(splits: Mapping[Split, pa.Table]) -> dict[Split, Period]:
    """The first and the last event of each split that has rows."""
    return {name: _period(rows) for name, rows in splits.items() if rows.num_rows}


def limits(test: pa.Table, encoder: Encoder, as_of: str, split: SplitSettings, slices: Points, names: Sequence[str]) -> list[str]:
    """A sentence for each."""
    first, last = _period(test)
    embargo = f", by a margin of {split.embargo}" if split.embargo else ""
    return [
        f"It was judged on events from {first:%Y-%m-%d} to {last:%Y-%m-%d}: how well it foretells others is not known.",
        f"It foretells as of `{as_of}`: asked at another moment, its inputs mean something else.",
        "An event counts only if its label was known when the data was observed, in train and validation before the next"
        f" split starts{embargo}: of the latest events, those whose label takes long to be known were not judged.",
        *_unseen(test, encoder),
        *_unsliced(test.num_rows, slices, names),
    ]


def _period(rows: pa.Table) -> Period:
    ends = pc.min_max(rows[TIME]).as_py()
    return ends["min"], ends["max"]


def _unseen(test: pa.Table, encoder: Encoder) -> list[str]:
    """Each input with values that are not in the vocabulary, and how many rows of test have one."""
    found = []
    for category in (i for i in encoder.inputs if isinstance(i, Category)):
        known = pc.is_in(test[category.name].cast(pa.string()), value_set=pa.array(category.vocabulary, pa.string()))
        rows = pc.sum(pc.invert(known)).as_py()
        if rows:
            found.append(f"`{category.name}` in {rows} of {test.num_rows}")
    return (
        [f"What is missing, or was never seen in train, is all the same to it; test rows with one: {', '.join(found)}."]
        if found
        else []
    )


def _unsliced(rows: int, slices: Points, names: Sequence[str]) -> list[str]:
    """How many rows of test no slice by an input judges."""
    judged = {name: sum(int(found["rows"]) for found in slices if found["input"] == name) for name in names}
    return [
        f"By `{name}`, {rows - inside} of {rows} test rows are in no slice of at least {LEAST_ROWS} rows with both labels:"
        " how well it does on those values is not known."
        for name, inside in judged.items()
        if inside < rows
    ]
