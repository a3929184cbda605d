"""What a gate reads is what every engine reads, and what no number is does not pass for one."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from knownat import parquet
from knownat.declaration import Column
from knownat.derive.expectations import constraints
from knownat.errors import KnownatError
from knownat.expectation_engine import judge
from knownat.gate_inputs import Asset, pandas_frame, spark_frame

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = pa.table({"x": [1.0, 2.0], "word": ["a", "b"]})


def holds(folder: Path, value: float, spark: SparkSession | None = None, **bounds: float) -> bool:
    """Whether a declared number holds where one row has this value."""
    parquet.write_table(pa.table({"x": [1.0, value]}), folder / parquet.part_name(0))
    load = partial(spark_frame, spark=spark) if spark else pandas_frame
    suite = list(constraints("x", Column.model_validate({"dtype": "float64", **bounds}), "float64"))
    return all(outcome.success for outcome in judge("x", load(Asset("x", folder)), suite)[0])


@pytest.mark.parametrize("bounds", [{}, {"min": 0}, {"max": 5}])
def test_what_is_no_finite_number_does_not_pass(tmp_path: Path, bounds: dict[str, float]) -> None:
    """A query or an expression may make NaN and infinities; NaN is not null, and a bound alone may let it by."""
    assert holds(tmp_path, 5.0, **bounds)
    assert not any(holds(tmp_path, value, **bounds) for value in (math.nan, math.inf, -math.inf))


@pytest.mark.full
@pytest.mark.parametrize("bounds", [{}, {"min": 0}, {"max": 5}])
def test_what_is_no_finite_number_does_not_pass_by_spark(tmp_path: Path, bounds: dict[str, float], spark: SparkSession) -> None:
    """The same, where NaN is the greatest of numbers."""
    assert holds(tmp_path, 5.0, spark, **bounds)
    assert not any(holds(tmp_path, value, spark, **bounds) for value in (math.nan, math.inf, -math.inf))


@pytest.mark.parametrize("name", ["extra.parquet", "readme.txt", ".part-00001.parquet"])
def test_a_file_that_is_no_part_is_refused(tmp_path: Path, name: str) -> None:
    """One engine would read it and the other not."""
    parquet.write_table(ROWS, tmp_path / parquet.part_name(0))
    pandas_frame(Asset("x", tmp_path))
    parquet.write_table(ROWS, tmp_path / name)
    with pytest.raises(KnownatError, match=f"holds {name}, which is no part of it"):
        pandas_frame(Asset("x", tmp_path))


@pytest.mark.parametrize(
    "other",
    [
        ROWS.append_column("more", pa.array([1, 2])),
        ROWS.drop_columns(["word"]),
        ROWS.set_column(0, "x", pa.array([1, 2])),
        ROWS.set_column(1, "word", ROWS["word"].cast(pa.large_string())),
        ROWS.set_column(1, "word", ROWS["word"].dictionary_encode()),
        pa.Table.from_arrays([ROWS["x"], ROWS["word"], ROWS["x"]], names=["x", "word", "x"]),
    ],
    ids=["more columns", "fewer", "another type", "a large type", "a dictionary", "a name twice"],
)
@pytest.mark.parametrize("part", [0, 1])
def test_a_part_of_another_schema_is_refused(tmp_path: Path, other: pa.Table, part: int) -> None:
    """The parts after the first are judged as what they are, not as what the first is."""
    for place, rows in enumerate([other, ROWS] if part == 0 else [ROWS, other]):
        pq.write_table(rows, tmp_path / parquet.part_name(place))
    with pytest.raises(KnownatError, match="has other columns or types than are written to"):
        pandas_frame(Asset("x", tmp_path))
