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

ROW = "__row"
BATCH = 122_880  # rows: DuckDB's own row group


class AsOfJoin:
    """The features for the entities' keys and times, computed anew each time they are read."""

    def __init__(
        self, config: RepoConfig, spine: pa.Table, moment: str, sources: list[tuple[Lookup, ds.Dataset]], created_counts: bool
    ) -> None:
        self._config, self._spine, self._moment = config, spine, moment
        self._sources, self._created_counts = sources, created_counts
        self.types = {name: kind for lookup, _ in sources for name, kind in lookup.types.items()}

    def batches(self) -> Iterator[pa.Table]:
        """The features side by side, in the entities' order."""
        with connected(self._config) as connection:
            connection.register("spine", self._spine.append_column(ROW, pa.array(range(len(self._spine)), pa.int64())))
            for number, (lookup, source) in enumerate(self._sources):
                stored = f"stored_{number}"
                _open(connection, stored, source)
                _refuse_ambiguous(connection, lookup, stored)
                rows = _rows(lookup, stored, source.schema, self._created_counts)
                connection.execute(f"CREATE TEMP TABLE found_{number} AS {_as_of(lookup, rows, self._moment)}")
            tables = " POSITIONAL JOIN ".join(f"found_{number}" for number in range(len(self._sources)))
            for batch in connection.sql(f"SELECT * FROM {tables}").to_arrow_reader(BATCH):
                yield pa.Table.from_batches([batch])


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
    """Local files by DuckDB's own reader, which is the faster one; others through Arrow."""
    if isinstance(source.filesystem, fs.LocalFileSystem):
        files = ", ".join(_text(path) for path in source.files)
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{files}], hive_partitioning = true)")
    else:
        connection.register(name, source)


def _refuse_ambiguous(connection: duckdb.DuckDBPyConnection, lookup: Lookup, stored: str) -> None:
    """Refuse two values of one entity and moment (and creation) that nothing tells apart: either could be the true one."""
    moment = [lookup.known_at, *([lookup.created_at] if lookup.created_at else [])]
    by = ", ".join(map(_quoted, [*lookup.keys.values(), *moment]))
    seen = " AND ".join(f"{_quoted(column)} IS NOT NULL" for column in [*lookup.keys.values(), lookup.known_at])
    if not connection.execute(f"SELECT 1 FROM {stored} WHERE {seen} GROUP BY {by} HAVING count(*) > 1 LIMIT 1").fetchone():
        return
    distinct = f"SELECT DISTINCT {', '.join(map(_quoted, lookup.stored))} FROM {stored} WHERE {seen}"
    differ = f"SELECT {by} FROM ({distinct}) GROUP BY {by} HAVING count(*) > 1 ORDER BY {by} LIMIT 1"
    found = connection.execute(differ).fetchone()
    if found:
        raise KnownatError(ambiguous(lookup, ", ".join(map(str, found))))


def _rows(lookup: Lookup, stored: str, schema: pa.Schema, created_counts: bool) -> str:
    """SQL of the stored rows that are ever the latest, with the moment from which each is seen.

    A row is seen once its time has come and it has been created. One that comes to be seen when a newer one already
    is will never be the latest, so that among the rest the latest seen is the newest: an as-of join finds it.
    """
    known, created = (_moment(c, schema) if c else None for c in (lookup.known_at, lookup.created_at))
    columns = ", ".join(map(_quoted, dict.fromkeys([*lookup.keys.values(), *lookup.features.values()])))
    if created is None:
        return f"SELECT {columns}, {known} AS __known, __known AS __seen FROM {stored} WHERE __known IS NOT NULL"
    seen = f"greatest({known}, {created})" if created_counts else known
    where = f"__known IS NOT NULL{' AND __created IS NOT NULL' if created_counts else ''}"
    newest = "row(__known, coalesce(__created, TIMESTAMPTZ '-infinity'))"
    by = ", ".join(map(_quoted, lookup.keys.values()))
    window = f"({f'PARTITION BY {by} ' if by else ''}ORDER BY __seen)"
    return (
        f"SELECT * FROM (SELECT {columns}, {known} AS __known, {created} AS __created, {seen} AS __seen FROM {stored} "
        f"WHERE {where}) QUALIFY {newest} = max({newest}) OVER {window}"
    )


def _moment(column: str, schema: pa.Schema) -> str:
    """SQL of a stored time in microseconds; a finer one is rounded up, so that it is not seen before its time."""
    stored = _quoted(column)
    if schema.field(column).type.unit != "ns":
        return f"CAST({stored} AS TIMESTAMPTZ)"
    whole = f"CAST({stored} AS TIMESTAMPTZ)"
    return f"{whole} + to_microseconds(CASE WHEN epoch_us({whole}) * 1000 < epoch_ns({stored}) THEN 1 ELSE 0 END)"


def _as_of(lookup: Lookup, rows: str, moment: str) -> str:
    """SQL of the features for each of the entities, in their order."""
    columns = ", ".join(map(_quoted, [ROW, moment, *lookup.keys]))
    keys = [f"spine.{_quoted(ours)} = stored.{_quoted(theirs)}" for ours, theirs in lookup.keys.items()]
    on = " AND ".join([*keys, f"spine.{_quoted(moment)} >= stored.__seen"])
    values = [f"stored.{_quoted(column)}" for column in lookup.features.values()]
    if lookup.ttl:
        fresh = f"spine.{_quoted(moment)} - stored.__known <= to_microseconds({micros(lookup.ttl)})"
        values = [f"CASE WHEN {fresh} THEN {value} END" for value in values]
    named = ", ".join(f"{value} AS {_quoted(name)}" for value, name in zip(values, lookup.features, strict=True))
    return (
        f"SELECT {named} FROM (SELECT {columns} FROM spine) AS spine ASOF LEFT JOIN ({rows}) AS stored ON {on} "
        f"ORDER BY spine.{_quoted(ROW)}"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
