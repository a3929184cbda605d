"""The encoded matrix: what the trained core reads, one named column for each number, flag, indicator and word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knownat.derive.spark_ml import LABEL, SCALED, Fitted, hot, indexed
from knownat.encoder import LABELS, Category, Number, Text
from knownat.words import places

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame


def encode(rows: DataFrame, fitted: Fitted, *others: str) -> pa.Table:
    """Cleaned rows as Spark ML encodes them; `others` are columns to keep in front."""
    numbers = {fitted.layout.column(i.name): i for i in fitted.encoder.inputs if isinstance(i, Number)}
    # the mean itself, so that what is missing scales to exactly 0
    means = {column: number.mean for column, number in numbers.items()}
    marked = rows.select("*", *_missing(numbers))
    encoded = fitted.models.transform(marked.fillna(means) if means else marked)
    table = encoded.select(*others, *_outputs(fitted), *(f"{column}_missing" for column in numbers)).toArrow()
    return _named(table, fitted, others)


def _missing(columns: dict[str, Number]) -> list[Column]:
    from pyspark.sql import functions as F

    return [F.col(column).isNull().cast("float").alias(f"{column}_missing") for column in columns]


def _outputs(fitted: Fitted) -> list[Column]:
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    layout = fitted.layout
    vectors = [*hot([LABEL, *layout.columns("one_hot")]), *([SCALED] if layout.scaled else [])]
    return [
        *(vector_to_array(F.col(column), "float32").alias(column) for column in vectors),
        *(F.col(column).cast("int").alias(column) for column in indexed(layout.columns("index"))),
        *(F.col(column).cast("float").alias(column) for column in layout.columns("flag")),
        *(F.col(column) for column in layout.columns("words")),
    ]


def _named(table: pa.Table, fitted: Fitted, others: tuple[str, ...]) -> pa.Table:
    """Vectors taken apart into columns under the encoder's names, in its order."""
    import pyarrow as pa

    layout, encoder = fitted.layout, fitted.encoder
    label = _vectors(table, hot([LABEL])[0], len(LABELS) + 1)
    scaled = dict(zip(layout.scaled, _vectors(table, SCALED, len(layout.scaled)), strict=True)) if layout.scaled else {}
    columns: dict[str, Any] = {name: table[name] for name in others}
    # an indexer that keeps unseen values has a place for them, which a label never takes
    columns |= dict(zip(encoder.label_columns, label, strict=False))
    for feature in encoder.inputs:
        column = layout.column(feature.name)
        if isinstance(feature, Text):
            parts = list(places(table[column], feature.vocabulary).T.copy())
        elif isinstance(feature, Category):
            is_index = feature.kind == "index"
            parts = [table[f"{column}_index"]] if is_index else _vectors(table, f"{column}_hot", feature.size)
        else:
            parts = [scaled[column] if column in scaled else table[column], table[f"{column}_missing"]]
        columns |= dict(zip(feature.columns, parts, strict=False))
    return pa.table(columns)


def _vectors(table: pa.Table, column: str, width: int) -> list[Any]:
    """A column of vectors as one array for each of their places."""
    values = table[column].combine_chunks().flatten().to_numpy().reshape(table.num_rows, width)
    return list(values.T.copy())
