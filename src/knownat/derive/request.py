"""What a request needs from the declaration: its fields, their bounds, and the declared expressions evaluated on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from knownat.declaration import Declaration, FeatureView, full_name, join_key
from knownat.derive.spark import view_columns
from knownat.errors import KnownatError, RefusedField
from knownat.expressions import Expression, compile_expression
from knownat.known_times import dtypes, known_at
from knownat.request_fields import Bounds, Field
from knownat.request_functions import callable_of

Compute = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Answered:
    """What follows from a request alone: the moment it asks about, its entities' keys, its own features by full name."""

    as_of: datetime
    keys: dict[str, str | None]
    features: dict[str, Any]


@dataclass(frozen=True)
class Request:
    """All that is the same in every request to a service, prepared once.

    `unsent`: null for every column that expressions may read; `computed`: the columns that are, in declared order.
    """

    declaration: Declaration
    service: str
    as_of: str
    fields: dict[str, Field]
    unsent: dict[str, None]
    computed: tuple[tuple[str, Compute], ...]
    keys: tuple[tuple[str, Compute], ...]
    features: tuple[tuple[str, Compute, Bounds], ...]

    @classmethod
    def of(cls, declaration: Declaration, service: str) -> Request:
        table, as_of = declaration.event_table, declaration.service(service).as_of
        own, keys = _own_features(declaration, service), _keys(declaration, service)
        computed = _computed(declaration, _read(declaration, service))
        return cls(
            declaration, service, as_of,
            fields={name: _field(declaration, name, {as_of, table.known_at}) for name in fields(declaration, service)},
            unsent=dict.fromkeys(view_columns(declaration, declaration.event.table)),
            computed=tuple((name, callable_of(e.python)) for name, e in computed.items()),
            keys=tuple((key, callable_of(e.python)) for key, e in keys.items()),
            features=tuple((name, callable_of(e.python), bounds) for name, e, bounds in own),
        )  # fmt: skip

    def parsed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The request's fields as typed values; what may be missing is None.

        Raises RefusedField naming the field that is unknown, missing, of another type or out of bounds.
        """
        # half of a character, which JSON can write, could not be printed
        unknown = [name.encode(errors="backslashreplace").decode() for name in given if name not in self.fields]
        if unknown:
            known = ", ".join(self.fields)
            sentence = f"{', '.join(unknown)}: no field of service '{self.service}'; its fields are {known}."
            raise RefusedField(unknown[0], sentence)
        return {name: field.parsed(given.get(name)) for name, field in self.fields.items()}

    def answer(self, values: Mapping[str, Any]) -> Answered:
        """Evaluate the declared expressions on one request's values, as `parsed` gives them.

        Raises RefusedField, naming the feature, for a result out of bounds.
        """
        row = {**self.unsent, **values}
        for name, compute in self.computed:
            row[name] = compute(row)
        features = {}
        for name, compute, bounds in self.features:
            features[name] = compute(row)
            bounds.refuse_broken(features[name])
        if row[self.as_of] is None:
            raise RefusedField(self.as_of, f"{self.as_of} cannot be computed from the request; check its fields.")
        return Answered(row[self.as_of], {key: compute(row) for key, compute in self.keys}, features)


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
    table, as_of, wanted = declaration.event_table, declaration.service(service).as_of, _read(declaration, service)
    wanted = wanted.union(*(expression.columns for expression in _computed(declaration, wanted).values()))
    late = [name for name in table.raw_columns if name in wanted and known_at(declaration, table, name) - {as_of}]
    if late:
        raise KnownatError(f"Service '{service}' reads {', '.join(late)}, known only after {as_of}; drop the view that does.")
    return [name for name in table.raw_columns if name in wanted]


def _field(declaration: Declaration, name: str, needed: set[str]) -> Field:
    column = declaration.event_table.columns[name]
    return Field(name, column.dtype, Bounds.of(name, column.dtype, column, is_required=name in needed))


def _own_features(declaration: Declaration, service: str) -> list[tuple[str, Expression, Bounds]]:
    columns = view_columns(declaration, declaration.event.table)
    return [
        (
            full_name(view.name, feature.name),
            compile_expression(feature.declared.expr or feature.name, columns, feature.dtype),
            Bounds.of(feature.name, feature.dtype, feature.declared),
        )
        for view in own_views(declaration, service)
        for feature in view.features
    ]


def _keys(declaration: Declaration, service: str) -> dict[str, Expression]:
    """Join key → the expression of each entity whose features are looked up."""
    columns = dtypes(declaration.event_table)
    entities = (view.entity for view in looked_up_views(declaration, service))
    return {join_key(entity): compile_expression(declaration.entities[entity], columns, "string") for entity in entities}


def _read(declaration: Declaration, service: str) -> set[str]:
    """The columns, raw or computed, that the service's expressions name, its as_of and the event's time among them."""
    own, keys = _own_features(declaration, service), _keys(declaration, service)
    read = {declaration.service(service).as_of, declaration.event_table.known_at}
    return read.union(*(e.columns for _, e, _ in own), *(e.columns for e in keys.values()))


def _computed(declaration: Declaration, read: set[str]) -> dict[str, Expression]:
    """The computed columns that are read, directly or not, in declared order: each may read the ones before it."""
    table, wanted, found = declaration.event_table, set(read), dict[str, Expression]()
    for name, column in reversed(table.columns.items()):
        if name in wanted and column.expr is not None:
            found[name] = compile_expression(column.expr, dtypes(table), column.dtype)
            wanted |= set(found[name].columns)
    return dict(reversed(found.items()))
