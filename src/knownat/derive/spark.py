"""What Spark needs from the declaration: texts to types, bounds to reasons, expressions to columns."""

from __future__ import annotations

from collections.abc import Iterator

from knownat.declaration import Constraints, Declaration, FeatureView, Table, join_key
from knownat.expressions import SPARK_TYPES, Refused, compile_expression
from knownat.functions import Spark
from knownat.known_times import dtypes

# What a text must look like before it is cast: Spark alone would take '1d' for a number and '2015' for a date.
PATTERNS = {
    "int64": r"[+-]?[0-9]+",
    "float64": r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?",
    "bool": r"true|false",
    "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "timestamp": r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?",
}
ZONED = "(Z|[+-][0-9]{2}:?[0-9]{2})$"


def quoted(name: str) -> str:
    return f"`{name}`"


def parse(name: str, dtype: str, timezone: str) -> str:
    """A column's text as its dtype; null for what is no such value. Times without a zone are in `timezone`."""
    text = f"trim({quoted(name)})"
    if dtype == "string":
        return quoted(name)
    cast = f"try_cast({text} AS {SPARK_TYPES[dtype]})"
    if dtype == "timestamp" and timezone != "UTC":
        cast = f"CASE WHEN {text} RLIKE '{ZONED}' THEN {cast} ELSE to_utc_timestamp({cast}, '{timezone}') END"
    if dtype == "float64":
        cast = f"CASE WHEN abs({cast}) < CAST('Infinity' AS DOUBLE) THEN {cast} END"
    return f"CASE WHEN {text} RLIKE '^({PATTERNS[dtype]})$' THEN {cast} END"


def broken(name: str, constraints: Constraints, dtype: str) -> Iterator[tuple[str, str]]:
    """(reason, condition under which it holds) of each bound of a column or feature."""
    column = quoted(name)
    if constraints.required:
        yield f"{name}: missing", f"{column} IS NULL"
    if constraints.min is not None:
        yield f"{name}: below {constraints.min}", f"{column} < {literal(constraints.min, dtype)}"
    if constraints.max is not None:
        yield f"{name}: above {constraints.max}", f"{column} > {literal(constraints.max, dtype)}"
    if constraints.values is not None:
        allowed = ", ".join(literal(value, dtype) for value in constraints.values)
        yield f"{name}: not among its values", f"{column} NOT IN ({allowed})"


def literal(value: float | str, dtype: str) -> str:
    if dtype in {"date", "timestamp"}:
        return f"CAST('{value}' AS {SPARK_TYPES[dtype]})"
    return Spark.text(value) if isinstance(value, str) else f"CAST({value!r} AS {SPARK_TYPES[dtype]})"


def reasons(conditions: Iterator[tuple[str, str]]) -> str:
    """The reasons that apply, joined by `; `, in declared order; empty where none does."""
    parts = [f"CASE WHEN {condition} THEN {Spark.text(reason)} END" for reason, condition in conditions]
    return f"concat_ws('; ', {', '.join(parts)})" if parts else "''"


def computed(table: Table) -> Iterator[tuple[str, str]]:
    """(name, SQL) of each computed column, in declared order: each may read the ones before it."""
    columns = dtypes(table)
    for name, column in table.columns.items():
        if column.expr is not None:
            yield name, compile_expression(column.expr, columns, column.dtype).spark


def entity_keys(declaration: Declaration, table: Table) -> dict[str, str]:
    """Join key → SQL, of the entities whose columns the table has."""
    keys = {}
    for entity, text in declaration.entities.items():
        try:
            keys[join_key(entity)] = compile_expression(text, dtypes(table), "string").spark
        except Refused:  # this table does not have its columns; `checks` has proven that each view's table does
            continue
    return keys


def features(declaration: Declaration, view: FeatureView) -> dict[str, str]:
    """Feature → SQL of a row-level view."""
    columns = view_columns(declaration, view.table)
    return {f.name: compile_expression(f.declared.expr or f.name, columns, f.dtype).spark for f in view.features}


def view_columns(declaration: Declaration, table: str) -> dict[str, str]:
    """The dtypes of what a view of a table may read: its columns, and the label beside the event's."""
    label = {declaration.label.name: "bool"} if declaration.label and table == declaration.event.table else {}
    return dtypes(declaration.tables[table]) | label


def moment(view: FeatureView) -> str:
    """SQL of the moment from which a row of the view counts."""
    assert view.known_at is not None
    seconds = int(view.known_at.delay.total_seconds())
    return f"{quoted(view.known_at.column)} + make_dt_interval(0, 0, 0, {seconds})"
