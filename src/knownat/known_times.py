"""When a column becomes known, followed through what it is computed from."""

from __future__ import annotations

from knownat.declaration import Declaration, Table
from knownat.expressions import compile_expression


def dtypes(table: Table) -> dict[str, str]:
    return {name: column.dtype for name, column in table.columns.items()}


def known_at(declaration: Declaration, table: Table, column: str) -> frozenset[str]:
    """The moments (columns) at which a column, or the label, becomes known; empty: with the row itself."""
    if column not in table.columns:
        return label_known_at(declaration)
    declared = table.columns[column].known_at
    return frozenset({declared} - {table.known_at}) if declared else inputs_known_at(table, column)


def inputs_known_at(table: Table, column: str) -> frozenset[str]:
    """The moments at which what a column is computed from becomes known, whatever the column says of itself."""
    found, seen, waiting = set[str](), set[str](), [column]
    while waiting:
        text = table.columns[waiting.pop()].expr
        fresh = set(compile_expression(text, dtypes(table)).columns) - seen if text else set()
        seen |= fresh
        found |= {moment for c in fresh if (moment := table.columns[c].known_at)}
        waiting += [c for c in fresh if not table.columns[c].known_at]
    return frozenset(found - {table.known_at})


def label_known_at(declaration: Declaration) -> frozenset[str]:
    """The moment at which a label counts; empty: with the row itself."""
    table = declaration.event_table
    read = compile_expression(declaration.outcome.expr, dtypes(table)).columns
    return frozenset[str]().union(*(known_at(declaration, table, column) for column in read))
