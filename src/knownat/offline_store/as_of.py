"""As-of joins in DuckDB: each view by itself, from the keys and times alone, then side by side in the entities' order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from feast.repo_config import RepoConfig
from pyarrow import fs

from knownat.errors import KnownatError
from knownat.offline_store.lookups import Lookup, ambiguous, micros

BATCH = 122_880  # rows: DuckDB's own row group


class AsOfJoin:
    """The features for the entities' keys and times, computed anew each time they are read.

    Inside, every column has a name of ours (key_0, asked_at, seen, …), so that no name of theirs can be taken for one.
    """

    def __init__(
        self, config: RepoConfig, spine: pa.Table, moment: str, sources: list[tuple[Lookup, ds.Dataset]], created_counts: bool
    ) -> None:
        self._config, self._sources, self._created_counts = config, sources, created_counts
        self._keys = {name: f"key_{n}" for n, name in enumerate(name for name in spine.column_names if name != moment)}
        columns = {ours: spine[theirs] for theirs, ours in self._keys.items()}
        self._spine = pa.table(columns | {"asked_at": spine[moment], "place": pa.array(range(len(spine)), pa.int64())})
        self.types = {name: kind for lookup, _ in sources for name, kind in lookup.types.items()}

    def batches(self) -> Iterator[pa.Table]:
        """The features side by side, in the entities' order."""
        with connected(self._config) as connection:
            connection.register("spine", self._spine)
            columns: list[str] = []
            for number, (lookup, source) in enumerate(self._sources):
                _open(connection, f"stored_{number}", source)
                seen = _seen(lookup, f"stored_{number}", source.schema, self._created_counts)
                connection.execute(f"CREATE VIEW seen_{number} AS {seen}")
                _refuse_ambiguous(connection, lookup, f"seen_{number}")
                found = _as_of(lookup, _latest(lookup, f"seen_{number}"), self._keys, f"f{number}_")
                connection.execute(f"CREATE TEMP TABLE found_{number} AS {found}")
                columns += lookup.features
            tables = " POSITIONAL JOIN ".join(f"found_{number}" for number in range(len(self._sources)))
            for batch in connection.sql(f"SELECT * FROM {tables}").to_arrow_reader(BATCH):
                yield pa.Table.from_batches([batch]).rename_columns(columns)


@contextmanager
def connected(config: RepoConfig) -> Iterator[duckdb.DuckDBPyConnection]:
    limit = config.offline_store.memory_limit
    with tempfile.TemporaryDirectory(prefix="knownat-duckdb-") as spill, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        connection.execute(f"SET temp_directory = '{spill}'")
        if limit:
            connection.execute(f"SET memory_limit = '{limit}'")
        yield connection


def _open(connection: duckdb.DuckDBPyConnection, name: str, source: ds.Dataset) -> None:
    """Plain local files by DuckDB's own reader, which is the faster one; others through Arrow, partition columns included."""
    if isinstance(source.filesystem, fs.LocalFileSystem) and not source.partitioning.schema.names:
        files = ", ".join(_text(path) for path in source.files)
        # else a folder above that is called x=1 would pass for a column
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{files}], hive_partitioning = false)")
    else:
        connection.register(name, source)


def _seen(lookup: Lookup, stored: str, schema: pa.Schema, created_counts: bool) -> str:
    """SQL of the stored rows that anybody ever sees, under names of ours: a row is seen once it is known, and created."""
    known, created = (_moment(c, schema) if c else "NULL" for c in (lookup.known_at, lookup.created_at))
    by_creation = created_counts and lookup.created_at
    keys = {column: f"key_{n}" for n, column in enumerate(lookup.keys.values())}
    columns = [f"{_quoted(column)} AS {name}" for column, name in keys.items()]
    columns += [f"{_quoted(column)} AS value_{n}" for n, column in enumerate(lookup.features.values())]
    columns += [f"{known} AS known", f"CAST({created} AS TIMESTAMPTZ) AS created"]
    needed = [*keys.values(), "known", *(["created"] if by_creation else [])]
    seen = "greatest(known, created)" if by_creation else "known"
    there = " AND ".join(f"{name} IS NOT NULL" for name in needed)
    return f"SELECT *, {seen} AS seen FROM (SELECT {', '.join(columns)} FROM {stored}) WHERE {there}"


def _refuse_ambiguous(connection: duckdb.DuckDBPyConnection, lookup: Lookup, seen: str) -> None:
    """Refuse two values of one entity and moment (and creation) that nothing tells apart: either could be the true one."""
    by = ", ".join([*(f"key_{n}" for n in range(len(lookup.keys))), "known", *(["created"] if lookup.created_at else [])])
    if not connection.execute(f"SELECT 1 FROM {seen} GROUP BY {by} HAVING count(*) > 1 LIMIT 1").fetchone():
        return
    differ = f"SELECT {by} FROM (SELECT DISTINCT * FROM {seen}) GROUP BY {by} HAVING count(*) > 1 ORDER BY {by} LIMIT 1"
    found = connection.execute(differ).fetchone()
    if found:
        raise KnownatError(ambiguous(lookup, ", ".join(map(str, found))))


def _latest(lookup: Lookup, seen: str) -> str:
    """SQL of the rows that are ever the latest.

    One that comes to be seen when a newer one already is will never be, so that among the rest the latest seen is the
    newest: an as-of join finds it.
    """
    if lookup.created_at is None:
        return f"SELECT * FROM {seen}"
    newest = "row(known, coalesce(created, TIMESTAMPTZ '-infinity'))"
    by = ", ".join(f"key_{n}" for n in range(len(lookup.keys)))
    return f"SELECT * FROM {seen} QUALIFY {newest} = max({newest}) OVER ({f'PARTITION BY {by} ' if by else ''}ORDER BY seen)"


def _moment(column: str, schema: pa.Schema) -> str:
    """SQL of a stored time in microseconds; a finer one is rounded up, so that it is not seen before its time."""
    stored = _quoted(column)
    if schema.field(column).type.unit != "ns":
        return f"CAST({stored} AS TIMESTAMPTZ)"
    whole = f"CAST({stored} AS TIMESTAMPTZ)"
    return f"{whole} + to_microseconds(CASE WHEN epoch_us({whole}) * 1000 < epoch_ns({stored}) THEN 1 ELSE 0 END)"


def _as_of(lookup: Lookup, rows: str, names: dict[str, str], prefix: str) -> str:
    """SQL of the features for each of the entities, in their order; `names`: the entities' columns as they are called here."""
    ours = [names[key] for key in lookup.keys]
    on = " AND ".join([*(f"spine.{key} = stored.key_{n}" for n, key in enumerate(ours)), "spine.asked_at >= stored.seen"])
    values = [f"stored.value_{n}" for n in range(len(lookup.features))]
    if lookup.ttl:
        fresh = f"spine.asked_at - stored.known <= to_microseconds({micros(lookup.ttl)})"
        values = [f"CASE WHEN {fresh} THEN {value} END" for value in values]
    named = ", ".join(f"{value} AS {prefix}{n}" for n, value in enumerate(values))
    spine = f"SELECT {', '.join(['place', 'asked_at', *ours])} FROM spine"
    return f"SELECT {named} FROM ({spine}) AS spine ASOF LEFT JOIN ({rows}) AS stored ON {on} ORDER BY spine.place"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
