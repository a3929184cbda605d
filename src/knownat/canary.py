"""The canary's other world: the same up to a cut-off and scrambled after it, so that no honest feature differs before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from knownat.declaration import Declaration, Table
from knownat.errors import KnownatError
from knownat.expressions import compile_expression
from knownat.known_times import dtypes, known_at, label_known_at

SEED = 20_120_229
DROPPED = 3  # every third row that starts after the cut-off never happens
PLACE = "__place"  # of a row in the world as it was
INSTANT = pa.timestamp("us", tz="UTC")

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Scrambled:
    """A table's raw columns in the other world, each row with its `place`; how many rows start, or learn, after the cut-off."""

    rows: pa.Table
    starting: int
    learning: int


@dataclass(frozen=True)
class Worlds:
    """The tables' rows as they were, and scrambled after the cut-off."""

    cut_off: datetime
    rows: dict[str, pa.Table]
    scrambled: dict[str, Scrambled]


def worlds(stored: Mapping[str, pa.Table], declaration: Declaration, most: int, cut_off: datetime | None) -> Worlds:
    """Both worlds of at most so many rows a table; the cut-off is by default the median of the events' times."""
    event = declaration.event_table
    cut_off = cut_off or middle(stored[declaration.event.table][event.known_at])
    rows = {name: subset(table, declaration.tables[name], most, cut_off) for name, table in stored.items()}
    return Worlds(cut_off, rows, {name: scramble(table, declaration, name, cut_off) for name, table in rows.items()})


def subset(rows: pa.Table, table: Table, most: int, cut_off: datetime) -> pa.Table:
    """At most so many rows, always the same ones: half start closest to the cut-off, half have the lowest hashes of their keys.

    The first are dense, so that a feature which sees a day ahead is caught, the others spread over all times.
    """
    if len(rows) <= most:
        return rows
    import pandas as pd

    hashes = pd.util.hash_pandas_object(rows.select(table.key).to_pandas(), index=False).to_numpy()
    starts = rows[table.known_at].cast(INSTANT).cast(pa.int64()).to_numpy()
    close = np.lexsort((hashes, abs(starts - pa.scalar(cut_off, INSTANT).value)))[: most // 2]
    hashes[close] = 0  # the lowest of all
    return rows.take(pa.array(np.sort(np.argsort(hashes, kind="stable")[:most])))


def middle(instants: pa.ChunkedArray) -> datetime:
    """The median, which is one of them; KnownatError where there is none."""
    known = sorted(instants.cast(INSTANT).drop_null().to_pylist())
    if not known:
        raise KnownatError("There is no event to choose a cut-off by; run `dvc repro preprocess`.")
    found: datetime = known[(len(known) - 1) // 2]
    return found


def moments(declaration: Declaration, name: str) -> list[str]:
    """The columns, other than a row's start, at whose times something of a table becomes known."""
    table = declaration.tables[name]
    found = [known_at(declaration, table, column) for column in table.columns]
    found += [label_known_at(declaration)] if name == declaration.event.table and declaration.label else []
    return list(dict.fromkeys(m for each in found for m in sorted(each)))


def scramble(rows: pa.Table, declaration: Declaration, name: str, cut_off: datetime) -> Scrambled:
    """The other world of a table's rows, the same for the same rows.

    Of the rows that start after the cut-off every third is gone, and in the rest each column is that of another such
    row; in the rows before it, what becomes known after it is that of another such row, all of one moment together.
    """
    table, draw = declaration.tables[name], np.random.default_rng(SEED)
    columns = {column: rows[column] for column in table.raw_columns}
    late, kept = _after(rows[table.known_at], cut_off), _made_of(table, [*table.key, table.known_at])
    starting, learning = np.flatnonzero(late), np.zeros(len(rows), dtype=bool)
    for column in [c for c in columns if c not in kept]:
        columns[column] = _replaced(columns[column], starting, _others(starting, draw))
    for moment, told in _told_at(declaration, table, kept).items():
        places = np.flatnonzero(~late & _after(rows[moment], cut_off))
        others, learning[places] = _others(places, draw), True
        columns |= {column: _replaced(columns[column], places, others) for column in told}
    stays = np.ones(len(rows), dtype=bool)
    stays[starting[::DROPPED]] = False
    scrambled = pa.table(columns | {PLACE: pa.array(np.arange(len(rows)))}).filter(pa.array(stays))
    return Scrambled(scrambled, len(starting), int(learning.sum()))


def settled(rows: pa.Table, scrambled: pa.Table, instants: pa.Table, cut_off: datetime) -> pa.Table:
    """The other world, but for the rows of which a moment has come to lie before the cut-off by accident: these stay as they were.

    Else they would become known too early, and an honest feature would differ. `instants`: the moments there, by `place`.
    """
    places, early = instants[PLACE].to_numpy(), np.zeros(len(instants), dtype=bool)
    for moment in instants.column_names:
        if moment != PLACE:
            early |= ~_after(instants[moment], cut_off) & _after(rows[moment].take(pa.array(places)), cut_off)
    again = pa.array(np.isin(scrambled[PLACE].to_numpy(), places[early]))
    was = rows.take(scrambled[PLACE])
    columns = {c: pc.if_else(again, was[c], scrambled[c]) for c in scrambled.column_names if c != PLACE}
    return pa.table(columns)


def _after(instants: pa.ChunkedArray, cut_off: datetime) -> Flags:
    """Whether each comes after the cut-off; what never comes does."""
    is_after = pc.fill_null(pc.greater(instants.cast(INSTANT), pa.scalar(cut_off, INSTANT)), True)
    return np.asarray(is_after.to_numpy(zero_copy_only=False), dtype=bool)


def _made_of(table: Table, columns: Iterable[str]) -> set[str]:
    """The raw columns that the given ones are, or are computed from."""
    made: set[str] = set()
    for name in columns:
        text = table.columns[name].expr
        made |= {name} if text is None else _made_of(table, compile_expression(text, dtypes(table)).columns)
    return made


def _told_at(declaration: Declaration, table: Table, kept: set[str]) -> dict[str, list[str]]:
    """Moment → the raw columns that become known then, of those that are known later than their row."""
    told: dict[str, list[str]] = {}
    for column in table.raw_columns:
        for moment in known_at(declaration, table, column):
            if column not in kept:
                told.setdefault(moment, []).append(column)
    return told


def _others(places: Places, draw: np.random.Generator) -> Places:
    """For each place another one of them, some more than once, so that sums change as well; -1 if there is but one."""
    n = len(places)
    return places[(np.arange(n) + draw.integers(1, n, n)) % n] if n > 1 else np.full(n, -1)


def _replaced(column: pa.ChunkedArray, places: Places, others: Places) -> pa.ChunkedArray:
    """The column with the values of other places, or null for -1, at some places."""
    source = np.arange(len(column))
    source[places] = others
    return column.take(pa.array(source, mask=source < 0))
