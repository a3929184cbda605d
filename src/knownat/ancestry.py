"""What a feature derives from: each column on the way from it to the columns that are read from a file."""

from __future__ import annotations

from collections.abc import Iterable

from knownat.declaration import Declaration, FeatureView, Table, ViewFeature, full_name, join_key
from knownat.expressions import Refused, compile_expression
from knownat.known_times import dtypes, known_at, label_known_at

Path = tuple[str, ...]  # a feature's full name, then column after column; another table's are written table.column

LABEL_KNOWN_AT = "label_known_at"
KNOWN_AT = "known_at"  # what a query returns beside its features


def paths(declaration: Declaration, view: FeatureView, feature: str) -> list[Path]:
    """The shortest path from a feature to each raw column that it derives from; none for a bare count.

    Raises Untraceable where a view's query cannot be followed.
    """
    found = ancestors(declaration, view, feature)
    return [path for column, path in found.items() if not reads(declaration, *located(declaration, view, column))]


def shown(path: Path) -> str:
    return " ← ".join(path)


def ancestors(declaration: Declaration, view: FeatureView, feature: str) -> dict[str, Path]:
    """Every column, raw or computed, that a feature (or a query's known_at) derives from, with the shortest path to it."""
    found: dict[str, Path] = {}
    for table, column in _read_by(declaration, view, feature):
        prefix = "" if table == view.table else f"{table}."
        for name, path in columns_under(declaration, declaration.tables[table], column).items():
            longer = (full_name(view.name, feature), *(f"{prefix}{step}" for step in path))
            if len(longer) < len(found.get(f"{prefix}{name}", (*longer, ""))):
                found[f"{prefix}{name}"] = longer
    return dict(sorted(found.items(), key=lambda item: len(item[1])))


def located(declaration: Declaration, view: FeatureView, column: str) -> tuple[Table, str]:
    """The table and the name of a column as a path writes it."""
    table, _, name = column.rpartition(".")
    return declaration.tables[table or view.table], name


def moments(declaration: Declaration, view: FeatureView, column: str) -> frozenset[str]:
    """The moments at which a column of a path becomes known; empty: with its row."""
    table, name = located(declaration, view, column)
    is_key = name not in table.columns and name in _keys(declaration)
    return frozenset() if is_key or name == LABEL_KNOWN_AT else known_at(declaration, table, name)


def known_from(declaration: Declaration, view: FeatureView, path: Path) -> str:
    """When the last column of a path is known to the feature: what it, or one on the way, says of itself; else with its row."""
    table, _ = located(declaration, view, path[-1])
    columns = (table.columns.get(name) for _, name in (located(declaration, view, step) for step in reversed(path[1:])))
    said = (column.known_at for column in columns if column and column.known_at)
    return path[-1][: path[-1].rfind(".") + 1] + next(said, table.known_at)


def reads(declaration: Declaration, table: Table, column: str) -> tuple[str, ...]:
    """The columns that a stored column is computed from: a column, the label and its moment, an entity's key."""
    if column in table.columns:
        text = table.columns[column].expr
    elif declaration.label and column == declaration.label.name:
        text = declaration.label.expr
    elif column == LABEL_KNOWN_AT:
        return tuple(label_known_at(declaration)) or (table.known_at,)
    else:
        text = _keys(declaration)[column]
    return compile_expression(text, dtypes(table)).columns if text else ()


def columns_under(declaration: Declaration, table: Table, column: str) -> dict[str, Path]:
    """A column of a table, or the label, and every column that it derives from, nearest first, with the path to each."""
    found: dict[str, Path] = {column: (column,)}
    waiting = [column]
    while waiting:
        name, *waiting = waiting
        fresh = [c for c in reads(declaration, table, name) if c not in found]
        found |= {c: (*found[name], c) for c in fresh}
        waiting += fresh
    return found


def stored(declaration: Declaration, name: str) -> list[str]:
    """The columns of a table as `preprocess` stores it, and as a query sees it."""
    table = declaration.tables[name]
    of_event = [declaration.label.name, LABEL_KNOWN_AT] if declaration.label and name == declaration.event.table else []
    return list(dict.fromkeys([*table.columns, *_keys_of(declaration, table), *of_event]))


def _keys(declaration: Declaration) -> dict[str, str]:
    return {join_key(entity): text for entity, text in declaration.entities.items()}


def _keys_of(declaration: Declaration, table: Table) -> Iterable[str]:
    for key, text in _keys(declaration).items():
        try:
            compile_expression(text, dtypes(table), "string")
        except Refused:  # this table does not have the entity's columns
            continue
        yield key


def _read_by(declaration: Declaration, view: FeatureView, feature: str) -> list[tuple[str, str]]:
    """(table, column) of what a feature's own expression, or its query, reads."""
    if view.sql is not None:
        from knownat.query_ancestry import traced

        query = traced(view.sql, tuple((name, tuple(stored(declaration, name))) for name in declaration.tables))
        return sorted(query.returned[feature] | (frozenset() if feature == KNOWN_AT else query.rows))
    text = _expression(next(f for f in view.features if f.name == feature))
    table = declaration.tables[view.table]
    label = {declaration.label.name: "bool"} if declaration.label and view.table == declaration.event.table else {}
    return [(view.table, c) for c in compile_expression(text, dtypes(table) | label).columns] if text else []


def _expression(feature: ViewFeature) -> str | None:
    declared = feature.declared
    if declared.agg == "count" and declared.expr is None:
        return None
    return declared.expr or (feature.name.removesuffix(f"_{feature.window}") if feature.window else feature.name)
