"""The leakage audit: every feature view computed in two worlds that are the same up to a cut-off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from knownat import parquet, paths
from knownat.canary import PLACE, Worlds, moments, settled, worlds
from knownat.comparison import Compared, compare
from knownat.declaration import Declaration, FeatureView, full_name
from knownat.derive import spark as sql
from knownat.errors import KnownatError
from knownat.judging import with_computed, with_label_and_keys
from knownat.params import Params
from knownat.spark_session import spark_session
from knownat.stages.preprocess import view_frame

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

WIDTH = 56


@dataclass(frozen=True)
class Finding:
    """A feature that saw the future, by its full name, and why it may all the same."""

    name: str
    compared: Compared
    waiver: str | None


def audit(declaration: Declaration, params: Params, most: int, cut_off: datetime | None) -> Iterator[str]:
    """The lines of the report as they are found out; KnownatError at its end if a feature saw the future or went unseen."""
    stored = {name: _stored(declaration, name) for name in declaration.tables}
    both = worlds(stored, declaration, most, cut_off)
    yield from _scale(stored, both)
    yield f"{'feature':<{WIDTH}} {'rows compared':>13} {'changed':>8}"
    found: list[Finding] = []
    unseen: list[str] = []
    observed_at = {name: params.source(name).observed_at for name in declaration.tables}
    with spark_session(params.spark) as spark:
        for view, columns in compared(spark, declaration, both, observed_at):
            unseen += [] if all(column.rows for column in columns) else [view.name]
            for column in columns:
                name = full_name(view.name, column.column)
                reason = waiver(declaration, name) if column.changed else None
                found += [Finding(name, column, reason)] if column.changed else []
                yield f"{name:<{WIDTH}} {column.rows:>13,} {column.changed:>8,}{f'  waived: {reason}' if reason else ''}"
    yield conclusion(found, unseen, len(declaration.feature_views), both.cut_off)


def _scale(stored: Mapping[str, pa.Table], both: Worlds) -> Iterator[str]:
    """How much of each table is scrambled; KnownatError if nothing is, since then nothing can be found."""
    for name, world in both.scrambled.items():
        yield (
            f"{name}: {len(both.rows[name]):,} of {len(stored[name]):,} rows; scrambled are {world.starting:,} that start "
            f"after {_shown(both.cut_off)}, and what is told after it of {world.learning:,} that start before"
        )
    if not any(world.starting or world.learning for world in both.scrambled.values()):
        raise KnownatError(f"Nothing comes after {_shown(both.cut_off)}, so nothing can be scrambled; choose an earlier --cut-off.")


def compared(
    spark: SparkSession, declaration: Declaration, both: Worlds, observed_at: Mapping[str, datetime]
) -> Iterator[tuple[FeatureView, list[Compared]]]:
    """Each view with its columns, compared by what both worlds knew up to the cut-off."""
    raw = {name: rows.select(list(declaration.tables[name].raw_columns)) for name, rows in both.rows.items()}
    other = {}
    for name, world in both.scrambled.items():
        computed = with_computed(spark.createDataFrame(world.rows), declaration.tables[name])
        instants = computed.select(PLACE, *map(sql.quoted, moments(declaration, name))).toArrow()
        other[name] = settled(both.rows[name], world.rows, instants, both.cut_off)
    before, after = _frames(spark, declaration, raw, observed_at), _frames(spark, declaration, other, observed_at)
    for view in declaration.feature_views.values():
        known = [_known_by(both.cut_off, view, frames[view.name]) for frames in (before, after)]
        yield view, list(compare(known[0], known[1], view.join_key))


def waiver(declaration: Declaration, name: str) -> str | None:
    """Why a feature may see the future: every service that reads it says so."""
    reading = [s for s in declaration.services if name in {item.name for item in declaration.inputs(s)}]
    reasons = [declaration.services[service].waivers.get(name) for service in reading]
    return "; ".join(dict.fromkeys(reason for reason in reasons if reason)) if reasons and all(reasons) else None


def conclusion(found: list[Finding], unseen: list[str], views: int, cut_off: datetime) -> str:
    """One sentence where all is well, or only what is waived is not; KnownatError where it is not, or cannot be told."""
    guilty = [finding for finding in found if not finding.waiver]
    if guilty:
        raise KnownatError(_accusation(guilty, cut_off))
    if unseen or not views:
        raise KnownatError(
            f"Nothing of {', '.join(unseen) or 'any view'} is known by {_shown(cut_off)}, so it could not be compared; choose a "
            "later --cut-off or more --rows."
        )
    waived = f"; waived: {', '.join(finding.name for finding in found)}" if found else ""
    return f"{views} views are compared: no feature saw what came after {_shown(cut_off)}{waived}."


def _accusation(guilty: list[Finding], cut_off: datetime) -> str:
    first, *others = guilty
    example = first.compared.example
    assert example is not None
    also = f" (and so did {', '.join(finding.name for finding in others)})" if others else ""
    return (
        f"{first.name} saw the future{also}: for '{example.key}' at {_shown(example.known_at)} it is {example.before}, but "
        f"{example.after} once what came after {_shown(cut_off)} is scrambled; let it read only what is known by its known_at, "
        "or say in services.yaml, under waivers, why it may."
    )


def _stored(declaration: Declaration, name: str) -> pa.Table:
    table = parquet.read(paths.TABLES / name)
    missing = [column for column in declaration.tables[name].columns if column not in table.column_names]
    if missing:
        raise KnownatError(f"{paths.TABLES / name} has no column {', '.join(missing)}; run `dvc repro preprocess`.")
    return table


def _frames(
    spark: SparkSession, declaration: Declaration, world: Mapping[str, pa.Table], observed_at: Mapping[str, datetime]
) -> dict[str, DataFrame]:
    """The views over one world's tables; each is bound to these tables, whatever bears their names later."""
    for name, rows in world.items():
        computed = with_computed(spark.createDataFrame(rows), declaration.tables[name])
        with_label_and_keys(computed, declaration, name).createOrReplaceTempView(name)
    return {v.name: view_frame(spark, declaration, v, observed_at[v.table]) for v in declaration.feature_views.values()}


def _known_by(cut_off: datetime, view: FeatureView, frame: DataFrame) -> pa.Table:
    from pyspark.errors import PySparkException

    known: Any = frame.where(f"known_at <= {sql.literal(cut_off.isoformat(), 'timestamp')}")
    try:
        return known.toArrow()
    except PySparkException as error:
        raise KnownatError(
            f"views/{view.stem}: Spark fails on scrambled rows: {str(error).splitlines()[0]} Mend the view."
        ) from error


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
