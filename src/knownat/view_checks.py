"""What must hold for one view: its names, its moment, and that each feature reads only what is known by then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from knownat.bounds import check_bounds
from knownat.declaration import NAME, Declaration, Feature, KnownAt, Table, View, join_key, stored_key
from knownat.errors import KnownatError
from knownat.expressions import Expression
from knownat.known_times import dtypes
from knownat.leakage import refuse_early_query
from knownat.refusals import (
    compiled,
    entity_of,
    expect,
    expect_free,
    expect_known,
    expect_none,
    expect_once,
    expect_timestamp,
    listed,
)

# functions of a query that would give another value each time it runs
RESTLESS = {
    "RAND", "RANDN", "RANDOM", "UUID", "SHUFFLE", "MONOTONICALLY_INCREASING_ID",
    "NOW", "CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_TIME", "LOCALTIMESTAMP",
}  # fmt: skip


def check_view(declared: Declaration, stem: str, folder: Path) -> None:
    """Raises KnownatError for the first thing that is wrong with the view of this file."""
    view, where, dataset = declared.views[stem], f"{folder / 'views' / stem}.yaml", folder / "dataset.yaml"
    expect(NAME.fullmatch(stem) is not None, f"{where}: name the file in lower_case words joined by underscores.")
    expect((view.entity is None) != (view.entities is None), f"{where}: give it an entity or entities, one of the two.")
    name = view.table or declared.event.table
    expect(name in declared.tables, f"{where}: table: there is no table '{name}'; declare it in {dataset}.")
    table = declared.tables[name]
    for entity in view.entities or [view.entity or ""]:
        entity_of(where, entity, declared, table, dataset)
    _names(where, view, declared)
    if view.sql is not None:
        _query(where, view, declared)
        for written in declared.expanded(stem):
            refuse_early_query(declared, written, folder)
        return
    moment = _moment(where, view, table)
    _kind(where, view)
    columns = dtypes(table) | ({declared.outcome.name: "bool"} if name == declared.event.table else {})
    for feature in view.features:
        here = f"{where}: features.{feature}"
        expression = _feature(here, feature, view.features[feature], columns)
        expect_known(here, expression, declared, table, moment.column)


def _names(where: str, view: View, declared: Declaration) -> None:
    keys = {make(entity) for entity in declared.entities for make in (join_key, stored_key)}
    for name, feature in view.features.items():
        here = f"{where}: features.{name}"
        expect(name not in keys, f"{here}: '{name}' is also the key of an entity; rename the feature.")
        expect_free(here, name)
        check_bounds(here, feature, feature.dtype)


def _moment(where: str, view: View, table: Table) -> KnownAt:
    if view.known_at is None:
        raise KnownatError(f"{where}: known_at is missing; say when a row's features become knowable.")
    moment = KnownAt.parse(view.known_at)
    expect_timestamp(f"{where}: known_at", moment.column, table)
    # only such a column is held, row by row, to lie after the row's start; any other could date a feature too early
    moments = {table.known_at, *(column.known_at for column in table.columns.values() if column.known_at)}
    expect(
        moment.column in moments,
        f"{where}: known_at: no column is known at '{moment.column}', so nothing says that it comes after "
        f"{table.known_at}; write known_at: {moment.column} beside the columns known from then on.",
    )
    return moment


def _kind(where: str, view: View) -> None:
    aggregated = [name for name, feature in view.features.items() if feature.agg]
    plain = [name for name in view.features if name not in aggregated]
    if view.windows is None:
        expect_none(aggregated[:1], f"{where}: features.{{0}}.agg needs windows; add `windows: [30d]` to the view.")
        return
    expect(bool(view.windows), f"{where}: windows is empty; name a window such as 30d or drop it.")
    expect_once(view.windows, f"{where}: windows")
    expect(view.ttl is None, f"{where}: ttl: a windowed view has none, since a row stands until the next; drop it.")
    expect_none(plain[:1], f"{where}: features.{{0}}: in a windowed view each needs agg: count, sum or mean.")


def _feature(where: str, name: str, feature: Feature, columns: Mapping[str, str]) -> Expression:
    if feature.agg == "count" and feature.expr is None:
        expect(feature.dtype == "int64", f"{where}.dtype: a count is int64; say so.")
        return compiled(where, "1", columns)
    expression = compiled(f"{where}.expr", feature.expr or name, columns, None if feature.agg else feature.dtype)
    if feature.agg:
        _aggregated(where, feature.agg, feature.dtype, expression.dtype)
    return expression


def _aggregated(where: str, agg: str, dtype: str, given: str) -> None:
    if agg != "count":
        expect(
            given in {"int64", "float64", "bool"},
            f"{where}.expr: a {agg} takes a number or a boolean; it yields {given}.",
        )
    yields = {"count": "int64", "mean": "float64", "sum": "float64" if given == "float64" else "int64"}[agg]
    expect(dtype == yields, f"{where}.dtype: a {agg} of {given} is {yields}; say so.")


def _query(where: str, view: View, declared: Declaration) -> None:
    query = where.removesuffix(".yaml") + ".sql"
    computed = [name for name, feature in view.features.items() if feature.expr is not None or feature.agg]
    expect_none(computed[:1], f"{where}: features.{{0}}: {query} computes it; drop its expr and agg.")
    unused = [key for key in ("windows", "known_at") if getattr(view, key) is not None]
    expect_none(unused, f"{where}: {{0}}: {query} returns known_at and the features itself; drop it.")
    expect(view.entity is not None, f"{where}: a view with SQL has one entity; name it under entity.")
    read, called, returned = _parsed_query(query, view.sql or "")
    unknown = sorted(read - set(declared.tables))
    expect_none(unknown, f"{query} reads {{0}}, which is not declared; tables: {listed(declared.tables)}.")
    expect_none(sorted(called & RESTLESS), f"{query} uses {{0}}, which differs each time it runs; drop it.")
    wanted = [join_key(view.entity or ""), "known_at", *view.features]
    expect(sorted(returned) == sorted(wanted), f"{query} returns {listed(returned)}; it must return {listed(wanted)}.")


def _parsed_query(query: str, sql: str) -> tuple[set[str], set[str], list[str]]:
    """The tables that a query reads, the functions it calls (in capitals) and the columns it returns."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        trees = [tree for tree in sqlglot.parse(sql, read="spark") if not isinstance(tree, exp.Semicolon | None)]
    except (SqlglotError, RecursionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise KnownatError(f"{query} does not parse: {reason}; mend the query.") from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise KnownatError(f"{query} is not one SELECT; write one.")
    tree = trees[0]
    inner = {cte.alias for cte in tree.find_all(exp.CTE)}
    read = {t.name if t.name and not t.db else t.sql() for t in tree.find_all(exp.Table)}
    functions = list(tree.find_all(exp.Func))
    called = {f.name.upper() if isinstance(f, exp.Anonymous) else f.sql_name() for f in functions}
    return read - inner, called, list(tree.named_selects)
