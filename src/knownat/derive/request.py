"""What a request needs from the declaration: its fields, their bounds, and the declared expressions evaluated on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from knownat.declaration import Constraints, Declaration, FeatureView, join_key
from knownat.derive.spark import view_columns
from knownat.errors import KnownatError
from knownat.expressions import DUCKDB_TYPES, compile_expression
from knownat.known_times import dtypes, known_at


@dataclass(frozen=True)
class Answered:
    """What follows from a request alone: the moment it asks about, its entities' keys, its own features by full name."""

    as_of: datetime
    keys: dict[str, str | None]
    features: dict[str, Any]


class RefusedField(KnownatError):
    """A field, or a feature computed from it, that is not what is declared."""

    field: str | None = None


@dataclass(frozen=True)
class Request:
    declaration: Declaration
    service: str

    @classmethod
    def of(cls, declaration: Declaration, service: str) -> Request:
        return cls(declaration, service)

    @property
    def fields(self) -> list[str]:
        return fields(self.declaration, self.service)

    def parsed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return parsed(self.declaration, self.service, given)

    def answer(self, values: Mapping[str, Any]) -> Answered:
        return answer(self.declaration, self.service, values)


def own_views(declaration: Declaration, service: str) -> list[FeatureView]:
    """The service's views whose features a request computes: of the event itself, knowable by the service's as_of."""
    chosen = (declaration.feature_views[name] for name in declaration.service(service).views)
    return [v for v in chosen if v.entity == declaration.event.entity and v.known_at and not v.windows and v.sql is None]


def looked_up_views(declaration: Declaration, service: str) -> list[FeatureView]:
    """The service's views whose features a request finds in the online store."""
    own = {view.name for view in own_views(declaration, service)}
    return [declaration.feature_views[name] for name in declaration.service(service).views if name not in own]


def fields(declaration: Declaration, service: str) -> list[str]:
    """The raw columns that the service's expressions use, in declared order; all are knowable by its as_of."""
    table, as_of = declaration.event_table, declaration.service(service).as_of
    wanted = {as_of, table.known_at}
    columns = view_columns(declaration, declaration.event.table)
    for view in own_views(declaration, service):
        for feature in view.features:
            wanted |= set(compile_expression(feature.declared.expr or feature.name, columns).columns)
    for view in looked_up_views(declaration, service):
        wanted |= set(compile_expression(declaration.entities[view.entity], dtypes(table)).columns)
    for name in reversed(table.columns):
        text = table.columns[name].expr
        if name in wanted and text is not None:
            wanted |= set(compile_expression(text, dtypes(table)).columns)
    late = [name for name in table.raw_columns if name in wanted and known_at(declaration, table, name) - {as_of}]
    if late:
        raise KnownatError(f"Service '{service}' reads {', '.join(late)}, known only after {as_of}; drop the view that does.")
    return [name for name in table.raw_columns if name in wanted]


def parsed(declaration: Declaration, service: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The request's fields as typed values; what may be missing is None.

    Raises KnownatError naming the field that is unknown, missing, of another type or out of bounds.
    """
    names, table = fields(declaration, service), declaration.event_table
    unknown = [name for name in given if name not in names]
    if unknown:
        raise KnownatError(f"{', '.join(unknown)}: no field of service '{service}'; its fields are {', '.join(names)}.")
    values = {name: _value(name, table.columns[name].dtype, given.get(name)) for name in names}
    needed = {declaration.service(service).as_of, table.known_at}
    for name in names:
        declared = table.columns[name]
        required = declared.model_copy(update={"required": declared.required or name in needed})
        refuse_broken(name, required, values[name])
    return values


def _value(name: str, dtype: str, given: Any) -> Any:
    if given is None:
        return None
    kinds = {"string": str, "int64": int, "float64": (int, float), "bool": bool, "timestamp": str, "date": str}
    if not isinstance(given, kinds[dtype]) or (isinstance(given, bool) and dtype != "bool"):  # type: ignore[arg-type]
        raise KnownatError(f"{name}: {given!r} is no {dtype}; send one.")
    if dtype == "int64" and not -(2**63) <= given < 2**63:
        raise KnownatError(f"{name}: {given!r} does not fit 64 bits; send a smaller number.")
    if isinstance(given, float) and not math.isfinite(given):
        raise KnownatError(f"{name}: {given!r} is no finite number; send one, or null.")
    if dtype not in {"timestamp", "date"}:
        return given
    try:
        moment = date.fromisoformat(given) if dtype == "date" else datetime.fromisoformat(given)
    except ValueError as error:
        raise KnownatError(f"{name}: {given!r} is no {dtype}; write it as 2017-12-31 or 2017-12-31T12:00:00Z.") from error
    return _utc(moment) if isinstance(moment, datetime) else moment


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def refuse_broken(name: str, declared: Constraints, value: Any) -> None:
    """Raise KnownatError, naming the bound, for a value outside what is declared."""
    if value is None:
        if declared.required:
            raise KnownatError(f"{name} is missing; it is required.")
        return
    for bound, broken, word in ((declared.min, -1, "below"), (declared.max, 1, "above")):
        if bound is not None and _compared(value, bound) == broken:
            raise KnownatError(f"{name}: {value} is {word} {bound}; send a value within the declared bounds.")
    if declared.values is not None and value not in declared.values:
        raise KnownatError(f"{name}: {value!r} is not among its values; they are {', '.join(map(str, declared.values))}.")


def _compared(value: Any, bound: float | str) -> int:
    limit: Any = bound
    if isinstance(bound, str):
        limit = datetime.fromisoformat(bound)
        limit = _utc(limit) if isinstance(value, datetime) else limit.date()
    return int(value > limit) - int(value < limit)


def answer(declaration: Declaration, service: str, values: Mapping[str, Any]) -> Answered:
    """Evaluate the declared expressions on one request, in DuckDB.

    Raises KnownatError, naming the feature, for a result out of bounds.
    """
    views = own_views(declaration, service)
    columns = view_columns(declaration, declaration.event.table)
    wanted = {
        f"{view.name}__{f.name}": compile_expression(f.declared.expr or f.name, columns, f.dtype).duckdb
        for view in views for f in view.features
    }  # fmt: skip
    keys = {join_key(view.entity): view.entity for view in looked_up_views(declaration, service)}
    wanted |= {
        key: compile_expression(declaration.entities[entity], dtypes(declaration.event_table), "string").duckdb
        for key, entity in keys.items()
    }
    wanted["as_of"] = f'"{declaration.service(service).as_of}"'
    found = _evaluate(declaration, values, wanted)
    for view in views:
        for feature in view.features:
            refuse_broken(feature.name, feature.declared, found[f"{view.name}__{feature.name}"])
    as_of = found.pop("as_of")
    if as_of is None:
        raise KnownatError(f"{declaration.service(service).as_of} cannot be computed from the request; check its fields.")
    return Answered(_utc(as_of), {key: found.pop(key) for key in keys}, found)


def _evaluate(declaration: Declaration, values: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, Any]:
    """The wanted expressions (DuckDB SQL) on one row of raw columns; a column nobody sent is null."""
    import duckdb

    table = declaration.event_table
    columns = dtypes(table)
    raw = [f'CAST(? AS {DUCKDB_TYPES[columns[name]]}) AS "{name}"' for name in table.raw_columns]
    query = f"(SELECT {', '.join(raw)})"
    for name, column in table.columns.items():
        if column.expr is not None:
            query = f'(SELECT *, {compile_expression(column.expr, columns, column.dtype).duckdb} AS "{name}" FROM {query})'
    if declaration.label is not None:
        query = f'(SELECT *, CAST(NULL AS BOOLEAN) AS "{declaration.label.name}" FROM {query})'
    chosen = ", ".join(f'{text} AS "{name}"' for name, text in wanted.items())
    sent = [_naive(values.get(name)) for name in table.raw_columns]
    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT {chosen} FROM {query}", sent).fetchone()
    return dict(zip(wanted, row or (), strict=True))


def _naive(value: Any) -> Any:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
