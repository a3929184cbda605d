"""Valid rows from a declaration: a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from knownat.declaration import Constraints, Declaration

START = datetime(2015, 3, 1, 12, tzinfo=UTC)


def rows(declaration: Declaration, table: str, n: int = 5, **columns: list[Any]) -> list[dict[str, str | None]]:
    """`n` raw rows of a table as texts, by column name; each within its bounds, keys unique, unless `columns` says otherwise."""
    declared = declaration.tables[table]
    made = []
    for i in range(n):
        row = {name: text(declared.columns[name], declared.columns[name].dtype, i) for name in declared.raw_columns}
        made.append(row | {name: None if values[i] is None else str(values[i]) for name, values in columns.items()})
    return made


def text(constraints: Constraints, dtype: str, i: int) -> str:
    """The i-th valid value of a column, written out."""
    if constraints.values:
        return str(constraints.values[i % len(constraints.values)])
    low = constraints.min
    if dtype == "timestamp":
        return (START + timedelta(days=i)).isoformat()
    if dtype == "date":
        return date(2015, 4, 1 + i % 28).isoformat()
    if dtype == "bool":
        return ("true", "false")[i % 2]
    if dtype in {"int64", "float64"}:
        return str((low if isinstance(low, int | float) else 0) + i + 1)
    return f"text {i}"
