"""A point-in-time join in Spark as a running window: the stored rows and the entities in one, sorted by time.

The views that are looked up by the same columns share one shuffle and one sort; there is no inequality join.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_type

from knownat.offline_store.lookups import Lookup, ambiguous, micros

STORED, ASKED = 0, 1  # of rows at the same moment, the stored ones come first: known at the very moment counts


@dataclass(frozen=True)
class Stored:
    """A view's rows: its lookup, and the frame that its source holds."""

    lookup: Lookup
    frame: DataFrame


def joined(spine: DataFrame, moment: str, sources: list[Stored], created_counts: bool) -> DataFrame:
    """The spine with each lookup's features, one row for each row."""
    names = spine.columns
    for keys, group in groupby(sorted(sources, key=_keys), _keys):
        spine = _looked_up(spine, moment, list(keys), list(group), created_counts)
    features = [name for source in sources for name in source.lookup.features]
    return spine.select(*map(quoted, [*names, *features]))


def _keys(source: Stored) -> tuple[str, ...]:
    return tuple(source.lookup.keys)


def _looked_up(spine: DataFrame, moment: str, keys: list[str], sources: list[Stored], created_counts: bool) -> DataFrame:
    """The spine with the features of views that have the same keys: one shuffle, one sort."""
    asked = spine.select(
        *[F.col(quoted(key)).alias(f"key_{i}") for i, key in enumerate(keys)],
        F.col(quoted(moment)).alias("at"),
        F.lit(ASKED).alias("kind"),
        F.struct("*").alias("asked"),
    )
    rows = asked
    for number, source in enumerate(sources):
        rows = rows.unionByName(_rows(source, keys, number, created_counts), allowMissingColumns=True)
    window = Window.partitionBy(*[F.col(f"key_{i}") for i in range(len(keys))]).orderBy("at", "kind", "view", "known", "created")
    for number, source in enumerate(sources):
        rows = rows.withColumn(f"value_{number}", _unambiguous(source.lookup, number, window))
    so_far = window.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    newest = [F.max_by(f"value_{n}", f"order_{n}").over(so_far).alias(f"newest_{n}") for n in range(len(sources))]
    found = rows.select("kind", "asked", "at", *newest).where(F.col("kind") == ASKED)
    return found.select("asked.*", *[column for n, source in enumerate(sources) for column in _features(source.lookup, n)])


def _rows(source: Stored, keys: list[str], number: int, created_counts: bool) -> DataFrame:
    """A view's rows in the union's form: seen from `at` on, newer than those of a lesser `order`."""
    lookup = source.lookup
    known = F.col(quoted(lookup.known_at))
    created = F.col(quoted(lookup.created_at)) if lookup.created_at else F.lit(None).cast("timestamp")
    if lookup.created_at and created_counts:
        seen, is_seen = F.greatest(known, created), known.isNotNull() & created.isNotNull()
    else:
        seen, is_seen = known, known.isNotNull()
    stored = [F.col(quoted(lookup.keys[key])) for key in keys]
    values = [F.col(quoted(c)).cast(from_arrow_type(lookup.types[n])) for n, c in lookup.features.items()]
    for key in stored:
        is_seen = is_seen & key.isNotNull()
    return source.frame.where(is_seen).select(
        *[key.alias(f"key_{i}") for i, key in enumerate(stored)],
        seen.alias("at"),
        F.lit(STORED).alias("kind"),
        F.lit(number).alias("view"),
        known.alias("known"),
        created.alias("created"),
        # under names of ours, so that a feature may be called known
        F.struct(known.alias("known"), *[value.alias(f"f{n}") for n, value in enumerate(values)]).alias(f"value_{number}"),
        F.struct(known, created).alias(f"order_{number}"),
    )


def _unambiguous(lookup: Lookup, number: int, window: WindowSpec) -> Column:
    """The view's value; an error where the row before is of the same entity, moment and creation, and differs.

    Rows that nothing else tells apart stand side by side in the window's order.
    """
    same = F.lit(True)
    for name in ("view", "at", "known", "created"):
        same = same & F.lag(name).over(window).eqNullSafe(F.col(name))
    value = F.col(f"value_{number}")
    differs = (F.col("view") == number) & same & ~F.lag(value).over(window).eqNullSafe(value)
    example = F.concat(F.lit(ambiguous(lookup, "known at ")), F.col("known").cast("string"))
    return F.when(differs, F.raise_error(example)).otherwise(value)


def _features(lookup: Lookup, number: int) -> Iterator[Column]:
    known = F.col(f"newest_{number}.known")
    for n, name in enumerate(lookup.features):
        value = F.col(f"newest_{number}.f{n}")
        if lookup.ttl:
            fresh = F.col("at") - known <= F.expr(f"make_dt_interval(0, 0, 0, {micros(lookup.ttl)} / 1000000)")
            value = F.when(fresh, value)
        yield value.alias(name)


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def arrow_types(lookups: list[Lookup]) -> dict[str, pa.DataType]:
    return {name: kind for lookup in lookups for name, kind in lookup.types.items()}
