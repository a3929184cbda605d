"""What a gate judges: each asset's Parquet, and flags for what a column alone cannot tell.

Times are handed over as naive ones in UTC, as both of Great Expectations' engines compare them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from knownat import paths
from knownat.declaration import Declaration
from knownat.derive.expectations import FOUND_IN, READABLE, references
from knownat.errors import KnownatError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from knownat.params import Params


@dataclass(frozen=True)
class Asset:
    """One data set of a gate; `unreadable` is where ingest put the lines it could not read.

    `found_in`: other data in which a column's values must be found → that column.
    """

    name: str
    data: Path
    unreadable: Path | None = None
    found_in: dict[Path, str] = field(default_factory=dict)


class Load(Protocol):
    """An asset as a data frame of one of the engines."""

    def __call__(self, asset: Asset) -> Any: ...


def assets(gate: str, declaration: Declaration) -> list[Asset]:
    """What a gate judges, in the order of judgement."""
    if gate == "raw":
        return [Asset(t, paths.RAW / f"{t}.parquet", paths.REJECTED / f"{t}.parquet") for t in declaration.tables]
    if gate == "training_set":
        return [Asset(gate, paths.TRAINING_SET)]
    folders = {name: paths.TABLES / name for name in declaration.tables}
    folders |= {name: paths.VIEWS / name for name in declaration.feature_views}
    missing = [str(folder) for folder in folders.values() if not folder.exists()]
    if missing:
        raise KnownatError(f"{', '.join(missing)} is missing; run `dvc repro preprocess`.")
    found_in = {n: {folders[other]: key for other, key in references(declaration, n).items()} for n in folders}
    return [Asset(name, folder, found_in=found_in[name]) for name, folder in folders.items()]


def refuse_foreign(data: Path) -> None:
    """KnownatError for what one engine would read otherwise than the other: parts that differ, or files that are no part."""
    from knownat import parquet

    parts = parquet.part_files(data)
    foreign = sorted(child.name for child in data.iterdir() if child not in parts) if data.is_dir() else []
    if foreign:
        raise KnownatError(f"{data} holds {', '.join(foreign[:3])}, which is no part of it; remove it and run `dvc repro`.")
    first = parquet.plain_schema(parquet.schema(data))
    for part in parts:
        found = parquet.schema(part).remove_metadata()
        if found != first or len(set(found.names)) < len(found.names):
            raise KnownatError(f"{part} has other columns or types than are written to {data}; delete it and run `dvc repro`.")


@contextmanager
def loading(params: Params) -> Iterator[Load]:
    """Data frames of the engine that `validate.engine` names; by default the one that sits where the data is."""
    chosen = params.validate_.engine
    if chosen == "pandas" or (chosen == "auto" and params.spark.master.startswith("local")):
        yield pandas_frame
        return
    from knownat.spark_session import spark_session

    with spark_session(params.spark) as spark:
        yield partial(spark_frame, spark=spark)


def pandas_frame(asset: Asset) -> pd.DataFrame:
    """With pandas' nullable types, so that a whole number with gaps stays one."""
    import pandas as pd
    import pyarrow as pa

    refuse_foreign(asset.data)
    types = {
        pa.string(): pd.StringDtype("python"),
        pa.int64(): pd.Int64Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    table = _arrow(asset)
    moments = [f.name for f in table.schema if pa.types.is_timestamp(f.type)]
    for name in moments:
        place, zone = table.column_names.index(name), table.schema.field(name).type.tz
        # a time without a zone is no moment, and must not pass for one
        moment = table[name].cast(pa.timestamp("us")) if zone else table[name].cast(pa.string())
        table = table.set_column(place, name, moment)
    return table.to_pandas(types_mapper=types.get)


def _arrow(asset: Asset) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    from knownat.parquet import read

    table = read(asset.data)
    if asset.unreadable:
        lost = read(asset.unreadable, ["line"])
        flags = pa.array([True] * len(table) + [False] * len(lost), pa.bool_())
        table = pa.concat_tables([table, lost], promote_options="permissive").append_column(READABLE, flags)
    for other, key in asset.found_in.items():
        if key in table.column_names:
            known = pc.is_in(table[key], value_set=pc.unique(read(other, [key])[key]))
            table = table.append_column(FOUND_IN.format(other.name), pc.or_(known, pc.is_null(table[key])))
    return table


def spark_frame(asset: Asset, spark: SparkSession) -> DataFrame:
    """The same rows, types and flags as `pandas_frame`, read by the executors."""
    from pyspark.sql import functions as F

    from knownat.derive.spark import quoted

    def read(path: Path) -> DataFrame:
        return spark.read.parquet(str(path.resolve()))

    refuse_foreign(asset.data)
    spark.catalog.clearCache()  # one asset at a time is held
    frame = read(asset.data)
    if asset.unreadable:
        lost = read(asset.unreadable).select("line").withColumn(READABLE, F.lit(False))
        frame = frame.withColumn(READABLE, F.lit(True)).unionByName(lost, allowMissingColumns=True)
    for other, key in asset.found_in.items():
        if key in frame.columns:
            keys = read(other).select(F.col(quoted(key)).alias("__key")).distinct().withColumn("__found", F.lit(True))
            frame = frame.join(keys, frame[quoted(key)] == keys["__key"], "left").drop("__key")
            found = F.coalesce(F.col("__found"), F.col(quoted(key)).isNull())
            frame = frame.withColumn(FOUND_IN.format(other.name), found).drop("__found")
    return frame.persist()
