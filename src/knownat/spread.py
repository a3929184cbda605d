"""How the columns of two versions of a table are spread, in the same bins, and which values one of them alone has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from knownat.difference import SIDES, Categories, Moved, counted, family, quoted
from knownat.report.histograms import Histogram, shift

if TYPE_CHECKING:
    import duckdb

BINS = 20
SAMPLE = 10_000
FEW = 200  # more values than that are names, not categories
SMALLEST = 0.01  # what moves less is of no interest, however sure one is of it


def moved(connection: duckdb.DuckDBPyConnection, types: Mapping[str, str], key: Sequence[str]) -> tuple[Moved, ...]:
    """The columns that clearly moved, the farthest first."""
    rows = (counted(connection, "before"), counted(connection, "after"))
    if not all(rows):
        return ()
    order = ", ".join(quoted(column) for column in key if column in _names(connection))
    tallies = _numbers(connection, types, order) | {name: _paired(*found) for name, found in _words(connection, types).items()}
    found = [_moved(column, *tally, rows) for column, tally in tallies.items()]
    return tuple(sorted((m for m in found if m), key=lambda m: (-m.distance, m.column)))


def categories(connection: duckdb.DuckDBPyConnection, types: Mapping[str, str]) -> tuple[Categories, ...]:
    """Values that came or went, by column, the most frequent first."""
    found = []
    for column, (before, after) in _words(connection, types).items():
        new, vanished = _only(after, before), _only(before, after)
        found += [Categories(column, new, vanished)] if new or vanished else []
    return tuple(found)


def _only(here: Mapping[str, int], there: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(((word, rows) for word, rows in here.items() if word not in there), key=lambda item: (-item[1], item[0])))


def _moved(column: str, before: Sequence[int], after: Sequence[int], rows: tuple[int, int]) -> Moved | None:
    sides, missing = (before, after), tuple(1 - sum(s) / n for s, n in zip((before, after), rows, strict=True))
    shares = [tuple(number / sum(side) if sum(side) else 0.0 for number in side) for side in sides]
    found = shift(Histogram(shares[0], shares[1], "", ""), (missing[0], missing[1]), rows)
    # the half-normal parts of which `chance` is the sum vary by 3/4 of their mean: this is about four deviations above it
    bins = max(2, len(before) + any(missing))
    if found is None or found.distance < max(SMALLEST, found.chance * (1 + 3 * math.sqrt(2 / bins))):
        return None
    return Moved(column, found.distance, found.chance)


def _paired(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[list[int], list[int]]:
    words = sorted({*before, *after})
    return [before.get(word, 0) for word in words], [after.get(word, 0) for word in words]


def _words(connection: duckdb.DuckDBPyConnection, types: Mapping[str, str]) -> dict[str, tuple[dict[str, int], dict[str, int]]]:
    """Rows by value, before and after, of the columns of few values."""
    few = [column for column, kind in types.items() if family(kind) == "word"]
    for side in SIDES:
        query = ", ".join(f"approx_count_distinct({quoted(column)})" for column in few)
        distinct = connection.execute(f"SELECT {query} FROM {side}").fetchone() if few else ()
        few = [column for column, number in zip(few, distinct or (), strict=True) if number <= FEW]
    return {column: (_tally(connection, "before", column), _tally(connection, "after", column)) for column in few}


def _tally(connection: duckdb.DuckDBPyConnection, side: str, column: str) -> dict[str, int]:
    name = quoted(column)
    query = f"SELECT CAST({name} AS VARCHAR), count(*) FROM {side} WHERE {name} IS NOT NULL GROUP BY ALL"
    return {str(word): int(rows) for word, rows in connection.execute(query).fetchall()}


def _numbers(connection: duckdb.DuckDBPyConnection, types: Mapping[str, str], order: str) -> dict[str, tuple[list[int], list[int]]]:
    """Rows by bin of every number and time; the edges are quantiles of a sample of `before`, always the same one."""
    numbers = {column: _number(column, kind) for column, kind in types.items() if family(kind) in {"number", "time"}}
    if not numbers:
        return {}
    shares = [i / BINS for i in range(BINS)]
    wanted = ", ".join(f"quantile_disc({n}, {shares}) FILTER (WHERE isfinite({n}))" for n in numbers.values())
    sample = f"(SELECT * FROM before ORDER BY {f'hash({order}), {order}' if order else 'ALL'} LIMIT {SAMPLE})"
    found = connection.execute(f"SELECT {wanted} FROM {sample}").fetchone() or ()
    edges = {column: _edges(quantiles) for column, quantiles in zip(numbers, found, strict=True) if quantiles}
    tallies = []
    for side in SIDES:
        counts = ", ".join(f"histogram({numbers[c]}, {edges[c]}) FILTER (WHERE isfinite({numbers[c]}))" for c in edges)
        tallies.append((connection.execute(f"SELECT {counts} FROM {side}").fetchone() or ()) if edges else ())
    return {column: _aligned(before, after) for column, before, after in zip(edges, *tallies, strict=True)}


def _aligned(before: Mapping[float, int] | None, after: Mapping[float, int] | None) -> tuple[list[int], list[int]]:
    ends = sorted({*(before or {}), *(after or {})})
    return [(before or {}).get(end, 0) for end in ends], [(after or {}).get(end, 0) for end in ends]


def _edges(quantiles: Sequence[float]) -> list[float]:
    """The upper ends of the bins; a value that fills a whole bin gets one of its own."""
    repeated = {value for value in quantiles if quantiles.count(value) > 1}
    return sorted({*quantiles, *(math.nextafter(value, -math.inf) for value in repeated)})


def _number(column: str, kind: str) -> str:
    return f"epoch({quoted(column)})" if family(kind) == "time" else f"CAST({quoted(column)} AS DOUBLE)"


def _names(connection: duckdb.DuckDBPyConnection) -> set[Any]:
    """The columns of `before`."""
    return {row[0] for row in connection.execute(f"DESCRIBE {SIDES[0]}").fetchall()}
