"""What each column that a query returns derives from, followed through its CTEs, joins and subqueries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Columns = frozenset[tuple[str, str]]  # (table, column)
Stored = tuple[tuple[str, tuple[str, ...]], ...]  # each table with its columns

DIALECT = "spark"
# the clauses beside what a SELECT returns that decide which rows count, or in which order; some hold several parts
CHOOSING = ("where", "group", "having", "qualify", "order", "sort", "cluster", "distribute")


class Untraceable(ValueError):
    """A query that cannot be followed; the message says where it ends."""


@dataclass(frozen=True)
class Query:
    """`returned`: returned column → the stored columns in its expression; `rows`: those that decide which rows count."""

    returned: dict[str, Columns]
    rows: Columns


@lru_cache(maxsize=64)
def traced(sql: str, tables: Stored) -> Query:
    """Follow a query that reads these tables; raises Untraceable."""
    from sqlglot import parse_one
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer import build_scope, qualify

    schema = {table: dict.fromkeys(columns, "string") for table, columns in tables}
    try:
        tree = qualify.qualify(
            parse_one(sql, read=DIALECT), dialect=DIALECT, schema=schema, identify=False, validate_qualify_columns=False
        )
        _expect_plain(tree)
        tracer = _Tracer(schema, build_scope(tree))
        return Query(tracer.returned(), frozenset(tracer.rows()))
    except (SqlglotError, RecursionError) as error:
        raise Untraceable(str(error).splitlines()[0].rstrip(".")) from error


def _expect_plain(tree: Any) -> None:
    """What names no column, or makes new ones out of values, cannot be followed column by column."""
    from sqlglot import exp

    for star in tree.find_all(exp.Star):
        if not isinstance(star.parent, exp.Count):
            raise Untraceable(f"'{(star.parent or star).sql(dialect=DIALECT)}' names no column")
    for pivot in tree.find_all(exp.Pivot):
        raise Untraceable(f"'{pivot.sql(dialect=DIALECT).strip()}' makes columns out of values")


class _Tracer:
    def __init__(self, schema: dict[str, dict[str, str]], root: Any) -> None:
        self.schema, self.root = schema, root

    def returned(self) -> dict[str, Columns]:
        from sqlglot.lineage import lineage

        nodes = lineage(None, self.root.expression, self.schema, dialect=DIALECT, scope=self.root)
        return {name: frozenset(self._leaves(node)) for name, node in nodes.items()}

    def rows(self) -> Iterator[tuple[str, str]]:
        """The stored columns in conditions, groups and joins: they tell even where only rows are counted."""
        for scope in self.root.traverse():
            for column in _choosing(scope):
                yield from self._followed(column, scope)

    def _followed(self, column: Any, scope: Any) -> Iterator[tuple[str, str]]:
        from sqlglot import exp
        from sqlglot.lineage import to_node

        while scope and column.table not in scope.sources:  # a correlated subquery reads the query around it
            scope = scope.parent
        source = scope.sources[column.table] if scope else None
        if isinstance(source, exp.Table):
            yield self._stored(source, column)
        elif source is None:
            raise Untraceable(f"'{column.sql(dialect=DIALECT)}' is a column of no table that it reads")
        else:
            yield from self._leaves(to_node(column.name, source, DIALECT, self.schema))

    def _leaves(self, node: Any) -> Iterator[tuple[str, str]]:
        from sqlglot import exp

        for leaf in node.walk():
            if isinstance(leaf.expression, exp.Table):
                yield self._stored(leaf.expression, exp.to_column(leaf.name))
            elif isinstance(leaf.expression, exp.Placeholder):
                raise Untraceable(f"'{leaf.name}' is a column of no table that it reads")

    def _stored(self, table: Any, column: Any) -> tuple[str, str]:
        if column.name not in self.schema.get(table.name, {}):
            raise Untraceable(f"'{column.sql(dialect=DIALECT)}' is a column of no table that it reads")
        return str(table.name), str(column.name)


def _choosing(scope: Any) -> Iterator[Any]:
    """The columns of a SELECT outside of what it returns; all of them where what it returns decides on rows, too."""
    from sqlglot import exp
    from sqlglot.optimizer.scope import find_all_in_scope

    select = scope.expression
    if _returns_decide(scope):
        yield from scope.columns
        return
    parts = [select.args.get(key) for key in CHOOSING]
    parts += select.args.get("windows") or []
    parts += [part for join in select.args.get("joins") or [] for part in (join.args.get("on"), join.args.get("match_condition"))]
    for part in [part for part in parts if part] + list(select.args.get("laterals") or []):
        yield from find_all_in_scope(part, exp.Column)


def _returns_decide(scope: Any) -> bool:
    """Whether a SELECT stands in a condition, is compared whole with other rows, or makes several rows of one."""
    from sqlglot import exp

    select, parent = scope.expression, scope.expression.parent
    around = select.find_ancestor(exp.Where, exp.Having, exp.Qualify, exp.Join, exp.Group, exp.Select)
    if scope.is_subquery and not isinstance(around, exp.Select | None):
        return True
    among = isinstance(parent, exp.SetOperation) and (parent.args.get("distinct") or not isinstance(parent, exp.Union))
    return bool(select.args.get("distinct") or among or any(e.find(exp.UDTF, exp.Inline) for e in select.expressions))
