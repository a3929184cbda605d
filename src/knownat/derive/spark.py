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
WITHOUT_SECONDS = "^(.{13}:[0-9]{2})(Z|[+-].*)$"
# a power that is too small for a double leaves 0, which is another number than the one that stands there
ROUNDED_TO_NOTHING = "^[+-]?[0.]*[1-9]"
# what Python and pandas can hold as well
YEARS = {
    "date": ("DATE'0001-01-01'", "DATE'9999-12-31'"),
    "timestamp": ("TIMESTAMP'0001-01-01T00:00:00Z'", "TIMESTAMP'9999-12-31T23:59:59.999999Z'"),
}
# by how much clocks are set back; at most once in an hour so long, a local time has two moments
SET_BACK_MINUTES = (30, 60, 120)


def quoted(name: str) -> str:
    return f"`{name}`"


def parse(name: str, dtype: str, timezone: str) -> str:
    """A column's text as its dtype; null for what is no such value. Times without a zone are in `timezone`.

    A local time that was skipped or came twice, when clocks were set, is no one moment and so no value.
    """
    if dtype == "string":
        return quoted(name)
    text = f"trim({quoted(name)})"
    value = f"try_cast({text} AS {SPARK_TYPES[dtype]})"
    if dtype == "timestamp":
        value = _moment(text, timezone)
    if dtype in YEARS:
        first, last = YEARS[dtype]
        value = f"CASE WHEN {value} BETWEEN {first} AND {last} THEN {value} END"
    if dtype == "float64":
        is_nothing = f"{value} = 0 AND {text} RLIKE {Spark.text(ROUNDED_TO_NOTHING)}"
        value = f"CASE WHEN abs({value}) < CAST('Infinity' AS DOUBLE) AND NOT ({is_nothing}) THEN {value} END"
    # not $, which a newline may follow
    whole = Spark.text(rf"^({PATTERNS[dtype]})\z")
    return f"CASE WHEN {text} RLIKE {whole} THEN {value} END"


def _moment(text: str, timezone: str) -> str:
    # Spark takes no zone where there are no seconds
    cast = f"try_cast(regexp_replace({text}, {Spark.text(WITHOUT_SECONDS)}, '$1:00$2') AS TIMESTAMP)"
    if timezone == "UTC":
        return cast
    zone = Spark.text(timezone)
    moment = f"to_utc_timestamp({cast}, {zone})"
    later = [f"from_utc_timestamp({moment} + INTERVAL {minutes} MINUTES, {zone})" for minutes in SET_BACK_MINUTES]
    is_one = f"from_utc_timestamp({moment}, {zone}) = {cast} AND {cast} NOT IN ({', '.join(later)})"
    return f"CASE WHEN {text} RLIKE {Spark.text(ZONED)} THEN {cast} WHEN {is_one} THEN {moment} END"


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
