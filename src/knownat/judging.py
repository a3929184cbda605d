"""What becomes of each raw row: kept, a copy, filtered, or in quarantine with its reasons."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from knownat.declaration import Declaration, Table, join_key
from knownat.derive import spark as sql
from knownat.expressions import compile_expression
from knownat.functions import Spark
from knownat.known_times import dtypes, label_known_at
from knownat.params import PreprocessSettings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SUBSET = "outside the subset"
INVISIBLE = r"[\p{Z}\p{Cc}\p{Cf}]"
SPACED = rf"^{INVISIBLE}|{INVISIBLE}\z"


def judge(raw: DataFrame, declaration: Declaration, name: str, settings: PreprocessSettings, observed_at: datetime) -> DataFrame:
    """The raw rows (`raw_<column>`, line), their typed columns, and what becomes of each: verdict and reasons.

    In this order: not a value of its type, a bound broken, a duplicate, filtered, a bound of a row-level feature broken.
    """
    from pyspark.sql import functions as F

    table = declaration.tables[name]
    typed = with_computed(_typed(raw, table), table)
    judged = typed.withColumn("reasons", F.expr(sql.reasons(chain(_not_parsed(table), _bounds(table, observed_at)))))
    judged = _duplicates(judged, table)
    verdict = "CASE WHEN reasons <> '' THEN 'quarantined' WHEN is_copy THEN 'duplicate'"
    for chosen, rule in _filters(declaration, table, settings):
        verdict += f" WHEN NOT coalesce({rule}, FALSE) THEN 'filtered: {chosen}'"
    judged = judged.withColumn("verdict", F.expr(f"{verdict} ELSE 'kept' END"))
    judged = with_label_and_keys(judged, declaration, name)
    return _feature_bounds(judged, declaration, name)


def _filters(declaration: Declaration, table: Table, settings: PreprocessSettings) -> Iterator[tuple[str, str]]:
    """Name and condition of each filter that a kept row must pass, the subset last."""
    for chosen in settings.filters:
        if chosen in table.filters:
            yield chosen, compile_expression(table.filters[chosen], dtypes(table), "bool").spark
    key = sql.entity_keys(declaration, table).get(join_key(declaration.event.entity))
    if key and settings.subset < 1:
        # of its md5, since that is the same in every engine and version; a row without the entity stays
        place = f"conv(substr(md5({key}), 1, 8), 16, 10) / {2**32}"
        yield SUBSET, f"coalesce({place} < {settings.subset!r}, TRUE)"


def with_computed(typed: DataFrame, table: Table) -> DataFrame:
    """The rows with the computed columns beside the raw ones that they are made of."""
    from pyspark.sql import functions as F

    for column, text in sql.computed(table):
        typed = typed.withColumn(column, F.expr(text))
    return typed


def _typed(raw: DataFrame, table: Table) -> DataFrame:
    from pyspark.sql import functions as F

    values = [F.expr(sql.parse(column, table.columns[column].dtype, table.timezone)).alias(column) for column in table.raw_columns]
    return raw.select("line", *[F.col(sql.quoted(c)).alias(f"raw_{c}") for c in table.raw_columns], *values)


def _not_parsed(table: Table) -> list[tuple[str, str]]:
    return [
        (f"{name}: {_not_a(table.columns[name].dtype, table.timezone)}", f"`raw_{name}` IS NOT NULL AND {sql.quoted(name)} IS NULL")
        for name in table.raw_columns
    ]


def _not_a(dtype: str, timezone: str) -> str:
    is_local = dtype == "timestamp" and timezone != "UTC"
    return f"not a {dtype}" + (f", or one that {timezone} had twice or never" if is_local else "")


def _keys(table: Table) -> Iterator[tuple[str, str]]:
    """Without a key a row cannot be told from others; with spaces around it, it is not found under its name."""
    for key in table.key:
        if not table.columns[key].required and key != table.known_at:
            yield f"{key}: missing", f"{sql.quoted(key)} IS NULL"
        if table.columns[key].dtype == "string":
            yield f"{key}: spaces or invisible characters around it", f"{sql.quoted(key)} RLIKE {Spark.text(SPACED)}"


def _bounds(table: Table, observed_at: datetime) -> list[tuple[str, str]]:
    """A column's own bounds; that a row was known by the time it was observed; that nothing was known before its row."""
    start = sql.quoted(table.known_at)
    found = [b for name, column in table.columns.items() for b in sql.broken(name, column, column.dtype)]
    found += _keys(table)
    if not table.columns[table.known_at].required:
        found.append((f"{table.known_at}: missing", f"{start} IS NULL"))
    found.append((f"{table.known_at}: after observed_at", f"{start} > {sql.literal(observed_at.isoformat(), 'timestamp')}"))
    moments = dict.fromkeys(c.known_at for c in table.columns.values() if c.known_at and c.known_at != table.known_at)
    return found + [(f"{m}: before {table.known_at}", f"{sql.quoted(m)} < {start}") for m in moments]


def _duplicates(judged: DataFrame, table: Table) -> DataFrame:
    """Among the rows without a reason: copies of another row, and rows that differ under one key."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    same_key = Window.partitionBy(F.expr("reasons = ''"), *[F.col(sql.quoted(key)) for key in table.key])
    texts = F.struct(*[F.col(f"`raw_{column}`") for column in table.raw_columns])
    return (
        judged.withColumn("differs", F.min(texts).over(same_key) != F.max(texts).over(same_key))
        .withColumn("is_copy", F.row_number().over(same_key.orderBy("line")) > 1)
        .withColumn(
            "reasons",
            F.expr(f"CASE WHEN reasons = '' AND differs THEN '{', '.join(table.key)}: differs from another row' ELSE reasons END"),
        )
        .drop("differs")
    )


def with_label_and_keys(judged: DataFrame, declaration: Declaration, name: str) -> DataFrame:
    """The rows with the key of each entity that the table has and, of events, the label and when it is known."""
    from pyspark.sql import functions as F

    for key, text in sql.entity_keys(declaration, declaration.tables[name]).items():
        judged = judged.withColumn(key, F.expr(text))
    if name == declaration.event.table:
        label = compile_expression(declaration.outcome.expr, dtypes(declaration.event_table), "bool")
        moment = next(iter(label_known_at(declaration)), declaration.event_table.known_at)
        judged = judged.withColumn(declaration.outcome.name, F.expr(label.spark))
        judged = judged.withColumn("label_known_at", F.col(sql.quoted(moment)))
    return judged


def _feature_bounds(judged: DataFrame, declaration: Declaration, name: str) -> DataFrame:
    """Quarantine the kept rows that break a bound of a row-level feature; windows then never count them."""
    from pyspark.sql import functions as F

    conditions = []
    for view in declaration.feature_views.values():
        if view.table == name and not view.windows and view.sql is None:
            texts = sql.features(declaration, view)
            for feature in view.features:
                for reason, condition in sql.broken(feature.name, feature.declared, feature.dtype):
                    text = condition.replace(sql.quoted(feature.name), f"({texts[feature.name]})", 1)
                    conditions.append((f"{view.name}.{reason}", text))
    judged = judged.withColumn(
        "reasons", F.expr(f"CASE WHEN verdict = 'kept' THEN {sql.reasons(iter(conditions))} ELSE reasons END")
    )
    return judged.withColumn("verdict", F.expr("CASE WHEN reasons <> '' THEN 'quarantined' ELSE verdict END"))
