"""From all-text rows to typed tables and feature views, each row accounted for."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from knownat import parquet, paths
from knownat.console import Counts, run_stage
from knownat.declaration import Declaration, FeatureView, join_key, stored_key
from knownat.derive import spark as sql
from knownat.derive.expectations import stored_columns
from knownat.derive.windows import windowed
from knownat.errors import KnownatError
from knownat.expressions import SPARK_TYPES
from knownat.files import replacing, write_json
from knownat.gates import data_of, require
from knownat.judging import judge
from knownat.params import Params
from knownat.quarantine import limit_quarantine, rows_read, write_quarantine
from knownat.spark_session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FIRST = "substring_index(reasons, '; ', 1)"


def main() -> Counts:
    params, declaration = Params.load(), Declaration.read(paths.compiled("preprocess"))
    require("raw", data_of("raw", declaration.tables))
    check_filters(params.preprocess.filters, declaration)
    with spark_session(params.spark) as spark, ExitStack() as kept_in_memory:
        judged = {name: judge_table(spark, declaration, name, params) for name in declaration.tables}
        for frame in judged.values():
            # or the session would take another run's rows of the same files for these
            kept_in_memory.callback(frame.unpersist)
        # first and by itself: it is there to be looked at even where the stage then fails
        with replacing(paths.QUARANTINE) as (quarantine,):
            held = {name: write_quarantine(frame, declaration, name, quarantine / name) for name, frame in judged.items()}
        for name in judged:
            limit_quarantine(name, held[name], rows_read(name), params.preprocess.quarantine_max_share)
        with replacing(paths.TABLES, paths.VIEWS) as (tables, stored):
            accounts = {name: _table(frame, declaration, name, params, tables, held[name]) for name, frame in judged.items()}
            views = {view.name: _view(spark, declaration, view, params, stored) for view in declaration.feature_views.values()}
    write_json(paths.ROWS, {"tables": accounts, "views": views})
    return {name: account["kept"] for name, account in accounts.items()} | {"views": sum(views.values())}


def check_filters(named: list[str], declaration: Declaration) -> None:
    known = [name for table in declaration.tables.values() for name in table.filters]
    for name in named:
        if name not in known:
            raise KnownatError(f"params.yaml: preprocess.filters: there is no filter '{name}'; declared: {', '.join(known)}.")


def judge_table(spark: SparkSession, declaration: Declaration, name: str, params: Params) -> DataFrame:
    """What `judge` makes of a table's raw rows; the kept ones are a temporary view of the table's name."""
    raw = spark.read.parquet(str((paths.RAW / f"{name}.parquet").resolve()))
    judged = judge(raw, declaration, name, params.preprocess, params.source(name).observed_at).persist()
    judged.where("verdict = 'kept'").select(*_stored(declaration, name)).createOrReplaceTempView(name)
    return judged


def _stored(declaration: Declaration, name: str) -> list[str]:
    return [sql.quoted(column) for column in stored_columns(declaration, name)]


def _table(judged: DataFrame, declaration: Declaration, name: str, params: Params, tables: Path, held: int) -> dict[str, object]:
    """Write a table's kept rows, and account for all that were read."""
    kept = judged.where("verdict = 'kept'").select(*_stored(declaration, name))
    written = parquet.write_spark(kept, tables / name, declaration.tables[name].key, params.preprocess.partitions)
    account = account_of(judged, parquet.row_count(paths.REJECTED / f"{name}.parquet"))
    read = rows_read(name)
    balance(name, read, account, written, held)
    return {"read": read} | account


def account_of(judged: DataFrame, rejected: int) -> dict[str, object]:
    """How many rows went where, each counted once, under its first reason."""
    by = judged.selectExpr(f"CASE WHEN verdict = 'quarantined' THEN concat('quarantined: ', {FIRST}) ELSE verdict END AS fate")
    counts = {row["fate"]: row["count"] for row in by.groupBy("fate").count().collect()}
    quarantined = {fate.removeprefix("quarantined: "): n for fate, n in counts.items() if fate.startswith("quarantined: ")}
    filtered = {fate.removeprefix("filtered: "): n for fate, n in counts.items() if fate.startswith("filtered: ")}
    return {
        "rejected": rejected,
        "quarantined": dict(sorted(quarantined.items(), key=lambda item: (-item[1], item[0]))),
        "duplicates": counts.get("duplicate", 0),
        "filtered": dict(sorted(filtered.items())),
        "kept": counts.get("kept", 0),
    }


def balance(name: str, read: int, account: dict[str, object], written: int, held: int) -> None:
    """Rows in = kept + filtered + duplicates + quarantined (unparsed ones included), exactly; else nothing can be trusted."""
    parts = {key: sum(value.values()) if isinstance(value, dict) else int(str(value)) for key, value in account.items()}
    if sum(parts.values()) != read or written != parts["kept"] or held != parts["quarantined"] + parts["rejected"]:
        raise KnownatError(
            f"table {name}: {read} rows were read but {parts} are accounted for ({written} written, {held} in "
            "quarantine); this is a defect of knownat: please report it."
        )
    if parts["kept"] == 0:
        first = next(iter(account["quarantined"]), "a filter") if isinstance(account["quarantined"], dict) else ""
        raise KnownatError(f"table {name}: none of {read} rows is left (most often: {first}); see {paths.QUARANTINE / name}.")


def _view(spark: SparkSession, declaration: Declaration, view: FeatureView, params: Params, folder: Path) -> int:
    frame = view_frame(spark, declaration, view, params.source(view.table).observed_at)
    return parquet.write_spark(frame, folder / view.name, [view.join_key, "known_at"], params.preprocess.partitions)


def view_frame(spark: SparkSession, declaration: Declaration, view: FeatureView, observed_at: datetime) -> DataFrame:
    """Join key, known_at and features of what was known by `observed_at`."""
    if view.sql is not None:
        frame = _queried(spark, view)
    elif view.windows:
        return windowed(spark.table(view.table), declaration, view, observed_at)
    else:
        frame = spark.table(view.table).selectExpr(*_row_level(declaration, view))
    known = f"known_at <= {sql.literal(observed_at.isoformat(), 'timestamp')} AND {sql.quoted(view.join_key)} IS NOT NULL"
    return frame.where(known)


def _row_level(declaration: Declaration, view: FeatureView) -> list[str]:
    columns = {view.join_key: sql.quoted(view.join_key), "known_at": sql.moment(view)}
    columns |= {stored_key(entity): sql.quoted(join_key(entity)) for entity in view.keys}
    columns |= sql.features(declaration, view)
    return [f"{text} AS {sql.quoted(name)}" for name, text in columns.items()]


def _queried(spark: SparkSession, view: FeatureView) -> DataFrame:
    from pyspark.errors import PySparkException

    path = Path(paths.FEATURE_REPO / "views" / f"{view.stem}.sql")
    types = {view.join_key: "STRING", "known_at": "TIMESTAMP"} | {f.name: SPARK_TYPES[f.dtype] for f in view.features}
    try:
        frame = spark.sql(view.sql or "")
        casts = {name: f"CAST({sql.quoted(name)} AS {kind})" for name, kind in types.items()}
        # what is not a number is no value: engines differ on how it compares
        casts |= {name: f"nanvl({cast}, NULL)" for name, cast in casts.items() if types[name] == "DOUBLE"}
        return frame.selectExpr(*[f"{cast} AS {sql.quoted(name)}" for name, cast in casts.items()])
    except PySparkException as error:
        raise KnownatError(f"{path}: Spark refuses the query: {str(error).splitlines()[0]} Mend it.") from error


if __name__ == "__main__":
    run_stage("preprocess", main)
