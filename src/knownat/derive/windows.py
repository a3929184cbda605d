"""Trailing windows, compiled: a row wherever the aggregate changes, exact at every moment.

An event counts from its moment until, not including, a window later. So each event is a step up at its *entry* and a
step down at its *exit*, and the running sum of the steps is the aggregate from then on. The steps are integers (real
numbers in millionths), so the sums are exact in any order, and can be taken up where they stood.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from knownat.declaration import Declaration, FeatureView, span
from knownat.derive.spark import literal, moment, quoted, view_columns
from knownat.expressions import compile_expression

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

MICRO = 1_000_000


@dataclass(frozen=True)
class Carried:
    """The running totals of each key (`totals`, a row a key: `carried_at`) as they stood at `since`."""

    since: datetime
    totals: DataFrame


def windowed(rows: DataFrame, declaration: Declaration, view: FeatureView, observed_at: datetime) -> DataFrame:
    """Join key, known_at and the features: one row at each entry and exit that has happened by `observed_at`."""
    return features_of(totals(rows, declaration, view, observed_at), declaration, view)


def totals(
    rows: DataFrame, declaration: Declaration, view: FeatureView, observed_at: datetime, carried: Carried | None = None
) -> DataFrame:
    """Join key, known_at and the running totals, integers: one row at each entry and exit that has happened by `observed_at`.

    With `carried`, only those after `carried.since`: `rows` are then the ones that enter or exit later (others do no
    harm), each that has entered already as it was when it was counted. With the totals up to `since` that is exactly
    what all rows at once give. A key without a later step gets no row.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    key, at = F.col(quoted(view.join_key)), F.col("known_at")
    steps = _steps(rows, declaration, view).where(at <= _moment(observed_at))
    names = [c for c in steps.columns if c not in {view.join_key, "known_at"}]
    if carried is not None:  # what a key brings along is its first step, and no row of its own
        steps = steps.where(at > _moment(carried.since)).unionByName(carried.totals)
    by_moment = steps.repartition(key).groupBy(key, at).agg(*[F.sum(F.col(c)).alias(c) for c in names])
    so_far = Window.partitionBy(key).orderBy(at).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    running = by_moment.select(key, at, *[F.sum(F.col(c)).over(so_far).alias(c) for c in names])
    return running if carried is None else running.where(at > _moment(carried.since))


def carried_at(found: DataFrame, view: FeatureView) -> DataFrame:
    """Each key's last row of `totals`, or of what was carried before and the totals since: what the next day takes up."""
    from pyspark.sql import functions as F

    latest = F.max_by(F.struct(*[F.col(quoted(c)) for c in found.columns]), F.col("known_at")).alias("latest")
    return found.groupBy(quoted(view.join_key)).agg(latest).select("latest.*")


def features_of(found: DataFrame, declaration: Declaration, view: FeatureView) -> DataFrame:
    """Join key, known_at and the features, from `totals`: row by row."""
    from pyspark.sql import functions as F

    values = [F.expr(sql).alias(name) for name, sql in _values(declaration, view)]
    return found.select(F.col(quoted(view.join_key)), "known_at", *values)


def _measures(declaration: Declaration, view: FeatureView) -> dict[str, tuple[str, str]]:
    """Declared feature → (SQL of 1 where it counts, SQL of what is added up, an integer)."""
    columns = view_columns(declaration, view.table)
    measures = {}
    for name, feature in declaration.views[view.stem].features.items():
        if feature.expr is None and feature.agg == "count":
            measures[name] = ("1L", "0L")
            continue
        expression = compile_expression(feature.expr or name, columns)
        scaled = {
            "float64": f"CAST(round({expression.spark} * {MICRO}) AS BIGINT)",
            "bool": f"CAST({expression.spark} AS BIGINT)",
            "int64": expression.spark,
        }.get(expression.dtype, "0L")
        measures[name] = (f"CAST({expression.spark} IS NOT NULL AS BIGINT)", f"coalesce({scaled}, 0L)")
    return measures


def _steps(rows: DataFrame, declaration: Declaration, view: FeatureView) -> DataFrame:
    """Join key, known_at and, for each feature and window, how its count and its sum change there."""
    from pyspark.sql import functions as F

    measures = _measures(declaration, view)
    flat = [sql for pair in measures.values() for sql in pair]
    inner = rows.select(
        F.col(quoted(view.join_key)),
        F.expr(moment(view)).alias("entry"),
        *[F.expr(sql).alias(f"m{i}") for i, sql in enumerate(flat)],
    ).where(F.col("entry").isNotNull() & F.col(quoted(view.join_key)).isNotNull())

    def step(at: Column, signs: list[int]) -> Column:
        return F.struct(at.alias("known_at"), *[F.lit(sign).cast("bigint").alias(f"s{w}") for w, sign in enumerate(signs)])

    lengths = [int(span(window).total_seconds()) for window in view.windows]
    entry = step(F.col("entry"), [1] * len(lengths))
    exits = [
        step(F.expr(f"entry + make_dt_interval(0, 0, 0, {length})"), [-int(w == i) for w in range(len(lengths))])
        for i, length in enumerate(lengths)
    ]
    spread = inner.select("*", F.explode(F.array(entry, *exits)).alias("step"))
    changes = [(F.col(f"step.s{w}") * F.col(f"m{i}")).alias(f"w{w}m{i}") for w in range(len(lengths)) for i in range(len(flat))]
    return spread.select(F.col(quoted(view.join_key)), F.col("step.known_at"), *changes)


def _moment(at: datetime) -> Column:
    from pyspark.sql import functions as F

    return F.expr(literal(at.isoformat(), "timestamp"))


def _values(declaration: Declaration, view: FeatureView) -> list[tuple[str, str]]:
    """(feature, SQL over the running totals)."""
    columns = view_columns(declaration, view.table)
    names = list(declaration.views[view.stem].features)
    values = []
    for feature in view.features:
        declared, w = feature.declared, view.windows.index(feature.window or "")
        i = 2 * next(n for n, name in enumerate(names) if f"{name}_{feature.window}" == feature.name)
        count, total = f"w{w}m{i}", f"w{w}m{i + 1}"
        yields = compile_expression(declared.expr, columns).dtype if declared.expr else "int64"
        real = f"CAST({total} AS DOUBLE) / {MICRO}D" if yields == "float64" else f"CAST({total} AS DOUBLE)"
        sql = {
            "count": count,
            "sum": real if yields == "float64" else total,
            "mean": f"CASE WHEN {count} > 0 THEN {real} / {count} END",
        }[declared.agg or "count"]
        values.append((feature.name, sql))
    return values
