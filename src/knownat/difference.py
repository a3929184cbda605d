"""How two versions of a table differ, by key: rows, columns, values, distributions; DuckDB does it, spilling to disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knownat.errors import KnownatError

if TYPE_CHECKING:
    import duckdb

EXAMPLES = 3
MEMORY = "1GB"
SIDES = ("before", "after")
HERE = '"is here"'  # no declared name has a blank


@dataclass(frozen=True)
class Example:
    """One row's value on either side, as text; None is null."""

    key: tuple[str | None, ...]
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Changed:
    """In how many of the rows that both sides have a column's value differs."""

    column: str
    rows: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Retyped:
    """A column whose type differs; None is a side without it. `compared` says whether the values could be."""

    column: str
    before: str | None
    after: str | None
    compared: bool = False


@dataclass(frozen=True)
class Moved:
    """A column that is spread otherwise: total variation, and what chance alone would give."""

    column: str
    distance: float
    chance: float


@dataclass(frozen=True)
class Categories:
    """The values of a column of few values that one side alone has, with their rows."""

    column: str
    new: tuple[tuple[str, int], ...]
    vanished: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Difference:
    """Of one data set. Rows are None on a side without it; what needs a common key is None where `note` says why."""

    name: str
    key: tuple[str, ...]
    before: int | None
    after: int | None
    added: int | None = 0
    removed: int | None = 0
    changed: int | None = 0
    columns: tuple[Retyped, ...] = ()
    values: tuple[Changed, ...] = ()
    moved: tuple[Moved, ...] = ()
    categories: tuple[Categories, ...] = ()
    note: str = ""

    @property
    def is_same(self) -> bool:
        return (self.added, self.removed, self.changed) == (0, 0, 0) and not self.columns and not self.note


@contextmanager
def opened(files: Mapping[str, Sequence[Path]], spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with a view over the Parquet files of each side; times are UTC."""
    import duckdb

    with closing(duckdb.connect()) as connection:
        connection.execute(f"SET memory_limit = '{MEMORY}'; SET temp_directory = {literal(spill)}; SET TimeZone = 'UTC'")
        for side, paths in files.items():
            listed = ", ".join(literal(path) for path in paths)
            connection.execute(f"CREATE VIEW {side} AS FROM read_parquet([{listed}], hive_partitioning = false)")
        yield connection


def compare(name: str, key: Sequence[str], before: Sequence[Path], after: Sequence[Path], spill: Path) -> Difference:
    """The difference between two versions of a table; KnownatError where `key` is missing from or repeated in it."""
    from knownat.spread import categories, moved

    with opened({"before": before, "after": after}, spill) as connection:
        types = column_types(connection, "before"), column_types(connection, "after")
        rows = counted(connection, "before"), counted(connection, "after")
        columns = _columns(*types)
        shared = {column: kind for column, kind in types[0].items() if types[1].get(column) == kind and column not in key}
        spreads, words = moved(connection, shared, key), categories(connection, shared)
        found = Difference(name, tuple(key), *rows, columns=columns, moved=spreads, categories=words)
        note = _unmatched(name, key, *types)
        if note:
            return replace(found, note=note, added=None, removed=None, changed=None)
        for side in SIDES:
            _refuse_repeated(connection, name, side, key)
        comparable = [*shared, *(c.column for c in columns if c.compared)]
        return replace(found, **_matched(connection, key, comparable))


def column_types(connection: duckdb.DuckDBPyConnection, side: str) -> dict[str, str]:
    return {str(name): str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE {side}").fetchall()}


def counted(connection: duckdb.DuckDBPyConnection, side: str) -> int:
    return int(_row(connection, f"SELECT count(*) FROM {side}")[0])


def _columns(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Retyped, ...]:
    names = [*before, *(name for name in after if name not in before)]
    return tuple(
        Retyped(name, before.get(name), after.get(name), family(before.get(name)) == family(after.get(name)) in NUMERIC_OR_TIME)
        for name in names
        if before.get(name) != after.get(name)
    )


NUMERIC_OR_TIME = ("number", "time")


def family(kind: str | None) -> str:
    """number, time, word or nothing of these: types of one of the first two compare with each other."""
    if kind is None:
        return ""
    if kind.startswith(("DATE", "TIMESTAMP")):
        return "time"
    if kind in {"VARCHAR", "BOOLEAN"}:
        return "word"
    return (
        "number"
        if kind.startswith(("DECIMAL", "FLOAT", "DOUBLE")) or kind.removeprefix("U").endswith("INT") or kind == "INTEGER"
        else ""
    )


def _unmatched(name: str, key: Sequence[str], before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Why rows cannot be told by the key; empty where they can. A key that the workspace lacks is an error."""
    missing = [column for column in key if column not in after]
    if missing:
        raise KnownatError(f"{name}: the key column {', '.join(missing)} is missing from the workspace; run `dvc repro`.")
    gone = [column for column in key if column not in before]
    if gone:
        return f"the key column {', '.join(gone)} is not in the revision (renamed, perhaps), so rows cannot be matched"
    retyped = [f"{column} was {before[column]} and is {after[column]}" for column in key if before[column] != after[column]]
    return f"the key column {', '.join(retyped)}, so rows cannot be matched" if retyped else ""


def _refuse_repeated(connection: duckdb.DuckDBPyConnection, name: str, side: str, key: Sequence[str]) -> None:
    columns = ", ".join(map(quoted, key))
    found = connection.execute(
        f"SELECT {columns} FROM {side} GROUP BY {columns} HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    ).fetchone()
    if found:
        where = "the revision" if side == "before" else "the workspace"
        raise KnownatError(
            f"{name}: the key ({', '.join(key)}) is not unique in {where}: {', '.join(map(str, found))} is there more than once; "
            "declare a key that tells rows apart."
        )


def _matched(connection: duckdb.DuckDBPyConnection, key: Sequence[str], columns: Sequence[str]) -> dict[str, Any]:
    """Rows added, removed and changed, and what changed in which column: one pass for the counts, one for each changed column."""
    joined, differs = _joined(key), [f"b.{quoted(c)} IS DISTINCT FROM a.{quoted(c)}" for c in columns]
    both = f"b.{HERE} AND a.{HERE}"
    wanted = [f"b.{HERE} IS NULL", f"a.{HERE} IS NULL", f"{both} AND ({' OR '.join(differs) or 'false'})"]
    wanted += [f"{both} AND {test}" for test in differs]
    added, removed, changed, *counts = _row(
        connection, f"SELECT {', '.join(f'count(*) FILTER (WHERE {test})' for test in wanted)} FROM {joined}"
    )
    values = [
        Changed(column, rows, _examples(connection, key, column, f"{joined} WHERE {both} AND {test}"))
        for column, test, rows in zip(columns, differs, counts, strict=True)
        if rows
    ]
    return {"added": added, "removed": removed, "changed": changed, "values": tuple(sorted(values, key=lambda v: -v.rows))}


def _joined(key: Sequence[str]) -> str:
    sides = [f"(SELECT *, true AS {HERE} FROM {side}) {side[0]}" for side in SIDES]
    return f"{sides[0]} FULL JOIN {sides[1]} ON {' AND '.join(f'b.{quoted(k)} IS NOT DISTINCT FROM a.{quoted(k)}' for k in key)}"


def _examples(connection: duckdb.DuckDBPyConnection, key: Sequence[str], column: str, source: str) -> tuple[Example, ...]:
    shown = ", ".join(
        f"CAST({name} AS VARCHAR)" for name in [*(f"b.{quoted(k)}" for k in key), f"b.{quoted(column)}", f"a.{quoted(column)}"]
    )
    order = ", ".join(f"b.{quoted(k)}" for k in key)
    found = connection.execute(f"SELECT {shown} FROM {source} ORDER BY {order} LIMIT {EXAMPLES}").fetchall()
    return tuple(Example(tuple(row[:-2]), row[-2], row[-1]) for row in found)


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(row)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"
